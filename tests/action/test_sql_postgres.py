"""What the type `sql` calls a plain read, asked of a real PostgreSQL: it writes nothing, and reads what its
facts name."""

from __future__ import annotations

import os
from typing import Any

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bailiwick.action.types.sql import Analysis, analyse
from tests.action.test_sql import CASES

SCHEMA = """
    CREATE TABLE t (a int, b text, id int); INSERT INTO t VALUES (1, 'x', 1), (2, 'y', 2);
    CREATE TABLE s (a int, id int); INSERT INTO s VALUES (1, 1);
    CREATE TABLE customers (id int, name text, region text, age int, "Mail" text);
    INSERT INTO customers VALUES (1, 'Ada', 'n');
    CREATE TABLE orders (id int, customer_id int, total int, day date);
    CREATE TABLE salaries (a int); CREATE TABLE notes (delete text); CREATE SCHEMA hr; CREATE TABLE hr.t (a int);
    CREATE SEQUENCE ids;
"""
_READ = """
    SELECT relname FROM pg_locks JOIN pg_class ON pg_class.oid = relation
     WHERE pid = pg_backend_pid() AND relkind IN ('r', 'p', 'v', 'm') AND pg_class.oid >= 16384
"""


class Server:
    """Runs texts as somebody who may do anything, and says what came of it."""

    def __init__(self, address: str) -> None:
        self.connection = psycopg.connect(address, autocommit=True)
        self.connection.execute(SCHEMA)
        self.connection.execute("SET statement_timeout = '2s'")

    def did(self, text: str) -> tuple[bool, frozenset[str]] | None:
        """Whether it wrote anything, and the tables that it opened; None if the server does not take it."""
        self.connection.execute("BEGIN")
        try:
            self.connection.execute(text)
            wrote = self.connection.execute("SELECT pg_current_xact_id_if_assigned() IS NOT NULL").fetchone()
            opened = self.connection.execute(_READ).fetchall()
        except psycopg.Error:
            return None
        finally:
            self.connection.execute("ROLLBACK")
        assert wrote is not None
        return bool(wrote[0]), frozenset(name for (name,) in opened)


@pytest.fixture
def server(postgres: str) -> Any:
    server = Server(postgres)
    yield server
    server.connection.close()


def agrees(server: Server, text: str) -> bool:
    """False if the server does not take the text. Fails where a plain read is none, or reads more than it says."""
    found = analyse(text, "postgres")
    if not isinstance(found, Analysis) or not found.read_only:
        return False
    did = server.did(text)
    if did is None:
        return False
    wrote, opened = did
    assert not wrote, text
    assert opened <= set(found.tables), text
    return True


def test_the_server_is_asked_at_all(server: Server) -> None:
    assert server.did("SELECT a FROM t JOIN hr.t AS u USING (a)") == (False, frozenset({"t"}))
    assert server.did("SELECT 1; DELETE FROM s") == (True, frozenset({"s"}))
    assert server.did("SELECT nextval('ids')") is not None
    assert server.did("SELECT nothing") is None


def test_cases_of_plain_reads_are_plain_reads_to_the_server(server: Server) -> None:
    taken = [case["name"] for case in CASES if agrees(server, case["sql"])]
    assert len(taken) > 20


PIECES = st.sampled_from(
    [
        *("SELECT", "a", "b", "*", "count(*)", "1"),
        *("'x'", ",", "FROM t", "FROM s", "FROM hr.t", "FROM customers"),
        *(
            "AS",
            "u",
            "JOIN s USING (id)",
            ", LATERAL (SELECT a FROM s) x",
            "WHERE a = 1",
            "WHERE EXISTS (SELECT 1 FROM s)",
        ),
        *(
            "WITH c AS (SELECT a FROM s)",
            "WITH d AS (DELETE FROM t RETURNING a)",
            "FROM c",
            "FROM d",
            "UNION",
            "UNION ALL",
        ),
        *("(", ")", ";", "VALUES (1)", "TABLE t", "INTO made"),
        *("FOR UPDATE", "FOR SHARE", "LIMIT 1", "OFFSET 1", "ORDER BY 1", "GROUP BY a"),
        *(
            "DELETE FROM t",
            "UPDATE t SET a = 2",
            "INSERT INTO s VALUES (1, 2)",
            "TRUNCATE s",
            "CREATE TABLE made AS",
            "EXPLAIN",
        ),
        *("EXPLAIN ANALYZE", "nextval('ids')", "setval('ids', 1)", "lower(b)", "E'x'", "U&'x'"),
        *("$$x$$", '"a"', '"t"', "::text", "[1]", "--"),
        *("/*", "*/", "ARRAY[1]", "CASE WHEN a = 1 THEN 2 END", "IS NOT NULL", "DO 'BEGIN END'"),
        *("COPY t TO STDOUT", "PREPARE p AS SELECT 1", "SET a = 1", "RETURNING *", "AND", "OR"),
        *("NOT", "IN (SELECT id FROM s)", "sum(a) OVER ()", "txid_current()", "pg_advisory_lock(1)", "lo_creat(1)"),
        *("ROW(1)", "t.a", "t", "x.a", "DISTINCT", "ON CONFLICT DO NOTHING"),
        *("VACUUM",),
    ]
)


@pytest.mark.soak
def test_whatever_is_put_together_is_a_plain_read_to_the_server_too(server: Server) -> None:
    taken = 0

    @settings(max_examples=20_000 if os.environ.get("BAILIWICK_SOAK") else 600, deadline=None)
    @given(
        head=st.sampled_from(["SELECT a FROM t", "SELECT", "WITH c AS (SELECT a FROM s) SELECT a", "TABLE t", ""]),
        pieces=st.lists(PIECES, max_size=5),
    )
    def check(head: str, pieces: list[str]) -> None:
        nonlocal taken
        taken += agrees(server, " ".join((head, *pieces)))

    check()
    assert taken > 5
