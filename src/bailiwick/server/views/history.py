"""`/history`: what was answered, newest first."""

from __future__ import annotations

from bailiwick.server.pages import Shown
from bailiwick.server.visit import Visit

__all__ = ["history"]

MOST = 50


def history(visit: Visit) -> Shown:
    reader = visit.reader
    found = reader.answered(MOST)
    data = {"now_ms": reader.now_ms, "rows": [reader.row(item) for item in found]}
    return Shown(template="history.html", data=data)
