"""A tool's result as JSON would hold it: what the flow plane labels and a model is shown.

Tools return what their libraries give them: pydantic models, dataclasses, named tuples, dates, sets. A field of such a
value is as much a field as that of a mapping. What has no such form is taken as the text that Python shows for it,
which no declaration speaks of, so it taints. Raises what a value's own code raises: then nobody knows what the tool
returned, and its outcome is not recorded.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Set
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from uuid import UUID

__all__ = ["MAX_NESTING", "plain"]

MAX_NESTING = 64
"""Levels that are kept as they are; what lies deeper is text."""

_KEPT = (str, bool, int, float, Decimal, type(None))
_SHOWN = (UUID, PurePath, timedelta)


def plain(value: object) -> object:
    """`value` in mappings, lists, texts, numbers, booleans and None. What is that already stays the same object where
    it holds nothing else."""
    return _plain(value, 0)


def _plain(value: object, depth: int) -> object:
    match value:
        case Enum():
            return _plain(value.value, depth + 1)
        case _ if isinstance(value, _KEPT):
            return value
        case _ if depth > MAX_NESTING:
            return str(value)
        case datetime() | date() | time():
            return value.isoformat()
        case bytes() | bytearray() | memoryview():
            return bytes(value).decode("utf-8", "replace")
        case Mapping():
            return {_key(key): _plain(item, depth + 1) for key, item in value.items()}
        case tuple() if hasattr(value, "_fields"):
            return {str(name): _plain(item, depth + 1) for name, item in zip(value._fields, value, strict=False)}
        case list() | tuple():
            return [_plain(item, depth + 1) for item in value]
        case Set():
            return sorted((_plain(item, depth + 1) for item in value), key=repr)
        case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return {each.name: _plain(getattr(value, each.name, None), depth + 1) for each in dataclasses.fields(value)}
        case _ if isinstance(value, _SHOWN):
            return str(value)
        case _:
            return _dumped(value, depth)


def _dumped(value: object, depth: int) -> object:
    """A value that knows its own fields, as models of pydantic do; any other as text."""
    dump: Callable[[], object] | None = None if isinstance(value, type) else getattr(value, "model_dump", None)
    if not callable(dump):
        return str(value)
    fields = dump()
    return _plain(fields, depth + 1) if isinstance(fields, Mapping) else str(value)


def _key(key: object) -> str:
    return key if isinstance(key, str) else str(_plain(key, MAX_NESTING))
