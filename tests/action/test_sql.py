"""The type `sql` sees what a text would do, or refuses it."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bailiwick.action.types import Unparsable
from bailiwick.action.types.sql import Analysis, analyse
from bailiwick.action.types.sql_lexis import MAX_SQL, MAX_SQL_DEPTH
from bailiwick.model.decision import Reason
from tests.action.desk import cases, catalog_of, parsed

CASES = cases("sql.toml")


def ids(case: dict[str, Any]) -> str:
    return str(case["name"])


@pytest.mark.parametrize("case", [case for case in CASES if "refused" not in case], ids=ids)
def test_the_parser_sees(case: dict[str, Any]) -> None:
    found = analyse(case["sql"], case["dialect"])
    assert isinstance(found, Analysis), found
    assert {item.effect.value for item in found.beyond} == set(case["takes"])
    assert found.read_only == (case["takes"] == ["read"])
    for key in ("verbs", "tables", "functions"):
        if key in case:
            assert set(getattr(found, key)) == set(case[key])
    assert found.statements == case.get("statements", found.statements)


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
@given(words=st.lists(WORDS, max_size=14), dialect=st.sampled_from(["postgres", "mysql", "sqlite"]))
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
