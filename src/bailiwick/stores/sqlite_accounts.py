"""Accounts on the console, in the embedded state file: passkeys, invitations, sessions, challenges.

INVARIANT: a challenge and an invitation are used up by the statement that reads them, so of all who try at once, in
whatever process, one succeeds. DESIGN §5 *Identity*, *State and scale*.
"""

from __future__ import annotations

import sqlite3

from bailiwick.identity.accounts import Challenge, ConsoleSession, Invitation, Passkey, Purpose, Revoked
from bailiwick.model.approver import ProofMethod
from bailiwick.stores.sqlite_state_file import StateFile, damaged

__all__ = ["SqliteAccounts"]

_PASSKEY = "id, user, public_key, sign_count, added_ms, used_ms, event"
_SESSION = "id, user, method, proved_ms, seen_ms, ends_ms, event"
_HERE = "WHERE tenant = ? AND env = ?"


class SqliteAccounts:
    """AccountStore over the state file; its port says what it promises."""

    def __init__(self, file: StateFile) -> None:
        self._use = file.use
        self._path = file.path

    # ── passkeys and invitations ───────────────────────────────────────────────────────────────────────────────────

    def passkey(self, tenant: str, env: str, id_: str) -> Passkey | None:
        with self._use() as connection:
            row = connection.execute(
                f"SELECT {_PASSKEY} FROM passkeys {_HERE} AND id = ?",  # noqa: S608  constants
                (tenant, env, id_),
            ).fetchone()
        return _passkey(row) if row else None

    def passkeys(self, tenant: str, env: str) -> tuple[Passkey, ...]:
        with self._use() as connection:
            rows = connection.execute(
                f"SELECT {_PASSKEY} FROM passkeys {_HERE} ORDER BY user, added_ms, id",  # noqa: S608  constants
                (tenant, env),
            ).fetchall()
        return tuple(_passkey(row) for row in rows)

    def counted(self, tenant: str, env: str, old: Passkey, *, sign_count: int, used_ms: int) -> bool:
        with self._use(durable=True) as connection:
            changed = connection.execute(
                f"UPDATE passkeys SET sign_count = ?, used_ms = max(used_ms, ?) {_HERE}"  # noqa: S608  constants
                " AND id = ? AND user = ? AND public_key = ? AND sign_count = ?",
                (sign_count, used_ms, tenant, env, old.id, old.user, old.public_key, old.sign_count),
            ).rowcount
        return bool(changed)

    def invite(self, tenant: str, env: str, invitation: Invitation) -> None:
        with self._use(durable=True, transaction=True) as connection:
            connection.execute(f"DELETE FROM invitations {_HERE} AND user = ?", (tenant, env, invitation.user))  # noqa: S608
            connection.execute(
                "INSERT INTO invitations VALUES (?, ?, ?, ?, ?, ?)",
                (tenant, env, invitation.code, invitation.user, invitation.expires_ms, invitation.event),
            )

    def invitation(self, tenant: str, env: str, code: str) -> Invitation | None:
        found = self._invitations(tenant, env, " AND code = ?", code)
        return found[0] if found else None

    def invitations(self, tenant: str, env: str) -> tuple[Invitation, ...]:
        return self._invitations(tenant, env, " ORDER BY user")

    def _invitations(self, tenant: str, env: str, which: str, *values: str) -> tuple[Invitation, ...]:
        with self._use() as connection:
            rows = connection.execute(
                f"SELECT code, user, expires_ms, event FROM invitations {_HERE}{which}",  # noqa: S608  constants
                (tenant, env, *values),
            ).fetchall()
        return tuple(Invitation(code=row[0], user=row[1], expires_ms=row[2], event=row[3]) for row in rows)

    def enrol(self, tenant: str, env: str, passkey: Passkey, *, leave: Invitation | ConsoleSession) -> bool:
        with self._use(durable=True, transaction=True) as connection:
            known = connection.execute(f"SELECT 1 FROM passkeys {_HERE} AND id = ?", (tenant, env, passkey.id))  # noqa: S608
            if known.fetchone() or leave.user != passkey.user:
                return False
            if isinstance(leave, Invitation):
                whose = (tenant, env, leave.user, leave.code)
                held = bool(_gone(connection, f"invitations {_HERE} AND user = ? AND code = ?", whose))
            else:
                held = _holds(connection, "console_sessions", (tenant, env, leave.user, leave.id))
            if not held:
                return False
            connection.execute(
                "INSERT INTO passkeys VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    tenant,
                    env,
                    passkey.id,
                    passkey.user,
                    passkey.public_key,
                    passkey.sign_count,
                    passkey.added_ms,
                    passkey.used_ms,
                    passkey.event,
                ),
            )
        return True

    # ── sessions ───────────────────────────────────────────────────────────────────────────────────────────────────

    def sign_in(self, tenant: str, env: str, session: ConsoleSession, *, passkey: str, instead_of: str) -> bool:
        with self._use(durable=True, transaction=True) as connection:
            if passkey and not _holds(connection, "passkeys", (tenant, env, session.user, passkey)):
                return False
            connection.execute(
                f"DELETE FROM console_sessions {_HERE} AND (id = ? OR ends_ms <= ?)",  # noqa: S608  constants
                (tenant, env, instead_of, session.proved_ms),
            )
            connection.execute(
                "INSERT INTO console_sessions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    tenant,
                    env,
                    session.id,
                    session.user,
                    session.method.value,
                    session.proved_ms,
                    session.seen_ms,
                    session.ends_ms,
                    session.event,
                ),
            )
        return True

    def session(self, tenant: str, env: str, id_: str) -> ConsoleSession | None:
        with self._use() as connection:
            row = connection.execute(
                f"SELECT {_SESSION} FROM console_sessions {_HERE} AND id = ?",  # noqa: S608  constants
                (tenant, env, id_),
            ).fetchone()
        if row is None:
            return None
        try:
            method = ProofMethod(row[2])
        except ValueError as error:
            raise damaged(self._path, f"a console session of {row[1]}", str(error)) from error
        return ConsoleSession(
            id=row[0], user=row[1], method=method, proved_ms=row[3], seen_ms=row[4], ends_ms=row[5], event=row[6]
        )

    def seen(self, tenant: str, env: str, id_: str, *, now_ms: int) -> None:
        with self._use() as connection:
            connection.execute(
                f"UPDATE console_sessions SET seen_ms = max(seen_ms, ?) {_HERE} AND id = ?",  # noqa: S608  constants
                (now_ms, tenant, env, id_),
            )

    def sign_out(self, tenant: str, env: str, id_: str) -> bool:
        with self._use(durable=True) as connection:
            gone = connection.execute(
                f"DELETE FROM console_sessions {_HERE} AND id = ?",  # noqa: S608  constants
                (tenant, env, id_),
            ).rowcount
        return bool(gone)

    def revoke(self, tenant: str, env: str, user: str, *, passkey: str) -> Revoked:
        whose, only = (tenant, env, user), (tenant, env, user, passkey)
        with self._use(durable=True, transaction=True) as connection:
            which = " AND id = ?" if passkey else ""
            keys = _gone(connection, f"passkeys {_HERE} AND user = ?{which}", only if passkey else whose)
            codes = 0 if passkey else _gone(connection, f"invitations {_HERE} AND user = ?", whose)
            ended = 0
            if keys or not passkey:
                ended = _gone(connection, f"console_sessions {_HERE} AND user = ?", whose)
        return Revoked(passkeys=keys, invitations=codes, sessions=ended)

    # ── challenges ─────────────────────────────────────────────────────────────────────────────────────────────────

    def put_challenge(self, tenant: str, env: str, challenge: Challenge, *, now_ms: int) -> None:
        # One that a power loss takes away is asked for again; a stranger's requests need not wait for the disk.
        with self._use(transaction=True) as connection:
            connection.execute(f"DELETE FROM challenges {_HERE} AND expires_ms <= ?", (tenant, env, now_ms))  # noqa: S608
            connection.execute(
                "INSERT INTO challenges VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    tenant,
                    env,
                    challenge.id,
                    challenge.purpose.value,
                    challenge.holder,
                    challenge.expires_ms,
                    challenge.payload,
                ),
            )

    def take_challenge(self, tenant: str, env: str, id_: str, *, purpose: Purpose) -> Challenge | None:
        with self._use(durable=True, transaction=True) as connection:
            row = connection.execute(
                f"DELETE FROM challenges {_HERE} AND id = ? AND purpose = ?"  # noqa: S608  constants
                " RETURNING holder, expires_ms, payload",
                (tenant, env, id_, purpose.value),
            ).fetchone()
        if row is None:
            return None
        return Challenge(id=id_, purpose=purpose, holder=row[0], expires_ms=row[1], payload=row[2])


def _holds(connection: sqlite3.Connection, table: str, whose: tuple[str, str, str, str]) -> bool:
    """Whether the user has what this id names."""
    found = connection.execute(f"SELECT 1 FROM {table} {_HERE} AND user = ? AND id = ?", whose)  # noqa: S608  constants
    return found.fetchone() is not None


def _gone(connection: sqlite3.Connection, what: str, values: tuple[str, ...]) -> int:
    """How many rows were deleted."""
    return connection.execute(f"DELETE FROM {what}", values).rowcount  # noqa: S608  constants of this module


def _passkey(row: tuple[str, str, bytes, int, int, int, str]) -> Passkey:
    return Passkey(
        id=row[0],
        user=row[1],
        public_key=row[2],
        sign_count=row[3],
        added_ms=row[4],
        used_ms=row[5],
        event=row[6],
    )
