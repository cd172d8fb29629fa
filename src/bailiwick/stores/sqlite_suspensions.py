"""What is suspended, in the embedded state file: read before each decision, so a change holds from the next one on.

INVARIANT: a change and the new revision are one transaction, so nobody sees the one without the other.
DESIGN §5 *Identity*, *State and scale*.
"""

from __future__ import annotations

import sqlite3
from types import MappingProxyType

from bailiwick.model.suspensions import Suspension, Suspensions, Target, TargetKind
from bailiwick.stores.sqlite_state_file import StateFile, damaged

__all__ = ["SqliteSuspensions", "raise_revision"]


class SqliteSuspensions:
    """SuspensionStore over the state file; its port says what it promises."""

    def __init__(self, file: StateFile) -> None:
        self._use = file.use
        self._path = file.path

    def revision(self, tenant: str, env: str) -> int:
        with self._use() as connection:
            return _revision(connection, tenant, env)

    def suspensions(self, tenant: str, env: str) -> Suspensions:
        with self._use(transaction=True) as connection:
            revision = _revision(connection, tenant, env)
            rows = connection.execute(
                "SELECT kind, name, by, at_ms, reason, event FROM suspensions WHERE tenant = ? AND env = ?",
                (tenant, env),
            ).fetchall()
        found: dict[Target, Suspension] = {}
        for kind, name, by, at_ms, reason, event in rows:
            try:
                target = Target(TargetKind(kind), name)
            except ValueError as error:
                raise damaged(self._path, f"a suspension of {kind}/{name}", str(error)) from error
            found[target] = Suspension(target=target, by=by, at_ms=at_ms, reason=reason, event=event)
        return Suspensions(revision=revision, by_target=MappingProxyType(found))

    def suspend(self, tenant: str, env: str, suspension: Suspension) -> bool:
        target = suspension.target
        with self._use(durable=True, transaction=True) as connection:
            made = connection.execute(
                "INSERT INTO suspensions VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                (
                    tenant,
                    env,
                    target.kind.value,
                    target.name,
                    suspension.by,
                    suspension.at_ms,
                    suspension.reason,
                    suspension.event,
                ),
            ).rowcount
            if made:
                raise_revision(connection, tenant, env)
        return bool(made)

    def resume(self, tenant: str, env: str, suspension: Suspension) -> bool:
        target = suspension.target
        with self._use(durable=True, transaction=True) as connection:
            gone = connection.execute(
                "DELETE FROM suspensions WHERE tenant = ? AND env = ? AND kind = ? AND name = ? AND event = ?",
                (tenant, env, target.kind.value, target.name, suspension.event),
            ).rowcount
            if gone:
                raise_revision(connection, tenant, env)
        return bool(gone)


def _revision(connection: sqlite3.Connection, tenant: str, env: str) -> int:
    row = connection.execute("SELECT revision FROM standing WHERE tenant = ? AND env = ?", (tenant, env)).fetchone()
    return int(row[0]) if row else 0


def raise_revision(connection: sqlite3.Connection, tenant: str, env: str) -> None:
    """Tell every process, in the transaction that changes something."""
    connection.execute(
        "INSERT INTO standing VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET revision = revision + 1", (tenant, env)
    )
