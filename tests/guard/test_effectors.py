"""Effectors in the guard: a tool is handed what was decided, once, while its call runs; the log says what it did."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from bailiwick import Denied, Guard, UsageError, effector, running_permit
from bailiwick.effectors.sqlite import ReadOnlySqlite
from bailiwick.guard.effectors import Decided
from bailiwick.guard.explaining.preview import Preview
from bailiwick.guard.explaining.whatif import explain_call
from bailiwick.guard.opening import OpenRequest
from bailiwick.model.call import Call
from bailiwick.model.event import EventKind
from bailiwick.model.tool import ArgSpec
from bailiwick.testing import mutate
from tests.testing.desk import planes_of, ran, read
from tests.worlds import AGENT, FILES, events, make_world

QUERY = {"sql": "SELECT name FROM customers WHERE id = 1"}
DEMANDING = (
    FILES["policies/desk.cedar"]
    + """
@id("enforced-queries")
@reason("Only a connection that enforces the query may run it.")
forbid (principal, action == Action::"db.query", resource)
unless { context.enforced.contains("sql") };
"""
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with closing(sqlite3.connect(tmp_path / "shop.db")) as connection:
        connection.executescript("CREATE TABLE customers (id, name); INSERT INTO customers VALUES (1, 'Ada')")
    return make_world(tmp_path, policies_desk_cedar=DEMANDING)


@pytest.fixture
def guard(folder: Path) -> Iterator[Guard]:
    with Guard.open(folder) as guard:
        yield guard


def names() -> list[tuple[Any, ...]]:
    return list(effector("sql").rows().rows)


def in_session(guard: Guard, work: Callable[..., Any], *, use_async: bool = False) -> Any:
    async def awork(**args: Any) -> Any:
        return work(**args)

    with guard.session(user="alice", agent=AGENT, task="Work") as session:
        if use_async:
            return asyncio.run(session.acall("db.query", QUERY, run=awork))
        return session.call("db.query", QUERY, run=work)


def ended(folder: Path) -> dict[str, Any]:
    ends = (EventKind.ACTION_COMPLETED, EventKind.ACTION_FAILED, EventKind.ACTION_CANCELLED)
    (event,) = [event for event in events(folder) if event.kind in ends]
    return {name: value for name, value in event.body.items() if name.startswith("enforced")}


@pytest.mark.parametrize("use_async", [False, True], ids=["sync", "async"])
def test_a_rule_may_demand_an_effector_and_the_log_says_that_it_was_used(
    folder: Path, guard: Guard, use_async: bool, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(Denied, match="enforces the query"):
        in_session(guard, lambda sql: names(), use_async=use_async)
    guard.enforce("db.query", sql=ReadOnlySqlite(folder / "shop.db"))
    assert in_session(guard, lambda sql: names(), use_async=use_async) == [("Ada",)]
    assert ended(folder) == {"enforced_used": ["sql"], "enforced_unused": []}
    assert not caplog.records


@pytest.mark.parametrize("use_async", [False, True], ids=["sync", "async"])
def test_a_tool_that_goes_another_way_is_told_of(
    folder: Path, guard: Guard, use_async: bool, caplog: pytest.LogCaptureFixture
) -> None:
    guard.enforce("db.query", sql=ReadOnlySqlite(folder / "shop.db"))

    def other_way(sql: str) -> str:
        effector("sql")  # taken, and nothing done with it
        return "made up"

    with caplog.at_level(logging.WARNING, logger="bailiwick"):
        in_session(guard, other_way, use_async=use_async)
    assert ended(folder) == {"enforced_used": [], "enforced_unused": ["sql"]}
    assert "db.query did not use the effector of sql" in caplog.text


def test_a_call_that_fails_says_what_it_used(folder: Path, guard: Guard) -> None:
    guard.enforce("db.query", sql=ReadOnlySqlite(folder / "shop.db"))

    def breaks(sql: str) -> str:
        names()
        raise ValueError("later")

    with pytest.raises(ValueError, match="later"):
        in_session(guard, breaks)
    assert ended(folder) == {"enforced_used": ["sql"], "enforced_unused": []}


def test_a_decorated_tool_is_handed_its_effector(folder: Path, guard: Guard) -> None:
    @guard.tool("db.query", effectors={"sql": ReadOnlySqlite(folder / "shop.db")})
    def query(sql: str) -> list[tuple[Any, ...]]:
        assert running_permit() is not None
        return names()

    with guard.session(user="alice", agent=AGENT, task="Work"):
        assert query(QUERY["sql"]) == [("Ada",)]
    with pytest.raises(UsageError, match="no governed call"):
        effector("sql")


def test_a_handle_dies_with_its_call(folder: Path, guard: Guard) -> None:
    guard.enforce("db.query", sql=ReadOnlySqlite(folder / "shop.db"))
    kept: list[Any] = []

    def keeps(sql: str) -> None:
        kept.extend((effector("sql"), effector("sql"), running_permit()))

    in_session(guard, keeps)
    first, second, permit = kept
    assert first is second
    with pytest.raises(UsageError, match="is over"):
        first.rows()
    with pytest.raises(UsageError, match="is over"):
        permit.handles.take("sql")


def test_a_permit_that_was_not_started_hands_out_nothing(folder: Path, guard: Guard) -> None:
    guard.enforce("db.query", sql=ReadOnlySqlite(folder / "shop.db"))
    with guard.session(user="alice", agent=AGENT, task="Work") as session:
        permit = session.enter("db.query", QUERY)
        with pytest.raises(UsageError):
            permit.handles.take("sql")
        session.start(permit)
        handle = permit.handles.take("sql")
        assert handle.rows().rows == (("Ada",),)
    with pytest.raises(UsageError, match="is over"):  # the session ended, and the run with it
        handle.rows()


class Telling:
    """An effector that shows what it was given."""

    def problem(self, spec: ArgSpec) -> str:
        return ""

    def handle(self, decided: Decided) -> Decided:
        return decided


def test_what_is_handed_out_is_what_was_digested(folder: Path, guard: Guard) -> None:
    guard.enforce("db.query", sql=Telling())
    given = dict(QUERY)

    def looks(sql: str) -> Decided:
        given["sql"] = "DELETE FROM customers"
        told: Decided = effector("sql")
        told.begin()
        return told

    with guard.session(user="alice", agent=AGENT, task="Work") as session:
        told = session.call("db.query", given, run=looks)
    assert told.value == QUERY["sql"]
    assert isinstance(told.facts.facts, dict)
    assert told.facts.facts["tables"] == ("customers",)


def test_only_what_can_keep_to_an_argument_is_bound_and_only_once(folder: Path, guard: Guard) -> None:
    good = ReadOnlySqlite(folder / "shop.db")
    with pytest.raises(UsageError, match="no argument 'query'"):
        guard.enforce("db.query", query=good)
    with pytest.raises(UsageError, match="of type string"):
        guard.enforce("page.read", id=good)
    for nothing in ("SELECT 1", ReadOnlySqlite):
        with pytest.raises(UsageError, match="is no effector"):
            guard.enforce("db.query", sql=nothing)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="no tool"):
        guard.enforce("db.none", sql=good)
    guard.enforce("db.query", sql=good)
    guard.enforce("db.query", sql=good)
    with pytest.raises(UsageError, match="has an effector already"):
        guard.enforce("db.query", sql=ReadOnlySqlite(folder / "shop.db"))


def test_an_argument_without_an_effector_has_no_handle(folder: Path, guard: Guard) -> None:
    with guard.session(user="alice", agent=AGENT, task="Work") as session:
        permit = session.enter("page.read", {"id": "1"})
        session.start(permit)
        with pytest.raises(UsageError):
            permit.handles.take("id")


def test_an_argument_that_is_not_given_is_not_enforced(tmp_path: Path) -> None:
    rule = FILES["policies/desk.cedar"] + (
        '@id("limited") forbid (principal, action == Action::"page.read", resource)\n'
        'unless { context.enforced.contains("limit") };'
    )
    with Guard.open(make_world(tmp_path, policies_desk_cedar=rule)) as guard:
        guard.enforce("page.read", limit=Telling())
        with guard.session(user="alice", agent=AGENT, task="Work") as session:
            assert session.check("page.read", {"id": "1", "limit": 3}).allowed
            assert not session.check("page.read", {"id": "1"}).allowed


# ── tests of rules that demand one ─────────────────────────────────────────────────────────────────────────────────

TESTS = """\
now = "2026-03-02T10:15:00Z"
[principals.alice]
user  = "alice"
agent = "desk-bot"
task  = "Some work"
[calls.query]
tool = "db.query"
args = { sql = "SELECT name FROM customers" }
[calls.page]
tool = "page.read"
args = { id = "1" }
[contexts.kept]
enforced = ["sql"]
[[matrix]]
name = "plain"
principals = ["alice"]
calls = ["query"]
[[matrix]]
name = "kept"
context = "kept"
principals = ["alice"]
calls = ["query", "page"]
expect = { alice = { query = "allow", page = "allow" } }
"""


def test_tests_of_rules_say_what_is_enforced(tmp_path: Path) -> None:
    planes = planes_of(tmp_path, policies_desk_cedar=DEMANDING)
    assert [each.passed for each in ran(planes, TESTS)] == [True, True, True]


FEW = (
    '@id("anybody") permit (principal, action in [Action::"db.query", Action::"page.read"], resource);\n'
    + DEMANDING[DEMANDING.index('@id("enforced-queries")') :]
)


def test_a_missing_test_of_what_is_enforced_is_proposed(tmp_path: Path) -> None:
    planes = planes_of(tmp_path, policies_desk_cedar=FEW)
    without = TESTS[: TESTS.index("[contexts.kept]")] + (
        '[[matrix]]\nname = "plain"\nprincipals = ["alice"]\ncalls = ["query", "page"]\n'
        'expect = { alice = { page = "allow" } }\n'
    )
    found = mutate(planes, (read(planes, without),), ran(planes, without))
    assert any('enforced = ["sql"]' in each.toml for each in found.missing)


# ── what would help ────────────────────────────────────────────────────────────────────────────────────────────────


def explained(folder: Path, rules: str, *, enforced: frozenset[str] = frozenset()) -> tuple[bool, list[str]]:
    """Whether the query is allowed, and what is said would permit it."""
    what = Preview(
        request=OpenRequest(user="alice", service=None, agent=AGENT, task="Work", conversation="c"),
        call=Call(tool="db.query", args=QUERY),
        enforced=enforced,
    )
    told = explain_call(planes_of(folder, policies_desk_cedar=rules), what, 1_772_000_000_000_000)
    return told.decision.allowed, [
        change.text for changes in (*told.found.alternatives, *told.found.others) for change in changes
    ]


def test_an_effector_is_what_would_help(tmp_path: Path) -> None:
    allowed, texts = explained(tmp_path, DEMANDING)
    assert (allowed, texts) == (False, ["if the program bound an effector to sql"])
    assert explained(tmp_path, DEMANDING, enforced=frozenset({"sql"})) == (True, [])


def test_nobody_is_told_to_take_an_effector_away_or_to_bind_one_to_nothing(tmp_path: Path) -> None:
    odd = DEMANDING.replace("unless { context.enforced", "when { context.enforced")
    assert explained(tmp_path, odd, enforced=frozenset({"sql"})) == (False, [])
    elsewhere = FILES["policies/desk.cedar"] + (
        '@id("both") forbid (principal, action == Action::"db.query", resource)\n'
        'unless { context.enforced.contains("sql") && context.args.sql.limit <= 10 };'
    )
    allowed, texts = explained(tmp_path, elsewhere)
    assert not allowed
    assert "if the program bound an effector to sql" in texts
    assert any("LIMIT 10" in text for text in texts)
