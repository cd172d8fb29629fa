"""What was said of each Guard, and in whose session an agent of the SDK acts.

INVARIANT: an agent that runs outside of any session is refused, unless every Guard of the process was told to leave
others alone (`seal=False`) and none of them protects it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from bailiwick.adapters import sealing
from bailiwick.adapters.acting import AgentNames
from bailiwick.errors import MissingExtra, UsageError
from bailiwick.guard.current import current_session
from bailiwick.guard.engine import Engine
from bailiwick.guard.session import Session

try:
    from agents import AgentBase
except ImportError as error:
    raise MissingExtra(feature="the adapter for the OpenAI Agents SDK", extra="openai-agents") from error

__all__ = [
    "FRAMEWORK",
    "Protected",
    "held_for",
    "one_run",
    "passes_by",
    "protected_by",
    "reaches",
    "session_of",
    "took_over",
]

FRAMEWORK = "openai-agents"


@dataclass(slots=True, kw_only=True, eq=False)
class Protected:
    """What one Guard protects. `instructions` are texts that the developer vouches for; `suspends`: a call that waits
    for a person interrupts the run; `agents` are those that were reachable when they were protected."""

    engine: Engine
    names: AgentNames
    instructions: frozenset[str] = frozenset()
    sealed: bool = False
    suspends: bool = True
    agents: list[AgentBase] = field(default_factory=list)


_protected: list[Protected] = []


def held_for(engine: Engine) -> Protected:
    """What was said of this Guard so far. Those of Guards that are closed are forgotten."""
    _protected[:] = [held for held in _protected if sealing.seals(FRAMEWORK, held.engine)]
    for held in _protected:
        if held.engine is engine:
            return held
    _protected.append(Protected(engine=engine, names=AgentNames(engine=engine)))
    return _protected[-1]


def protected_by(session: Session) -> Protected:
    """What the Guard of this session was told. Raises UsageError if it was told nothing."""
    for held in _protected:
        if session.belongs_to(held.engine):
            return held
    raise UsageError(
        "the Guard of this session protects no agent of the OpenAI Agents SDK",
        hint="call guard.openai_agents(agent) with the Guard that opened the session",
    )


def passes_by(agent: object) -> bool:
    """Whether a run of `agent` is nobody's business: there is no session, and no Guard asks for one."""
    session = current_session()
    if session is not None and not session.closed:
        return False
    return not _asked_for(agent)


def reaches(agent: object) -> bool:
    """Whether no run of `agent` goes past every Guard."""
    return sealing.is_sealed(FRAMEWORK) and _asked_for(agent)


def _asked_for(agent: object) -> bool:
    return any(held.sealed or any(agent is each for each in held.agents) for held in _protected)


@contextmanager
def one_run() -> Iterator[None]:
    """Marks a run of the SDK: who took over from whom is its own."""
    token = _seats.set({})
    try:
        yield
    finally:
        _seats.reset(token)


def took_over(agent: str, session: Session) -> None:
    """From here on the agent of this name acts in this session, until the run ends or it is handed over to again."""
    seats = _seats.get()
    if seats is not None:
        seats[agent] = session


async def session_of(what: str, agent: object, *, message: str = "") -> Session:
    """The session in which `agent` asks for `what`, below the one that this task is in. Raises Denied or
    ApprovalPending. INVARIANT: an agent that took over acts below the one that handed over, not beside it."""
    session = sealing.sealed_session(FRAMEWORK, what)
    names = protected_by(session).names
    if not isinstance(agent, AgentBase):
        return session
    seat = None if message else (_seats.get() or {}).get(agent.name)
    if seat is not None and not seat.closed and seat.root is session.root:
        return seat
    return await names.asession(session, agent.name, message=message)


_seats: ContextVar[dict[str, Session] | None] = ContextVar("bailiwick_openai_agents_seats", default=None)
