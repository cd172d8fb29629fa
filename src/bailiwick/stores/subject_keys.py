"""The keys of the people whom contents are about, and the legal holds on them: one SQLite file for all logs of a state
folder, apart from the contents (`audit.sealing`). DESIGN §5 *Audit*.

A key is fsynced before anything is sealed under it. Erasing a subject overwrites its keys and leaves tombstones; what
is recorded about the subject later gets a new key. Legal holds lie in the same file, and so does who shares contents
with whom (`together`: ids of keys, by a digest of all those that are used as one). So it is decided in the transaction
that destroys the keys whether a hold stands in the way, on the subject or on somebody whose contents would go as well.

A subject is an *owner's*, which is a tenant's environment: two of them on one folder each have an alice of their own.

**Not a write-ahead log** but a rollback journal: once a commit returns, no file holds the bytes that it overwrote. What
a disk, a file system or a backup of this file keeps of them is out of reach from here (docs/erasure.md).

INVARIANT: what is cached is what the file says: every use asks SQLite whether anybody changed it (data_version).
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from bailiwick.audit.sealing import KEY_BYTES, combined, key_ids, key_name
from bailiwick.errors import StoreError
from bailiwick.stores.subject_keys_file import check, connect, make_file, make_tables

__all__ = ["EVERYTHING", "KEYS_FILE", "Erasure", "Hold", "SubjectKeys"]

KEYS_FILE = "subjects.db"
EVERYTHING = "everything"
"""The subject of a hold on whatever is recorded."""

MAX_CACHED = 1000

_HOLD = "SELECT h.id, h.subject, h.by, h.reason, h.at_us FROM holds h"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """A legal hold: while it stands, nothing of this subject (or of `EVERYTHING`) is erased or dropped."""

    id: str
    subject: str
    by: str
    reason: str
    at_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """The keys of a subject: `live` are there, `unfinished` were destroyed by an erasure that is not on record as done,
    `done` by earlier ones. By their ids."""

    live: tuple[str, ...] = ()
    unfinished: tuple[str, ...] = ()
    done: tuple[str, ...] = ()

    @property
    def all(self) -> tuple[str, ...]:
        return (*self.live, *self.unfinished, *self.done)


class SubjectKeys:
    """ContentKeys over one file, for one owner. Use `open`, or `reading` where nothing may be made. Safe for many
    threads and processes; a forked child must open its own. Methods raise StoreError."""

    def __init__(
        self,
        path: Path,
        connection: sqlite3.Connection,
        entropy: Callable[[int], bytes],
        clock: Callable[[], int],
        owner: str,
    ) -> None:
        self.path = path
        self._owner = owner
        self._connection: sqlite3.Connection | None = connection
        self._entropy = entropy
        self._clock = clock
        self._lock = threading.Lock()
        self._pid = os.getpid()
        self._seen = -1
        self._sealing: dict[frozenset[str], tuple[str, bytes]] = {}
        self._opening: dict[str, bytes | None] = {}

    @classmethod
    def open(cls, path: Path, *, entropy: Callable[[int], bytes], clock: Callable[[], int], owner: str) -> Self:
        """The file, made if it is not there (0600, in a folder 0700). `clock` gives microseconds since the epoch,
        `owner` is whose subjects they are."""
        connection: sqlite3.Connection | None = None
        try:
            make_file(path)
            connection = connect(path, "rw")
            make_tables(path, connection)
        except (sqlite3.Error, OSError, StoreError) as error:
            if connection is not None:
                connection.close()
            raise error if isinstance(error, StoreError) else _failed(path, error) from error
        return cls(path, connection, entropy, clock, owner)

    @classmethod
    def reading(cls, path: Path) -> Self | None:
        """The file as it is, to open anybody's contents with; None if there is none."""
        if not path.is_file():
            return None
        try:
            connection = connect(path, "rw" if os.access(path, os.W_OK) else "ro")
            try:
                check(path, connection)
            except (sqlite3.Error, StoreError):
                connection.close()
                raise
        except sqlite3.Error as error:
            raise _failed(path, error) from error
        return cls(path, connection, _no_entropy, int, "")

    def close(self) -> None:
        """Close the file and forget its keys. Does nothing the second time, nor in a forked child."""
        if os.getpid() != self._pid:
            return
        with self._lock:
            connection, self._connection = self._connection, None
            self._forget()
        if connection is not None:
            connection.close()

    # --- ContentKeys

    def sealing(self, subjects: Collection[str], /) -> tuple[str, bytes]:
        """See `ContentKeys`."""
        wanted = frozenset(subjects)
        if not wanted:
            raise ValueError("contents are about somebody, if only the project")
        with self._use() as connection:
            known = self._sealing.get(wanted)
            if known is not None:
                return known
            keys = self._found(connection, wanted) or self._made(connection, wanted)
            name = key_name(keys)
            made = (name, combined(name, [keys[each] for each in key_ids(name)]))
            if len(self._sealing) >= MAX_CACHED:
                self._sealing.clear()
            self._sealing[wanted] = made
            return made

    def opening(self, name: str, /) -> bytes | None:
        """See `ContentKeys`."""
        with self._use() as connection:
            if name in self._opening:
                return self._opening[name]
            found: list[bytes] = []
            for key_id in key_ids(name):
                row = connection.execute("SELECT key FROM keys WHERE id = ?", (key_id,)).fetchone()
                if row is not None and isinstance(row[0], bytes) and len(row[0]) == KEY_BYTES:
                    found.append(row[0])
            key = combined(name, found) if len(found) == len(key_ids(name)) else None
            if len(self._opening) >= MAX_CACHED:
                self._opening.clear()
            self._opening[name] = key
            return key

    # --- erasing

    def subjects(self) -> tuple[str, ...]:
        """Everybody who has or had a key."""
        with self._use() as connection:
            query = "SELECT DISTINCT subject FROM keys WHERE owner = ? ORDER BY subject"
            return tuple(name for (name,) in connection.execute(query, (self._owner,)))

    def keys_of(self, subject: str) -> Erasure:
        with self._use() as connection:
            rows = connection.execute(
                "SELECT id, key IS NOT NULL, finished FROM keys WHERE owner = ? AND subject = ? ORDER BY made_us, id",
                (self._owner, subject),
            ).fetchall()
        return Erasure(
            live=tuple(key_id for key_id, live, _ in rows if live),
            unfinished=tuple(key_id for key_id, live, done in rows if not live and not done),
            done=tuple(key_id for key_id, live, done in rows if not live and done),
        )

    def unfinished(self) -> tuple[str, ...]:
        """Subjects of whom an erasure was begun and is not done."""
        with self._use() as connection:
            query = "SELECT DISTINCT subject FROM keys WHERE owner = ? AND key IS NULL AND NOT finished"
            return tuple(sorted(name for (name,) in connection.execute(query, (self._owner,))))

    def destroy(self, subject: str) -> Hold | None:
        """Overwrite the keys of a subject; from here on nothing that is sealed under them can be read. → the hold that
        stands against it: then nothing was changed."""
        with self._use() as connection:
            connection.execute("BEGIN IMMEDIATE")
            held = self._held(connection, subject)
            if held is not None:
                connection.execute("ROLLBACK")
                return held
            gone = [(each,) for each in self._live_ids(connection, subject)]
            connection.executemany("DELETE FROM together WHERE name IN (SELECT name FROM together WHERE id = ?)", gone)
            connection.execute(
                "UPDATE keys SET key = NULL, erased_us = ? WHERE owner = ? AND subject = ? AND key IS NOT NULL",
                (self._clock(), self._owner, subject),
            )
            connection.execute("COMMIT")
            # Pages that SQLite moved rows out of may still hold their bytes: the whole file is written anew.
            connection.execute("VACUUM")
            self._forget()
        return None

    def finish(self, ids: Sequence[str]) -> None:
        """The erasure of these keys is on record, and what was under them is gone."""
        with self._use() as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(
                "UPDATE keys SET finished = 1 WHERE id = ? AND key IS NULL", [(each,) for each in ids]
            )
            connection.execute("COMMIT")

    # --- holds

    def hold(self, hold: Hold) -> None:
        with self._use() as connection:
            connection.execute(
                "INSERT INTO holds VALUES (?, ?, ?, ?, ?, ?)",
                (hold.id, self._owner, hold.subject, hold.by, hold.reason, hold.at_us),
            )

    def lift(self, hold_id: str) -> Hold | None:
        """→ the hold that was lifted; None if there is none of this id."""
        with self._use() as connection:
            connection.execute("BEGIN IMMEDIATE")
            at = (hold_id, self._owner)
            row = connection.execute(f"{_HOLD} WHERE h.id = ? AND h.owner = ?", at).fetchone()
            connection.execute("DELETE FROM holds WHERE id = ? AND owner = ?", at)
            connection.execute("COMMIT")
        return None if row is None else _hold(row)

    def holds(self) -> tuple[Hold, ...]:
        """Every hold, oldest first."""
        with self._use() as connection:
            rows = connection.execute(f"{_HOLD} WHERE h.owner = ? ORDER BY h.at_us, h.id", (self._owner,))
            return tuple(map(_hold, rows.fetchall()))

    def against(self, subject: str) -> Hold | None:
        """The hold that stands against erasing a subject: on it, on everything, or on somebody whom some of its
        contents are about as well."""
        with self._use() as connection:
            return self._held(connection, subject)

    def held_keys(self) -> frozenset[str] | None:
        """Ids of the keys of everybody on whom there is a hold; None if there is one on everything."""
        with self._use() as connection:
            own = (self._owner,)
            subjects = {subject for (subject,) in connection.execute("SELECT subject FROM holds WHERE owner = ?", own)}
            if EVERYTHING in subjects:
                return None
            rows = connection.execute(
                "SELECT id FROM keys WHERE owner = ?1 AND subject IN (SELECT subject FROM holds WHERE owner = ?1)", own
            ).fetchall()
            return frozenset(key_id for (key_id,) in rows)

    # --- inside

    @contextmanager
    def _use(self) -> Iterator[sqlite3.Connection]:
        if os.getpid() != self._pid:
            raise StoreError(
                f"the keys {self.path} were opened before this process was forked",
                hint="open the Guard after the fork, in each process",
            )
        with self._lock:
            connection = self._connection
            if connection is None:
                raise StoreError(f"the keys {self.path} are closed", hint="open them again")
            try:
                if not self.path.exists():
                    raise StoreError(f"the keys {self.path} are gone", hint="put the file back, then restart")
                version = _version(connection)
                if version != self._seen:
                    self._forget()
                    self._seen = version
                yield connection
            except sqlite3.Error as error:
                self._forget()
                raise _failed(self.path, error) from error
            finally:
                if connection.in_transaction:
                    with suppress(sqlite3.Error):
                        connection.execute("ROLLBACK")

    def _forget(self) -> None:
        self._sealing.clear()
        self._opening.clear()

    def _found(self, connection: sqlite3.Connection, subjects: Collection[str]) -> dict[str, bytes] | None:
        """Their keys by id; None if one is missing, or it is not on record yet that they are used together."""
        found = [self._live(connection, subject) for subject in sorted(subjects)]
        keys = dict(each for each in found if each is not None)
        if len(keys) < len(found):
            return None
        query = "SELECT 1 FROM together WHERE name = ?"
        return keys if len(keys) == 1 or connection.execute(query, (_digest(keys),)).fetchone() else None

    def _made(self, connection: sqlite3.Connection, subjects: Collection[str]) -> dict[str, bytes]:
        connection.execute("BEGIN IMMEDIATE")
        keys = dict(self._live(connection, subject) or self._make(connection, subject) for subject in sorted(subjects))
        if len(keys) > 1:
            name = _digest(keys)
            connection.executemany("INSERT OR IGNORE INTO together VALUES (?, ?)", [(each, name) for each in keys])
        connection.execute("COMMIT")
        return keys

    def _live(self, connection: sqlite3.Connection, subject: str) -> tuple[str, bytes] | None:
        row = connection.execute(
            "SELECT id, key FROM keys WHERE owner = ? AND subject = ? AND key IS NOT NULL", (self._owner, subject)
        ).fetchone()
        return None if row is None else (row[0], row[1])

    def _live_ids(self, connection: sqlite3.Connection, subject: str) -> list[str]:
        found = self._live(connection, subject)
        return [] if found is None else [found[0]]

    def _held(self, connection: sqlite3.Connection, subject: str) -> Hold | None:
        query = f"{_HOLD} WHERE h.owner = ? AND h.subject IN (?, ?) ORDER BY h.at_us LIMIT 1"
        row = connection.execute(query, (self._owner, subject, EVERYTHING)).fetchone()
        for key_id in [] if row else self._live_ids(connection, subject):
            query = f"""{_HOLD} JOIN keys k ON k.owner = h.owner AND k.subject = h.subject AND k.key IS NOT NULL
                JOIN together t ON t.id = k.id JOIN together own ON own.name = t.name
                WHERE own.id = ? AND h.owner = ? LIMIT 1"""
            row = connection.execute(query, (key_id, self._owner)).fetchone()
        return None if row is None else _hold(row)

    def _make(self, connection: sqlite3.Connection, subject: str) -> tuple[str, bytes]:
        key_id, key = self._entropy(8).hex(), self._entropy(KEY_BYTES)
        connection.execute(
            "INSERT INTO keys (id, owner, subject, key, made_us) VALUES (?, ?, ?, ?, ?)",
            (key_id, self._owner, subject, key, self._clock()),
        )
        return key_id, key


def _digest(ids: Collection[str]) -> bytes:
    return hashlib.sha256(key_name(ids).encode()).digest()[:16]


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA data_version").fetchone()[0])


def _hold(row: tuple[str, str, str, str, int]) -> Hold:
    return Hold(id=row[0], subject=row[1], by=row[2], reason=row[3], at_us=row[4])


def _no_entropy(_size: int) -> bytes:
    raise StoreError("these keys are only read", hint="")


def _failed(path: Path, error: Exception) -> StoreError:
    return StoreError(
        f"the keys {path} failed: {error}",
        hint="Without them nothing is recorded and effects are denied: repair the cause, or restore the file.",
    )
