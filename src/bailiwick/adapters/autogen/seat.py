"""For whom an agent of AutoGen acts, and what of its texts the developer vouches for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from bailiwick.adapters.acting import AgentNames
from bailiwick.guard.engine import Engine
from bailiwick.guard.finding import session_for
from bailiwick.guard.session import Session

__all__ = ["House", "Seat"]


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """What one call of `guard.autogen` protected: the names of its agents, and the texts that the developer wrote."""

    engine: Engine
    names: AgentNames
    agents: set[str] = field(default_factory=set)
    known: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """One agent, or the manager of a team, as the framework names it. `handoffs` are its own tools that hand the
    conversation on, by name, with the target. `refusals` are those of its calls that were refused before the framework
    ran them, by their id, with what the model is told."""

    house: House
    name: str
    handoffs: dict[str, str] = field(default_factory=dict)
    refusals: dict[str, tuple[str, str]] = field(default_factory=dict)

    async def session(self, what: str, read: Sequence[str] = ()) -> Session:
        """Where its calls are decided. Of what it is about to read, the last that its caller knows goes with the work:
        what is endorsed in there stays endorsed. Raises Denied or ApprovalPending."""
        caller = session_for(self.house.engine, what)
        message = next((text for text in reversed(read) if text and caller.knows(text)), "")
        return await self.house.names.asession(caller, self.name, message=message)

    async def told(self, caller: Session, message: str) -> Session:
        """Its session below the caller's, told this. Raises Denied or ApprovalPending."""
        return await self.house.names.asession(caller, self.name, message=message)
