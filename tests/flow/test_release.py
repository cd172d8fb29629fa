"""What obligations take out of a result."""

from __future__ import annotations

import json
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bailiwick.flow.identifiers import Found
from bailiwick.flow.release import WITHHELD, released
from bailiwick.model.obligation import Obligations, Released
from bailiwick.model.tool import LabelRule, OutputSpec

IBAN = "DE89 3704 0044 0532 0130 00"
CARD = "4111 1111 1111 1111"
MAIL = "ann@customer.example"
SECRET = {"pii": MAIL, "pci": CARD}


def obliged(**names: Iterable[str]) -> Obligations:
    return Obligations(**{name: frozenset(each) for name, each in names.items()})


def shown(value: object, output: OutputSpec | None = None, **names: Iterable[str]) -> object:
    return released(value, obliged(**names), output or OutputSpec())[0]


def test_without_obligations_nothing_changes() -> None:
    value = {"a": object()}
    assert released(value, Obligations(), OutputSpec()) == (value, ())


@pytest.mark.parametrize(
    "value",
    [
        f"pay with {CARD} today",
        {"note": f"pay with {CARD} today"},
        {"note": [{"deep": (f"pay with {CARD}",)}]},
        {CARD: "as a name of a field"},
        {"number": 4111111111111111},
        {"number": 4111111111111111.0},
        {"number": Decimal("4111111111111111.00")},
        json.dumps({"note": f"pay with {CARD}"}),
        {"text": json.dumps([{"note": f"pay with {CARD}"}])},
        "pay with " + CARD.replace("4", "\uff14"),
    ],
)
def test_an_identifier_is_redacted_wherever_it_stands(value: object) -> None:
    left = json.dumps(shown(value, redact=["pci"]), default=str)
    assert "1111" not in left
    assert "[payment-card" in left


def test_a_masked_identifier_keeps_its_last_four() -> None:
    assert shown({"card": f"card {CARD}!"}, mask=["pci"]) == {"card": "card **** **** **** 1111!"}


def test_redaction_wins_over_masking() -> None:
    left = shown({"card": CARD}, mask=["pci"], redact=["pci"])
    assert "1111" not in str(left)


def test_a_dropped_field_is_gone_at_any_depth_and_in_json() -> None:
    value = {"name": "Ann", "SSN": "1", "inner": [{"ssn": "2", "kept": 1}], "text": '{"ssn": 3, "x": 4}'}
    assert shown(value, drop=["ssn"]) == {"name": "Ann", "inner": [{"kept": 1}], "text": '{"x":4}'}
    assert shown('[{"ssn": 1, "x": 2}]', drop=["ssn"]) == '[{"x":2}]'
    assert shown({"a": {"b": 1}, "b": 2}, drop=["a.b"]) == {"a": {}, "b": 2}


@pytest.mark.parametrize("value", ["ssn: 123-45-6789", ["ssn: 1"], [{"ok": 1}, "ssn: 1"], 5, '{"ssn": 1} and more'])
def test_what_is_no_record_is_withheld_where_a_field_must_go(value: object) -> None:
    assert shown(value, drop=["ssn"]) == WITHHELD


@pytest.mark.parametrize(
    "text",
    [
        'prefix {"ssn": "123"}',
        '{"ssn": "1"}\n{"ssn": "2"}',
        '```json\n{"ssn": "1"}\n```',
        '{"ssn": "1",}',
        '\ufeff{"ssn": "1"}',
        r'"{\"ssn\": \"1\"}"',
        '{"ssn": "1", "x": NaN}',
        "SSN: 1",
        "ssn=1",
        "**ssn**: 1",
        "<ssn>1</ssn>",
        "\uff53\uff53\uff4e\uff1a 1",
    ],
)
def test_a_text_in_a_field_that_holds_a_dropped_one_is_withheld(text: str) -> None:
    assert shown({"x": text, "ok": 1}, drop=["a.ssn"]) == {"x": WITHHELD, "ok": 1}
    labelled = OutputSpec(labels=(LabelRule(path="ssn", categories=frozenset({"pii"})),))
    assert shown({"x": text}, labelled, redact=["pii"]) == {"x": WITHHELD}


def test_a_text_that_merely_speaks_of_it_stays() -> None:
    value = {"x": "her ssn is not known", "y": "ssn_hash: 3", "z": "Mission: none"}
    assert shown(value, drop=["ssn"]) == value


@pytest.mark.parametrize("name", ["SSN ", "\uff53\uff53\uff4e", "s\u200bsn", "a.ssn"])
def test_a_field_is_dropped_however_its_name_is_written(name: str) -> None:
    assert shown({name: 1, "ok": 2}, drop=["ssn"]) == {"ok": 2}


def test_a_number_that_is_none_stays() -> None:
    value = {"a": float("inf"), "b": 1.5, "c": 1e300, "d": Decimal("1.50")}
    assert shown(value, redact=["pci"]) == value
    assert str(shown({"a": Decimal("NaN")}, redact=["pci"])) == str({"a": Decimal("NaN")})


def test_a_field_that_the_catalog_labels_is_redacted_as_a_whole() -> None:
    output = OutputSpec(labels=(LabelRule(path="diagnosis", categories=frozenset({"phi"})),))
    value = {"diagnosis": "a cold", "name": "Ann", "list": [{"diagnosis": ["x"]}]}
    assert shown(value, output, redact=["phi"]) == {
        "diagnosis": "[phi]",
        "name": "Ann",
        "list": [{"diagnosis": "[phi]"}],
    }
    assert shown("she has a cold", output, redact=["phi"]) == WITHHELD


def test_a_detector_of_the_user_adds_to_the_patterns() -> None:
    def names(text: str, categories: frozenset[str]) -> Iterable[Found]:
        at = text.find("Ann")
        return [] if at < 0 else [Found(kind="person", category="pii", start=at, end=at + 3)]

    left, done = released({"note": f"Ann has {CARD}"}, obliged(redact=["pii", "pci"]), OutputSpec(), (names,))
    assert left == {"note": "[person] has [payment-card]"}
    assert {each.of for each in done} == {"person", "payment-card"}


def test_what_was_done_is_told_by_counts_and_never_by_values() -> None:
    value = {"a": CARD, "b": CARD, "ssn": "1", "notes": IBAN}
    _, done = released(value, obliged(redact=["pci"], drop=["ssn", "notes"]), OutputSpec())
    assert done == (
        Released(what="drop", of="notes", count=1),
        Released(what="drop", of="ssn", count=1),
        Released(what="redact", of="payment-card", count=2),
    )


def test_a_value_that_is_nested_too_deep_is_withheld() -> None:
    value: Any = {"card": CARD}
    for _ in range(100):
        value = {"x": value}
    assert "1111" not in json.dumps(shown(value, redact=["pci"]))


LEAVES = st.none() | st.booleans() | st.integers(-(10**6), 10**6) | st.text("ab {}[]:,1", max_size=12)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abcs"), inner, max_size=3)
)


@given(VALUES)
def test_the_dropped_field_is_never_left(value: object) -> None:
    def fields(node: object) -> set[str]:
        match node:
            case dict():
                return set(node) | {name for item in node.values() for name in fields(item)}
            case list():
                return {name for item in node for name in fields(item)}
            case _:
                return set()

    assert "s" not in fields(shown(value, drop=["s"]))


@given(VALUES)
def test_the_card_is_never_left(value: object) -> None:
    def planted(node: object) -> object:
        match node:
            case dict():
                return {name: planted(item) for name, item in node.items()}
            case list():
                return [planted(item) for item in node]
            case str():
                return f"{node} {CARD} {node}"
            case _:
                return node

    assert "1111 1111" not in json.dumps(shown(planted(value), redact=["pci"]))
