"""What a quarantined model may answer about a hidden content, and how much of it an answer can tell. DESIGN §5 *Flow*.

The schema is a small part of JSON Schema: `{"type": "boolean"}`, `{"enum": [...]}` of short texts,
`{"type": "integer", "minimum": a, "maximum": b}`, `{"type": "string", "format": "date"}`, and `{"type": "string",
"maxLength": n}` for free text. Anything else is refused.

INVARIANT: an answer that is no free text is one of values that were fixed before the content was read. So nobody who
wrote the content writes the answer: they choose among those values, which tells `millibits` at most.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

__all__ = [
    "MAX_BITS",
    "MAX_INSPECTIONS",
    "MAX_TEXT",
    "MAX_TOLD",
    "MAX_VALUES",
    "Answer",
    "AnswerKind",
    "Schema",
    "answer_of",
    "read_schema",
]

MAX_VALUES = 64
"""Values of an enumeration."""
MAX_VALUE = 64
"""Characters of one of them."""
MAX_BITS = 20
"""Bits that one answer may tell: an integer of a million values."""
MAX_TOLD = 64
"""Bits that all typed answers about one content may tell."""
MAX_INSPECTIONS = 16
"""Questions about one content."""
MAX_TEXT = 4_096
"""Characters of a free text."""

_FIRST, _LAST = date(1900, 1, 1), date(2199, 12, 31)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")
_ANNOTATIONS = frozenset({"title", "description"})


class AnswerKind(StrEnum):
    BOOLEAN = "boolean"
    ENUM = "enum"
    INTEGER = "integer"
    DATE = "date"
    TEXT = "text"


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """The form of an answer. `low` and `high` bound an integer; `longest` a free text."""

    kind: AnswerKind
    values: tuple[str, ...] = ()
    low: int = 0
    high: int = 0
    longest: int = 0

    @property
    def typed(self) -> bool:
        """Whether an answer is one of values that were fixed before."""
        return self.kind is not AnswerKind.TEXT

    @property
    def millibits(self) -> int:
        """Thousandths of the bits that a typed answer tells at most; 0 of free text, which is bounded by its label."""
        match self.kind:
            case AnswerKind.BOOLEAN:
                count = 2
            case AnswerKind.ENUM:
                count = len(self.values)
            case AnswerKind.INTEGER:
                count = self.high - self.low + 1
            case AnswerKind.DATE:
                count = (_LAST - _FIRST).days + 1
            case _:
                return 0
        return math.ceil(1000 * math.log2(count))


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that fits its schema."""

    value: bool | int | str


def read_schema(schema: Mapping[str, object]) -> Schema | str:
    """The schema, or what is wrong with it."""
    given = {name: value for name, value in schema.items() if name not in _ANNOTATIONS}
    read = _enum(given) if "enum" in given else _typed(given)
    if isinstance(read, Schema) and read.millibits > MAX_BITS * 1000:
        return f"an answer may tell {MAX_BITS} bits, and this one more: narrow its bounds"
    return read


def answer_of(schema: Schema, value: object) -> Answer | None:
    """The answer, None if it does not fit."""
    match schema.kind, value:
        case AnswerKind.BOOLEAN, bool():
            return Answer(value)
        case AnswerKind.ENUM, str() if value in schema.values:
            return Answer(value)
        case AnswerKind.INTEGER, int() if type(value) is int and schema.low <= value <= schema.high:
            return Answer(value)
        case AnswerKind.DATE, str() if _DATE.match(value) and _day(value):
            return Answer(value)
        case AnswerKind.TEXT, str() if len(value) <= schema.longest:
            return Answer(value)
        case _:
            return None


def _enum(given: Mapping[str, object]) -> Schema | str:
    values = given["enum"]
    if given.keys() - {"enum", "type"} or given.get("type", "string") != "string":
        return 'an enumeration is {"enum": ["yes", "no"]}'
    if not isinstance(values, list | tuple) or not 1 <= len(values) <= MAX_VALUES:
        return f"an enumeration has 1 to {MAX_VALUES} values"
    texts = tuple(value for value in values if isinstance(value, str) and 0 < len(value) <= MAX_VALUE)
    if len(texts) < len(values) or len(set(texts)) < len(texts):
        return f"the values of an enumeration are different texts of at most {MAX_VALUE} characters"
    return Schema(kind=AnswerKind.ENUM, values=texts)


def _typed(given: Mapping[str, object]) -> Schema | str:
    match given:
        case {"type": "boolean"} if len(given) == 1:
            return Schema(kind=AnswerKind.BOOLEAN)
        case {"type": "integer", "minimum": low, "maximum": high} if len(given) == 3:
            if type(low) is not int or type(high) is not int or not low <= high:
                return "the bounds of an integer are integers, the lower one first"
            return Schema(kind=AnswerKind.INTEGER, low=low, high=high)
        case {"type": "integer"}:
            return 'an integer has both bounds, and nothing else: {"type": "integer", "minimum": 0, "maximum": 9}'
        case {"type": "string", "format": "date"} if len(given) == 2:
            return Schema(kind=AnswerKind.DATE)
        case {"type": "string", "maxLength": longest} if len(given) == 2:
            if type(longest) is not int or not 0 < longest <= MAX_TEXT:
                return f"a free text has a maxLength of 1 to {MAX_TEXT}"
            return Schema(kind=AnswerKind.TEXT, longest=longest)
        case _:
            return "an answer is a boolean, an enum, an integer with bounds, a date, or a string with a maxLength"


def _day(text: str) -> bool:
    try:
        return _FIRST <= date.fromisoformat(text) <= _LAST
    except ValueError:
        return False
