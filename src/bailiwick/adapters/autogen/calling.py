"""One call of a workbench's tool under the guard.

INVARIANT: nothing is raised here but what cancels the task itself. AutoGen's AssistantAgent waits for ever for a tool
call that raised. And what AutoGen hears of a call, while it runs or after, is what may be seen of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from bailiwick.adapters.autogen.tools import bound, catching, log_call, own_name, plain, tool_of
from bailiwick.adapters.governing import Told, agovern
from bailiwick.errors import MissingExtra
from bailiwick.guard.session import Session

try:
    from autogen_core.tools import TextResultContent, ToolResult, Workbench
except ImportError as error:
    raise MissingExtra(feature="the AutoGen adapter", extra="autogen") from error

__all__ = ["Events", "called", "refusal"]

Events = list[Any]
"""What a tool streamed while it ran: held back until it is known whether it may be seen."""


async def called(
    find: Callable[[], Session | Awaitable[Session]],
    workbench: Workbench,
    name: str,
    arguments: Mapping[str, Any] | None,
    run: Callable[[dict[str, Any], Events], Awaitable[ToolResult]],
) -> tuple[Events, ToolResult]:
    """Decide, run, record. `run` fills the events. → those that may be seen, and the result."""
    own, events = own_name(workbench, name), Events()
    with catching() as values:
        try:
            told = await agovern(
                find,
                own,
                lambda: bound(tool_of(workbench, own), dict(arguments or {})),
                lambda given: run(given, events),
                plain=lambda result: plain(values, result),
                failed=lambda result: result.is_error,
            )
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            return [], refusal(name, f"CANCELLED {own}: it was given up while it ran, and may have run")
    result = _shown(name, told)
    log_call(own, arguments, result.to_text())
    return (events if told.open else []), result


def refusal(name: str, text: str) -> ToolResult:
    return ToolResult(name=name, result=[TextResultContent(content=text)], is_error=True)


def _shown(name: str, told: Told[ToolResult]) -> ToolResult:
    if told.open and told.value is not None:
        result = told.value
    elif told.open and told.error is not None:
        result = refusal(name, f"{type(told.error).__name__}: {told.error}")
    else:
        wrong = told.refused or told.error is not None or (told.value is not None and told.value.is_error)
        result = ToolResult(name=name, result=[TextResultContent(content=told.text)], is_error=wrong)
    told.shown_as(result.to_text())
    return result
