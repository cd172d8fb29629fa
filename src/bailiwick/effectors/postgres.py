"""Reads a PostgreSQL database, and does nothing else: the effector for arguments of type `sql` with dialect postgres.

Needs the extra `postgres`. INVARIANT: the query runs alone, in a transaction that is read-only, cannot be made
otherwise and is always rolled back, by a role that may change nothing, with a search path on which no function,
operator or cast can stand in for a built-in one. Relations that the query names hold rows of their own: views and
foreign tables need the operator's word.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from bailiwick.effectors.rows import Limits, Rows, check_one_read, not_sql_of, within
from bailiwick.errors import DidNotRun, MissingExtra
from bailiwick.guard.effectors import Decided
from bailiwick.model.tool import ArgSpec

try:
    import psycopg
    from psycopg import sql
except ImportError as error:
    raise MissingExtra(feature="the PostgreSQL effector", extra="postgres") from error

__all__ = ["PostgresRead", "ReadOnlyPostgres"]

_POWERS = """
    SELECT format('it is %s', power)
      FROM pg_roles, LATERAL (VALUES
        (rolsuper, 'a superuser'), (rolcreaterole, 'allowed to make roles'), (rolcreatedb, 'allowed to make databases'),
        (rolreplication, 'allowed to replicate'), (rolbypassrls, 'above row security')) AS has(it, power)
     WHERE rolname = current_user AND it
    UNION ALL
    SELECT format('it is a member of %I', rolname) FROM pg_roles
     WHERE rolname <> current_user AND pg_has_role(oid, 'MEMBER')
       AND (rolsuper OR rolcreaterole OR rolname = ANY (ARRAY['pg_write_all_data', 'pg_execute_server_program',
            'pg_write_server_files', 'pg_read_server_files', 'pg_signal_backend', 'pg_database_owner']))
    UNION ALL
    SELECT format('it may change %s', oid::regclass) FROM pg_class
     WHERE relkind IN ('r', 'p', 'v', 'f', 'm') AND relnamespace <> pg_my_temp_schema()
       AND (pg_has_role(relowner, 'MEMBER')
            OR (has_table_privilege(oid, 'INSERT, UPDATE, DELETE, TRUNCATE') AND oid >= 16384)
            OR (has_any_column_privilege(oid, 'INSERT, UPDATE') AND oid >= 16384))
    UNION ALL
    SELECT format('it may make things in schema %I', nspname) FROM pg_namespace
     WHERE oid <> pg_my_temp_schema() AND has_schema_privilege(oid, 'CREATE')
    LIMIT 3
"""
_STAND_INS = """
    SELECT format('the function %%s', p.oid::regprocedure) FROM pg_proc p
     WHERE p.pronamespace IN (SELECT oid FROM pg_namespace WHERE nspname = ANY (%(path)s))
       AND p.prorettype <> 'trigger'::regtype AND NOT p.proname = ANY (%(vouched)s)
       AND has_function_privilege(p.oid, 'EXECUTE')
    UNION ALL
    SELECT format('the operator %%s', o.oid::regoperator) FROM pg_operator o JOIN pg_proc p ON p.oid = o.oprcode
     WHERE o.oprnamespace IN (SELECT oid FROM pg_namespace WHERE nspname = ANY (%(path)s))
       AND NOT p.proname = ANY (%(vouched)s) AND has_function_privilege(p.oid, 'EXECUTE')
    UNION ALL
    SELECT format('the cast by %%s', p.oid::regprocedure) FROM pg_cast c JOIN pg_proc p ON p.oid = c.castfunc
     WHERE c.oid >= 16384 AND NOT p.proname = ANY (%(vouched)s) AND has_function_privilege(p.oid, 'EXECUTE')
    LIMIT 3
"""
_HOLLOW = """
    WITH RECURSIVE named AS (
        SELECT oid FROM pg_class WHERE relname = ANY (%(names)s)
        UNION
        SELECT inhrelid FROM pg_inherits JOIN named ON inhparent = named.oid
    )
    SELECT format(CASE relkind WHEN 'f' THEN 'the foreign table %%s' ELSE 'the view %%s' END, pg_class.oid::regclass)
      FROM named JOIN pg_class USING (oid)
     WHERE relkind IN ('v', 'f') AND NOT relname = ANY (%(vouched)s)
       AND (has_table_privilege(oid, 'SELECT') OR has_any_column_privilege(oid, 'SELECT'))
    LIMIT 3
"""


class ReadOnlyPostgres:
    """Runs what was decided as the role of `address` (a libpq connection string, or a function that gives one).

    `schemas` is the search path after pg_catalog. `views` names views (and foreign tables), `functions` functions of
    those schemas, that the operator vouches for. A role that is a superuser, owns something, or may change or make
    anything is refused unless `any_role` is set: then the read-only transaction alone stands between it and a change.
    """

    def __init__(
        self,
        address: str | Callable[[], str],
        *,
        schemas: Sequence[str] = ("public",),
        views: Collection[str] = (),
        functions: Collection[str] = (),
        any_role: bool = False,
        limits: Limits | None = None,
    ) -> None:
        self._address = address
        self._bounds = _Bounds(
            schemas=tuple(schemas),
            views=tuple(views),
            functions=tuple(functions),
            any_role=any_role,
            limits=limits or Limits(),
        )

    def problem(self, spec: ArgSpec) -> str:
        return not_sql_of(spec, "postgres")

    def handle(self, decided: Decided) -> PostgresRead:
        return PostgresRead(decided=decided, address=self._address, bounds=self._bounds)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bounds:
    schemas: tuple[str, ...]
    views: tuple[str, ...]
    functions: tuple[str, ...]
    any_role: bool
    limits: Limits


@dataclass(slots=True, kw_only=True)
class PostgresRead:
    """One decided query. It is run once, when its rows are first asked for."""

    decided: Decided
    address: str | Callable[[], str] = field(repr=False)
    bounds: _Bounds
    _rows: Rows | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def rows(self) -> Rows:
        """What the query gives. Raises DidNotRun where more than was decided could happen, it takes too long, or the
        server does not take it; UsageError once the call is over."""
        self.decided.begin()
        with self._lock:
            if self._rows is None:
                self._rows = self._read()
            return self._rows

    def _read(self) -> Rows:
        text, tables, _ = check_one_read(self.decided)
        address = self.address() if callable(self.address) else self.address
        try:
            with closing(psycopg.connect(address, autocommit=True, client_encoding="utf8")) as connection:
                cursor = connection.cursor()
                self._fence(cursor)
                self._check(cursor, tables)
                # `stream` speaks the extended protocol, which takes one statement alone, row by row.
                rows, complete = within(self.bounds.limits, cursor.stream(text))
                columns = tuple(each.name for each in cursor.description or ())
                return Rows(columns=columns, rows=rows, complete=complete)
        except psycopg.Error as error:
            said = error.diag.message_primary or type(error).__name__
            raise DidNotRun(f"PostgreSQL says: {said}", hint="only plain reads of tables are run") from error

    def _fence(self, cursor: psycopg.Cursor[tuple[Any, ...]]) -> None:
        """A transaction that ends with the connection, never by a commit."""
        path = sql.SQL(", ").join(map(sql.Identifier, ("pg_catalog", *self.bounds.schemas, "pg_temp")))
        within_ms = round(self.bounds.limits.seconds * 1000)
        cursor.execute("BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        cursor.execute(sql.SQL("SET LOCAL search_path = {}").format(path))
        cursor.execute(sql.SQL("SET LOCAL statement_timeout = {}").format(sql.Literal(within_ms)))
        cursor.execute("SET LOCAL standard_conforming_strings = on")
        cursor.execute("SET LOCAL row_security = on")

    def _check(self, cursor: psycopg.Cursor[tuple[Any, ...]], tables: frozenset[str]) -> None:
        """Raises DidNotRun. INVARIANT: these are queries, so that from here on the transaction cannot be made one that
        writes."""
        bounds = self.bounds
        if not bounds.any_role:
            _refuse(
                cursor.execute(_POWERS),
                "the role of this connection could change things",
                "use a role that may only SELECT",
            )
        catalogued = self.decided.spec.options.get("functions", ())
        vouched = [*bounds.functions, *(str(name).rpartition(".")[2] for name in _texts(catalogued))]
        _refuse(
            cursor.execute(_STAND_INS, {"path": [*bounds.schemas], "vouched": vouched}),
            "something could be called without being named",
            "move it to a schema that is not searched, revoke EXECUTE, or vouch for it: functions=[...]",
        )
        names = {part for name in tables for part in _suffixes(name)}
        _refuse(
            cursor.execute(_HOLLOW, {"names": sorted(names), "vouched": [*bounds.views]}),
            "what the query names may do more than hold rows",
            "read the tables themselves, or vouch for it: views=[...]",
        )


def _texts(value: object) -> tuple[str, ...]:
    return value if isinstance(value, tuple) else ()


def _suffixes(name: str) -> list[str]:
    """Everything that may be the last part of a qualified name, also where a part holds a dot."""
    parts = name.split(".")
    return [".".join(parts[start:]) for start in range(len(parts))]


def _refuse(found: psycopg.Cursor[tuple[Any, ...]], why: str, hint: str) -> None:
    if rows := found.fetchall():
        raise DidNotRun(f"{why}: {'; '.join(str(row[0]) for row in rows)}", hint=hint)
