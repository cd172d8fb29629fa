"""`/`: what waits for an answer, and how long it still can."""

from __future__ import annotations

from typing import Any

from bailiwick.action.grouping import grouped
from bailiwick.model.canonical import Json, canonical, thaw
from bailiwick.server.pages import Shown
from bailiwick.server.reading import Reader
from bailiwick.server.visit import Visit

__all__ = ["inbox"]


def inbox(visit: Visit) -> Shown | None:
    reader = visit.reader
    page = (reader.by.user, "inbox")
    data = visit.live.drawn(page, visit.seen, reader.traces_of_waiting, lambda: _drawn(reader))
    if data is None:
        return None
    return Shown(template="inbox_list.html" if visit.partial else "inbox.html", data=data)


LONGEST = 120


def short(value: Json) -> str:
    """A value for a line of a list; the card has all of it."""
    text = value if isinstance(value, str) else canonical(thaw(value)).decode("utf-8")
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def _drawn(reader: Reader) -> dict[str, Any]:
    waiting = reader.waiting()
    groups: dict[str, dict[str, Any]] = {}
    similar = {item.id: group for group in grouped(waiting) for item in group.members}
    for item in waiting:
        group = similar[item.id]
        row = {
            **reader.row(item),
            "similar": [each.id for each in group.members if each.id != item.id],
            "differs": [{"name": name, "value": short(value)} for name, value in group.differences[item.id].items()],
        }
        new = {"chain": row["chain"], "task": row["task"], "purpose": row["purpose"], "items": []}
        groups.setdefault(item.session, new)["items"].append(row)
    return {
        "now_ms": reader.now_ms,
        "waiting": len(waiting),
        "yours": sum(row["yours"] for group in groups.values() for row in group["items"]),
        "oldest_ms": min((item.requested_ms for item in waiting), default=None),
        "next_expiry_ms": min((item.expires_ms for item in waiting), default=None),
        "groups": list(groups.values()),
    }
