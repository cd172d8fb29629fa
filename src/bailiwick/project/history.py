"""The decisions on record in a project's logs, with the questions that rules were asked: what a backtest and a
suggestion are made of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from bailiwick.errors import CanonicalError
from bailiwick.guard.explaining.recorded import Question, Taken, read_question, read_taken
from bailiwick.guard.explaining.redeciding import Coverage
from bailiwick.guard.snapshots import SNAPSHOT, STANDPOINT
from bailiwick.model.event import Event, EventKind
from bailiwick.stores.log_file import list_logs
from bailiwick.stores.log_reader import LogReader

__all__ = ["Part", "Past", "PastReader", "codes", "parts_of"]

PART = 4_000
"""Records that one process takes at a time."""
MAX_TAKEN = 4_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Records `begin` to just before `end` of one log."""

    path: Path
    begin: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """One recorded decision. `question` and `taken` are there iff `coverage` is TAKEN_AGAIN."""

    event: Event
    coverage: Coverage
    question: Question | None = None
    taken: Taken | None = None


def parts_of(logs: Path, *, size: int = PART) -> tuple[Part, ...]:
    """All records of all logs as of now. Raises StoreError."""
    found: list[Part] = []
    for path in list_logs(logs):
        with LogReader.open(path) as reader:
            records = reader.head()[0]
        found += (Part(path=path, begin=at, end=min(at + size, records)) for at in range(0, records, size))
    return tuple(found)


class PastReader:
    """Reads decisions of one tenant and environment. One log is open at a time; use it as a context manager."""

    def __init__(self, *, tenant: str, env: str, since_us: int = 0) -> None:
        self._owner = (tenant, env)
        self._since_us = since_us
        self._reader: LogReader | None = None
        self._taken: dict[str, Taken | None] = {}

    def __enter__(self) -> PastReader:
        return self

    def __exit__(self, *_: object) -> None:
        if self._reader is not None:
            self._reader.close()

    def decisions(self, part: Part) -> Iterator[Past]:
        """The decisions of a part, in order. Raises StoreError at a record or content that is not what was written."""
        reader = self._opened(part.path)
        with closing(reader.events(after_seq=part.begin - 1, kinds=(EventKind.DECISION,))) as events:
            for event in events:
                if event.seq >= part.end:
                    return
                if (event.tenant, event.env) == self._owner and event.ts_us >= self._since_us:
                    yield self._past(reader, event)

    def args(self, past: Past) -> bytes | None:
        """The arguments of a decision that was just read; None if they were erased."""
        return None if self._reader is None else self._reader.content_of(past.event, "args")

    def _opened(self, path: Path) -> LogReader:
        if self._reader is None or self._reader.path != path:
            if self._reader is not None:
                self._reader.close()
            self._reader = LogReader.open(path)
            self._taken.clear()
        return self._reader

    def _past(self, reader: LogReader, event: Event) -> Past:
        if not event.body["policy_digest"]:
            return Past(event=event, coverage=Coverage.BEFORE_POLICY)
        if SNAPSHOT not in event.commitments:
            return Past(event=event, coverage=Coverage.NO_SNAPSHOT)
        data = reader.content_of(event, SNAPSHOT)
        if data is None:
            return Past(event=event, coverage=Coverage.ERASED)
        try:
            question = read_question(event, data)
            taken = self._standpoint(reader, question.of or event.id)
        except CanonicalError:
            return Past(event=event, coverage=Coverage.UNREADABLE)
        if taken is None:
            return Past(event=event, coverage=Coverage.ERASED)
        return Past(event=event, coverage=Coverage.TAKEN_AGAIN, question=question, taken=taken)

    def _standpoint(self, reader: LogReader, event_id: str) -> Taken | None:
        if event_id not in self._taken:
            data = reader.content(event_id, STANDPOINT)
            if len(self._taken) >= MAX_TAKEN:
                self._taken.clear()
            self._taken[event_id] = None if data is None else read_taken(data)
        return self._taken[event_id]


def codes(event: Event) -> Sequence[str]:
    """The codes of a decision's reasons."""
    reasons = event.body["reasons"]
    assert isinstance(reasons, list)
    return [str(reason["code"]) for reason in reasons]
