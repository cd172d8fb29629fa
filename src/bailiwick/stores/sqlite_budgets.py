"""Counts of budgets in the embedded state file, and what permits that are out have taken from them.

A count is one row, however much was counted: a decision reads one row for each count that it rests on, by key. A
reservation is one immediate transaction that changes nothing unless every row is still the one that was read. Counts of
which nothing is left in their window are deleted by later reservations, a few at a time.

INVARIANT: versions come from one sequence of the file, so none is ever used for two states of a count, not even where
its row was deleted and made again. DESIGN §5 *State and scale*.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bailiwick.action.budgets import NOTHING_USED, Account, Draw, Hold, Tally, start_of
from bailiwick.errors import CanonicalError
from bailiwick.model.canonical import canonical, parse
from bailiwick.stores.sqlite_state_file import StateFile, damaged

__all__ = ["SqliteBudgets"]

_KEY = "tenant = ? AND env = ? AND budget = ? AND terms = ? AND owner = ?"
_VERSION = "SELECT version FROM budget_counts"
_COUNT = "SELECT version, epoch, latest_ms, used FROM budget_counts"
_PRUNED = 8
"""So many counts of nothing are deleted at most with one reservation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    """What one permit took from one count."""

    budget: str
    epoch: int
    start_ms: int
    amount: int


class SqliteBudgets:
    """BudgetStore over the state file; its port says what it promises."""

    def __init__(self, file: StateFile) -> None:
        self._use = file.use
        self._path = file.path

    def read(self, tenant: str, env: str, accounts: Sequence[Account]) -> tuple[Tally, ...]:
        with self._use() as connection:
            return tuple(self._tally(connection, _key(tenant, env, account)) for account in accounts)

    def reserve(self, tenant: str, env: str, hold: Hold, draws: Sequence[Draw], *, now_ms: int, durable: bool) -> bool:
        with self._use(durable=durable, transaction=True) as connection:
            keys = [_key(tenant, env, draw.account) for draw in draws]
            found = [connection.execute(f"{_VERSION} WHERE {_KEY}", key) for key in keys]
            versions = [int(row[0]) if (row := each.fetchone()) else 0 for each in found]
            if versions != [draw.tally.version for draw in draws]:
                return False
            version = _next(connection)
            for key, draw in zip(keys, draws, strict=True):
                if draw.counted:
                    self._count(connection, key, draw, version=version, now_ms=now_ms)
                    counted = max(now_ms, draw.tally.latest_ms)
                    connection.execute(
                        "INSERT INTO budget_holds VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                        (
                            *(hold.permit_id, hold.decision_event, hold.log_id, *key, draw.tally.epoch),
                            *(draw.account.window_ms, start_of(draw.account.window_ms, counted), draw.amount),
                        ),
                    )
            connection.execute(
                "DELETE FROM budget_counts WHERE rowid IN"
                " (SELECT rowid FROM budget_counts WHERE ends_ms < ? AND version <> ? LIMIT ?)",
                (now_ms, version, _PRUNED),
            )
        return True

    def settle(self, permit_id: str, really: Mapping[str, int], *, now_ms: int) -> None:
        def settled(tally: Tally, window_ms: int | None, hold: _Held) -> Tally:
            used = really.get(hold.budget, hold.amount)
            if used > hold.amount:
                return tally.added(window_ms, now_ms, used - hold.amount)
            return tally.returned(hold.start_ms, hold.amount - used) if tally.epoch == hold.epoch else tally

        self._end(permit_id, settled)

    def release(self, permit_id: str) -> None:
        def released(tally: Tally, _window_ms: int | None, hold: _Held) -> Tally:
            # What a person set the count to meanwhile does not hold this call's part.
            return tally.returned(hold.start_ms, hold.amount) if tally.epoch == hold.epoch else tally

        self._end(permit_id, released)

    def add(self, tenant: str, env: str, draws: Sequence[Draw], *, now_ms: int) -> None:
        with self._use(transaction=True) as connection:
            version = _next(connection)
            for draw in draws:
                key = _key(tenant, env, draw.account)
                self._put(
                    connection,
                    key,
                    self._tally(connection, key).added(draw.account.window_ms, now_ms, draw.amount),
                    draw.account.window_ms,
                    version=version,
                )

    def holds(self, tenant: str, env: str) -> tuple[Hold, ...]:
        with self._use() as connection:
            rows = connection.execute(
                "SELECT DISTINCT permit_id, decision_event, log_id FROM budget_holds WHERE tenant = ? AND env = ?"
                " ORDER BY permit_id",
                (tenant, env),
            ).fetchall()
        return tuple(Hold(permit_id=row[0], decision_event=row[1], log_id=row[2]) for row in rows)

    def set_to(self, tenant: str, env: str, account: Account, old: Tally, *, amount: int, now_ms: int) -> bool:
        key = _key(tenant, env, account)
        with self._use(durable=True, transaction=True) as connection:
            held = self._tally(connection, key)
            if held.version != old.version:
                return False
            tally = held.set_to(account.window_ms, now_ms, amount)
            self._put(connection, key, tally, account.window_ms, version=_next(connection))
        return True

    def tallies(self, tenant: str, env: str, budget: str) -> tuple[tuple[Account, Tally], ...]:
        with self._use() as connection:
            rows = connection.execute(
                "SELECT terms, owner, window_ms, version, epoch, latest_ms, used FROM budget_counts"
                " WHERE tenant = ? AND env = ? AND budget = ? ORDER BY owner, terms",
                (tenant, env, budget),
            ).fetchall()
        return tuple(
            (
                Account(budget=budget, terms=terms, owner=owner, window_ms=window_ms),
                self._read(budget, row),
            )
            for terms, owner, window_ms, *row in rows
        )

    # --- inside

    def _end(self, permit_id: str, change: Callable[[Tally, int | None, _Held], Tally]) -> None:
        with self._use(transaction=True) as connection:
            rows = connection.execute(
                "SELECT tenant, env, budget, terms, owner, epoch, window_ms, start_ms, amount FROM budget_holds"
                " WHERE permit_id = ?",
                (permit_id,),
            ).fetchall()
            version = 0
            for *key, epoch, window_ms, start_ms, amount in rows:
                tally = self._tally(connection, tuple(key))
                held = _Held(budget=key[2], epoch=epoch, start_ms=start_ms, amount=amount)
                changed = change(tally, window_ms, held)
                if changed != tally:
                    version = version or _next(connection)
                    self._put(connection, tuple(key), changed, window_ms, version=version)
            connection.execute("DELETE FROM budget_holds WHERE permit_id = ?", (permit_id,))

    def _count(
        self, connection: sqlite3.Connection, key: tuple[str, ...], draw: Draw, *, version: int, now_ms: int
    ) -> None:
        window_ms = draw.account.window_ms
        self._put(connection, key, draw.tally.added(window_ms, now_ms, draw.amount), window_ms, version=version)

    def _put(
        self, connection: sqlite3.Connection, key: tuple[str, ...], tally: Tally, window_ms: int | None, *, version: int
    ) -> None:
        connection.execute(
            "INSERT OR REPLACE INTO budget_counts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(*key, version, tally.epoch, tally.latest_ms, window_ms, tally.ends_ms(window_ms)),
                canonical([list(bucket) for bucket in tally.buckets]),
            ),
        )

    def _tally(self, connection: sqlite3.Connection, key: tuple[str, ...]) -> Tally:
        row = connection.execute(f"{_COUNT} WHERE {_KEY}", key).fetchone()
        return NOTHING_USED if row is None else self._read(key[2], row)

    def _read(self, budget: str, row: Sequence[object]) -> Tally:
        version, epoch, latest_ms, used = row
        try:
            written = parse(used if isinstance(used, bytes) else b"")
        except CanonicalError as error:
            raise damaged(self._path, f"a count of the budget {budget}", str(error)) from error
        buckets = tuple(map(_bucket, written)) if isinstance(written, list) else (None,)
        if None in buckets:
            raise damaged(self._path, f"a count of the budget {budget}", "it does not read")
        assert isinstance(version, int)
        assert isinstance(epoch, int)
        assert isinstance(latest_ms, int)
        return Tally(version=version, epoch=epoch, latest_ms=latest_ms, buckets=tuple(filter(None, buckets)))


def _key(tenant: str, env: str, account: Account) -> tuple[str, ...]:
    return tenant, env, account.budget, account.terms, account.owner


def _next(connection: sqlite3.Connection) -> int:
    """The next version, in the transaction that changes something."""
    (version,) = connection.execute("UPDATE budget_sequence SET version = version + 1 RETURNING version").fetchone()
    return int(version)


def _bucket(value: object) -> tuple[int, int] | None:
    if not isinstance(value, list) or len(value) != 2:
        return None
    start, amount = value
    fits = type(start) is int and type(amount) is int and start >= 0 and amount >= 0
    return (start, amount) if fits else None
