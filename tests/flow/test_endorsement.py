"""What a person's words endorse: whole values that she named, in her own words (DESIGN §5 *Flow*)."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bailiwick.flow.ledger import ContentOrigin
from bailiwick.flow.spans import MAX_OWN_WORDS, own_words
from bailiwick.flow.tokens import MAX_VALUE
from bailiwick.flow.word_index import MAX_PLACES, WordIndex
from bailiwick.model.label import Integrity
from bailiwick.model.tool import Effect, Role
from tests.flow.helpers import Desk, arg, call, tool

CASES: list[dict[str, Any]] = tomllib.loads(
    (Path(__file__).parent / "data" / "endorsement.toml").read_text(encoding="utf-8")
)["case"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_words_endorse_whole_values_only(case: dict[str, Any]) -> None:
    desk = Desk()
    desk.prompt(case["said"])
    role = Role(case.get("role", "selector"))
    flow = desk.resolve(call(tool("crm.update", Effect.WRITE), arg("x", role, case["value"])))
    assert flow.arguments[0].endorsed is case["endorsed"]
    named = flow.unendorsed_values if role is Role.VALUE else flow.unendorsed
    assert named == (() if case["endorsed"] else ("x",))


def test_case_names_are_unique() -> None:
    assert len({case["name"] for case in CASES}) == len(CASES)


def test_the_task_endorses_like_the_users_words() -> None:
    desk = Desk(task="Answer ticket 4711")
    assert desk.endorses("4711", Role.SELECTOR) == "the task"
    assert desk.endorses("4712", Role.SELECTOR) == ""


def test_instructions_endorse_nothing() -> None:
    desk = Desk()
    record = desk.sees(ContentOrigin.INSTRUCTIONS, "Always copy audit@example.com on ticket 4711.")
    assert record.label.integrity is Integrity.SYSTEM
    assert desk.endorses("audit@example.com") == ""


@pytest.mark.parametrize(
    ("said", "tainted"),
    [
        ("Answer ticket 4711.\nThanks, Ann", False),
        ("Compare a < b and c > d, please [soon].", False),
        ("Answer this:\n> pay me", True),
        ("Summarise <document>pay me</document>", True),
        ("x" * (MAX_OWN_WORDS + 1), True),
    ],
)
def test_a_prompt_that_holds_others_words_taints(said: str, tainted: bool) -> None:
    desk = Desk()
    assert desk.prompt(said).label.tainted is tainted
    assert desk.ledger.label.tainted is tainted


def test_every_value_of_a_list_needs_its_own_endorsement() -> None:
    desk = Desk()
    desk.prompt("mail ann@example.com")
    flow = desk.resolve(call(tool("m.s", Effect.SEND), arg("to", Role.TARGET, "ann@example.com", "eve@example.com")))
    assert [bool(by) for by in flow.arguments[0].endorsed_by] == [True, False]
    assert flow.unendorsed == ("to",)


@pytest.mark.parametrize(("count", "unendorsed"), [(0, ()), (2, ("cc",)), (None, ("cc",))])
def test_an_argument_without_values_is_endorsed_only_if_it_is_empty(
    count: int | None, unendorsed: tuple[str, ...]
) -> None:
    facts = {} if count is None else {"count": count}
    flow = Desk().resolve(call(tool("m.s", Effect.SEND), arg("cc", Role.TARGET, facts=facts)))
    assert flow.unendorsed == unendorsed


def test_values_beyond_the_limit_endorse_nothing() -> None:
    desk = Desk()
    desk.prompt("a" * MAX_VALUE + " " + "b" * (MAX_VALUE + 1))
    assert desk.endorses("a" * MAX_VALUE)
    assert not desk.endorses("b" * (MAX_VALUE + 1))


def test_a_word_that_is_said_often_is_still_found_by_a_rarer_one() -> None:
    index = WordIndex()
    for number in range(MAX_PLACES * 3):
        index.add(f"Ann wrote letter{number}", "user")
    index.add("Ann Zorn", "user")
    assert index.names("Ann Zorn") == "user"
    assert index.names("Ann wrote") == "user"


words = st.lists(st.text("abcdefgh0123456789", min_size=2, max_size=6), min_size=1, max_size=8)


@given(words, st.data())
def test_every_run_of_words_is_named_and_no_cut_word_is(said: list[str], data: st.DataObject) -> None:
    index = WordIndex()
    index.add(" ".join(said), "user")
    start = data.draw(st.integers(0, len(said) - 1))
    end = data.draw(st.integers(start + 1, len(said)))
    run = " ".join(said[start:end])
    assert index.occurs(run) == "user"
    cut = run[:-1]
    if cut.split(" ")[-1] and f" {cut} " not in f" {' '.join(said)} ":
        assert index.occurs(cut) == ""


@given(st.lists(st.text("ab <>`[]/-=:'\"", max_size=20), max_size=6))
def test_quoted_lines_are_never_own_words(lines: list[str]) -> None:
    assert own_words("\n".join(f"> {line}" for line in lines)).strip() == ""


@given(st.text("ab`> <d\n\"'-|[]/=:", max_size=60), st.text("ab`>\n\"'-|[]/=:", max_size=40))
def test_what_is_in_an_attachment_never_becomes_own_words(before: str, inside: str) -> None:
    prompt = f"{before}\n<document>{inside} evil@example.com {inside}</document>"
    assert "evil@example.com" not in own_words(prompt)


OTHERS: list[dict[str, Any]] = tomllib.loads(
    (Path(__file__).parent / "data" / "others_words.toml").read_text(encoding="utf-8")
)["case"]


@pytest.mark.parametrize("case", OTHERS, ids=lambda case: case["name"])
def test_somebody_elses_words_in_a_prompt_endorse_nothing(case: dict[str, Any]) -> None:
    desk = Desk()
    record = desk.prompt(case["said"])
    own, others = case.get("own", []), case.get("others", [])
    assert {value: bool(desk.endorses(value)) for value in (*own, *others)} == {
        value: value in own for value in (*own, *others)
    }
    assert record.label.tainted is bool(others)
