"""What waits to be written into a log, and the place that it is given there. See `sqlite_log`."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from bailiwick.audit.envelope import Sealed, place
from bailiwick.audit.merkle import leaf_hash
from bailiwick.audit.relations import ENDS, settles
from bailiwick.audit.report import StoredEvent
from bailiwick.errors import LogUnavailable
from bailiwick.model.event import Draft, Event, EventKind, Receipt
from bailiwick.model.tool import Durability
from bailiwick.stores.log_file import KeptContent

__all__ = ["FORKED", "Places", "RunningCalls", "Ticket", "repeats", "roll_back", "transact", "unavailable"]

MAX_ORDS = 10_000
"""So many sessions are remembered with their next ord; others are looked up."""


class Ticket:
    """One caller's drafts on their way. `end` is the log's size once they are committed, `error` why they are not,
    `refused` why they were never queued."""

    __slots__ = ("durability", "end", "error", "refused", "rows", "sealed")

    def __init__(
        self, sealed: tuple[Sealed, ...], durability: Durability, refused: LogUnavailable | None = None
    ) -> None:
        self.sealed = sealed
        self.durability = durability
        self.refused = refused
        self.rows: list[StoredEvent] = []
        self.end = 0
        self.error = ""

    def receipts(self, log: str) -> tuple[Receipt, ...]:
        """What its caller is given once its events are as durable as asked."""
        return tuple(
            Receipt(log=log, seq=row.seq, event_id=row.id, leaf="sha256:" + row.leaf.hex(), durability=self.durability)
            for row in self.rows
        )


class Places:
    """The places of events in one log: `seq` in all of it, `ord` in their session. The caller serialises."""

    def __init__(self, log: str, connection: sqlite3.Connection) -> None:
        self._log = log
        self._db = connection
        self._ords: dict[str, int] = {}

    def of(self, batch: Sequence[Ticket], size: int) -> tuple[list[StoredEvent], list[KeptContent], dict[str, int]]:
        """Give every event of the batch its place: rows, contents, and the next ord of each session."""
        rows: list[StoredEvent] = []
        contents: list[KeptContent] = []
        ords: dict[str, int] = {}
        seq = size
        for ticket in batch:
            ticket.rows = []
            for sealed in ticket.sealed:
                draft = sealed.draft
                ord_ = ords[draft.session] if draft.session in ords else self._next_ord(draft.session)
                ords[draft.session] = ord_ + 1
                data = place(sealed, log=self._log, seq=seq, ord_=ord_)
                ticket.rows.append(
                    StoredEvent(
                        seq, draft.id, draft.session, ord_, draft.kind.value, draft.ts_us, data, leaf_hash(data)
                    )
                )
                contents += (
                    KeptContent(seq, kept.role, kept.salt, kept.address, kept.key, kept.data)
                    for kept in sealed.contents
                )
                seq += 1
            rows += ticket.rows
        return rows, contents, ords

    def _next_ord(self, session: str) -> int:
        known = self._ords.get(session)
        if known is not None:
            return known
        query = "SELECT coalesce(max(ord) + 1, 0) FROM events WHERE session = ?"
        (ord_,) = self._db.execute(query, (session,)).fetchone()
        return int(ord_)

    def taken(self, ords: dict[str, int]) -> None:
        """What `of` gave is committed."""
        self._ords.update(ords)
        if len(self._ords) > MAX_ORDS:
            self._ords.clear()


class RunningCalls:
    """The calls that run just now, so that a log that is closed is left clean or not."""

    def __init__(self, unresolved: Iterable[Event]) -> None:
        self._running: dict[str, object] = {event.id: event.body.get("idempotency") for event in unresolved}

    def __bool__(self) -> bool:
        return bool(self._running)

    def note(self, draft: Draft) -> None:
        """This event is committed."""
        kind, body = draft.kind, draft.body
        if kind is EventKind.DECISION and "permit" in body:
            self._running[draft.id] = body.get("idempotency")
        elif kind in ENDS or kind is EventKind.ACTION_RECONCILED:
            decision = str(body["decision"])
            if settles(kind, self._running.get(decision)):
                self._running.pop(decision, None)


def repeats(connection: sqlite3.Connection, batch: Sequence[Ticket]) -> bool:
    """Whether an event of the batch has the id of another one, there or in the log."""
    ids = [sealed.draft.id for ticket in batch for sealed in ticket.sealed]
    if len(set(ids)) < len(ids):
        return True
    marks = ", ".join("?" * len(ids))
    query = f"SELECT 1 FROM events WHERE id IN ({marks})"  # noqa: S608  # nothing but question marks
    return connection.execute(query, ids).fetchone() is not None


def transact(connection: sqlite3.Connection, change: Callable[[sqlite3.Connection], None]) -> None:
    """Make a change in one transaction, all or nothing. Raises sqlite3.Error."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        change(connection)
        connection.execute("COMMIT")
    finally:
        roll_back(connection)


def roll_back(connection: sqlite3.Connection) -> None:
    """Leave no transaction open. The caller holds the lock under which it was begun."""
    if connection.in_transaction:
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")


FORKED = "Open the guard in each process, after forking."


def unavailable(path: Path, why: str, hint: str = "") -> LogUnavailable:
    """Why a log takes no record."""
    return LogUnavailable(
        f"the audit log {path.stem} takes no record: {why}",
        hint=hint
        or "Effects are denied until the log is opened again: free the disk or repair the cause, then restart.",
    )
