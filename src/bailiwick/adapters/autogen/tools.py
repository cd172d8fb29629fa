"""AutoGen's tools: how they bind their arguments, what they return, and how they run without telling it to a log."""

from __future__ import annotations

import contextvars
import logging
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from bailiwick.adapters.autogen.parts import runner, seat_of
from bailiwick.adapters.settling import settled
from bailiwick.errors import MissingExtra
from bailiwick.guard.current import current_session

try:
    from autogen_agentchat.base import TaskResult
    from autogen_core import EVENT_LOGGER_NAME, CancellationToken, trace_tool_span
    from autogen_core.logging import ToolCallEvent
    from autogen_core.tools import BaseStreamTool, BaseTool, ToolResult, Workbench
    from pydantic import BaseModel, ValidationError
    from pydantic_core import PydanticSerializationError, to_jsonable_python
except ImportError as error:
    raise MissingExtra(feature="the AutoGen adapter", extra="autogen") from error

__all__ = [
    "as_content",
    "bound",
    "catching",
    "is_handoff",
    "log_call",
    "own_name",
    "plain",
    "run",
    "run_stream",
    "tool_of",
]

_EVENTS = logging.getLogger(EVENT_LOGGER_NAME)
_returned: contextvars.ContextVar[list[Any] | None] = contextvars.ContextVar("bailiwick_autogen_value", default=None)


def own_name(workbench: Workbench, name: str) -> str:
    """The tool's own name: a workbench may show it under another one."""
    shown = getattr(workbench, "_override_name_to_original", None)
    return shown.get(name, name) if isinstance(shown, dict) else name


def tool_of(workbench: Workbench, name: str) -> BaseTool[Any, Any] | None:
    """The tool behind a name, where the workbench holds tools of this process."""
    tools = getattr(workbench, "_tools", ())
    return next((tool for tool in tools if isinstance(tool, BaseTool) and tool.name == name), None)


def bound(tool: BaseTool[Any, Any] | None, args: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments as the tool will see them: with its own defaults, and with what its schema makes of each. As the
    model gave them where the tool will refuse them, or takes what is no JSON."""
    given = dict(args)
    if tool is None:
        return given
    schema: type[BaseModel] = tool.args_type()

    def taken(made: dict[str, Any]) -> dict[str, Any]:
        try:
            values = schema.model_validate(made).model_dump(mode="json", by_alias=True)
        except (ValidationError, PydanticSerializationError):
            return made
        # What the schema does not know stays: the catalog refuses it, if the tool does not.
        return {**made, **{name: _kept(made.get(name), value) for name, value in values.items()}}

    return settled(tool.name, given, taken)


def plain(values: list[Any], result: ToolResult) -> object:
    """The content of a result as the catalog speaks of it: what the tool returned, as JSON values, or its text."""
    text = result.to_text()
    return text if len(values) != 1 or result.is_error else as_content(values[0], text)


def as_content(value: Any, text: str) -> object:
    """What a tool returned, as JSON values; `text`, which AutoGen makes of it, where it has no such fields."""
    if isinstance(value, str | TaskResult):
        return text
    try:
        return to_jsonable_python(value)
    except PydanticSerializationError:
        return text


@contextmanager
def catching() -> Iterator[list[Any]]:
    """The block in which a tool runs. What it returns is put into the list."""
    values: list[Any] = []
    token = _returned.set(values)
    try:
        yield values
    finally:
        _returned.reset(token)


async def run(tool: BaseTool[Any, Any], args: Mapping[str, Any], token: CancellationToken, call_id: str | None) -> Any:
    """`BaseTool.run_json` without its entry in the log of events, which has the raw result: whoever decided the call
    writes one when it is known what may be seen. No exception of the tool reaches the trace for the same reason."""
    value: Any = None
    held = _Held()
    with trace_tool_span(tool_name=tool.name, tool_description=tool.description, tool_call_id=call_id), held:
        await _introduced(tool, args)
        value = await tool.run(tool.args_type().model_validate(args), token)
    held.let_go()
    _note(value)
    return value


async def run_stream(
    tool: BaseStreamTool[Any, Any, Any], args: Mapping[str, Any], token: CancellationToken, call_id: str | None
) -> AsyncGenerator[Any, None]:
    """`BaseStreamTool.run_json_stream` in the same manner."""
    value: Any = None
    held = _Held()
    with trace_tool_span(tool_name=tool.name, tool_description=tool.description, tool_call_id=call_id), held:
        await _introduced(tool, args)
        async for value in tool.run_stream(tool.args_type().model_validate(args), token):
            yield value
    held.let_go()
    if not isinstance(value, tool.return_type()):
        raise TypeError(f"{tool.name} ended with a {type(value).__name__}, not with its result")
    _note(value)


def log_call(name: str, args: Mapping[str, Any] | None, text: str) -> None:
    """The entry in AutoGen's log of events: what was asked, and what may be seen of the answer."""
    _EVENTS.info(ToolCallEvent(tool_name=name, arguments=dict(args or {}), result=text))


def is_handoff(tool: object) -> bool:
    """Whether this is the tool that AutoGen makes of a handoff: it returns a text of the developer's, and does no
    more. What hands the conversation on is the agent that it belongs to."""
    function = getattr(tool, "_func", None)
    place = (getattr(function, "__module__", ""), getattr(function, "__qualname__", ""))
    return place == ("autogen_agentchat.base._handoff", "Handoff.handoff_tool.<locals>._handoff_tool")


class _Held:
    """Keeps an exception from whatever stands around the block, until it is let go."""

    def __init__(self) -> None:
        self._error: BaseException | None = None

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if not isinstance(error, Exception):
            return False
        self._error = error
        return True

    def let_go(self) -> None:
        if self._error is not None:
            raise self._error


async def _introduced(tool: object, args: Mapping[str, Any]) -> None:
    """An agent that works as a tool is told what to do before it begins: that is a delegation. Raises Denied."""
    part, caller = runner(tool), current_session()
    seat = seat_of(part)
    if seat is not None and caller is not None:
        await seat.told(caller, str(args.get("task", "")))


def _note(value: Any) -> None:
    values = _returned.get()
    if values is not None:
        values.append(value)


def _kept(given: object, taken: object) -> object:
    """`given` where both are the same JSON value: 1 and 1.0 are, 1 and true are not."""
    if isinstance(given, bool) is not isinstance(taken, bool) or given is None:
        return taken
    return given if given == taken else taken
