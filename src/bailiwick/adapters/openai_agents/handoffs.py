"""Handoffs: `agent.delegate` decisions. Where one is denied the conversation stays with the agent that has it, whose
model reads why.

INVARIANT: the agent that takes over acts below the one that hands over, with what both may do. It is decided on the
handoff's own name for its target before the application's `on_handoff` runs, and once more if another agent comes.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bailiwick.adapters.governing import known, refusal_text
from bailiwick.adapters.openai_agents.registry import passes_by, protected_by, session_of, took_over
from bailiwick.adapters.openai_agents.texts import texts_of_input
from bailiwick.errors import MissingExtra, Refused
from bailiwick.guard.session import Session

try:
    from agents import Handoff
except ImportError as error:
    raise MissingExtra(feature="the adapter for the OpenAI Agents SDK", extra="openai-agents") from error

__all__ = ["deciding"]


def deciding(original: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """In place of the step that executes handoffs: the first one, which the SDK follows, is decided."""

    @functools.wraps(original)
    async def step(*, public_agent: Any, run_handoffs: list[Any], **more: Any) -> Any:
        if not passes_by(public_agent):
            first, *ignored = run_handoffs
            turn = _Turn(
                handoff=first.handoff,
                source=public_agent,
                said=_said(more["original_input"]),
                filters=not more.get("server_manages_conversation", False),
            )
            run_handoffs = [replace(first, handoff=turn.governed()), *ignored]
        return await original(public_agent=public_agent, run_handoffs=run_handoffs, **more)

    return step


@dataclass(slots=True, kw_only=True, eq=False)
class _Turn:
    """One handoff that a model asked for. `said` is what the user said, `filters`: inputs may be filtered."""

    handoff: Handoff[Any, Any]
    source: Any
    said: Sequence[str]
    filters: bool
    refusal: str = ""
    session: Session | None = None
    child: Session | None = None

    def governed(self) -> Handoff[Any, Any]:
        mine: Any = copy.copy(self.handoff)

        async def invoke(ctx: Any, given: str) -> Any:
            target = self.source
            if await self._goes_to(self.handoff.agent_name):
                target = await self.handoff.on_invoke_handoff(ctx, given)
                if target.name != self.handoff.agent_name and not await self._goes_to(target.name):
                    target = self.source
            if not self.refusal and self.child is not None:
                took_over(target.name, self.child)
            if self.refusal:
                # The source goes on with all that it had.
                mine.nest_handoff_history = False
                mine.input_filter = (lambda data: data) if self.filters else None
            return target

        mine.on_invoke_handoff = invoke
        mine.get_transfer_message = self._message
        return mine  # type: ignore[no-any-return]

    async def _goes_to(self, name: str) -> bool:
        """Decide it: the session of the target is there afterwards."""
        try:
            self.session = await session_of(self.handoff.tool_name, self.source)
            message = "\n".join(text for text in self.said if self.session.knows(text))
            self.child = await protected_by(self.session).names.asession(self.session, name, message=message)
        except Refused as refused:
            self.refusal = refusal_text(self.handoff.tool_name, refused)
        return not self.refusal

    def _message(self, agent: Any) -> str:
        text = self.refusal or self.handoff.get_transfer_message(agent)
        ours = self.refusal or type(self.handoff).get_transfer_message is Handoff.get_transfer_message
        for session in (self.session, self.child):
            if ours and session is not None:
                known(session, text)
        return text


def _said(given: str | Sequence[Any]) -> list[str]:
    """What the user said, as far as the SDK says so: only what the session knows is taken for it."""
    if isinstance(given, str):
        return [given]
    return texts_of_input([item for item in given if isinstance(item, Mapping) and item.get("role") == "user"])
