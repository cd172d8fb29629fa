"""Activated bundles in the embedded state file. What it promises: `BundleStore`.

INVARIANT: a switch and the new revision are one transaction, the one that suspensions count too: so one read before
each decision tells of both. DESIGN §5 *State and scale*.
"""

from __future__ import annotations

from typing import Any

import orjson

from bailiwick.errors import StoreError
from bailiwick.guard.administration.bundles import Activation
from bailiwick.stores.sqlite_state_file import StateFile, damaged
from bailiwick.stores.sqlite_suspensions import raise_revision

__all__ = ["SqliteBundles"]

_COLUMNS = "sequence, digest, author, signers, by, at_ms, mode, tests, note, event, log_id, pending"


class SqliteBundles:
    """BundleStore over the state file."""

    def __init__(self, file: StateFile) -> None:
        self._use = file.use
        self._path = file.path

    def active(self, tenant: str, env: str) -> Activation | None:
        found = self._rows(tenant, env, "AND NOT pending ORDER BY sequence DESC LIMIT 1")
        return found[0] if found else None

    def pending(self, tenant: str, env: str) -> Activation | None:
        found = self._rows(tenant, env, "AND pending")
        return found[0] if found else None

    def history(self, tenant: str, env: str) -> tuple[Activation, ...]:
        return self._rows(tenant, env, "AND NOT pending ORDER BY sequence")

    def data(self, tenant: str, env: str, sequence: int) -> bytes:
        with self._use() as connection:
            row = connection.execute(
                "SELECT data FROM bundles WHERE tenant = ? AND env = ? AND sequence = ?", (tenant, env, sequence)
            ).fetchone()
        if row is None:
            raise StoreError(
                f"the state store {self._path} has no bundle {sequence}",
                hint="somebody removed it: activate the bundle anew, under a higher sequence",
            )
        return bytes(row[0])

    def note(self, tenant: str, env: str, activation: Activation, data: bytes, *, after: int) -> bool:
        with self._use(durable=True, transaction=True) as connection:
            (last, pending) = connection.execute(
                "SELECT max(sequence), max(pending) FROM bundles WHERE tenant = ? AND env = ?", (tenant, env)
            ).fetchone()
            if pending or (last or 0) != after or activation.sequence <= after:
                return False
            connection.execute(
                f"INSERT INTO bundles (tenant, env, {_COLUMNS}, data)"  # noqa: S608 - the columns are ours
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1, ?)",
                (
                    tenant,
                    env,
                    activation.sequence,
                    activation.digest,
                    activation.author,
                    orjson.dumps(activation.signers).decode(),
                    activation.by,
                    activation.at_ms,
                    activation.mode,
                    activation.tests,
                    activation.note,
                    activation.event,
                    activation.log_id,
                    data,
                ),
            )
        return True

    def switch(self, tenant: str, env: str, sequence: int) -> bool:
        with self._use(durable=True, transaction=True) as connection:
            done = connection.execute(
                "UPDATE bundles SET pending = 0 WHERE tenant = ? AND env = ? AND sequence = ? AND pending",
                (tenant, env, sequence),
            ).rowcount
            if done:
                raise_revision(connection, tenant, env)
        return bool(done)

    def drop(self, tenant: str, env: str, sequence: int) -> None:
        with self._use(durable=True, transaction=True) as connection:
            connection.execute(
                "DELETE FROM bundles WHERE tenant = ? AND env = ? AND sequence = ? AND pending",
                (tenant, env, sequence),
            )

    def _rows(self, tenant: str, env: str, rest: str) -> tuple[Activation, ...]:
        with self._use() as connection:
            rows = connection.execute(
                f"SELECT {_COLUMNS} FROM bundles WHERE tenant = ? AND env = ? {rest}",  # noqa: S608 - ours
                (tenant, env),
            ).fetchall()
        return tuple(self._activation(row) for row in rows)

    def _activation(self, row: tuple[Any, ...]) -> Activation:
        sequence, digest, author, signers, by, at_ms, mode, tests, note, event, log_id, pending = row
        try:
            names = orjson.loads(signers)
        except orjson.JSONDecodeError as error:
            raise damaged(self._path, f"bundle {sequence}", str(error)) from error
        return Activation(
            sequence=sequence,
            digest=digest,
            author=author,
            signers=tuple(names),
            by=by,
            at_ms=at_ms,
            mode=mode,
            tests=tests,
            note=note,
            event=event,
            log_id=log_id,
            pending=bool(pending),
        )
