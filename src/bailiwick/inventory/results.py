"""The fields of a tool's result, where its source has a schema of it: names to check the rest of `output` against.

What a field means (who writes it, how secret it is) no schema says, so nothing else of a result is proposed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bailiwick.inventory.schemas import ARG_NAME, resolved

__all__ = ["Result", "read_result"]

_MAX_DEPTH = 3
_MAX_FIELDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """`records` is the dotted path to the records, `fields` the dotted paths of the fields of one."""

    records: str = ""
    fields: tuple[str, ...] = ()


def read_result(schema: Any, document: Mapping[str, Any]) -> Result | None:
    """The fields of what `schema` describes; None if it names none, or so many that nobody reviews them."""
    record, path = _record(schema, document)
    fields = tuple(_fields(record, document, "", 0))
    return Result(records=path, fields=fields) if 0 < len(fields) <= _MAX_FIELDS else None


def _record(schema: Any, document: Mapping[str, Any]) -> tuple[Any, str]:
    """The schema of one record, and where the records stand: in a list, or in the only field of an object."""
    found, path = resolved(schema, document), ""
    for _ in range(_MAX_DEPTH):
        if not isinstance(found, Mapping):
            break
        if found.get("type") == "array":
            return resolved(found.get("items"), document), path
        inner = found.get("properties")
        if not isinstance(inner, Mapping) or len(inner) != 1:
            break
        (name, only), *_ = inner.items()
        below = resolved(only, document)
        if not isinstance(below, Mapping) or below.get("type") not in ("array", "object") or not _plain(name):
            break
        found, path = below, f"{path}.{name}" if path else name
    return found, path


def _fields(schema: Any, document: Mapping[str, Any], within: str, depth: int) -> Iterator[str]:
    inner = schema.get("properties") if isinstance(schema, Mapping) else None
    if not isinstance(inner, Mapping):
        return
    for name, item in inner.items():
        if not _plain(name):
            continue
        yield within + name
        below = resolved(item, document)
        if isinstance(below, Mapping) and below.get("type") == "array":
            below = resolved(below.get("items"), document)
        if depth + 1 < _MAX_DEPTH:
            yield from _fields(below, document, f"{within}{name}.", depth + 1)


def _plain(name: object) -> bool:
    return isinstance(name, str) and ARG_NAME.fullmatch(name) is not None
