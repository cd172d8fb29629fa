"""The type `sql` sees what a text would do, or refuses it."""

from __future__ import annotations

import contextlib
import functools
import sqlite3
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bailiwick.action.types import Unparsable
from bailiwick.action.types.sql import MAX_BRACKETS, MAX_RETRIED, Analysis, analyse
from bailiwick.action.types.sql_allowed import DIALECTS
from bailiwick.action.types.sql_lexis import MAX_SQL, MAX_SQL_DEPTH
from bailiwick.model.decision import Reason
from tests.action.desk import cases, catalog_of, parsed

FAMILIES = tuple(f"sql/{path.name}" for path in sorted((Path(__file__).parent / "data" / "sql").glob("*.toml")))
CASES = [case for name in ("sql.toml", *FAMILIES) for case in cases(name)]


def ids(case: dict[str, Any]) -> str:
    return f"{case['dialect']}: {case['name']}"


@pytest.mark.parametrize("case", [case for case in CASES if "refused" not in case], ids=ids)
def test_the_parser_sees(case: dict[str, Any]) -> None:
    found = analyse(case["sql"], case["dialect"])
    assert isinstance(found, Analysis), found
    assert {item.effect.value for item in found.beyond} == set(case["takes"])
    assert found.read_only == (case["takes"] == ["read"])
    for key in ("verbs", "tables", "columns", "functions"):
        if key in case:
            assert set(getattr(found, key)) == set(case[key])
    for key in ("statements", "has_where", "limit"):
        assert getattr(found, key) == case.get(key, getattr(found, key)), key


@pytest.mark.parametrize("case", [case for case in CASES if "refused" in case], ids=ids)
def test_the_text_is_refused(case: dict[str, Any]) -> None:
    found = analyse(case["sql"], case["dialect"])
    assert isinstance(found, Unparsable), found
    assert case["refused"] in found.problem


@pytest.mark.parametrize("case", CASES, ids=ids)
def test_a_tool_that_says_read_only_ever_reads(case: dict[str, Any]) -> None:
    catalog = catalog_of(
        f"""
        [tools."db.query"]
        effects = ["read"]
        args.sql = {{ type = "sql", dialect = "{case["dialect"]}", role = "command" }}
        """
    )
    found = parsed("db.query", {"sql": case["sql"]}, catalog)
    assert isinstance(found, Reason) == (case.get("takes") != ["read"])
    if isinstance(found, Reason) and "takes" in case:
        assert found.code == "exceeds-effects"
        assert "the parser saw" in found.message


NESTS: list[tuple[str, Callable[[int], str]]] = [
    ("parentheses", lambda n: "SELECT " + "(" * n + "1" + ")" * n),
    ("subqueries", lambda n: "SELECT * FROM " + "(SELECT * FROM " * n + "t" + ") x" * n),
    ("calls", lambda n: "SELECT " + "lower(" * n + "a" + ")" * n),
    ("arrays", lambda n: "SELECT " + "a[" * n + "1" + "]" * n),
    ("not", lambda n: "SELECT " + "NOT " * n * 10 + "a"),
    ("minus", lambda n: "SELECT " + "- " * n * 10 + "1"),
    ("case", lambda n: "SELECT " + "CASE WHEN " * n * 4 + "a" + " THEN 1 END" * n * 4),
]


@pytest.mark.parametrize(("name", "text"), NESTS, ids=[name for name, _ in NESTS])
def test_deep_nesting_is_an_answer_not_a_crash(name: str, text: Callable[[int], str]) -> None:
    catalog = catalog_of(
        '[tools."db.query"]\neffects = ["read"]\nargs.sql = { type = "sql", dialect = "postgres", role = "command" }'
    )
    assert not isinstance(parsed("db.query", {"sql": text(4)}, catalog), Reason)
    found = parsed("db.query", {"sql": text(MAX_SQL_DEPTH * 2)}, catalog)
    assert isinstance(found, Reason)
    assert found.code == "unparsable-sql"


RETRIED: list[tuple[str, Callable[[int], str]]] = [
    ("array", lambda n: "SELECT " + "array[" * n + "1" + "]" * n),
    ("brackets of a type", lambda n: "SELECT " + "int[" * n + "1" + "]" * n),
    ("types", lambda n: "SELECT " + "int(" * n + "1" + ")" * n),
    ("types among calls", lambda n: "SELECT " + "varchar(abs(" * n + "1" + "))" * n),
]


@pytest.mark.parametrize(("name", "text"), RETRIED, ids=[name for name, _ in RETRIED])
def test_what_the_parser_tries_twice_is_nested_a_few_times_only(name: str, text: Callable[[int], str]) -> None:
    assert isinstance(analyse(text(2), "postgres"), Analysis)
    found = analyse(text(MAX_RETRIED + 1), "postgres")
    assert isinstance(found, Unparsable)
    assert "too deeply" in found.problem


HEAVY: list[tuple[str, Callable[[int], str]]] = [
    ("conditions", lambda n: "DELETE FROM t WHERE " + " OR ".join(["a = 1"] * n)),
    (
        "subqueries among conditions",
        lambda n: "DELETE FROM t WHERE " + " AND ".join(["a IN (SELECT b FROM s)"] * (n // 3)),
    ),
    (
        "expressions",
        lambda n: "WITH " + ",".join(f"c{i} AS (SELECT 1 FROM c{i}, c0, c0)" for i in range(n // 4)) + " SELECT 1",
    ),
    ("statements", lambda n: ";".join(["SELECT 1"] * n)),
    ("joins", lambda n: "SELECT 1 FROM t" + " JOIN t USING (a)" * (n // 2)),
    ("subscripts", lambda n: "SELECT a" + "[1].b" * (n // 4)),
    ("a long name", lambda n: "SELECT " + "a" * (n * 18)),
]


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(("name", "text"), HEAVY, ids=[name for name, _ in HEAVY])
def test_work_grows_with_the_text_and_not_faster(name: str, text: Callable[[int], str], dialect: str) -> None:
    """Counted in calls, not in seconds: eight times the text must not take much more than eight times the work."""
    small, large = (calls_of(functools.partial(analyse.__wrapped__, text(size), dialect)) for size in (110, 880))
    assert large < 16 * small


def calls_of(work: Callable[[], object]) -> int:
    count = 0

    def called(*_: object) -> None:
        nonlocal count
        count += 1

    sys.setprofile(called)
    try:
        with contextlib.suppress(RecursionError):
            work()
    finally:
        sys.setprofile(None)
    return count


def test_subscripts_are_few() -> None:
    assert isinstance(analyse("SELECT a" + "[1]" * (MAX_BRACKETS // 2), "postgres"), Analysis)
    found = analyse("SELECT a" + "[1]" * (MAX_BRACKETS + 1), "postgres")
    assert isinstance(found, Unparsable)
    assert str(MAX_BRACKETS) in found.problem


def test_many_calls_after_a_long_string_take_no_time() -> None:
    text = "SELECT '" + "a" * 15_000 + "'" + ", abs(1)" * 600
    began = time.process_time()
    found = analyse(text, "sqlite")
    assert time.process_time() - began < 5  # it takes some 30 ms; looking back over the text at each call took hours
    assert isinstance(found, Analysis)
    assert found.read_only


def test_a_text_that_is_too_long_is_not_parsed() -> None:
    found = analyse("SELECT '" + "x" * MAX_SQL + "'", "postgres")
    assert isinstance(found, Unparsable)
    assert str(MAX_SQL) in found.problem


WORDS = st.sampled_from(
    [
        *(
            "SELECT",
            "DROP TABLE",
            "DELETE FROM",
            "t",
            "WITH a AS",
            "(",
            ")",
            ";",
            "'",
            '"',
            "`",
            "--",
            "/*",
            "*/",
            "$$",
            "\\",
        ),
        *(
            "1",
            ",",
            "FROM",
            "WHERE",
            "INTO",
            "pg_sleep",
            "lower",
            "UNION",
            "=",
            "[",
            "]",
            "E'",
            "#",
            "{",
            "\u00a0",
            "\x00",
        ),
    ]
)


@settings(max_examples=150, deadline=None)
@given(words=st.lists(WORDS, max_size=14), dialect=st.sampled_from(DIALECTS))
def test_whatever_is_read_only_names_no_change(words: list[str], dialect: str) -> None:
    text = " ".join(words)
    found = analyse(text, dialect)
    if isinstance(found, Analysis) and found.read_only:
        assert set(found.verbs) <= {"select", "values"}
        assert "pg_sleep" not in found.functions


READS = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE})


def refused_by_sqlite(text: str) -> list[int]:
    """What else than reading SQLite itself is asked to do by `text`, as it compiles it."""
    connection = sqlite3.connect(":memory:")
    connection.executescript(
        "CREATE TABLE t (a, b, c, id, n); CREATE TABLE customers (id, name); CREATE TABLE s (a, id);"
    )
    asked: list[int] = []

    def authorize(code: int, *_: object) -> int:
        asked.append(code)
        return sqlite3.SQLITE_OK if code in READS else sqlite3.SQLITE_DENY

    connection.set_authorizer(authorize)
    with contextlib.suppress(sqlite3.Error, sqlite3.Warning):
        connection.executescript(text)
    connection.close()
    return [code for code in asked if code not in READS]


@pytest.mark.parametrize("case", CASES, ids=ids)
def test_sqlite_agrees_on_what_only_reads(case: dict[str, Any]) -> None:
    found = analyse(case["sql"], "sqlite")
    if isinstance(found, Analysis) and found.read_only:
        assert refused_by_sqlite(case["sql"]) == []


def tables_sqlite_reads(text: str) -> frozenset[str]:
    """The tables that SQLite reads for `text`, by its own word; nothing if it does not take the text."""
    connection = sqlite3.connect(":memory:")
    connection.executescript(
        "CREATE TABLE t (a, b, c, id, n); CREATE TABLE customers (id, name); CREATE TABLE s (a, id);"
    )
    read: set[str] = set()

    def authorize(code: int, table: str | None, *_: object) -> int:
        if code == sqlite3.SQLITE_READ and table:
            read.add(table.lower())
        return sqlite3.SQLITE_OK if code in READS else sqlite3.SQLITE_DENY

    connection.set_authorizer(authorize)
    try:
        connection.executescript(text)
    except (sqlite3.Error, sqlite3.Warning):
        return frozenset()
    finally:
        connection.close()
    return frozenset(read)


@pytest.mark.parametrize("case", CASES, ids=ids)
def test_sqlite_reads_no_table_that_the_facts_do_not_name(case: dict[str, Any]) -> None:
    found = analyse(case["sql"], "sqlite")
    if isinstance(found, Analysis) and found.read_only:
        assert tables_sqlite_reads(case["sql"]) <= set(found.tables)


def test_sqlite_is_asked_for_tables_at_all() -> None:
    assert tables_sqlite_reads("SELECT t.a FROM t, s WHERE t.id IN (SELECT id FROM customers)") == {
        "t",
        "s",
        "customers",
    }
    assert tables_sqlite_reads("SELECT a FROM t WHERE (a, id) IN s") == {"t", "s"}


def test_sqlite_is_asked_at_all() -> None:
    assert refused_by_sqlite("SELECT a FROM t") == []
    assert refused_by_sqlite("SELECT 1; DELETE FROM t") != []
    assert refused_by_sqlite("PRAGMA writable_schema = 1") != []


PIECES = st.sampled_from(
    [
        *(
            "SELECT a FROM t",
            "SELECT 1",
            "DELETE FROM t",
            "DROP TABLE t",
            "WITH x AS (SELECT 1)",
            "INSERT INTO t(a) VALUES(1)",
        ),
        *(
            "PRAGMA user_version",
            "ATTACH 'x' AS y",
            "UNION",
            ";",
            "'",
            "''",
            '"',
            "`",
            "--",
            "/*",
            "*/",
            "\n",
            "[",
            "]",
            "\\",
        ),
        *(
            "EXPLAIN",
            "VALUES (1)",
            "UPDATE t SET a = 1",
            "REPLACE INTO t(a) VALUES(1)",
            "(",
            ")",
            ",",
            "AS b",
            "VACUUM",
            "END",
        ),
    ]
)


@settings(max_examples=300, deadline=None)
@given(pieces=st.lists(PIECES, min_size=1, max_size=8))
def test_sqlite_agrees_on_whatever_is_put_together(pieces: list[str]) -> None:
    text = " ".join(pieces)
    found = analyse(text, "sqlite")
    if isinstance(found, Analysis) and found.read_only:
        assert refused_by_sqlite(text) == []
