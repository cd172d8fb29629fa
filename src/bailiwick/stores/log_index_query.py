"""A search as SQL over the index. See `log_index`.

One term leads: its rows are read newest first through its index, all other terms are asked of each row, and reading
stops at the limit. So the cost is bounded by how often the leading term occurs, not by the length of the logs.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bailiwick.audit.search_terms import Query

__all__ = ["Cursor", "Plan", "plan_of"]

Cursor = tuple[int, int]
"""A place in a list that goes by time: opaque, to be handed back as `before` or `after`."""

_LEADS = ("session", "policy", "source", "observed", "tool", "outcome", "actor", "kind", "log")
"""Columns by how little is found through them, usually."""
_COLUMN = {"session": "belongs", "policy": "policies"}
_INDEXED = frozenset({"belongs", "policies", "source", "observed", "tool", "outcome", "actor", "kind"})
_WOULD = frozenset({"would_deny", "would_ask"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`filters` are conditions on `e` (a row of events) with their values. `lead`, a column, is one of `numbers`;
    empty: rows are read by time alone."""

    lead: str
    numbers: tuple[int, ...]
    filters: tuple[str, ...]
    values: tuple[object, ...]

    def conditions(self) -> tuple[str, list[object]]:
        """All of it as one condition on `e`."""
        every = list(self.filters)
        if self.lead:
            every.append(f"+e.{self.lead} IN ({', '.join('?' * len(self.numbers))})")
        return " AND ".join(every) or "1", [*self.values, *self.numbers]

    def select(self, columns: str, limit: int, before: Cursor | None) -> tuple[str, list[object]]:
        """The newest rows first, by (when_us, at)."""
        conditions, values = list(self.filters), list(self.values)
        if before is not None:
            conditions.append("(e.when_us, e.at) < (?, ?)")
            values += before
        if not self.lead:
            where = " AND ".join(conditions) or "1"
            query = f"SELECT {columns} FROM events e WHERE {where} ORDER BY e.when_us DESC, e.at DESC LIMIT ?"  # noqa: S608
            return query, [*values, limit]
        one = " AND ".join((f"e.{self.lead} = ?", *conditions))
        part = f"SELECT * FROM (SELECT {columns} FROM events e WHERE {one} ORDER BY e.when_us DESC, e.at DESC LIMIT ?)"  # noqa: S608
        query = " UNION ALL ".join([part] * len(self.numbers)) + " ORDER BY when_us DESC, at DESC LIMIT ?"
        return query, [value for number in self.numbers for value in (number, *values, limit)] + [limit]


def plan_of(connection: sqlite3.Connection, query: Query) -> Plan | None:
    """How `query` is answered; None if nothing can be found, since no event holds what it asks for."""
    wanted: dict[str, tuple[int, ...]] = {}
    for column, numbers in _numbers(connection, query.wanted, both=True):
        wanted[column] = numbers
        if not numbers:
            return None
    filters: list[str] = []
    values: list[object] = []
    lead = next((name for name in _LEADS if _column(name) in wanted and _column(name) in _INDEXED), "")
    for column, numbers in wanted.items():
        if column != _column(lead):
            filters.append(f"+e.{column} IN ({', '.join('?' * len(numbers))})")
            values += numbers
    for column, numbers in _numbers(connection, query.unwanted, both=False):
        if numbers:
            filters.append(f"(e.{column} IS NULL OR +e.{column} NOT IN ({', '.join('?' * len(numbers))}))")
            values += numbers
    for bound, sign in ((query.since_us, ">="), (query.until_us, "<")):
        if bound is not None:
            filters.append(f"e.when_us {sign} ?")
            values.append(bound)
    column = _column(lead) if lead else ""
    return Plan(lead=column, numbers=wanted.get(column, ()), filters=tuple(filters), values=tuple(values))


def _column(name: str) -> str:
    return _COLUMN.get(name, name)


def _numbers(connection: sqlite3.Connection, terms: object, *, both: bool) -> Iterator[tuple[str, tuple[int, ...]]]:
    """(column, numbers of its words that the term's values mean). Outcomes that rules would have had, if they were
    enforced, are a column of their own."""
    assert hasattr(terms, "items")
    for name, values in terms.items():
        if name != "outcome":
            yield _column(name), _found(connection, name, values)
            continue
        plain = tuple(value for value in values if value not in _WOULD)
        would = tuple(value for value in values if value in _WOULD)
        if would:
            yield "observed", _found(connection, "observed", would)
        if plain or (both and not would):
            yield "outcome", _found(connection, "outcome", plain)


def _found(connection: sqlite3.Connection, name: str, values: Sequence[str]) -> tuple[int, ...]:
    found: dict[int, None] = {}
    for value in values:
        match name:
            case "kind":
                rows = _words(connection, value) or _like(connection, f"{value}.")
            case "tool" if value.endswith("*"):
                rows = _like(connection, value[:-1])
            case "actor" | "policy":
                rows = _wholes(connection, _in_quotes(value) if name == "actor" else value)
            case _:
                rows = _words(connection, value)
        found.update((number, None) for (number,) in rows)
    return tuple(found)


def _words(connection: sqlite3.Connection, word: str) -> list[tuple[int]]:
    return connection.execute("SELECT n FROM words WHERE word = ?", (word,)).fetchall()


def _like(connection: sqlite3.Connection, prefix: str) -> list[tuple[int]]:
    """Words that begin so."""
    return connection.execute(
        "SELECT n FROM words WHERE word >= ?1 AND word < ?1 || char(0x10ffff)", (prefix,)
    ).fetchall()


def _wholes(connection: sqlite3.Connection, part: str) -> list[tuple[int]]:
    query = "SELECT whole FROM members WHERE part = (SELECT n FROM words WHERE word = ?)"
    return connection.execute(query, (part,)).fetchall()


def _in_quotes(link: str) -> str:
    """`User::"alice"` for `User::alice`, as chains write it."""
    kind, colons, name = link.partition("::")
    return f'{kind}::"{name}"' if colons and name and not name.startswith('"') else link
