"""Answers about one event: what it is, what belongs to it, and where the values of a decided call came from (one hop).

Values for a command line or a console to render, over all logs of a folder: a session may have events in several.
Raises UsageError for what a person asked wrongly; StoreError comes from the readers.

INVARIANT: events are found through links and read from their logs, and one is told of only if it says itself that it
belongs. So an answer costs what the event is linked with, however long the logs are; `timeline` alone reads on.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import Protocol

from bailiwick.audit.links import Relation
from bailiwick.audit.log import EventReader
from bailiwick.audit.slices import FlowGraph
from bailiwick.errors import UsageError
from bailiwick.model.canonical import parse
from bailiwick.model.event import Event, EventKind

__all__ = [
    "MAX_RELATED",
    "ArgumentTrace",
    "EventGraph",
    "OriginTrace",
    "Shown",
    "Why",
    "decided",
    "find",
    "reasons",
    "related",
    "show",
    "timeline",
    "why",
]

MAX_RELATED = 500
"""Events that are told of as belonging to a call, at most."""
_OF_A_CALL = (Relation.OUTCOME, Relation.RESULT, Relation.ABOUT)
_ABOUT = (Relation.ABOUT,)
_APPROVALS = "approval."


class EventGraph(FlowGraph, Protocol):
    """Events, what they follow from and what they hold, over all logs of a folder (`bailiwick.stores.log_index`)."""

    def event(self, event_id: str) -> Event | None:
        """The event in full, as it was written; None if no log here has it."""
        ...

    def content(self, event_id: str, role: str) -> bytes | None:
        """A content of it; None if it never was there or was erased."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """An event with its contents (None: erased) and the events that belong to the same call, in order of time."""

    event: Event
    contents: Mapping[str, bytes | None]
    related: tuple[Event, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OriginTrace:
    """Where a value of an argument was seen: at `path` of a content, `how` it was recognised, and the event that
    recorded the content with its label (None if no log of the folder has it)."""

    content: str
    source: str
    path: str
    how: str
    event: Event | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ArgumentTrace:
    """An argument of a decided call. `endorsed_by` is in the order of its values, "" where nothing endorses one."""

    name: str
    endorsed: bool
    endorsed_by: tuple[str, ...]
    origins: tuple[OriginTrace, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """A decision, where its arguments' values came from, what the call names as what it was made upon (the
    model call that wrote it, or what the model was told last), and what followed: approvals and the outcome."""

    decision: Event
    arguments: tuple[ArgumentTrace, ...]
    heard: tuple[Event, ...]
    related: tuple[Event, ...]


def timeline(
    readers: Sequence[EventReader],
    *,
    session: str | None = None,
    kinds: Collection[EventKind] | None = None,
    last: int | None = None,
) -> Generator[Event]:
    """Events of all logs, merged by time; within a log they keep its order. `last`: none but the last so many records
    of each log are looked at."""
    after = [-1 if last is None else max(-1, reader.head()[0] - last - 1) for reader in readers]
    with ExitStack() as open_ones:
        # Where one log cannot be read any further, the others are let go of before their readers are closed.
        found = [
            open_ones.enter_context(closing(_each(reader, seq, session, kinds)))
            for reader, seq in zip(readers, after, strict=True)
        ]
        yield from heapq.merge(*found, key=_when)


def _each(
    reader: EventReader, after_seq: int, session: str | None, kinds: Collection[EventKind] | None
) -> Generator[Event]:
    yield from reader.events(after_seq=after_seq, session=session, kinds=kinds)


def _when(event: Event) -> tuple[int, str, int]:
    return event.ts_us, event.log, event.seq


def find(readers: Sequence[EventReader], event_id: str) -> tuple[EventReader, Event]:
    """The event with this id, and the log that has it. Raises UsageError if none has."""
    for reader in readers:
        event = reader.event(event_id)
        if event is not None:
            return reader, event
    raise _no_event(event_id)


def show(graph: EventGraph, event_id: str) -> Shown:
    """One event with all that belongs to it."""
    event = _event(graph, event_id)
    contents = {role: graph.content(event.id, role) for role in event.commitments}
    decision = _decision_of(graph, event)
    belongs = related(graph, decision) if decision is not None else ()
    if decision is not None and decision.id != event.id:
        belongs = (decision, *belongs)
    return Shown(event=event, contents=contents, related=tuple(other for other in belongs if other.id != event.id))


def why(graph: EventGraph, event_id: str) -> Why:
    """Why a call was decided as it was. `event_id` is the decision's, or that of its outcome or approval."""
    event = _event(graph, event_id)
    decision = _decision_of(graph, event)
    if decision is None:
        raise UsageError(
            f"event {event.id} is a {event.kind.value} and belongs to no decision",
            hint="Ask about a decision, its outcome or its approval.",
        )
    told = (graph.event(parent) for parent in decision.parents)
    return Why(
        decision=decision,
        arguments=tuple(_argument(graph, item) for item in _records(decision.body["arguments"])),
        heard=tuple(event for event in told if event is not None),
        related=related(graph, decision),
    )


def decided(graph: EventGraph, event_id: str) -> Event | None:
    """The decision that an event belongs to; None if it belongs to none. Raises UsageError if no log has it."""
    return _decision_of(graph, _event(graph, event_id))


def reasons(content: Callable[[str, str], bytes | None], decision: Event) -> tuple[dict[str, str], ...]:
    """Why a call was decided so: {plane, code, message, hint} for each reason, whether its words stand in the event or
    in its content `reasons`, looked up by `content`. Words that were erased are empty."""
    kept = content(decision.id, "reasons") if "reasons" in decision.commitments else None
    words = parse(kept) if kept is not None else []
    assert isinstance(words, list)
    told: list[dict[str, str]] = []
    for number, record in enumerate(_records(decision.body["reasons"])):
        said = words[number] if number < len(words) else record
        assert isinstance(said, Mapping)
        texts = {name: str(said.get(name, "")) for name in ("message", "hint")}
        told.append({"plane": str(record["plane"]), "code": str(record["code"]), **texts})
    return tuple(told)


def related(graph: EventGraph, decision: Event) -> tuple[Event, ...]:
    """What belongs to a decided call, in order of time, MAX_RELATED of it: its outcome, the label of its result, what
    was made of its values, and its approvals."""
    found: dict[str, Event] = {}
    for edge in graph.edges_forward(decision.id, relations=_OF_A_CALL, limit=MAX_RELATED):
        event = _event(graph, edge.later)
        if event.body.get("decision") == decision.id:
            found[event.id] = event
    approvals = {record["approval"] for record in _records(decision.body["approved"])}
    approvals |= {event.body["approval"] for event in found.values() if _is_approval(event)}
    lifted = (edge for edge in graph.edges_back(decision.id) if edge.relation is Relation.APPROVED)
    near = [*found, *(edge.earlier for edge in lifted if graph.entry(edge.earlier) is not None)]
    for event in _answers(graph, near):
        names = {event.body.get(name) for name in ("approval", "grant", "successor")}
        if not approvals.isdisjoint(names):
            approvals |= names if event.kind is EventKind.APPROVAL_EDITED else set()
            found[event.id] = event
    return tuple(sorted(found.values(), key=_when))


def _answers(graph: EventGraph, near: Sequence[str]) -> Iterator[Event]:
    """The records of people's and rules' answers, to and fro, from those `near` a decision on."""
    waiting, seen = list(near), set(near)
    while waiting and len(seen) < MAX_RELATED:
        event = _event(graph, waiting.pop(0))
        if not _is_approval(event):
            continue
        yield event
        back = (edge.earlier for edge in graph.edges_back(event.id) if edge.relation is Relation.ABOUT)
        forth = (edge.later for edge in graph.edges_forward(event.id, relations=_ABOUT))
        for other in (*back, *forth):
            if other not in seen and graph.entry(other) is not None:
                seen.add(other)
                waiting.append(other)


def _is_approval(event: Event) -> bool:
    return event.kind.value.startswith(_APPROVALS)


def _decision_of(graph: EventGraph, event: Event) -> Event | None:
    """The decision that an event is about: itself, or the one that it names, also by way of its approval's request."""
    if event.kind is EventKind.DECISION:
        return event
    named = event.body.get("decision")
    if named is None and _is_approval(event):
        asked = (one.body["decision"] for one in _answers(graph, [event.id]) if "decision" in one.body)
        named = next(asked, None)
    return None if named is None else graph.event(str(named))


def _event(graph: EventGraph, event_id: str) -> Event:
    event = graph.event(event_id)
    if event is None:
        raise _no_event(event_id)
    return event


def _no_event(event_id: str) -> UsageError:
    return UsageError(
        f"no log here has an event {event_id!r}",
        hint="Ids of events stand in `bailiwick audit show`, in denials and in approval cards.",
    )


def _argument(graph: EventGraph, record: Mapping[str, object]) -> ArgumentTrace:
    endorsed_by = record["endorsed_by"]
    assert isinstance(endorsed_by, list)
    return ArgumentTrace(
        name=str(record["name"]),
        endorsed=record["endorsed"] is True,
        endorsed_by=tuple(str(by) for by in endorsed_by),
        origins=tuple(_origin(graph, origin) for origin in _records(record["origins"])),
    )


def _origin(graph: EventGraph, record: Mapping[str, object]) -> OriginTrace:
    return OriginTrace(
        content=str(record["content"]),
        source=str(record["source"]),
        path=str(record["path"]),
        how=str(record["how"]),
        event=graph.event(str(record["event"])),
    )


def _records(value: object) -> Sequence[Mapping[str, object]]:
    """A list of objects in a body: the schema has checked that it is one."""
    assert isinstance(value, list)
    return value
