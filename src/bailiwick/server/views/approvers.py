"""`/approvers`: how many requests each person answered, how fast, how often with yes."""

from __future__ import annotations

from dataclasses import asdict

from bailiwick.guard.approvals.approvers import approvers as told
from bailiwick.model.decision import Reason
from bailiwick.server.pages import Shown
from bailiwick.server.visit import Missing, Visit

__all__ = ["approvers"]


def approvers(visit: Visit) -> Shown | Missing:
    reader = visit.reader
    found = reader.guard.engine.administer(lambda core: told(core, reader.by))
    if isinstance(found, Reason):
        return Missing()
    return Shown(template="approvers.html", data={"now_ms": reader.now_ms, "rows": [asdict(each) for each in found]})
