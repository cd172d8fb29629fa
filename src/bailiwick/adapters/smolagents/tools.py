"""The seal of smolagents' tools: every way into one is a governed call."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bailiwick.adapters.governing import Told, govern
from bailiwick.adapters.sealing import passes, sealed_session
from bailiwick.errors import MissingExtra

try:
    from smolagents import FinalAnswerTool, Tool
    from smolagents.agent_types import AgentText, AgentType
except ImportError as error:
    raise MissingExtra(feature="the adapter for smolagents", extra="smolagents") from error

__all__ = ["FRAMEWORK", "ends_run", "looked_up", "sealed_call", "shown"]

FRAMEWORK = "smolagents"


def ends_run(tool: object) -> bool:
    """Whether it is how a model says that it is done, which does nothing to anybody."""
    return type(tool) is FinalAnswerTool


def sealed_call(original: Callable[..., Any]) -> Callable[..., Any]:
    """`Tool.__call__`, through which agents of both kinds run their tools."""

    @functools.wraps(original)
    def __call__(self: Tool, *args: Any, sanitize_inputs_outputs: bool = False, **kwargs: Any) -> Any:  # noqa: N807
        run = functools.partial(original, self, sanitize_inputs_outputs=sanitize_inputs_outputs)
        if ends_run(self) or passes("call", self.name):
            return run(*args, **kwargs)
        told = _governed("call", self, _named(self, args, kwargs), run)
        # Only a ToolCallingAgent asks for inputs and outputs of its own types. An exception would end its whole step,
        # with the calls beside this one; code must not go on with a denial as if it were a result.
        return _given(told, as_text=sanitize_inputs_outputs)

    return __call__


def looked_up(original: Callable[..., Any]) -> Callable[..., Any]:
    """`Tool.__getattribute__`: every subclass has a `forward` of its own, and some a `__call__` that leads to it."""

    @functools.wraps(original)
    def __getattribute__(self: Tool, name: str) -> Any:  # noqa: N807
        value = original(self, name)
        return _sealed_forward(self, value) if name == "forward" and not ends_run(self) else value

    return __getattribute__


def shown(value: object) -> str:
    """A tool's result as an agent shows it to its model."""
    return str(value).strip() if not isinstance(value, AgentType) or isinstance(value, AgentText) else ""


def _sealed_forward(tool: Tool, forward: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(forward)
    def sealed(*args: Any, **kwargs: Any) -> Any:
        if passes("forward", tool.name):
            return forward(*args, **kwargs)
        return _given(_governed("forward", tool, _named(tool, args, kwargs), forward), as_text=False)

    return sealed


def _governed(layer: str, tool: Tool, args: Mapping[str, object], run: Callable[..., Any]) -> Told[Any]:
    def find() -> Any:
        return sealed_session(FRAMEWORK, tool.name)

    def once(given: dict[str, Any]) -> Any:
        passes(layer, tool.name)  # this is the run: a tool that calls itself is decided again
        return run(**given)

    told = govern(find, tool.name, args, once, plain=_plain)
    if told.open and told.error is None:
        told.shown_as(shown(told.value))
    else:
        told.shown_as(told.text.strip())
    return told


def _given(told: Told[Any], *, as_text: bool) -> Any:
    """What the caller gets. INVARIANT: of a result that is hidden or was redacted nothing but its text."""
    if told.open:
        if told.error is not None:
            raise told.error
        return told.value
    if told.refused and not as_text:
        raise PermissionError(told.text)
    return told.text


def _named(tool: Tool, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, object]:
    """The arguments as the tool will get them, each under its name, the tool's own defaults filled in."""
    if len(args) == 1 and not kwargs and isinstance(args[0], dict) and all(key in tool.inputs for key in args[0]):
        kwargs = args[0]
        args = ()
    parameters = [each for name, each in inspect.signature(tool.forward).parameters.items() if name != "self"]
    fixed = [each for each in parameters if each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)]
    order = [each.name for each in fixed] or list(tool.inputs)
    if len(args) > len(order) or set(order[: len(args)]) & kwargs.keys():
        raise TypeError(f"{tool.name} takes {', '.join(order) or 'no arguments'}")
    defaults = {each.name: each.default for each in fixed if each.default is not each.empty}
    given = {**defaults, **dict(zip(order, args, strict=False)), **kwargs}
    return {name: value.to_raw() if isinstance(value, AgentType) else value for name, value in given.items()}


def _plain(value: object) -> object:
    """What the catalog speaks of; an image or a sound is in no field of anything."""
    if isinstance(value, AgentText):
        return value.to_string()
    return f"[{type(value).__name__}]" if isinstance(value, AgentType) else value
