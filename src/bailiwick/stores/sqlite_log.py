"""The event log of one enforcement process in one SQLite file. DESIGN §3 promises 5 and 6, §5 *Audit*.

**Group commit without a writer thread.** A caller puts its sealed events in a queue; whoever gets the commit lock
writes all that is queued in one transaction. Callers that need `sync` then share an fdatasync, while others go on
committing (`log_sync`).

INVARIANT: after any failed write or sync the log is broken and takes nothing until it is opened again (a sync that
failed once may report success the next time without having written).
INVARIANT: `_frontier` and `_ords` change only after the commit that they describe.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar, assert_never

from bailiwick.audit.envelope import Sealed, place, seal
from bailiwick.audit.log import Clock, Entropy
from bailiwick.audit.merkle import leaf_hash
from bailiwick.audit.ports import LogParts
from bailiwick.audit.relations import ENDS, settles
from bailiwick.audit.report import Head, StoredContent, StoredEvent
from bailiwick.errors import CanonicalError, LogUnavailable, StoreError
from bailiwick.model.event import Draft, Event, EventKind, Receipt
from bailiwick.model.tool import Durability
from bailiwick.stores.log_file import (
    LogLock,
    connect,
    list_logs,
    unreadable,
    write,
)
from bailiwick.stores.log_reader import LogReader
from bailiwick.stores.log_recovery import Found, Owner, create, examine, left_open, not_reconciled, reopening
from bailiwick.stores.log_sync import WalSync

__all__ = ["SqliteLog"]

MAX_ORDS = 10_000
"""So many sessions are remembered with their next ord; others are looked up."""


Log = TypeVar("Log", bound="SqliteLog")


class _Ticket:
    """One call of `append` on its way. `end` is the log's size once it is committed, `error` why it is not."""

    __slots__ = ("end", "error", "rows", "sealed")

    def __init__(self, sealed: tuple[Sealed, ...]) -> None:
        self.sealed = sealed
        self.rows: list[StoredEvent] = []
        self.end = 0
        self.error = ""


class SqliteLog:
    """A log that this process holds. Use `open`. Safe for many threads; a forked child cannot use it.

    `unresolved` are the decisions of earlier processes that permitted a call of which nobody knows what became: in this
    log, and in others of its folder that nobody holds any more. `skipped` names logs of the folder that were free and
    could not be continued, with the reason; `broken` says why the log takes nothing any more, empty while it does.
    """

    def __init__(
        self,
        path: Path,
        connection: sqlite3.Connection,
        lock: LogLock,
        entropy: Entropy,
        found: Found,
        parts: LogParts,
    ) -> None:
        self.path = path
        self.log_id = path.stem
        self.broken = ""
        self.unresolved = found.unresolved
        self.skipped: tuple[tuple[Path, str], ...] = ()
        self._db = connection
        self._lock = lock
        self._entropy = entropy
        self._parts = parts
        self._pid = os.getpid()
        self._owner = (found.tenant, found.env)
        self._frontier = found.frontier
        self._ords: dict[str, int] = {}
        self._running: dict[str, object] = {event.id: event.body.get("idempotency") for event in found.unresolved}
        self._queue: deque[_Ticket] = deque()
        self._commit_lock = threading.Lock()
        self._closed = False
        self._wal = WalSync(path, committed=lambda: self._frontier.size, failed=self._break, size=found.frontier.size)

    @classmethod
    def open(
        cls,
        folder: Path,
        *,
        build: str,
        tenant: str,
        env: str,
        clock: Clock,
        entropy: Entropy,
        parts: LogParts | None = None,
    ) -> Self:
        """Continue the first log of the folder that is this tenant's, free and sound; make a new one if there is none.

        `build` names the software that writes, `parts` is what makes the log provable. Raises StoreError: the folder cannot be written.
        """
        owner, parts = Owner(tenant=tenant, env=env, build=build), parts or LogParts()
        skipped: list[tuple[Path, str]] = []
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            for path in list_logs(folder):
                lock = LogLock.take(path)
                if lock is None:
                    continue
                try:
                    log = cls._attach(path, lock, owner, parts, clock=clock, entropy=entropy)
                except StoreError as error:
                    skipped.append((path, str(error)))
                    continue
                if log is not None:
                    return _surveyed(log, skipped, owner)
            path, lock = create(folder, owner, clock=clock, entropy=entropy)
            log = cls._attach(path, lock, owner, parts, clock=clock, entropy=entropy, fresh=True)
        except OSError as error:
            raise StoreError(f"no log can be opened in {folder}: {error}", hint="Is the folder writable?") from error
        assert log is not None
        return _surveyed(log, skipped, owner)

    @classmethod
    def _attach(
        cls,
        path: Path,
        lock: LogLock,
        owner: Owner,
        parts: LogParts,
        *,
        clock: Clock,
        entropy: Entropy,
        fresh: bool = False,
    ) -> Self | None:
        """The log at `path`, ready for use; None if it is another tenant's. Keeps the lock only if it returns a log."""
        with ExitStack() as undo:
            undo.callback(lock.release)
            connection = connect(path)
            undo.callback(connection.close)
            try:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = NORMAL")
                found = examine(path, connection)
                if (found.tenant, found.env) != (owner.tenant, owner.env):
                    return None
                if found.unresolved:
                    found = replace(found, unresolved=not_reconciled(found.unresolved, list_logs(path.parent)))
                connection.execute("UPDATE meta SET value = '0' WHERE key = 'clean'")
            except sqlite3.Error as error:
                raise unreadable(path, error) from error
            log = cls(path, connection, lock, entropy, found, parts)
            if not fresh:
                undo.callback(log._let_go)
                log.append(tuple(reopening(path, found, owner, clock=clock, entropy=entropy)), Durability.SYNC)
            undo.pop_all()
            return log

    # --- writing

    def append(self, drafts: Sequence[Draft], durability: Durability) -> tuple[Receipt, ...]:
        """Write events, all or none. Returns once committed (`buffered`) or fsynced (`sync`); see `EventLog`."""
        self._check_usable()
        ticket = _Ticket(tuple(map(self._seal, drafts)))
        if not ticket.sealed:
            return ()
        self._queue.append(ticket)
        with self._commit_lock:
            if not ticket.end and not ticket.error:
                self._drain()
        if not ticket.end:
            raise _unavailable(self.path, ticket.error or self.broken)
        match durability:
            case Durability.SYNC:
                self._flush(ticket.end)
            case Durability.BUFFERED:
                self._wal.flush_soon()
            case _:
                assert_never(durability)
        return tuple(
            Receipt(
                log=self.log_id, seq=row.seq, event_id=row.id, leaf="sha256:" + row.leaf.hex(), durability=durability
            )
            for row in ticket.rows
        )

    def _check_usable(self) -> None:
        if os.getpid() != self._pid:
            raise _unavailable(self.path, "it belongs to the process that this one was forked from", _FORKED)
        if self._closed or self.broken:
            raise _unavailable(self.path, self.broken or "it is closed")

    def _seal(self, draft: Draft) -> Sealed:
        if (draft.tenant, draft.env) != self._owner:
            raise _unavailable(self.path, f"an event of {draft.tenant}/{draft.env} does not belong into it")
        try:
            return seal(draft, self._entropy)
        except CanonicalError as error:
            raise _unavailable(self.path, str(error), error.hint) from error

    def _drain(self) -> None:
        """Write all that is queued. The caller holds the commit lock."""
        batch: list[_Ticket] = []
        while self._queue:
            batch.append(self._queue.popleft())
        if self._closed or self.broken:
            for ticket in batch:
                ticket.error = self.broken or "it is closed"
        elif batch and not self._commit(batch):
            for ticket in batch:  # one of them repeats an id: it alone is refused
                if not ticket.error and not self._commit([ticket]):
                    ticket.error = "it holds an event with the same id already"

    def _commit(self, batch: Sequence[_Ticket]) -> bool:
        """Write these tickets in one transaction. False if nothing was written because an id is not new."""
        intact = False
        try:
            rows, contents, ords = self._placed(batch)
            frontier = self._frontier.extended(row.leaf for row in rows)
            write(self._db, rows, contents, frontier)
            intact = True
        except sqlite3.IntegrityError as error:
            self._db.execute("ROLLBACK")
            intact = self._repeats(batch)
            if not intact:
                self._break(f"somebody else changed it: {error}")
            return not intact
        except sqlite3.Error as error:
            self._break(f"a write failed: {error}")
            return True
        finally:
            if not intact and not self.broken:
                self._break("a write was interrupted")
        self._frontier = frontier
        self._ords.update(ords)
        if len(self._ords) > MAX_ORDS:
            self._ords.clear()
        for ticket in batch:
            for sealed in ticket.sealed:
                self._note(sealed)
            ticket.end = ticket.rows[-1].seq + 1
        return True

    def _placed(self, batch: Sequence[_Ticket]) -> tuple[list[StoredEvent], list[StoredContent], dict[str, int]]:
        """Give every event of the batch its place: rows, contents, and the next ord of each session."""
        rows: list[StoredEvent] = []
        contents: list[StoredContent] = []
        ords: dict[str, int] = {}
        seq = self._frontier.size
        for ticket in batch:
            ticket.rows = []
            for sealed in ticket.sealed:
                draft = sealed.draft
                ord_ = ords[draft.session] if draft.session in ords else self._next_ord(draft.session)
                ords[draft.session] = ord_ + 1
                data = place(sealed, log=self.log_id, seq=seq, ord_=ord_)
                ticket.rows.append(
                    StoredEvent(
                        seq, draft.id, draft.session, ord_, draft.kind.value, draft.ts_us, data, leaf_hash(data)
                    )
                )
                contents += (StoredContent(seq, kept.role, kept.salt, kept.data) for kept in sealed.contents)
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

    def _repeats(self, batch: Sequence[_Ticket]) -> bool:
        ids = [sealed.draft.id for ticket in batch for sealed in ticket.sealed]
        if len(set(ids)) < len(ids):
            return True
        marks = ", ".join("?" * len(ids))
        query = f"SELECT 1 FROM events WHERE id IN ({marks})"  # noqa: S608  # nothing but question marks
        return self._db.execute(query, ids).fetchone() is not None

    def _note(self, sealed: Sealed) -> None:
        """Remember which calls are running, so that `close` knows whether the log is left clean."""
        kind, body = sealed.draft.kind, sealed.draft.body
        if kind is EventKind.DECISION and "permit" in body:
            self._running[sealed.draft.id] = body.get("idempotency")
        elif kind in ENDS or kind is EventKind.ACTION_RECONCILED:
            decision = str(body["decision"])
            if settles(kind, self._running.get(decision)):
                self._running.pop(decision, None)

    def _flush(self, size: int) -> None:
        if self.broken and self._wal.flushed < size:
            raise _unavailable(self.path, self.broken)
        try:
            self._wal.flush(size)
        except OSError as error:
            raise _unavailable(self.path, self.broken) from error

    @property
    def flushed(self) -> int:
        """So many events survive a loss of power."""
        return self._wal.flushed

    def wait_flushed(self, size: int, timeout: float) -> bool:
        """Wait until the first `size` events are fsynced, at most `timeout` seconds. Whether they are."""
        return self._wal.wait(size, timeout)

    def _break(self, why: str) -> None:
        self.broken = self.broken or why
        if self._db.in_transaction:
            with suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")

    # --- the end

    def close(self) -> None:
        """Make everything durable, leave the log clean if no call is running, and give it up. Raises LogUnavailable if
        what was buffered could not be made durable; the log is given up all the same."""
        if os.getpid() != self._pid:
            return
        with self._commit_lock:
            if self._closed:
                return
            self._closed = True
        self._wal.stop()
        try:
            self._flush(self._frontier.size)
            if not self._running:
                with suppress(sqlite3.Error):  # then the next process looks through it once more
                    self._db.execute("UPDATE meta SET value = '1' WHERE key = 'clean'")
        finally:
            self._let_go()

    def _let_go(self) -> None:
        self._closed = True
        self._wal.close()
        self._db.close()
        self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    # --- reading: on connections of their own, of what is committed

    def events(
        self, *, after_seq: int = -1, kinds: Collection[EventKind] | None = None, session: str | None = None
    ) -> Iterator[Event]:
        with LogReader.open(self.path) as reader:
            yield from reader.events(after_seq=after_seq, kinds=kinds, session=session)

    def event(self, event_id: str) -> Event | None:
        with LogReader.open(self.path) as reader:
            return reader.event(event_id)

    def content(self, event_id: str, role: str) -> bytes | None:
        with LogReader.open(self.path) as reader:
            return reader.content(event_id, role)

    def head(self) -> Head:
        frontier = self._frontier
        return frontier.size, "sha256:" + frontier.root.hex()


def _surveyed(log: Log, skipped: Sequence[tuple[Path, str]], owner: Owner) -> Log:
    """The log, told what there is to know of the others in its folder."""
    log.skipped = tuple(skipped)
    log.unresolved += left_open(list_logs(log.path.parent), owner)
    return log


_FORKED = "Open the guard in each process, after forking."


def _unavailable(path: Path, why: str, hint: str = "") -> LogUnavailable:
    return LogUnavailable(
        f"the audit log {path.stem} takes no record: {why}",
        hint=hint
        or "Effects are denied until the log is opened again: free the disk or repair the cause, then restart.",
    )
