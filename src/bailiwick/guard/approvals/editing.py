"""A call with other arguments than the agent asked for, as a person wants it: a new action, decided from the beginning.

Whoever edits sits in another process than the session, so the session is made again from the store: its chain, task and
labels as they are now, its evidence and environment as they were when it asked. What that cannot know (a delegation's
own bounds, a plan's) is found out where it counts: the edited call is decided once more when the agent makes it.
INVARIANT: an edit gives nobody more than a request for the edited call itself would.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from bailiwick.action.approval_card import Edit, card_about, card_arguments
from bailiwick.action.approvals import Approval, ApprovalStatus
from bailiwick.errors import CanonicalError
from bailiwick.guard.approvals.around import holds_hidden, read_around
from bailiwick.guard.approvals.asking import make_request, too_large
from bailiwick.guard.approvals.eligible import nobody_left
from bailiwick.guard.core import Core
from bailiwick.guard.effects import Flow, GetSession
from bailiwick.guard.opening import OpenRequest, authority_of
from bailiwick.guard.state import SessionState
from bailiwick.identity.ports import StoredSession
from bailiwick.identity.scope import restored
from bailiwick.model.approver import Proven
from bailiwick.model.call import Call
from bailiwick.model.canonical import canonical, thaw
from bailiwick.model.decision import Outcome, Plane, Reason
from bailiwick.model.principal import EntityKind, SessionKey

__all__ = ["Edited", "edited_request", "not_an_edit"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Edited:
    """The edited call: its arguments as the agent is told them (canonical bytes), its digest, and the request for it;
    None: it needs none."""

    args: bytes
    digest: str
    approval: Approval | None


def edited_request(
    core: Core, found: Approval, args: Mapping[str, object], *, by: Proven, now_us: int
) -> Flow[Edited | Reason]:
    """What becomes of the call of `found` with these arguments, or why it cannot be edited so. Nobody has voted on the
    new request yet."""
    unusable = not_an_edit(found, args)
    if unusable is not None:
        return unusable
    session = yield from _session(core, found, now_us)
    if isinstance(session, Reason):
        return session
    call = Call(tool=found.tool, args=args)
    judged = yield from core.decide(session, call, now_us)
    decision = judged.decision
    if judged.action is None or decision.outcome is Outcome.DENY:
        why = decision.reasons[0]
        return _reason("edit-denied", f"The edited call is denied: {why.message}", why.hint)
    # Names of handles stay names: the agent is told what to call, and never what they stand for.
    told = canonical(args) if judged.action.carried else judged.args
    if decision.allowed:
        return Edited(args=told, digest=judged.digest, approval=None)
    assert judged.flow is not None
    vain = nobody_left(core.planes, decision.gates, found.chain, found.tool, judged.flow.label, now_us // 1000)
    if vain is not None:
        return vain
    try:
        made = yield from make_request(
            core.planes,
            authority=session.authority,
            around=session.around,
            judged=judged,
            now_ms=now_us // 1000,
            id=f"apr-{core.new_id()[-12:]}",
            edit=Edit(approval=found.id, by=by.user, args=card_arguments(found.card), about=card_about(found.card)),
        )
    except CanonicalError as error:
        return too_large(error)
    return Edited(args=told, digest=judged.digest, approval=made)


def not_an_edit(found: Approval, args: Mapping[str, object]) -> Reason | None:
    """Why these arguments are no edit of this request, whatever rules say of them; None if they are one."""
    if found.status not in (ApprovalStatus.REQUESTED, ApprovalStatus.GRANTED):
        return _reason(f"approval-{found.status.value}", f"Approval {found.id} is {found.status.value} already.")
    if holds_hidden(found.around):
        return _HOLDS_HIDDEN
    try:
        same = canonical(args) == _args(found)
    except CanonicalError as error:
        return _reason("edit-unusable", f"These arguments cannot be used: {error}.")
    return _reason("edit-changes-nothing", "These are the arguments that were asked for.") if same else None


def _args(found: Approval) -> bytes:
    return canonical({name: thaw(value) for name, value in card_arguments(found.card).items()})


def _session(core: Core, found: Approval, now_us: int) -> Flow[SessionState | Reason]:
    """The session that asked, as it is in the store now."""
    planes, key = core.planes, SessionKey.read(found.session)
    stored: StoredSession | None = (yield GetSession(key)) if key is not None else None
    if key is None or stored is None or stored.chain != found.chain or stored.task != found.task:
        return _gone(found)
    user = key.root.id if key.root.kind is EntityKind.USER else None
    request = OpenRequest(
        user=user,
        service=None if user is not None else key.root.id,
        agent=found.chain.links[1].id,
        task=stored.task,
        conversation=key.conversation,
    )
    first = authority_of(planes, request, now_us // 1000, stored.task_started_ms)
    if isinstance(first, Reason):
        return first
    try:
        around = read_around(found.around)
    except (CanonicalError, KeyError, TypeError, ValueError):
        return _gone(found)
    # Of a chain that was handed on this is what the first agent has: no less than the last one.
    authority = replace(restored(first, stored.change), key=key, chain=found.chain, purpose=stored.purpose)
    session = SessionState(
        authority=authority,
        around=around,
        ledger=planes.ledger("" if authority.chain.depth else authority.purpose),
        last_us=now_us,
    )
    yield from core.refresh(session)
    return session


def _gone(found: Approval) -> Reason:
    return _reason(
        "edit-without-session",
        f"The session that asked for {found.id} is not in the store as it was.",
    )


def _reason(
    code: str, message: str, hint: str = "Deny the request instead, and let the agent ask for what is right."
) -> Reason:
    return Reason(plane=Plane.ACTION, code=code, message=message, hint=hint)


# Its card shows the contents in place of the names. An edit of them would be judged without their labels, and nobody
# could tell the agent of it.
_HOLDS_HIDDEN = _reason("edit-of-hidden", "This call holds content that its agent never saw, so it cannot be edited.")
