"""The SQLite effector reads what was decided, whatever the database has in store."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from bailiwick.effectors.rows import Limits
from bailiwick.effectors.sqlite import ReadOnlySqlite
from bailiwick.errors import DidNotRun, UsageError
from bailiwick.model.tool import ArgSpec
from tests.effectors.deciding import decided_sql

SCHEMA = """
    CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT, doc TEXT);
    INSERT INTO customers VALUES (1, 'Ada', '{"a": [1, 2]}'), (2, 'Grace', NULL), (3, 'Edsger', NULL);
    CREATE TABLE salaries (id INTEGER, amount INTEGER);
    INSERT INTO salaries VALUES (1, 100);
    CREATE VIEW paid AS SELECT name, amount FROM customers JOIN salaries USING (id);
    CREATE VIEW loud AS SELECT upper(name) AS name FROM customers;
    CREATE VIEW prying AS SELECT name FROM customers WHERE load_extension('evil') IS NULL;
    CREATE VIEW counting AS SELECT 'paid' AS name FROM salaries;
    CREATE TABLE posing_data (secret TEXT);
    INSERT INTO posing_data VALUES ('told');
    CREATE VIEW posing AS SELECT secret FROM posing_data;
    CREATE VIRTUAL TABLE kb USING fts5(text);
    INSERT INTO kb VALUES ('how to refund an order'), ('where to send it');
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "shop with space?.db"
    with closing(sqlite3.connect(found)) as connection:
        connection.executescript(SCHEMA)
    return found


def rows(path: Path, text: str, **settings: object) -> list[tuple[object, ...]]:
    return list(ReadOnlySqlite(path, **settings).handle(decided_sql(text, "sqlite")).rows().rows)  # type: ignore[arg-type]


def test_a_database_that_is_not_there_is_named_and_may_come_later(path: Path, tmp_path: Path) -> None:
    later = tmp_path / "later.db"
    effector = ReadOnlySqlite(later)
    query = "SELECT count(*) FROM customers"
    with pytest.raises(DidNotRun, match="there is no database") as refused:
        effector.handle(decided_sql(query, "sqlite")).rows()
    assert str(later) in str(refused.value)
    assert "make it first" in refused.value.hint
    path.rename(later)
    assert list(effector.handle(decided_sql(query, "sqlite")).rows().rows) == [(3,)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT name FROM customers WHERE id = 1", [("Ada",)]),
        ("SELECT count(*) FROM customers", [(3,)]),
        (
            "SELECT c.name FROM Customers AS c WHERE c.name LIKE 'A%' OR name GLOB 'Gr*' ORDER BY 1",
            [("Ada",), ("Grace",)],
        ),
        ("WITH few AS (SELECT id FROM customers LIMIT 2) SELECT count(*) FROM few", [(2,)]),
        ("SELECT value FROM customers, json_each(doc, '$.a')", [(1,), (2,)]),
        ("SELECT doc ->> '$.a[1]' FROM customers WHERE id = 1", [(2,)]),
        ("SELECT text FROM kb WHERE kb MATCH 'refund' ORDER BY bm25(kb)", [("how to refund an order",)]),
        ("VALUES (1, 'a')", [(1, "a")]),
        ("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3) SELECT max(i) FROM n", [(3,)]),
    ],
)
def test_plain_reads_are_answered(path: Path, text: str, expected: list[tuple[object, ...]]) -> None:
    assert rows(path, text) == expected


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("SELECT * FROM paid", "'customers' in 'paid'"),
        ("SELECT name FROM loud", "'upper' in 'loud'"),
        ("SELECT name FROM counting", "the table 'salaries'"),
        ("SELECT secret FROM posing", "'posing_data' in 'posing'"),
        ("DELETE FROM customers", "read-only"),
        ("SELECT 1; SELECT 2", "one plain read"),
        ("PRAGMA writable_schema = 1", "read-only"),
        ("ATTACH 'other.db' AS other", "read-only"),
        ("SELECT load_extension('evil')", "read-only"),
        ("SELECT shoe FROM customers", "no such column"),
    ],
)
def test_what_the_query_does_not_name_is_not_done(path: Path, text: str, why: str) -> None:
    with pytest.raises(DidNotRun, match=why):
        rows(path, text)


def test_a_view_may_read_where_the_operator_vouches_for_it(path: Path) -> None:
    assert rows(path, "SELECT amount FROM paid", views=["paid"]) == [(100,)]
    assert rows(path, "SELECT count(*) FROM paid", views=["paid"]) == [(1,)]
    assert rows(path, "SELECT name FROM loud ORDER BY 1 LIMIT 1", views=["loud"]) == [("ADA",)]


def test_a_view_that_was_vouched_for_loads_no_extension(path: Path) -> None:
    with pytest.raises(DidNotRun, match="SQLite says"):
        rows(path, "SELECT name FROM prying", views=["prying"])


@pytest.mark.parametrize(
    "text",
    [
        "DELETE FROM customers",
        "INSERT INTO customers (name) VALUES ('x')",
        "ATTACH 'made.db' AS other",
        "PRAGMA user_version = 7",
        "SELECT name FROM customers; DELETE FROM customers",
        "CREATE TEMP TABLE t (a)",
        "SELECT amount FROM salaries",
        "SELECT 1 FROM salaries",
        "SELECT 1 FROM main.salaries",
        "SELECT name FROM customers, salaries",
        "SELECT name FROM customers WHERE EXISTS (SELECT 1 FROM salaries)",
        "SELECT load_extension('evil')",
        "SELECT upper(name) FROM customers",
    ],
)
def test_facts_that_lie_change_nothing(path: Path, text: str) -> None:
    """Were the parser wrong about a text, SQLite itself still would not do it."""
    told = decided_sql("SELECT name FROM customers", "sqlite")
    lying = type(told)(spec=told.spec, value=text, facts=told.facts, found={})
    with pytest.raises(DidNotRun):
        ReadOnlySqlite(path).handle(lying).rows()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM customers").fetchone() == (3,)
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_rows_bytes_and_seconds_are_limited(path: Path) -> None:
    text = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n"
    few = ReadOnlySqlite(path, limits=Limits(rows=5)).handle(decided_sql(text, "sqlite")).rows()
    assert (few.rows, few.complete) == (((1,), (2,), (3,), (4,), (5,)), False)
    small = ReadOnlySqlite(path, limits=Limits(bytes=7)).handle(decided_sql("SELECT name FROM customers", "sqlite"))
    assert (small.rows().dicts(), small.rows().complete) == ([{"name": "Ada"}], False)
    counted = text.removesuffix("i FROM n") + "count(*) FROM n"
    endless = ReadOnlySqlite(path, limits=Limits(seconds=0.05)).handle(decided_sql(counted, "sqlite"))
    with pytest.raises(DidNotRun, match="interrupted"):
        endless.rows()


def test_a_query_is_run_once(path: Path) -> None:
    handle = ReadOnlySqlite(path).handle(decided_sql("SELECT count(*) FROM customers", "sqlite"))
    assert handle.rows().rows == ((3,),)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DELETE FROM customers")
        connection.commit()
    assert handle.rows().rows == ((3,),)


def test_a_database_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(DidNotRun, match="there is no database"):
        rows(tmp_path / "none.db", "SELECT 1")
    assert not list(tmp_path.iterdir())


def test_nothing_is_read_when_the_call_is_over(path: Path) -> None:
    def over() -> None:
        raise UsageError("the call is over")

    with pytest.raises(UsageError, match="over"):
        ReadOnlySqlite(path).handle(decided_sql("SELECT 1", "sqlite", begin=over)).rows()


def test_it_keeps_to_sqlite_alone(path: Path) -> None:
    specs: list[tuple[ArgSpec, Callable[[str], bool]]] = [
        (decided_sql("SELECT 1", "sqlite").spec, lambda said: said == ""),
        (decided_sql("SELECT 1", "postgres").spec, lambda said: "postgres" in said),
    ]
    for spec, expected in specs:
        assert expected(ReadOnlySqlite(path).problem(spec))
