"""What libraries give is labelled by its fields, as a mapping is."""

from __future__ import annotations

import dataclasses
from collections import namedtuple
from datetime import UTC, date, datetime, time
from decimal import Decimal
from enum import Enum
from pathlib import PurePosixPath
from uuid import UUID

import pytest
from pydantic import BaseModel

from bailiwick.guard.plain import MAX_NESTING, plain


class Colour(Enum):
    RED = "red"


class Vendor(BaseModel):
    name: str
    since: date


@dataclasses.dataclass
class Invoice:
    number: str
    vendor: Vendor
    lines: tuple[Decimal, ...]


Point = namedtuple("Point", ["x", "y"])

CASES = [
    ("text", "text"),
    (None, None),
    (True, True),
    (Decimal("1.50"), Decimal("1.50")),
    (Colour.RED, "red"),
    (datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC), "2026-05-04T03:02:01+00:00"),
    (date(2026, 5, 4), "2026-05-04"),
    (time(10, 30), "10:30:00"),
    (b"caf\xc3\xa9 \xff", "café �"),
    ({1: {"b", "a"}}, {"1": ["a", "b"]}),
    (Point(1, "two"), {"x": 1, "y": "two"}),
    (Vendor(name="Acme", since=date(2020, 1, 2)), {"name": "Acme", "since": "2020-01-02"}),
    (
        [Invoice("INV-1", Vendor(name="Acme", since=date(2020, 1, 2)), (Decimal("9.90"),))],
        [{"number": "INV-1", "vendor": {"name": "Acme", "since": "2020-01-02"}, "lines": [Decimal("9.90")]}],
    ),
    (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    (PurePosixPath("a/b"), "a/b"),
]


@pytest.mark.parametrize(("value", "expected"), CASES, ids=lambda value: type(value).__name__)
def test_a_value_becomes_what_json_would_hold(value: object, expected: object) -> None:
    assert plain(value) == expected


def test_what_has_no_fields_is_the_text_that_python_shows() -> None:
    class Opaque:
        def __str__(self) -> str:
            return "as shown"

    assert plain({"x": Opaque()}) == {"x": "as shown"}


def test_a_value_without_end_ends_as_text() -> None:
    endless: list[object] = []
    endless.append(endless)
    depth, node = 0, plain(endless)
    while isinstance(node, list):
        depth, node = depth + 1, node[0]
    assert depth == MAX_NESTING + 1
    assert isinstance(node, str)
