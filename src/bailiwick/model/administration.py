"""What people do to bailiwick itself: each is a Cedar action of its own, decided by the rules in `administration/`.

A tool can never be called so (`admin.` is reserved), and no rule in `policies/` reaches these. DESIGN §5 *State*.
"""

from __future__ import annotations

from enum import StrEnum
from urllib.parse import quote

__all__ = ["ADMIN_GROUP", "ADMIN_PREFIX", "AdminAction", "admin_resource"]

ADMIN_PREFIX = "admin."
ADMIN_GROUP = "admin"


class AdminAction(StrEnum):
    """The value is the name of the Cedar action. What the resource is stands beside each."""

    READ_LOG = "admin.read_log"
    """`log`"""
    REVEAL = "admin.reveal"
    """`log`: contents too (arguments, results, prompts), not only what was decided"""
    APPROVE = "admin.approve"
    """`tools/<tool>`"""
    RECONCILE = "admin.reconcile"
    """`tools/<tool>`"""
    SUSPEND = "admin.suspend"
    """`agents/<id>`, `tools/<name>`, `users/<id>`, `services/<id>`, `sessions/<id>`, `everything`"""
    RESUME = "admin.resume"
    """as for suspend"""
    REVOKE = "admin.revoke"
    """`delegations/<id>`"""
    READ_APPROVERS = "admin.read_approvers"
    """`approvers`: how many requests each of them answered, how fast, how often with yes"""
    READ_USAGE = "admin.read_usage"
    """`budgets/<name>`"""
    SET_USAGE = "admin.set_usage"
    """`budgets/<name>`"""
    ACTIVATE = "admin.activate"
    """`bundle`"""
    ERASE = "admin.erase"
    """`subjects/<id>`: what is kept about somebody; `expired`: contents older than the retention"""
    HOLD = "admin.hold"
    """`subjects/<id>`, `everything`: forbidding that it is erased or dropped, and letting it again"""
    ACCOUNTS = "admin.accounts"
    """`users/<id>`: inviting them to enrol a passkey, revoking what they have; `accounts`: seeing who has which"""

    @property
    def templates(self) -> tuple[str, ...]:
        """What the ids of its resources look like."""
        match self:
            case AdminAction.READ_LOG | AdminAction.REVEAL:
                return ("log",)
            case AdminAction.APPROVE | AdminAction.RECONCILE:
                return ("tools/{id}",)
            case AdminAction.SUSPEND | AdminAction.RESUME:
                kinds = ("agents", "tools", "users", "services", "sessions")
                return (*(f"{kind}/{{id}}" for kind in kinds), "everything")
            case AdminAction.REVOKE:
                return ("delegations/{id}",)
            case AdminAction.READ_APPROVERS:
                return ("approvers",)
            case AdminAction.READ_USAGE | AdminAction.SET_USAGE:
                return ("budgets/{id}",)
            case AdminAction.ACTIVATE:
                return ("bundle",)
            case AdminAction.ERASE:
                return ("subjects/{id}", "expired")
            case AdminAction.HOLD:
                return ("subjects/{id}", "everything")
            case AdminAction.ACCOUNTS:
                return ("accounts", "users/{id}")


def admin_resource(kind: str, name: str = "") -> str:
    """The id of a resource: `tools/mail.send`, or `everything`. Names are percent-encoded, so none holds a slash."""
    return f"{kind}/{quote(name, safe='')}" if name else kind
