"""What agents wrote, in the embedded state file. DESIGN §5 *Flow*, *State and scale*; promise 7.

A note is fsynced before the tool may run: a loss of power must not leave a text in a tool's store without its label.
INVARIANT: labels are read, joined and written back in one immediate transaction, so that no process can lower what
another one wrote.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import orjson

from bailiwick.errors import CanonicalError
from bailiwick.flow.row_codec import label_fields, label_of
from bailiwick.flow.written import (
    ANY_STORE,
    MAX_EVENTS,
    NOTHING_WRITTEN,
    Look,
    Place,
    Write,
    WrittenBefore,
    bounded,
)
from bailiwick.model.canonical import canonical, parse
from bailiwick.model.label import PUBLIC_TRUSTED, Label
from bailiwick.stores.sqlite_state_file import StateFile, damaged

__all__ = ["MAX_ENTRIES", "MAX_OBJECTS", "SqliteWritten"]

MAX_OBJECTS = 10_000
"""Objects of one template that are told apart; what is written to others counts for all of them."""
MAX_ENTRIES = 500_000
"""Keys of values and texts of one store; beyond, all that was written there counts for all that is read from it."""


class SqliteWritten:
    """WrittenStore over the state file; its port says what it promises."""

    def __init__(self, file: StateFile, *, max_objects: int = MAX_OBJECTS, max_entries: int = MAX_ENTRIES) -> None:
        self._use = file.use
        self._path = file.path
        self._max_objects = max_objects
        self._max_entries = max_entries

    def note(self, tenant: str, env: str, write: Write) -> None:
        scope = (tenant, env)
        with self._use(durable=True, transaction=True) as connection:
            listed = self._listed(connection, scope, write)
            for place in write.places:
                self._at(connection, scope, place, write, listed=listed)
            if listed:
                self._entries(connection, scope, write)

    def anything(self, tenant: str, env: str) -> bool:
        with self._use() as connection:
            row = connection.execute(
                "SELECT 1 FROM written_stores WHERE tenant = ? AND env = ? LIMIT 1", (tenant, env)
            ).fetchone()
        return row is not None

    def before(self, tenant: str, env: str, look: Look) -> WrittenBefore:
        scope = (tenant, env)
        with self._use(transaction=True) as connection:
            found = NOTHING_WRITTEN
            for place in look.places:
                found = _both(found, self._around(connection, scope, place, look))
            anywhere = any(place.store == ANY_STORE for place in look.places)
            stores = [ANY_STORE] if anywhere else [ANY_STORE, *(place.store for place in look.places)]
            label = found.label
            events = dict.fromkeys(found.events)
            for body, event in self._texts(connection, scope, look.texts):
                label = label.join(self._label(body))
                events[event] = None
            values = self._values(connection, scope, stores, look.values)
        known = tuple(event for event in events if event)[:MAX_EVENTS]
        return WrittenBefore(label=bounded(label), values=values, everything=found.everything, events=known)

    # ── writing ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _listed(self, connection: sqlite3.Connection, scope: tuple[str, str], write: Write) -> bool:
        """Whether the keys of this write still have room in each of its stores."""
        if write.unlisted:
            return False
        for store in {place.store for place in write.places}:
            row = connection.execute(
                "SELECT SUM(entries) FROM written_stores WHERE tenant = ? AND env = ? AND store = ?", (*scope, store)
            ).fetchone()
            if (row[0] or 0) + len(write.values) + len(write.texts) > self._max_entries:
                return False
        return True

    def _at(
        self, connection: sqlite3.Connection, scope: tuple[str, str], place: Place, write: Write, *, listed: bool
    ) -> None:
        key = (*scope, place.store, place.template)
        row = connection.execute(
            "SELECT mark, unnamed, whole, objects, entries, unlisted FROM written_stores"
            " WHERE tenant = ? AND env = ? AND store = ? AND template = ?",
            key,
        ).fetchone()
        mark, unnamed, whole, objects, entries, unlisted = row or (None, None, None, 0, 0, 0)
        if not place.name or not self._object(connection, key, place.name, write, room=objects < self._max_objects):
            unnamed = self._joined(unnamed, write.label)
        else:
            objects = connection.execute(
                "SELECT COUNT(*) FROM written_objects WHERE tenant = ? AND env = ? AND store = ? AND template = ?", key
            ).fetchone()[0]
        # What is not listed is not found by its content, so its label has to count for the whole store.
        general = write.label if write.strict or not listed else Label(integrity=write.label.integrity)
        connection.execute(
            "INSERT OR REPLACE INTO written_stores VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *key,
                self._joined(mark, general),
                unnamed,
                self._joined(whole, write.label),
                objects,
                entries + (len(write.values) + len(write.texts) if listed else 0),
                int(unlisted or not listed),
            ),
        )

    def _object(
        self, connection: sqlite3.Connection, key: tuple[str, ...], name: str, write: Write, *, room: bool
    ) -> bool:
        """Note the label at one object. → False if there is no room for another one."""
        row = connection.execute(
            "SELECT label FROM written_objects"
            " WHERE tenant = ? AND env = ? AND store = ? AND template = ? AND object = ?",
            (*key, name),
        ).fetchone()
        if row is None and not room:
            return False
        label = self._joined(row[0] if row else None, write.label)
        connection.execute(
            "INSERT OR REPLACE INTO written_objects VALUES (?, ?, ?, ?, ?, ?, ?)", (*key, name, label, write.event)
        )
        return True

    def _entries(self, connection: sqlite3.Connection, scope: tuple[str, str], write: Write) -> None:
        stores = {place.store for place in write.places}
        connection.executemany(
            "INSERT OR IGNORE INTO written_values VALUES (?, ?, ?, ?)",
            ((*scope, store, value) for store in stores for value in write.values),
        )
        known = dict(
            connection.execute(
                "SELECT key, label FROM written_texts WHERE tenant = ? AND env = ?"
                " AND key IN (SELECT value FROM json_each(?))",
                (*scope, _listed(write.texts)),
            )
        )
        fresh = self._joined(None, write.label)
        joined = {body: self._joined(body, write.label) for body in set(known.values())}
        connection.executemany(
            "INSERT OR REPLACE INTO written_texts VALUES (?, ?, ?, ?, ?)",
            ((*scope, key, joined[known[key]] if key in known else fresh, write.event) for key in write.texts),
        )

    # ── reading ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _around(
        self, connection: sqlite3.Connection, scope: tuple[str, str], place: Place, look: Look
    ) -> WrittenBefore:
        """What counts for a place, whatever the content is."""
        rows = connection.execute(
            "SELECT store, template, mark, unnamed, whole, unlisted FROM written_stores"
            " WHERE tenant = ?1 AND env = ?2 AND (?3 = ?4 OR store IN (?3, ?4))",
            (*scope, place.store, ANY_STORE),
        ).fetchall()
        found = NOTHING_WRITTEN
        for store, template, mark, unnamed, whole, unlisted in rows:
            if (store, template) == (place.store, place.template) and (place.name or place.unclear):
                bodies = [whole] if place.unclear else [unnamed]
                everything = bool(unlisted) and (look.marks or place.unclear)
            elif look.marks:
                bodies, everything = [mark], bool(unlisted)
            else:
                continue
            if look.unsearched:
                bodies, everything = [whole], True
            for body in bodies:
                found = _both(found, WrittenBefore(label=self._label(body), everything=everything))
        if place.name:
            row = connection.execute(
                "SELECT label, event FROM written_objects"
                " WHERE tenant = ? AND env = ? AND store = ? AND template = ? AND object = ?",
                (*scope, place.store, place.template, place.name),
            ).fetchone()
            label, event = row or (None, "")
            found = _both(found, WrittenBefore(label=self._label(label), events=(event,) if event else ()))
        return found

    def _texts(
        self, connection: sqlite3.Connection, scope: tuple[str, str], keys: Sequence[str]
    ) -> Sequence[tuple[bytes, str]]:
        """(label, event of the last one who wrote it) of each of these texts."""
        return connection.execute(
            "SELECT DISTINCT label, event FROM written_texts WHERE tenant = ? AND env = ?"
            " AND key IN (SELECT value FROM json_each(?))",
            (*scope, _listed(keys)),
        ).fetchall()

    def _values(
        self, connection: sqlite3.Connection, scope: tuple[str, str], stores: Sequence[str], keys: Sequence[str]
    ) -> tuple[str, ...]:
        """Those of `keys` that were written to one of `stores`."""
        rows = connection.execute(
            "SELECT DISTINCT key FROM written_values WHERE tenant = ?1 AND env = ?2"
            " AND (?3 OR store IN (SELECT value FROM json_each(?4))) AND key IN (SELECT value FROM json_each(?5))"
            " ORDER BY key",
            (*scope, stores == [ANY_STORE], _listed(stores), _listed(keys)),
        )
        return tuple(key for (key,) in rows)

    # ── labels ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _joined(self, body: bytes | None, label: Label) -> bytes:
        return canonical(label_fields(bounded(self._label(body).join(label))))

    def _label(self, body: bytes | None) -> Label:
        if body is None:
            return PUBLIC_TRUSTED
        try:
            return label_of(parse(body))
        except (CanonicalError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise damaged(self._path, "the label of what an agent wrote", str(error)) from error


def _both(one: WrittenBefore, other: WrittenBefore) -> WrittenBefore:
    return WrittenBefore(
        label=one.label.join(other.label),
        everything=one.everything or other.everything,
        events=(*one.events, *other.events),
    )


def _listed(names: Sequence[str]) -> str:
    return orjson.dumps(names).decode()
