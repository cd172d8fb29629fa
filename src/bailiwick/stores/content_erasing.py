"""Takes contents out of the logs of a folder, those that other processes write included. DESIGN §5 *Audit*.

What is deleted here is sealed under keys that are destroyed already, or is older than the retention: so nothing depends
on a deleted page being overwritten. Events are never touched, and a content's row stays where an erasure took its blob:
it says under which key it was.

INVARIANT: each transaction is short. A log's own process waits for it as for any other writer.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bailiwick.audit.sealing import key_ids
from bailiwick.errors import StoreError
from bailiwick.stores.log_file import connect, list_logs, unreadable

__all__ = ["Kept", "drop_before", "erase_blobs", "kept_before", "kept_under"]

AT_ONCE = 200
"""Blobs deleted, or pages given back, in one transaction."""

Told = Callable[[int], None]
"""Is told how many more are done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What the logs keep under some keys: contents of events, in blobs of so many bytes, in so many sessions and logs.
    `events` are those, and those that say what was released in the decisions among them."""

    contents: int = 0
    blobs: int = 0
    size: int = 0
    events: frozenset[str] = frozenset()
    sessions: frozenset[str] = frozenset()
    logs: int = 0


def kept_under(folder: Path, ids: Collection[str]) -> Kept:
    """What is kept under keys that take one of these. Raises StoreError if a log cannot be read."""
    contents = blobs = size = logs = 0
    events: set[str] = set()
    sessions: set[str] = set()
    for path in list_logs(folder):
        with _opened(path, read_only=True) as connection:
            names = _names(connection, ids)
            rows = [row for name in names for row in connection.execute(_EVENTS, (name,))]
            own = {event for event, _ in rows}
            events.update(event for event, decision in connection.execute(_RELEASES) if decision in own)
            for name in names:
                found = connection.execute(_BLOBS, (name,)).fetchone()
                blobs, size = blobs + found[0], size + found[1]
        contents += len(rows)
        logs += bool(rows)
        events.update(own)
        sessions.update(session for _, session in rows if session)
    return Kept(
        contents=contents,
        blobs=blobs,
        size=size,
        events=frozenset(events),
        sessions=frozenset(sessions),
        logs=logs,
    )


def erase_blobs(folder: Path, ids: Collection[str], told: Told) -> int:
    """Delete what is kept under keys that take one of these. → how many blobs. Raises StoreError; what was deleted by
    then stays deleted, and doing it again does the rest."""
    done = 0
    for path in list_logs(folder):
        with _opened(path) as connection:
            for name in _names(connection, ids):
                addresses = connection.execute(
                    "SELECT DISTINCT address FROM contents WHERE key = ?", (name,)
                ).fetchall()
                for at in range(0, len(addresses), AT_ONCE):
                    gone = _delete(connection, addresses[at : at + AT_ONCE])
                    done += gone
                    told(gone)
            _shrink(connection)
    return done


def _delete(connection: sqlite3.Connection, addresses: list[tuple[bytes]]) -> int:
    connection.execute("BEGIN IMMEDIATE")
    try:
        gone = connection.executemany("DELETE FROM blobs WHERE address = ?", addresses).rowcount
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
    return gone


def kept_before(folder: Path, owner: tuple[str, str], before_us: int, held: Collection[str]) -> int:
    """How many contents of this tenant's environment are of events before this moment and of nobody on whom there is a
    hold."""
    found = 0
    for path in list_logs(folder):
        with _opened(path, read_only=True) as connection:
            if _owner(connection) == owner:
                found += sum(1 for _ in _old(connection, before_us, held))
    return found


def drop_before(folder: Path, owner: tuple[str, str], before_us: int, held: Collection[str], told: Told) -> int:
    """Drop those. A blob stays while a younger event needs it. → how many contents."""
    done = 0
    for path in list_logs(folder):
        with _opened(path) as connection:
            # Looked for outside of any transaction: whoever writes the log waits for the deleting alone.
            rows = list(_old(connection, before_us, held)) if _owner(connection) == owner else []
            for at in range(0, len(rows), AT_ONCE):
                gone = _drop(connection, rows[at : at + AT_ONCE])
                done += gone
                told(gone)
            _shrink(connection)
    return done


def _shrink(connection: sqlite3.Connection) -> None:
    """Give pages that are free back to the disk, AT_ONCE in a transaction: `audit.disk_budget` counts whole files."""
    free, before = _free_pages(connection), -1
    while free and free != before:
        connection.execute(f"PRAGMA incremental_vacuum({AT_ONCE})").fetchall()
        free, before = _free_pages(connection), free
    connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()


def _free_pages(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA freelist_count").fetchone()[0])


def _owner(connection: sqlite3.Connection) -> tuple[object, object]:
    """Whose log it is: every event says so."""
    query = "SELECT json_extract(CAST(data AS TEXT), '$.tenant', '$.env') FROM events ORDER BY seq LIMIT 1"
    row = connection.execute(query).fetchone()
    tenant, env = json.loads(row[0]) if row else ("", "")
    return tenant, env


def _old(connection: sqlite3.Connection, before_us: int, held: Collection[str]) -> Iterator[_Row]:
    free = frozenset(_free(connection, held))
    query = "SELECT c.seq, c.role, c.address, c.key FROM contents c JOIN events e ON e.seq = c.seq WHERE e.ts_us < ?"
    return ((seq, role, address) for seq, role, address, key in connection.execute(query, (before_us,)) if key in free)


def _drop(connection: sqlite3.Connection, rows: Sequence[_Row]) -> int:
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.executemany("DELETE FROM contents WHERE seq = ? AND role = ?", [row[:2] for row in rows])
        for address in {row[2] for row in rows}:
            # Addresses are hashes under a key: those of one session can be looked up among its rows alone.
            if not connection.execute("SELECT 1 FROM contents WHERE address = ? LIMIT 1", (address,)).fetchone():
                connection.execute("DELETE FROM blobs WHERE address = ?", (address,))
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
    return len(rows)


_EVENTS = "SELECT e.id, e.session FROM contents c JOIN events e ON e.seq = c.seq WHERE c.key = ?"
_BLOBS = (
    "SELECT count(*), coalesce(sum(length(data)), 0) FROM blobs"
    " WHERE address IN (SELECT address FROM contents WHERE key = ?)"
)
_RELEASES = (
    "SELECT id, json_extract(CAST(data AS TEXT), '$.body.decision') FROM events"
    " WHERE kind IN ('value.endorsed', 'label.declassified', 'handle.inspected')"
)
_Row = tuple[int, str, bytes]
"""Of a content: its record, its role, and the address of its blob."""


def _names(connection: sqlite3.Connection, ids: Collection[str]) -> list[str]:
    """The keys that take one of these, of all that contents of this log are sealed under."""
    wanted = set(ids)
    every = [name for (name,) in connection.execute("SELECT DISTINCT key FROM contents")]
    return [name for name in every if not wanted.isdisjoint(key_ids(name))]


def _free(connection: sqlite3.Connection, held: Collection[str]) -> list[str]:
    every = [name for (name,) in connection.execute("SELECT DISTINCT key FROM contents")]
    return [name for name in every if set(held).isdisjoint(key_ids(name))]


@contextmanager
def _opened(path: Path, *, read_only: bool = False) -> Iterator[sqlite3.Connection]:
    with closing(connect(path, read_only=read_only)) as connection:
        try:
            yield connection
        except sqlite3.Error as error:
            raise (
                StoreError(f"{path.stem} is in use: {error}", hint="Run the command again.")
                if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
                else unreadable(path, error)
            ) from error
