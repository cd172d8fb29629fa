"""What suspensions do to requests for approval: nobody answers for a chain that is stopped. (Whether the yes of a
suspended person counts: `bailiwick.guard.approvals.eligible`.)"""

from __future__ import annotations

from bailiwick.action.approvals import Approval
from bailiwick.identity.suspension import check_stopped
from bailiwick.model.decision import Plane, Reason
from bailiwick.model.directory import Directory
from bailiwick.model.principal import SessionKey
from bailiwick.model.suspensions import Suspensions

__all__ = ["check_asked"]


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
