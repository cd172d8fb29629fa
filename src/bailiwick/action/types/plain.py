"""The plain types: string, long, bool, enum. DESIGN §4 *Semantic types*.

A string is taken exactly as it is: it is not trimmed, folded or normalised, since what was judged is what runs. A
string with the role *content* never reaches policies itself; only its length, whether it is opaque, and the addresses
in it do.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

from bailiwick.action.types.base import (
    EVERY_ROLE,
    AsksNothing,
    NoOptions,
    Option,
    Options,
    OptionValue,
    Parsed,
    Surroundings,
    Unparsable,
    quoted,
)
from bailiwick.action.types.content import CONTENT_SHAPE, content_facts
from bailiwick.model.canonical import MAX_BYTES, MAX_INT
from bailiwick.model.shape import BOOL, LONG, STRING, Shape, String
from bailiwick.model.tool import ArgSpec, Role

__all__ = ["MAX_STRING", "BoolType", "EnumType", "LongType", "StringType"]

MAX_STRING = 4096
"""Characters of a string that is not content, unless `max_length` says otherwise: it travels in the request to
Cedar."""

_NAMING = frozenset({Role.TARGET, Role.SELECTOR, Role.CREDENTIAL})
_INVISIBLE = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})
_NOT_CONTENT = EVERY_ROLE - {Role.CONTENT}


def _positive(value: OptionValue) -> str:
    return "" if isinstance(value, int) and 0 < value <= MAX_BYTES else f"it must lie between 1 and {MAX_BYTES}"


def _distinct(value: OptionValue) -> str:
    if not isinstance(value, tuple) or not value:
        return "it must be a list of at least one string"
    return "" if len(set(value)) == len(value) else "a value occurs twice"


@dataclass(frozen=True, slots=True)
class StringType(AsksNothing):
    """A string. `max_length`: characters it may have (content: no limit of its own)."""

    name: str = "string"
    scalar: bool = True
    roles: frozenset[Role] = EVERY_ROLE

    @property
    def options(self) -> Mapping[str, Option]:
        return {"max_length": Option(kind=int, problem=_positive)}

    def shape(self, options: Options, role: Role) -> Shape:  # noqa: ARG002 - the Protocol's signature
        return CONTENT_SHAPE if role is Role.CONTENT else STRING

    def accepts(self, spec: ArgSpec) -> str:
        limit = _limit(spec)
        plainly = ", without spaces around it or characters that nobody sees" if spec.role in _NAMING else ""
        return f"a string{plainly}" if limit is None else f"a string of at most {limit} characters{plainly}"

    def parse(self, value: object, spec: ArgSpec, around: Surroundings) -> Parsed | Unparsable:  # noqa: ARG002
        if type(value) is not str:
            return Unparsable(problem=f"is {kind_of(value)}, not a string")
        limit = _limit(spec)
        if limit is not None and len(value) > limit:
            return Unparsable(problem=f"has {len(value)} characters", code="too-long")
        if spec.role is Role.CONTENT:
            return Parsed(facts=content_facts(value), values=(value,), text=value)
        if spec.role in _NAMING and not _one_spelling(value):
            return Unparsable(problem="is not written plainly", code="not-plain")
        return Parsed(facts=value, values=(value,))


def _one_spelling(value: str) -> bool:
    """Whether a name has no second look-alike: a rule about `9` must not miss `9 `, a full-width 9 or a 9 with
    something invisible in it, which a database or a web server may well take for 9."""
    if value != value.strip() or not unicodedata.is_normalized("NFKC", value):
        return False
    return all(unicodedata.category(char) not in _INVISIBLE for char in value)


@dataclass(frozen=True, slots=True)
class LongType(NoOptions, AsksNothing):
    """A whole number within ±2^53. A float is refused even where it is whole: 1e3 and 1000 are not the same bytes."""

    name: str = "long"
    scalar: bool = True
    roles: frozenset[Role] = _NOT_CONTENT

    def shape(self, options: Options, role: Role) -> Shape:  # noqa: ARG002
        return LONG

    def accepts(self, spec: ArgSpec) -> str:  # noqa: ARG002
        return "a whole number within ±2^53, written without a decimal point"

    def parse(self, value: object, spec: ArgSpec, around: Surroundings) -> Parsed | Unparsable:  # noqa: ARG002
        if type(value) is not int:
            return Unparsable(problem=f"is {kind_of(value)}, not a whole number")
        if abs(value) > MAX_INT:
            return Unparsable(problem="is a whole number beyond ±2^53")
        return Parsed(facts=value, values=(str(value),))


@dataclass(frozen=True, slots=True)
class BoolType(NoOptions, AsksNothing):
    """true or false; "true", 1 and "yes" are not."""

    name: str = "bool"
    scalar: bool = False
    roles: frozenset[Role] = _NOT_CONTENT

    def shape(self, options: Options, role: Role) -> Shape:  # noqa: ARG002
        return BOOL

    def accepts(self, spec: ArgSpec) -> str:  # noqa: ARG002
        return "true or false"

    def parse(self, value: object, spec: ArgSpec, around: Surroundings) -> Parsed | Unparsable:  # noqa: ARG002
        if type(value) is not bool:
            return Unparsable(problem=f"is {kind_of(value)}, not true or false")
        return Parsed(facts=value, values=("true" if value else "false",))


@dataclass(frozen=True, slots=True)
class EnumType(AsksNothing):
    """One of the strings in `values`, exactly."""

    name: str = "enum"
    scalar: bool = True
    roles: frozenset[Role] = _NOT_CONTENT

    @property
    def options(self) -> Mapping[str, Option]:
        return {"values": Option(kind=tuple, required=True, problem=_distinct)}

    def shape(self, options: Options, role: Role) -> Shape:  # noqa: ARG002
        return String(values=_values(options))

    def accepts(self, spec: ArgSpec) -> str:
        return quoted(_values(spec.options))

    def parse(self, value: object, spec: ArgSpec, around: Surroundings) -> Parsed | Unparsable:  # noqa: ARG002
        if type(value) is not str:
            return Unparsable(problem=f"is {kind_of(value)}, not a string")
        if value not in _values(spec.options):
            return Unparsable(problem=f"is {value!r:.60}, which is not one of its values", code="not-allowed")
        return Parsed(facts=value, values=(value,))


def _limit(spec: ArgSpec) -> int | None:
    limit = spec.options.get("max_length")
    if isinstance(limit, int):
        return limit
    return None if spec.role is Role.CONTENT else MAX_STRING


def _values(options: Options) -> tuple[str, ...]:
    values = options.get("values", ())
    return values if isinstance(values, tuple) else ()


def kind_of(value: object) -> str:
    """What a JSON-like value is, in words for the model."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int():
            return "a whole number"
        case float():
            return "a number with a decimal point"
        case str():
            return "a string"
        case list() | tuple():
            return "a list"
        case Mapping():
            return "an object"
        case _:
            return f"a {type(value).__name__}"
