"""Counts of budgets under any order of reservations, outcomes, crashes and clock steps, against a log that keeps every
use with its time: never less than was used in the window, and more by one bucket at most."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, MultipleResults, RuleBasedStateMachine, consumes, invariant, multiple, rule

from bailiwick.action.budgets import NOTHING_USED, Account, Draw, Hold, span_of
from bailiwick.model.budget import Budget, BudgetUnit, Per
from bailiwick.stores.sqlite_budgets import SqliteBudgets
from bailiwick.stores.sqlite_state_file import StateFile

AT = ("acme", "prod")
LIMIT = 20
WINDOWS = {"minute": 60_000, "hour": 3_600_000, "ever": None}
BUDGETS = {
    name: Budget(name=name, counts=BudgetUnit.ROWS, per=Per.USER, window_ms=window, limit=LIMIT)
    for name, window in WINDOWS.items()
}
NAMES = st.sets(st.sampled_from(sorted(WINDOWS)), min_size=1)
AMOUNTS = st.integers(0, 12)


def account(name: str) -> Account:
    each = BUDGETS[name]
    return Account(budget=name, terms=each.terms, owner="User::alice", window_ms=each.window_ms)


@dataclass
class Use:
    """So much was used then; `permit`: reserved for this one's call."""

    at_ms: int
    amount: int
    permit: str = ""


class Counts(RuleBasedStateMachine):
    """`uses` is the log of each budget; `latest` the latest time that anything was counted in it; `horizon` the latest
    one of any reservation, when what counted no longer may have been forgotten."""

    out: Bundle[str] = Bundle("out")

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "state.db"
        self.file = StateFile.open(self.path)
        self.now = 1_700_000_000_000
        self.number = 0
        self.horizon = 0
        self.taken: dict[str, tuple[frozenset[str], int]] = {}
        self.uses: dict[str, list[Use]] = {name: [] for name in WINDOWS}
        self.latest = dict.fromkeys(WINDOWS, 0)

    def teardown(self) -> None:
        self.file.close()
        self.folder.cleanup()

    @property
    def store(self) -> SqliteBudgets:
        return SqliteBudgets(self.file)

    def draws(self, names: set[str], amount: int) -> list[Draw]:
        accounts = [account(name) for name in sorted(names)]
        return [
            Draw(budget=BUDGETS[each.budget], account=each, amount=amount, limit=LIMIT, tally=tally)
            for each, tally in zip(accounts, self.store.read(*AT, accounts), strict=True)
        ]

    def note(self, name: str, amount: int, permit: str = "") -> None:
        """Something is counted now: a clock that was set back does not make it older than what was counted before."""
        if self.store.read(*AT, [account(name)]) == (NOTHING_USED,):
            self.latest[name] = 0
        self.latest[name] = max(self.latest[name], self.now)
        self.uses[name].append(Use(at_ms=self.latest[name], amount=amount, permit=permit))

    def hold(self) -> Hold:
        self.number += 1
        return Hold(permit_id=f"prm-{self.number}", decision_event=f"evt-{self.number}", log_id="log-1")

    @rule(target=out, names=NAMES, amount=AMOUNTS)
    def reserve(self, names: set[str], amount: int) -> MultipleResults[str] | str:
        draws, hold = self.draws(names, amount), self.hold()
        if any(draw.exceeds(self.now) for draw in draws):
            return multiple()
        for draw in draws:
            self.note(draw.budget.name, amount, hold.permit_id)
        self.taken[hold.permit_id] = frozenset(names), amount
        self.horizon = max(self.horizon, self.now)
        assert self.store.reserve(*AT, hold, draws, now_ms=self.now, durable=False)
        return hold.permit_id

    @rule(names=NAMES, amount=AMOUNTS)
    def lose_a_race(self, names: set[str], amount: int) -> None:
        stale = self.draws(names, amount)
        first = min(names)
        self.note(first, 1)
        self.store.add(*AT, self.draws({first}, 1), now_ms=self.now)
        assert not self.store.reserve(*AT, self.hold(), stale, now_ms=self.now, durable=False)

    @rule(permit=consumes(out), really=st.dictionaries(st.sampled_from(sorted(WINDOWS)), AMOUNTS), twice=st.booleans())
    def settle(self, permit: str, really: dict[str, int], twice: bool) -> None:
        names, amount = self.taken[permit]
        for name in names:
            more = really.get(name, amount) - amount
            if more > 0:
                self.note(name, more)
            for use in self.uses[name]:
                if use.permit == permit:  # not so where a person has set the count meanwhile
                    use.amount += min(more, 0)
        for _ in range(1 + twice):
            self.store.settle(permit, really, now_ms=self.now)

    @rule(permit=consumes(out), then_settle=st.booleans())
    def release(self, permit: str, then_settle: bool) -> None:
        for name, uses in self.uses.items():
            self.uses[name] = [each for each in uses if each.permit != permit]
        self.store.release(permit)
        if then_settle:
            self.store.settle(permit, dict.fromkeys(WINDOWS, 12), now_ms=self.now)

    @rule(name=st.sampled_from(sorted(WINDOWS)), amount=AMOUNTS)
    def set_by_hand(self, name: str, amount: int) -> None:
        (tally,) = self.store.read(*AT, [account(name)])
        assert self.store.set_to(*AT, account(name), tally, amount=amount, now_ms=self.now)
        self.latest[name] = self.now
        self.uses[name] = [Use(at_ms=self.now, amount=amount)]

    @rule()
    def die_and_come_back(self) -> None:
        self.file.close()
        self.file = StateFile.open(self.path)

    @rule(step=st.sampled_from([1, 999, 1000, 59_999, 60_000, 61_000, 1_800_000, 3_660_000, 10**9]))
    def go_on(self, step: int) -> None:
        self.now += step

    @rule(step=st.sampled_from([1, 1000, 61_000, 7_200_000]))
    def step_back(self, step: int) -> None:
        self.now -= step

    @invariant()
    def as_the_log_says(self) -> None:
        for name, window in WINDOWS.items():
            (tally,) = self.store.read(*AT, [account(name)])
            counted, uses = tally.used(window, self.now), self.uses[name]
            now = self.now if tally == NOTHING_USED else max(self.now, self.latest[name])
            if window is None:
                assert counted == sum(each.amount for each in uses)
                continue
            kept = [each for each in uses if each.at_ms > now - window and each.at_ms + window >= self.horizon]
            near = [each for each in uses if each.at_ms > now - window - span_of(window)]
            assert sum(each.amount for each in kept) <= counted <= sum(each.amount for each in near)


TestCounts = Counts.TestCase
TestCounts.settings = settings(
    max_examples=1000 if os.environ.get("BAILIWICK_SOAK") else 25, stateful_step_count=30, deadline=None
)
