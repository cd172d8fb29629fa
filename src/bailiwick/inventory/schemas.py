"""From a JSON Schema of somebody else's to an argument of the catalog. What has no counterpart becomes `json`.

References are followed within the document alone; one that leads back to itself, and whatever is nested or spread too
far, becomes `json` too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from bailiwick.action.types import STANDARD_TYPES
from bailiwick.inventory.words import role_of
from bailiwick.model.canonical import MAX_BYTES
from bailiwick.model.tool import Role

__all__ = ["ARG_NAME", "Argument", "argument", "resolved"]

ARG_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}", re.ASCII)
_MAX_DEPTH = 3
_MAX_FIELDS = 40
_MAX_REFS = 16
_MAX_VALUES = 100
_LONGEST_VALUE = 200
_LONGEST_VALUES = 4_000
"""Characters of all values of one enum."""
_ITEMS = 1_000
_FORMATS: Mapping[str, str] = {
    **dict.fromkeys(("email", "idn-email"), "email"),
    **dict.fromkeys(("uri", "url", "iri"), "url"),
    "date-time": "datetime",
    **dict.fromkeys(("byte", "binary", "base64"), "bytes"),
}
_PLAIN: Mapping[str, str] = {"integer": "long", "number": "number", "boolean": "bool"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Argument:
    """`declared` is what stands behind `args.<name> =`; `because` says why, guess by guess, `within` of its fields."""

    declared: Mapping[str, object]
    because: tuple[str, ...]
    within: tuple[str, ...] = ()


def argument(
    name: str, schema: Any, document: Mapping[str, Any], *, optional: bool, role: Role | None = None
) -> Argument:
    """The declaration of an argument. `role` is what its place in the source says, if it says so."""
    return _Reader(document=document, wanted=role).read(name, schema, optional=optional, depth=0)


def resolved(schema: Any, document: Mapping[str, Any]) -> Any:
    """The schema behind references and `or null`; None if there is none to be found."""
    return _Reader(document=document).resolved(schema)[0]


@dataclass(slots=True, kw_only=True)
class _Reader:
    document: Mapping[str, Any]
    wanted: Role | None = None
    within: list[str] = field(default_factory=list)
    """What was guessed of fields, one line each."""
    fields: int = 0

    def read(self, name: str, schema: Any, *, optional: bool, depth: int) -> Argument:
        resolved, may_be_null = self.resolved(schema)
        kind, options, why = self._type(name, resolved, depth)
        declared: dict[str, object] = {"type": kind}
        because = [f"type {kind}: {why}"]
        if kind in ("object", "object[]"):
            declared |= options
        else:
            role, reason = self._role(name, kind)
            declared |= {"role": role.value, **options}
            because.append(f"role {role}: {reason}")
        if optional or may_be_null:
            declared["optional"] = True
        if depth:
            self.within.append(f"{name}: {'; '.join(because)}")
        return Argument(declared=declared, because=tuple(because), within=() if depth else tuple(self.within))

    def _role(self, name: str, kind: str) -> tuple[Role, str]:
        able = STANDARD_TYPES[kind].roles
        guessed = role_of(name)
        if self.wanted is not None and self.wanted in able:
            return self.wanted, "its place in the path"
        if guessed is not None and guessed[0] in able:
            return guessed[0], f"the word '{guessed[1]}' in its name"
        if kind in ("bool", "number", "long", "long[]", "number[]", "datetime") and guessed is None:
            return Role.VALUE, "a value by its type"
        if Role.TARGET in able:
            return Role.TARGET, "nothing says otherwise, and a target is the careful reading"
        return sorted(able)[0], "the role that its type has"

    # ── types ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def _type(self, name: str, schema: Any, depth: int) -> tuple[str, dict[str, object], str]:
        if not isinstance(schema, Mapping):
            return "json", {}, "its schema cannot be read or refers to itself"
        values = _values(schema)
        if values:
            return "enum", {"values": values}, "the values that its schema lists"
        match schema.get("type"):
            case "string":
                return self._string(schema)
            case ("integer" | "number" | "boolean") as plain:
                return _PLAIN[plain], {}, f"'{plain}' in its schema"
            case "array":
                return self._list(name, schema, depth)
            case "object":
                return self._object(schema, depth)
            case _:
                return "json", {}, "its schema names no single type"

    def _string(self, schema: Mapping[str, Any]) -> tuple[str, dict[str, object], str]:
        form = schema.get("format")
        if schema.get("contentEncoding") == "base64":
            form = "base64"
        if isinstance(form, str) and form in _FORMATS:
            return _FORMATS[form], {}, f"the format '{form}' in its schema"
        longest = schema.get("maxLength")
        if type(longest) is int and 0 < longest <= MAX_BYTES:
            return "string", {"max_length": longest}, "'string' and maxLength in its schema"
        return "string", {}, "'string' in its schema"

    def _list(self, name: str, schema: Mapping[str, Any], depth: int) -> tuple[str, dict[str, object], str]:
        items, _ = self.resolved(schema.get("items"))
        if isinstance(items, Mapping) and items.get("type") == "array":
            return "json", {}, "there is no list of lists"  # not read any further: it may be a list of itself
        kind, options, why = self._type(name, items, depth)
        if f"{kind}[]" not in STANDARD_TYPES:
            return "json", {}, f"there is no list of {kind}"
        most = schema.get("maxItems")
        if type(most) is int and 0 < most <= _ITEMS and "max_items" in STANDARD_TYPES[f"{kind}[]"].options:
            options = {**options, "max_items": most}
        return f"{kind}[]", options, f"a list in its schema, of {kind}: {why}"

    def _object(self, schema: Mapping[str, Any], depth: int) -> tuple[str, dict[str, object], str]:
        fields = schema.get("properties")
        if not isinstance(fields, Mapping) or not fields:
            return "json", {}, "an object whose fields its schema does not name"
        if depth >= _MAX_DEPTH or self.fields + len(fields) > _MAX_FIELDS:
            return "json", {}, "an object with too many fields, or too deep"
        if not all(isinstance(name, str) and ARG_NAME.fullmatch(name) for name in fields):
            return "json", {}, "an object with a field whose name cannot be written in a catalog"
        required = schema.get("required")
        needed = frozenset(each for each in required if isinstance(each, str)) if isinstance(required, list) else ()
        self.fields += len(fields)  # before any is read: a schema may contain itself
        declared = {
            name: self.read(name, item, optional=name not in needed, depth=depth + 1).declared
            for name, item in fields.items()
        }
        return "object", {"fields": declared}, "an object with named fields; each has a role of its own"

    # ── references ──────────────────────────────────────────────────────────────────────────────────────────────────

    def resolved(self, schema: Any) -> tuple[Any, bool]:
        """(the schema behind references and `or null`, whether it may be null); None if there is none to be found."""
        null = False
        for _ in range(_MAX_REFS):
            if not isinstance(schema, Mapping):
                return None, null
            if "$ref" in schema:
                schema = self._pointed(schema["$ref"])
                continue
            null = null or schema.get("nullable") is True
            inner = _not_null(schema)
            if inner is None:
                return schema, null
            schema, null = inner, True
        return None, null

    def _pointed(self, ref: object) -> Any:
        if not isinstance(ref, str) or not ref.startswith("#/"):
            return None
        node: Any = self.document
        for part in ref[2:].split("/"):
            name = part.replace("~1", "/").replace("~0", "~")
            node = node.get(name) if isinstance(node, Mapping) else None
        return node


def _not_null(schema: Mapping[str, Any]) -> Any:
    """What is left of `X or null`; None if it is no such thing."""
    for key in ("anyOf", "oneOf"):
        choices = schema.get(key)
        if isinstance(choices, list) and len(choices) == 2:
            rest = [each for each in choices if not (isinstance(each, Mapping) and each.get("type") == "null")]
            if len(rest) == 1:
                return rest[0]
    kinds = schema.get("type")
    if isinstance(kinds, list) and len(kinds) == 2 and "null" in kinds:
        return {**schema, "type": next((each for each in kinds if each != "null"), None)}
    return None


def _values(schema: Mapping[str, Any]) -> list[str]:
    given = [schema["const"]] if "const" in schema else schema.get("enum")
    if not isinstance(given, list) or not 0 < len(given) <= _MAX_VALUES:
        return []
    texts = list(dict.fromkeys(_short(given)))
    return texts if len(texts) == len(given) and sum(map(len, texts)) <= _LONGEST_VALUES else []


def _short(given: list[Any]) -> Iterator[str]:
    return (each for each in given if isinstance(each, str) and len(each) <= _LONGEST_VALUE)
