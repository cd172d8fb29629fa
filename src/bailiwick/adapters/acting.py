"""In whose session an agent of a framework acts: frameworks call their agents by names of their own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bailiwick.guard.engine import Engine
from bailiwick.guard.finding import refused
from bailiwick.guard.session import Session
from bailiwick.model.decision import Plane, Reason
from bailiwick.model.nearest import did_you_mean

__all__ = ["AgentNames"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentNames:
    """What the directory calls the agents of a framework. `names` maps the framework's name of an agent to its id,
    `own` are the framework's names of the agent that the session was opened for (the one that was protected).

    INVARIANT: an agent that says its name acts under it or not at all; one without a name acts as its caller."""

    engine: Engine
    names: Mapping[str, str] = field(default_factory=dict)
    own: frozenset[str] = frozenset()

    def session(self, session: Session, name: str | None, *, message: str = "") -> Session:
        """The session of the agent that the framework calls `name`, below the given one. `message` is what it is told.
        Raises Denied or ApprovalPending."""
        agent = self._agent(session, name)
        return session if agent is None else session.acting(agent, message=message)

    async def asession(self, session: Session, name: str | None, *, message: str = "") -> Session:
        """`session` without blocking the event loop."""
        agent = self._agent(session, name)
        return session if agent is None else await session.aacting(agent, message=message)

    def _agent(self, session: Session, name: str | None) -> str | None:
        """The id of the agent; None for the session's own. Raises Denied for one that nobody knows."""
        if not name:
            return None
        known = self.engine.core.planes.directory.agents
        agent = self.names.get(name, name)
        if agent in known:
            return agent
        if name in self.own:
            return session.root.agent
        raise refused(
            self.engine,
            name,
            Reason(
                plane=Plane.IDENTITY,
                code="unknown-agent",
                message=f"There is no agent '{name}', so it may do nothing.",
                hint=f"Say which agent of directory.toml it is: agents={{'{name}': '...'}}"
                f" ({did_you_mean(name, tuple(known))}).",
            ),
        )
