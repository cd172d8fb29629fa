"""Standing grants on the way of a call: made of a yes that people want remembered, and used by later calls.

INVARIANT: never a bypass. A use is decided as one with an approval is: the same gates with unchanged text, the label of
the card, the same people who must still count, and then all rules anew with those gates lifted; besides, the scope that
the session had when people were asked must not have been narrowed since. A grant is on record before it is stored.
DESIGN §5 *Action*; docs/adr/0021-standing-grants.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from bailiwick.action.approvals import Approval, ApprovalStatus
from bailiwick.action.asked import Asked
from bailiwick.action.remember import Remember, remember_digest
from bailiwick.action.standing import GrantState, StandingGrant, closed_arguments, covers, made_of, resting_on
from bailiwick.errors import CanonicalError
from bailiwick.guard.approvals.eligible import check_votes
from bailiwick.guard.decide import Judged, rejudge
from bailiwick.guard.effects import Append, Flow, GetApproval
from bailiwick.guard.planes import Planes
from bailiwick.guard.ports import Ports
from bailiwick.guard.record import draft
from bailiwick.guard.state import SessionState
from bailiwick.identity.answer_to_sign import remembered_in
from bailiwick.identity.chain_link import grant_of, written_grant
from bailiwick.model.approver import Proven
from bailiwick.model.call import Authority
from bailiwick.model.canonical import canonical, parse
from bailiwick.model.decision import Plane, Reason
from bailiwick.model.duration import duration_text
from bailiwick.model.event import EventKind
from bailiwick.model.principal import Chain
from bailiwick.model.tool import Durability

__all__ = [
    "EndGrant",
    "KeepGrant",
    "TakeUse",
    "cannot_be_remembered",
    "kept_scope",
    "lifted_by_standing",
    "remembered",
    "seen_over",
    "take_use",
    "used_up_meanwhile",
]

NewId = Callable[[], str]


# ── requests ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class FindGrants:
    """→ active standing grants for calls of this tool by this chain in this task, oldest first."""

    tenant: str
    env: str
    tool: str
    chain: Chain
    task: str

    def do(self, ports: Ports) -> tuple[StandingGrant, ...]:
        return ports.remembered.those_for(self.tenant, self.env, tool=self.tool, chain=self.chain, task=self.task)


@dataclass(frozen=True, slots=True)
class KeepGrant:
    """Store a new standing grant."""

    grant: StandingGrant

    def do(self, ports: Ports) -> None:
        ports.remembered.keep(self.grant)


@dataclass(frozen=True, slots=True)
class TakeUse:
    """Count a use of a standing grant → whether one was left. Durable when it returns."""

    grant: StandingGrant
    most: int

    def do(self, ports: Ports) -> bool:
        return ports.remembered.take(self.grant, most=self.most)


@dataclass(frozen=True, slots=True)
class EndGrant:
    """End a standing grant → whether it was still active."""

    grant: StandingGrant
    state: GrantState

    def do(self, ports: Ports) -> bool:
        return ports.remembered.end(self.grant, self.state)


# ── using one ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def lifted_by_standing(
    planes: Planes, session: SessionState, judged: Judged, asked: Asked, now_us: int, *, recording: NewId | None
) -> Flow[tuple[Judged, StandingGrant] | Reason | None]:
    """The call allowed by a standing grant, or why the last of those that there are is not for it; None: there is
    none."""
    assert judged.action is not None
    settings, authority, why = planes.settings, session.authority, None
    found: Sequence[StandingGrant] = yield FindGrants(
        tenant=settings.tenant,
        env=settings.env,
        tool=judged.action.tool.name,
        chain=authority.chain,
        task=authority.task,
    )
    if recording is not None:
        found = yield from seen_over(planes, recording, found, now_us)
    for grant in found:
        source: Approval | None = yield GetApproval(settings.tenant, settings.env, grant.approval)
        why = _not_for(planes, session, judged, asked, grant, source, now_us // 1000)
        if why is None:
            needed = frozenset(gate.id for gate in asked.gates)
            again = rejudge(planes, judged, needed)
            if again.decision.allowed:
                decision = replace(again.decision, approved=dict.fromkeys(sorted(needed), grant.id))
                return replace(again, decision=decision), grant
    return why


def _not_for(
    planes: Planes,
    session: SessionState,
    judged: Judged,
    asked: Asked,
    grant: StandingGrant,
    source: Approval | None,
    now_ms: int,
) -> Reason | None:
    """Why this grant does not lift the gates of this call now."""
    resting = None if source is None or source.planted else resting_on(grant, source)
    if resting is None:
        return _reason(
            "standing-without-source",
            f"The approval behind standing grant {grant.id} does not give it, or not any more.",
            "Ask for approval of this call.",
        )
    assert judged.action is not None
    args = parse(judged.action.args)
    assert isinstance(args, dict)
    # What the project allows by now bounds what was remembered before, too.
    ends_ms = min(grant.expires_ms, grant.since_ms + planes.settings.standing_ttl_ms)
    bounded = replace(grant, expires_ms=ends_ms, count=min(grant.count, planes.settings.standing_count))
    return (
        covers(bounded, resting, asked, args, session=session.authority.key.id, now_ms=now_ms)
        or _narrowed(resting, session.authority)
        or check_votes(planes, resting, asked.gates, now_ms)
    )


def kept_scope(authority: Authority) -> bytes:
    """What a session may do, as a request for approval keeps it."""
    return canonical(written_grant(authority.grant))


def _narrowed(source: Approval, authority: Authority) -> Reason | None:
    try:
        then = grant_of(parse(source.scope))
    except CanonicalError:
        then = None
    if then is not None and then.within(authority.grant):
        return None
    return _reason(
        "standing-for-a-wider-scope",
        "This session may do less than when people said what is to be remembered.",
        "Ask for approval of this call.",
    )


def take_use(planes: Planes, grant: StandingGrant) -> Flow[bool]:
    """Count one use of it → whether there was one left."""
    taken: bool = yield TakeUse(grant, planes.settings.standing_count)
    return taken


def used_up_meanwhile(grant: StandingGrant) -> Reason:
    return _reason(
        "standing-over",
        f"Other calls used standing grant {grant.id} up at the same moment, or somebody ended it.",
        "Make the call again, to ask for approval of it.",
    )


def seen_over(
    planes: Planes, new_id: NewId, found: Sequence[StandingGrant], now_us: int
) -> Flow[tuple[StandingGrant, ...]]:
    """Those that hold. One whose time is over is ended for good by whoever sees it first, whatever a clock says
    later."""
    still: list[StandingGrant] = []
    for grant in found:
        if grant.state is GrantState.ACTIVE and grant.state_at(now_us // 1000) is GrantState.EXPIRED:
            ended: bool = yield EndGrant(grant, GrantState.EXPIRED)
            if ended:
                body = {"grant": grant.id, "approval": grant.approval, "why": GrantState.EXPIRED.value}
                event = draft(planes, None, EventKind.APPROVAL_FORGOTTEN, body, event_id=new_id(), now_us=now_us)
                yield Append((event,), Durability.BUFFERED)
            still.append(replace(grant, state=GrantState.EXPIRED))
        else:
            still.append(grant)
    return tuple(still)


# ── making one ────────────────────────────────────────────────────────────────────────────────────────────────────────


def cannot_be_remembered(planes: Planes, found: Approval, asked: Remember, by: Proven) -> Reason | None:
    """Why this cannot be part of a yes to this request; None if it can."""
    settings = planes.settings
    fixed = next((gate.id for gate in found.gates if gate.no_standing), None)
    if fixed is not None:
        return _reason("gate-not-remembered", f"'{fixed}' is marked @no_standing: people are asked each time.")
    if asked.count > settings.standing_count or asked.ttl_ms > settings.standing_ttl_ms:
        return _reason(
            "remembered-too-long",
            f"At most {settings.standing_count} calls within {duration_text(settings.standing_ttl_ms)} "
            "can be remembered here.",
            "Ask for less, or change approvals.standing_count and approvals.standing_ttl.",
        )
    tool = planes.catalog.tools.get(found.tool)
    if tool is None:
        return _reason("tool-not-remembered", f"{found.tool} is no tool of the catalog: people are asked each time.")
    closed = closed_arguments(tool, asked.open)
    if closed:
        return _reason(
            "argument-not-open",
            f"{', '.join(closed)} cannot be left open: it is no content, value or query of {tool.name}.",
            "Leave open only what does not say where a call goes, on what, or with whose leave.",
        )
    signed = any(gate.phishing_resistant for gate in found.gates)
    if signed and remembered_in(by.evidence) != remember_digest(asked):
        return _reason(
            "remember-not-signed",
            "A gate of this request takes only what a passkey signs, and the signature says nothing of remembering.",
            "Answer in the console, with a passkey.",
        )
    return None


def remembered(planes: Planes, new_id: NewId, granted: Approval, now_us: int) -> Flow[StandingGrant | None]:
    """The standing grant that a request gives which was granted just now, stored; None if it gives none. A crash
    before it is stored loses it."""
    grant = made_of(granted, f"std-{new_id()[-12:]}") if granted.status is ApprovalStatus.GRANTED else None
    if grant is None:
        return None
    body = {
        "grant": grant.id,
        "approval": grant.approval,
        "tool": grant.tool,
        "for_session": grant.session,
        "for_task": grant.task,
        "open": sorted(grant.open),
        "count": grant.count,
        "expires_ms": grant.expires_ms,
        "by": list(grant.by),
    }
    event = draft(planes, None, EventKind.APPROVAL_REMEMBERED, body, event_id=new_id(), now_us=now_us)
    yield Append((event,), Durability.SYNC)
    yield KeepGrant(grant)
    return grant


def _reason(code: str, message: str, hint: str = "Approve this call alone.") -> Reason:
    return Reason(plane=Plane.ACTION, code=code, message=message, hint=hint)
