"""Cedar shapes: the closed set of types that facts of an argument can have. The policy plane renders them to a schema.

A semantic type (action plane) says which shape its facts have; policy never needs to know the type's name.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["BOOL", "LONG", "STRING", "STRING_SET", "Bool", "Field", "Long", "Record", "Shape", "String", "StringSet"]


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

BOOL = Bool()
LONG = Long()
STRING = String()
STRING_SET = StringSet()
