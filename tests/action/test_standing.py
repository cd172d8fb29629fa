"""What is remembered, which requests are alike, and how people answer: the pure parts."""

from __future__ import annotations

import dataclasses
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bailiwick.action.approval_codec import decode, encode
from bailiwick.action.approval_vote import vote
from bailiwick.action.approvals import Approval
from bailiwick.action.approver_stats import approver_stats
from bailiwick.action.grouping import grouped
from bailiwick.action.remember import Remember, read_remember
from bailiwick.action.standing import agreed, closed_arguments, made_of, resting_on
from tests.action.approval_sample import DIRECTORY, NOW, action, gate, proven, requested
from tests.action.desk import DESK

CASES: dict[str, Any] = tomllib.loads((Path(__file__).parent / "data" / "remember.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", CASES["read"], ids=[case["text"] for case in CASES["read"]])
def test_what_is_typed_is_read_whole_or_not_at_all(case: dict[str, Any]) -> None:
    found = read_remember(case["text"])
    assert (None if found is None else found.written()) == case.get("is")


@pytest.mark.parametrize("case", CASES["open"], ids=[f"{case['tool']} {case['args']}" for case in CASES["open"]])
def test_which_arguments_can_be_left_open(case: dict[str, Any]) -> None:
    assert closed_arguments(DESK.tools[case["tool"]], frozenset(case["args"])) == case["closed"]


def voted(item: Approval, person: str, terms: Remember | None, at_ms: int = NOW, *, grant: bool = True) -> Approval:
    told = vote(item, by=proven(person), grant=grant, directory=DIRECTORY, now_ms=at_ms, remember=terms)
    assert isinstance(told, Approval), told
    return told


TERMS = st.builds(
    Remember,
    count=st.integers(1, 9),
    ttl_ms=st.integers(1, 9),
    open=st.frozensets(st.sampled_from(["body", "subject"])),
    task_wide=st.booleans(),
)


@given(first=st.none() | TERMS, second=st.none() | TERMS)
def test_two_remember_only_what_both_said_and_no_more_than_either(
    first: Remember | None, second: Remember | None
) -> None:
    item = voted(voted(requested(gates=(gate(quorum=2),)), "lena", first), "lars", second)
    assert decode(encode(item)) == item
    found = agreed(item)
    if first is None or second is None or first.constraint != second.constraint:
        assert found is None
        return
    assert found is not None
    assert found.constraint == first.constraint
    assert (found.count, found.ttl_ms) == (min(first.count, second.count), min(first.ttl_ms, second.ttl_ms))
    grant = made_of(item, "std-1")
    assert grant is not None
    assert resting_on(grant, item) == item
    for forged in (
        dataclasses.replace(grant, count=grant.count + 1),
        dataclasses.replace(grant, open=grant.open ^ {"to"}),
        dataclasses.replace(grant, expires_ms=grant.expires_ms + 1),
        dataclasses.replace(grant, session="another"),
        dataclasses.replace(grant, task="another"),
    ):
        assert resting_on(forged, item) is None


def test_a_denied_approval_gives_nothing() -> None:
    item = voted(requested(), "lena", Remember(count=2, ttl_ms=9))
    assert agreed(item) is not None
    assert agreed(voted(item, "lars", None, grant=False)) is None


def test_requests_that_ask_for_much_the_same_are_shown_together_with_what_differs() -> None:
    def mail(name: str, body: str, **more: Any) -> Approval:
        call = action(to=["eve@example.org"], subject="Your ticket", body=body)
        return requested(id=name, action=call, digest=f"sha256:{name}", **more)

    first, second, third = mail("apr-1", "One"), mail("apr-2", "Two"), mail("apr-3", "Three", gates=(gate("other"),))
    together, alone = grouped([first, second, third])
    assert together.members == (first, second)
    assert together.differing == ("body",)
    assert together.differences == {"apr-1": {"body": "One"}, "apr-2": {"body": "Two"}}
    assert (alone.members, alone.differing) == ((third,), ())


@given(waits=st.lists(st.integers(0, 10_000), min_size=1, max_size=30))
def test_times_are_of_answers_that_were_given(waits: list[int]) -> None:
    items = [voted(requested(id=f"apr-{n}"), "lena", None, NOW + wait) for n, wait in enumerate(waits)]
    (told,) = approver_stats(items)
    assert (told.person, told.answers, told.yes, told.checks) == ("lena", len(waits), len(waits), 0)
    assert told.median_ms in waits
    assert told.p90_ms in waits
    assert sum(wait <= (told.median_ms or 0) for wait in waits) * 2 >= len(waits)
    assert sum(wait <= (told.p90_ms or 0) for wait in waits) * 10 >= len(waits) * 9
