"""Reads a SQLite database, and does nothing else: the effector for arguments of type `sql` with dialect sqlite.

INVARIANT: SQLite itself is asked for every table that it reads and every function that it calls, views and virtual
tables included, and goes on only if the decision named them (or the operator vouched for the view). The file is opened
read-only, nothing can be attached or loaded, and rows, bytes and time are limited.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Collection
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

from bailiwick.effectors.rows import Limits, Rows, check_one_read, not_sql_of, within
from bailiwick.errors import DidNotRun
from bailiwick.guard.effectors import Decided
from bailiwick.model.tool import ArgSpec

__all__ = ["ReadOnlySqlite", "SqliteRead"]

_OPERATORS = frozenset({"like", "glob", "match", "->", "->>", "current_date", "current_time", "current_timestamp"})
"""Operators that SQLite calls functions: none of them does more than compute."""
_SHADOWS = ("data", "idx", "content", "docsize", "config")
"""What FTS5 adds to the name of a full-text table for the tables that it keeps it in."""
_LONGEST_VALUE = 1_000_000
_NO_FILE = "make it first, or bind ReadOnlySqlite with the path of one that is there"
_STEPS = 1_000
"""Instructions of SQLite between two looks at the clock."""


class ReadOnlySqlite:
    """Runs what was decided on the database at `path`. `views` are those that the operator vouches for: what they read
    and call need not be named by the query."""

    def __init__(self, path: str | Path, *, views: Collection[str] = (), limits: Limits | None = None) -> None:
        self._path = Path(path).absolute()
        self._views = frozenset(name.lower() for name in views)
        self._limits = limits or Limits()

    def problem(self, spec: ArgSpec) -> str:
        return not_sql_of(spec, "sqlite")

    def handle(self, decided: Decided) -> SqliteRead:
        return SqliteRead(decided=decided, path=self._path, views=self._views, limits=self._limits)


@dataclass(slots=True, kw_only=True)
class SqliteRead:
    """One decided query. It is run once, when its rows are first asked for."""

    decided: Decided
    path: Path
    views: frozenset[str]
    limits: Limits
    _rows: Rows | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def rows(self) -> Rows:
        """What the query gives. Raises DidNotRun where SQLite would do more than was decided, takes too long, or does
        not take the query; UsageError once the call is over."""
        self.decided.begin()
        with self._lock:
            if self._rows is None:
                self._rows = self._read()
            return self._rows

    def _read(self) -> Rows:
        text, tables, functions = check_one_read(self.decided)
        judge = _Judge(tables=tables, functions=functions, views=self.views)
        try:
            with closing(self._opened(judge)) as connection:
                cursor = connection.execute(text)
                columns = tuple(each[0] for each in cursor.description or ())
                rows, complete = within(self.limits, cursor)
        except sqlite3.Error as error:
            if _is_missing(error, self.path):
                raise DidNotRun(f"there is no database {self.path}", hint=_NO_FILE) from error
            why = f"SQLite would {judge.refused}" if judge.refused else f"SQLite says: {error}"
            raise DidNotRun(why, hint="only what the query itself names is read") from error
        return Rows(columns=columns, rows=rows, complete=complete)

    def _opened(self, judge: _Judge) -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"{self.path.as_uri()}?mode=ro", uri=True, isolation_level=None, cached_statements=0
        )
        connection.execute("PRAGMA query_only = ON")
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST_VALUE)
        connection.execute("BEGIN")  # of the schema that is read here, the query sees the same
        found = connection.execute("SELECT lower(name), sql LIKE 'CREATE VIRTUAL TABLE%' FROM sqlite_master").fetchall()
        judge.stored = frozenset(str(name) for name, _ in found)
        judge.virtual = frozenset(str(name) for name, virtual in found if virtual)
        _wake(connection, judge.virtual)
        until = time.monotonic() + self.limits.seconds
        connection.set_progress_handler(lambda: time.monotonic() > until, _STEPS)
        connection.set_authorizer(judge)
        return connection


@dataclass(slots=True, kw_only=True)
class _Judge:
    """SQLite's authorizer: it is asked while a statement is compiled, and again by virtual tables while it runs."""

    tables: frozenset[str]
    functions: frozenset[str]
    views: frozenset[str]
    stored: frozenset[str] = frozenset()
    """Every table and view of the database, in lower case."""
    virtual: frozenset[str] = frozenset()
    refused: str = ""
    _through: set[str] = field(default_factory=set)

    def __call__(self, code: int, first: str | None, second: str | None, database: str | None, view: str | None) -> int:
        # Rows of which no column is read have no database where the text names none: they are those of a WITH, which
        # is asked for by itself, or of a table.
        if (
            code == sqlite3.SQLITE_READ
            and database is None
            and not second
            and self._is_of_a_with((first or "").lower())
        ):
            return sqlite3.SQLITE_OK
        if self._allowed(code, (first or "").lower(), (second or "").lower(), (view or "").lower()):
            return sqlite3.SQLITE_OK
        self.refused = self.refused or _said(code, first, second, view)
        return sqlite3.SQLITE_DENY

    def _allowed(self, code: int, first: str, second: str, view: str) -> bool:
        match code:
            case sqlite3.SQLITE_SELECT | sqlite3.SQLITE_RECURSIVE:
                return True
            case sqlite3.SQLITE_READ:
                if view in self.views:
                    self._through.add(first)
                # Rows of a view that are only counted are asked for as rows of its tables, without its name.
                return view in self.views or self._reads(first) or (not second and first in self._through)
            case sqlite3.SQLITE_FUNCTION:
                return view in self.views or second in self.functions or second in _OPERATORS
            case sqlite3.SQLITE_PRAGMA:
                return first == "data_version" and not second  # FTS5 looks whether its table changed
            case _:
                return False

    def _is_of_a_with(self, name: str) -> bool:
        return name not in self.stored and not name.startswith(("sqlite_", "pragma_"))

    def _reads(self, table: str) -> bool:
        if table in self.tables or table in self.functions:  # json_each(…) is a table to SQLite
            return True
        name, _, shadow = table.rpartition("_")
        return shadow in _SHADOWS and name in self.tables and name in self.virtual


def _wake(connection: sqlite3.Connection, virtual: Collection[str]) -> None:
    """A virtual table declares itself when it is first named, in a way that looks like a change of the schema."""
    for name in ("json_each", "json_tree", *(name.replace('"', '""') for name in sorted(virtual))):
        with suppress(sqlite3.Error):  # of a module that is not here: nobody can read it
            connection.execute(f'SELECT 1 FROM "{name}" LIMIT 0')  # noqa: S608 - quoted, from the schema


def _is_missing(error: sqlite3.Error, path: Path) -> bool:
    if getattr(error, "sqlite_errorname", "") != "SQLITE_CANTOPEN":
        return False
    try:
        return not path.is_file()
    except OSError:  # in a folder that may not be looked into
        return False


def _said(code: int, first: str | None, second: str | None, view: str | None) -> str:
    through = f" in {view!r}" if view else ""
    match code:
        case sqlite3.SQLITE_READ:
            return f"read the table {first!r}{through}, which the query does not name"
        case sqlite3.SQLITE_FUNCTION:
            return f"call the function {second!r}{through}, which the query does not name"
        case _:
            return f"do more than read{through} (action {code})"
