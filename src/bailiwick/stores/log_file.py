"""A log's file: its name and lock, its tables, and whether its end is sound. Used by writer and reader alike.

One folder holds the logs of all processes of a project: `<log-id>.db` with the lock `<log-id>.lock` beside it. A new
file is filled under another name and renamed, so a `.db` always holds at least the event that opened it.

INVARIANT: nothing here (and nothing elsewhere) opens a `.db` file by itself: POSIX drops every lock that a process has
on a file when it closes any descriptor of that file, and SQLite's locks with it. Copy a log with `LogReader.copy`.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Self
from urllib.parse import quote

from bailiwick.audit.merkle import Frontier, leaf_hash
from bailiwick.audit.report import StoredEvent
from bailiwick.errors import StoreError
from bailiwick.stores.log_tree import TREE_TABLES

__all__ = [
    "KeptContent",
    "LogLock",
    "connect",
    "create_tables",
    "is_held",
    "list_logs",
    "list_parents",
    "lock_path",
    "log_path",
    "says_damaged",
    "sound_tail",
    "sync_folder",
    "unreadable",
    "write",
]

APPLICATION_ID = 0x42574C47
FORMAT = 1
TAIL = 256
"""So many records at the end are hashed anew when a log is opened."""
PAGE_BYTES = 8192
"""Of a record's usual 2 to 3 kB, pages of 4 kB hold one and waste the rest."""
ROWS_AT_ONCE = 64
"""Rows of one statement: each statement gives other threads their turn, and waits for its own."""

_TABLES = (
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID",
    """CREATE TABLE events (
        seq INTEGER PRIMARY KEY, id TEXT NOT NULL, session TEXT NOT NULL, ord INTEGER NOT NULL, kind TEXT NOT NULL,
        ts_us INTEGER NOT NULL, data BLOB NOT NULL, leaf BLOB NOT NULL) STRICT""",
    "CREATE UNIQUE INDEX events_id ON events (id)",
    "CREATE UNIQUE INDEX events_session ON events (session, ord)",
    "CREATE INDEX events_kind ON events (kind)",
    """CREATE TABLE contents (
        seq INTEGER NOT NULL, role TEXT NOT NULL, salt BLOB NOT NULL, address BLOB NOT NULL, key TEXT NOT NULL,
        PRIMARY KEY (seq, role)) STRICT, WITHOUT ROWID""",
    "CREATE TABLE blobs (address BLOB NOT NULL, data BLOB NOT NULL) STRICT",
    "CREATE UNIQUE INDEX blobs_address ON blobs (address)",
    "CREATE INDEX contents_address ON contents (address)",
    "CREATE TABLE heads (size INTEGER PRIMARY KEY, peaks BLOB NOT NULL) STRICT",
    *TREE_TABLES,
    f"PRAGMA application_id = {APPLICATION_ID}",
    f"PRAGMA user_version = {FORMAT}",
)


class KeptContent(NamedTuple):
    """A content of record `seq` as it is stored. Equal contents of a session have one blob, under their `address`."""

    seq: int
    role: str
    salt: bytes
    address: bytes
    key: str
    blob: bytes


def log_path(folder: Path, log_id: str) -> Path:
    """Where the log with this id lies."""
    return folder / f"{log_id}.db"


def lock_path(path: Path) -> Path:
    """The lock beside a log."""
    return path.with_suffix(".lock")


def list_logs(folder: Path) -> tuple[Path, ...]:
    """The logs of a folder, oldest first. Empty if there is no such folder."""
    return tuple(sorted(folder.glob("log-*.db")))


def list_parents(folder: Path) -> tuple[Path, ...]:
    """The parent logs of a folder, oldest first: one for each tenant's environment."""
    return tuple(sorted(folder.glob("parent-*.db")))


def is_held(path: Path) -> bool:
    """Whether a living process holds this log. False also if its lock cannot be looked at: nobody is then known to."""
    try:
        descriptor = os.open(lock_path(path), os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class LogLock:
    """The exclusive right to write a log, until it is released or the process ends, however it ends."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @classmethod
    def take(cls, path: Path) -> Self | None:
        """The lock of the log at `path`; None if somebody holds it, here or in another process."""
        descriptor = os.open(lock_path(path), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        except OSError:
            os.close(descriptor)
            raise
        lock = cls(descriptor)
        # A forked child shares the descriptor, and with it the lock: it would keep the log held after its parent is
        # gone.
        held = weakref.ref(lock)
        os.register_at_fork(after_in_child=lambda: _release(held()))
        return lock

    def release(self) -> None:
        """Give it up. In a forked child: let go of it; the parent keeps it."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _release(lock: LogLock | None) -> None:
    if lock is not None:
        lock.release()


def connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """A connection that begins no transactions by itself and may be handed between threads (the caller locks).

    Raises StoreError if the file cannot be opened or is not a log of this format.
    """
    try:
        return _connect(path, "mode=ro" if read_only else "mode=rw")
    except sqlite3.Error as error:
        # A file without WAL on a medium or in a folder where SQLite can put nothing beside it: nobody writes it there.
        if not read_only or Path(f"{path}-wal").exists():
            raise unreadable(path, error) from error
    try:
        return _connect(path, "mode=ro&immutable=1")
    except sqlite3.Error as error:
        raise unreadable(path, error) from error


def _connect(path: Path, how: str) -> sqlite3.Connection:
    uri = f"file:{quote(str(path.absolute()))}?{how}"
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False, timeout=5)
    try:
        if (_pragma(connection, "application_id"), _pragma(connection, "user_version")) != (APPLICATION_ID, FORMAT):
            raise StoreError(
                f"{path} is not a log of format {FORMAT}", hint="It may be another file, or of another version."
            )
        connection.execute("SELECT seq FROM events LIMIT 1").fetchone()
    except (sqlite3.Error, StoreError):
        connection.close()
        raise
    return connection


def unreadable(path: Path, error: sqlite3.Error) -> StoreError:
    """What to say of a file that SQLite cannot read."""
    return StoreError(
        f"{path} cannot be read: {error}", hint="Compare it with a copy; `bailiwick audit verify` says more."
    )


def says_damaged(error: BaseException | None) -> bool:
    """Whether a file is not what it should be, going by this error. A full disk, a lock, or too many open files say
    nothing of it: it may be whole."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)
    return code & 0xFF in (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _pragma(connection: sqlite3.Connection, name: str) -> object:
    return connection.execute(f"PRAGMA {name}").fetchone()[0]


def create_tables(path: Path) -> sqlite3.Connection:
    """Make the empty file of a log and return a connection to it. Raises sqlite3.Error."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # what is dropped leaves the disk: `content_erasing`
    for statement in _TABLES:
        connection.execute(statement)
    return connection


def write(
    connection: sqlite3.Connection, rows: Sequence[StoredEvent], contents: Sequence[KeptContent], head: Frontier
) -> None:
    """Add records, their contents and the head over all, in one transaction. Raises sqlite3.Error."""
    connection.execute("BEGIN IMMEDIATE")
    _insert(connection, "events", rows)
    if contents:
        _insert(connection, "contents", [row[:-1] for row in contents])
        _insert(connection, "blobs", [(row.address, row.blob) for row in contents], again=True)
    _move_head(connection, rows[0].seq, head)
    connection.execute("COMMIT")


def _insert(
    connection: sqlite3.Connection, table: str, rows: Sequence[tuple[object, ...]], *, again: bool = False
) -> None:
    """All rows, with as few statements as there can be: their numbers are powers of two, so that they are prepared
    once. `again`: those that are there already are left as they are."""
    insert = f"INSERT OR IGNORE INTO {table}" if again else f"INSERT INTO {table}"
    at = 0
    while at < len(rows):
        many = min(ROWS_AT_ONCE, 1 << ((len(rows) - at).bit_length() - 1))
        marks = f"({', '.join('?' * len(rows[at]))})"
        values = [value for row in rows[at : at + many] for value in row]
        connection.execute(f"{insert} VALUES {', '.join([marks] * many)}", values)
        at += many


def _move_head(connection: sqlite3.Connection, before: int, head: Frontier) -> None:
    """Record what the log holds now. Of each TAIL records one head stays: a head has a kilobyte in a long log."""
    if before // TAIL < head.size // TAIL or not before:
        connection.execute("INSERT INTO heads VALUES (?, ?)", (head.size, head.to_bytes()))
        return
    moved = connection.execute(
        "UPDATE heads SET size = ?, peaks = ? WHERE size = ?", (head.size, head.to_bytes(), before)
    )
    if moved.rowcount != 1:
        raise sqlite3.IntegrityError(f"there is no head over {before} records")


def sound_tail(path: Path, connection: sqlite3.Connection) -> Frontier:
    """The tree's frontier, after checking that the last TAIL records are the ones that the last recorded head covers.

    Raises StoreError if they are not: such a log must not be continued. The whole log is checked by `audit verify`.
    """
    (size,) = connection.execute("SELECT coalesce(max(seq) + 1, 0) FROM events").fetchone()
    last = connection.execute("SELECT size, peaks FROM heads ORDER BY size DESC LIMIT 1").fetchone()
    if last is None or last[0] != size:
        raise _unsound(path, f"it holds {size} records, its last head covers {last[0] if last else 0}")
    earlier = connection.execute(
        "SELECT size, peaks FROM heads WHERE size <= ? ORDER BY size DESC LIMIT 1", (size - TAIL,)
    ).fetchone()
    try:
        head = Frontier.from_bytes(*last)
        grown = Frontier.from_bytes(*earlier) if earlier else Frontier()
    except (ValueError, TypeError) as error:
        raise _unsound(path, f"a recorded head is damaged: {error}") from error
    rows = connection.execute("SELECT seq, data, leaf FROM events WHERE seq >= ? ORDER BY seq", (grown.size,))
    leaves = []
    for due, (seq, data, leaf) in enumerate(rows, grown.size):
        if seq != due or leaf_hash(data) != leaf:
            raise _unsound(path, f"record {due} is missing or changed")
        leaves.append(leaf)
    if grown.extended(leaves) != head:
        raise _unsound(path, f"records {grown.size} to {size - 1} are not those that its last head covers")
    return head


def _unsound(path: Path, what: str) -> StoreError:
    return StoreError(f"{path} is not sound: {what}", hint="Run `bailiwick audit verify` on its folder; keep the file.")
