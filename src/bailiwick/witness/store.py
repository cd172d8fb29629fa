"""What a witness keeps: which keys speak for which logs, the newest head that it cosigned of each, and signed
checkpoints that it refused because they contradict that head.

INVARIANT: a head is on disk before `advance` returns, and is only ever replaced by one that was judged against it.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from bailiwick.audit.notes import NoteKey
from bailiwick.audit.witnessing import NOTHING_SEEN, Answer, TreeHead, TrustedLog
from bailiwick.errors import StoreError, UsageError

__all__ = ["MAX_LOGS", "MAX_REFUSED", "Refused", "Seen", "WitnessStore"]

STATE_FILE = "witness.db"
APPLICATION_ID = 0x42575754
FORMAT = 1
MAX_LOGS = 100_000
"""So many logs are remembered under one key. Its holder can name new ones at will; the disk is not theirs to fill."""
MAX_REFUSED = 16
"""So many refused checkpoints are kept of each log and kind, the first ones: one is proof enough."""

_TABLES = f"""
BEGIN IMMEDIATE;
CREATE TABLE trusted (
    name TEXT NOT NULL, vkey TEXT NOT NULL PRIMARY KEY, children INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE heads (
    origin TEXT NOT NULL PRIMARY KEY, parent TEXT NOT NULL, size INTEGER NOT NULL, root BLOB NOT NULL,
    note TEXT NOT NULL, at_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX heads_parent ON heads (parent);
CREATE TABLE refused (
    id INTEGER PRIMARY KEY, origin TEXT NOT NULL, status INTEGER NOT NULL, held TEXT NOT NULL, note TEXT NOT NULL,
    at_ms INTEGER NOT NULL, UNIQUE (origin, note)) STRICT;
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {FORMAT};
COMMIT;
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """The newest checkpoint that was cosigned of a log: the note with this witness's lines."""

    origin: str
    head: TreeHead
    note: str
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A checkpoint that a trusted key signed and that was not cosigned, beside `held`, the one cosigned before.

    CONFLICT: both are of one size, with different roots; together they prove that the log was forked. INCONSISTENT: it
    came without a proof that it goes on. That alone proves nothing, since anybody can submit a checkpoint that they
    saw with a proof that they made up; but the log must be able to show that tree too."""

    origin: str
    status: Answer
    held: str
    note: str
    at_ms: int

    @property
    def proves_fork(self) -> bool:
        return self.status is Answer.CONFLICT


class WitnessStore:
    """The file of one witness. Threads may share it; other processes may open it at the same time."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection
        self._lock = threading.Lock()

    @classmethod
    def create(cls, folder: Path) -> Self:
        """Make the file. Raises StoreError, UsageError where there is one already."""
        path = folder / STATE_FILE
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        except FileExistsError as error:
            raise UsageError(f"{path} is there already", hint="a witness that forgets has to be a new one") from error
        with _failures(path):
            connection = _connect(path)
            connection.executescript(_TABLES)
        return cls(connection)

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Raises UsageError if no witness was made there, StoreError if its file cannot be used."""
        path = folder / STATE_FILE
        if not path.exists():
            raise UsageError(f"there is no witness in {folder}", hint="make one: bailiwick witness init --name NAME")
        with _failures(path):
            connection = _connect(path)
            found = tuple(
                connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")
            )
            if found == (APPLICATION_ID, FORMAT):
                return cls(connection)
            connection.close()
        raise StoreError(f"{path} is not the file of a witness", hint="It may be another file, or of another version.")

    def close(self) -> None:
        with self._lock:
            self._db.close()

    # ── which logs ─────────────────────────────────────────────────────────────────────────────────────────────────

    def trust(self, log: TrustedLog) -> bool:
        """Take checkpoints that this key signed → whether that is new."""
        with self._writing() as db:
            held = db.execute("SELECT children FROM trusted WHERE vkey = ?", (log.key.vkey,)).fetchone()
            row = (log.key.name, log.key.vkey, int(log.children))
            db.execute("INSERT OR REPLACE INTO trusted VALUES (?, ?, ?)", row)
        return held is None or bool(held[0]) is not log.children

    def distrust(self, key: NoteKey) -> bool:
        """Take no more checkpoints of this key → whether it was trusted. What was seen stays remembered."""
        with self._writing() as db:
            return db.execute("DELETE FROM trusted WHERE vkey = ?", (key.vkey,)).rowcount > 0

    def trusted(self, origin: str | None = None) -> tuple[TrustedLog, ...]:
        """All keys; with an origin, those that may speak for it."""
        names = None if origin is None else (origin, origin.rpartition("/")[0])
        where, values = ("", ()) if names is None else ("WHERE name IN (?, ?)", names)
        query = f"SELECT vkey, children FROM trusted {where} ORDER BY name, vkey"  # noqa: S608  our own words
        with self._reading() as db:
            rows = db.execute(query, values).fetchall()
        return tuple(TrustedLog(key=NoteKey.parse(vkey), children=bool(children)) for vkey, children in rows)

    # ── how far they have come ─────────────────────────────────────────────────────────────────────────────────────

    def head(self, origin: str) -> TreeHead:
        """What was cosigned last of this log."""
        with self._reading() as db:
            return _head(db, origin)

    def advance(self, seen: Seen, held: TreeHead) -> bool:
        """Replace `held` by what is seen now. False, and nothing changed, if another head is held meanwhile. Durable
        when it returns. Raises StoreError, also if there are too many logs."""
        parent = seen.origin.rpartition("/")[0]
        with self._writing() as db:
            if _head(db, seen.origin) != held:
                return False
            if db.execute("SELECT 1 FROM heads WHERE origin = ?", (seen.origin,)).fetchone() is None:
                (logs,) = db.execute("SELECT count(*) FROM heads WHERE parent = ?", (parent,)).fetchone()
                if logs >= MAX_LOGS:
                    raise StoreError(
                        f"{MAX_LOGS} logs under {parent} are remembered already", hint="Use a new witness."
                    )
            row = (seen.origin, parent, seen.head.size, seen.head.root, seen.note, seen.at_ms)
            db.execute("INSERT OR REPLACE INTO heads VALUES (?, ?, ?, ?, ?, ?)", row)
        return True

    def seen(self) -> Iterator[Seen]:
        """Every log that was cosigned, by origin."""
        with self._reading() as db:
            rows = db.execute("SELECT origin, size, root, note, at_ms FROM heads ORDER BY origin").fetchall()
        for origin, size, root, note, at_ms in rows:
            yield Seen(origin=origin, head=TreeHead(size=size, root=root), note=note, at_ms=at_ms)

    # ── what speaks against them ───────────────────────────────────────────────────────────────────────────────────

    def refuse(self, origin: str, status: Answer, note: str, at_ms: int) -> None:
        """Keep a checkpoint that was refused."""
        with self._writing() as db:
            query = "SELECT count(*) FROM refused WHERE origin = ? AND status = ?"
            (kept,) = db.execute(query, (origin, int(status))).fetchone()
            held = db.execute("SELECT note FROM heads WHERE origin = ?", (origin,)).fetchone()
            if kept < MAX_REFUSED and held is not None:
                row = (origin, int(status), held[0], note, at_ms)
                db.execute(
                    "INSERT OR IGNORE INTO refused (origin, status, held, note, at_ms) VALUES (?, ?, ?, ?, ?)", row
                )

    def refused(self) -> tuple[Refused, ...]:
        """What was kept, oldest first."""
        with self._reading() as db:
            rows = db.execute("SELECT origin, status, held, note, at_ms FROM refused ORDER BY id").fetchall()
        return tuple(
            Refused(origin=origin, status=Answer(status), held=held, note=note, at_ms=at_ms)
            for origin, status, held, note, at_ms in rows
        )

    # ── the connection ─────────────────────────────────────────────────────────────────────────────────────────────

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._lock, _failures(STATE_FILE):
            yield self._db

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction that nobody else writes in. Durable at its end."""
        with self._lock, _failures(STATE_FILE):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            finally:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")


def _head(db: sqlite3.Connection, origin: str) -> TreeHead:
    row = db.execute("SELECT size, root FROM heads WHERE origin = ?", (origin,)).fetchone()
    return NOTHING_SEEN if row is None else TreeHead(size=row[0], root=row[1])


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")  # every commit is synced: what was cosigned is never forgotten
    return connection


@contextmanager
def _failures(what: Path | str) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise StoreError(f"the state of the witness ({what}) fails: {error}", hint="Is the disk full?") from error
