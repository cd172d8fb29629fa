"""`/compare?a=…&b=…`: two sessions side by side: for whom and under which task, and where their steps part."""

from __future__ import annotations

from itertools import islice
from typing import Any

from bailiwick.audit.comparing import MAX_STEPS, Side
from bailiwick.audit.comparing import compare as compared
from bailiwick.audit.slices import Entry
from bailiwick.server.pages import Shown
from bailiwick.server.records import Records, records
from bailiwick.server.spans import session_of
from bailiwick.server.views.sessions import session_row
from bailiwick.server.views.stream import entry_row
from bailiwick.server.visit import Refused, Visit
from bailiwick.stores.log_index import SessionRow

__all__ = ["compare"]

_FACTS = ("root", "task", "purpose", "decisions", "denied", "asked")
_MOST_ENTRIES = 4 * MAX_STEPS
_SIDES = {Side.BOTH: "same", Side.CHANGED: "otherwise", Side.FIRST: "only here", Side.SECOND: "only here"}


def compare(visit: Visit) -> Shown | Refused:
    refused = visit.log.look("compare")
    if refused is not None:
        return Refused(reason=refused)
    # A whole address does as well as the name in it.
    names = {side: visit.query.get(side, "").strip().rstrip("/").rpartition("/")[2] for side in ("a", "b")}
    sessions = {side: session_of(name) for side, name in names.items()}
    for session in dict.fromkeys(one for one in sessions.values() if one is not None):
        refused = visit.log.look(session)
        if refused is not None:
            return Refused(reason=refused)
    with records(visit.log.guard) as found:
        rows = {side: found.index.session(one) if one else None for side, one in sessions.items()}
        first, second = rows["a"], rows["b"]
        both = _both(found, first, second) if first is not None and second is not None else None
        missing = [side for side, row in rows.items() if row is None and names[side]]
    data = {"now_ms": visit.log.now_ms, "names": names, "missing": missing, "both": both, "behind": found.behind}
    return Shown(template="compare.html", data=data)


def _both(found: Records, first: SessionRow, second: SessionRow) -> dict[str, Any]:
    sides = [islice(found.entries(row.session), _MOST_ENTRIES) for row in (first, second)]
    result = compared(*sides)
    shown = {"a": session_row(first), "b": session_row(second)}
    return {
        **shown,
        "facts": [
            {"name": name, "a": shown["a"][name], "b": shown["b"][name], "same": shown["a"][name] == shown["b"][name]}
            for name in _FACTS
        ],
        "steps": [
            {
                "same": step.side is Side.BOTH,
                "told": _SIDES[step.side],
                "a": _shown(step.first),
                "b": _shown(step.second),
            }
            for step in result.steps
        ],
        "differing": len(result.steps) - result.count(Side.BOTH),
        "cut": result.cut or max(first.events, second.events) > _MOST_ENTRIES,
    }


def _shown(entry: Entry | None) -> dict[str, Any] | None:
    return None if entry is None else {**entry_row(entry), "label": entry.label}
