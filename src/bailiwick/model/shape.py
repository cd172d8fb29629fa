"""Cedar shapes: the closed set of types that facts of an argument can have. The policy plane renders them to a schema.

A semantic type (action plane) says which shape its facts have; policy never needs to know the type's name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bailiwick.model.canonical import MAX_INT

__all__ = [
    "BOOL",
    "LONG",
    "STRING",
    "STRING_SET",
    "Bool",
    "Field",
    "Long",
    "Record",
    "Shape",
    "String",
    "StringSet",
    "fits",
]


@dataclass(frozen=True, slots=True)
class Bool:
    """true or false."""


@dataclass(frozen=True, slots=True)
class Long:
    """64-bit integer in Cedar; facts of ours stay within ±2^53."""


@dataclass(frozen=True, slots=True)
class String:
    """A string. `values` are the only ones it can take (an enum), empty for any."""

    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StringSet:
    """A set of strings. `values` as in `String`."""

    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Field:
    """A record's attribute."""

    name: str
    shape: Shape
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Record:
    """A closed record; fields are in the order in which they are rendered."""

    fields: tuple[Field, ...]

    def field(self, name: str) -> Field | None:
        return next((field for field in self.fields if field.name == name), None)


Shape = Bool | Long | String | StringSet | Record


def fits(shape: Shape, value: object) -> bool:
    """Whether `value` is of this shape: `True` is no integer, integers stay within ±2^53, sets are tuples of texts."""
    match shape:
        case Bool():
            return type(value) is bool
        case Long():
            return type(value) is int and abs(value) <= MAX_INT
        case String(values):
            return type(value) is str and (not values or value in values)
        case StringSet(values):
            return type(value) is tuple and all(type(item) is str and (not values or item in values) for item in value)
        case Record(fields):
            if not isinstance(value, Mapping) or not value.keys() <= {field.name for field in fields}:
                return False
            return all(
                fits(field.shape, value[field.name]) if field.name in value else field.optional for field in fields
            )


BOOL = Bool()
LONG = Long()
STRING = String()
STRING_SET = StringSet()
