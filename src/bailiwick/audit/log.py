"""The port of the event log: what a store has to do for the audit plane. DESIGN §3 promises 5 and 6, §5 *Audit*.

A log belongs to one enforcement process. Whoever implements `EventLog` keeps these:

INVARIANT: what `append` returned a receipt for is in the log, as durably as was asked, whatever happens to the process.
INVARIANT: `seq` counts from 0 without gaps, and so does `ord` within each session; drafts of one call stand together.
INVARIANT: after a failed write nothing more is appended until the log is opened anew, so that no record can be missing
in the middle.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Protocol

from bailiwick.errors import LogUnavailable
from bailiwick.model.event import Draft, Event, EventKind, Receipt
from bailiwick.model.tool import Durability

__all__ = ["Clock", "Entropy", "EventLog", "EventReader"]


class Clock(Protocol):
    """Wall clock in microseconds since the epoch."""

    def __call__(self) -> int: ...


class Entropy(Protocol):
    """That many bytes of cryptographic randomness."""

    def __call__(self, count: int, /) -> bytes: ...


class EventReader(Protocol):
    """A log that can be read. Every method raises StoreError when the store fails or holds what cannot be an event."""

    @property
    def log_id(self) -> str: ...

    def events(
        self, *, after_seq: int = -1, kinds: Collection[EventKind] | None = None, session: str | None = None
    ) -> Iterator[Event]:
        """Events after `after_seq`, in order; only of these kinds and of this session, if given."""
        ...

    def event(self, event_id: str) -> Event | None:
        """The event with this id; None if the log has none."""
        ...

    def content(self, event_id: str, role: str) -> bytes | None:
        """A content of an event, checked against its commitment; None if it never was there or was erased."""
        ...

    def head(self) -> tuple[int, str]:
        """Number of events, and the tree's root over them as `sha256:<hex>`: what an auditor keeps elsewhere."""
        ...


class EventLog(EventReader, Protocol):
    """The log of this process."""

    def append(self, drafts: Sequence[Draft], durability: Durability) -> tuple[Receipt, ...]:
        """Write events, all or none, and return their receipts once they are as durable as asked.

        Raises LogUnavailable: the log is broken, closed or full, belongs to another process, or refuses a draft.
        """
        ...

    def append_all(
        self, wanted: Sequence[tuple[Sequence[Draft], Durability]]
    ) -> tuple[tuple[Receipt, ...] | LogUnavailable, ...]:
        """`append` for several callers at once: for each its receipts, or why it was refused. One that is refused does
        not touch the others.

        Raises LogUnavailable: the log takes nothing of anybody.
        """
        ...

    def close(self) -> None:
        """Make everything durable and give the log up. Does nothing the second time."""
        ...
