"""JSON Schemas of the type `json`: which are taken, and whether a value fits. Draft 2020-12, by jsonschema-rs.

A schema is code that runs over what a model wrote, so what it can do is bounded when it is loaded: only keywords of the
list below, no reference outside itself, none that leads back to itself, and a bounded size with all references written
out. Patterns are matched by an engine that takes linear time; a `format` that is not known is refused. INVARIANT:
nothing is ever fetched, neither from the network nor from a file.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from typing import Any, NoReturn

import jsonschema_rs

__all__ = ["MAX_SCHEMA", "as_json", "schema_problem", "value_problem"]

MAX_SCHEMA = 65_536
"""Characters of a schema, as JSON."""
MAX_WRITTEN_OUT = 5_000
"""Schemas in a schema, with each reference replaced by what it stands for."""
MAX_SCHEMA_DEPTH = 32

_DRAFT = "https://json-schema.org/draft/2020-12/schema"
_ONE = ("additionalProperties", "propertyNames", "items", "contains", "not", "if", "then", "else")
_MANY = ("allOf", "anyOf", "oneOf", "prefixItems")
_NAMED = ("properties", "patternProperties", "dependentSchemas", "$defs")
_PLAIN = (
    *("type", "enum", "const", "multipleOf", "maximum", "exclusiveMaximum", "minimum", "exclusiveMinimum"),
    *("maxLength", "minLength", "pattern", "format", "maxItems", "minItems", "uniqueItems", "maxContains"),
    *("minContains", "maxProperties", "minProperties", "required", "dependentRequired"),
    *("$ref", "$schema", "$comment", "title", "description", "default", "examples", "deprecated"),
    *("readOnly", "writeOnly"),
)
KEYWORDS = frozenset((*_ONE, *_MANY, *_NAMED, *_PLAIN))
"""What a schema may say. (`unevaluatedProperties`, `$id`, anchors and dynamic references are left out.)"""


def as_json(text: str) -> tuple[str, str]:
    """(the JSON in `text` in one form, what is wrong with it). A key that is there twice is wrong."""
    try:
        value = json.loads(text, object_pairs_hook=_distinct, parse_constant=_refuse_constant)
        return json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":")), ""
    except (ValueError, RecursionError) as error:
        return "", f"it is no JSON: {error!s:.200}"


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key occurs twice in one object")
    return found


def _refuse_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON number")


@functools.lru_cache(maxsize=256)
def schema_problem(text: str) -> str:
    """What is wrong with a schema (JSON text), "" if nothing is."""
    if len(text) > MAX_SCHEMA:
        return f"it has {len(text)} characters; at most {MAX_SCHEMA} are taken"
    schema = json.loads(text)
    try:
        size = _Size(schema).of(schema, 0)
    except _SchemaError as error:
        return str(error)
    if size > MAX_WRITTEN_OUT:
        return f"it holds {size} schemas with its references written out; at most {MAX_WRITTEN_OUT} are taken"
    try:
        _validator(text)
    except jsonschema_rs.ValidationError as error:
        return f"it is no schema of draft 2020-12: {error.message:.200}"
    except ValueError as error:
        return f"it is no schema of draft 2020-12: {error!s:.200}"
    return ""


def value_problem(text: str, value: object) -> str:
    """Where `value` does not fit the schema, as the end of a sentence; "" if it fits."""
    try:
        _validator(text).validate(_plain(value))  # ends at the first error; `iter_errors` looks for all of them first
    except jsonschema_rs.ValidationError as found:
        error = found
    except ValueError:
        return ": it cannot be compared with it"
    else:
        return ""
    place = "/".join(str(part) for part in error.instance_path)
    keyword = str(error.schema_path[-1]) if error.schema_path else "false"
    return f" at /{place:.100} ({keyword:.40})"


@functools.lru_cache(maxsize=256)
def _validator(text: str) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(
        json.loads(text),
        validate_formats=True,
        ignore_unknown_formats=False,
        retriever=_retrieve_nothing,
        pattern_options=jsonschema_rs.RegexOptions(),
    )


def _retrieve_nothing(uri: str) -> NoReturn:
    raise ValueError(f"{uri} is outside of the schema")


def _plain(value: object) -> object:
    """The value in the types that the validator knows."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


class _SchemaError(ValueError):
    """Raised and caught in this module: a schema that is not taken, in words."""


class _Size:
    """How many schemas one is, references written out."""

    def __init__(self, root: object) -> None:
        self._root = root
        self._known: dict[str, int] = {}
        self._open: set[str] = set()

    def of(self, schema: object, depth: int) -> int:
        if depth > MAX_SCHEMA_DEPTH:
            raise _SchemaError(f"it is nested deeper than {MAX_SCHEMA_DEPTH}")
        if isinstance(schema, bool):
            return 1
        if not isinstance(schema, dict):
            raise _SchemaError("a schema in it is neither an object nor true or false")
        _check_keywords(schema)
        size = 1
        for key in _ONE:
            size += self.of(schema[key], depth + 1) if key in schema else 0
        for key in _MANY:
            size += sum(self.of(each, depth + 1) for each in _list(schema.get(key, []), key))
        for key in _NAMED:
            size += sum(self.of(each, depth + 1) for each in _table(schema.get(key, {}), key).values())
        return size + (self._referred(schema["$ref"], depth) if "$ref" in schema else 0)

    def _referred(self, ref: object, depth: int) -> int:
        if not isinstance(ref, str) or not (ref == "#" or ref.startswith("#/")):
            raise _SchemaError(f"it refers to {ref!r:.80}; a reference can only lead to another part of it (#/$defs/…)")
        if ref in self._open:
            raise _SchemaError(f"it refers to itself through {ref!r:.80}; say how deep it goes by writing it out")
        if ref not in self._known:
            self._open.add(ref)
            self._known[ref] = self.of(_pointed(self._root, ref), depth + 1)
            self._open.discard(ref)
        return self._known[ref]


def _check_keywords(schema: dict[str, Any]) -> None:
    for key in schema:
        if key not in KEYWORDS:
            raise _SchemaError(f"it uses {key!r:.60}, which is not taken")
    if schema.get("$schema", _DRAFT) != _DRAFT:
        raise _SchemaError(f"its $schema is not {_DRAFT}")


def _list(value: object, key: str) -> list[Any]:
    if not isinstance(value, list):
        raise _SchemaError(f"'{key}' in it is no list")
    return value


def _table(value: object, key: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _SchemaError(f"'{key}' in it is no object")
    return value


def _pointed(root: object, ref: str) -> object:
    """What a pointer (RFC 6901) without percent-encoding leads to."""
    node = root
    if "%" in ref:
        raise _SchemaError(f"the reference {ref!r:.80} is percent-encoded")
    for part in ref.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(node, dict) and key in node:
            node = node[key]
        elif isinstance(node, list) and key.isascii() and key.isdecimal() and int(key) < len(node):
            node = node[int(key)]
        else:
            raise _SchemaError(f"nothing is at {ref!r:.80}")
    return node
