"""Kill switches: whether somebody has stopped this chain, tool or session, or everything. DESIGN §5 *Identity*."""

from __future__ import annotations

from bailiwick.model.call import Authority
from bailiwick.model.decision import Plane, Reason
from bailiwick.model.standing import Suspensions, TargetKind

__all__ = ["check_suspended"]


def check_suspended(suspensions: Suspensions, authority: Authority, tool: str) -> Reason | None:
    """Why a call of `tool` is stopped; None if nobody stopped it."""
    found = suspensions.hit(links=authority.chain.links, tool=tool, session=authority.key.id)
    if found is None:
        return None
    match found.target.kind:
        case TargetKind.EVERYTHING:
            what = "Every call"
        case TargetKind.SESSION:
            what = "This session"
        case kind:
            what = f"{kind.value.removesuffix('s').capitalize()} {found.target.name}"
    return Reason(
        plane=Plane.IDENTITY,
        code="suspended",
        message=f"{what} is suspended.",
        hint="Stop, and tell the person you work for; somebody other than who suspended it can resume it.",
    )
