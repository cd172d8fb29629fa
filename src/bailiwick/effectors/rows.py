"""What reading a database gave, within limits; and the limits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bailiwick.effectors.limits import check_count, check_seconds
from bailiwick.errors import DidNotRun
from bailiwick.guard.effectors import Decided
from bailiwick.model.tool import ArgSpec

__all__ = ["Limits", "Rows", "check_one_read", "not_sql_of", "within"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one read may take: rows, bytes of texts and blobs, seconds."""

    rows: int = 1_000
    bytes: int = 10_000_000
    seconds: float = 5.0

    def __post_init__(self) -> None:
        check_count("rows", self.rows)
        check_count("bytes", self.bytes)
        check_seconds(self.seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """`rows` as the database gave them, in its order. `complete` is False where there were more than the limits let
    through."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    complete: bool

    def dicts(self) -> list[dict[str, Any]]:
        """Each row by the names of its columns. Of two columns with the same name the last one is kept."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


def within(limits: Limits, rows: Iterable[tuple[Any, ...]]) -> tuple[tuple[tuple[Any, ...], ...], bool]:
    """As many of `rows` as the limits let through, and whether these are all."""
    taken: list[tuple[Any, ...]] = []
    size = 0
    for row in rows:
        size += sum(len(value) for value in row if isinstance(value, str | bytes))
        if len(taken) == limits.rows or size > limits.bytes:
            return tuple(taken), False
        taken.append(row)
    return tuple(taken), True


def not_sql_of(spec: ArgSpec, dialect: str) -> str:
    """Why an argument is not SQL of this dialect, "" if it is; completes "argument 'x' …"."""
    if spec.type != "sql":
        return f"is of type {spec.type}, and this effector runs type sql"
    if spec.options.get("dialect") != dialect:
        return f"is SQL for {spec.options.get('dialect')}, and this effector speaks {dialect}"
    return ""


def check_one_read(decided: Decided) -> tuple[str, frozenset[str], frozenset[str]]:
    """→ the text, its tables and its functions as they were decided. Raises DidNotRun if it is not one plain read."""
    facts = decided.facts.facts
    assert isinstance(facts, Mapping)
    if facts["read_only"] is not True or facts["statements"] != 1:
        raise DidNotRun("this database is read-only, and the SQL is not one plain read", hint="write one SELECT")
    tables, functions = facts["tables"], facts["functions"]
    assert isinstance(tables, tuple)
    assert isinstance(functions, tuple)
    return str(decided.value), frozenset(tables), frozenset(functions)
