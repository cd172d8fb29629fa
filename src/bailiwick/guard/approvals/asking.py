"""Asking people: whether there is an approval of exactly this call, and a request where there is none.

An approval lifts the gates of a call iff it is granted, is of this call (`Approval.fits`), and its votes still count
(`eligible.check_votes`); then the call is decided anew with those gates lifted, so that everything else that denies by
now denies. Promise 4, DESIGN §5 *Action*.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import orjson

from bailiwick.action.approval_card import Before, Edit, card_about, card_arguments, differing, draw_card
from bailiwick.action.approvals import Approval, ApprovalStatus, expire, request, usable, withdraw
from bailiwick.action.asked import Asked
from bailiwick.action.digest import meaning_digest, meaning_parts
from bailiwick.action.standing import StandingGrant
from bailiwick.errors import CanonicalError
from bailiwick.guard.approvals.around import kept_around
from bailiwick.guard.approvals.eligible import check_votes, nobody_left
from bailiwick.guard.approvals.remembering import kept_scope, lifted_by_standing
from bailiwick.guard.decide import Judged, rejudge
from bailiwick.guard.effects import (
    Append,
    CompareAndSet,
    FindApprovals,
    Flow,
    GetApproval,
    LastApproved,
    SessionApprovals,
)
from bailiwick.guard.planes import Planes
from bailiwick.guard.record import draft
from bailiwick.guard.state import SessionState
from bailiwick.model.approver import ProofMethod
from bailiwick.model.call import Authority
from bailiwick.model.canonical import Json, parse
from bailiwick.model.circumstances import Circumstances, Method
from bailiwick.model.decision import Plane, Reason
from bailiwick.model.event import EventKind
from bailiwick.model.tool import Durability

__all__ = [
    "Standing",
    "asked_of",
    "make_request",
    "seen_expired",
    "too_large",
    "too_many",
    "used_meanwhile",
    "with_approval",
]

NewId = Callable[[], str]
_LONGEST_EDIT = 8000


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a call stands that needs approval: the decision with what was found, the approval or the standing grant that
    lifts its gates, and a request that still waits."""

    judged: Judged
    approval: Approval | StandingGrant | None = None
    waiting: Approval | None = None


def asked_of(judged: Judged) -> Asked:
    """What an approval of this call would be bound to."""
    assert judged.action is not None
    assert judged.flow is not None
    return Asked(
        digest=judged.digest,
        meaning=meaning_digest(judged.action),
        gates=judged.decision.gates,
        label=judged.flow.label,
        unendorsed=frozenset((*judged.flow.unendorsed, *judged.flow.unendorsed_values)),
        by_colleague=frozenset(judged.flow.by_colleague),
        unbound=frozenset(judged.flow.unbound),
        unasked=judged.flow.unasked,
        repeated=judged.flow.repeated,
        undictated=frozenset(judged.flow.undictated),
        misquoted=judged.flow.misquoted,
        parts=meaning_parts(judged.action),
    )


def with_approval(
    planes: Planes, session: SessionState, judged: Judged, now_us: int, *, recording: NewId | None = None
) -> Flow[Standing]:
    """Look for an approval of exactly this call. With `recording` requests that turn out to be over are marked so."""
    key = session.authority.key
    # As in `judge`: a clock that moved back a little never brings an expired approval to life again.
    now_us = max(now_us, session.last_us)
    now_ms = now_us // 1000
    asked = asked_of(judged)
    found: Sequence[Approval] = yield FindApprovals(key.tenant, key.env, asked.digest)
    if recording is not None:
        found = yield from seen_expired(planes, recording, found, now_us)
    instead = yield from _instead(judged, found, now_ms)
    if instead is not None:
        return instead
    looked = _among(planes, judged, asked, found, now_ms)
    if isinstance(looked, Standing):
        return looked
    waiting, notes = looked
    if recording is not None:
        yield from _outdated(planes, recording, asked, found, now_us)
    lifted = yield from _by_standing(planes, session, judged, asked, found, now_us, recording)
    if isinstance(lifted, tuple):
        return Standing(judged=lifted[0], approval=lifted[1])
    notes = notes if lifted is None else [*notes, lifted]
    if waiting is None:
        vain = nobody_left(planes, asked.gates, session.authority.chain, judged.decision.tool, asked.label, now_ms)
        if vain is not None:
            return Standing(judged=judged.refused(vain))
    if not found and not notes:
        notes.extend((yield from _near_miss(session, judged)))
    return Standing(judged=judged.noted(notes[-1]) if notes else judged, waiting=waiting)


def _among(
    planes: Planes, judged: Judged, asked: Asked, found: Sequence[Approval], now_ms: int
) -> Standing | tuple[Approval | None, list[Reason]]:
    """The call with the one of these approvals that lifts its gates; else the request that waits, and why no other
    lifts them."""
    waiting: Approval | None = None
    notes: list[Reason] = []
    for approval in found:
        unusable = usable(approval, asked, now_ms) or check_votes(planes, approval, asked.gates, now_ms)
        if unusable is None:
            needed = frozenset(gate.id for gate in asked.gates)
            again = rejudge(planes, judged, needed)
            if again.decision.allowed:
                decision = replace(again.decision, approved=dict.fromkeys(sorted(needed), approval.id))
                return Standing(judged=replace(again, decision=decision), approval=approval)
        elif approval.open_for(asked, now_ms):
            waiting = approval
        elif approval.status is not ApprovalStatus.REQUESTED:
            notes.append(unusable)
    return waiting, notes


def _by_standing(
    planes: Planes,
    session: SessionState,
    judged: Judged,
    asked: Asked,
    found: Sequence[Approval],
    now_us: int,
    recording: NewId | None,
) -> Flow[tuple[Judged, StandingGrant] | Reason | None]:
    # Who said no to this very call meant it, whatever was remembered before.
    if any(item.status is ApprovalStatus.DENIED and now_us // 1000 < item.expires_ms for item in found):
        return None
    return (yield from lifted_by_standing(planes, session, judged, asked, now_us, recording=recording))


def seen_expired(planes: Planes, new_id: NewId, found: Sequence[Approval], now_us: int) -> Flow[tuple[Approval, ...]]:
    """`found` as it stands now. That one is over is recorded once, by whoever sees it first: from then on it is over
    for good, whatever a clock says."""
    now: list[Approval] = []
    for approval in found:
        ended = expire(approval, now_us // 1000)
        if ended.status is not approval.status:
            won: bool = yield CompareAndSet(approval, ended)
            if won:
                body = {"approval": approval.id}
                event = draft(planes, None, EventKind.APPROVAL_EXPIRED, body, event_id=new_id(), now_us=now_us)
                yield Append((event,), Durability.BUFFERED)
        now.append(ended)
    return tuple(now)


def _outdated(planes: Planes, new_id: NewId, asked: Asked, found: Sequence[Approval], now_us: int) -> Flow[None]:
    """Requests that could never again do for their call are taken back, so that nobody answers them for nothing."""
    for approval in found:
        why = approval.fits(asked) if approval.status is ApprovalStatus.REQUESTED and not approval.planted else None
        if why is None:
            continue
        won: bool = yield CompareAndSet(approval, withdraw(approval))
        if won:
            body = {"approval": approval.id, "code": why.code}
            event = draft(planes, None, EventKind.APPROVAL_WITHDRAWN, body, event_id=new_id(), now_us=now_us)
            yield Append((event,), Durability.BUFFERED)


def make_request(
    planes: Planes,
    *,
    authority: Authority,
    around: Circumstances,
    judged: Judged,
    now_ms: int,
    id: str,  # noqa: A002  (the field's own name)
    edit: Edit | None = None,
) -> Flow[Approval]:
    """A request for approval of this call. Raises CanonicalError if no person could read it."""
    assert judged.action is not None
    settings = planes.settings
    asked = asked_of(judged)
    expires_ms = now_ms + min(
        min(settings.approval_ttl_ms if gate.ttl_ms is None else gate.ttl_ms, settings.approval_longest_ms)
        for gate in asked.gates
    )
    last: Approval | None = yield LastApproved(
        tenant=settings.tenant, env=settings.env, tool=judged.decision.tool, chain=authority.chain
    )
    before = None
    if last is not None:
        readable = last.label.flows_to(asked.label)
        before = Before(
            approval=last.id,
            at_ms=last.requested_ms,
            args=card_arguments(last.card),
            readable=readable,
            about=card_about(last.card),
        )
    card = draw_card(
        authority, judged.action, judged.decision, settings.levels, expires_ms=expires_ms, before=before, edit=edit
    )
    return request(
        id=id,
        authority=authority,
        tool=judged.action.tool.name,
        asked=asked,
        card=card,
        now_ms=now_ms,
        expires_ms=expires_ms,
        proof=ProofMethod.OIDC if around.evidence.method is Method.OIDC else ProofMethod.CLAIMED,
        around=kept_around(around, hidden=bool(judged.action.carried)),
        scope=kept_scope(authority),
        edit_of=edit.approval if edit is not None else "",
    )


def _instead(judged: Judged, found: Sequence[Approval], now_ms: int) -> Flow[Standing | None]:
    """What became of a call that somebody approved with other arguments. INVARIANT: while that request would have been
    good, the call as it was does not run, nor is anybody asked about it again, unless the edit came to nothing."""
    for approval in reversed(found):
        if approval.status is not ApprovalStatus.EDITED or now_ms >= approval.expires_ms:
            continue
        last, successor = yield from _followed(approval)
        if last.successor and successor is None:
            continue  # a crash took it: ask anew
        if successor is not None and successor.digest == approval.digest:
            continue  # edited back to what it was
        status = successor.status_at(now_ms) if successor is not None else ApprovalStatus.GRANTED
        match status:
            case ApprovalStatus.REQUESTED:
                return Standing(judged=judged.noted(_edit_waits(approval)), waiting=successor)
            case ApprovalStatus.GRANTED:
                return Standing(judged=judged.refused(_with_edits(approval, last)))
            case ApprovalStatus.CONSUMED:
                return Standing(judged=judged.refused(_EDIT_RAN))
            case _:
                continue
    return None


def _followed(approval: Approval) -> Flow[tuple[Approval, Approval | None]]:
    """The last edit that began with this one, and the approval of the call that it made, if that needs one and it is in
    the store."""
    seen = {approval.id}
    while approval.successor:
        successor: Approval | None = yield GetApproval(approval.tenant, approval.env, approval.successor)
        if successor is None or successor.status is not ApprovalStatus.EDITED or successor.id in seen:
            return approval, successor
        seen.add(successor.id)
        approval = successor
    return approval, None


def _with_edits(approval: Approval, last: Approval) -> Reason:
    shown, edited = card_arguments(approval.card), parse(last.edited)
    assert isinstance(edited, dict)
    names = differing(shown, edited)
    changed: dict[str, Json] = {name: edited[name] for name in names if name in edited}
    text = _json(changed)
    gone = [name for name in names if name not in edited]
    without = f", without {', '.join(gone)}" if gone else ""
    return Reason(
        plane=Plane.ACTION,
        code="approved-with-edits",
        message=f"A person approved this call with other arguments: {text}{without}.",
        hint="Make the call again with exactly these, and all others unchanged; it will run once.",
    )


def _json(changed: dict[str, Json]) -> str:
    text = orjson.dumps(changed).decode("utf-8")
    return text if len(text) <= _LONGEST_EDIT else ", ".join(changed)


def _edit_waits(approval: Approval) -> Reason:
    return Reason(
        plane=Plane.ACTION,
        code="edit-waits",
        message=f"A person changed the arguments of the call of approval {approval.id}; others still have to agree.",
        hint="Make the same call later to learn what it became.",
    )


_EDIT_RAN = Reason(
    plane=Plane.ACTION,
    code="edit-ran",
    message="This call was approved with other arguments, and has run with those.",
    hint="Do not make it again.",
)


def _near_miss(session: SessionState, judged: Judged) -> Flow[list[Reason]]:
    """Whether this session holds a granted approval of the same tool with other arguments: worth saying."""
    assert judged.action is not None
    others: Sequence[Approval] = yield SessionApprovals(session.authority.key.id)
    for approval in reversed(others):
        if approval.tool == judged.action.tool.name and approval.status is ApprovalStatus.GRANTED:
            asked = parse(judged.action.args)
            assert isinstance(asked, dict)
            names = ", ".join(differing(card_arguments(approval.card), asked)) or "its circumstances"
            return [
                Reason(
                    plane=Plane.ACTION,
                    code="approval-of-another-call",
                    message=f"Approval {approval.id} is for another call: {names} changed since.",
                    hint="Make the approved call unchanged, or ask for approval of this one.",
                )
            ]
    return []


def too_many(most: int) -> Reason:
    """Why people are asked no more on behalf of this session just now."""
    return Reason(
        plane=Plane.ACTION,
        code="too-many-requests",
        message=f"{most} requests of this session wait for people already.",
        hint="Wait for their answers, or withdraw some.",
    )


def too_large(error: CanonicalError) -> Reason:
    """Why nobody is asked about a call that no person could read."""
    return Reason(
        plane=Plane.GUARD,
        code="too-large-to-approve",
        message=f"A person would have to approve this call, and cannot: {error}.",
        hint=error.hint,
    )


def used_meanwhile(approval: Approval) -> Reason:
    """Another call was faster."""
    return Reason(
        plane=Plane.ACTION,
        code="approval-used",
        message=f"Approval {approval.id} was used by another call at the same moment.",
        hint="An approval is for one run; ask for another.",
    )
