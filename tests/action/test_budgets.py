"""The arithmetic of budgets, against a reference that keeps every use with its time."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bailiwick.action.budget_amounts import budget_findings, charge, rows_in
from bailiwick.action.budgets import BUCKETS, NOTHING_USED, Tally, span_of
from bailiwick.action.types.sql_facts import NO_LIMIT
from bailiwick.model.budget import Budget, BudgetUnit, Per
from bailiwick.model.call import Action
from bailiwick.model.canonical import MAX_INT
from bailiwick.model.decision import Reason
from tests.action.desk import catalog_of, parsed

WINDOWS = st.sampled_from([1000, 1001, 59_999, 60_000, 3_600_000, 86_400_000])
STEPS = st.lists(st.tuples(st.floats(0, 0.7), st.integers(0, 5)), min_size=1, max_size=120)
START = 1_700_000_000_123


@dataclass
class Exact:
    """Every use with its time: what a sliding window really holds."""

    window_ms: int
    log: list[tuple[int, int]] = field(default_factory=list)

    def used(self, now_ms: int, window_ms: int | None = None) -> int:
        oldest = now_ms - (window_ms or self.window_ms)
        return sum(amount for at, amount in self.log if oldest < at <= now_ms)

    def most_in_any_window(self) -> int:
        return max((self.used(at) for at, _ in self.log), default=0)


@given(window=WINDOWS, limit=st.integers(1, 12), steps=STEPS)
def test_no_window_ever_holds_more_than_the_limit_and_all_is_free_again_in_the_end(
    window: int, limit: int, steps: list[tuple[float, int]]
) -> None:
    tally, exact, now = NOTHING_USED, Exact(window), START
    for part, amount in steps:
        now += int(part * window)
        counted = tally.used(window, now)
        assert exact.used(now) <= counted <= exact.used(now, window + span_of(window)), "more by one bucket at most"
        if counted + amount <= limit:
            tally = tally.added(window, now, amount)
            exact.log.append((now, amount))
        assert len(tally.buckets) <= BUCKETS + 2
    assert exact.most_in_any_window() <= limit
    assert tally.used(window, now + window + span_of(window)) == 0


@given(window=WINDOWS | st.none(), steps=st.lists(st.tuples(st.floats(-2, 0.7), st.integers(0, 5)), max_size=60))
def test_a_clock_that_steps_back_frees_nothing(window: int | None, steps: list[tuple[float, int]]) -> None:
    tally, now = NOTHING_USED, START
    for part, amount in steps:
        later = now + int(part * (window or 1000))
        if later < now:
            held = tally.used(window, now)
            tally = tally.added(window, now, 0)  # something is decided before the clock is set back
            assert tally.used(window, later) == held
        now = later
        before = tally.used(window, now)
        tally = tally.added(window, now, amount)
        assert tally.used(window, now) == before + amount


@given(window=WINDOWS, steps=STEPS, needed=st.integers(1, 20))
def test_when_enough_frees_is_told_to_the_millisecond(window: int, steps: list[tuple[float, int]], needed: int) -> None:
    tally, now = NOTHING_USED, START
    for part, amount in steps:
        now += int(part * window)
        tally = tally.added(window, now, amount)
    used = tally.used(window, now)
    frees = tally.frees_ms(window, now, needed)
    if needed > used:
        assert frees is None
    else:
        assert frees is not None
        assert now < frees <= now + window + span_of(window)
        assert tally.used(window, frees - 1) > used - needed >= tally.used(window, frees)
    assert tally.ends_ms(window) is not None
    assert tally.used(window, tally.ends_ms(window) or 0) == 0


@given(window=WINDOWS | st.none(), steps=STEPS)
def test_what_is_given_back_is_what_was_taken(window: int | None, steps: list[tuple[float, int]]) -> None:
    """…while it still counts, and never more: a bucket that has gone by is not made anew."""
    tally, now = NOTHING_USED, START
    for part, amount in steps:
        now += int(part * (window or 1000))
        tally = tally.added(window, now, amount)
    before = tally.used(window, now)
    for start, amount in tally.buckets:
        less = tally.returned(start, amount)
        assert less.used(window, now) >= before - amount
        assert less.returned(start, amount) == less
    assert tally.returned(-1, 100) == tally


def test_without_a_window_nothing_frees() -> None:
    tally = NOTHING_USED.added(None, START, 3).added(None, START + 10**12, 4)
    assert tally.used(None, START + 10**13) == 7
    assert tally.buckets == ((0, 7),)
    assert (tally.frees_ms(None, START, 1), tally.ends_ms(None)) == (None, None)


def test_a_count_that_a_person_sets_begins_a_new_epoch_and_a_new_time() -> None:
    ahead = NOTHING_USED.added(1000, START + 10**10, 3)
    assert ahead.used(1000, START) == 3, "the clock was far ahead, and was set back"
    again = ahead.set_to(1000, START, 1)
    assert (again.epoch, again.used(1000, START), again.latest_ms) == (1, 1, START)
    assert again.used(1000, START + 2000) == 0


@pytest.mark.parametrize(
    ("value", "rows"),
    [
        ([], 0),
        ([1, 2, 3], 3),
        (([1] * 1000, {"total": 1000}), 1000),
        (((1, "a"), (2, "b"), (3, "c")), 3),
        ({"data": {"page": 1, "items": [1, 2, 3]}, "more": [4]}, 4),
        ({"a": {"b": {"c": {}}}}, 1),
        ({"ids": {1, 2, 3}}, 3),
        ({"rows": iter([1, 2])}, None),
        ({"data": {"rows": iter([1, 2])}, "names": ["a"]}, None),
        ({"name": "Ann", "photo": b"x"}, 1),
        (b"a,b", None),
        (iter([1]), None),
        (({"id": 1},), 1),
        ({"id": 1}, 1),
        ({"rows": [1, 2], "more": [3]}, 3),
        ({"rows": []}, 0),
        (None, 0),
        ("a,b\n1,2\n", None),
        (object(), None),
    ],
)
def test_rows_of_a_result(value: object, rows: int | None) -> None:
    assert rows_in(value) == rows


def test_a_limit_that_is_none_bounds_nothing() -> None:
    """What a query without LIMIT is taken to give is what is expected."""
    assert NO_LIMIT == MAX_INT, "`charge` reads it as no bound"


def test_a_tally_is_as_large_after_a_year_as_after_a_day() -> None:
    tally: Tally = NOTHING_USED
    for minute in range(20_000):
        tally = tally.added(86_400_000, START + minute * 600_000, 1)
    assert len(tally.buckets) <= BUCKETS + 1


def test_a_record_that_holds_itself_is_counted_once() -> None:
    record: dict[str, object] = {"rows": [1, 2]}
    record["self"] = record
    assert rows_in(record) == 2


@given(window=WINDOWS | st.none(), amounts=st.lists(st.sampled_from([1, MAX_INT - 1, MAX_INT]), min_size=1))
def test_a_count_that_is_full_stays_so(window: int | None, amounts: list[int]) -> None:
    tally = NOTHING_USED
    for amount in amounts:
        tally = tally.added(window, START, amount)
    used = tally.used(window, START)
    assert used == min(sum(amounts), MAX_INT)
    ((start, held),) = tally.buckets
    if used == MAX_INT:
        assert tally.returned(start, held) == tally, "how much was beyond is not known"


BESIDE_AN_OBJECT = catalog_of("""
[tools."desk.refund"]
effects  = ["read", "write"]
change   = { count = 1 }
args.sum = { type = "money", currency = "EUR", role = "value" }
args.sql = { type = "sql", dialect = "postgres", role = "command" }

[tools."desk.refund".args.more]
type       = "object"
optional   = true
fields.sum = { type = "money", currency = "EUR", role = "value" }
fields.sql = { type = "sql", dialect = "postgres", role = "command" }
""")


def test_an_amount_in_an_object_is_not_overlooked_beside_one_outside() -> None:
    money = Budget(name="m", counts=BudgetUnit.MONEY, per=Per.USER, tools=frozenset({"desk.refund"}), currency="EUR")
    rows = Budget(name="r", counts=BudgetUnit.ROWS, per=Per.USER, tools=money.tools, expect=1_000)
    one: dict[str, object] = {"sum": "1.00", "sql": "SELECT id FROM t LIMIT 1"}
    two = {**one, "more": {"sum": "90000.00", "sql": "SELECT id FROM t"}}
    for args, counted in ((one, 1), (two, 1_000)):
        found = parsed("desk.refund", args, BESIDE_AN_OBJECT)
        assert isinstance(found, Action), found
        assert charge(rows, found) == counted
        assert isinstance(charge(money, found), Reason) == (args is two)
    assert [each.rule for each in budget_findings([money], BESIDE_AN_OBJECT)] == ["budget-without-amount"]
