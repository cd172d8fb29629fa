"""The seal of AutoGen: what its own classes do where no adapter stands (`bailiwick.adapters.sealing`).

Tools, workbenches and executors of agents that nobody protected, and tools that a program runs itself, are decided as
calls of the current session. What is refused raises: in a workbench AutoGen makes a tool's error of it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import Any

from bailiwick.adapters.autogen.calling import Events, called
from bailiwick.adapters.autogen.executing import sealed_execution
from bailiwick.adapters.autogen.tools import as_content, bound, is_handoff, log_call, own_name, run, run_stream
from bailiwick.adapters.autogen.workbench import GuardWorkbench
from bailiwick.adapters.families import family
from bailiwick.adapters.governing import Ended, Told, agovern
from bailiwick.adapters.sealing import Method, is_sealed, passes, sealed_session
from bailiwick.errors import MissingExtra
from bailiwick.guard.current import running_permit

try:
    from autogen_agentchat.agents import CodeExecutorAgent
    from autogen_core import CancellationToken
    from autogen_core.tools import BaseStreamTool, BaseTool, ToolResult, Workbench
except ImportError as error:
    raise MissingExtra(feature="the AutoGen adapter", extra="autogen") from error

__all__ = ["FRAMEWORK", "sealed_methods"]

FRAMEWORK = "autogen"
Original = Callable[..., Any]


def sealed_methods() -> tuple[Method, ...]:
    """The methods through which every tool of AutoGen runs."""
    return (
        Method(owner=BaseTool, name="run_json", make=_run_json),
        Method(owner=BaseStreamTool, name="run_json_stream", make=_run_json_stream),
        *family(Workbench, {"call_tool": _call_tool, "call_tool_stream": _call_tool_stream}),
        Method(owner=CodeExecutorAgent, name="execute_code_block", make=sealed_execution),
    )


def _run_json(original: Original) -> Original:
    async def run_json(
        self: BaseTool[Any, Any],
        args: Mapping[str, Any],
        cancellation_token: CancellationToken,
        call_id: str | None = None,
    ) -> Any:
        if is_handoff(self):
            return await original(self, args, cancellation_token, call_id)
        if passes("tool", self.name, args):
            return await run(self, args, cancellation_token, call_id)

        async def run_it(given: dict[str, Any]) -> Any:
            passes("tool", self.name)  # this is the one run that the permit is for
            return await run(self, given, cancellation_token, call_id)

        return _released(self, args, await _governed(self, args, run_it))

    return run_json


def _run_json_stream(_original: Original) -> Original:
    async def run_json_stream(
        self: BaseStreamTool[Any, Any, Any],
        args: Mapping[str, Any],
        cancellation_token: CancellationToken,
        call_id: str | None = None,
    ) -> AsyncGenerator[Any, None]:
        if passes("tool", self.name, args):
            async for each in run_stream(self, args, cancellation_token, call_id):
                yield each
            return
        events: Events = []

        async def streamed(given: dict[str, Any]) -> Any:
            passes("tool", self.name)
            async for each in run_stream(self, given, cancellation_token, call_id):
                events.append(each)
            return events[-1]

        told = await _governed(self, args, streamed)
        last = _released(self, args, told)
        for each in events[:-1] if told.open else ():
            yield each
        yield last

    return run_json_stream


def _call_tool(original: Original) -> Original:
    layer = f"workbench {id(original)}"

    async def call_tool(
        self: Workbench,
        name: str,
        arguments: Mapping[str, Any] | None = None,
        cancellation_token: CancellationToken | None = None,
        call_id: str | None = None,
    ) -> ToolResult:
        own = own_name(self, name)
        if _stays(self, layer, own, arguments):
            result: ToolResult = await original(self, name, arguments, cancellation_token, call_id)
            return result

        async def run_it(given: dict[str, Any], _events: Events) -> ToolResult:
            passes(layer, own)  # this is the one run that the permit is for
            result: ToolResult = await original(self, name, given, cancellation_token, call_id)
            return result

        _, result = await called(lambda: sealed_session(FRAMEWORK, own), self, name, arguments, run_it)
        return result

    return call_tool


def _call_tool_stream(original: Original) -> Original:
    layer = f"workbench {id(original)}"

    async def call_tool_stream(
        self: Workbench,
        name: str,
        arguments: Mapping[str, Any] | None = None,
        cancellation_token: CancellationToken | None = None,
        call_id: str | None = None,
    ) -> AsyncGenerator[Any, None]:
        own = own_name(self, name)
        if _stays(self, layer, own, arguments):
            async for each in original(self, name, arguments, cancellation_token, call_id):
                yield each
            return

        async def run_it(given: dict[str, Any], events: Events) -> ToolResult:
            passes(layer, own)  # this is the one run that the permit is for
            async for each in original(self, name, given, cancellation_token, call_id):
                events.append(each)
            result: ToolResult = events.pop()
            return result

        events, result = await called(lambda: sealed_session(FRAMEWORK, own), self, name, arguments, run_it)
        for each in events:
            yield each
        yield result

    return call_tool_stream


def _stays(workbench: Workbench, layer: str, own: str, args: Mapping[str, Any] | None) -> bool:
    """Whether the method runs as it was: a guard's own decides itself, and what the live permit is for passes once in
    each class. INVARIANT: a tool that calls itself again, through a workbench too, makes another call."""
    if isinstance(workbench, GuardWorkbench) or not is_sealed(FRAMEWORK):
        return True
    permit = running_permit()
    return permit is not None and "tool" not in permit.claims and passes(layer, own, args or {})


async def _governed(
    tool: BaseTool[Any, Any], args: Mapping[str, Any], run_it: Callable[[dict[str, Any]], Awaitable[Any]]
) -> Told[Any]:
    return await agovern(
        lambda: sealed_session(FRAMEWORK, tool.name),
        tool.name,
        lambda: bound(tool, args),
        run_it,
        plain=lambda value: as_content(value, tool.return_value_as_string(value)),
    )


def _released(tool: BaseTool[Any, Any], args: Mapping[str, Any], told: Told[Any]) -> Any:
    """What a call outside of any adapter gives: the tool's own value or error where they may be seen, else what may be
    seen of them."""
    if told.refusal is not None:
        raise told.refusal
    if told.open and told.error is not None:
        raise told.error
    if told.open:
        text = tool.return_value_as_string(told.value)
        log_call(tool.name, args, text)
        told.shown_as(text)
        return told.value
    log_call(tool.name, args, told.text)
    if told.ended is not Ended.COMPLETED:
        raise RuntimeError(told.text)
    return told.text
