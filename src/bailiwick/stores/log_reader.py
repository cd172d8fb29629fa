"""Reads a log that another process may be writing, or a copy of one. Changes nothing in it.

A file that SQLite cannot read raises StoreError (`bailiwick audit verify` exits with 2); a file that can be read and
holds something else than was written gives a report with problems (exit 1).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Generator, Iterator
from contextlib import closing
from itertools import chain, islice
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from bailiwick.audit.envelope import matches, read
from bailiwick.audit.kept import KeptHead, StoredCheckpoint
from bailiwick.audit.merkle import Frontier, leaf_hash
from bailiwick.audit.notes import NoteKey
from bailiwick.audit.ports import ContentKeys
from bailiwick.audit.report import Head, Report, StoredContent, StoredEvent, StoredHead
from bailiwick.audit.verify import verify
from bailiwick.errors import CanonicalError, StoreError
from bailiwick.model.event import Event, EventKind
from bailiwick.stores.log_file import connect, unreadable
from bailiwick.stores.log_sealing import OPENED, ContentOpener

__all__ = ["LogReader"]

T = TypeVar("T")

PAGE = 256
"""Rows that are fetched together."""
CACHE_KB = 64 * 1024
"""Of pages, while a log is verified: addresses of contents are looked up all over their index."""
_COLUMNS = "seq, id, session, ord, kind, ts_us, data, leaf"
_ALL = f"SELECT {_COLUMNS} FROM events ORDER BY seq"  # noqa: S608  # these columns


class LogReader:
    """One log, read-only. Use it as a context manager, in one thread at a time."""

    def __init__(self, path: Path, connection: sqlite3.Connection, keys: ContentKeys | None = None) -> None:
        self.path = path
        self.log_id = path.stem
        self._db = connection
        self._opener = ContentOpener(path, keys)
        self._db.text_factory = _lenient

    @classmethod
    def open(cls, path: Path, keys: ContentKeys | None = None) -> Self:
        """`keys` None: those that lie beside the log's folder. Raises StoreError if there is no log at `path` or it
        cannot be read."""
        if not path.is_file():
            raise StoreError(f"there is no log at {path}", hint="Give the path of a log-….db file.")
        return cls(path, connect(path, read_only=True), keys)

    def close(self) -> None:
        self._opener.close()
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    # --- events

    def events(
        self, *, after_seq: int = -1, kinds: Collection[EventKind] | None = None, session: str | None = None
    ) -> Generator[Event]:
        """Events after `after_seq`, in order. Raises StoreError at a record that is not what was written."""
        where = "seq > ?"
        parameters: list[object] = [after_seq]
        if session is not None:
            where += " AND session = ?"
            parameters.append(session)
        if kinds is not None:
            where += f" AND kind IN ({', '.join('?' * len(kinds))})"
            parameters.extend(kind.value for kind in kinds)
        yield from map(self._event, self._rows(f"WHERE {where} ORDER BY seq", parameters))

    def event(self, event_id: str) -> Event | None:
        return next(map(self._event, self._rows("WHERE id = ?", [event_id])), None)

    def latest(self, kind: EventKind) -> Event | None:
        """The last event of this kind; None if there is none. Costs the same in a long log."""
        return next(map(self._event, self._rows("WHERE kind = ? ORDER BY seq DESC LIMIT 1", [kind.value])), None)

    def stored(self, first: int, limit: int) -> list[StoredEvent]:
        """Records from `first` on as they are stored, at most `limit`: nothing is checked."""
        return list(self._rows("WHERE seq >= ? ORDER BY seq LIMIT ?", [first, limit]))

    def content(self, event_id: str, role: str) -> bytes | None:
        """None if there is none, or it was erased. Raises StoreError if it is not the one committed to."""
        found = self.opened(event_id, role)
        return found.data if found else None

    def opened(self, event_id: str, role: str) -> StoredContent | None:
        """As `content`, with the salt of its commitment."""
        event = self.event(event_id)
        return None if event is None else self._opened(event, role)

    def content_of(self, event: Event, role: str) -> bytes | None:
        """As `content`, of an event that was read from this log already."""
        found = self._opened(event, role)
        return found.data if found else None

    def _opened(self, event: Event, role: str) -> StoredContent | None:
        if role not in event.commitments:
            return None
        query = f"{OPENED} WHERE c.seq = ? AND c.role = ?"
        found = next(self._select(query, [event.seq, role], self._opener.opened), None)
        if found is None or found.data is None:
            return None
        if not matches(event.commitments[role], found.salt, found.data):
            raise self._not_written(f"content '{role}' of record {event.seq}")
        return found

    def gone(self, event: Event) -> bool:
        """Whether what an event of this log said (its `text`, or of a call its arguments) can no longer be opened: it
        was erased, is past its retention, or its key is not here."""
        role = next((role for role in ("text", "args") if role in event.commitments), None)
        if role is None:
            return False
        query = """SELECT c.key, b.address IS NULL FROM contents c LEFT JOIN blobs b ON b.address = c.address
            WHERE c.seq = ? AND c.role = ?"""
        key, missing = next(self._select(query, [event.seq, role], tuple), ("", True))
        return bool(missing) or not self._opener.has_key(str(key), event.session)

    def head(self) -> Head:
        """Number of events and root, as of the last commit."""
        last = next(self._select("SELECT size, peaks FROM heads ORDER BY size DESC LIMIT 1", [], _head), None)
        try:
            frontier = Frontier.from_bytes(*last) if last else Frontier()
        except ValueError as error:
            raise self._not_written("the last head") from error
        return frontier.size, "sha256:" + frontier.root.hex()

    def _event(self, row: StoredEvent) -> Event:
        if leaf_hash(row.data) != row.leaf:
            raise self._not_written(f"record {row.seq}")
        try:
            return read(row.data)
        except CanonicalError as error:
            raise StoreError(f"record {row.seq} of {self.log_id}: {error}", hint=error.hint) from error

    def _not_written(self, what: str) -> StoreError:
        return StoreError(
            f"{what} of {self.log_id} is not what was written", hint="Run `bailiwick audit verify` on its folder."
        )

    # --- as it is stored

    def verify(self, kept: Collection[KeptHead] = (), keys: Collection[NoteKey] = ()) -> Report:
        """Check all of it, as of now. `kept` are heads of it from elsewhere, `keys` those that may have signed its
        checkpoints (none: nobody is asked for)."""
        try:
            self._db.execute(f"PRAGMA cache_size = -{CACHE_KB}")
            self._db.execute("BEGIN")  # all of it as of one moment, whatever a writer appends meanwhile
            return verify(
                chain.from_iterable(self._runs(_ALL)),
                self._select("SELECT size, peaks FROM heads ORDER BY size", [], _head),
                self._contents(),
                log=self.log_id,
                kept=kept,
                checkpoints=self._select("SELECT size, note FROM checkpoints ORDER BY size", [], _checkpoint),
                keys=keys,
                damage=self._damage(),
            )
        except sqlite3.Error as error:
            raise unreadable(self.path, error) from error
        finally:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")

    def copy(self, target: Path) -> None:
        """Write a copy of the log as of now, one file without a side file. (Do not copy a `.db` that is open here: see
        `log_file`.) Raises StoreError."""
        try:
            with closing(sqlite3.connect(target)) as copy:
                self._db.backup(copy)
                copy.execute("PRAGMA journal_mode = DELETE")
        except sqlite3.Error as error:
            raise unreadable(self.path, error) from error

    def _damage(self) -> Iterator[str]:
        """What SQLite finds wrong with the file: an index that misses a row, a page that belongs nowhere."""
        for sentence in self._select("PRAGMA integrity_check(20)", [], _sentence):
            if sentence != "ok":
                yield f"the file is damaged: {sentence}"

    def _rows(self, rest: str, parameters: list[object]) -> Iterator[StoredEvent]:
        query = f"SELECT {_COLUMNS} FROM events {rest}"  # noqa: S608  # `rest` is ours; values are parameters
        return self._select(query, parameters, StoredEvent.of)

    def _contents(self) -> Iterator[StoredContent]:
        for run in self._runs(f"{self._opener.rows} ORDER BY c.seq, c.role"):
            yield from self._opener.opened_all(run)

    def _runs(self, query: str) -> Iterator[list[tuple[object, ...]]]:
        """What a query gives, as it is stored, of whatever types the file holds; so many rows at once."""
        given = 0
        try:
            with closing(self._db.execute(query)) as cursor:
                while rows := self._undamaged(cursor):
                    yield rows
                    given += len(rows)
                if rows is not None:
                    return
        except sqlite3.Error as error:
            raise unreadable(self.path, error) from error
        yield from ([row] for row in islice(self._select(query, [], tuple), given, None))

    def _undamaged(self, cursor: sqlite3.Cursor) -> list[tuple[object, ...]] | None:
        """The next rows, their texts decoded as quickly as SQLite does it; None if one of them cannot be."""
        self._db.text_factory = str
        try:
            return cursor.fetchmany(PAGE)
        except sqlite3.Error:
            return None
        finally:
            self._db.text_factory = _lenient

    def _select(self, query: str, parameters: list[object], make: Callable[[tuple[object, ...]], T]) -> Iterator[T]:
        try:
            with closing(self._db.execute(query, parameters)) as rows:
                yield from map(make, rows)
        except sqlite3.Error as error:
            raise unreadable(self.path, error) from error


def _lenient(raw: bytes) -> str:
    """A flipped byte may make a text undecodable: that is for `verify` to find, not a reason to stop."""
    return raw.decode("utf-8", "replace")


def _head(row: tuple[object, ...]) -> StoredHead:
    return StoredHead(_int(row[0]), _bytes(row[1]))


def _checkpoint(row: tuple[object, ...]) -> StoredCheckpoint:
    return StoredCheckpoint(_int(row[0]), str(row[1]))


def _sentence(row: tuple[object, ...]) -> str:
    return str(row[0])


def _int(value: object) -> int:
    """A damaged file may hold a value of another type: it becomes one that cannot be right."""
    return value if isinstance(value, int) else -1


def _bytes(value: object) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")
