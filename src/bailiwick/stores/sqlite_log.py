"""The event log of one enforcement process in one SQLite file. DESIGN §3 promises 5 and 6, §5 *Audit*.

**Group commit without a writer thread.** A caller puts its sealed events in a queue; whoever gets the commit lock
writes all that is queued in one transaction. Callers that need `sync` then share an fdatasync, while others go on
committing (`log_sync`).

INVARIANT: after any failed write or sync the log is broken and takes nothing until it is opened again (a sync that
failed once may report success the next time without having written).
INVARIANT: `_frontier` and `_places` change only after the commit that they describe.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar, assert_never

from bailiwick.audit.envelope import Sealed, SecretsOf, seal
from bailiwick.audit.log import Clock, Entropy
from bailiwick.audit.ports import ContentKeys, LogParts
from bailiwick.audit.report import Head
from bailiwick.errors import CanonicalError, LogUnavailable, ParentUnavailable, StoreError
from bailiwick.model.event import Draft, Event, EventKind, Receipt
from bailiwick.model.tool import Durability
from bailiwick.stores.log_batch import FORKED, Places, RunningCalls, Ticket, repeats, roll_back, transact, unavailable
from bailiwick.stores.log_checkpoints import Checkpoints, resumed
from bailiwick.stores.log_file import LogLock, connect, list_logs, unreadable, write
from bailiwick.stores.log_reader import LogReader
from bailiwick.stores.log_recovery import Found, Owner, create, examine, left_open, not_reconciled, reopening
from bailiwick.stores.log_sealing import ContentSealer
from bailiwick.stores.log_sync import WalSync, sync_wal
from bailiwick.stores.log_witnessed import WitnessGate, permits_effect

__all__ = ["SqliteLog"]

Log = TypeVar("Log", bound="SqliteLog")


class SqliteLog:
    """A log that this process holds. Use `open`. Safe for many threads; a forked child cannot use it.

    `unresolved` are the decisions of earlier processes that permitted a call of which nobody knows what became: in this
    log, and in others of its folder that nobody holds any more. `skipped` names logs of the folder that were free and
    could not be continued, with the reason; `broken` says why the log takes nothing any more, empty while it does;
    `checkpoints` signs its tree and has it witnessed, None where nobody signs.
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
        self.parts = parts
        self._sealer = None if parts.keys is None else ContentSealer(path.stem, parts.keys)
        self._pid = os.getpid()
        self._owner = (found.tenant, found.env)
        self._frontier = found.frontier
        self._places = Places(path.stem, connection)
        self._running = RunningCalls(found.unresolved)
        self._queue: deque[Ticket] = deque()
        self._commit_lock = threading.Lock()
        self._closed = False
        self.checkpoints: Checkpoints | None = None
        self._gate = WitnessGate(path.stem)
        self._wal = WalSync(path, committed=lambda: self._frontier.size, failed=self.fail, size=found.frontier.size)

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

        `build` names the software that writes, `parts` is what makes the log provable. Raises StoreError: the folder
        cannot be written.
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
                except ParentUnavailable:
                    raise  # another log would not be born either
                except StoreError as error:
                    skipped.append((path, str(error)))
                    continue
                if log is not None:
                    return _surveyed(log, skipped, owner)
            parent = parts.parent.name() if parts.parent else ""
            path, lock = create(folder, owner, clock=clock, entropy=entropy, parent=parent)
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
                start = resumed(path, connection, found.frontier, parts.signer) if parts.signer else None
                sync_wal(path)  # what a process that was killed left there may be in memory alone
                if parts.parent is not None:  # which is told of no log that cannot be continued
                    head = found.frontier
                    parts.parent.admit(path.stem, found.first, head.size, head.root)
                if found.unresolved:
                    found = replace(found, unresolved=not_reconciled(found.unresolved, list_logs(path.parent)))
                connection.execute("UPDATE meta SET value = '0' WHERE key = 'clean'")
            except sqlite3.Error as error:
                raise unreadable(path, error) from error
            log = cls(path, connection, lock, entropy, found, parts)
            undo.callback(log._let_go)
            if parts.signer and start:
                log.checkpoints = Checkpoints(log, start, signer=parts.signer, witnesses=parts.witnesses)
                log.checkpoints.start()
                log._gate = WitnessGate(path.stem, log.checkpoints, parts.witnesses)
            if not fresh:
                log.append(tuple(reopening(path, found, owner, clock=clock, entropy=entropy)), Durability.SYNC)
            undo.pop_all()
            return log

    # --- writing

    def append(self, drafts: Sequence[Draft], durability: Durability) -> tuple[Receipt, ...]:
        """Write events, all or none, and return once they are as durable as asked; see `EventLog`."""
        (answer,) = self.append_all(((drafts, durability),))
        if isinstance(answer, LogUnavailable):
            raise answer
        return answer

    def append_all(
        self, wanted: Sequence[tuple[Sequence[Draft], Durability]]
    ) -> tuple[tuple[Receipt, ...] | LogUnavailable, ...]:
        """`append` for several callers at once; see `EventLog`."""
        self._check_usable()
        secrets = self._sealer.for_append() if self._sealer else None
        tickets = [self._ticket(drafts, durability, secrets) for drafts, durability in wanted]
        waiting = [ticket for ticket in tickets if ticket.sealed]
        self._queue.extend(waiting)
        with self._commit_lock:
            if not all(ticket.end or ticket.error for ticket in waiting):
                self._drain()
        # The last one first: what makes it durable does so for the others.
        until = self._gate.deadline()
        return tuple(reversed([self._answered(ticket, until) for ticket in reversed(tickets)]))

    def _ticket(self, drafts: Sequence[Draft], durability: Durability, secrets: SecretsOf | None) -> Ticket:
        try:
            self._gate.check(drafts, durability)
            if self.parts.room is not None and permits_effect(drafts, durability) and (full := self.parts.room()):
                raise unavailable(self.path, full)
            return Ticket(tuple(self._seal(draft, secrets) for draft in drafts), durability)
        except LogUnavailable as refused:
            return Ticket((), durability, refused)

    def _answered(self, ticket: Ticket, until: float) -> tuple[Receipt, ...] | LogUnavailable:
        """The receipts of a ticket, once it is as durable as asked; else why it is not. `until` witnesses have time."""
        if ticket.refused is not None or not ticket.sealed:
            return ticket.refused or ()
        if not ticket.end:
            return unavailable(self.path, ticket.error or self.broken)
        try:
            self._settle(ticket, until)
        except LogUnavailable as refused:
            return refused
        return ticket.receipts(self.log_id)

    def _settle(self, ticket: Ticket, until: float) -> None:
        """Return once its events are as durable as asked. Raises LogUnavailable."""
        match ticket.durability:
            case Durability.SYNC:
                self.flush(ticket.end)
            case Durability.WITNESSED:
                self.flush(ticket.end)
                self._gate.wait(ticket.end, until)
            case Durability.BUFFERED:
                self._wal.flush_soon()
            case _:
                assert_never(ticket.durability)

    def _check_usable(self) -> None:
        if os.getpid() != self._pid:
            raise unavailable(self.path, "it belongs to the process that this one was forked from", FORKED)
        if self._closed or self.broken:
            raise unavailable(self.path, self.broken or "it is closed")

    def _seal(self, draft: Draft, secrets: SecretsOf | None) -> Sealed:
        if (draft.tenant, draft.env) != self._owner:
            raise unavailable(self.path, f"an event of {draft.tenant}/{draft.env} does not belong into it")
        try:
            return seal(draft, self._entropy, secrets)
        except (CanonicalError, StoreError) as error:
            raise unavailable(self.path, str(error), error.hint) from error

    def _drain(self) -> None:
        """Write all that is queued. The caller holds the commit lock."""
        batch: list[Ticket] = []
        while self._queue:
            batch.append(self._queue.popleft())
        if self._closed or self.broken:
            for ticket in batch:
                ticket.error = self.broken or "it is closed"
        elif batch and not self._commit(batch):
            for ticket in batch:  # one of them repeats an id: it alone is refused
                if not ticket.error and not self._commit([ticket]):
                    ticket.error = "it holds an event with the same id already"

    def _commit(self, batch: Sequence[Ticket]) -> bool:
        """Write these tickets in one transaction. False if nothing was written because an id is not new."""
        intact = False
        try:
            rows, contents, ords = self._places.of(batch, self._frontier.size)
            frontier = self._frontier.extended(row.leaf for row in rows)
            write(self._db, rows, contents, frontier)
            intact = True
        except sqlite3.IntegrityError as error:
            self._db.execute("ROLLBACK")
            intact = repeats(self._db, batch)
            if not intact:
                self.fail(f"somebody else changed it: {error}")
            return not intact
        except sqlite3.Error as error:
            self.fail(f"a write failed: {error}")
            return True
        finally:
            if not intact:
                self.fail("a write was interrupted")
                roll_back(self._db)
        self._frontier = frontier
        self._places.taken(ords)
        for ticket in batch:
            for sealed in ticket.sealed:
                self._running.note(sealed.draft)
            ticket.end = ticket.rows[-1].seq + 1
        if self.checkpoints:
            self.checkpoints.committed([row.leaf for row in rows])
        return True

    def flush(self, size: int, /) -> None:
        """Make the first `size` events durable. Raises LogUnavailable."""
        if self.broken and self._wal.flushed < size:
            raise unavailable(self.path, self.broken)
        try:
            self._wal.flush(size)
        except OSError as error:
            raise unavailable(self.path, self.broken) from error

    @property
    def keys(self) -> ContentKeys | None:
        """What its contents are sealed under."""
        return self.parts.keys

    @property
    def flushed(self) -> int:
        """So many events survive a loss of power."""
        return self._wal.flushed

    def wait_flushed(self, size: int, timeout: float) -> bool:
        """Wait until the first `size` events are fsynced, at most `timeout` seconds. Whether they are."""
        return self._wal.wait(size, timeout)

    def amend(self, change: Callable[[sqlite3.Connection], None], /) -> None:
        """Write something beside the events, in one transaction. Raises LogUnavailable."""
        with self._commit_lock:
            if self.broken:
                raise unavailable(self.path, self.broken)
            try:
                transact(self._db, change)
            except sqlite3.Error as error:
                self.fail(f"a write failed: {error}")
                raise unavailable(self.path, self.broken) from error

    def fail(self, why: str, /) -> None:
        """Take no record any more. What another thread writes just now stays whole: it is not rolled back under it."""
        self.broken = self.broken or why

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
        if self.checkpoints is not None:
            self.checkpoints.stop()
        try:
            self.flush(self._frontier.size)
            if self.checkpoints and not self.broken:
                with suppress(StoreError):  # then the next process covers what is there
                    self.checkpoints.finish()
            covered = self.checkpoints is None or self.checkpoints.size == self._frontier.size
            if self.parts.parent is not None and covered:  # else the next process says how far it had come
                with suppress(StoreError, OSError):
                    sync_wal(self.path)
                    self.parts.parent.closed(self.log_id, self._frontier.size, self._frontier.root)
            if not self._running:
                with suppress(sqlite3.Error):  # then the next process looks through it once more
                    self._db.execute("UPDATE meta SET value = '1' WHERE key = 'clean'")
        finally:
            self._let_go()

    def _let_go(self) -> None:
        self._closed = True
        if self.checkpoints is not None:
            self.checkpoints.stop()
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
        with LogReader.open(self.path, self.parts.keys) as reader:
            yield from reader.events(after_seq=after_seq, kinds=kinds, session=session)

    def event(self, event_id: str) -> Event | None:
        with LogReader.open(self.path, self.parts.keys) as reader:
            return reader.event(event_id)

    def content(self, event_id: str, role: str) -> bytes | None:
        with LogReader.open(self.path, self.parts.keys) as reader:
            return reader.content(event_id, role)

    def head(self) -> Head:
        frontier = self._frontier
        return frontier.size, "sha256:" + frontier.root.hex()


def _surveyed(log: Log, skipped: Sequence[tuple[Path, str]], owner: Owner) -> Log:
    """The log, told what there is to know of the others in its folder."""
    log.skipped = tuple(skipped)
    log.unresolved += left_open(list_logs(log.path.parent), owner)
    return log
