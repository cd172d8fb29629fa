"""What the user's one line said, and in whose session each agent of the framework acts under it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Self

from bailiwick.adapters.acting import AgentNames
from bailiwick.guard.current import running_permit
from bailiwick.guard.engine import Engine
from bailiwick.guard.finding import session_for
from bailiwick.guard.session import Session

__all__ = ["Wiring"]

_KEPT = "_bailiwick_wiring"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wiring:
    """`agents` maps the framework's names of agents to ids of the directory, `instructions` are texts that the
    developer vouches for. Agents that were given no wiring of their own act under the one around them (`current`)."""

    engine: Engine
    agents: Mapping[str, str] = field(default_factory=dict)
    instructions: frozenset[str] = frozenset()

    def session(
        self, what: str, name: str | None = None, *, outermost: bool | None = None, message: str = ""
    ) -> Session:
        """The session in which the agent that the framework calls `name` asks for `what`. The outermost agent of a run
        may have a name that nobody knows: it is the one that the session was opened for. Raises Denied."""
        session = session_for(self.engine, what)
        names = self._names(name, outermost)
        return session if names is None else names.session(session, name, message=message)

    async def asession(
        self, what: str, name: str | None = None, *, outermost: bool | None = None, message: str = ""
    ) -> Session:
        """`session` without blocking the event loop."""
        session = session_for(self.engine, what)
        names = self._names(name, outermost)
        return session if names is None else await names.asession(session, name, message=message)

    def knows(self, name: str) -> bool:
        """Whether the framework's name is that of an agent of the directory."""
        return self.agents.get(name, name) in self.engine.core.planes.directory.agents

    def hand_over(self, session: Session, name: str, *, message: str = "") -> Session:
        """The session of the agent that takes the conversation over, under the framework's name. Raises Denied or
        ApprovalPending."""
        return AgentNames(engine=self.engine, names=self.agents).session(session, name, message=message)

    async def ahand_over(self, session: Session, name: str, *, message: str = "") -> Session:
        """`hand_over` without blocking the event loop."""
        return await AgentNames(engine=self.engine, names=self.agents).asession(session, name, message=message)

    def vouch(self, session: Session, text: str) -> None:
        """A part of the model's system prompt: the developer's, if the one line says so."""
        if text in self.instructions:
            session.instructions_once(text)

    @contextmanager
    def current(self) -> Iterator[Self]:
        """Marks the block in which an agent works under this wiring."""
        token = _current.set(self)
        try:
            yield self
        finally:
            _current.reset(token)

    def keep_in(self, agent: object) -> None:
        """The agent works under it wherever it runs, also one whose class takes no new attributes."""
        object.__setattr__(agent, _KEPT, self)

    @staticmethod
    def of(agent: object, engine: Engine) -> Wiring:
        """What was said of the agent (`keep_in`), or else of the one around it."""
        return Wiring.around(engine, getattr(agent, _KEPT, None))

    @staticmethod
    def around(engine: Engine, *said: object) -> Wiring:
        """The first of `said` that is a wiring of this engine, or else the one that this thread or task works under."""
        held = (each for each in (*said, _current.get()) if isinstance(each, Wiring) and each.engine is engine)
        return next(held, None) or Wiring(engine=engine)

    def _names(self, name: str | None, outermost: bool | None) -> AgentNames | None:
        """None: the session's own agent asks."""
        if outermost is None:
            outermost = running_permit() is None
        known = name in self.agents or name in self.engine.core.planes.directory.agents
        return None if not name or (outermost and not known) else AgentNames(engine=self.engine, names=self.agents)


_current: ContextVar[Wiring | None] = ContextVar("bailiwick_wiring", default=None)
