"""Strands' tool calls, decided where a tool streams: after every hook and middleware, before any sees the result.

INVARIANT: nothing of what a tool streams leaves before its whole result is on record and may be seen.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from bailiwick.adapters.governing import Ended, Told, agovern, refusal_text
from bailiwick.adapters.sealing import is_sealed, sealed_engine
from bailiwick.adapters.settling import settled
from bailiwick.adapters.strands.texts import message_of, result_text
from bailiwick.adapters.wiring import Wiring
from bailiwick.errors import MissingExtra, Refused
from bailiwick.guard.current import running_permit
from bailiwick.guard.session import Session

try:
    from pydantic_core import to_jsonable_python
    from strands.interrupt import Interrupt
    from strands.tools.decorator import DecoratedFunctionTool
    from strands.tools.structured_output.structured_output_tool import StructuredOutputTool
    from strands.types._events import ToolInterruptEvent, ToolResultEvent
    from strands.types.tools import AgentTool, ToolResult, ToolUse
except ImportError as error:
    raise MissingExtra(feature="the adapter for Strands Agents", extra="strands") from error

__all__ = ["FRAMEWORK", "acting", "decided_tool", "in_team", "wiring_of"]

FRAMEWORK = "strands"

UNNAMED = "Strands Agents"
"""What Strands calls an agent without a name."""

HANDOFF = "handoff_to_agent"

Stream = Callable[..., AsyncGenerator[Any, None]]

in_team: ContextVar[bool] = ContextVar("bailiwick_strands_team", default=False)
"""Whether the agent is a node of a graph: it must say who it is."""

_inside: ContextVar[tuple[object, object]] = ContextVar("bailiwick_strands_tool", default=(None, None))
"""The tool that runs under the live permit, and its call: what it calls of its own base class is no other call."""


class _Interrupted(BaseException):
    """The tool itself, or an agent that is one, asks a person: the run goes on later."""

    def __init__(self, event: Any) -> None:
        super().__init__("interrupted")
        self.event = event


@dataclass(slots=True)
class _Streamed:
    """What a tool gave: events on the way, and its result."""

    events: list[Any] = field(default_factory=list)
    result: Any = None

    @property
    def tool_result(self) -> ToolResult:
        given: ToolResult = self.result.tool_result
        return given


def wiring_of(agent: object) -> Wiring:
    """What was said of the agent that runs, or of the one around it."""
    return Wiring.of(agent, sealed_engine(FRAMEWORK))


async def acting(agent: Any, what: str) -> Session:
    """The session of the agent that runs. Raises Denied or ApprovalPending."""
    name = getattr(agent, "name", None)
    name = None if name == UNNAMED else name
    outermost = running_permit() is None and not in_team.get()
    return await wiring_of(agent).asession(what, name, outermost=outermost, message=message_of(agent))


def decided_tool(original: Stream) -> Stream:
    """A tool's `stream`, decided before it runs."""

    async def stream(
        tool: AgentTool, tool_use: ToolUse, invocation_state: dict[str, Any], **kwargs: Any
    ) -> AsyncGenerator[Any, None]:
        within = _inside.get()
        own = (within[0] is tool and within[1] == tool_use.get("toolUseId")) or type(tool) is StructuredOutputTool
        if own or not is_sealed(FRAMEWORK):
            async for event in original(tool, tool_use, invocation_state, **kwargs):
                yield event
            return
        call = _Call(original=original, tool=tool, tool_use=tool_use, state=invocation_state, more=kwargs)
        for event in await (call.handed_on() if _is_handoff(tool) else call.decided()):
            yield event

    return stream


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    """One call as the framework has it."""

    original: Stream
    tool: AgentTool
    tool_use: ToolUse
    state: dict[str, Any]
    more: dict[str, Any]

    @property
    def agent(self) -> Any:
        return self.state.get("agent")

    async def decided(self) -> list[Any]:
        """Decide the call and run it. → the events that the framework may have of it."""
        may_wait = running_permit() is None and "event_loop_cycle_id" in self.state
        try:
            told = await agovern(
                lambda: acting(self.agent, self.tool.tool_name),
                self.tool.tool_name,
                _bound(self.tool, self.tool_use.get("input")),
                self.run,
                plain=_plain,
                failed=lambda streamed: streamed.tool_result.get("status") == "error",
            )
        except _Interrupted as interrupted:
            return [interrupted.event]
        return self._given_back(told, may_wait=may_wait)

    async def run(self, args: dict[str, Any]) -> _Streamed:
        """The tool, with these arguments, to its end."""
        use: ToolUse = {**self.tool_use, "input": args}
        streamed = _Streamed()
        token = _inside.set((self.tool, use.get("toolUseId")))
        try:
            with wiring_of(self.agent).current():
                async for event in self.original(self.tool, use, self.state, **self.more):
                    if isinstance(event, ToolInterruptEvent):
                        raise _Interrupted(event)
                    if isinstance(event, ToolResultEvent):
                        streamed.result = event
                    else:
                        streamed.events.append(event)
        finally:
            _inside.reset(token)
        if streamed.result is None:
            # Tools of modules and of older interfaces yield their bare result last.
            streamed.result = ToolResultEvent(streamed.events.pop())
        return streamed

    def _given_back(self, told: Told[_Streamed], *, may_wait: bool) -> list[Any]:
        if told.open and told.error is not None and not isinstance(told.error, Refused):
            raise told.error
        if told.open and told.error is None and told.value is not None:
            told.shown_as(result_text(told.value.tool_result))
            return [*told.value.events, told.value.result]
        if told.ended is Ended.PENDING and may_wait:
            waits = Interrupt(id=f"v1:bailiwick:{self.tool_use['toolUseId']}", name="approval", reason=told.text)
            if waits.id not in self.agent._interrupt_state.interrupts:  # noqa: SLF001  woken up once, the model is told
                return [ToolInterruptEvent(self.tool_use, [waits])]
        return [self._answer("success" if told.ended is Ended.COMPLETED else "error", told.text)]

    async def handed_on(self) -> list[Any]:
        """Handing the work on in a swarm is `agent.delegate`: refused, it stays where it is."""
        args: Any = self.tool_use.get("input") or {}
        session: Session | None = None
        try:
            session = await acting(self.agent, HANDOFF)
            wiring = wiring_of(self.agent)
            target, message = str(args.get("agent_name", "")), str(args.get("message", ""))
            session.vouch(message)  # the caller's model wrote it, so the label of its output is on it
            with wiring.current():
                await session.aacting(wiring.agents.get(target, target), message=message)
        except Refused as refused:
            text = refusal_text(HANDOFF, refused)
            if session is not None:
                session.vouch(text)
            return [self._answer("error", text)]
        streamed = await self.run(args)
        session.vouch(result_text(streamed.tool_result))
        return [*streamed.events, streamed.result]

    def _answer(self, status: Any, text: str) -> Any:
        return ToolResultEvent(
            {"toolUseId": str(self.tool_use.get("toolUseId")), "status": status, "content": [{"text": text}]}
        )


def _is_handoff(tool: AgentTool) -> bool:
    function = getattr(tool, "_tool_func", None)
    return tool.tool_name == HANDOFF and getattr(function, "__module__", "") == "strands.multiagent.swarm"


def _bound(tool: AgentTool, given: Any) -> dict[str, Any]:
    """The arguments as the tool's own schema takes them, with its defaults; as they are where it will refuse them."""
    args: dict[str, Any] = dict(given) if isinstance(given, dict) else {"input": given}

    def taken(made: dict[str, Any]) -> dict[str, Any]:
        if isinstance(tool, DecoratedFunctionTool):
            with suppress(ValueError):
                made = tool._metadata.validate_input(made)  # noqa: SLF001  what `stream` does first
        plain: dict[str, Any] = to_jsonable_python(made)
        return plain

    return settled(tool.tool_name, args, taken)


def _plain(streamed: _Streamed) -> object:
    content = streamed.tool_result.get("content", [])
    if len(content) == 1 and "json" in content[0]:
        return to_jsonable_python(content[0]["json"], serialize_unknown=True)
    return result_text(streamed.tool_result)
