"""A person's answer to a request for approval: checked, recorded, then stored.

Two things must hold: the rules in `administration/` let the person answer requests of this tool (`admin.approve`), and
the gate has them as an approver, with separation of duties (`bailiwick.action.approval_vote`).

The event comes before the state: what an approval lifts can always be found in the log. An attempt that does not count
is recorded too.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from bailiwick.action.approval_vote import vote
from bailiwick.action.approvals import Approval
from bailiwick.guard.administering import authorise, is_own
from bailiwick.guard.core import Core
from bailiwick.guard.effects import Append, CompareAndSet, Flow, GetApproval, Now
from bailiwick.guard.record import draft
from bailiwick.guard.standing import check_asked
from bailiwick.model.administration import AdminAction, admin_resource
from bailiwick.model.decision import Plane, Reason
from bailiwick.model.event import EventKind
from bailiwick.model.tool import Durability

__all__ = ["Answer", "answer", "may_answer"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Who says what on which request. `gates` None means every gate that the person may vote on; `os_user` is the
    account that the answer came from, kept as evidence."""

    approval_id: str
    approver: str
    grant: bool
    gates: Collection[str] | None
    os_user: str


def answer(core: Core, given: Answer) -> Flow[Approval | Reason]:
    """The approval with the answer counted, or why it does not count."""
    settings = core.planes.settings
    now_us: int = yield Now()
    found: Approval | None = yield GetApproval(settings.tenant, settings.env, given.approval_id)
    if found is None:
        return _reason(
            "unknown-approval", f"There is no request {given.approval_id}.", "See `bailiwick approvals list`."
        )
    refused = yield from may_answer(core, found, given.approver, os_user=given.os_user)
    if refused is None and given.grant:
        refused = _suspended(core, found)
    if refused is not None:
        yield from _refused(core, given, refused, now_us)
        return refused
    voted = vote(
        found,
        approver=given.approver,
        gates=given.gates,
        grant=given.grant,
        directory=core.planes.directory,
        now_ms=now_us // 1000,
        os_user=given.os_user,
    )
    if isinstance(voted, Reason):
        yield from _refused(core, given, voted, now_us)
        return voted
    body: dict[str, object] = {"approval": found.id, "by": given.approver, "os_user": given.os_user}
    body["gates"] = [cast.gate for cast in voted.votes[len(found.votes) :]]
    kind = EventKind.APPROVAL_GRANTED if given.grant else EventKind.APPROVAL_DENIED
    yield Append((draft(core.planes, None, kind, body, event_id=core.new_id(), now_us=now_us),), Durability.SYNC)
    won: bool = yield CompareAndSet(found, voted)
    if won:
        return voted
    late = _reason("approval-changed", "Somebody else answered at the same moment.", "Look again and repeat.")
    yield from _refused(core, given, late, now_us)
    return late


def may_answer(core: Core, asked: Approval, person: str, *, os_user: str) -> Flow[Reason | None]:
    """Why this person may neither see the card of a request nor answer it; None if they may, as far as rules on
    administration go."""
    return (
        yield from authorise(
            core,
            person,
            action=AdminAction.APPROVE,
            resource=admin_resource("tools", asked.tool),
            own=is_own(core.planes, person, (str(link) for link in asked.chain.links)),
            os_user=os_user,
        )
    )


def _suspended(core: Core, asked: Approval) -> Reason | None:
    """Nobody answers for a chain that is stopped: what runs after it was resumed is asked for then."""
    return check_asked(core.planes.suspensions, asked, directory=core.planes.directory)


def _refused(core: Core, given: Answer, reason: Reason, now_us: int) -> Flow[None]:
    body = {
        "approval": given.approval_id,
        "by": given.approver,
        "code": reason.code,
        "message": reason.message,
        "os_user": given.os_user,
    }
    event = draft(core.planes, None, EventKind.APPROVAL_REFUSED, body, event_id=core.new_id(), now_us=now_us)
    yield Append((event,), Durability.BUFFERED)


def _reason(code: str, message: str, hint: str) -> Reason:
    return Reason(plane=Plane.ACTION, code=code, message=message, hint=hint)
