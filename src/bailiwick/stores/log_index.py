"""An index over all logs of a folder, to be searched and traced through: `<state>/index.db`.

It is made from the logs alone, holds no content and no proof, and may be deleted at any time. Several processes may
catch it up and read it at once.

INVARIANT: it only finds. What is shown of an event in full is read from its log, which checks that it is what was
written (`event`), and the links of a trace are checked against the events that they are recorded in (`confirmed`).
"""

from __future__ import annotations

import sqlite3
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from bailiwick.audit.links import Relation, links_of
from bailiwick.audit.search_terms import Query
from bailiwick.audit.slices import MAX_FAN, Direction, Edge, End, EndReason, Entry, Slice
from bailiwick.errors import StoreError
from bailiwick.model.event import Event
from bailiwick.stores.log_file import list_logs, log_path
from bailiwick.stores.log_index_file import damaged_index, open_file
from bailiwick.stores.log_index_query import Cursor, plan_of
from bailiwick.stores.log_index_rows import (
    BACK,
    ENTRY,
    FORWARD,
    FORWARD_BY,
    MINE,
    SESSION,
    Page,
    SessionRow,
    edge_of,
    entry_of,
    page_of,
    session_of,
)
from bailiwick.stores.log_index_writer import RELATIONS, IndexWriter, key_of
from bailiwick.stores.log_reader import LogReader

__all__ = ["Cursor", "LogIndex", "Page", "SessionRow"]

T = TypeVar("T")

BATCH = 2_000
"""Events that are indexed in one transaction."""
MAX_READERS = 64
"""Logs that are kept open."""
EVERYTHING = Query()


class LogIndex:
    """The index of one folder of logs. Use it as a context manager, in one thread at a time; open one per thread.

    Every method raises StoreError if a log or the index cannot be read; an index of another version is thrown away and
    made anew."""

    def __init__(self, path: Path, logs: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self.logs = logs
        self._db = connection
        self._writer = IndexWriter(connection)
        self._readers: OrderedDict[str, LogReader] = OrderedDict()

    @classmethod
    def open(cls, path: Path, logs: Path) -> Self:
        """The index at `path` over the logs in the folder `logs`. Made if it is not there; call `catch_up` next."""
        return cls(path, logs, open_file(path))

    def close(self) -> None:
        for reader in self._readers.values():
            reader.close()
        self._readers.clear()
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    # ── filling ────────────────────────────────────────────────────────────────────────────────────────────────────

    def catch_up(self, *, at_most: int | None = None, progress: Callable[[int], object] = lambda _count: None) -> int:
        """Take in what was written since, `at_most` events of it (more or less). → how many were taken in; `progress`
        is told how many there were in each batch. Cheap where nothing is new; call it before every question. If a log
        was replaced, cut or removed, all is indexed anew."""
        taken = 0
        with self._ours():
            paths = list_logs(self.logs)
            if self._removed({path.stem for path in paths}):
                self._anew()
            for path in paths:
                while at_most is None or taken < at_most:
                    count = self._take(path.stem)
                    if count is None:
                        self._anew()
                        return taken + self.catch_up(at_most=at_most, progress=progress)
                    if count == 0:
                        break
                    taken += count
                    progress(count)
        return taken

    def _take(self, log: str) -> int | None:
        """Index the next batch of one log. None if the log is not the one that was indexed so far."""
        reader = self._reader(log)
        upto, leaf = self._writer.next_of(log)
        rows = reader.stored(max(0, upto - 1), 2)
        if upto and not (rows and rows[0].seq == upto - 1 and rows[0].leaf == leaf):
            return None
        if len(rows) == (1 if upto else 0):
            return 0
        with self._transaction():
            upto, leaf = self._writer.next_of(log)
            fresh = reader.stored(upto, BATCH)
            if fresh:
                self._writer.take(log, fresh)
        return len(fresh)

    def _removed(self, there: set[str]) -> bool:
        rows = self._db.execute("SELECT word FROM logs JOIN words ON n = log").fetchall()
        return any(log not in there for (log,) in rows)

    def _anew(self) -> None:
        with self._transaction():
            self._writer.clear()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        finally:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")

    @contextmanager
    def _ours(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise damaged_index(self.path, error) from error

    def _reader(self, log: str) -> LogReader:
        reader = self._readers.pop(log, None)
        if reader is None:
            if len(self._readers) >= MAX_READERS:
                self._readers.popitem(last=False)[1].close()
            reader = LogReader.open(log_path(self.logs, log))
        self._readers[log] = reader
        return reader

    # ── sessions ───────────────────────────────────────────────────────────────────────────────────────────────────

    def sessions(self, query: Query = EVERYTHING, *, limit: int = 50, before: Cursor | None = None) -> Page[SessionRow]:
        """Sessions with at least one event that `query` finds, the latest first."""
        with self._ours():
            where = "1"
            values: list[object] = []
            if query != EVERYTHING:
                plan = plan_of(self._db, query)
                if plan is None:
                    return Page(items=())
                inner, values = plan.select("e.belongs, e.when_us, e.at", -1, None)
                where = f"s.session IN (SELECT belongs FROM ({inner}))"  # noqa: S608  # values are parameters
            if before is not None:
                where += " AND (s.last_us, s.session) < (?, ?)"
                values += before
            rows = self._db.execute(
                f"SELECT {SESSION} FROM sessions s WHERE {where} AND s.events"  # noqa: S608
                " ORDER BY s.last_us DESC, s.session DESC LIMIT ?",
                [*values, limit + 1],
            ).fetchall()
        shown = rows[:limit]
        more = (shown[-1][2], shown[-1][-1]) if len(rows) > limit else None
        return Page(items=tuple(map(session_of, shown)), next=more)

    def session(self, session: str) -> SessionRow | None:
        """One session by its key; None if no log here has it."""
        return next(iter(self._sessions("s.session = (SELECT n FROM words WHERE word = ?)", session)), None)

    def like(self, part: str, *, limit: int = 5) -> tuple[SessionRow, ...]:
        """Sessions whose key holds `part`, the latest first."""
        query = f"""SELECT {SESSION} FROM sessions s JOIN words w ON w.n = s.session
            WHERE instr(w.word, ?) AND s.events ORDER BY s.last_us DESC LIMIT ?"""  # noqa: S608
        with self._ours():
            return tuple(map(session_of, self._db.execute(query, (part, limit)).fetchall()))

    def children(self, session: str) -> tuple[SessionRow, ...]:
        """The sessions that this one delegated to, oldest first."""
        return self._sessions("s.parent = (SELECT n FROM words WHERE word = ?)", session)

    def _sessions(self, where: str, session: str) -> tuple[SessionRow, ...]:
        query = f"SELECT {SESSION} FROM sessions s WHERE {where} AND s.events ORDER BY s.first_us"  # noqa: S608
        with self._ours():
            return tuple(map(session_of, self._db.execute(query, (session,)).fetchall()))

    def timeline(self, session: str, *, limit: int = 1_000, after: Cursor | None = None) -> Page[Entry]:
        """Everything of a session in order of time: contents, decisions, outcomes, delegations, and the approvals of
        its calls, which people gave outside of it."""
        rows = self._entries(
            "e.belongs = (SELECT n FROM words WHERE word = ?) AND (e.when_us, e.at) > (?, ?)"
            " ORDER BY e.when_us, e.at LIMIT ?",
            (session, *(after or (-1, -1)), limit + 1),
        )
        return page_of(rows, limit)

    # ── events ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def entry(self, event_id: str) -> Entry | None:
        """An event by its id; None if no log here has it."""
        found = self._entries("e.n = (SELECT n FROM names WHERE name = ?)", (key_of(event_id),))
        return found[0][1] if found else None

    def cursor(self, event_id: str) -> Cursor | None:
        """The place of an event in lists by time; None if no log here has it."""
        found = self._entries("e.n = (SELECT n FROM names WHERE name = ?)", (key_of(event_id),))
        return found[0][0] if found else None

    def event(self, event_id: str) -> Event | None:
        """The event in full, read from its log and checked."""
        entry = self.entry(event_id)
        if entry is None:
            return None
        event = self._reader(entry.log).event(event_id)
        if event is None:
            raise StoreError(
                f"event {event_id} is indexed, and {entry.log} does not have it", hint="Run `bailiwick audit verify`."
            )
        return event

    def content(self, event_id: str, role: str) -> bytes | None:
        """A content of an event, checked against its commitment; None if it never was there or was erased. Ask the
        rules first (`admin.reveal`)."""
        entry = self.entry(event_id)
        return None if entry is None else self._reader(entry.log).content(event_id, role)

    def search(self, query: Query, *, limit: int = 50, before: Cursor | None = None) -> Page[Entry]:
        """Events that `query` finds, the latest first. Its `texts` are not looked at here: contents are not indexed
        (`bailiwick.stores.log_search`)."""
        with self._ours():
            plan = plan_of(self._db, query)
            if plan is None:
                return Page(items=())
            inner, values = plan.select("e.at, e.when_us", limit + 1, before)
        found = self._entries(f"e.at IN (SELECT at FROM ({inner}))", values)  # noqa: S608
        return page_of(sorted(found, key=lambda row: row[0], reverse=True), limit)

    def matching(self, query: Query, entries: Sequence[Entry]) -> tuple[Entry, ...]:
        """Those of `entries` that `query` finds."""
        with self._ours():
            plan = plan_of(self._db, query)
        if plan is None:
            return ()
        names = ", ".join("?" * len(entries))
        inside, values = plan.conditions()
        where = f"e.n IN (SELECT n FROM names WHERE name IN ({names})) AND {inside}"  # noqa: S608
        found = {entry.id for _, entry in self._entries(where, [*(key_of(entry.id) for entry in entries), *values])}
        return tuple(entry for entry in entries if entry.id in found)

    def latest(
        self, *, decisions: bool = False, limit: int = 50, after: Cursor | None = None
    ) -> tuple[Sequence[Entry], Cursor]:
        """The newest events (or decisions), oldest first, and where to go on: hand the cursor back as `after` for those
        that were indexed since, in the order in which they were."""
        only = "e.kind = (SELECT n FROM words WHERE word = 'decision')" if decisions else "1"
        newest = self._newest()
        if after is not None and after[1] and self._newest(after[1]) != after:
            # All was indexed anew, in another order: what is later than the last one that was handed out.
            rows = self._entries(f"{only} AND e.when_us > ? ORDER BY e.when_us, e.at", (after[0],))
            return [entry for _, entry in rows], newest if rows else after
        if after is not None:
            rows = self._entries(f"{only} AND e.at > ? ORDER BY e.at LIMIT ?", (after[1], limit))
            return [entry for _, entry in rows], rows[-1][0] if rows else after
        order = "e.when_us DESC, e.at DESC"
        rows = self._entries(f"{only} AND e.at <= ? ORDER BY {order} LIMIT ?", (newest[1], limit))
        return [entry for _, entry in reversed(rows)], newest

    def _newest(self, upto: int = 2**62) -> Cursor:
        """The place of the event that was indexed last, of the first `upto`."""
        query = "SELECT when_us, at FROM events WHERE at <= ? ORDER BY at DESC LIMIT 1"
        with self._ours():
            return tuple(self._db.execute(query, (upto,)).fetchone() or (0, 0))

    def _entries(self, where: str, values: Sequence[object]) -> list[tuple[Cursor, Entry]]:
        query = f"SELECT {ENTRY} FROM events e WHERE {where}"  # noqa: S608  # `where` is ours; values are parameters
        with self._ours():
            return [((row[1], row[0]), entry_of(row)) for row in self._db.execute(query, values)]

    # ── edges ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def edges_back(self, event_id: str, *, limit: int = MAX_FAN) -> tuple[Edge, ...]:
        """What the event follows from, with the label of what came from there."""
        with self._ours():
            return tuple(map(edge_of, self._db.execute(BACK, (key_of(event_id), limit))))

    def edges_forward(
        self, event_id: str, *, limit: int = MAX_FAN, relations: Collection[Relation] | None = None
    ) -> tuple[Edge, ...]:
        """What follows from the event, by these relations, if given."""
        found: list[Edge] = []
        with self._ours():
            for me, name in self._db.execute(MINE, (key_of(event_id),)).fetchall():
                if relations is None:
                    found += map(edge_of, self._db.execute(FORWARD, (me, name, limit)))
                for relation in sorted(relations or (), key=RELATIONS.index):
                    values = (me, name, limit, RELATIONS.index(relation))
                    found += map(edge_of, self._db.execute(FORWARD_BY, values))
        return tuple(found[:limit])

    def confirmed(self, found: Slice) -> Slice:
        """The same slice, once each of its events was read from its log and says the same links; what was erased is an
        end of it, too. Raises StoreError if one does not: the index, or a log, was changed."""
        erased: list[End] = []
        inside = {entry.id for entry in found.entries}
        shown: dict[str, set[tuple[Relation, str, str, str]]] = {}
        for edge in found.edges:
            shown.setdefault(edge.later, set()).add((edge.relation, edge.name, edge.path, edge.how))
        for entry in found.entries:
            event = self.event(entry.id)
            assert event is not None
            links = links_of(event.id, event.kind.value, event.parents, event.body)
            said = {(link.relation, link.name, link.path, link.how) for link in links}
            due = {
                (link.relation, link.name, link.path, link.how)
                for link in links[:MAX_FAN]
                if found.direction is Direction.BACK and link.earlier in inside
            }
            if not due <= shown.get(entry.id, set()) <= said:
                raise damaged_index(self.path, StoreError(f"event {entry.id} says other links than it", hint=""))
            if self._reader(entry.log).gone(event):
                erased.append(End(event=entry.id, reason=EndReason.ERASED))
        return replace(found, ends=(*found.ends, *erased))
