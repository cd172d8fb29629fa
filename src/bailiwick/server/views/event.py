"""`/events/{id}`: one event, all of it; and what led to it or came of it, as a graph and in words."""

from __future__ import annotations

from typing import Any

from bailiwick.audit.links import Relation
from bailiwick.audit.slices import Direction, cut_out
from bailiwick.model.canonical import Json, canonical_json
from bailiwick.model.event import Event, EventKind
from bailiwick.server.contents import contents_of
from bailiwick.server.pages import Shown
from bailiwick.server.records import Records, records
from bailiwick.server.spans import event_row, session_parts, span_data, spans_of
from bailiwick.server.views.stream import entry_row
from bailiwick.server.visit import Gone, Missing, Refused, Visit

__all__ = ["event", "found_event", "revealed"]

_MOST_RELATED = 100
_OF_A_CALL = (Relation.OUTCOME, Relation.RESULT, Relation.ABOUT)


def event(visit: Visit) -> Shown | Missing | Refused:
    found = found_event(visit)
    if not isinstance(found, Event):
        return found
    with records(visit.log.guard) as known:
        return Shown(template="event.html", data=_drawn(visit, known, found))


def revealed(visit: Visit) -> Missing | Refused | Gone:
    """The contents of this event are asked for, and with it those of its session."""
    found = found_event(visit)
    if not isinstance(found, Event):
        return found
    refused = visit.log.reveal(found.session or found.id)
    return Refused(reason=refused) if refused is not None else Gone(url=f"/events/{found.id}")


def found_event(visit: Visit) -> Event | Missing | Refused:
    """The event, and it is on record that this person reads its session, or it. Who may not learns nothing of whether
    there is one."""
    asked = visit.path["id"]
    refused = None if visit.log.reads else visit.log.look(asked)
    if refused is not None:
        return Refused(reason=refused)
    with records(visit.log.guard) as known:
        found = known.index.event(asked)
    refused = visit.log.look(found.session or found.id) if found is not None else visit.log.look("events")
    if refused is not None:
        return Refused(reason=refused)
    return Missing() if found is None else found


def _drawn(visit: Visit, known: Records, found: Event) -> dict[str, Any]:
    log = visit.log
    until_ms = log.revealed_until(found.session or found.id)
    contents = contents_of(known.eyes(log), found, seen=known.seen(found.session)) if until_ms else []
    return {
        "now_ms": log.now_ms,
        **event_row(found),
        "task": found.task,
        "ord": found.ord,
        "of": session_parts(found.session) if found.session else None,
        "call": _call(known, found),
        "body": _plain(found.body),
        "commitments": dict(found.commitments),
        "parents": list(found.parents),
        "before": _related(known, found.id, Direction.BACK),
        "after": _related(known, found.id, Direction.FORWARD),
        "contents": [{**one, "event": found.id} for one in contents],
        "may_reveal": log.may_reveal,
        "revealed_until_ms": until_ms,
        "behind": known.behind,
    }


def _call(known: Records, found: Event) -> dict[str, Any] | None:
    """A decision with what belongs to it."""
    if found.kind is not EventKind.DECISION:
        return None
    ids = [found.id, *(edge.later for edge in known.index.edges_forward(found.id, relations=_OF_A_CALL))]
    events = [each for one in dict.fromkeys(ids) if (each := known.index.event(one)) is not None]
    (span,) = [each for each in spans_of(events)[0] if each.decision.id == found.id]
    return span_data(span, begin_us=found.ts_us, end_us=max(each.ts_us for each in events) + 1)


def _related(known: Records, event_id: str, direction: Direction) -> list[dict[str, Any]]:
    """The events next to it."""
    found = cut_out(known.index, event_id, direction, steps=1, nodes=_MOST_RELATED)
    if found is None:
        return []
    back = direction is Direction.BACK
    how: dict[str, list[str]] = {}
    for edge in found.edges:
        other, near = (edge.earlier, edge.later) if back else (edge.later, edge.earlier)
        if near != event_id:
            continue  # an edge between two of its neighbours
        how.setdefault(other, []).append(" ".join(part for part in (edge.relation.value, edge.name) if part))
    rows = (entry for entry in found.entries if entry.id != event_id)
    return [{**entry_row(entry), "how": list(dict.fromkeys(how.get(entry.id, [])))} for entry in rows]


def _plain(value: object) -> Json:
    return canonical_json(value)
