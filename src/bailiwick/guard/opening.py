"""Opening, restoring and re-keying a session: its authority is checked, its stored labels are back before anything
runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from bailiwick.flow.ledger import Ledger, LedgerRow
from bailiwick.guard.circumstances import check_environment
from bailiwick.guard.core import Core, Refusal
from bailiwick.guard.decide import deny
from bailiwick.guard.effects import Append, Flow, Now, OpenStored, StoreLedger
from bailiwick.guard.planes import Planes
from bailiwick.guard.record import draft, refusal_draft
from bailiwick.guard.state import Opened, SessionState, subject_of
from bailiwick.identity.authority import open_authority
from bailiwick.identity.ports import StoredSession
from bailiwick.identity.scope import restored
from bailiwick.identity.suspension import check_suspended
from bailiwick.model.call import Authority, Fact
from bailiwick.model.circumstances import CLAIMED, Circumstances, Evidence
from bailiwick.model.decision import Reason
from bailiwick.model.event import EventKind
from bailiwick.model.tool import Durability

__all__ = ["OPEN_TOOL", "OpenRequest", "authority_of", "load_state", "open_session", "rebind"]

OPEN_TOOL = "session.open"
"""The name under which a refused opening is recorded; no tool can have it, because the catalog does not know it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRequest:
    """Who acts for whom on what, how that is known, and where. Exactly one of `user` and `service` is set."""

    user: str | None
    service: str | None
    agent: str
    task: str
    conversation: str
    evidence: Evidence = CLAIMED
    environment: Mapping[str, Fact] = field(default_factory=lambda: MappingProxyType({}))


def open_session(core: Core, request: OpenRequest) -> Flow[SessionState | Refusal]:
    """Open the session, or restore it with everything that it had seen."""
    now_us: int = yield Now()
    if unfit := check_environment(core.planes.settings.environment, request.environment):
        return (yield from _refuse(core, unfit, now_us))
    authority = authority_of(core.planes, request, now_us // 1000)
    if isinstance(authority, Reason):
        return (yield from _refuse(core, authority, now_us))
    if stopped := _stopped(core, authority):
        return (yield from _refuse(core, stopped, now_us))
    stored = yield from _open_stored(authority, now_us)
    authority = authority_of(core.planes, request, now_us // 1000, stored.task_started_ms)
    if isinstance(authority, Reason):
        return (yield from _refuse(core, authority, now_us))
    around = Circumstances(evidence=request.evidence, environment=request.environment)
    return (yield from load_state(core, authority, stored, now_us, around))


def load_state(
    core: Core,
    authority: Authority,
    stored: StoredSession,
    now_us: int,
    around: Circumstances,
    ledger: Ledger | None = None,
) -> Flow[SessionState]:
    """The running state of an authority whose session is in the store: stored labels loaded, the opening recorded.

    `ledger` is what the session starts with beyond what is stored (a delegated session's inheritance)."""
    given, authority = authority, restored(authority, stored.change)
    key = authority.key
    session = SessionState(
        authority=authority,
        opened=Opened(
            authority=given,
            version=stored.version,
            directory=core.planes.directory.digest,
            began_ms=stored.task_started_ms,
            named=authority.task in core.planes.directory.tasks,
        ),
        subject=subject_of(core.planes.policy, authority),
        # A delegated session is given its delegator's words in the message; the task is not its own.
        ledger=Ledger(
            top_sensitivity=core.planes.top_sensitivity, task="" if authority.chain.depth else authority.purpose
        ),
        around=around,
        last_us=now_us,
    )
    yield from core.refresh(session)
    known = session.ledger_ord >= 0
    if ledger is not None:
        yield from _take_over(session, ledger.rows)
    opened = draft(
        core.planes,
        session,
        EventKind.SESSION_OPENED,
        {
            "agent": authority.chain.actor.id,
            "root": str(authority.chain.root),
            "conversation": key.conversation,
            "purpose": authority.purpose,
            "restored": known,
        },
        event_id=core.new_id(),
        now_us=now_us,
    )
    yield Append((opened,), Durability.BUFFERED)
    return session


def rebind(core: Core, session: SessionState, request: OpenRequest) -> Flow[SessionState | Refusal]:
    """Move a young session under the conversation id that the framework turned out to use.

    What it has seen so far is joined with what is stored under that conversation: nothing is forgotten. A suspended
    session stays where it is: under another id it would not be."""
    if stopped := _stopped(core, session.authority):
        now_us: int = yield Now()
        return (yield from _refuse(core, stopped, now_us))
    moved = yield from open_session(core, request)
    if isinstance(moved, SessionState):
        with session.lock:
            seen = session.ledger.rows
        yield from _take_over(moved, seen)
        with session.lock:
            moved.permits.update(session.permits)
            session.closed = True
    return moved


def _stopped(core: Core, authority: Authority) -> Reason | None:
    return check_suspended(core.planes.suspensions, authority, OPEN_TOOL, directory=core.planes.directory)


def authority_of(
    planes: Planes, request: OpenRequest, now_ms: int, started_ms: int | None = None
) -> Authority | Reason:
    """The authority that a request asks for, or why there is none."""
    settings = planes.settings
    return open_authority(
        planes.directory,
        tenant=settings.tenant,
        env=settings.env,
        user=request.user,
        service=request.service,
        agent=request.agent,
        task=request.task,
        conversation=request.conversation,
        now_ms=now_ms,
        started_ms=started_ms,
    )


def _open_stored(authority: Authority, now_us: int) -> Flow[StoredSession]:
    stored: StoredSession = yield OpenStored(
        authority.key, authority.chain, authority.task, authority.purpose, now_us // 1000
    )
    return stored


def _take_over(session: SessionState, rows: Sequence[LedgerRow]) -> Flow[None]:
    if rows:
        ords: Sequence[int] = yield StoreLedger(session.authority.key.id, rows)
        with session.lock:
            for row in rows:
                session.ledger.apply(row)
            session.stored(ords)


def _refuse(core: Core, reason: Reason, now_us: int) -> Flow[Refusal]:
    decision = deny(OPEN_TOOL, reason)
    event_id = core.new_id()
    yield Append((refusal_draft(core.planes, decision, event_id=event_id, now_us=now_us),), Durability.BUFFERED)
    return Refusal(decision=decision, event_id=event_id)
