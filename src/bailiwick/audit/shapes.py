"""Shapes of JSON values, for the closed schema of events: what a field may hold, and what is wrong with one.

INVARIANT: a shape accepts plain JSON only (str, int within 2^53, bool, list, dict with known ASCII keys; never float)
and refuses unknown fields. So whatever fits is covered to the last value, and has its canonical form already.

Each event is checked before the call that it records may run, so an object's shape asks whether a value fits with one
compiled expression over all that lies in it; only what does not fit is looked at field by field, for the sentence.
INVARIANT: the expression of a shape is true iff its `fault` finds none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count
from types import MappingProxyType
from typing import Protocol

from bailiwick.model.canonical import MAX_INT

__all__ = ["Bool", "Choice", "Int", "Items", "Nullable", "Rec", "Shape", "Text"]


class _Names:
    """Names and constants of one compiled expression."""

    def __init__(self) -> None:
        self.constants: dict[str, object] = {}
        self._number = count()

    def fresh(self) -> str:
        return f"v{next(self._number)}"

    def constant(self, value: object) -> str:
        name = f"c{next(self._number)}"
        self.constants[name] = value
        return name


class Shape(Protocol):
    """What a value may be."""

    def fault(self, value: object) -> str | None:
        """None if `value` fits, else a sentence's rest such as `.tool is missing` or `[2] is not a text`."""
        ...


def _expression(shape: Shape, value: str, names: _Names) -> str:
    """Python that is true iff what the variable `value` holds fits; a missing field may raise KeyError. A shape that is
    not one of these is asked itself."""
    if isinstance(shape, Text | Int | Bool | Choice | Nullable | Items | Rec):
        return shape.expression(value, names)
    return f"{names.constant(shape.fault)}({value}) is None"


@dataclass(frozen=True, slots=True)
class Text:
    """A string."""

    def fault(self, value: object) -> str | None:
        return None if type(value) is str else " is not a text"

    def expression(self, value: str, _names: _Names) -> str:
        return f"type({value}) is str"


@dataclass(frozen=True, slots=True)
class Int:
    """An integer from 0 to 2^53."""

    def fault(self, value: object) -> str | None:
        if type(value) is not int:
            return " is not an integer"
        return None if 0 <= value <= MAX_INT else " is not within 0 and 2^53"

    def expression(self, value: str, _names: _Names) -> str:
        return f"type({value}) is int and 0 <= {value} <= {MAX_INT}"


@dataclass(frozen=True, slots=True)
class Bool:
    """true or false."""

    def fault(self, value: object) -> str | None:
        return None if value is True or value is False else " is not true or false"

    def expression(self, value: str, _names: _Names) -> str:
        return f"({value} is True or {value} is False)"


@dataclass(frozen=True, slots=True)
class Choice:
    """One of these strings."""

    values: frozenset[str]

    def fault(self, value: object) -> str | None:
        if type(value) is str and value in self.values:
            return None
        return f" is not one of {', '.join(sorted(self.values))}"

    def expression(self, value: str, names: _Names) -> str:
        return f"type({value}) is str and {value} in {names.constant(frozenset(self.values))}"


@dataclass(frozen=True, slots=True)
class Nullable:
    """The shape, or null."""

    shape: Shape

    def fault(self, value: object) -> str | None:
        return None if value is None else self.shape.fault(value)

    def expression(self, value: str, names: _Names) -> str:
        return f"({value} is None or ({_expression(self.shape, value, names)}))"


class Items:
    """A list of values of one shape. (A draft may have a tuple there; it is stored as a list.)"""

    __slots__ = ("_fault", "_of_texts", "shape")

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
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

    def expression(self, value: str, names: _Names) -> str:
        listed = f"(type({value}) is list or type({value}) is tuple)"
        if self._of_texts:
            return f"{listed} and (not {value} or {names.constant(frozenset({str}))}.issuperset(map(type, {value})))"
        item = names.fresh()
        return f"{listed} and (not {value} or all([{_expression(self.shape, item, names)} for {item} in {value}]))"


class Rec:
    """An object with these fields and no others. Every field of `required` is there; those of `optional` may be."""

    __slots__ = ("_fits", "optional", "required")

    def __init__(self, required: Mapping[str, Shape], optional: Mapping[str, Shape]) -> None:
        self.required = MappingProxyType(dict(required))
        self.optional = MappingProxyType(dict(optional))
        self._fits: Callable[[object], bool] | None = None

    def fault(self, value: object) -> str | None:
        if self._fits is None:
            self._fits = self._compiled()
        try:
            if self._fits(value):
                return None
        except KeyError:
            pass
        return self._why(value)

    def _compiled(self) -> Callable[[object], bool]:
        names = _Names()
        source = f"lambda value: {self.expression('value', names)}"
        fits: Callable[[object], bool] = eval(source, names.constants)  # noqa: S307  # made of the shapes alone
        return fits

    def expression(self, value: str, names: _Names) -> str:
        parts = [f"type({value}) is dict"]
        extra = " + ".join(f"({name!r} in {value})" for name in self.optional)
        parts.append(f"len({value}) == {len(self.required)}" + (f" + {extra}" if extra else ""))
        for name, shape in self.required.items():
            field = names.fresh()
            # Bound first: what the shape asks, it may ask of the same value several times.
            parts.append(f"(({field} := {value}[{name!r}]), {_expression(shape, field, names)})[1]")
        for name, shape in self.optional.items():
            field = names.fresh()
            fits = f"(({field} := {value}[{name!r}]), {_expression(shape, field, names)})[1]"
            parts.append(f"({name!r} not in {value} or {fits})")
        return " and ".join(parts)

    def _why(self, value: object) -> str | None:
        if type(value) is not dict:
            return " is not an object"
        try:
            for name, shape in self.required.items():
                wrong = shape.fault(value[name])
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
