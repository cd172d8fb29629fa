"""What suspensions do to approvals: nobody answers for a chain that is stopped, and a suspended person's yes does not
count while they are."""

from __future__ import annotations

from bailiwick.action.approvals import Approval
from bailiwick.identity.suspension import check_stopped, person_suspended
from bailiwick.model.decision import Plane, Reason
from bailiwick.model.directory import Directory
from bailiwick.model.principal import SessionKey
from bailiwick.model.standing import Suspensions

__all__ = ["check_asked", "check_votes"]


def check_votes(suspensions: Suspensions, approval: Approval) -> Reason | None:
    """Why the approval has no quorum without the people who are suspended; None if it has. (A suspended person's no
    still counts: it only narrows.)"""
    if not suspensions.by_target:
        return None
    for gate in approval.gates:
        voted = approval.votes_for(gate.id)
        out = sorted(user for user in voted if person_suspended(suspensions, user))
        if out and len(voted) - len(out) < gate.quorum:
            return Reason(
                plane=Plane.ACTION,
                code="approver-suspended",
                message=f"Approval {approval.id} does not count while {', '.join(out)} is suspended.",
                hint="Ask for approval again: somebody else has to give it.",
            )
    return None


def check_asked(suspensions: Suspensions, approval: Approval, *, directory: Directory) -> Reason | None:
    """Why nobody can answer this request just now: the call that it is for is stopped."""
    key = SessionKey.read(approval.session)
    stopped = check_stopped(suspensions, approval.chain, key, approval.tool, directory=directory)
    if stopped is None:
        return None
    return Reason(
        plane=Plane.IDENTITY,
        code="asker-suspended",
        message=f"Request {approval.id} cannot be answered: {stopped.message}",
        hint="It can be once it was resumed, if the request has not expired by then.",
    )
