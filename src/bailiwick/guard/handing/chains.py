"""Through whom an agent acted in a conversation before: the store knows it when this process does not any more."""

from __future__ import annotations

from collections.abc import Sequence

from bailiwick.guard.effects import DelegatedSessions, Flow
from bailiwick.guard.state import SessionState
from bailiwick.identity.ports import StoredSession

__all__ = ["between"]


def between(session: SessionState, agent: str) -> Flow[tuple[str, ...]]:
    """The agents between this session and `agent`, in order, as it acted last; none if it never did, or directly.

    Of several ways the latest one counts, as it does in a process that has seen them all."""
    stored: Sequence[StoredSession] = yield DelegatedSessions(session.authority.key)
    ways = [each for each in stored if each.chain.actor.id == agent]
    if not ways:
        return ()
    latest = max(ways, key=lambda each: (each.created_ms, each.chain.depth))
    return tuple(link.id for link in latest.chain.links[len(session.authority.chain.links) : -1])
