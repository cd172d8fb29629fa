"""The SQLite file behind the embedded state store: its tables, its version, its one connection, its errors.

One connection, used by one thread at a time. A forked child must open the file anew: SQLite's locks do not survive a
fork. DESIGN §5 *State and scale*.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

from bailiwick.errors import StoreError

__all__ = ["SCHEMA_VERSION", "StateFile", "damaged"]

SCHEMA_VERSION = 6

_SCHEMA = """
CREATE TABLE state_version (version INTEGER NOT NULL) STRICT;
CREATE TABLE approvals (
    tenant TEXT NOT NULL, env TEXT NOT NULL, id TEXT NOT NULL, session TEXT NOT NULL, digest TEXT NOT NULL,
    tool TEXT NOT NULL, chain TEXT NOT NULL, status TEXT NOT NULL, requested_ms INTEGER NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (tenant, env, id)
) STRICT;
CREATE INDEX approvals_by_digest ON approvals (tenant, env, digest);
CREATE INDEX approvals_by_session ON approvals (session);
CREATE INDEX approvals_by_chain ON approvals (tenant, env, tool, chain, status);
CREATE INDEX approvals_by_status ON approvals (tenant, env, status);
CREATE TABLE standing_grants (
    tenant TEXT NOT NULL, env TEXT NOT NULL, id TEXT NOT NULL, tool TEXT NOT NULL, chain TEXT NOT NULL,
    task TEXT NOT NULL, count INTEGER NOT NULL, used INTEGER NOT NULL, state TEXT NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (tenant, env, id)
) STRICT;
CREATE INDEX standing_grants_by_task ON standing_grants (tenant, env, tool, chain, task, state);
CREATE TABLE sessions (
    tenant TEXT NOT NULL, env TEXT NOT NULL, id TEXT NOT NULL, chain TEXT NOT NULL, task TEXT NOT NULL,
    purpose TEXT NOT NULL, created_ms INTEGER NOT NULL, version INTEGER NOT NULL,
    PRIMARY KEY (tenant, env, id)
) STRICT, WITHOUT ROWID;
CREATE TABLE session_tasks (
    session TEXT NOT NULL, task TEXT NOT NULL, started_ms INTEGER NOT NULL, change BLOB,
    PRIMARY KEY (session, task)
) STRICT, WITHOUT ROWID;
CREATE TABLE in_flight (
    permit_id TEXT NOT NULL PRIMARY KEY, effect_key TEXT NOT NULL, decision_event TEXT NOT NULL, log_id TEXT NOT NULL,
    tool TEXT NOT NULL, idempotency TEXT NOT NULL, begun_ms INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('running', 'unknown', 'ran', 'did_not_run'))
) STRICT;
CREATE INDEX in_flight_by_effect ON in_flight (effect_key);
CREATE TABLE standing (
    tenant TEXT NOT NULL, env TEXT NOT NULL, revision INTEGER NOT NULL,
    PRIMARY KEY (tenant, env)
) STRICT, WITHOUT ROWID;
CREATE TABLE suspensions (
    tenant TEXT NOT NULL, env TEXT NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL, by TEXT NOT NULL,
    at_ms INTEGER NOT NULL, reason TEXT NOT NULL, event TEXT NOT NULL,
    PRIMARY KEY (tenant, env, kind, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE nonces (
    tenant TEXT NOT NULL, env TEXT NOT NULL, nonce TEXT NOT NULL, expires_ms INTEGER NOT NULL,
    PRIMARY KEY (tenant, env, nonce)
) STRICT, WITHOUT ROWID;
CREATE INDEX nonces_by_end ON nonces (tenant, env, expires_ms);
CREATE TABLE nonces_forgotten (
    tenant TEXT NOT NULL, env TEXT NOT NULL, until_ms INTEGER NOT NULL,
    PRIMARY KEY (tenant, env)
) STRICT, WITHOUT ROWID;
CREATE TABLE revocations (
    tenant TEXT NOT NULL, env TEXT NOT NULL, id TEXT NOT NULL, at_ms INTEGER NOT NULL, event TEXT NOT NULL,
    PRIMARY KEY (tenant, env, id)
) STRICT, WITHOUT ROWID;
CREATE TABLE bundles (
    tenant TEXT NOT NULL, env TEXT NOT NULL, sequence INTEGER NOT NULL, digest TEXT NOT NULL, author TEXT NOT NULL,
    signers TEXT NOT NULL, by TEXT NOT NULL, at_ms INTEGER NOT NULL, mode TEXT NOT NULL, tests TEXT NOT NULL,
    note TEXT NOT NULL, event TEXT NOT NULL, log_id TEXT NOT NULL, pending INTEGER NOT NULL, data BLOB NOT NULL,
    PRIMARY KEY (tenant, env, sequence)
) STRICT;
CREATE TABLE passkeys (
    tenant TEXT NOT NULL, env TEXT NOT NULL, id TEXT NOT NULL, user TEXT NOT NULL, public_key BLOB NOT NULL,
    sign_count INTEGER NOT NULL, added_ms INTEGER NOT NULL, used_ms INTEGER NOT NULL, event TEXT NOT NULL,
    PRIMARY KEY (tenant, env, id)
) STRICT, WITHOUT ROWID;
CREATE TABLE invitations (
    tenant TEXT NOT NULL, env TEXT NOT NULL, code TEXT NOT NULL, user TEXT NOT NULL, expires_ms INTEGER NOT NULL,
    event TEXT NOT NULL,
    PRIMARY KEY (tenant, env, code)
) STRICT, WITHOUT ROWID;
CREATE TABLE console_sessions (
    tenant TEXT NOT NULL, env TEXT NOT NULL, id TEXT NOT NULL, user TEXT NOT NULL, method TEXT NOT NULL,
    proved_ms INTEGER NOT NULL, seen_ms INTEGER NOT NULL, ends_ms INTEGER NOT NULL, event TEXT NOT NULL,
    PRIMARY KEY (tenant, env, id)
) STRICT, WITHOUT ROWID;
CREATE TABLE challenges (
    tenant TEXT NOT NULL, env TEXT NOT NULL, id TEXT NOT NULL, purpose TEXT NOT NULL, holder TEXT NOT NULL,
    expires_ms INTEGER NOT NULL, payload BLOB NOT NULL,
    PRIMARY KEY (tenant, env, id)
) STRICT, WITHOUT ROWID;
CREATE TABLE budget_sequence (version INTEGER NOT NULL) STRICT;
INSERT INTO budget_sequence VALUES (0);
CREATE TABLE budget_counts (
    tenant TEXT NOT NULL, env TEXT NOT NULL, budget TEXT NOT NULL, terms TEXT NOT NULL, owner TEXT NOT NULL,
    version INTEGER NOT NULL, epoch INTEGER NOT NULL, latest_ms INTEGER NOT NULL, window_ms INTEGER, ends_ms INTEGER,
    used BLOB NOT NULL,
    PRIMARY KEY (tenant, env, budget, terms, owner)
) STRICT;
CREATE INDEX budget_counts_by_end ON budget_counts (ends_ms);
CREATE TABLE budget_holds (
    permit_id TEXT NOT NULL, decision_event TEXT NOT NULL, log_id TEXT NOT NULL,
    tenant TEXT NOT NULL, env TEXT NOT NULL, budget TEXT NOT NULL, terms TEXT NOT NULL, owner TEXT NOT NULL,
    epoch INTEGER NOT NULL, window_ms INTEGER, start_ms INTEGER NOT NULL, amount INTEGER NOT NULL,
    PRIMARY KEY (permit_id, budget, terms, owner)
) STRICT, WITHOUT ROWID;
CREATE TABLE outbox (
    id TEXT NOT NULL PRIMARY KEY, tenant TEXT NOT NULL, env TEXT NOT NULL, channel TEXT NOT NULL,
    approval TEXT NOT NULL, news TEXT NOT NULL, recipient TEXT NOT NULL, at_ms INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('queued', 'sent', 'given-up')), attempts INTEGER NOT NULL,
    due_ms INTEGER NOT NULL, lease TEXT NOT NULL, lease_ends_ms INTEGER NOT NULL, tried_ms INTEGER NOT NULL,
    failing_ms INTEGER, error TEXT NOT NULL
) STRICT;
CREATE INDEX outbox_by_channel ON outbox (tenant, env, channel, state, due_ms);
CREATE TABLE outbox_gone (
    tenant TEXT NOT NULL, env TEXT NOT NULL, channel TEXT NOT NULL, at_ms INTEGER NOT NULL,
    PRIMARY KEY (tenant, env, channel)
) STRICT, WITHOUT ROWID;
CREATE TABLE outbox_seen (
    tenant TEXT NOT NULL, env TEXT NOT NULL, until INTEGER NOT NULL,
    PRIMARY KEY (tenant, env)
) STRICT, WITHOUT ROWID;
CREATE TABLE outbox_watched (
    tenant TEXT NOT NULL, env TEXT NOT NULL, approval TEXT NOT NULL,
    PRIMARY KEY (tenant, env, approval)
) STRICT, WITHOUT ROWID;
CREATE TABLE written_stores (
    tenant TEXT NOT NULL, env TEXT NOT NULL, store TEXT NOT NULL, template TEXT NOT NULL,
    mark BLOB NOT NULL, unnamed BLOB, whole BLOB NOT NULL,
    objects INTEGER NOT NULL, entries INTEGER NOT NULL, unlisted INTEGER NOT NULL,
    PRIMARY KEY (tenant, env, store, template)
) STRICT, WITHOUT ROWID;
CREATE TABLE written_objects (
    tenant TEXT NOT NULL, env TEXT NOT NULL, store TEXT NOT NULL, template TEXT NOT NULL, object TEXT NOT NULL,
    label BLOB NOT NULL, event TEXT NOT NULL,
    PRIMARY KEY (tenant, env, store, template, object)
) STRICT, WITHOUT ROWID;
CREATE TABLE written_values (
    tenant TEXT NOT NULL, env TEXT NOT NULL, store TEXT NOT NULL, key TEXT NOT NULL,
    PRIMARY KEY (tenant, env, store, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE written_texts (
    tenant TEXT NOT NULL, env TEXT NOT NULL, key TEXT NOT NULL, label BLOB NOT NULL, event TEXT NOT NULL,
    PRIMARY KEY (tenant, env, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE ledger (
    session TEXT NOT NULL, ord INTEGER NOT NULL, kind TEXT NOT NULL, payload BLOB NOT NULL,
    PRIMARY KEY (session, ord)
) STRICT, WITHOUT ROWID;
"""

_HINTS = {
    sqlite3.SQLITE_BUSY: "another process holds the file; find it with fuser or lsof, or try again",
    sqlite3.SQLITE_LOCKED: "another process holds the file; find it with fuser or lsof, or try again",
    sqlite3.SQLITE_FULL: "the disk is full: make room; nothing was changed",
    sqlite3.SQLITE_CORRUPT: "the file is damaged: stop, keep a copy, and restore it from a backup",
    sqlite3.SQLITE_NOTADB: "the file is no SQLite database: move it away, or name another file",
    sqlite3.SQLITE_READONLY: "the file or its folder cannot be written to: check owner, permissions and mount",
    sqlite3.SQLITE_CANTOPEN: "the file cannot be opened: check that it is a file, its owner and its permissions",
    sqlite3.SQLITE_IOERR: "the disk failed to read or write: check the system's log",
}


class StateFile:
    """An open state file. `use` is the only way to its connection."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection: sqlite3.Connection | None = connection
        self._lock = threading.Lock()
        self._pid = os.getpid()
        self._file = _identity(path)

    @classmethod
    def open(cls, path: Path, *, busy_timeout_ms: int = 5000) -> Self:
        """See `SqliteState.open`."""
        if not path.parent.is_dir():
            raise StoreError(f"there is no folder for the state store {path}", hint=f"make the folder {path.parent}")
        connection: sqlite3.Connection | None = None
        try:
            if not path.exists():
                os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
            connection = sqlite3.connect(
                path, timeout=busy_timeout_ms / 1000, isolation_level=None, check_same_thread=False
            )
            _to_wal(path, connection, busy_timeout_ms)
            for pragma in ("synchronous=FULL", "fullfsync=1", "trusted_schema=OFF"):
                connection.execute(f"PRAGMA {pragma}")
            _to_schema(path, connection)
        except (sqlite3.Error, OSError, StoreError) as error:
            if connection is not None:
                connection.close()
            raise error if isinstance(error, StoreError) else _store_error(path, error) from error
        return cls(path, connection)

    def close(self) -> None:
        """Closes the file; does nothing the second time, and nothing in a forked child, whose connection it is not."""
        if os.getpid() != self._pid:
            return
        with self._lock:
            connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    @contextmanager
    def use(self, *, durable: bool = False, transaction: bool = False) -> Iterator[sqlite3.Connection]:
        """The connection, for this thread alone. `durable` fsyncs commits; `transaction` makes all statements one."""
        # Before the lock: in a forked child another thread may have left it locked for ever.
        if os.getpid() != self._pid:
            raise StoreError(
                f"the state store {self.path} was opened before this process was forked",
                hint="open it (and the Guard) after the fork, in each process",
            )
        with self._lock:
            connection = self._connection
            if connection is None:
                raise StoreError(f"the state store {self.path} is closed", hint="open it again")
            # SQLite goes on reading and writing a file that has lost its name, and nobody else ever sees it: an
            # approval that was used there could be used once more in the file that has the name now.
            if _identity(self.path) != self._file:
                raise StoreError(
                    f"the state store {self.path} was removed or replaced while it was in use",
                    hint="put the file back or restore it from a backup, then restart",
                )
            try:
                # INVARIANT: set by every use for itself, so that no failed use before can have left it too low.
                connection.execute("PRAGMA synchronous=FULL" if durable else "PRAGMA synchronous=NORMAL")
                if transaction:
                    connection.execute("BEGIN IMMEDIATE")
                yield connection
                if transaction:
                    connection.execute("COMMIT")
            except (sqlite3.Error, OverflowError, UnicodeEncodeError) as error:
                raise _store_error(self.path, error) from error
            finally:
                if connection.in_transaction:
                    with suppress(sqlite3.Error):
                        connection.execute("ROLLBACK")


def _identity(path: Path) -> tuple[int, int] | None:
    """Device and inode; None if there is no such file."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _to_wal(path: Path, connection: sqlite3.Connection, busy_timeout_ms: int) -> None:
    """Write-ahead logging, so that readers and the writer do not wait for each other. SQLite does not wait for its busy
    timeout when two processes switch a new file at the same moment, so we do."""
    deadline = time.monotonic() + busy_timeout_ms / 1000
    mode = ""
    while not mode:
        try:
            (mode,) = connection.execute("PRAGMA journal_mode=WAL").fetchone()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() >= deadline:
                raise
            time.sleep(0.002)
    if mode != "wal":
        raise StoreError(
            f"the state store {path} cannot use write-ahead logging",
            hint="put it on a local disk, not on a network share",
        )


def _to_schema(path: Path, connection: sqlite3.Connection) -> None:
    """Makes the tables in an empty file, and refuses a file that is not ours or newer than this version."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if not tables:
            for statement in _SCHEMA.split(";\n"):
                connection.execute(statement)
            connection.execute("INSERT INTO state_version VALUES (?)", (SCHEMA_VERSION,))
            connection.execute("COMMIT")
            return
        if "state_version" not in tables:
            raise StoreError(f"{path} is a database, but no state store of bailiwick", hint="name another file")
        versions = [version for (version,) in connection.execute("SELECT version FROM state_version")]
        if versions != [SCHEMA_VERSION]:
            raise StoreError(
                f"the state store {path} has version {', '.join(map(str, versions)) or 'none'};"
                f" this bailiwick reads version {SCHEMA_VERSION}",
                hint="install the version of bailiwick that wrote it, or a newer one",
            )
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def damaged(path: Path, what: str, why: str) -> StoreError:
    return StoreError(
        f"{what} in the state store {path} is damaged: {why}",
        hint="stop, keep a copy of the file, and find out who wrote to it",
    )


def _store_error(path: Path, error: Exception) -> StoreError:
    code = getattr(error, "sqlite_errorcode", None)
    hint = _HINTS.get(code & 0xFF, "") if isinstance(code, int) else ""
    return StoreError(f"the state store {path} failed: {error}", hint=hint or "see the message; nothing was changed")
