"""Nonces that were used and delegations that were revoked, in the embedded state file.

INVARIANT: a nonce is new for one asker alone, whichever process asks. What has expired is forgotten, and remembered as
a time up to which everything counts as used: a clock that goes back does not make an old proof new.
DESIGN §5 *Identity*, *State and scale*.
"""

from __future__ import annotations

from collections.abc import Collection

from bailiwick.stores.sqlite_state_file import StateFile

__all__ = ["SqliteReplay", "SqliteRevocations"]

_AT_ONCE = 500


class SqliteReplay:
    """ReplayStore over the state file; its port says what it promises."""

    def __init__(self, file: StateFile) -> None:
        self._use = file.use

    def seen(self, tenant: str, env: str, nonce: str, *, expires_ms: int, now_ms: int) -> bool:
        with self._use(durable=True, transaction=True) as connection:
            row = connection.execute(
                "SELECT until_ms FROM nonces_forgotten WHERE tenant = ? AND env = ?", (tenant, env)
            ).fetchone()
            until_ms = max(row[0] if row else 0, now_ms)
            if expires_ms <= until_ms:
                return True
            gone = connection.execute(
                "DELETE FROM nonces WHERE tenant = ? AND env = ? AND expires_ms <= ?", (tenant, env, until_ms)
            ).rowcount
            if gone:
                connection.execute(
                    "INSERT INTO nonces_forgotten VALUES (?, ?, ?)"
                    " ON CONFLICT DO UPDATE SET until_ms = excluded.until_ms",
                    (tenant, env, until_ms),
                )
            made = connection.execute(
                "INSERT INTO nonces VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING", (tenant, env, nonce, expires_ms)
            ).rowcount
        return not made


class SqliteRevocations:
    """RevocationStore over the state file; its port says what it promises. Nothing is ever forgotten: a token may be
    good for as long as its issuer wrote, and revocations are rare."""

    def __init__(self, file: StateFile) -> None:
        self._use = file.use

    def revoke(self, tenant: str, env: str, id_: str, *, at_ms: int, event: str) -> bool:
        with self._use(durable=True, transaction=True) as connection:
            made = connection.execute(
                "INSERT INTO revocations VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                (tenant, env, id_, at_ms, event),
            ).rowcount
        return bool(made)

    def revoked(self, tenant: str, env: str, ids: Collection[str]) -> frozenset[str]:
        wanted, found = sorted(set(ids)), set[str]()
        with self._use() as connection:
            for start in range(0, len(wanted), _AT_ONCE):
                some = wanted[start : start + _AT_ONCE]
                marks = ", ".join("?" * len(some))
                found.update(
                    id_
                    for (id_,) in connection.execute(
                        f"SELECT id FROM revocations WHERE tenant = ? AND env = ? AND id IN ({marks})",  # noqa: S608
                        (tenant, env, *some),
                    )
                )
        return frozenset(found)
