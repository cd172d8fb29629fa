"""Fills the index from the logs. See `log_index`.

INVARIANT: a batch and the mark how far its log is indexed are written in one transaction, begun before the mark is
read: two processes that catch up at once index no event twice and skip none.
INVARIANT: nothing of a content comes in here: facts and links are those of the event's body.
"""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson

from bailiwick.audit.entries import Facts, facts_of
from bailiwick.audit.links import Link, Relation, links_of, names_of
from bailiwick.audit.report import StoredEvent
from bailiwick.model.event import EventKind
from bailiwick.stores.log_index_file import ALL_TABLES

__all__ = ["RELATIONS", "IndexWriter", "key_of", "name_of"]

RELATIONS = tuple(Relation)
"""A relation is kept as its place in here."""
_NUMBERS = {relation: number for number, relation in enumerate(RELATIONS)}

_UUID, _TEXT = b"u", b"t"
BACKWARDS_US = 2_000_000
"""So much older than the record before it an event may be and be listed after it."""
_DENIED = frozenset({"deny"})
_ASKED = frozenset({"needs_approval"})

Columns = tuple[object, ...]


def key_of(name: str) -> bytes:
    """A name as it is kept: a UUID in 16 bytes, anything else as its text; a byte before it says which."""
    if len(name) == 36:
        try:
            raw = uuid.UUID(name)
        except ValueError:
            raw = None
        if raw is not None and str(raw) == name:
            return _UUID + raw.bytes
    return _TEXT + name.encode("utf-8", "replace")


def name_of(key: bytes) -> str:
    """The opposite of `key_of`."""
    if key[:1] == _TEXT:
        return key[1:].decode("utf-8")
    return str(uuid.UUID(bytes=key[1:]))


@dataclass(slots=True)
class _Session:
    """What a batch adds to a session."""

    first_us: int
    last_us: int = 0
    events: int = 0
    decisions: int = 0
    denied: int = 0
    asked: int = 0
    opened: tuple[str, str, str, str, str] | None = None
    closed: int | None = None


@dataclass(slots=True)
class _Batch:
    names: list[tuple[int, bytes]] = field(default_factory=list)
    events: list[Columns] = field(default_factory=list)
    edges: list[Columns] = field(default_factory=list)
    defines: list[tuple[int, int]] = field(default_factory=list)
    sessions: dict[int, _Session] = field(default_factory=dict)
    parents: list[tuple[int, int]] = field(default_factory=list)
    late: list[tuple[int, int]] = field(default_factory=list)
    """(number of a name that was named before the event came, the session that the event belongs to)"""


class _Said(NamedTuple):
    """What is indexed of an event's own words."""

    facts: Facts
    links: tuple[Link, ...]
    names: tuple[str, ...]
    actor: tuple[str, ...]
    task: str
    body: Mapping[str, Any]


class IndexWriter:
    """Takes rows of logs into an index. One per connection; within a transaction of the caller's."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection
        self._made = ""
        self._words: dict[str, int] = {}
        self._labels: dict[bytes, int] = {}
        self._next_name = 0
        self._when_us = 0
        self._batch = _Batch()
        self._fresh: dict[bytes, int] = {}

    def next_of(self, log: str) -> tuple[int, bytes]:
        """The seq of the log's first row that is not indexed, and the leaf of the one before it."""
        query = "SELECT next, leaf FROM logs WHERE log = (SELECT n FROM words WHERE word = ?)"
        found = self._db.execute(query, (log,)).fetchone()
        return (int(found[0]), bytes(found[1])) if found else (0, b"")

    def clear(self) -> None:
        """Forget everything: a log is not what it was."""
        for table in ALL_TABLES:
            self._db.execute(f"DELETE FROM {table}")  # noqa: S608  # names of our own tables
        self._db.execute("UPDATE meta SET value = value + 1 WHERE key = 'made'")

    def take(self, log: str, rows: Sequence[StoredEvent]) -> None:
        """Index the next rows of a log."""
        self._begin()
        number = self._word(log)
        found = self._db.execute("SELECT when_us FROM logs WHERE log = ?", (number,)).fetchone()
        self._when_us = found[0] if found else 0
        for row in rows:
            self._when_us = max(row.ts_us, min(self._when_us, row.ts_us + BACKWARDS_US))
            self._row(log, row)
        self._write()
        last = rows[-1]
        mark = (number, last.seq + 1, last.leaf, self._when_us)
        self._db.execute("INSERT OR REPLACE INTO logs VALUES (?, ?, ?, ?)", mark)

    def _begin(self) -> None:
        (made,) = self._db.execute("SELECT value FROM meta WHERE key = 'made'").fetchone()
        if made != self._made or len(self._words) > 100_000:
            self._words.clear()  # another process may have made the index anew, with other numbers
            self._labels.clear()
            self._made = made
        (last,) = self._db.execute("SELECT coalesce(max(n), 0) FROM names").fetchone()
        self._next_name = last + 1
        self._batch = _Batch()
        self._fresh.clear()

    # ── one event ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _row(self, log: str, row: StoredEvent) -> None:
        said = _said(row)
        facts = said.facts
        number, known = self._name(row.id)
        own = self._word(row.session)
        defined = [self._name(name) for name in said.names]
        self._batch.defines += ((hub, number) for hub, _ in defined)
        self._edges(number, said.links)
        belongs = own or self._belongs(said.links)
        if belongs is not None:
            self._batch.late += ((name, belongs) for name, before in ((number, known), *defined) if before)
        self._batch.events.append(
            (
                number,
                self._word(log),
                row.seq,
                own,
                belongs,
                row.ord,
                self._word(row.kind),
                row.ts_us,
                self._when_us,
                self._word(said.task),
                self._set(said.actor, chain=True),
                self._word(facts.tool),
                facts.about,
                self._word(facts.outcome),
                self._word(facts.source),
                self._word(facts.origin),
                self._label(facts.label),
                self._set(facts.policies),
                self._word(facts.observed),
            )
        )
        if own is not None:
            self._session(own, row, said.body, facts.outcome, said.task)

    def _edges(self, number: int, links: Iterable[Any]) -> None:
        for place, link in enumerate(links):
            earlier = self._name(link.earlier)[0] if link.earlier else 0
            self._batch.edges.append(
                (
                    number,
                    place,
                    earlier,
                    _NUMBERS[link.relation],
                    self._word(link.name),
                    link.path,
                    self._word(link.how),
                )
            )

    def _belongs(self, links: Iterable[Any]) -> int | None:
        """The session that an event outside of sessions is about: that of the first event that it follows from."""
        query = """SELECT e.belongs FROM names m LEFT JOIN defines d ON d.name = m.n
                   JOIN events e ON e.n = coalesce(d.event, m.n) WHERE m.name = ? AND e.belongs IS NOT NULL LIMIT 1"""
        for link in links:
            if link.earlier:
                self._write_events()  # the event may be one of this batch
                found = self._db.execute(query, (key_of(link.earlier),)).fetchone()
                if found:
                    return int(found[0])
        return None

    def _session(self, session: int, row: StoredEvent, body: Mapping[str, Any], outcome: str, task: str) -> None:
        known = self._batch.sessions.get(session)
        if known is None:
            known = self._batch.sessions[session] = _Session(first_us=row.ts_us)
        known.first_us, known.last_us = min(known.first_us, row.ts_us), max(known.last_us, row.ts_us)
        known.events += 1
        match row.kind:
            case EventKind.DECISION:
                known.decisions += 1
                known.denied += outcome in _DENIED
                known.asked += outcome in _ASKED
            case EventKind.SESSION_OPENED if body:
                plain = ("root", "agent", "purpose", "conversation")
                root, agent, purpose, conversation = (str(body.get(name, "")) for name in plain)
                known.opened, known.closed = (root, agent, task, purpose, conversation), 0
            case EventKind.SESSION_CLOSED:
                known.closed = 1
            case EventKind.DELEGATION_GRANTED if "child_session" in body:
                child = self._word(str(body["child_session"]))
                if child is not None:
                    self._batch.parents.append((session, child))

    # ── numbers ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _name(self, name: str) -> tuple[int, bool]:
        """The number of a name, and whether it had one already."""
        key = key_of(name)
        number = self._fresh.get(key)
        if number is None:
            found = self._db.execute("SELECT n FROM names WHERE name = ?", (key,)).fetchone()
            if found is None:
                number = self._next_name
                self._next_name += 1
                self._batch.names.append((number, key))
                self._fresh[key] = number
                return number, False
            number = self._fresh[key] = int(found[0])
        return number, True

    def _word(self, word: str) -> int | None:
        """The number of a text that repeats; None for an empty one."""
        if not word:
            return None
        number = self._words.get(word)
        if number is None:
            found = self._db.execute("SELECT n FROM words WHERE word = ?", (word,)).fetchone()
            number = found[0] if found else self._db.execute("INSERT INTO words (word) VALUES (?)", (word,)).lastrowid
            assert number is not None
            self._words[word] = number
        return number

    def _set(self, parts: Sequence[str], *, chain: bool = False) -> int | None:
        """The number of a list of words. `chain`: of principals, who are found by their bare ids too."""
        if not parts:
            return None
        text = orjson.dumps(parts).decode()
        if text in self._words:
            return self._words[text]
        whole = self._word(text)
        names = {*parts, *(_bare(part) for part in parts)} if chain else set(parts)
        members = [(self._word(part), whole) for part in names if part]
        self._db.executemany("INSERT OR IGNORE INTO members VALUES (?, ?)", members)
        return whole

    def _label(self, label: Mapping[str, object] | None) -> int | None:
        if label is None:
            return None
        key = orjson.dumps(label)
        number = self._labels.get(key)
        if number is None:
            if len(self._labels) > 20_000:
                self._labels.clear()
            number = self._word(key.decode())
            assert number is not None
            self._labels[key] = number
        return number

    # ── writing ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _write_events(self) -> None:
        batch = self._batch
        self._db.executemany("INSERT INTO names VALUES (?, ?)", batch.names)
        marks = ", ".join("?" * 19)
        columns = (
            "n, log, seq, session, belongs, ord, kind, ts_us, when_us, task, actor, tool, about, outcome, source,"
            " origin, label, policies, observed"
        )
        # An event that stands in two logs (a copy of one) is listed once; `audit verify` says so.
        self._db.executemany(f"INSERT OR IGNORE INTO events ({columns}) VALUES ({marks})", batch.events)  # noqa: S608
        self._db.executemany("INSERT OR IGNORE INTO edges VALUES (?, ?, ?, ?, ?, ?, ?)", batch.edges)
        self._db.executemany("INSERT OR IGNORE INTO defines VALUES (?, ?)", batch.defines)
        batch.names, batch.events, batch.edges, batch.defines = [], [], [], []

    def _write(self) -> None:
        self._write_events()
        batch = self._batch
        self._db.executemany(
            "UPDATE events SET belongs = ?2 WHERE belongs IS NULL"
            " AND n IN (SELECT later FROM edges WHERE earlier = ?1)",
            batch.late,
        )
        self._db.executemany(_SESSION, [_columns(session, told) for session, told in batch.sessions.items()])
        self._db.executemany(
            "INSERT INTO sessions VALUES (?2, 9007199254740991, 0, 0, 0, 0, 0, '', '', '', '', '', ?1, 0)"
            " ON CONFLICT (session) DO UPDATE SET parent = ?1",
            batch.parents,
        )


_SESSION = """
INSERT INTO sessions VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, coalesce(?8, ''), coalesce(?9, ''), coalesce(?10, ''),
    coalesce(?11, ''), coalesce(?12, ''), NULL, coalesce(?13, 0))
ON CONFLICT (session) DO UPDATE SET first_us = min(first_us, ?2), last_us = max(last_us, ?3), events = events + ?4,
    decisions = decisions + ?5, denied = denied + ?6, asked = asked + ?7, root = coalesce(?8, root),
    agent = coalesce(?9, agent), task = coalesce(?10, task), purpose = coalesce(?11, purpose),
    conversation = coalesce(?12, conversation), closed = coalesce(?13, closed)"""


def _columns(session: int, told: _Session) -> Columns:
    return (
        session,
        told.first_us,
        told.last_us,
        told.events,
        told.decisions,
        told.denied,
        told.asked,
        *(told.opened or (None,) * 5),
        told.closed,
    )


def _bare(link: str) -> str:
    """`alice` of `User::"alice"`."""
    return link.partition('::"')[2].removesuffix('"')


def _said(row: StoredEvent) -> _Said:
    plain = _parsed(row.data)
    body = plain.get("body", {})
    try:
        return _Said(
            facts=facts_of(row.kind, body),
            links=links_of(row.id, row.kind, tuple(plain["parents"]), body),
            names=names_of(row.kind, body),
            actor=tuple(plain["actor"]),
            task=str(plain["task"]),
            body=body,
        )
    except (KeyError, TypeError, AttributeError, ValueError):
        # Not what was written: it is listed all the same, under the columns that it is found by, and reading it says
        # what is wrong.
        return _Said(facts=facts_of("", {}), links=(), names=(), actor=(), task="", body={})


def _parsed(data: bytes) -> dict[str, Any]:
    try:
        plain = orjson.loads(data)
    except orjson.JSONDecodeError:
        return {}
    return plain if isinstance(plain, dict) else {}
