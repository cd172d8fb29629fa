"""The file of the keys of subjects (`subject_keys`): its tables, and how it is made and opened."""

from __future__ import annotations

import os
import sqlite3
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from bailiwick.errors import StoreError

__all__ = ["check", "connect", "make_file", "make_tables"]

_BUSY_MS = 5000

_SCHEMA = """
CREATE TABLE keys (
    id TEXT NOT NULL PRIMARY KEY, owner TEXT NOT NULL, subject TEXT NOT NULL, key BLOB, made_us INTEGER NOT NULL,
    erased_us INTEGER, finished INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX keys_of_subject ON keys (owner, subject) WHERE key IS NOT NULL;
CREATE INDEX keys_by_subject ON keys (owner, subject);
CREATE TABLE together (id TEXT NOT NULL, name BLOB NOT NULL, PRIMARY KEY (id, name)) STRICT, WITHOUT ROWID;
CREATE INDEX together_by_name ON together (name);
CREATE TABLE holds (
    id TEXT NOT NULL PRIMARY KEY, owner TEXT NOT NULL, subject TEXT NOT NULL, by TEXT NOT NULL, reason TEXT NOT NULL,
    at_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
PRAGMA application_id = 1112755531;
PRAGMA user_version = 2
"""
_MARKS = (1112755531, 2)


def make_file(path: Path) -> None:
    """An empty file, 0600 in a folder 0700, unless it is there. Raises OSError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
            _sync_folder(path.parent)


def connect(path: Path, mode: str) -> sqlite3.Connection:
    """A connection that overwrites what it deletes, and begins no transaction by itself. Raises sqlite3.Error."""
    uri = f"file:{quote(str(path.absolute()))}?mode={mode}"
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False, timeout=_BUSY_MS / 1000)
    for pragma in ("secure_delete=ON", "synchronous=EXTRA", "fullfsync=1", "trusted_schema=OFF", "temp_store=MEMORY"):
        connection.execute(f"PRAGMA {pragma}")
    return connection


def make_tables(path: Path, connection: sqlite3.Connection) -> None:
    """Its tables, unless they are there. Raises sqlite3.Error, StoreError: it is another file."""
    connection.execute("PRAGMA journal_mode=DELETE")
    connection.execute("BEGIN IMMEDIATE")
    try:
        if connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,):
            for statement in _SCHEMA.split(";\n"):
                connection.execute(statement)
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
    check(path, connection)


def check(path: Path, connection: sqlite3.Connection) -> None:
    """Raises StoreError: it is another file."""
    marks = tuple(connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version"))
    if marks != _MARKS:
        raise StoreError(f"{path} holds no keys of bailiwick, or of another version", hint="Name another state folder.")


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
