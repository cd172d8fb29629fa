"""`/standing`: what people said may run without them for a while, and the end of it."""

from __future__ import annotations

from typing import Any

from bailiwick.guard.approvals.forgetting import SeenGrant, revoke_standing, standing_grants
from bailiwick.model.canonical import thaw
from bailiwick.model.decision import Reason
from bailiwick.server.pages import Shown
from bailiwick.server.visit import Gone, Missing, Visit

__all__ = ["revoked", "standing"]


def standing(visit: Visit) -> Shown:
    return Shown(template="standing.html", data=_drawn(visit))


def revoked(visit: Visit) -> Shown | Missing | Gone:
    """Somebody wants it to hold no more."""
    reader = visit.reader
    told = reader.guard.engine.administer(lambda core: revoke_standing(core, visit.path["id"], reader.by))
    if isinstance(told, Reason):
        said = {"kind": "refused", "head": "Not revoked.", "message": told.message, "hint": told.hint}
        return Shown(template="standing.html", data={**_drawn(visit), "told": said}, status=409)
    return Gone(url="/standing")


def _drawn(visit: Visit) -> dict[str, Any]:
    reader = visit.reader
    found = reader.guard.engine.administer(lambda core: standing_grants(core, reader.by))
    return {"now_ms": reader.now_ms, "rows": [_row(each, reader.now_ms) for each in found]}


def _row(seen: SeenGrant, now_ms: int) -> dict[str, Any]:
    grant = seen.grant
    return {
        "id": grant.id,
        "state": grant.state_at(now_ms).value if grant.left else "used up",
        "tool": grant.tool,
        "chain": [{"kind": link.kind.value, "id": link.id} for link in grant.chain.links],
        "task": grant.task,
        "scope": "conversation" if grant.session else "task",
        "open": sorted(grant.open),
        "arguments": None if seen.arguments is None else thaw(seen.arguments),
        "gates": list(seen.gates),
        "count": grant.count,
        "used": grant.used,
        "since_ms": grant.since_ms,
        "expires_ms": grant.expires_ms,
        "by": list(grant.by),
        "approval": grant.approval,
    }
