"""What was protected, and in whose session each agent of a crew acts.

CrewAI copies its agents and crews as it runs them, so what was said about them is kept by Guard, not by object.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from bailiwick.adapters import sealing
from bailiwick.adapters.acting import AgentNames
from bailiwick.adapters.crewai.prompts import Wording
from bailiwick.errors import UsageError
from bailiwick.guard.engine import Engine
from bailiwick.guard.session import Session

__all__ = ["FRAMEWORK", "Desk", "acting_as", "desk_of", "family", "open_desk", "role_of", "session_here"]

FRAMEWORK = "crewai"


@dataclass(slots=True, kw_only=True)
class Desk:
    """What the one line said for a Guard: agents by role, the roles of agents that sessions are opened for, and the
    texts that the developer vouches for."""

    engine: Engine
    names: dict[str, str] = field(default_factory=dict)
    own: set[str] = field(default_factory=set)
    others: set[str] = field(default_factory=set)
    """Roles of agents that are not alone and that nobody named."""
    door: threading.Lock = field(default_factory=threading.Lock)
    """Held while something is protected."""
    wording: Wording = field(default_factory=Wording)

    @property
    def agents(self) -> AgentNames:
        return AgentNames(engine=self.engine, names=dict(self.names), own=frozenset(self.own - self.names.keys()))

    def name(self, names: Mapping[str, str], *, own: set[str], others: set[str]) -> None:
        """Take in who the agents of a crew are. Raises UsageError where that is not what was said of another crew: a
        role is one agent, in all crews of a Guard."""
        given = {" ".join(role.split()): agent for role, agent in names.items()}
        for role, agent in given.items():
            if self.names.get(role, agent) != agent:
                raise UsageError(
                    f"the agent with the role {role!r} is {self.names[role]} already, in what was protected before",
                    hint="give the one of this crew another role",
                )
        named = self.names | given
        known = named.keys() | self.engine.core.planes.directory.agents.keys()
        twice = ((self.own | own) & (self.others | others)) - known
        if twice:
            role = min(twice)
            raise UsageError(
                f"the agent with the role {role!r} works alone in one crew and beside others in another one",
                hint=f"say which agent of directory.toml it is: agents={{{role!r}: '...'}}",
            )
        self.names, self.own, self.others = named, self.own | own, self.others | others


_desks: list[Desk] = []
_door = threading.Lock()


def open_desk(engine: Engine) -> Desk:
    """The desk of a Guard, a new one at first. Those of Guards that are closed are cleared away."""
    with _door:
        _desks[:] = [desk for desk in _desks if desk.engine is engine or sealing.seals(FRAMEWORK, desk.engine)]
        for desk in _desks:
            if desk.engine is engine:
                return desk
        _desks.append(Desk(engine=engine))
        return _desks[-1]


def desk_of(session: Session) -> Desk | None:
    """The desk of the Guard that the session belongs to; None where that Guard protects no crew."""
    with _door:
        return next((desk for desk in _desks if session.belongs_to(desk.engine)), None)


def session_here(what: str) -> Session:
    """The session that this thread or task is in. Raises Denied, on record, where there is none."""
    return sealing.sealed_session(FRAMEWORK, what)


def role_of(agent: Any) -> str:
    """What CrewAI calls an agent: its role as the developer wrote it, before a kickoff's inputs were put in."""
    written = getattr(agent, "_original_role", None)
    return " ".join(str(written or getattr(agent, "role", "") or "").split())


def acting_as(agent: Any, *, message: str = "") -> Session:
    """The session in which an agent of CrewAI acts, below the one around it. Raises Denied or ApprovalPending."""
    role = role_of(agent)
    session = session_here(f"the agent {role!r}")
    desk = desk_of(session)
    return session if desk is None else desk.agents.session(session, role, message=message)


def family(session: Session) -> Iterator[Session]:
    """All sessions of the same work."""
    waiting = [session.root]
    while waiting:
        each = waiting.pop()
        yield each
        waiting += each.below
