"""Answers about one event: what it is, what belongs to it, and where the values of a decided call came from (one hop).

Values for a command line or a console to render, over all logs of a folder: a session may have events in several.
Raises UsageError for what a person asked wrongly; StoreError comes from the readers.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass

from bailiwick.audit.log import EventReader
from bailiwick.audit.relations import ENDS
from bailiwick.errors import UsageError
from bailiwick.model.canonical import parse
from bailiwick.model.event import Event, EventKind

__all__ = ["ArgumentTrace", "OriginTrace", "Shown", "Why", "find", "reasons", "related", "show", "timeline", "why"]

_HEARD = frozenset({"prompt", "instructions"})
_APPROVALS = frozenset(
    {
        EventKind.APPROVAL_REQUESTED,
        EventKind.APPROVAL_GRANTED,
        EventKind.APPROVAL_DENIED,
        EventKind.APPROVAL_REFUSED,
        EventKind.APPROVAL_REMEMBERED,
    }
)


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
    """A decision, where its arguments' values came from, what the session had been told before (prompts and
    instructions), and what followed: approvals and the outcome."""

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
) -> Iterator[Event]:
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
    raise UsageError(
        f"no log here has an event {event_id!r}",
        hint="Ids of events stand in `bailiwick audit show`, in denials and in approval cards.",
    )


def show(readers: Sequence[EventReader], event_id: str) -> Shown:
    """One event with all that belongs to it."""
    reader, event = find(readers, event_id)
    contents = {role: reader.content(event.id, role) for role in event.commitments}
    decision = _decision_of(readers, event)
    belongs = related(readers, decision) if decision is not None else ()
    if decision is not None and decision.id != event.id:
        belongs = (decision, *belongs)
    return Shown(event=event, contents=contents, related=tuple(other for other in belongs if other.id != event.id))


def why(readers: Sequence[EventReader], event_id: str) -> Why:
    """Why a call was decided as it was. `event_id` is the decision's, or that of its outcome or approval."""
    _reader, event = find(readers, event_id)
    decision = _decision_of(readers, event)
    if decision is None:
        raise UsageError(
            f"event {event.id} is a {event.kind.value} and belongs to no decision",
            hint="Ask about a decision, its outcome or its approval.",
        )
    heard = (
        earlier
        for earlier in timeline(readers, session=decision.session, kinds=[EventKind.CONTENT_INGESTED])
        if earlier.body["origin"] in _HEARD and _when(earlier) < _when(decision)
    )
    return Why(
        decision=decision,
        arguments=tuple(_argument(readers, item) for item in _records(decision.body["arguments"])),
        heard=tuple(heard),
        related=related(readers, decision),
    )


def reasons(readers: Sequence[EventReader], decision: Event) -> tuple[dict[str, str], ...]:
    """Why a call was decided so: {plane, code, message, hint} for each reason, whether its words stand in the event or
    in its content `reasons`. Words that were erased are empty."""
    found = (reader.content(decision.id, "reasons") for reader in readers if "reasons" in decision.commitments)
    kept = next((data for data in found if data is not None), None)
    words = parse(kept) if kept is not None else []
    assert isinstance(words, list)
    told: list[dict[str, str]] = []
    for number, record in enumerate(_records(decision.body["reasons"])):
        said = words[number] if number < len(words) else record
        assert isinstance(said, Mapping)
        texts = {name: str(said.get(name, "")) for name in ("message", "hint")}
        told.append({"plane": str(record["plane"]), "code": str(record["code"]), **texts})
    return tuple(told)


def _decision_of(readers: Sequence[EventReader], event: Event) -> Event | None:
    """The decision that an event is about: itself, or the one that it names, also by way of its approval's request."""
    if event.kind is EventKind.DECISION:
        return event
    named = event.body.get("decision")
    if named is None and event.kind in _APPROVALS:
        requests = timeline(readers, kinds=[EventKind.APPROVAL_REQUESTED])
        asked = (request for request in requests if request.body["approval"] == event.body["approval"])
        named = next((request.body["decision"] for request in asked), None)
    if named is None:
        return None
    return next((found for reader in readers if (found := reader.event(str(named))) is not None), None)


def related(readers: Sequence[EventReader], decision: Event) -> tuple[Event, ...]:
    """What belongs to a decided call, in order of time: its outcome, the label of its result, and its approvals."""
    own = {*ENDS, EventKind.CONTENT_INGESTED}
    elsewhere = {*_APPROVALS, EventKind.ACTION_RECONCILED}  # by people, outside the session
    events = [*timeline(readers, session=decision.session, kinds=own), *timeline(readers, kinds=elsewhere)]
    approvals = {record["approval"] for record in _records(decision.body["approved"])}
    approvals |= {
        event.body["approval"]
        for event in events
        if event.kind is EventKind.APPROVAL_REQUESTED and event.body["decision"] == decision.id
    }
    mine = (
        event
        for event in events
        if event.body.get("decision") == decision.id
        or (event.kind in _APPROVALS and not approvals.isdisjoint((event.body["approval"], event.body.get("grant"))))
    )
    return tuple(sorted(mine, key=_when))


def _argument(readers: Sequence[EventReader], record: Mapping[str, object]) -> ArgumentTrace:
    endorsed_by = record["endorsed_by"]
    assert isinstance(endorsed_by, list)
    return ArgumentTrace(
        name=str(record["name"]),
        endorsed=record["endorsed"] is True,
        endorsed_by=tuple(str(by) for by in endorsed_by),
        origins=tuple(_origin(readers, origin) for origin in _records(record["origins"])),
    )


def _origin(readers: Sequence[EventReader], record: Mapping[str, object]) -> OriginTrace:
    event_id = str(record["event"])
    found = (event for reader in readers if (event := reader.event(event_id)) is not None)
    return OriginTrace(
        content=str(record["content"]),
        source=str(record["source"]),
        path=str(record["path"]),
        how=str(record["how"]),
        event=next(found, None),
    )


def _records(value: object) -> Sequence[Mapping[str, object]]:
    """A list of objects in a body: the schema has checked that it is one."""
    assert isinstance(value, list)
    return value
