"""Approvals in the embedded state file. Every change is one compare-and-set on the whole of what was read.

INVARIANT: columns say nothing that the body does not say; where they disagree, nothing is read. DESIGN §5 *Action*.
"""

from __future__ import annotations

import sqlite3

from bailiwick.action.approval_codec import decode, encode
from bailiwick.action.approvals import Approval, ApprovalStatus, is_step
from bailiwick.errors import CanonicalError, StoreError
from bailiwick.model.canonical import canonical
from bailiwick.model.principal import Chain
from bailiwick.stores.sqlite_state_file import StateFile, damaged

__all__ = ["SqliteApprovals"]

_APPROVAL = "SELECT tenant, env, id, session, digest, tool, chain, status, requested_ms, body FROM approvals"


class SqliteApprovals:
    """ApprovalStore over the state file; its port says what it promises."""

    def __init__(self, file: StateFile) -> None:
        self._use = file.use
        self._path = file.path

    def save(self, approval: Approval, *, most_open: int | None = None) -> bool:
        body = _encoded(approval)
        with self._use(durable=True, transaction=True) as connection:
            if most_open is not None and self._open_beside(connection, approval) >= most_open:
                return False
            connection.execute(
                "INSERT INTO approvals VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", (*_columns(approval), body)
            )
        return True

    def get(self, tenant: str, env: str, approval_id: str) -> Approval | None:
        found = self._approvals("tenant = ? AND env = ? AND id = ?", tenant, env, approval_id)
        return found[0] if found else None

    def by_digest(self, tenant: str, env: str, digest: str) -> tuple[Approval, ...]:
        return self._approvals("tenant = ? AND env = ? AND digest = ?", tenant, env, digest)

    def by_session(self, session: str) -> tuple[Approval, ...]:
        return self._approvals("session = ?", session)

    def pending(self, tenant: str, env: str) -> tuple[Approval, ...]:
        return self._approvals("tenant = ? AND env = ? AND status = ?", tenant, env, ApprovalStatus.REQUESTED.value)

    def last_used(self, tenant: str, env: str, *, tool: str, chain: Chain) -> Approval | None:
        # A column that says consumed and a body that does not are found out by `_decoded`.
        where = "tenant = ? AND env = ? AND tool = ? AND chain = ? AND status = ?"
        values = (tenant, env, tool, _chain(chain), ApprovalStatus.CONSUMED.value)
        with self._use() as connection:
            row = connection.execute(
                f"{_APPROVAL} WHERE {where} ORDER BY requested_ms DESC, rowid DESC LIMIT 1", values
            ).fetchone()
        return None if row is None else self._decoded(row)

    def history(self, tenant: str, env: str, most: int) -> tuple[Approval, ...]:
        with self._use() as connection:
            rows = connection.execute(
                f"{_APPROVAL} WHERE tenant = ? AND env = ? ORDER BY requested_ms DESC, rowid DESC LIMIT ?",
                (tenant, env, most),
            ).fetchall()
        return tuple(self._decoded(row) for row in reversed(rows))

    def compare_and_set(self, old: Approval, new: Approval) -> bool:
        if not is_step(old, new):
            raise StoreError(
                f"approval {old.id} cannot go from {old.status} to this {new.status}",
                hint="change approvals only with the functions of bailiwick.action",
            )
        before, after = _encoded(old), _encoded(new)
        with self._use(durable=True) as connection:
            done = connection.execute(
                "UPDATE approvals SET status = ?, body = ? WHERE tenant = ? AND env = ? AND id = ? AND body = ?",
                (new.status.value, after, old.tenant, old.env, old.id, before),
            )
            return done.rowcount == 1

    def _open_beside(self, connection: sqlite3.Connection, approval: Approval) -> int:
        """How many of its kind wait when this one is made: of the same session, or planted as it is."""
        at, status = (approval.tenant, approval.env), ApprovalStatus.REQUESTED.value
        if approval.planted:
            rows = connection.execute(f"{_APPROVAL} WHERE tenant = ? AND env = ? AND status = ?", (*at, status))
        else:
            rows = connection.execute(f"{_APPROVAL} WHERE session = ? AND status = ?", (approval.session, status))
        found = [self._decoded(row) for row in rows.fetchall()]
        now_ms = approval.requested_ms
        return sum(
            each.planted is approval.planted and each.status_at(now_ms) is ApprovalStatus.REQUESTED for each in found
        )

    def _approvals(self, where: str, *values: str) -> tuple[Approval, ...]:
        """`where` is one of the conditions written above, never a value."""
        with self._use() as connection:
            rows = connection.execute(f"{_APPROVAL} WHERE {where} ORDER BY requested_ms, rowid", values).fetchall()
        return tuple(self._decoded(row) for row in rows)

    def _decoded(self, row: tuple[object, ...]) -> Approval:
        *columns, body = row
        try:
            approval = decode(body if isinstance(body, bytes) else b"")
        except CanonicalError as error:
            raise damaged(self._path, f"approval {columns[2]}", str(error)) from error
        if _columns(approval) != tuple(columns):
            raise damaged(self._path, f"approval {columns[2]}", "its columns and its body disagree")
        return approval


def _columns(approval: Approval) -> tuple[str, str, str, str, str, str, str, str, int]:
    return (
        approval.tenant,
        approval.env,
        approval.id,
        approval.session,
        approval.digest,
        approval.tool,
        _chain(approval.chain),
        approval.status.value,
        approval.requested_ms,
    )


def _encoded(approval: Approval) -> bytes:
    try:
        return encode(approval)
    except CanonicalError as error:
        raise StoreError(f"approval {approval.id} cannot be stored: {error}", hint=error.hint) from error


def _chain(chain: Chain) -> str:
    return canonical([[link.kind.value, link.id] for link in chain.links]).decode("utf-8")
