"""The file of the index (`log_index`): its tables, and how it is opened, made and thrown away.

Ids and repeated texts are numbered once (`names`, `words`): rows of events and edges hold numbers alone. An event that
another one names is numbered when it is named, so it does not matter in which order logs are read.

`when_us` is an event's time as lists are ordered by it: its own, or that of the record before it where its own is up to
two seconds older (what is recorded together is stamped before it is queued), so that a log keeps its order.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from bailiwick.errors import StoreError
from bailiwick.stores.log_file import says_damaged

__all__ = ["ALL_TABLES", "damaged_index", "open_file"]

APPLICATION_ID = 0x42574958
FORMAT = 2

_TABLES = (
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID",
    "CREATE TABLE words (n INTEGER PRIMARY KEY, word TEXT NOT NULL UNIQUE) STRICT",
    "CREATE TABLE names (n INTEGER PRIMARY KEY, name BLOB NOT NULL UNIQUE) STRICT",
    # A set of words (a chain of principals, the rules of a decision) is a word itself; its members are found by this.
    """CREATE TABLE members (
        part INTEGER NOT NULL, whole INTEGER NOT NULL, PRIMARY KEY (part, whole)) STRICT, WITHOUT ROWID""",
    """CREATE TABLE logs (
        log INTEGER PRIMARY KEY, next INTEGER NOT NULL, leaf BLOB NOT NULL, when_us INTEGER NOT NULL) STRICT""",
    """CREATE TABLE events (
        at INTEGER PRIMARY KEY, n INTEGER NOT NULL UNIQUE, log INTEGER NOT NULL, seq INTEGER NOT NULL,
        session INTEGER, belongs INTEGER, ord INTEGER NOT NULL, kind INTEGER NOT NULL, ts_us INTEGER NOT NULL,
        when_us INTEGER NOT NULL, task INTEGER, actor INTEGER, tool INTEGER, about TEXT NOT NULL,
        outcome INTEGER, source INTEGER, origin INTEGER, label INTEGER, policies INTEGER, observed INTEGER) STRICT""",
    "CREATE INDEX events_time ON events (when_us)",
    "CREATE INDEX events_kind ON events (kind, when_us)",
    "CREATE INDEX events_actor ON events (actor, when_us)",
    *(
        f"CREATE INDEX events_{column} ON events ({column}, when_us) WHERE {column} IS NOT NULL"
        for column in ("belongs", "tool", "outcome", "source", "policies", "observed")
    ),
    """CREATE TABLE edges (
        later INTEGER NOT NULL, number INTEGER NOT NULL, earlier INTEGER NOT NULL, relation INTEGER NOT NULL,
        name INTEGER, path TEXT NOT NULL, how INTEGER, PRIMARY KEY (later, number)) STRICT, WITHOUT ROWID""",
    "CREATE INDEX edges_earlier ON edges (earlier, relation)",
    """CREATE TABLE defines (
        name INTEGER NOT NULL, event INTEGER NOT NULL, PRIMARY KEY (name, event)) STRICT, WITHOUT ROWID""",
    "CREATE INDEX defines_event ON defines (event)",
    """CREATE TABLE sessions (
        session INTEGER PRIMARY KEY, first_us INTEGER NOT NULL, last_us INTEGER NOT NULL, events INTEGER NOT NULL,
        decisions INTEGER NOT NULL, denied INTEGER NOT NULL, asked INTEGER NOT NULL, root TEXT NOT NULL,
        agent TEXT NOT NULL, task TEXT NOT NULL, purpose TEXT NOT NULL, conversation TEXT NOT NULL,
        parent INTEGER, closed INTEGER NOT NULL) STRICT""",
    "CREATE INDEX sessions_last ON sessions (last_us)",
    "CREATE INDEX sessions_parent ON sessions (parent) WHERE parent IS NOT NULL",
    f"PRAGMA application_id = {APPLICATION_ID}",
    f"PRAGMA user_version = {FORMAT}",
)

ALL_TABLES = ("words", "names", "members", "logs", "events", "edges", "defines", "sessions")
"""Tables that are emptied where all is indexed anew."""


def open_file(path: Path) -> sqlite3.Connection:
    """A connection to the index, made if there is none; one that is damaged or of another format is thrown away.

    Raises StoreError: its folder cannot be written."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return _under_lock(path, lambda: _connect(path) or _made(path))
    except (OSError, sqlite3.Error) as error:
        raise damaged_index(path, error) from error


def damaged_index(path: Path, error: Exception) -> StoreError:
    """What to say where the index cannot be used."""
    return StoreError(
        f"the index {path} cannot be used: {error}",
        hint=f"Is the disk full? If it is damaged, delete {path.name}, {path.name}-wal and {path.name}-shm: "
        "it is made anew from the logs.",
    )


def _under_lock(path: Path, make: Callable[[], sqlite3.Connection]) -> sqlite3.Connection:
    """Nobody else makes or throws away the file meanwhile."""
    descriptor = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        return make()
    finally:
        os.close(descriptor)


def _connect(path: Path) -> sqlite3.Connection | None:
    """None if there is no index of this format."""
    if not path.exists():
        return None
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30)
    try:
        _tune(connection)
        if (_pragma(connection, "application_id"), _pragma(connection, "user_version")) == (APPLICATION_ID, FORMAT):
            connection.execute("SELECT value FROM meta").fetchone()
            return connection
    except sqlite3.DatabaseError as error:
        if not says_damaged(error):  # a full disk or a lock says nothing of the file
            connection.close()
            raise
    connection.close()
    return None


def _made(path: Path) -> sqlite3.Connection:
    # Whoever has the old file open goes on with it, and with the side files that belong to it.
    for name in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
        with suppress(FileNotFoundError):
            name.unlink()
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30)
    _tune(connection)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("BEGIN IMMEDIATE")
    for statement in _TABLES:
        connection.execute(statement)
    connection.execute("INSERT INTO meta VALUES ('made', '0')")
    connection.execute("COMMIT")
    return connection


def _tune(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA cache_size = -65536")
    connection.execute("PRAGMA mmap_size = 1073741824")


def _pragma(connection: sqlite3.Connection, name: str) -> object:
    return connection.execute(f"PRAGMA {name}").fetchone()[0]
