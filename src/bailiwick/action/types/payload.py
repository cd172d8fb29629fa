"""The types `bytes` and `json`: content that is not plain text.

Neither shows itself to policies: only its length, whether it is opaque, and the addresses in it. `bytes` is base64 in
its one form (RFC 4648, with padding); what is no text when it is decoded is opaque. `json` is any value that has a
canonical form; with a `schema` (see `json_schema`) one that the schema describes. A schema makes the shape known to the
tool, not the value to rules: what rules have to compare is declared as an `object`.
"""

from __future__ import annotations

import base64
import binascii
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from bailiwick.action.types.base import (
    EVERY_ROLE,
    AsksNothing,
    Option,
    Options,
    OptionValue,
    Parsed,
    Surroundings,
    Unparsable,
)
from bailiwick.action.types.content import CONTENT_SHAPE, content_facts
from bailiwick.action.types.json_schema import schema_problem, value_problem
from bailiwick.action.types.plain import kind_of
from bailiwick.errors import CanonicalError
from bailiwick.model.call import Facts
from bailiwick.model.canonical import MAX_BYTES, canonical
from bailiwick.model.shape import Shape
from bailiwick.model.tool import ArgSpec, Role

__all__ = ["BytesType", "JsonType"]

DEFAULT_JSON_BYTES = 262_144
MAX_JSON_DEPTH = 32
MAX_JSON_NODES = 20_000
_MAX_EXPONENT = 400
"""Of a decimal, either way: a larger one has no use but to fill the memory of whoever writes it out."""

_BINARY = frozenset({"Cc", "Cn", "Co", "Cs"})


def _some_bytes(value: OptionValue) -> str:
    good = type(value) is int and 0 < value <= MAX_BYTES
    return "" if good else f"it must lie between 1 and {MAX_BYTES}"


def _schema(value: OptionValue) -> str:
    return schema_problem(value) if isinstance(value, str) else "it must be a schema"


def _limit(spec: ArgSpec, default: int) -> int:
    limit = spec.options.get("max_bytes", default)
    return limit if isinstance(limit, int) else default


@dataclass(frozen=True, slots=True)
class BytesType(AsksNothing):
    """Bytes as base64. `max_bytes`: how many there may be."""

    name: str = "bytes"
    scalar: bool = False
    roles: frozenset[Role] = frozenset({Role.CONTENT})

    @property
    def options(self) -> Mapping[str, Option]:
        return {"max_bytes": Option(kind=int, problem=_some_bytes)}

    def shape(self, options: Options, role: Role) -> Shape:  # noqa: ARG002 - the Protocol's signature
        return CONTENT_SHAPE

    def accepts(self, spec: ArgSpec) -> str:
        return f"at most {_limit(spec, MAX_BYTES)} bytes as base64 with padding and without line breaks"

    def parse(self, value: object, spec: ArgSpec, around: Surroundings) -> Parsed | Unparsable:  # noqa: ARG002
        if type(value) is not str:
            return Unparsable(problem=f"is {kind_of(value)}, not a string")
        try:
            data = base64.b64decode(value.encode("ascii"), validate=True)
        except (ValueError, binascii.Error):
            return Unparsable(problem="is not base64", code="not-base64")
        # Bits that no byte needs could say something else to another decoder.
        if base64.b64encode(data).decode("ascii") != value:
            return Unparsable(problem="is not base64 in its one form", code="not-base64")
        if len(data) > _limit(spec, MAX_BYTES):
            return Unparsable(problem=f"has {len(data)} bytes", code="too-long")
        text = _as_text(data)
        facts: Facts = {"addresses": (), "opaque": True} if text is None else content_facts(text)
        return Parsed(facts={**facts, "length": len(data)}, values=(value,), text=text or "")


def _as_text(data: bytes) -> str | None:
    """The text that the bytes are; None if they are none that a person could read."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return None
    readable = all(char in "\t\n\r" or unicodedata.category(char) not in _BINARY for char in text)
    return text if readable else None


@dataclass(frozen=True, slots=True)
class JsonType(AsksNothing):
    """Any JSON value, or one that fits `schema`. `max_bytes`: how long it may be, written canonically."""

    name: str = "json"
    scalar: bool = False
    roles: frozenset[Role] = EVERY_ROLE - {Role.COMMAND, Role.CREDENTIAL}

    @property
    def options(self) -> Mapping[str, Option]:
        return {
            "schema": Option(kind=dict, problem=_schema),
            "max_bytes": Option(kind=int, problem=_some_bytes),
        }

    def shape(self, options: Options, role: Role) -> Shape:  # noqa: ARG002
        return CONTENT_SHAPE

    def accepts(self, spec: ArgSpec) -> str:
        fitting = " that fits its schema" if "schema" in spec.options else ""
        return f"a JSON value{fitting}, of at most {_limit(spec, DEFAULT_JSON_BYTES)} bytes"

    def parse(self, value: object, spec: ArgSpec, around: Surroundings) -> Parsed | Unparsable:  # noqa: ARG002
        problem = _size_problem(value)
        if problem:
            return Unparsable(problem=problem, code="too-long")
        try:
            encoded = canonical(value)
        except CanonicalError:
            return Unparsable(problem="has no exact form", code="not-canonical")
        if len(encoded) > _limit(spec, DEFAULT_JSON_BYTES):
            return Unparsable(problem=f"has {len(encoded)} bytes", code="too-long")
        schema = spec.options.get("schema")
        if isinstance(schema, str):
            problem = value_problem(schema, value)
            if problem:
                return Unparsable(problem=f"does not fit its schema{problem}", code="not-in-schema")
        text = "\n".join(_texts(value))
        whole = encoded.decode("utf-8")
        facts = {**content_facts(text), "length": len(whole)}
        # As anything but content it is endorsed as one whole value, or not at all.
        return Parsed(facts=facts, values=(whole,), text=text)


def _size_problem(value: object) -> str:
    todo: list[tuple[object, int]] = [(value, 1)]
    nodes = 0
    while todo:
        node, depth = todo.pop()
        nodes += 1
        if depth > MAX_JSON_DEPTH:
            return f"is nested deeper than {MAX_JSON_DEPTH}"
        if nodes > MAX_JSON_NODES:
            return f"holds more than {MAX_JSON_NODES} values"
        if isinstance(node, Decimal) and not (node.is_finite() and abs(node.adjusted()) <= _MAX_EXPONENT):
            return "holds a number that is too large to be written out"
        if isinstance(node, Mapping):
            todo += ((item, depth + 1) for item in node.values())
        elif isinstance(node, list | tuple):
            todo += ((item, depth + 1) for item in node)
    return ""


def _texts(value: object) -> Iterator[str]:
    """Every text in it, names of fields too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield str(key)
            yield from _texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)
