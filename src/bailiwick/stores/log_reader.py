"""Reads a log that another process may be writing, or a copy of one. Changes nothing in it.

A file that SQLite cannot read raises StoreError (`bailiwick audit verify` exits with 2); a file that can be read and
holds something else than was written gives a report with problems (exit 1).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from bailiwick.audit.envelope import matches, read
from bailiwick.audit.merkle import Frontier, leaf_hash
from bailiwick.audit.report import FolderReport, Head, Problem, Report, StoredContent, StoredEvent, StoredHead
from bailiwick.audit.verify import cross_check, unread, verify
from bailiwick.errors import CanonicalError, StoreError
from bailiwick.model.event import Event, EventKind
from bailiwick.stores.log_file import connect, list_logs, lock_path, log_path, unreadable

__all__ = ["LogReader", "verify_folder"]

T = TypeVar("T")

_COLUMNS = "seq, id, session, ord, kind, ts_us, data, leaf"


class LogReader:
    """One log, read-only. Use it as a context manager, in one thread at a time."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self.log_id = path.stem
        self._db = connection
        # A flipped byte may make a text undecodable: that is for `verify` to find, not a reason to stop.
        self._db.text_factory = lambda raw: raw.decode("utf-8", "replace")

    @classmethod
    def open(cls, path: Path) -> Self:
        """Raises StoreError if there is no log at `path` or it cannot be read."""
        if not path.is_file():
            raise StoreError(f"there is no log at {path}", hint="Give the path of a log-….db file.")
        return cls(path, connect(path, read_only=True))

    def close(self) -> None:
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    # --- events

    def events(
        self, *, after_seq: int = -1, kinds: Collection[EventKind] | None = None, session: str | None = None
    ) -> Iterator[Event]:
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

    def content(self, event_id: str, role: str) -> bytes | None:
        """Raises StoreError if the content is not the one that the event committed to."""
        event = self.event(event_id)
        if event is None or role not in event.commitments:
            return None
        query = "SELECT seq, role, salt, data FROM contents WHERE seq = ? AND role = ?"
        found = next(self._select(query, [event.seq, role], _content), None)
        if found is None:
            return None
        if not matches(event.commitments[role], found.salt, found.data):
            raise self._not_written(f"content '{role}' of record {event.seq}")
        return found.data

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

    def verify(self, expected: Head | None = None) -> Report:
        """Check all of it, as of now. `expected` is a head that an auditor kept."""
        try:
            self._db.execute("BEGIN")  # all of it as of one moment, whatever a writer appends meanwhile
            return verify(
                self._rows("ORDER BY seq", []),
                self._select("SELECT size, peaks FROM heads ORDER BY size", [], _head),
                self._select("SELECT seq, role, salt, data FROM contents ORDER BY seq, role", [], _content),
                log=self.log_id,
                expected=expected,
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
        return self._select(query, parameters, _stored)

    def _select(self, query: str, parameters: list[object], make: Callable[[tuple[object, ...]], T]) -> Iterator[T]:
        try:
            with closing(self._db.execute(query, parameters)) as rows:
                yield from map(make, rows)
        except sqlite3.Error as error:
            raise unreadable(self.path, error) from error


def verify_folder(folder: Path, expected: Mapping[str, Head] | None = None) -> FolderReport:
    """Check every log of a folder and what is between them. `expected` maps a log's id to the head that an auditor
    kept.

    Raises StoreError if there is no log at all: nothing to verify is not the same as nothing wrong.
    """
    expected = expected or {}
    paths = {path.stem: path for path in list_logs(folder)}
    paths.update({log_id: log_path(folder, log_id) for log_id in expected if log_id not in paths})
    if not paths:
        raise StoreError(f"there is no log in {folder}", hint="Give the folder that holds log-….db files.")
    reports = [_verify_one(path, expected.get(log_id)) for log_id, path in sorted(paths.items())]
    orphans = (lock for lock in sorted(folder.glob("log-*.lock")) if lock.stem not in paths)
    warnings = [
        Problem(code="log-gone", message=f"{lock.name} is there and its log is not: was a log removed?")
        for lock in orphans
        if lock == lock_path(log_path(folder, lock.stem))
    ]
    return cross_check(reports, warnings)


def _verify_one(path: Path, expected: Head | None) -> Report:
    if not path.exists():
        text = f"log {path.stem} is gone; the auditor's head covers {expected[0] if expected else 0} records of it"
        return unread(path.stem, problem=Problem(code="gone", message=text))
    try:
        with LogReader.open(path) as reader:
            return reader.verify(expected)
    except StoreError as error:
        return unread(path.stem, unreadable=str(error))


def _stored(row: tuple[object, ...]) -> StoredEvent:
    seq, id_, session, ord_, kind, ts_us, data, leaf = row
    return StoredEvent(
        _int(seq), str(id_), str(session), _int(ord_), str(kind), _int(ts_us), _bytes(data), _bytes(leaf)
    )


def _head(row: tuple[object, ...]) -> StoredHead:
    return StoredHead(_int(row[0]), _bytes(row[1]))


def _content(row: tuple[object, ...]) -> StoredContent:
    return StoredContent(_int(row[0]), str(row[1]), _bytes(row[2]), _bytes(row[3]))


def _sentence(row: tuple[object, ...]) -> str:
    return str(row[0])


def _int(value: object) -> int:
    """A damaged file may hold a value of another type: it becomes one that cannot be right."""
    return value if isinstance(value, int) else -1


def _bytes(value: object) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")
