"""What a swarm tells the agent that takes over: a text of Strands' own around what others of the swarm said."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from bailiwick.adapters.sealing import is_sealed, sealed_session
from bailiwick.adapters.strands.calls import FRAMEWORK
from bailiwick.guard.session import Session
from bailiwick.model.label import Label

__all__ = ["known_input"]


def known_input(original: Callable[..., str]) -> Callable[..., str]:
    """A swarm's `_build_node_input`. It holds the task, what the agent that handed on wrote, what the agents before
    noted, and words of the developer. INVARIANT: it is known where the task is, and where no agent of the work has seen
    more than the session around the swarm; else it taints whoever reads it."""

    @functools.wraps(original)
    def _build_node_input(swarm: Any, target_node: Any) -> str:
        text = original(swarm, target_node)
        if is_sealed(FRAMEWORK):
            session = sealed_session(FRAMEWORK, "the swarm")
            task = swarm.state.task
            if isinstance(task, str) and session.knows(task) and _seen_no_more(session):
                session.vouch(f"Context:\n{text}\n\n", event=session.event_of(task))  # as the node is given it
        return text

    return _build_node_input


def _seen_no_more(session: Session) -> bool:
    seen = _sources_aside(session.label)
    return all(seen.join(_sources_aside(each.label)) == seen for each in _everybody(session.root))


def _everybody(session: Session) -> Iterator[Session]:
    yield session
    for each in session.below:
        yield from _everybody(each)


def _sources_aside(label: Label) -> Label:
    return replace(label, sources=frozenset())
