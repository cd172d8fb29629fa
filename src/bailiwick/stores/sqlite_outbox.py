"""Notices that wait to be sent, in the embedded state file, and which requests may still make news.

Which requests were taken in is known by how far their table was read: a look costs what is open and new, however many
are over. INVARIANT: a notice is claimed in one transaction, for a time; whoever ends it must still hold that claim. So
while leases outlast attempts nobody sends what another one is sending, and what a process that is gone began is sent
again under the same id. DESIGN §5 *State and scale*.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from bailiwick.action.approvals import ApprovalStatus
from bailiwick.action.notices import LEASE_MS, ChannelState, Claim, News, Notice
from bailiwick.stores.sqlite_state_file import StateFile, damaged

__all__ = ["SqliteOutbox"]

KEPT_MS = 30 * 86_400_000
"""What is older is deleted, a few at a time, whatever became of it."""
_PRUNED = 64
_OPEN = (ApprovalStatus.REQUESTED.value, ApprovalStatus.GRANTED.value)
_NOTICE = "SELECT id, tenant, env, approval, news, channel, recipient, at_ms, attempts FROM outbox"
_OF_CHANNEL = "tenant = ? AND env = ? AND channel = ?"
_ONE = "SELECT 1 FROM outbox"
_GONE = "SELECT at_ms FROM outbox_gone"
_OPEN_AGAIN = "DELETE FROM outbox_gone"
_CHANGE = "UPDATE outbox SET"
_COUNTED = "SELECT state, count(*) FROM outbox"
_FAILING = "SELECT min(failing_ms) FROM outbox"
_ARRIVED = "SELECT coalesce(max(tried_ms), 0) FROM outbox"
_ERROR = "SELECT error FROM outbox"


class SqliteOutbox:
    """Outbox over the state file; its port says what it promises."""

    def __init__(self, file: StateFile) -> None:
        self._use = file.use
        self._path = file.path

    def watched(self, tenant: str, env: str) -> tuple[str, ...]:
        # Nothing is written where there is nothing new: several look every few seconds.
        with self._use() as connection:
            if _new(connection, tenant, env) is None:
                return _watched(connection, tenant, env)
        with self._use(durable=True, transaction=True) as connection:
            new = _new(connection, tenant, env)
            if new is not None:
                since, until = new
                connection.execute(
                    "INSERT INTO outbox_watched SELECT tenant, env, id FROM approvals WHERE tenant = ? AND env = ?"
                    " AND rowid > ? AND rowid <= ? AND (? >= 0 OR status IN (?, ?)) ON CONFLICT DO NOTHING",
                    (tenant, env, since, until, since, *_OPEN),
                )
                connection.execute(
                    "INSERT INTO outbox_seen VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET until = excluded.until",
                    (tenant, env, until),
                )
            return _watched(connection, tenant, env)

    def queue(self, tenant: str, env: str, notices: Sequence[Notice], *, over: str | None, now_ms: int) -> None:
        with self._use() as connection:
            new = [each for each in notices if not _known_or_unwanted(connection, each)]
        if not new and over is None:
            return
        with self._use(durable=True, transaction=True) as connection:
            connection.executemany(
                "INSERT INTO outbox VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'queued', 0, ?, '', 0, 0, NULL, '')"
                " ON CONFLICT DO NOTHING",
                [
                    (
                        *(each.id, each.tenant, each.env, each.channel, each.approval),
                        *(each.news.value, each.recipient, each.at_ms, now_ms),
                    )
                    for each in new
                ],
            )
            if over is not None:
                connection.execute(
                    "DELETE FROM outbox_watched WHERE tenant = ? AND env = ? AND approval = ?", (tenant, env, over)
                )
            connection.execute(
                "DELETE FROM outbox WHERE rowid IN (SELECT o.rowid FROM outbox o LEFT JOIN outbox_watched w"
                " ON w.tenant = o.tenant AND w.env = o.env AND w.approval = o.approval"
                " WHERE o.at_ms < ? AND o.lease_ends_ms < ? AND w.approval IS NULL LIMIT ?)",
                (now_ms - KEPT_MS, now_ms, _PRUNED),
            )

    def claim(self, tenant: str, env: str, channel: str, *, lease: str, now_ms: int) -> Claim | None:
        where = f"{_OF_CHANNEL} AND state = 'queued' AND due_ms <= ? AND lease_ends_ms <= ?"
        values = (tenant, env, channel, now_ms, now_ms)
        with self._use() as connection:
            if connection.execute(f"{_ONE} WHERE {where} LIMIT 1", values).fetchone() is None:
                return None
        with self._use(durable=True, transaction=True) as connection:
            row = connection.execute(f"{_NOTICE} WHERE {where} ORDER BY due_ms, rowid LIMIT 1", values).fetchone()
            if row is None:
                return None
            connection.execute(
                "UPDATE outbox SET lease = ?, lease_ends_ms = ?, attempts = attempts + 1, tried_ms = ? WHERE id = ?",
                (lease, now_ms + LEASE_MS, now_ms, row[0]),
            )
        return Claim(notice=self._notice(row), lease=lease, attempt=int(row[8]) + 1)

    def sent(self, claim: Claim, *, now_ms: int) -> bool:
        return self._ended(claim, "state = 'sent', failing_ms = NULL, error = '', tried_ms = ?", now_ms)

    def later(self, claim: Claim, *, due_ms: int, error: str, now_ms: int) -> bool:
        change = "due_ms = ?, error = ?, failing_ms = coalesce(failing_ms, ?), tried_ms = ?"
        return self._ended(claim, change, due_ms, error, now_ms, now_ms)

    def give_up(self, claim: Claim, *, error: str, now_ms: int) -> bool:
        change = "state = 'given-up', error = ?, failing_ms = coalesce(failing_ms, ?), tried_ms = ?"
        return self._ended(claim, change, error, now_ms, now_ms)

    def gone(self, tenant: str, env: str, channel: str, *, now_ms: int) -> int:
        with self._use(durable=True, transaction=True) as connection:
            connection.execute(
                "INSERT INTO outbox_gone VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING", (tenant, env, channel, now_ms)
            )
            return connection.execute(
                f"{_CHANGE} state = 'given-up', error = 'the receiver is gone' WHERE {_OF_CHANNEL}"
                " AND state = 'queued'",
                (tenant, env, channel),
            ).rowcount

    def open_again(self, tenant: str, env: str, channel: str) -> None:
        with self._use(durable=True) as connection:
            connection.execute(f"{_OPEN_AGAIN} WHERE {_OF_CHANNEL}", (tenant, env, channel))

    def state(self, tenant: str, env: str, channel: str) -> ChannelState:
        at = (tenant, env, channel)
        with self._use(transaction=True) as connection:
            counted = dict(connection.execute(f"{_COUNTED} WHERE {_OF_CHANNEL} GROUP BY state", at))
            failing = f"{_FAILING} WHERE {_OF_CHANNEL} AND state <> 'sent' AND tried_ms > ?"
            arrived = connection.execute(f"{_ARRIVED} WHERE {_OF_CHANNEL} AND state = 'sent'", at).fetchone()[0]
            since = connection.execute(failing, (*at, arrived)).fetchone()[0]
            last = connection.execute(
                f"{_ERROR} WHERE {_OF_CHANNEL} AND error <> '' ORDER BY tried_ms DESC LIMIT 1", at
            ).fetchone()
            gone = connection.execute(f"{_GONE} WHERE {_OF_CHANNEL}", at).fetchone()
        return ChannelState(
            queued=counted.get("queued", 0),
            sent=counted.get("sent", 0),
            given_up=counted.get("given-up", 0),
            failing_ms=since,
            last_error=last[0] if last else "",
            gone_ms=gone[0] if gone else None,
        )

    def _ended(self, claim: Claim, change: str, *values: object) -> bool:
        """`change` is one of the texts written above, never a value."""
        with self._use(durable=True) as connection:
            done = connection.execute(
                f"{_CHANGE} {change}, lease = '', lease_ends_ms = 0 WHERE id = ? AND state = 'queued'"
                " AND lease = ? AND attempts = ?",
                (*values, claim.notice.id, claim.lease, claim.attempt),
            )
            return done.rowcount == 1

    def _notice(self, row: tuple[object, ...]) -> Notice:
        found, tenant, env, approval, news, channel, recipient, at_ms, _ = row
        try:
            made = Notice(
                tenant=str(tenant),
                env=str(env),
                approval=str(approval),
                news=News(str(news)),
                channel=str(channel),
                recipient=str(recipient),
                at_ms=int(str(at_ms)),
            )
        except ValueError as error:
            raise damaged(self._path, f"notice {found}", str(error)) from error
        if made.id != found:
            raise damaged(self._path, f"notice {found}", "its columns are not those it was made of")
        return made


def _new(connection: sqlite3.Connection, tenant: str, env: str) -> tuple[int, int] | None:
    """From where to where the requests of this tenant were not looked at; None if all were. From -1: nobody ever did.
    Ids of rows only grow: no request is ever deleted."""
    seen = connection.execute("SELECT until FROM outbox_seen WHERE tenant = ? AND env = ?", (tenant, env)).fetchone()
    newest = connection.execute("SELECT coalesce(max(rowid), 0) FROM approvals").fetchone()[0]
    since = -1 if seen is None else int(seen[0])
    return None if seen is not None and newest <= since else (since, int(newest))


def _watched(connection: sqlite3.Connection, tenant: str, env: str) -> tuple[str, ...]:
    rows = connection.execute("SELECT approval FROM outbox_watched WHERE tenant = ? AND env = ?", (tenant, env))
    return tuple(name for (name,) in rows)


def _known_or_unwanted(connection: sqlite3.Connection, notice: Notice) -> bool:
    at = (notice.tenant, notice.env, notice.channel)
    if connection.execute(f"{_GONE} WHERE {_OF_CHANNEL}", at).fetchone() is not None:
        return True
    return connection.execute(f"{_ONE} WHERE id = ?", (notice.id,)).fetchone() is not None
