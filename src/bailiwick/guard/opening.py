"""Opening, restoring and re-keying a session: who it is for is checked, or what a token proves, and its stored labels
are back before anything runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from bailiwick.audit.events import evidence_body
from bailiwick.flow.ledger import Ledger, LedgerRow
from bailiwick.guard.circumstances import check_environment
from bailiwick.guard.core import Core, Refusal
from bailiwick.guard.decide import deny
from bailiwick.guard.effects import Append, Flow, GetSession, Now, OpenStored, StoreLedger
from bailiwick.guard.handing.credentials import (
    Credential,
    DelegationToken,
    PlanToken,
    UserToken,
    delegated,
    planned,
    prove_call,
    signed_in,
)
from bailiwick.guard.handing.scoping import keep_less
from bailiwick.guard.planes import Planes
from bailiwick.guard.record import draft, refusal_draft
from bailiwick.guard.spending import carried_over
from bailiwick.guard.state import Opened, SessionState
from bailiwick.identity.authority import open_authority
from bailiwick.identity.ports import StoredSession
from bailiwick.identity.scope import rebased, restored
from bailiwick.identity.suspension import check_suspended
from bailiwick.model.call import Authority, Fact
from bailiwick.model.circumstances import CLAIMED, Circumstances, Evidence
from bailiwick.model.decision import Plane, Reason
from bailiwick.model.event import EventKind, Receipt
from bailiwick.model.tool import Durability

__all__ = ["OPEN_TOOL", "OpenRequest", "authority_of", "load_state", "open_session", "rebind"]

OPEN_TOOL = "session.open"
"""The name under which a refused opening is recorded; no tool can have it, because the catalog does not know it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRequest:
    """Who acts for whom on what, how that is known, and where. Without a token exactly one of `user` and `service` is
    set."""

    user: str | None
    service: str | None
    agent: str
    task: str
    conversation: str
    evidence: Evidence = CLAIMED
    environment: Mapping[str, Fact] = field(default_factory=lambda: MappingProxyType({}))
    token: UserToken | PlanToken | DelegationToken | None = None
    """What is shown instead of naming the user (UserToken), or all of it: then the token says who and what."""


def open_session(core: Core, request: OpenRequest) -> Flow[SessionState | Refusal]:
    """Open the session, or restore it with everything that it had seen."""
    now_us: int = yield Now()
    if unfit := check_environment(core.planes.settings.environment, request.environment):
        return (yield from _refuse(core, unfit, now_us))
    claim = yield from _claimed(core.planes, request, now_us // 1000)
    if isinstance(claim, Reason):
        return (yield from _refuse(core, claim, now_us))
    if stopped := _stopped(core, claim.authority):
        return (yield from _refuse(core, stopped, now_us))
    if isinstance(request.token, DelegationToken):
        found: StoredSession | None = yield GetSession(claim.authority.key)
        if found is None or found.chain != claim.authority.chain:
            return (yield from _refuse(core, _UNKNOWN_DELEGATION, now_us))
    stored = yield from _open_stored(claim.authority, now_us)
    again = _as_of_now(core.planes, claim, now_us // 1000, stored.task_started_ms)
    if isinstance(again, Reason):
        return (yield from _refuse(core, again, now_us))
    claim = replace(claim, authority=again)
    around = Circumstances(evidence=claim.request.evidence, environment=request.environment)
    return (yield from load_state(core, claim.authority, stored, now_us, around, credential=claim.credential))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Claim:
    """What somebody who opens a session has shown to be theirs."""

    request: OpenRequest
    authority: Authority
    credential: Credential | None = None


def _claimed(planes: Planes, request: OpenRequest, now_ms: int) -> Flow[_Claim | Reason]:
    held: tuple[Authority, Credential] | Authority | Reason
    match request.token:
        case PlanToken(text):
            held = yield from planned(planes, text, conversation=request.conversation, now_ms=now_ms)
        case DelegationToken(text, prover):
            held = yield from delegated(planes, text, prover, now_ms)
        case UserToken(text):
            found = yield from signed_in(planes, text, now_ms)
            if isinstance(found, Reason):
                return found
            request = replace(request, user=found.user, evidence=found.evidence)
            held = authority_of(planes, request, now_ms)
        case None:
            held = authority_of(planes, request, now_ms)
    if isinstance(held, Reason):
        return held
    if isinstance(held, Authority):
        return _Claim(request=request, authority=held)
    authority, credential = held
    unproved = yield from prove_call(planes, credential, f"{OPEN_TOOL} {authority.key.id}", now_ms)
    return unproved or _Claim(request=request, authority=authority, credential=credential)


def _as_of_now(planes: Planes, claim: _Claim, now_ms: int, started_ms: int) -> Authority | Reason:
    """The authority with the task as the directory has it now, running since `started_ms`."""
    held = claim.authority
    if claim.credential is None:
        return authority_of(planes, claim.request, now_ms, started_ms)
    # A task of the directory has a purpose of its own there; a purpose in plain words is its own name.
    named = held.purpose != held.task and all(step.calls is None for step in held.steps)
    return rebased(planes.directory, held, named=named, began_ms=started_ms)


def load_state(
    core: Core,
    authority: Authority,
    stored: StoredSession,
    now_us: int,
    around: Circumstances,
    ledger: Ledger | None = None,
    *,
    credential: Credential | None = None,
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
        # A delegated session is given its delegator's words in the message; the task is not its own.
        ledger=core.planes.ledger("" if authority.chain.depth else authority.purpose),
        around=around,
        credential=credential,
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
            **({} if around.evidence == CLAIMED else {"evidence": evidence_body(around.evidence)}),
        },
        event_id=core.new_id(),
        now_us=now_us,
        parents=(credential.event,) if credential and credential.event else (),
    )
    yield Append((opened,), Durability.BUFFERED)
    return session


def rebind(core: Core, session: SessionState, request: OpenRequest) -> Flow[SessionState | Refusal]:
    """Move a young session under the conversation id that the framework turned out to use.

    What it has seen so far is joined with what is stored under that conversation, and what was taken from it stays
    taken: nothing is forgotten. A suspended session stays where it is: under another id it would not be."""
    if stopped := _stopped(core, session.authority):
        now_us: int = yield Now()
        return (yield from _refuse(core, stopped, now_us))
    moved = yield from open_session(core, request)
    if isinstance(moved, SessionState):
        yield from carried_over(core.planes, session.authority, moved.authority)
        with session.lock:
            seen = session.ledger.rows
        yield from _take_over(moved, seen)
        yield from core.refresh(session)
        authority, opened = session.scope()
        if opened.authority is not None and authority.grant != opened.authority.grant:
            yield from keep_less(core, moved, authority.grant, moved.last_us)
        with session.lock:
            moved.permits.update(session.permits)
            moved.below = session.below
            session.closed = True
        for each in moved.below:
            each.above = moved
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
    record = refusal_draft(core.planes, decision, event_id=event_id, now_us=now_us)
    receipts: Sequence[Receipt] = yield Append((record,), Durability.BUFFERED)
    return Refusal(decision=decision, event_id=event_id, receipt=receipts[0])


_UNKNOWN_DELEGATION = Reason(
    plane=Plane.IDENTITY,
    code="unknown-delegation",
    message="This delegation is not one that was made in this project's state.",
    hint="Use it where the same state is shared, and after it was made.",
)
