"""The seal of the SDK's own tools, which run in this process: each run is a governed call."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Mapping
from typing import Any

from bailiwick.adapters.governing import agovern
from bailiwick.adapters.sealing import passes, sealed_engine, sealed_session
from bailiwick.errors import CanonicalError, MissingExtra
from bailiwick.guard.finding import refused
from bailiwick.guard.session import Session
from bailiwick.model.canonical import canonical
from bailiwick.model.decision import Plane, Reason

try:
    from claude_agent_sdk import SdkMcpTool
except ImportError as error:
    raise MissingExtra(feature="the adapter for the Claude Agent SDK", extra="claude-agent-sdk") from error

__all__ = ["FRAMEWORK", "expected", "looked_up", "over", "text_of"]

FRAMEWORK = "claude-agent-sdk"

_waiting: dict[tuple[str, str, bytes], list[Session]] = {}
"""By the session at the top, the tool and the arguments: the sessions of the agents whose call Claude Code will run."""

_door = threading.Lock()


def expected(session: Session, tool: str, args: Mapping[str, object]) -> None:
    """Claude Code is about to have this tool run for the agent of this session."""
    with _door:
        _waiting.setdefault((session.root.id, tool, _key(args)), []).append(session)


def over(session: Session, tool: str, args: Mapping[str, object]) -> None:
    """That call has come back, so what runs from here on is another."""
    key = (session.root.id, tool, _key(args))
    with _door:
        noted = _waiting.get(key, [])
        at = next((at for at, each in enumerate(noted) if each is session), None)
        if at is not None:
            del noted[at]
        if not noted:
            _waiting.pop(key, None)


def looked_up(original: Callable[..., Any]) -> Callable[..., Any]:
    """`SdkMcpTool.__getattribute__`: a tool is a record with its handler in it."""

    @functools.wraps(original)
    def __getattribute__(self: SdkMcpTool[Any], name: str) -> Any:  # noqa: N807
        value = original(self, name)
        return _sealed(self, value) if name == "handler" else value

    return __getattribute__


def text_of(result: object) -> str:
    """What a tool's answer says; what is no text is written so that it is no field of anything."""
    blocks = result.get("content", ()) if isinstance(result, Mapping) else result
    if isinstance(blocks, str) or not isinstance(blocks, list | tuple):
        return str(blocks)
    return "\n".join(
        str(block["text"]) if isinstance(block, Mapping) and isinstance(block.get("text"), str) else f"[block] {block}"
        for block in blocks
    )


def _sealed(tool: SdkMcpTool[Any], handler: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(handler)
    async def sealed(given: dict[str, Any]) -> Any:
        if passes("handler", tool.name, given):
            return await handler(given)

        async def once(decided: dict[str, Any]) -> Any:
            passes("handler", tool.name)  # this is the run: a tool that calls itself is decided again
            return await handler(decided)

        told = await agovern(
            lambda: _session(tool.name, given), tool.name, _bound(tool, given), once, plain=text_of, failed=_failed
        )
        if told.open and told.error is not None:
            raise told.error
        if told.open:
            return told.value
        return {"content": [{"type": "text", "text": told.text}], "is_error": told.refused or told.value is None}

    return sealed


def _session(tool: str, args: Mapping[str, object]) -> Session:
    """The session that Claude Code's call was noted in; the current one for a call past it. Raises Denied.

    INVARIANT: it is one of the current session's own. What another user's agent asks for meanwhile is not here."""
    here = sealed_session(FRAMEWORK, tool)
    with _door:
        noted = tuple(_waiting.get((here.root.id, tool, _key(args)), ()))
    open_ones = [each for each in noted if not each.closed]
    return _narrowest(tool, open_ones) if open_ones else here


def _narrowest(tool: str, sessions: list[Session]) -> Session:
    """Nobody can tell which of these agents a run is for: none gets another's authority. Raises Denied where none of
    them acts through all the others."""
    deepest = max(sessions, key=lambda each: len(each.chain))
    if all(deepest.chain[: len(each.chain)] == each.chain for each in sessions):
        return deepest
    raise refused(
        sealed_engine(FRAMEWORK),
        tool,
        Reason(
            plane=Plane.IDENTITY,
            code="ambiguous-caller",
            message="Two agents make the same call at once, and Claude Code does not say which of them this is.",
            hint="Call it again.",
        ),
    )


def _bound(tool: SdkMcpTool[Any], given: Mapping[str, Any]) -> dict[str, object]:
    """The arguments with the defaults that the tool's schema names."""
    schema = tool.input_schema
    fields = schema.get("properties") if isinstance(schema, dict) else None
    if not isinstance(fields, Mapping):
        return dict(given)
    defaults = {
        name: each["default"] for name, each in fields.items() if isinstance(each, Mapping) and "default" in each
    }
    return {**defaults, **given}


def _failed(value: Any) -> bool:
    return isinstance(value, Mapping) and bool(value.get("is_error"))


def _key(args: Mapping[str, object]) -> bytes:
    try:
        return canonical(dict(args))
    except CanonicalError:
        return b""
