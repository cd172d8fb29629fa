"""Arguments of tools whose schema is asked again when they run."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any
from urllib.parse import unquote

import pytest

from bailiwick import UsageError
from bailiwick.adapters.settling import same, settled


def each(change: Callable[[Any], Any]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda args: {name: change(value) for name, value in args.items()}


@pytest.mark.parametrize(
    ("given", "change", "decided"),
    [("9", str, "9"), ("%252539", unquote, "9"), ("09", int, 9), (Decimal("1.0"), float, 1), (" 9", str.strip, "9")],
)
def test_what_is_decided_is_what_the_schema_leaves_as_it_is(given: Any, change: Any, decided: Any) -> None:
    made = settled("read", {"id": given}, each(change))
    assert same(made, {"id": decided})
    assert same(each(change)(made), made)


@pytest.mark.parametrize("change", [lambda value: value + "!", lambda value: "b" if value == "a" else "a"])
def test_a_schema_that_never_comes_to_an_end_is_refused(change: Any) -> None:
    with pytest.raises(UsageError, match="the schema of read makes something else of its own values each time"):
        settled("read", {"id": "a"}, each(change))


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [(1, 1.0, True), (1, True, False), ([1], (1,), True), ({"a": 1}, {"a": True}, False), ({"a": 1}, {}, False)],
)
def test_equal_json_values_are_the_same(one: object, other: object, equal: bool) -> None:
    assert same(one, other) is equal
