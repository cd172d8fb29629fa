"""What ran already is not asked for a second time by the words that asked for the first."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bailiwick.flow.ledger import Ledger
from bailiwick.model.call import Action
from bailiwick.model.tool import Effect, Idempotency, Role
from tests.flow.helpers import TOP, Desk, arg, call, nobody_reads, tool

ORDER = replace(tool("labs.order", Effect.WRITE), asks=("order",), idempotency=Idempotency.NONE)
SAFE = replace(ORDER, name="labs.ensure", idempotency=Idempotency.SAFE)


def on(number: str, text: str = "", spec: object = ORDER) -> Action:
    content = arg("note", Role.CONTENT, text=text)
    return call(spec, arg("mrn", Role.SELECTOR, number), content)  # type: ignore[arg-type]


def repeated(desk: Desk, action: Action, *pending: Action) -> bool:
    return desk.ledger.resolve(action, reads=nobody_reads, pending=pending).repeated


def test_the_same_call_runs_once() -> None:
    desk = Desk()
    desk.prompt("Order HbA1c for M-20417.")
    assert not repeated(desk, on("M-20417"))
    desk.ledger.started(on("M-20417"), "e1")
    assert repeated(desk, on("M-20417"))
    assert repeated(desk, on("m-20417 ", "in other words")), "the content does not make another call of it"
    assert not repeated(desk, on("M-20490"))


def test_a_call_that_may_run_counts() -> None:
    desk = Desk()
    desk.prompt("Order HbA1c for M-20417.")
    assert repeated(desk, on("M-20417"), on("M-20417"))
    assert not repeated(desk, on("M-20417"), on("M-20490"))


def test_what_may_run_again_is_never_a_repetition() -> None:
    desk = Desk()
    desk.prompt("Order HbA1c for M-20417.")
    assert desk.ledger.started(on("M-20417", spec=SAFE), "e1") is None
    assert not repeated(desk, on("M-20417", spec=SAFE))


@pytest.mark.parametrize(
    ("prompts", "runs"),
    [
        (("Order HbA1c for M-20417.",), 1),
        (("Order HbA1c for M-20417 twice.",), 2),
        (("Order HbA1c for M-20417 three times.",), 3),
        (("Order HbA1c for M-20417, and again.",), 2),
        (("Order HbA1c for M-20417.", "Order another one for M-20417."), 2),
        (("Order HbA1c for M-20417.", "Order HbA1c for M-20417."), 2),
        (("Order HbA1c for M-20417. Then order it again.",), 2),
        (("Order HbA1c for M-20417. Look at M-20417 twice.",), 1),
        (("Order HbA1c for M-20417. Do not order it again.",), 1),
    ],
)
def test_each_request_is_good_for_one_run(prompts: tuple[str, ...], runs: int) -> None:
    desk = Desk()
    for prompt in prompts:
        desk.prompt(prompt)
    for number in range(runs):
        assert not repeated(desk, on("M-20417")), number
        desk.ledger.started(on("M-20417"), f"e{number}")
    assert repeated(desk, on("M-20417"))


def test_a_restored_session_and_a_delegated_one_know_what_ran() -> None:
    desk = Desk()
    desk.prompt("Order HbA1c for M-20417.")
    row = desk.ledger.started(on("M-20417"), "e1")
    assert row is not None
    assert b"20417" not in row.payload
    again = Ledger(top_sensitivity=TOP)
    for each in desk.ledger.rows:
        again.apply(each)
    assert again == desk.ledger
    assert repeated(Desk(again), on("M-20417"))
    child = desk.ledger.child("Order HbA1c for M-20417.", **desk.ids())
    assert repeated(Desk(child), on("M-20417"))


def test_a_run_that_comes_by_two_ways_counts_once() -> None:
    desk, other = Desk(), Desk()
    for each in (desk, other):
        each.prompt("Order HbA1c for M-20417 twice.")
    row = desk.ledger.started(on("M-20417"), "e1")
    assert row is not None
    for _ in range(2):
        other.ledger.apply(replace(row, ord=7))
    assert not repeated(other, on("M-20417"))
