"""The seal of smolagents' interpreters: each piece of code that a CodeAgent runs is a call of `python_interpreter`."""

from __future__ import annotations

import contextvars
import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from bailiwick.adapters.governing import govern
from bailiwick.adapters.sealing import passes, sealed_session
from bailiwick.adapters.smolagents.tools import FRAMEWORK
from bailiwick.errors import MissingExtra

try:
    from smolagents import Tool
    from smolagents.agents import MultiStepAgent
    from smolagents.local_python_executor import CodeOutput, PrintContainer, PythonExecutor
    from smolagents.utils import truncate_content
except ImportError as error:
    raise MissingExtra(feature="the adapter for smolagents", extra="smolagents") from error

__all__ = ["INTERPRETER", "sealed_executor"]

INTERPRETER = "python_interpreter"
"""What a CodeAgent calls its code step, and smolagents the tool that does the same."""

_CONTEXT = "_bailiwick_context"
"""Where an executor keeps in whose session the piece of code runs that it is at."""


def sealed_executor(original: Callable[..., Any]) -> Callable[..., Any]:
    """`__call__` of an executor."""

    @functools.wraps(original)
    def __call__(self: PythonExecutor, code_action: str) -> CodeOutput:  # noqa: N807
        if passes("code", INTERPRETER):
            return original(self, code_action)

        def run(given: dict[str, Any]) -> CodeOutput:
            with _carried(self):
                return original(self, given["code"])

        told = govern(
            lambda: sealed_session(FRAMEWORK, INTERPRETER), INTERPRETER, {"code": code_action}, run, plain=_plain
        )
        if told.open and told.error is not None:
            raise told.error
        if told.open and told.value is not None:
            told.shown_as(_observed(told.value))
            return told.value
        # The agent would show what was printed, now or before, beside the error.
        if "_print_outputs" in getattr(self, "state", {}):
            self.state["_print_outputs"] = PrintContainer()
        if told.refused or told.value is None:
            raise PermissionError(told.text)
        kept = replace(told.value, output=told.text, logs="")
        told.shown_as(_observed(kept))
        return kept

    return __call__


@contextmanager
def _carried(executor: PythonExecutor) -> Iterator[None]:
    """The interpreter may run code in a thread that knows nothing of the session: what it calls takes it along. Code
    gets functions instead of the tools, so that it reaches no attribute of theirs."""
    tools = getattr(executor, "static_tools", None)
    if tools is None:
        yield
        return
    # INVARIANT: code may keep a tool for later pieces, of other runs too: it acts where the piece runs that calls it.
    before = getattr(executor, _CONTEXT, None)
    setattr(executor, _CONTEXT, contextvars.copy_context())
    executor.static_tools = {
        name: _within(executor, tool) if isinstance(tool, Tool | MultiStepAgent) else tool
        for name, tool in tools.items()
    }
    try:
        yield
    finally:
        executor.static_tools = tools
        setattr(executor, _CONTEXT, before)


def _within(executor: PythonExecutor, tool: Callable[..., Any]) -> Callable[..., Any]:
    def called(*args: Any, **kwargs: Any) -> Any:
        context = getattr(executor, _CONTEXT, None)
        if context is None:
            return tool(*args, **kwargs)
        return context.copy().run(tool, *args, **kwargs)

    return called


def _plain(value: CodeOutput) -> object:
    return {"output": value.output, "logs": value.logs}


def _observed(value: CodeOutput) -> str:
    """A piece of code's outcome as the agent shows it to its model."""
    last = truncate_content(str(value.output))
    return f"Observation:\nExecution logs:\n{value.logs}Last output from code snippet:\n{last}"
