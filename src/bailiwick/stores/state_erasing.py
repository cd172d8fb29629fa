"""Takes what the state file holds of a person's words out of it. Which tables those are is told in docs/erasure.md.

| table | what is done |
|---|---|
| `ledger` | rows of the person's sessions, and of others about erased contents, lose all but labels (`flow.erasing`) |
| `approvals`, `standing_grants` | those of chains that act for the person, or whose card is about them, are deleted |
| `outbox`, `outbox_watched` | what waits to be sent about those requests is deleted |
| `challenges` | all are deleted: they last minutes, and some hold a card |
| all others | stay: identities, tasks, tools, counts and digests, which the record has as well, or labels |

SQLite leaves deleted bytes in free pages and in its write-ahead log: the file is written anew at the end and that log
cut to nothing. INVARIANT: doing it again after an interruption does the rest; nothing here lowers a label.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from bailiwick.action.approval_card import card_about
from bailiwick.audit.sealing import subject_of_link
from bailiwick.errors import CanonicalError, StoreError
from bailiwick.flow.erasing import erased_row, event_of
from bailiwick.flow.records import LedgerRow, RowKind
from bailiwick.model.canonical import parse
from bailiwick.model.principal import SessionKey
from bailiwick.stores.sqlite_state_file import StateFile

__all__ = ["StateEraser"]

AT_ONCE = 500
PATIENCE_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StateEraser:
    """`tenant` and `env`: whose state it is."""

    file: StateFile
    tenant: str
    env: str

    def count(self, subject: str, events: Collection[str], sessions: Collection[str]) -> int:
        """How many rows hold words of the subject. `events` are those whose contents are erased, `sessions` of which
        sessions they are."""
        with self.file.use() as connection:
            ledger = sum(1 for _ in self._ledger(connection, subject, frozenset(events), frozenset(sessions)))
            return ledger + sum(len(self._chains(connection, table, subject)) for table in _CHAINED)

    def erase(self, subject: str, events: Collection[str], sessions: Collection[str]) -> int:
        """Take them out. → how many rows. Raises StoreError if others read the file for too long: then the old bytes
        are still there, and it has to be done again."""
        done = 0
        with self.file.use(durable=True, transaction=True) as connection:
            changed = list(self._ledger(connection, subject, frozenset(events), frozenset(sessions)))
            connection.executemany(
                "UPDATE ledger SET kind = ?, payload = ? WHERE session = ? AND ord = ?",
                [(row.kind.value, row.payload, session, row.ord) for session, row in changed],
            )
            done += len(changed)
            for table in _CHAINED:
                gone = self._chains(connection, table, subject)
                if table == "approvals":
                    self._forget_messages(connection, gone)
                connection.executemany(f"DELETE FROM {table} WHERE rowid = ?", [(row,) for row, _ in gone])  # noqa: S608
                done += len(gone)
            connection.execute("DELETE FROM challenges WHERE tenant = ? AND env = ?", (self.tenant, self.env))
        self.rewrite()
        return done

    def rewrite(self) -> None:
        """Write the file anew: no free page and no write-ahead log holds what was deleted. Raises StoreError."""
        with self.file.use(durable=True) as connection:
            connection.execute("PRAGMA temp_store = MEMORY")
            connection.execute("VACUUM")
        until = time.monotonic() + PATIENCE_S
        while True:
            with self.file.use(durable=True) as connection:
                busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            if not busy:
                return
            if time.monotonic() > until:
                raise StoreError(
                    f"{self.file.path.name} is being read by others: its write-ahead log could not be cut",
                    hint="Run the command again; nothing that was done is undone.",
                )
            time.sleep(0.05)

    def _ledger(
        self, connection: sqlite3.Connection, subject: str, events: frozenset[str], sessions: frozenset[str]
    ) -> Iterator[tuple[str, LedgerRow]]:
        """Rows to be changed, as they are to be."""
        for (session,) in connection.execute("SELECT DISTINCT session FROM ledger").fetchall():
            own = self._is_of(session, subject)
            if not own and session not in sessions:
                continue
            rows = connection.execute(
                "SELECT ord, kind, payload FROM ledger WHERE session = ? ORDER BY ord", (session,)
            )
            for ord_, kind, payload in rows.fetchall():
                row = LedgerRow(ord=ord_, kind=RowKind(kind), payload=payload)
                if not own and event_of(row) not in events:
                    continue
                erased = erased_row(row)
                if erased != row:
                    yield session, erased

    def _is_of(self, session: str, subject: str) -> bool:
        key = SessionKey.read(session)
        if key is None or (key.tenant, key.env) != (self.tenant, self.env):
            return False
        return subject_of_link(str(key.root)) == subject

    def _chains(self, connection: sqlite3.Connection, table: str, subject: str) -> list[tuple[int, str]]:
        """Rows of a table whose chain acts for the subject, or that rest on a card about it: rowid and id."""
        about = {
            name
            for name, body in connection.execute(
                "SELECT id, body FROM approvals WHERE tenant = ? AND env = ?", (self.tenant, self.env)
            )
            if subject in _about(body)
        }
        of = "id" if table == "approvals" else "json_extract(CAST(body AS TEXT), '$.approval')"
        query = f"SELECT rowid, id, chain, {of} FROM {table} WHERE tenant = ? AND env = ?"  # noqa: S608  # all of ours
        return [
            (rowid, name)
            for rowid, name, chain, approval in connection.execute(query, (self.tenant, self.env))
            if _root(chain) == subject or approval in about
        ]

    def _forget_messages(self, connection: sqlite3.Connection, approvals: list[tuple[int, str]]) -> None:
        for table in ("outbox", "outbox_watched"):
            connection.executemany(
                f"DELETE FROM {table} WHERE tenant = ? AND env = ? AND approval = ?",  # noqa: S608  # a table of ours
                [(self.tenant, self.env, name) for _, name in approvals],
            )


_CHAINED = ("standing_grants", "approvals")
"""In this order: whom a grant is about is told by the card that it rests on."""


def _about(body: bytes) -> tuple[str, ...]:
    """Whom an approval is about, besides those for whom its chain acts."""
    try:
        card = fields.get("card") if isinstance(fields := parse(body), dict) else None
    except CanonicalError:
        return ()
    return card_about(card.encode("utf-8")) if isinstance(card, str) else ()


def _root(chain: str) -> str:
    try:
        links = parse(chain.encode("utf-8"))
    except CanonicalError:
        return ""
    if not isinstance(links, list) or not links or not isinstance(links[0], list) or len(links[0]) != 2:
        return ""
    kind, name = links[0]
    return f"{str(kind).lower()}:{name}"
