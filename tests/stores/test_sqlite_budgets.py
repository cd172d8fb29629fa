"""Counts of budgets as the store keeps them: all or none, only what was read, and no more work after a long history."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bailiwick.action.budgets import NOTHING_USED, Account, Draw, Hold
from bailiwick.errors import StoreError
from bailiwick.model.budget import Budget, BudgetUnit, Per
from bailiwick.stores.sqlite_budgets import SqliteBudgets
from bailiwick.stores.sqlite_state_file import StateFile

AT = ("acme", "prod")
HOUR = 3_600_000
NOW = 1_700_000_000_000
BUDGET = Budget(name="mails", counts=BudgetUnit.CALLS, per=Per.USER, window_ms=HOUR)


def account(owner: str = "User::alice", *, window_ms: int | None = HOUR) -> Account:
    return Account(budget="mails", terms=BUDGET.terms, owner=owner, window_ms=window_ms)


ALICE, BOB = account(), account("User::bob")


def hold(number: int) -> Hold:
    return Hold(permit_id=f"prm-{number}", decision_event=f"evt-{number}", log_id="log-1")


@pytest.fixture
def file(tmp_path: Path) -> Iterator[StateFile]:
    file = StateFile.open(tmp_path / "state.db")
    yield file
    file.close()


class Desk:
    """A store, and what decisions read of it."""

    def __init__(self, file: StateFile) -> None:
        self.store = SqliteBudgets(file)
        self.number = 0

    def draws(self, *accounts: Account, amount: int = 1, counted: bool = True) -> tuple[Draw, ...]:
        tallies = self.store.read(*AT, accounts)
        return tuple(
            Draw(budget=BUDGET, account=each, amount=amount, counted=counted, tally=tally)
            for each, tally in zip(accounts, tallies, strict=True)
        )

    def reserve(self, *draws: Draw, now_ms: int = NOW) -> bool:
        self.number += 1
        return self.store.reserve(*AT, hold(self.number), draws, now_ms=now_ms, durable=False)

    def used(self, of: Account = ALICE, now_ms: int = NOW) -> int:
        (tally,) = self.store.read(*AT, [of])
        return tally.used(of.window_ms, now_ms)


@pytest.fixture
def desk(file: StateFile) -> Desk:
    return Desk(file)


def test_of_two_who_read_the_same_count_one_reserves(desk: Desk) -> None:
    first, second = desk.draws(ALICE), desk.draws(ALICE)
    assert desk.reserve(*first)
    assert not desk.reserve(*second)
    assert desk.reserve(*desk.draws(ALICE))
    assert desk.used() == 2


def test_several_counts_are_reserved_all_or_none(desk: Desk) -> None:
    stale = desk.draws(ALICE, BOB)
    assert desk.reserve(*desk.draws(BOB))
    assert not desk.reserve(*stale)
    assert (desk.used(ALICE), desk.used(BOB)) == (0, 1)
    assert [each.permit_id for each in desk.store.holds(*AT)] == ["prm-1"]


def test_a_count_that_is_only_read_must_not_have_changed_either(desk: Desk) -> None:
    mine, read = desk.draws(ALICE), desk.draws(BOB, counted=False)
    assert desk.reserve(*desk.draws(BOB))
    assert not desk.reserve(*mine, *read)
    assert desk.reserve(*desk.draws(ALICE), *desk.draws(BOB, counted=False))
    assert (desk.used(ALICE), desk.used(BOB)) == (1, 1)


@pytest.mark.parametrize(("really", "left"), [({}, 10), ({"mails": 3}, 3), ({"mails": 25}, 25), ({"mails": 0}, 0)])
def test_what_was_really_used_is_settled_once(desk: Desk, really: dict[str, int], left: int) -> None:
    assert desk.reserve(*desk.draws(ALICE, amount=10))
    for _ in range(2):
        desk.store.settle("prm-1", really, now_ms=NOW)
        assert desk.used() == left
    desk.store.release("prm-1")
    assert desk.used() == left
    assert desk.store.holds(*AT) == ()


def test_more_than_was_reserved_counts_even_where_the_reservation_is_gone(desk: Desk) -> None:
    assert desk.reserve(*desk.draws(ALICE, amount=1))
    much_later = NOW + 3 * HOUR
    assert desk.reserve(*desk.draws(BOB), now_ms=much_later), "deletes what counts no longer"
    desk.store.settle("prm-1", {"mails": 7}, now_ms=much_later)
    assert desk.used(now_ms=much_later) == 6


def test_what_is_released_does_not_count(desk: Desk) -> None:
    assert desk.reserve(*desk.draws(ALICE, BOB, amount=4))
    desk.store.release("prm-1")
    assert (desk.used(ALICE), desk.used(BOB)) == (0, 0)


def test_a_release_takes_nothing_from_a_count_that_a_person_has_set(desk: Desk) -> None:
    assert desk.reserve(*desk.draws(ALICE, amount=4))
    (tally,) = desk.store.read(*AT, [ALICE])
    assert desk.store.set_to(*AT, ALICE, tally, amount=0, now_ms=NOW)
    assert desk.reserve(*desk.draws(ALICE, amount=3))
    desk.store.release("prm-1")
    desk.store.settle("prm-1", {"mails": 0}, now_ms=NOW)
    assert desk.used() == 3


def test_a_count_is_set_only_as_it_was_seen(desk: Desk) -> None:
    (tally,) = desk.store.read(*AT, [ALICE])
    assert desk.reserve(*desk.draws(ALICE))
    assert not desk.store.set_to(*AT, ALICE, tally, amount=0, now_ms=NOW)
    assert desk.used() == 1


def test_no_version_comes_back_when_a_count_was_deleted_and_made_again(desk: Desk) -> None:
    assert desk.reserve(*desk.draws(ALICE))
    old = desk.draws(ALICE)
    later = NOW + 3 * HOUR
    assert desk.reserve(*desk.draws(BOB), now_ms=later)
    assert desk.store.read(*AT, [ALICE]) == (NOTHING_USED,)
    assert desk.reserve(*desk.draws(ALICE), now_ms=later)
    assert not desk.reserve(*old, now_ms=later)


def test_tenants_and_environments_have_counts_of_their_own(desk: Desk) -> None:
    assert desk.reserve(*desk.draws(ALICE))
    for other in (("acme", "test"), ("other", "prod")):
        assert desk.store.read(*other, [ALICE]) == (NOTHING_USED,)
        assert desk.store.holds(*other) == ()
        assert desk.store.tallies(*other, "mails") == ()


def test_a_count_without_a_window_is_kept(desk: Desk) -> None:
    forever = account(window_ms=None)
    assert desk.reserve(*desk.draws(forever))
    assert desk.reserve(*desk.draws(BOB), now_ms=NOW + 1000 * HOUR)
    assert desk.used(forever, NOW + 10_000 * HOUR) == 1


def work(file: StateFile, desk: Desk) -> int:
    """How many steps SQLite takes to read and to reserve."""
    steps = 0

    def step() -> int:
        nonlocal steps
        steps += 1
        return 0

    with file.use() as connection:
        connection.set_progress_handler(step, 1)
    assert desk.reserve(*desk.draws(ALICE, BOB), now_ms=NOW + 10**9)
    with file.use() as connection:
        connection.set_progress_handler(None, 1)
    return steps


def test_a_decision_costs_the_same_after_a_long_history(file: StateFile, desk: Desk) -> None:
    first = work(file, desk)
    for number in range(600):
        who = account(f"User::u{number}")
        assert desk.reserve(*desk.draws(ALICE, who), now_ms=NOW + 10**9 + number * 60_000)
        desk.store.settle(f"prm-{desk.number}", {}, now_ms=NOW + 10**9)
    assert work(file, desk) <= first * 1.2 + 40
    with file.use() as connection:
        (rows,) = connection.execute("SELECT count(*) FROM budget_counts").fetchone()
        (longest,) = connection.execute("SELECT max(length(used)) FROM budget_counts").fetchone()
    assert rows <= 80, "counts of which nothing is left are deleted"
    assert longest < 62 * 24


def test_threads_never_reserve_more_than_they_read(tmp_path: Path) -> None:
    limit, callers = 20, 32
    files = [StateFile.open(tmp_path / "state.db") for _ in range(4)]
    start, won = threading.Barrier(callers), []

    def call(number: int) -> None:
        store = SqliteBudgets(files[number % len(files)])
        start.wait()
        while True:
            (tally,) = store.read(*AT, [ALICE])
            if tally.used(HOUR, NOW) >= limit:
                return
            draw = Draw(budget=BUDGET, account=ALICE, amount=1, tally=tally)
            if store.reserve(*AT, hold(number), [draw], now_ms=NOW, durable=False):
                won.append(number)
                return

    racing = [threading.Thread(target=call, args=(number,)) for number in range(callers)]
    for thread in racing:
        thread.start()
    for thread in racing:
        thread.join()
    (tally,) = SqliteBudgets(files[0]).read(*AT, [ALICE])
    assert len(won) == tally.used(HOUR, NOW) == limit
    for file in files:
        file.close()


def test_what_does_not_read_is_no_count(file: StateFile, desk: Desk) -> None:
    for written in (b"", b"{}", b"[[1]]", b"[[1,-1]]", b"[[1,true]]", b'[["1",1]]', b"[1,2]"):
        assert desk.reserve(*desk.draws(ALICE))
        with file.use() as connection:
            connection.execute("UPDATE budget_counts SET used = ?", (written,))
        with pytest.raises(StoreError, match="damaged"):
            desk.store.read(*AT, [ALICE])
        with pytest.raises(StoreError, match="damaged"):
            desk.store.tallies(*AT, "mails")
        with pytest.raises(StoreError, match="damaged"):
            desk.store.release(f"prm-{desk.number}")
        with file.use() as connection:
            connection.execute("DELETE FROM budget_counts")
            connection.execute("DELETE FROM budget_holds")


def test_a_permit_reserves_once(desk: Desk) -> None:
    assert desk.reserve(*desk.draws(ALICE))
    desk.number = 0
    with pytest.raises(StoreError):
        desk.reserve(*desk.draws(ALICE))
    assert desk.used() == 1


def test_use_without_a_permit_is_added_whatever_was_counted_meanwhile(desk: Desk) -> None:
    old = desk.draws(ALICE, amount=5)
    assert desk.reserve(*desk.draws(ALICE))
    desk.store.add(*AT, [*old, *(replace(each, account=BOB) for each in old)], now_ms=NOW)
    assert (desk.used(ALICE), desk.used(BOB)) == (6, 5)
