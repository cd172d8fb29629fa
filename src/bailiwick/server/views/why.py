"""`/events/{id}/why`: what led to an event, or came of it, over the recorded flow of data: a drawing, and the same in
words, each step a link."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from bailiwick.audit.slice_svg import ENDS_IN_WORDS, picture
from bailiwick.audit.slices import MAX_NODES, Direction, Edge, End, Slice, cut_out
from bailiwick.server.pages import Shown
from bailiwick.server.records import records
from bailiwick.server.views.event import found_event
from bailiwick.server.views.stream import entry_row
from bailiwick.server.visit import Missing, Picture, Refused, Visit

__all__ = ["drawing", "why"]

MOST_NODES = 400
MOST_STEPS = 32


def why(visit: Visit) -> Shown | Missing | Refused:
    sliced = _slice(visit)
    if not isinstance(sliced, Slice):
        return sliced
    return Shown(template="why.html", data=_drawn(visit, sliced))


def drawing(visit: Visit) -> Picture | Missing | Refused:
    """The graph of the page, for its `img`: nothing in a picture can run or reach the page around it."""
    sliced = _slice(visit)
    if not isinstance(sliced, Slice):
        return sliced
    return Picture(svg=picture(sliced, link=lambda entry: f"/events/{quote(entry.id, safe='')}"))


def _slice(visit: Visit) -> Slice | Missing | Refused:
    found = found_event(visit)
    if isinstance(found, (Missing, Refused)):
        return found
    direction = Direction.FORWARD if visit.query.get("forward") == "1" else Direction.BACK
    with records(visit.log.guard) as known:
        made = cut_out(
            known.index,
            found.id,
            direction,
            steps=_number(visit, "depth", MOST_STEPS, MOST_STEPS),
            nodes=_number(visit, "nodes", MAX_NODES, MOST_NODES),
        )
        # What the page shows is what the events themselves say, not what the index remembers of them.
        return Missing() if made is None else known.index.confirmed(made)


def _number(visit: Visit, name: str, default: int, most: int) -> int:
    said = visit.query.get(name, "")
    return max(1, min(most, int(said))) if said.isascii() and said.isdecimal() and len(said) < 6 else default


def _drawn(visit: Visit, sliced: Slice) -> dict[str, Any]:
    forward = sliced.direction is Direction.FORWARD
    edges: dict[str, list[Edge]] = {}
    for edge in sliced.edges:
        edges.setdefault(edge.earlier if forward else edge.later, []).append(edge)
    ends: dict[str, list[End]] = {}
    for end in sliced.ends:
        ends.setdefault(end.event, []).append(end)
    names = {entry.id: f"{entry.kind} {entry.tool or entry.about}".strip() for entry in sliced.entries}
    return {
        "now_ms": visit.log.now_ms,
        "id": sliced.root,
        "forward": forward,
        "depth": _number(visit, "depth", MOST_STEPS, MOST_STEPS),
        "most_steps": MOST_STEPS,
        "cut": sliced.cut,
        "steps": [
            {
                **entry_row(entry),
                "label": entry.label,
                "edges": list(_edges(edges.get(entry.id, ()), names, forward=forward)),
                "ends": [
                    {"name": end.name, "told": ENDS_IN_WORDS[end.reason], "detail": end.detail}
                    for end in ends.get(entry.id, ())
                ],
            }
            for entry in sliced.entries
        ],
    }


def _edges(edges: Iterable[Edge], names: dict[str, str], *, forward: bool) -> Iterable[dict[str, Any]]:
    """One for each event that it leads to, with every way in which it does."""
    ways: dict[str, dict[str, Any]] = {}
    for edge in edges:
        other = edge.later if forward else edge.earlier
        one = ways.setdefault(other, {"id": other, "line": names.get(other, other), "label": edge.label, "ways": []})
        told = " ".join(part for part in (edge.relation.value, edge.name, edge.path, edge.how) if part)
        if told not in one["ways"]:
            one["ways"].append(told)
    return ways.values()
