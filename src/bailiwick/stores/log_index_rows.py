"""Rows of the index as values, and the columns that they are made of. See `log_index`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import orjson

from bailiwick.audit.links import NOWHERE
from bailiwick.audit.slices import Edge, Entry
from bailiwick.stores.log_index_query import Cursor
from bailiwick.stores.log_index_writer import RELATIONS, name_of

__all__ = [
    "BACK",
    "ENTRY",
    "FORWARD",
    "FORWARD_BY",
    "MINE",
    "SESSION",
    "Page",
    "SessionRow",
    "edge_of",
    "entry_of",
    "page_of",
    "session_of",
]

T = TypeVar("T")

_WORDS = ("log", "session", "kind", "task", "actor", "tool", "outcome", "origin", "label", "policies", "observed")
_WORD = "(SELECT word FROM words WHERE n = {})"
_NAME = "(SELECT name FROM names WHERE n = {})"
ENTRY = ", ".join(
    (
        "e.at",
        "e.when_us",
        "e.ts_us",
        _NAME.format("e.n"),
        "e.seq",
        "e.ord",
        "e.about",
        *(_WORD.format(f"e.{c}") for c in _WORDS),
    )
)
SESSION = """(SELECT word FROM words WHERE n = s.session), s.first_us, s.last_us, s.events, s.decisions, s.denied,
    s.asked, s.root, s.agent, s.task, s.purpose, s.conversation, (SELECT word FROM words WHERE n = s.parent), s.closed,
    s.session"""


_LABEL = "(SELECT word FROM events o JOIN words w ON w.n = o.label WHERE o.n = {})"


def _edge_columns(earlier: str) -> str:
    """The columns of an edge; `earlier` is SQL for the number of the earlier event."""
    numbers = (_NAME.format("x.later"), _NAME.format(earlier), "x.relation", _WORD.format("x.name"), "x.path")
    return ", ".join((*numbers, _WORD.format("x.how"), _LABEL.format(earlier)))


BACK = f"""
SELECT {_edge_columns("coalesce(d.event, x.earlier)")}
FROM edges x LEFT JOIN defines d ON d.name = x.earlier
WHERE x.later = (SELECT n FROM names WHERE name = ?) ORDER BY x.number LIMIT ?"""  # noqa: S608  # all of it is ours
MINE = """
WITH me (me) AS (SELECT n FROM names WHERE name = ?)
SELECT me, me FROM me UNION ALL SELECT me, d.name FROM me JOIN defines d ON d.event = me"""
"""An event's number beside each name that means it."""
FORWARD = f"""
SELECT {_edge_columns("?1")} FROM edges x
WHERE x.earlier = ?2 ORDER BY x.relation, x.later, x.number LIMIT ?3"""  # noqa: S608
"""As the index on edges has them: however much follows from an event, no more is read than the limit."""
FORWARD_BY = f"""
SELECT {_edge_columns("?1")} FROM edges x
WHERE x.earlier = ?2 AND x.relation = ?4 ORDER BY x.later, x.number LIMIT ?3"""  # noqa: S608


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRow:
    """A session, over all logs that hold events of it. Times are microseconds since the epoch; `parent` is the session
    that delegated to it, empty for none; `root`, `agent`, `purpose` and `conversation` are those of its latest
    opening."""

    session: str
    first_us: int
    last_us: int
    events: int
    decisions: int
    denied: int
    asked: int
    root: str
    agent: str
    task: str
    purpose: str
    conversation: str
    parent: str
    closed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[T]):
    """A part of a list. `next`: hand it back for what follows; None at the end."""

    items: tuple[T, ...]
    next: Cursor | None = None


def edge_of(row: tuple[bytes, bytes | None, int, str | None, str, str | None, str | None]) -> Edge:
    later, earlier, relation, name, path, how, label = row
    return Edge(
        later=name_of(later),
        earlier=NOWHERE if earlier is None else name_of(earlier),
        relation=RELATIONS[relation],
        name=name or "",
        path=path,
        how=how or "",
        label=orjson.loads(label) if label else None,
    )


def entry_of(row: tuple[object, ...]) -> Entry:
    _at, _when_us, ts_us, name, seq, ord_, about, *words = row
    texts = dict(zip(_WORDS, ("" if word is None else str(word) for word in words), strict=True))
    assert isinstance(ts_us, int)
    assert isinstance(name, bytes)
    assert isinstance(seq, int)
    assert isinstance(ord_, int)
    return Entry(
        id=name_of(name),
        log=texts["log"],
        seq=seq,
        session=texts["session"],
        ord=ord_,
        kind=texts["kind"],
        ts_us=ts_us,
        task=texts["task"],
        actor=tuple(orjson.loads(texts["actor"])) if texts["actor"] else (),
        tool=texts["tool"],
        about=str(about),
        outcome=texts["outcome"],
        origin=texts["origin"],
        label=orjson.loads(texts["label"]) if texts["label"] else None,
        policies=tuple(orjson.loads(texts["policies"])) if texts["policies"] else (),
        observed=texts["observed"],
    )


def session_of(row: tuple[object, ...]) -> SessionRow:
    names = SessionRow.__slots__
    values = dict(zip(names, row, strict=False))
    return SessionRow(**{**values, "parent": values["parent"] or "", "closed": bool(values["closed"])})  # type: ignore[arg-type]


def page_of(rows: Sequence[tuple[Cursor, Entry]], limit: int) -> Page[Entry]:
    more = rows[limit - 1][0] if len(rows) > limit else None
    return Page(items=tuple(entry for _, entry in rows[:limit]), next=more)
