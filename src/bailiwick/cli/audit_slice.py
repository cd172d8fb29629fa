"""A slice in words and as JSON (as a picture: `bailiwick.audit.slice_svg`)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bailiwick.audit.slice_svg import ENDS_IN_WORDS, heading, label_in_words
from bailiwick.audit.slices import Direction, Edge, Entry, Slice
from bailiwick.cli.audit_indexed import entry_json

__all__ = ["slice_json", "slice_lines"]


def slice_lines(found: Slice) -> Iterator[str]:
    """A tree, nearest first; what was told of already is named again, and not what it led to. Then why it ends."""
    back = found.direction is Direction.BACK
    entries = {entry.id: entry for entry in found.entries}
    yield f"{'what led to it' if back else 'what came of it'}, {len(entries)} events:"
    near: dict[str, list[Edge]] = {}
    for edge in found.edges:
        near.setdefault(edge.later if back else edge.earlier, []).append(edge)
    told: set[str] = set()
    todo: list[tuple[str, int, tuple[Edge, ...]]] = [(found.root, 1, ())]
    while todo:
        event, depth, edges = todo.pop()
        yield f"{'  ' * depth}{_line(entries[event], edges)}{' (see above)' if event in told else ''}"
        if event in told:
            continue
        told.add(event)
        beyond: dict[str, list[Edge]] = {}
        for edge in near.get(event, ()):
            beyond.setdefault(edge.earlier if back else edge.later, []).append(edge)
        todo += [(other, depth + 1, tuple(between)) for other, between in reversed(beyond.items())]
    if found.cut:
        yield f"  and at least {found.cut} more, which are not shown (--nodes N shows more)"
    if found.ends:
        yield "where it ends:"
    for end in found.ends:
        name = f" {end.name}" if end.name else ""
        words = f"{ENDS_IN_WORDS[end.reason]} {end.detail}".rstrip()
        yield f"  {heading(entries[end.event])}{name}: {words}"


def _line(entry: Entry, edges: tuple[Edge, ...]) -> str:
    label = label_in_words(entry.label)
    what = f"{heading(entry)}{f' [{label}]' if label else ''}, event {entry.id}"
    if not edges:
        return what
    relations = dict.fromkeys(edge.relation.value for edge in edges)
    places = dict.fromkeys(f"{edge.name} {edge.path} {edge.how}".strip() for edge in edges)
    told = "; ".join(filter(None, places))
    return f"{', '.join(relations)}{f' ({told})' if told else ''}: {what}"


def slice_json(found: Slice) -> dict[str, Any]:
    """The same for --json."""
    return {
        "root": found.root,
        "direction": found.direction.value,
        "events": [entry_json(entry) for entry in found.entries],
        "edges": [
            {
                "later": edge.later,
                "earlier": edge.earlier,
                "relation": edge.relation.value,
                "name": edge.name,
                "path": edge.path,
                "how": edge.how,
                "label": edge.label,
            }
            for edge in found.edges
        ],
        "ends": [
            {"event": end.event, "reason": end.reason.value, "name": end.name, "detail": end.detail}
            for end in found.ends
        ],
        "cut": found.cut,
    }
