"""`/stream`: decisions of all processes as they are taken, newest first. The page renews itself."""

from __future__ import annotations

from typing import Any

from bailiwick.audit.slices import Entry
from bailiwick.server.pages import Shown
from bailiwick.server.records import records
from bailiwick.server.spans import name_of, session_name
from bailiwick.server.visit import Refused, Visit

__all__ = ["entry_row", "stream"]

MOST = 60


def stream(visit: Visit) -> Shown | Refused | None:
    log = visit.log
    refused = log.look("stream")
    if refused is not None:
        return Refused(reason=refused)
    with records(log.guard) as found:
        newest, _ = found.index.latest(decisions=True, limit=MOST)
    rows = [entry_row(entry) for entry in reversed(newest)]
    page = (log.by.user, "stream")
    data = visit.live.drawn(
        page,
        visit.seen,
        lambda: (found.behind, tuple(row["id"] for row in rows)),
        lambda: {"now_ms": log.now_ms, "rows": rows, "behind": found.behind},
    )
    if data is None:
        return None
    return Shown(template="stream_list.html" if visit.partial else "stream.html", data=data)


def entry_row(entry: Entry) -> dict[str, Any]:
    """An event of the index in one line."""
    label = entry.label
    return {
        "id": entry.id,
        "kind": entry.kind,
        "ts_us": entry.ts_us,
        "session": entry.session,
        "session_name": session_name(entry.session) if entry.session else "",
        "session_line": name_of(entry.session) if entry.session else "",
        "actor": list(entry.actor),
        "what": entry.tool or entry.about,
        "outcome": entry.outcome,
        "policies": list(entry.policies),
        "observed": entry.observed,
        "tainted": label is not None and label["integrity"] == "untrusted",
    }
