"""How people answer requests, for whoever may know: `admin.read_approvers`. DESIGN §5 *Action*."""

from __future__ import annotations

from collections.abc import Sequence

from bailiwick.action.approvals import Approval
from bailiwick.action.approver_stats import ApproverStats, approver_stats
from bailiwick.guard.administration.administering import authorise
from bailiwick.guard.approvals.planting import ApprovalHistory
from bailiwick.guard.core import Core
from bailiwick.guard.effects import Flow
from bailiwick.model.administration import AdminAction, admin_resource
from bailiwick.model.approver import Proven
from bailiwick.model.decision import Reason

__all__ = ["approvers"]

MOST = 10_000
"""So many requests are looked at, the newest."""


def approvers(core: Core, by: Proven) -> Flow[tuple[ApproverStats, ...] | Reason]:
    """The statistics of everybody who answered, or why this person may not know them."""
    settings = core.planes.settings
    refused = yield from authorise(
        core, by.user, action=AdminAction.READ_APPROVERS, resource=admin_resource("approvers"), os_user=by.os_user
    )
    if refused is not None:
        return refused
    history: Sequence[Approval] = yield ApprovalHistory(settings.tenant, settings.env, MOST)
    return approver_stats(history)
