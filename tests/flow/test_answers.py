"""What a quarantined model may be asked for, and what counts as an answer."""

from __future__ import annotations

from typing import Any

import pytest

from bailiwick.flow.answers import MAX_BITS, MAX_VALUES, Schema, answer_of, read_schema

GOOD: list[tuple[dict[str, Any], list[Any], list[Any]]] = [
    ({"type": "boolean"}, [True, False], [1, "true", None, [True]]),
    ({"enum": ["invoice", "offer"]}, ["invoice"], ["Invoice", "invoice ", "other", 0, None]),
    ({"type": "integer", "minimum": -2, "maximum": 9}, [-2, 0, 9], [10, -3, True, 1.0, "1"]),
    ({"type": "string", "format": "date"}, ["2026-11-21"], ["2026-13-01", "20261121", "1066-10-14", "\uff12026-11-21"]),
    ({"type": "string", "maxLength": 5}, ["", "hello"], ["hello!", 5]),
]


@pytest.mark.parametrize(("schema", "fits", "does_not"), GOOD)
def test_an_answer_fits_its_schema_or_is_none(schema: dict[str, Any], fits: list[Any], does_not: list[Any]) -> None:
    read = read_schema(schema)
    assert isinstance(read, Schema)
    for value in fits:
        answer = answer_of(read, value)
        assert answer is not None
        assert answer.value == value
    for value in does_not:
        assert answer_of(read, value) is None, value


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": "object", "properties": {}},
        {"type": "array"},
        {"type": "number"},
        {"type": "integer"},
        {"type": "integer", "minimum": 0},
        {"type": "integer", "minimum": 5, "maximum": 1},
        {"type": "integer", "minimum": 0, "maximum": True},
        {"type": "integer", "minimum": 0, "maximum": 2**40},
        {"type": "integer", "minimum": 0, "maximum": 9, "multipleOf": 3},
        {"type": "string"},
        {"type": "string", "pattern": "x"},
        {"type": "string", "maxLength": 10**9},
        {"type": ["boolean", "string"]},
        {"enum": []},
        {"enum": ["a", "a"]},
        {"enum": ["a", 1]},
        {"enum": ["x" * 65]},
        {"enum": [str(n) for n in range(MAX_VALUES + 1)]},
        {"$ref": "#"},
        {"anyOf": [{"type": "boolean"}]},
    ],
)
def test_any_other_schema_is_refused(schema: dict[str, Any]) -> None:
    assert isinstance(read_schema(schema), str)


def test_what_an_answer_can_tell_is_counted() -> None:
    bits: dict[int, dict[str, object]] = {
        1000: {"type": "boolean"},
        6000: {"enum": [str(n) for n in range(64)]},
        MAX_BITS * 1000: {"type": "integer", "minimum": 1, "maximum": 2**MAX_BITS},
        0: {"type": "string", "maxLength": 9},
    }
    for millibits, schema in bits.items():
        read = read_schema(schema)
        assert isinstance(read, Schema)
        assert read.millibits == millibits
        assert read.typed is (millibits > 0)
