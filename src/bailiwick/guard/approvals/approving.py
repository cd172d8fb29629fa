"""A person's answer to a request for approval: checked, recorded, then stored.

What must hold: the rules in `administration/` let the person answer requests of this tool (`admin.approve`; to confirm
one's own call takes none), they may read what the card shows, they have proved who they are as well as the project
asks, and the gate has them as an approver, with separation of duties (`bailiwick.action.approval_vote`).

The event comes before the state: what an approval lifts can always be found in the log. An attempt that does not count
is recorded too.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from bailiwick.action.approval_vote import may_edit, vote
from bailiwick.action.approvals import Approval, ApprovalStatus, edit, withdraw
from bailiwick.action.planted import is_left_in
from bailiwick.action.remember import Remember
from bailiwick.guard.administration.administering import authorise
from bailiwick.guard.administration.entitled import as_known, is_own, may, unfit, written
from bailiwick.guard.approvals.asking import seen_expired
from bailiwick.guard.approvals.editing import Edited, edited_request, not_an_edit
from bailiwick.guard.approvals.eligible import confirms, not_reader, stale
from bailiwick.guard.approvals.planting import CHECK_PASSED, check_answered, maybe_plant
from bailiwick.guard.approvals.remembering import cannot_be_remembered, remembered
from bailiwick.guard.approvals.stopped import check_asked
from bailiwick.guard.core import Core
from bailiwick.guard.effects import Append, CompareAndSet, Flow, GetApproval, Now, PendingApprovals, SaveApproval
from bailiwick.guard.planes import Planes
from bailiwick.guard.record import card_content, draft
from bailiwick.guard.state import SessionState
from bailiwick.model.administration import AdminAction, admin_resource
from bailiwick.model.approver import Proven
from bailiwick.model.decision import Plane, Reason
from bailiwick.model.event import Content, EventKind
from bailiwick.model.principal import EntityKind, EntityRef
from bailiwick.model.tool import Durability

__all__ = ["Answer", "Pending", "answer", "may_answer", "may_look", "may_say", "pending", "seen_by", "withdrawn"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Who says what on which request. `gates` None means every gate that the person may vote on. `edited` are arguments
    to put in the place of those that were asked for, all of them; `tool`, if it is named, must be the request's own.
    `remember` is to hold for calls like this one too."""

    approval_id: str
    by: Proven
    grant: bool
    gates: Collection[str] | None = None
    edited: Mapping[str, object] | None = None
    tool: str = ""
    remember: Remember | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """Requests that wait, oldest first, and how many more there are that the person may not see."""

    visible: tuple[Approval, ...]
    hidden: int


def answer(core: Core, given: Answer) -> Flow[Approval | Reason]:
    """The approval with the answer counted, or why it does not count. Of an edit: the approval of the edited call; or
    the one that was edited, where the edited call needs none."""
    settings = core.planes.settings
    now_us: int = yield Now()
    found: Approval | None = yield GetApproval(settings.tenant, settings.env, given.approval_id)
    if found is None:
        return _unknown(given.approval_id)
    (found,) = yield from seen_expired(core.planes, core.new_id, (found,), now_us)
    refused = yield from may_answer(core, found, given.by)
    if refused is None and given.grant:
        refused = _weak(core, given.by) or check_asked(core.planes.suspensions, found, directory=core.planes.directory)
    if refused is None and given.remember is not None:
        refused = _not_remembered(core, given, given.remember, found)
    if refused is None and given.edited is not None:
        return (yield from _edit(core, given, given.edited, found, now_us))
    if refused is None and given.grant:
        refused = stale(core.planes, found)
    if refused is not None:
        return (yield from _refused(core, given, refused, now_us))
    voted = vote(
        found,
        by=given.by,
        gates=given.gates,
        grant=given.grant,
        directory=core.planes.directory,
        now_ms=now_us // 1000,
        remember=given.remember,
    )
    if isinstance(voted, Reason):
        return (yield from _refused(core, given, voted, now_us))
    if found.planted:
        told = yield from check_answered(core, found, voted, given.by, now_us)
        return told if told is not None else (yield from _refused(core, given, _late(), now_us))
    body: dict[str, object] = {"approval": found.id, **_who(given.by), "gates": _cast(found, voted)}
    if given.remember is not None:
        body["remember"] = given.remember.written()
    kind = EventKind.APPROVAL_GRANTED if given.grant else EventKind.APPROVAL_DENIED
    yield from _record(core, kind, body, now_us, _proof(given.by))
    won: bool = yield CompareAndSet(found, voted)
    if not won:
        return (yield from _refused(core, given, _late(), now_us))
    if given.grant:
        yield from remembered(core.planes, core.new_id, voted, now_us)
    return voted


def may_answer(core: Core, asked: Approval, by: Proven) -> Flow[Reason | None]:
    """Why this person may not answer a request; None if they may, as far as gates do not matter. A call that is one's
    own to confirm needs no rule on administration."""
    refused = yield from _may_answer(core, asked, by)
    return refused or not_reader(core.planes, asked.label, by.user)


def may_look(core: Core, asked: Approval, by: Proven) -> Flow[Reason | None]:
    """Why this person may not see the card of a request; None if they may: whoever may answer it, and the user on whose
    behalf it was made. That is no administration: it needs no rule there, and is not on record."""
    if _is_users(core.planes, asked, by.user):
        return not_reader(core.planes, asked.label, by.user)
    return (yield from may_answer(core, asked, by))


def may_say(planes: Planes, asked: Approval, by: Proven, now_ms: int) -> bool:
    """What `may_answer` says, of somebody who may look. Nothing comes of it, so it is not on record."""
    if not_reader(planes, asked.label, by.user) is not None:
        return False
    if confirms(asked.gates, asked.chain, by.user):
        return unfit(planes, by.user) is None
    own = is_own(planes, by.user, (str(link) for link in asked.chain.links))
    resource, known = admin_resource("tools", asked.tool), as_known(by.method, by.at_ms)
    return may(planes, by.user, AdminAction.APPROVE, resource, now_ms=now_ms, own=own, evidence=known)


def _is_users(planes: Planes, asked: Approval, person: str) -> bool:
    """INVARIANT: not of a planted one. The user in whose name it asks never asked for it, and would give it away."""
    root = EntityRef(kind=EntityKind.USER, id=person)
    return asked.chain.root == root and not asked.planted and unfit(planes, person) is None


def _may_answer(core: Core, asked: Approval, by: Proven) -> Flow[Reason | None]:
    planes = core.planes
    if confirms(asked.gates, asked.chain, by.user):
        return unfit(planes, by.user)
    return (
        yield from authorise(
            core,
            by.user,
            action=AdminAction.APPROVE,
            resource=admin_resource("tools", asked.tool),
            own=is_own(planes, by.user, (str(link) for link in asked.chain.links)),
            os_user=by.os_user,
            evidence=as_known(by.method, by.at_ms),
        )
    )


def pending(core: Core, by: Proven) -> Flow[Pending]:
    """The requests that wait, as far as this person may see them."""
    settings = core.planes.settings
    now_us: int = yield Now()
    found: Sequence[Approval] = yield PendingApprovals(settings.tenant, settings.env)
    found = yield from seen_expired(core.planes, core.new_id, found, now_us)
    waiting = [item for item in found if item.status is ApprovalStatus.REQUESTED]
    visible = yield from seen_by(core, waiting, by)
    planted = yield from maybe_plant(core, by, visible, now_us)
    shown = (*visible, planted) if planted is not None else visible
    return Pending(visible=shown, hidden=len(waiting) - len(visible))


def seen_by(core: Core, asked: Sequence[Approval], by: Proven) -> Flow[tuple[Approval, ...]]:
    """Those of some requests, in their order, whose cards this person may see (`may_look`). Where the rules are asked
    it is put on record, once for each tool and whether it is for themselves."""
    told: dict[tuple[object, ...], Reason | None] = {}
    visible: list[Approval] = []
    for item in asked:
        if _is_users(core.planes, item, by.user):
            visible += [item] if not_reader(core.planes, item.label, by.user) is None else []
            continue
        own = is_own(core.planes, by.user, (str(link) for link in item.chain.links))
        question = (item.tool, own, confirms(item.gates, item.chain, by.user))
        if question not in told:
            told[question] = yield from _may_answer(core, item, by)
        if told[question] is None and not_reader(core.planes, item.label, by.user) is None:
            visible.append(item)
    return tuple(visible)


def withdrawn(core: Core, approval_id: str, asker: Proven | SessionState) -> Flow[Approval | Reason]:
    """The request as taken back by the session that had asked, or by the user (of a service: by its owner) on whose
    behalf it had; or why it is not."""
    settings = core.planes.settings
    now_us: int = yield Now()
    found: Approval | None = yield GetApproval(settings.tenant, settings.env, approval_id)
    body: dict[str, object] = {"approval": approval_id}
    if isinstance(asker, SessionState):
        mine = found is not None and found.session == asker.authority.key.id
    else:
        body = {**body, "by": written(asker.user), "os_user": written(asker.os_user)}
        mine = found is not None and unfit(core.planes, asker.user) is None
        mine = mine and is_own(core.planes, asker.user, (str(link) for link in found.chain.links)) if found else False
    if found is None or not mine:
        reason = _unknown(approval_id) if found is None else _not_yours(approval_id)
        return (yield from _refuse(core, body, reason, now_us))
    (found,) = yield from seen_expired(core.planes, core.new_id, (found,), now_us)
    if found.status not in (ApprovalStatus.REQUESTED, ApprovalStatus.GRANTED):
        code = f"approval-{found.status.value}"
        reason = _reason(code, f"Request {found.id} is {found.status.value} already.", "There is nothing to withdraw.")
        return (yield from _refuse(core, body, reason, now_us))
    yield from _record(core, EventKind.APPROVAL_WITHDRAWN, body, now_us)
    gone = withdraw(found)
    won: bool = yield CompareAndSet(found, gone)
    return gone if won else (yield from _refuse(core, body, _late(), now_us))


def _not_remembered(core: Core, given: Answer, asked: Remember, found: Approval) -> Reason | None:
    if given.grant and given.edited is None:
        return cannot_be_remembered(core.planes, found, asked, given.by)
    return _reason(
        "remember-without-yes",
        "Only a yes to the call on the card can be remembered.",
        "Answer without it; after an edit, remember the next call.",
    )


def _edit(
    core: Core, given: Answer, args: Mapping[str, object], found: Approval, now_us: int
) -> Flow[Approval | Reason]:
    """Put an edited call in the place of the one that was asked for. The original is over before the other is there: a
    crash in between loses the edit, and the agent asks anew."""
    if not given.grant or given.tool not in ("", found.tool):
        reason = _reason(
            "edit-of-another-tool" if given.grant else "edit-denied",
            f"Request {found.id} is for {found.tool}: an edit changes its arguments, and grants it.",
            "Deny the request, and let the agent make another call.",
        )
        return (yield from _refused(core, given, reason, now_us))
    no_say = may_edit(found, by=given.by, gates=given.gates, directory=core.planes.directory, now_ms=now_us // 1000)
    if no_say is not None:
        return (yield from _refused(core, given, no_say, now_us))
    if found.planted:
        return (yield from _edit_of_planted(core, given, args, found, now_us))
    made = yield from edited_request(core, found, args, by=given.by, now_us=now_us)
    if isinstance(made, Reason):
        return (yield from _refused(core, given, made, now_us))
    now = made.approval
    if now is not None:
        voted = vote(
            now, by=given.by, gates=given.gates, grant=True, directory=core.planes.directory, now_ms=now_us // 1000
        )
        if isinstance(voted, Reason):
            return (yield from _refused(core, given, voted, now_us))
        made, now = Edited(args=made.args, digest=made.digest, approval=voted), voted
    try:
        replaced = edit(found, made.args, now.id if now is not None else "", by=given.by.user)
    except ValueError:
        return (yield from _refused(core, given, _over(found), now_us))
    body = {
        "approval": found.id,
        **_who(given.by),
        "successor": replaced.successor,
        "digest": made.digest,
        "gates": [] if now is None else sorted({cast.gate for cast in now.votes}),
    }
    contents = () if now is None else (card_content(now),)
    yield from _record(core, EventKind.APPROVAL_EDITED, body, now_us, (*contents, *_proof(given.by)))
    won: bool = yield CompareAndSet(found, replaced)
    if not won:
        return (yield from _refused(core, given, _late(), now_us))
    if now is None:
        return replaced
    yield SaveApproval(now)
    return now


def _edit_of_planted(
    core: Core, given: Answer, args: Mapping[str, object], found: Approval, now_us: int
) -> Flow[Approval | Reason]:
    """Whoever leaves in what is wrong with it has said yes, whoever takes it out no. The same edits are refused as of
    any request; what rules say of the call is not asked, as there is none."""
    unusable = not_an_edit(found, args)
    if unusable is not None:
        return (yield from _refused(core, given, unusable, now_us))
    voted = vote(
        found,
        by=given.by,
        gates=given.gates,
        grant=is_left_in(found, args),
        directory=core.planes.directory,
        now_ms=now_us // 1000,
    )
    if isinstance(voted, Reason):
        return (yield from _refused(core, given, voted, now_us))
    told = yield from check_answered(core, found, voted, given.by, now_us)
    if told is None:
        return (yield from _refused(core, given, _late(), now_us))
    return told if isinstance(told, Reason) else CHECK_PASSED


def _cast(before: Approval, after: Approval) -> list[str]:
    return [cast.gate for cast in after.votes[len(before.votes) :]]


def _who(by: Proven) -> dict[str, object]:
    who: dict[str, object] = {"by": written(by.user), "method": by.method.value, "os_user": written(by.os_user)}
    return {**who, "evidence": by.evidence_digest} if by.evidence else who


def _proof(by: Proven) -> tuple[Content, ...]:
    """What proves to an auditor that it was they, kept with the event."""
    return (Content(role="evidence", data=by.evidence),) if by.evidence else ()


def _weak(core: Core, by: Proven) -> Reason | None:
    needed = core.planes.settings.approval_proof
    if by.method.rank >= needed.rank:
        return None
    return _reason(
        "proof-too-weak",
        f"An answer here needs more than that {written(by.user)} is {by.method.value}: at least {needed.value}.",
        "Answer in the console, after signing in (setting approvals.proof).",
    )


def _record(
    core: Core, kind: EventKind, body: Mapping[str, object], now_us: int, contents: tuple[Content, ...] = ()
) -> Flow[None]:
    event = draft(core.planes, None, kind, body, event_id=core.new_id(), now_us=now_us, contents=contents)
    yield Append((event,), Durability.SYNC)


def _refused(core: Core, given: Answer, reason: Reason, now_us: int) -> Flow[Reason]:
    return (yield from _refuse(core, {"approval": given.approval_id, **_who(given.by)}, reason, now_us))


def _refuse(core: Core, about: Mapping[str, object], reason: Reason, now_us: int) -> Flow[Reason]:
    body = {**about, "code": reason.code, "message": reason.message}
    body["approval"] = written(str(body["approval"]))
    event = draft(core.planes, None, EventKind.APPROVAL_REFUSED, body, event_id=core.new_id(), now_us=now_us)
    yield Append((event,), Durability.BUFFERED)
    return reason


def _unknown(approval_id: str) -> Reason:
    return _reason(
        "unknown-approval", f"There is no request {written(approval_id)}.", "See `bailiwick approvals list`."
    )


def _late() -> Reason:
    return _reason("approval-changed", "Somebody else answered at the same moment.", "Look again and repeat.")


def _over(found: Approval) -> Reason:
    return _reason(
        f"approval-{found.status.value}", f"Approval {found.id} is {found.status.value} already.", "Nothing was edited."
    )


def _not_yours(approval_id: str) -> Reason:
    return _reason(
        "not-your-request",
        f"Request {approval_id} is not yours to withdraw.",
        "Who asked withdraws it; an approver denies it.",
    )


def _reason(code: str, message: str, hint: str) -> Reason:
    return Reason(plane=Plane.ACTION, code=code, message=message, hint=hint)
