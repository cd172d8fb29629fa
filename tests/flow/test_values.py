"""The same number, date or time, however it is written; and nothing else (DESIGN §5 *Flow*)."""

from __future__ import annotations

import datetime as dt
import tomllib
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bailiwick.errors import Where
from bailiwick.flow.values import forms_in, needed_forms
from bailiwick.model.tool import ArgSpec, Effect, OutputSpec, Role
from tests.flow.helpers import Desk, arg, call, tool

CASES: list[dict[str, Any]] = tomllib.loads(
    (Path(__file__).parent / "data" / "values.toml").read_text(encoding="utf-8")
)["case"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_values_are_the_same_in_other_words_or_not(case: dict[str, Any]) -> None:
    desk, role = Desk(), Role(case.get("role", "value"))
    desk.prompt(case["said"])
    spec = tool("crm.update", Effect.WRITE)
    found = {value: bool(desk.endorses(value, role, spec)) for value in (*case["same"], *case["other"])}
    assert found == {value: value in case["same"] for value in found}


def test_a_field_endorses_its_value_in_other_forms_too() -> None:
    desk = Desk()
    desk.prompt("Pay invoice INV-7")
    output = OutputSpec(untrusted=(), endorses={"amount": Role.VALUE, "due": Role.VALUE, "no": Role.SELECTOR})
    read = tool("erp.invoice", output=output)
    desk.runs(call(read, arg("id", Role.SELECTOR, "INV-7")), {"amount": 1250.5, "due": "May 15, 2024", "no": "50"})
    for value, role, endorsed in (
        ("1250.50", Role.VALUE, True),
        ("1250.5", Role.VALUE, True),
        ("1250.51", Role.VALUE, False),
        ("2024-05-15", Role.VALUE, True),
        ("2024-05-16", Role.VALUE, False),
        ("50.00", Role.SELECTOR, False),
        ("50.00", Role.VALUE, False),
    ):
        assert bool(desk.endorses(value, role, tool("erp.pay", Effect.WRITE))) is endorsed, value


@given(st.decimals(0, 10**9, places=2), st.sampled_from(["{} EUR", "€{}", "pay {} now.", "({})"]))
def test_every_amount_is_known_again_with_and_without_separators(amount: Decimal, sentence: str) -> None:
    for written in (f"{amount:,.2f}", f"{amount:,.2f}".translate(str.maketrans(",.", ".,")), f"{amount:.2f}"):
        forms = {form for form, _, _ in forms_in(sentence.format(written))}
        assert needed_forms(f"{amount:.2f}")[0][0] in forms, written


@given(st.dates(dt.date(1900, 1, 1), dt.date(2100, 1, 1)), st.dates(dt.date(1900, 1, 1)))
def test_a_date_is_itself_and_no_other(day: dt.date, other: dt.date) -> None:
    needed = needed_forms(day.isoformat())[0]
    for written in (day.isoformat(), f"{day:%d.%m.%Y}", f"{day:%B %d, %Y}", f"{day:%d %b %Y}"):
        assert not {form for form, _, _ in forms_in(f"on {written}.")}.isdisjoint(needed), written
        said = {form for form, _, _ in forms_in(f"on {other:%B %d, %Y}")}
        assert (other == day) is not said.isdisjoint(needed)


@given(st.text("0123456789.,:-/ TZapm€$EURMay'", max_size=40))
def test_whatever_is_written_has_forms_in_bounds(text: str) -> None:
    for form, start, end in forms_in(text):
        assert form[:2] in ("n:", "c:", "m:", "q:", "d:", "D:", "t:")
        assert 0 <= start < end <= len(text)
    needed_forms(text)


ENVIRONMENTS = ("staging", "production", "read_only", "read-write")


@pytest.mark.parametrize(
    ("said", "value", "endorsed"),
    [
        ("Deploy it to Production", "production", True),
        ("Deploy it to prod, please", "production", True),
        ("Deploy it to pro, please", "production", False),
        ("Deploy it to products", "production", False),
        ("Give her read only access", "read_only", True),
        ("Give her Read-Only access", "read_only", True),
        ("Give her read access", "read_only", False),
        ("Give her read access", "read-write", False),
        ("Deploy it to staging, not to PROD", "production", False),
        ("Deploy it to live", "production", False),
    ],
)
@pytest.mark.parametrize("role", [Role.VALUE, Role.TARGET, Role.SELECTOR])
def test_one_of_a_few_values_is_named_in_other_spelling(said: str, value: str, endorsed: bool, role: Role) -> None:
    desk = Desk()
    desk.prompt(said)
    choice = ArgSpec(name="x", type="enum", role=role, options={"values": ENVIRONMENTS}, where=Where(file="t"))
    spec = replace(tool("cloud.deploy", Effect.WRITE), args={"x": choice})
    assert bool(desk.endorses(value, role, spec)) is endorsed


@pytest.mark.parametrize(
    ("said", "query", "endorsed"),
    [
        ("tell dr hale", "Hale", True),
        ("tell Dr Hale", "hale", True),
        ("lindqvists potassium is back", "Lindqvist", True),
        ("tell dr hale", "Hal", False),
        ("tell dr hale", "Dr Osei", False),
        ("do not tell hale", "Hale", False),
    ],
)
def test_what_is_looked_for_may_be_written_in_another_case(said: str, query: str, endorsed: bool) -> None:
    desk = Desk()
    desk.prompt(said)
    assert bool(desk.endorses(query, Role.QUERY, tool("staff.find"))) is endorsed
    assert desk.endorses(query, Role.SELECTOR, tool("staff.get")) == ""
