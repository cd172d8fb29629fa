"""The embedded state store: approvals, sessions, calls under way and session ledgers in one SQLite file.

Several threads and several processes of one machine may use the file at the same time (a guard, and
`bailiwick approvals` in a second terminal). Every write is one atomic statement or one immediate transaction, so none
is built on a stale read.

Durability, by what a loss would cost: approvals, sessions and reconciliations are fsynced before the method returns (an
approval must never be used twice, not even over a loss of power); ledgers and calls under way are committed, which
survives `kill -9`, and after a loss of power the fsynced log fills the gap. A commit with fsync makes all commits
before it durable too.

INVARIANT: whatever goes wrong leaves as a StoreError, and the caller denies. DESIGN §5 *State and scale*.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from bailiwick.action.ports import InDoubt, Resolution, effect_scope
from bailiwick.errors import CanonicalError
from bailiwick.flow.records import LedgerRow, RowKind
from bailiwick.identity.chain_link import grant_of, written_grant
from bailiwick.identity.ports import StoredSession
from bailiwick.identity.scope import ScopeChange
from bailiwick.model.canonical import canonical, parse
from bailiwick.model.principal import Chain, EntityKind, EntityRef, SessionKey
from bailiwick.model.tool import Idempotency
from bailiwick.stores.sqlite_approvals import SqliteApprovals
from bailiwick.stores.sqlite_state_file import StateFile, damaged

__all__ = ["SqliteState"]

_IN_DOUBT = (
    "SELECT effect_key, permit_id, decision_event, log_id, tool, idempotency, begun_ms, state FROM in_flight"
    " WHERE state IN ('running', 'unknown')"
)


class SqliteState(SqliteApprovals):
    """ApprovalStore, SessionStore, InFlightStore and LedgerStore over one file; their ports say what each promises."""

    def __init__(self, file: StateFile) -> None:
        super().__init__(file)
        self._file = file

    @classmethod
    def open(cls, path: str | Path, *, busy_timeout_ms: int = 5000) -> Self:
        """Opens the file, and makes it if it is not there (readable by its owner alone; its folder must exist).

        A write waits up to `busy_timeout_ms` for other processes. Raises StoreError: no folder, no database, a newer
        version, not writable, no write-ahead log (network file systems).
        """
        return cls(StateFile.open(Path(path), busy_timeout_ms=busy_timeout_ms))

    @property
    def file(self) -> StateFile:
        """The file."""
        return self._file

    def close(self) -> None:
        """Closes the file; does nothing the second time. Every other method then raises StoreError."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # --- SessionStore

    def open_session(self, key: SessionKey, *, chain: Chain, task: str, purpose: str, now_ms: int) -> StoredSession:
        with self._use() as connection:
            stored = self._session(connection, key)
        if stored is None or (stored.task, stored.purpose) != (task, purpose):
            links = canonical([[link.kind.value, link.id] for link in chain.links]).decode("utf-8")
            with self._use(durable=True, transaction=True) as connection:
                connection.execute(
                    "INSERT INTO sessions VALUES (?, ?, ?, ?, ?, ?, ?, 1)"
                    " ON CONFLICT DO UPDATE SET task = excluded.task, purpose = excluded.purpose, version = version + 1"
                    " WHERE task <> excluded.task OR purpose <> excluded.purpose",
                    (key.tenant, key.env, key.id, links, task, purpose, now_ms),
                )
                connection.execute("INSERT OR IGNORE INTO session_tasks VALUES (?, ?, ?, NULL)", (key.id, task, now_ms))
                stored = self._session(connection, key)
        if stored is None or stored.chain != chain:
            raise damaged(self._path, f"session {key.id}", "it is stored with another chain")
        return stored

    def get_session(self, key: SessionKey) -> StoredSession | None:
        with self._use() as connection:
            return self._session(connection, key)

    def version(self, key: SessionKey) -> int:
        with self._use() as connection:
            row = connection.execute(
                "SELECT version FROM sessions WHERE tenant = ? AND env = ? AND id = ?", (key.tenant, key.env, key.id)
            ).fetchone()
        return int(row[0]) if row else 0

    def scope(self, key: SessionKey, task: str) -> ScopeChange | None:
        with self._use() as connection:
            row = connection.execute(
                "SELECT change FROM session_tasks WHERE session = ? AND task = ?", (key.id, task)
            ).fetchone()
        return self._change(key, row[0]) if row else None

    def change_scope(self, key: SessionKey, task: str, change: ScopeChange, *, version: int) -> bool:
        body = canonical([written_grant(change.base), written_grant(change.grant)])
        with self._use(durable=True, transaction=True) as connection:
            done = connection.execute(
                "UPDATE sessions SET version = version + 1 WHERE tenant = ? AND env = ? AND id = ? AND version = ?",
                (key.tenant, key.env, key.id, version),
            ).rowcount
            if done:
                connection.execute(
                    "UPDATE session_tasks SET change = ? WHERE session = ? AND task = ?", (body, key.id, task)
                )
        return bool(done)

    def delegated(self, key: SessionKey) -> tuple[StoredSession, ...]:
        found: list[StoredSession] = []
        with self._use() as connection:
            ids = connection.execute(
                "SELECT id FROM sessions WHERE tenant = ? AND env = ? AND id > ? AND id < ?",
                (key.tenant, key.env, key.of_root, key.of_root + chr(0x10FFFF)),
            ).fetchall()
            for (stored_id,) in ids:
                below = SessionKey.parse(stored_id)
                if below is not None and below.delegated_from(key):
                    session = self._session(connection, below)
                    if session is not None:
                        found.append(session)
        return tuple(found)

    def _session(self, connection: sqlite3.Connection, key: SessionKey) -> StoredSession | None:
        row = connection.execute(
            "SELECT chain, s.task, purpose, created_ms, version, started_ms, change FROM sessions s"
            " LEFT JOIN session_tasks t ON t.session = s.id AND t.task = s.task"
            " WHERE tenant = ? AND env = ? AND id = ?",
            (key.tenant, key.env, key.id),
        ).fetchone()
        if row is None:
            return None
        links, task, purpose, created_ms, version, started_ms, change = row
        try:
            pairs: Any = parse(links.encode("utf-8"))
            chain = Chain(links=tuple(EntityRef(kind=EntityKind(kind), id=name) for kind, name in pairs))
        except (CanonicalError, TypeError, ValueError) as error:
            raise damaged(self._path, f"session {key.id}", f"its chain does not read: {error}") from error
        if started_ms is None:
            raise damaged(self._path, f"session {key.id}", "the start of its task is gone")
        return StoredSession(
            key=key,
            chain=chain,
            task=task,
            purpose=purpose,
            created_ms=created_ms,
            task_started_ms=started_ms,
            version=version,
            change=self._change(key, change),
        )

    def _change(self, key: SessionKey, body: bytes | None) -> ScopeChange | None:
        if body is None:
            return None
        try:
            written = parse(body)
        except CanonicalError as error:
            raise damaged(self._path, f"the scope of session {key.id}", str(error)) from error
        grants = [grant_of(each) for each in written] if isinstance(written, list) else []
        if len(grants) != 2 or grants[0] is None or grants[1] is None:
            raise damaged(self._path, f"the scope of session {key.id}", "it does not read")
        return ScopeChange(base=grants[0], grant=grants[1])

    def sessions_of(self, tenant: str, env: str, conversation: str) -> tuple[SessionKey, ...]:
        with self._use() as connection:
            rows = connection.execute(
                "SELECT id FROM sessions WHERE tenant = ?1 AND env = ?2 AND substr(id, -length(?3)) = ?3 ORDER BY id",
                (tenant, env, f"|{len(conversation)}:{conversation}"),
            ).fetchall()
        # Another conversation's id may end in the same letters.
        keys = (SessionKey.read(row[0]) for row in rows)
        return tuple(key for key in keys if key is not None and key.conversation == conversation)

    # --- InFlightStore

    def begin(
        self,
        effect_key: str,
        *,
        permit_id: str,
        decision_event: str,
        log_id: str,
        tool: str,
        idempotency: Idempotency,
        now_ms: int,
        exclusive: bool = False,
    ) -> bool:
        values = (permit_id, effect_key, decision_event, log_id, tool, idempotency.value, now_ms)
        with self._use() as connection:
            noted = connection.execute(
                "INSERT INTO in_flight SELECT ?, ?, ?, ?, ?, ?, ?, 'running' WHERE NOT ? OR NOT EXISTS "
                "(SELECT 1 FROM in_flight WHERE effect_key = ? AND state IN ('running', 'unknown'))",
                (*values, exclusive, effect_key),
            )
            return noted.rowcount == 1

    def finish(self, permit_id: str) -> None:
        with self._use() as connection:
            connection.execute("DELETE FROM in_flight WHERE permit_id = ?", (permit_id,))

    def in_doubt(self, effect_key: str) -> tuple[InDoubt, ...]:
        return self._in_doubt("effect_key = ?1", effect_key)

    def all_in_doubt(self, tenant: str, env: str) -> tuple[InDoubt, ...]:
        return self._in_doubt("substr(effect_key, 1, length(?1)) = ?1", effect_scope(tenant, env))

    def _in_doubt(self, where: str, value: str) -> tuple[InDoubt, ...]:
        with self._use() as connection:
            rows = connection.execute(f"{_IN_DOUBT} AND {where} ORDER BY begun_ms, rowid", (value,)).fetchall()
        try:
            return tuple(
                InDoubt(
                    effect_key=row[0],
                    permit_id=row[1],
                    decision_event=row[2],
                    log_id=row[3],
                    tool=row[4],
                    idempotency=Idempotency(row[5]),
                    begun_ms=row[6],
                    unknown=row[7] == "unknown",
                )
                for row in rows
            )
        except ValueError as error:
            raise damaged(self._path, "a call under way", str(error)) from error

    def mark_unknown(self, permit_id: str) -> bool:
        with self._use() as connection:
            done = connection.execute(
                "UPDATE in_flight SET state = 'unknown' WHERE permit_id = ? AND state = 'running'", (permit_id,)
            )
            return done.rowcount == 1

    def resolve(self, permit_id: str, as_: Resolution) -> bool:
        with self._use(durable=True) as connection:
            done = connection.execute(
                "UPDATE in_flight SET state = ? WHERE permit_id = ? AND state IN ('running', 'unknown')",
                (Resolution(as_).value, permit_id),
            )
            return done.rowcount == 1

    # --- LedgerStore

    def append(self, session_id: str, rows: Sequence[LedgerRow]) -> tuple[int, ...]:
        """Stores `rows` in order, all or none → the ord that each was given. Survives `kill -9`."""
        with self._use(transaction=len(rows) > 1) as connection:
            return tuple(
                connection.execute(
                    "INSERT INTO ledger SELECT ?1, COALESCE(MAX(ord), -1) + 1, ?2, ?3 FROM ledger WHERE session = ?1"
                    " RETURNING ord",
                    (session_id, row.kind.value, row.payload),
                ).fetchall()[0][0]
                for row in rows
            )

    def load(self, session_id: str, after_ord: int) -> tuple[LedgerRow, ...]:
        """Rows of a session whose ord is greater than `after_ord`, in order."""
        with self._use() as connection:
            rows = connection.execute(
                "SELECT ord, kind, payload FROM ledger WHERE session = ? AND ord > ? ORDER BY ord",
                (session_id, after_ord),
            ).fetchall()
        try:
            return tuple(LedgerRow(ord=row[0], kind=RowKind(row[1]), payload=row[2]) for row in rows)
        except ValueError as error:
            raise damaged(self._path, f"the ledger of {session_id}", str(error)) from error
