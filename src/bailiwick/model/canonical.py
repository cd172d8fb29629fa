"""The one canonical encoding: what is hashed, digested and stored is exactly these bytes.

Canonical JSON of ours (DESIGN §5 *Audit*): object keys are ASCII and sorted, no white space, UTF-8, integers within
±2^53, no floats, no lone surrogates. A decimal is written as the tagged string `{"$decimal":"12.50"}`, so that a number
never loses digits on the way. A mapping whose only key starts with `$` is refused, so a tag cannot be forged by data.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from decimal import Decimal

import orjson

from bailiwick.errors import CanonicalError

__all__ = [
    "MAX_BYTES",
    "MAX_DEPTH",
    "MAX_INT",
    "Json",
    "canonical",
    "canonical_json",
    "digest",
    "encode",
    "parse",
    "thaw",
]

Json = None | bool | int | str | list["Json"] | dict[str, "Json"]
"""What `parse` returns: plain JSON without floats."""

MAX_INT = 2**53
MAX_DEPTH = 32
MAX_BYTES = 4 * 1024 * 1024


def canonical(value: object) -> bytes:
    """The canonical bytes of a JSON-like value (None, bool, int, str, Decimal, list/tuple, mapping with str keys).

    Raises CanonicalError: float, NaN, integer beyond ±2^53, key that is not ASCII or not a string, reserved `$` tag,
    lone surrogate, deeper than MAX_DEPTH, larger than MAX_BYTES, or any other type.
    """
    return encode(canonical_json(value))


def encode(plain: object) -> bytes:
    """The canonical bytes of what `canonical_json` returned, or of a value that a closed schema has checked.

    Raises CanonicalError: lone surrogate, larger than MAX_BYTES.
    """
    try:
        encoded = orjson.dumps(plain, option=orjson.OPT_SORT_KEYS)
    except (orjson.JSONEncodeError, UnicodeEncodeError) as error:
        raise CanonicalError(f"value cannot be encoded: {error}", hint="remove lone surrogates from strings") from error
    if len(encoded) > MAX_BYTES:
        raise CanonicalError(f"value is larger than {MAX_BYTES} bytes", hint="pass large content by reference")
    return encoded


def canonical_json(value: object, depth: int = 0) -> Json:
    """`value` as plain JSON in canonical form (Decimals tagged, tuples as lists), checked as `canonical` says."""
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return value  # type: ignore[return-value]
    if kind is int:
        if not -MAX_INT <= value <= MAX_INT:  # type: ignore[operator]
            raise CanonicalError(f"integer beyond ±2^53: {str(value)[:40]}", hint="pass it as a string or a decimal")
        return value  # type: ignore[return-value]
    if depth >= MAX_DEPTH:
        raise CanonicalError(f"value is nested deeper than {MAX_DEPTH}", hint="flatten it")
    if isinstance(value, (dict, Mapping)):  # dict first: asking the abstract class costs as much as the rest
        if len(value) == 1 and next(iter(value)) in ("$decimal",):
            raise CanonicalError("a mapping uses the reserved key '$decimal'", hint="rename the key")
        out: dict[str, Json] = {}
        for key, item in value.items():
            if type(key) is not str or not key.isascii():
                raise CanonicalError(f"object key is not an ASCII string: {key!r:.60}", hint="use ASCII keys")
            out[key] = item if type(item) is str else canonical_json(item, depth + 1)
        return out
    if isinstance(value, (list, tuple)):
        return [item if type(item) is str else canonical_json(item, depth + 1) for item in value]
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise CanonicalError("a decimal is not finite")
        return {"$decimal": str(value)}
    raise CanonicalError(
        f"no canonical form for {kind.__name__}: {value!r:.60}",
        hint="use strings, integers, decimals, booleans, lists and objects",
    )


def parse(encoded: bytes) -> Json:
    """The JSON value of canonical bytes. Raises CanonicalError if they are not JSON."""
    try:
        value: Json = orjson.loads(encoded)
    except orjson.JSONDecodeError as error:
        raise CanonicalError(f"not JSON: {error}") from error
    return value


def thaw(value: Json) -> object:
    """`value` with tagged decimals turned back into Decimal: what a tool receives after the round trip."""
    if isinstance(value, list):
        return [thaw(item) for item in value]
    if isinstance(value, dict):
        tag = value.get("$decimal") if len(value) == 1 else None
        if isinstance(tag, str):
            return Decimal(tag)
        return {key: thaw(item) for key, item in value.items()}
    return value


def digest(domain: str, value: object) -> str:
    """`sha256:<hex>` over `domain`, a zero byte and the canonical bytes; `domain` keeps digests of different things
    apart."""
    return "sha256:" + hashlib.sha256(domain.encode("ascii") + b"\x00" + canonical(value)).hexdigest()
