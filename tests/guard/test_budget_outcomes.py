"""Budgets once a call is over: what is given back, and how much it really was."""

from __future__ import annotations

import contextvars
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from bailiwick import BailiwickError, Denied, DidNotRun, Guard, Session
from bailiwick.errors import UsageError
from bailiwick.model.canonical import MAX_INT
from tests.guard.budget_world import IBAN, RULES, TOOLS, budget, code, failing, kept, session_of, used, world
from tests.worlds import Clock, with_ports

START = 1_700_000_000_000_000
HOUR_MS = 3_600_000


@pytest.fixture
def clock() -> Clock:
    return Clock(START)


def test_only_what_certainly_did_not_run_is_given_back(tmp_path: Path, clock: Clock) -> None:
    folder = world(tmp_path, budget(limit=100))
    with Guard.open(folder) as guard:
        with_ports(guard, clock=clock)
        with session_of(guard) as session:
            session.prompt("Please change item-4711.")  # so that an error text takes nothing away

            def after(run: Any) -> int:
                with suppress(BailiwickError, RuntimeError, KeyboardInterrupt):
                    session.call("put.safe", {"id": "item-4711"}, run=run)
                return used(guard).get("tenant", 0)

            assert after(failing(DidNotRun("nothing was changed"))) == 0
            assert after(failing(RuntimeError("it may have been"))) == 1
            assert after(failing(KeyboardInterrupt())) == 2
            permit = session.enter("put.safe", {"id": "item-4711"})
            session.start(permit)
            session.failed(permit, "no such item")
            assert used(guard) == {"tenant": 3}
            permit = session.enter("put.safe", {"id": "item-4711"})
            assert used(guard) == {"tenant": 4}
            clock.forward(ms=31_000)
            with pytest.raises(Denied, match="expired"):
                session.start(permit)
            assert used(guard) == {"tenant": 3}
            session.enter("put.safe", {"id": "item-4711"})
        assert used(guard) == {"tenant": 3}, "the session's end withdrew what nobody had started"
        assert guard.engine.ports.budgets.holds("acme", "test") == ()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Session]:
    tables = (
        budget("rows", counts="rows", expect=10, limit=25, tools=["list.items"]),
        budget("bytes", counts="bytes", expect=100, limit=10_000, tools=["list.items"]),
        budget("tokens", counts="tokens", expect=50, limit=1000, tools=["list.items"], per="user"),
        budget("spend", counts="money", currency="EUR", limit=10_000, effects=["pay"], tools=None),
    )
    with Guard.open(world(tmp_path, *tables, rules=RULES, tools=TOOLS)) as guard, session_of(guard) as session:
        session.prompt(f"Pay {IBAN} and look at item-1.")
        yield session


def test_the_outcome_says_how_many_rows_and_bytes_it_was(desk: Session) -> None:
    permit = desk.enter("list.items", {"id": "item-1"})
    assert (kept(desk, "rows"), kept(desk, "bytes")) == (10, 100)
    desk.start(permit)
    text = desk.leave(permit, [1, 2, 3]).text
    assert (kept(desk, "rows"), kept(desk, "bytes")) == (3, len(text))
    assert code(desk, "list.items", {"id": "item-1"}, list(range(22))) == "", "expected 10, and took 22"
    assert kept(desk, "rows") == 25
    assert code(desk, "list.items", {"id": "item-1"}) == "budget-exhausted"


def test_a_query_reserves_its_limit_and_else_what_is_expected(tmp_path: Path) -> None:
    folder = world(tmp_path, budget("rows", counts="rows", expect=10, limit=100, tools=["db.query"]))
    with Guard.open(folder) as guard, session_of(guard) as session:
        for query, reserved in (("SELECT a FROM t LIMIT 40", 40), ("SELECT a FROM t", 10)):
            permit = session.enter("db.query", {"sql": query})
            assert kept(session, "rows") == reserved
            session.start(permit)
            session.leave(permit, [])
            assert kept(session, "rows") == 0


def test_a_text_has_rows_that_nobody_counted(desk: Session) -> None:
    assert code(desk, "list.items", {"id": "item-1"}, "a\nb\nc") == ""
    assert kept(desk, "rows") == 10


def test_tokens_are_what_is_reported_in_a_call_and_outside(desk: Session) -> None:
    def run(**_: object) -> str:
        desk.report_usage(tokens=7)
        desk.report_usage(tokens=5)
        return "done"

    desk.call("list.items", {"id": "item-1"}, run=run)
    assert kept(desk, "tokens") == 12
    assert code(desk, "list.items", {"id": "item-1"}) == ""
    assert kept(desk, "tokens") == 62, "nobody reported any, so what was expected counts"
    desk.report_usage(tokens=940)
    assert kept(desk, "tokens") == 1002
    assert code(desk, "list.items", {"id": "item-1"}) == "budget-exhausted"
    for wrong in (-1, True, 1.5, "7"):
        with pytest.raises(UsageError, match="no number of tokens"):
            desk.report_usage(tokens=wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("amount", "expected"),
    [("60 EUR", ""), ("60.01 EUR", "budget-exhausted"), ("1 USD", "budget-currency"), ("100 JPY", "budget-currency")],
)
def test_money_is_counted_in_one_currency_and_never_converted(desk: Session, amount: str, expected: str) -> None:
    assert code(desk, "bank.pay", {"to": IBAN, "amount": "40 EUR"}) == ""
    assert kept(desk, "spend") == 4000
    assert code(desk, "bank.pay", {"to": IBAN, "amount": amount}) == expected


@pytest.mark.parametrize(
    "ends",
    [
        pytest.param(RuntimeError("broken"), id="failed"),
        pytest.param(KeyboardInterrupt(), id="cancelled"),
        pytest.param(None, id="returned"),
    ],
)
def test_what_a_call_used_beyond_expectation_counts_from_its_end(
    desk: Session, clock: Clock, ends: BaseException | None
) -> None:
    clock.us = desk._engine.ports.clock()
    with_ports(desk, clock=clock)

    def run(**_: object) -> str:
        clock.forward(ms=HOUR_MS + 60_000)  # what was reserved counts no longer by now
        desk.report_usage(tokens=900)
        if ends is not None:
            raise ends
        return "done"

    with suppress(RuntimeError, KeyboardInterrupt):
        desk.call("list.items", {"id": "item-1"}, run=run)
    assert kept(desk, "tokens") == 850
    clock.forward(ms=HOUR_MS - 60_000)
    assert kept(desk, "tokens") == 850


def test_tokens_that_no_running_call_is_settled_for_count_at_once(desk: Session) -> None:
    def uncounted(**_: object) -> str:
        desk.report_usage(tokens=3)
        return "done"

    desk.call("put.safe", {"id": "item-1"}, run=uncounted)
    assert kept(desk, "tokens") == 3, "the budget does not count this tool, so nothing would settle them"

    def handing_on(**_: object) -> str:
        with desk.delegate("helper") as helper:
            helper.report_usage(tokens=4)
        return "done"

    desk.call("put.safe", {"id": "item-1"}, run=handing_on)
    assert kept(desk, "tokens") == 7
    desk.call("list.items", {"id": "item-1"}, run=handing_on)
    assert kept(desk, "tokens") == 7 + 4 + 50, "what the other agent said, and what is expected of the call itself"


def test_a_report_that_comes_after_its_call_is_over_counts_at_once(desk: Session) -> None:
    late: list[Any] = []

    def run(**_: object) -> str:
        here = contextvars.copy_context()
        late.append(lambda: here.run(desk.report_usage, tokens=9))
        return "done"

    desk.call("list.items", {"id": "item-1"}, run=run)
    late[0]()
    assert kept(desk, "tokens") == 50 + 9


def test_more_than_a_number_can_say_is_the_largest_and_keeps_counting(desk: Session) -> None:
    def run(**_: object) -> str:
        for _each in range(2):
            desk.report_usage(tokens=MAX_INT)
        for more in (MAX_INT + 1, 2**63, 2**70):
            with pytest.raises(UsageError, match="no number of tokens"):
                desk.report_usage(tokens=more)
        return "done"

    assert desk.call("list.items", {"id": "item-1"}, run=run) == "done"
    desk.report_usage(tokens=MAX_INT)
    assert kept(desk, "tokens") == MAX_INT
    assert code(desk, "list.items", {"id": "item-1"}) == "budget-exhausted"
