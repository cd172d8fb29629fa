"""A person revokes a delegation or a signed plan, by its id: what rests on it, and whatever was handed on from it, is
denied from the next decision in every process. There is no way back: let the work be handed on anew.

Order as for suspensions: the rules in `administration/`, the record, the store. DESIGN §5 *Identity*.
"""

from __future__ import annotations

from dataclasses import dataclass

from bailiwick.guard.administration.administering import authorise
from bailiwick.guard.administration.entitled import written
from bailiwick.guard.core import Core
from bailiwick.guard.effects import Append, Flow, Now
from bailiwick.guard.ports import Ports
from bailiwick.guard.record import draft
from bailiwick.model.administration import AdminAction, admin_resource
from bailiwick.model.decision import Plane, Reason
from bailiwick.model.event import EventKind
from bailiwick.model.tool import Durability

__all__ = ["Revocation", "revoke"]

_LONGEST_ID = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """Who revokes what: the id of a delegation (of its record) or of a plan."""

    id: str
    by: str
    reason: str
    os_user: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Revoke:
    """Revoke an id → whether it was not revoked before."""

    tenant: str
    env: str
    id: str
    at_ms: int
    event: str

    def do(self, ports: Ports) -> bool:
        return ports.revocations.revoke(self.tenant, self.env, self.id, at_ms=self.at_ms, event=self.event)


def revoke(core: Core, order: Revocation) -> Flow[Reason | None]:
    """Why it was not revoked; None if it was."""
    resource = admin_resource("delegations", order.id)
    refused = yield from authorise(core, order.by, action=AdminAction.REVOKE, resource=resource, os_user=order.os_user)
    if refused is not None:
        return refused
    if not order.id or len(order.id) > _LONGEST_ID or not order.id.isprintable():
        return _reason(
            "bad-revocation", "This is no id of a delegation or a plan.", "See delegation.granted in the log."
        )
    now_us: int = yield Now()
    event_id, settings = core.new_id(), core.planes.settings
    body = {"id": order.id, "by": order.by, "reason": written(order.reason), "os_user": written(order.os_user)}
    event = draft(core.planes, None, EventKind.DELEGATION_REVOKED, body, event_id=event_id, now_us=now_us)
    yield Append((event,), Durability.SYNC)
    new: bool = yield _Revoke(
        tenant=settings.tenant, env=settings.env, id=order.id, at_ms=now_us // 1000, event=event_id
    )
    return None if new else _reason("already-revoked", f"{order.id} was revoked before.", "There is nothing to do.")


def _reason(code: str, message: str, hint: str) -> Reason:
    return Reason(plane=Plane.IDENTITY, code=code, message=message, hint=hint)
