"""Shapes of JSON values, for the closed schema of events: what a field may hold, and what is wrong with one.

INVARIANT: a shape accepts plain JSON only (str, int within 2^53, bool, list, dict with known ASCII keys; never float)
and refuses unknown fields. So whatever fits is covered to the last value, and has its canonical form already.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

from bailiwick.model.canonical import MAX_INT

__all__ = ["Bool", "Choice", "Int", "Items", "Nullable", "Rec", "Shape", "Text"]


class Shape(Protocol):
    """What a value may be."""

    def fault(self, value: object) -> str | None:
        """None if `value` fits, else a sentence's rest such as `.tool is missing` or `[2] is not a text`."""
        ...


@dataclass(frozen=True, slots=True)
class Text:
    """A string."""

    def fault(self, value: object) -> str | None:
        return None if type(value) is str else " is not a text"


@dataclass(frozen=True, slots=True)
class Int:
    """An integer from 0 to 2^53."""

    def fault(self, value: object) -> str | None:
        if type(value) is not int:
            return " is not an integer"
        return None if 0 <= value <= MAX_INT else " is not within 0 and 2^53"


@dataclass(frozen=True, slots=True)
class Bool:
    """true or false."""

    def fault(self, value: object) -> str | None:
        return None if value is True or value is False else " is not true or false"


@dataclass(frozen=True, slots=True)
class Choice:
    """One of these strings."""

    values: frozenset[str]

    def fault(self, value: object) -> str | None:
        if type(value) is str and value in self.values:
            return None
        return f" is not one of {', '.join(sorted(self.values))}"


@dataclass(frozen=True, slots=True)
class Nullable:
    """The shape, or null."""

    shape: Shape

    def fault(self, value: object) -> str | None:
        return None if value is None else self.shape.fault(value)


class Items:
    """A list of values of one shape. (A draft may have a tuple there; it is stored as a list.)"""

    __slots__ = ("_fault", "_of_texts")

    def __init__(self, shape: Shape) -> None:
        self._fault = shape.fault
        self._of_texts = isinstance(shape, Text)

    def fault(self, value: object) -> str | None:
        if type(value) is not list and type(value) is not tuple:
            return " is not a list"
        if self._of_texts:
            for index, item in enumerate(value):
                if type(item) is not str:
                    return f"[{index}] is not a text"
            return None
        for index, item in enumerate(value):
            wrong = self._fault(item)
            if wrong is not None:
                return f"[{index}]{wrong}"
        return None


class Rec:
    """An object with these fields and no others. Every field of `required` is there; those of `optional` may be."""

    __slots__ = ("_others", "_texts", "optional", "required")

    def __init__(self, required: Mapping[str, Shape], optional: Mapping[str, Shape]) -> None:
        self.required = MappingProxyType(dict(required))
        self.optional = MappingProxyType(dict(optional))
        # Most fields are texts: they are looked at here, without a call each.
        self._texts = tuple(name for name, shape in required.items() if isinstance(shape, Text))
        self._others = tuple((name, shape.fault) for name, shape in required.items() if not isinstance(shape, Text))

    def fault(self, value: object) -> str | None:
        if type(value) is not dict:
            return " is not an object"
        try:
            for name in self._texts:
                if type(value[name]) is not str:
                    return f".{name} is not a text"
            for name, fault in self._others:
                wrong = fault(value[name])
                if wrong is not None:
                    return f".{name}{wrong}"
        except KeyError as missing:
            return f".{missing.args[0]} is missing"
        return None if len(value) == len(self.required) else self._extra(value)

    def _extra(self, value: Mapping[object, object]) -> str | None:
        for name, item in value.items():
            if name in self.required:
                continue
            shape = self.optional.get(name) if type(name) is str else None
            wrong = " is not a field" if shape is None else shape.fault(item)
            if wrong is not None:
                return f".{str(name)[:40]}{wrong}"
        return None
