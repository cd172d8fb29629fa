"""The hooks that Claude Code asks before and after each tool.

INVARIANT: whatever goes wrong in them, the tool does not run, or what it gave is not shown. Claude Code shows a result
all the same where the hook after the tool fails, and cannot be kept from showing an error: so before the model reads
the results of a batch, each call that was let run must have been settled, or the run ends."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from bailiwick.adapters.claude_agent_sdk.tools import FRAMEWORK, expected, over, text_of
from bailiwick.adapters.governing import refusal_text
from bailiwick.adapters.sealing import sealed_session
from bailiwick.adapters.wiring import Wiring
from bailiwick.errors import BailiwickError, Refused, UsageError
from bailiwick.guard.current import acting_in
from bailiwick.guard.finding import refused
from bailiwick.guard.session import Session
from bailiwick.guard.state import Permit
from bailiwick.model.decision import Plane, Reason

__all__ = ["DELEGATING", "Hooks"]

_LOG = logging.getLogger("bailiwick")

DELEGATING = frozenset({"Task", "Agent"})
"""What Claude Code calls the tool by which an agent starts another."""

_SPOILT = "what a tool gave must not be shown, and Claude Code would: this conversation cannot go on"

_KEEPS = frozenset({"type", "mode", "media_type"})
"""Fields of a result that say what kind it is of, not what came of the call."""

_SHAPED = frozenset({"Bash", "Read", "Grep", "Glob"})
"""Tools of Claude Code whose results of text keep their shape when texts in them are replaced (each is tested)."""


_Call = tuple[str, str]
"""Claude Code's session, and its id of a call in it."""


class Hooks:
    """The guard's hooks for one set of options. `servers` are the names of those that run in this process, `model` is
    what the options name (empty: Claude Code's own choice), `restored` whether a kept conversation goes on."""

    def __init__(self, wiring: Wiring, *, servers: frozenset[str], model: str, restored: bool) -> None:
        self._wiring, self._servers, self._model, self._restored = wiring, servers, model, restored
        self._running: dict[_Call, tuple[Session, Permit]] = {}
        self._agents: dict[tuple[str, str], Session] = {}
        self._unsettled: set[_Call] = set()
        self._spoilt: set[str] = set()

    async def before_tool(self, told: Any, tool_use_id: str | None, _context: Any) -> dict[str, Any]:
        """`PreToolUse`."""
        tool, call = str(told["tool_name"]), _call(told, tool_use_id)
        try:
            session = await self._session(told, tool)
            if tool in DELEGATING and told.get("agent_id"):
                raise self._no_grandchildren(tool)
            answer = await self._decided(session, tool, dict(told["tool_input"]), call)
            self._unsettled.add(call)
            return answer
        except Refused as denied:
            text = refusal_text(tool, denied)
            with suppress(BailiwickError):
                sealed_session(FRAMEWORK, tool).vouch(text, event=denied.event_id or "")
        except BailiwickError as error:
            text = f"DENIED {tool}: the call could not be decided, so it is denied [{error}]"
        return _said("PreToolUse", permissionDecision="deny", permissionDecisionReason=text)

    async def after_tool(self, told: Any, tool_use_id: str | None, _context: Any) -> dict[str, Any]:
        """`PostToolUse`."""
        tool, response, call = str(told["tool_name"]), told.get("tool_response"), _call(told, tool_use_id)
        try:
            answer = await self._after(told, tool, response, call)
        except BailiwickError as error:
            _LOG.error("the result of %s is withheld", tool, exc_info=error)
            answer = _replaced(tool, response, f"WITHHELD {tool}: it ran, but its result cannot be shown")
        if "continue_" not in answer:
            self._unsettled.discard(call)
        return answer

    async def failed_tool(self, told: Any, tool_use_id: str | None, _context: Any) -> dict[str, Any]:
        """`PostToolUseFailure`: its text cannot be replaced, so with one that must be the call is never settled."""
        tool, error, call = str(told["tool_name"]), str(told.get("error", "")), _call(told, tool_use_id)
        session, permit = self._running.pop(call, (None, None))
        sealed = False
        if permit is not None and session is not None:
            sealed = (await session.afailed(permit, error)).sealed
        else:
            session = await self._session(told, tool)
            over(session, self._ours(tool), dict(told["tool_input"]))
        if not sealed:
            self._reads(session, error)
            self._unsettled.discard(call)
        return {}

    async def before_reading(self, told: Any, _tool_use_id: str | None, _context: Any) -> dict[str, Any]:
        """`PostToolBatch`: the model is about to read these results."""
        run, calls = (
            str(told["session_id"]),
            [(str(told["session_id"]), each["tool_use_id"]) for each in told["tool_calls"]],
        )
        if not self._unsettled.isdisjoint(calls):
            self._spoilt.add(run)
            self._unsettled.difference_update(calls)
        return _stopped(_SPOILT) if run in self._spoilt else {}

    async def prompted(self, told: Any, _tool_use_id: str | None, _context: Any) -> dict[str, Any]:
        """`UserPromptSubmit`: the model is about to read it. What the session does not know taints it."""
        try:
            if str(told["session_id"]) in self._spoilt:
                return {"decision": "block", "reason": f"DENIED: {_SPOILT}"}
            session = sealed_session(FRAMEWORK, "the prompt")
            self._bind(session, str(told["session_id"]))
            self._reads(session, str(told.get("prompt", "")))
        except BailiwickError as error:
            return {"decision": "block", "reason": f"DENIED: {error}"}
        return {}

    async def _after(self, told: Any, tool: str, response: Any, call: _Call) -> dict[str, Any]:
        session, permit = self._running.pop(call, (None, None))
        if permit is None or session is None:
            # Ours, and recorded where it ran; or a delegation, whose answer is its agent's message.
            session = await self._session(told, tool)
            over(session, self._ours(tool), dict(told["tool_input"]))
            return self._came_back(session, told, tool)
        left = await session.aleave(permit, _plain(tool, response))
        if left.sealed:
            return self._readable(session, tool, response, left.text) or _replaced(tool, response, left.text)
        session.vouch(text_of(response), event=left.event_id)
        return self._readable(session, tool, response, text_of(response))

    async def _decided(self, session: Session, tool: str, args: dict[str, Any], call: _Call) -> dict[str, Any]:
        ours = self._ours(tool)
        catalog = self._wiring.engine.core.planes.catalog
        if ours:
            expected(session, ours, args)
            return _said("PreToolUse", permissionDecision="allow")
        if tool in DELEGATING and catalog.find(tool) is None:
            named, task = str(args.get("subagent_type") or "general-purpose"), str(args.get("prompt", ""))
            session.vouch(task)  # the caller's model wrote it, so the label of its output is on it
            await self._wiring_in(session, named, task)
            return _said("PreToolUse", permissionDecision="allow")
        permit = await session.aenter(tool, args)
        given = await session.astart(permit)
        self._running[call] = session, permit
        return _said("PreToolUse", permissionDecision="allow", updatedInput=given)

    async def _session(self, told: Any, tool: str) -> Session:
        root = sealed_session(FRAMEWORK, tool)
        self._bind(root, str(told["session_id"]))
        kind, agent = told.get("agent_type"), told.get("agent_id")
        if not kind or not agent:
            return root
        # INVARIANT: a sub-agent stays in the session that it began in, with all that it has seen.
        known = self._agents.get((str(told["session_id"]), str(agent)))
        if known is None or known.closed or known.root is not root.root:
            known = await self._wiring_in(root, str(kind), "")
            self._agents[(str(told["session_id"]), str(agent))] = known
        return known

    async def _wiring_in(self, session: Session, name: str, message: str) -> Session:
        with acting_in(session):
            return await self._wiring.asession("the agent", name, outermost=False, message=message)

    def _bind(self, session: Session, conversation: str) -> None:
        """Claude Code's session id is the conversation, unless the application has its own. A conversation that goes on
        must be its own: else its labels would be lost."""
        if self._restored:
            session.rebind(conversation)
        else:
            with suppress(UsageError):
                session.rebind(conversation)

    def _no_grandchildren(self, tool: str) -> Exception:
        return refused(
            self._wiring.engine,
            tool,
            Reason(
                plane=Plane.IDENTITY,
                code="unknown-caller",
                message="A sub-agent may start no other: Claude Code does not say which of them started it.",
                hint="Let the outermost agent start it.",
            ),
        )

    def _came_back(self, session: Session, told: Any, tool: str) -> dict[str, Any]:
        text = text_of(told.get("tool_response"))
        if tool in DELEGATING:
            kind = str(told["tool_input"].get("subagent_type") or "general-purpose")
            agent = self._wiring.agents.get(kind, kind)
            for below in session.below:
                if below.agent == agent:
                    below.vouch(text)
            session.message(agent, text)
        return self._readable(session, tool, told.get("tool_response"), text)

    def _readable(self, session: Session, tool: str, response: Any, text: str) -> dict[str, Any]:
        """The model reads this of the result next: that is decided as a call of it."""
        try:
            self._reads(session, text)
        except Refused as denied:
            return {**_replaced(tool, response, refusal_text(tool, denied)), **_stopped(str(denied))}
        return {}

    def _reads(self, session: Session, text: str) -> None:
        if not self._wiring.engine.core.planes.catalog.models:
            session.model_input([text])
            return
        with session.model_call(self._model, provider="anthropic", inputs=[text]):
            pass

    def _ours(self, tool: str) -> str:
        """The name of a tool of a server in this process, as it calls it; empty for others."""
        parts = tool.split("__", 2)
        return parts[2] if len(parts) == 3 and parts[0] == "mcp" and parts[1] in self._servers else ""


def _plain(tool: str, response: Any) -> object:
    if tool.startswith("mcp__") or not isinstance(response, Mapping):
        return text_of(response)
    return response


def _replaced(tool: str, response: Any, text: str) -> dict[str, Any]:
    """INVARIANT: no text of the result is left. A result whose shape Claude Code does not take back would be shown as
    it was: where that is not known to go well, the run ends."""
    if tool.startswith("mcp__"):
        return _said("PostToolUse", updatedToolOutput=[{"type": "text", "text": text}])
    said = _said("PostToolUse", updatedToolOutput=_emptied(response, _longest(response), text))
    if tool in _SHAPED and isinstance(response, Mapping) and not _is_picture(response):
        return said
    return {**said, **_stopped(f"the result of {tool} must not be shown")}


def _is_picture(response: Mapping[str, Any]) -> bool:
    """Whether the model would be shown something else than text."""
    return bool(response.get("isImage")) or response.get("type", "text") not in ("text", "notebook")


def _emptied(value: Any, longest: str, text: str) -> Any:
    if isinstance(value, str):
        return text if value == longest else ""
    if isinstance(value, Mapping):
        return {key: each if key in _KEEPS else _emptied(each, longest, text) for key, each in value.items()}
    return [_emptied(each, longest, text) for each in value] if isinstance(value, list) else value


def _longest(value: Any) -> str:
    if isinstance(value, str):
        return value
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return max(map(_longest, inner), key=len, default="")


def _said(event: str, **told: Any) -> dict[str, Any]:
    return {"hookSpecificOutput": {"hookEventName": event, **told}}


def _call(told: Any, tool_use_id: str | None) -> _Call:
    return str(told["session_id"]), tool_use_id or str(told["tool_use_id"])


def _stopped(why: str) -> dict[str, Any]:
    return {"continue_": False, "stopReason": why}
