"""Contents of the log as a page shows them: asked for, for these eyes, and cut where they are long.

INVARIANT: a content is shown to somebody alone whom its label has as a reader. An event that says no label of its own
counts as what its session has seen altogether; where no session is known, nothing is shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any

from bailiwick.errors import CanonicalError
from bailiwick.guard.approvals.eligible import not_reader
from bailiwick.guard.planes import Planes
from bailiwick.model.canonical import Json, parse
from bailiwick.model.event import Event, EventKind
from bailiwick.model.label import Integrity, Label, Readers

__all__ = ["MOST_SHOWN", "Eyes", "contents_of", "label_read", "own_label"]

MOST_SHOWN = 20_000
"""Characters of one content on the page of its event; a trace shows less of each."""
_MOST_VALUES = 400
_DEEPEST = 12
_OPEN = frozenset({"evidence"})
"""Roles that hold nothing of what anybody said or read: who signed, and how."""


def own_label(event: Event) -> Label | None:
    """What an event says of its own contents; None if it says nothing."""
    body = event.body
    if event.kind is EventKind.CONTENT_INGESTED:
        parts = [body["label"], *(record["label"] for record in _records(body.get("fields")))]
        return reduce(Label.join, map(label_read, parts))
    return None


def label_read(body: Mapping[str, Any]) -> Label:
    """The label that an event records (`bailiwick.audit.schema.LABEL`)."""
    return Label(
        sensitivity=body["sensitivity"],
        categories=frozenset(body["categories"]),
        readers=Readers.listed(body["readers"]),
        integrity=Integrity[body["integrity"].upper()],
        sources=frozenset(body["sources"]),
        author=body["author"],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Eyes:
    """Whoever looks, and what reads contents (event, role) for them: None for what is no longer there."""

    planes: Planes
    person: str
    content: Callable[[str, str], bytes | None]

    def refused(self, role: str, label: Label | None) -> str:
        """Why these eyes may not see a content of this label; empty if they may."""
        return _not_for(self.planes, self.person, role, label)


def contents_of(eyes: Eyes, event: Event, *, seen: Label | None, most: int = MOST_SHOWN) -> list[dict[str, Any]]:
    """The contents of an event for somebody who asked for them. `seen` is what the session of the event has seen; None
    if it is in none."""
    label = own_label(event) or seen
    return [_shown(eyes, event, role, label, most) for role in sorted(event.commitments)]


def _shown(eyes: Eyes, event: Event, role: str, label: Label | None, most: int) -> dict[str, Any]:
    told = eyes.refused(role, label)
    if told:
        return _told(role, "withheld", told)
    data = eyes.content(event.id, role)
    if data is None:
        return _told(role, "gone", "It is no longer there: it was erased, and the event still proves that it was.")
    value = _value(data) if role != "text" and len(data) <= most else None
    text = data.decode("utf-8", "backslashreplace")
    shown = text[:most]
    found = _told(role, "shown", "")
    return {
        **found,
        "value": value if value is not None else shown,
        "cut": 0 if value is not None else len(text) - len(shown),
        "length": len(data),
    }


def _told(role: str, state: str, told: str) -> dict[str, Any]:
    return {"role": role, "state": state, "told": told, "value": "", "cut": 0, "length": 0}


def _not_for(planes: Planes, person: str, role: str, label: Label | None) -> str:
    if role in _OPEN:
        return ""
    if label is None:
        return "Nothing is known here of who may read it; `bailiwick audit show --reveal` shows it."
    if not_reader(planes, label, person) is None:
        return ""
    levels = planes.settings.levels
    level = levels[label.sensitivity] if label.sensitivity < len(levels) else str(label.sensitivity)
    return f"It is {level} data for {label.readers}: not for your eyes, whatever you may reveal."


def _value(data: bytes) -> Any:
    """Small JSON as what it is; None for everything else."""
    try:
        found = parse(data)
    except (CanonicalError, RecursionError):
        return None
    return found if _count(found, 0) <= _MOST_VALUES else None


def _count(value: Json, depth: int) -> int:
    if depth > _DEEPEST:
        return _MOST_VALUES + 1
    items: Iterable[Json] = ()
    if isinstance(value, Mapping):
        items = value.values()
    elif isinstance(value, (list, tuple)):
        items = value
    return 1 + sum(_count(item, depth + 1) for item in items)


def _records(value: object) -> list[Mapping[str, Any]]:
    return value if isinstance(value, list) else []
