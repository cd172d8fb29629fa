"""The parent log of a folder: one file that all its processes write, one at a time. See `audit.parent`.

It is a log like the others, under a name of its own, so nobody takes it for one: same tables, same tree, same
verification. It is opened for each record and closed again, under a lock that the folder's processes share, and every
commit is synced; a process writes two records in it, when it takes a log and when it gives it up. Witnesses are asked
outside of the lock, so one that does not answer holds up nobody but who needs it.

INVARIANT: nothing is added to a parent whose end is not sound, or of another tenant's environment. Where there is no
other, a new one is made; the old one stays, and `bailiwick audit verify` says what is wrong.
INVARIANT: a process that named a parent in a log writes to no other one.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bailiwick.audit.envelope import place, read, seal
from bailiwick.audit.events import new_id
from bailiwick.audit.log import Clock, Entropy
from bailiwick.audit.merkle import Frontier, consistency_proof, leaf_hash
from bailiwick.audit.parent import PARENT
from bailiwick.audit.ports import CheckpointSigner, Witnesses
from bailiwick.audit.report import StoredEvent
from bailiwick.errors import CanonicalError, ParentUnavailable, StoreError
from bailiwick.model.event import Draft, Event, EventKind
from bailiwick.stores.log_file import LogLock, connect, list_parents, log_path, says_damaged, sound_tail, write
from bailiwick.stores.log_recovery import Owner, make, opening_of

__all__ = ["SqliteParentLog"]

WAIT = 30.0
"""Seconds that a process waits for the others of the folder."""
WAIT_AT_END = 3.0
"""The same for one that gives its log up: what it does not say, the next one does."""
ASK_AGAIN = 0.005
ROUNDS = 5
"""So often the witnesses are asked, each time about a head that others made later."""


@dataclass(slots=True)
class _Open:
    """The parent while nobody else writes it."""

    path: Path
    db: sqlite3.Connection
    frontier: Frontier


@dataclass(frozen=True, slots=True)
class _Due:
    """A head that is signed and not yet cosigned, and the leaves that it is over."""

    size: int
    note: str
    leaves: tuple[bytes, ...]


class SqliteParentLog:
    """What one process says of its logs in the parent of `folder`. Implements `ParentLog`."""

    def __init__(
        self,
        folder: Path,
        owner: Owner,
        *,
        clock: Clock,
        entropy: Entropy,
        signer: CheckpointSigner | None = None,
        witnesses: Witnesses | None = None,
    ) -> None:
        self._folder = folder
        self._owner = owner
        self._clock = clock
        self._entropy = entropy
        self._signer = signer
        self._witnesses = witnesses
        self._name = ""

    def name(self) -> str:
        """Its id. Makes one if there is none."""
        if not self._name:
            with self._opened():
                pass
        return self._name

    def admit(self, log: str, first: bytes, size: int, root: bytes, /) -> None:
        """See the port. The birth itself counts as soon as it is durable: a process that ends before it is witnessed
        leaves a log that the next one has witnessed first."""
        with self._opened() as parent:
            born, last = _records_of(parent, log)
            if born is None:
                if size != 1:
                    raise StoreError(
                        f"the parent log {self._name} does not know of {log}, which holds {size} records",
                        hint="Was it put there, or the parent set back? Run `bailiwick audit verify`; keep both files.",
                    )
                born = self._append(parent, EventKind.LOG_BORN, {"log": log, "first": _hash(first)})
            else:
                _same(parent, log, born, last, first=first, size=size, root=root)
                commit = _commit(log, size, root, closed=False)
                if commit != (last.body if last else _commit(log, 1, first, closed=False)):
                    self._append(parent, EventKind.LOG_COMMITTED, commit)
            needed = 0 if self._covered(parent) > born.seq else born.seq + 1
            due = self._due(parent)
        self._have_witnessed(due, needed)

    def closed(self, log: str, size: int, root: bytes, /) -> None:
        """See the port. Whether it is witnessed is for the next checkpoint: nothing waits for it."""
        with self._opened(wait=WAIT_AT_END) as parent:
            born, last = _records_of(parent, log)
            if born is None:
                raise _unavailable(parent.path, f"it does not know of {log}")
            if last is not None and last.body["size"] == size and last.body["closed"] is True:
                return
            self._append(parent, EventKind.LOG_COMMITTED, _commit(log, size, root, closed=True))
            due = self._due(parent)
        self._have_witnessed(due, 0)

    # --- the file

    @contextmanager
    def _opened(self, wait: float = WAIT) -> Iterator[_Open]:
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with self._locked(wait), closing(self._find()) as db:
                path = log_path(self._folder, self._name)
                db.execute("PRAGMA journal_mode = WAL")
                db.execute("PRAGMA synchronous = FULL")
                yield _Open(path, db, sound_tail(path, db))
        except (sqlite3.Error, OSError) as error:
            raise _unavailable(log_path(self._folder, self._name or PARENT), str(error)) from error

    @contextmanager
    def _locked(self, wait: float) -> Iterator[None]:
        until = time.monotonic() + wait
        while (lock := LogLock.take(self._folder / "parent.db")) is None:
            if time.monotonic() > until:
                raise _unavailable(self._folder / "parent.db", f"another process has held it for {wait:.0f} s")
            time.sleep(ASK_AGAIN)
        try:
            yield
        finally:
            lock.release()

    def _find(self) -> sqlite3.Connection:
        """A connection to the newest sound parent of this owner; to a new one, if there is none and none was named."""
        if self._name:
            path = log_path(self._folder, self._name)
            found = self._sound(path) if path.exists() else None
            if found is None:
                raise _unavailable(path, "it is gone, or its end is not what was written")
            return found
        for path in reversed(list_parents(self._folder)):
            found = self._sound(path)
            if found is not None:
                self._name = path.stem
                return found
        path = log_path(self._folder, f"{PARENT}{new_id(self._clock(), self._entropy(10))}")
        make(path, self._owner, clock=self._clock, entropy=self._entropy)
        self._name = path.stem
        return connect(path)

    def _sound(self, path: Path) -> sqlite3.Connection | None:
        """A connection to the parent at `path`; None if it is damaged or another owner's. One that cannot be read just
        now is neither: with another one beside it, each would lack what the other knows."""
        try:
            db = connect(path)
        except StoreError as error:
            if not says_damaged(error.__cause__):
                raise _unavailable(path, str(error)) from error
            return None
        try:
            sound_tail(path, db)
            first = opening_of(path, db)
            if (first.tenant, first.env) == (self._owner.tenant, self._owner.env):
                return db
        except (StoreError, sqlite3.Error) as error:
            if not says_damaged(error):
                db.close()
                raise
        db.close()
        return None

    # --- writing

    def _append(self, parent: _Open, kind: EventKind, body: dict[str, object]) -> Event:
        """Add a record, durably."""
        log, now_us = str(body["log"]), self._clock()
        draft = Draft(
            id=new_id(now_us, self._entropy(10)),
            kind=kind,
            ts_us=now_us,
            tenant=self._owner.tenant,
            env=self._owner.env,
            session=log,
            body=body,
        )
        (ord_,) = parent.db.execute("SELECT coalesce(max(ord) + 1, 0) FROM events WHERE session = ?", (log,)).fetchone()
        seq = parent.frontier.size
        data = place(seal(draft, self._entropy), log=parent.path.stem, seq=seq, ord_=ord_)
        leaf = leaf_hash(data)
        grown = parent.frontier.extended([leaf])
        write(parent.db, [StoredEvent(seq, draft.id, log, ord_, kind.value, now_us, data, leaf)], [], grown)
        parent.frontier = grown
        return read(data)

    def _covered(self, parent: _Open) -> int:
        """So many records a stored checkpoint covers; where there are witnesses, it has their quorum."""
        if self._signer is None:
            return parent.frontier.size
        (size,) = parent.db.execute("SELECT coalesce(max(size), 0) FROM checkpoints").fetchone()
        return int(size)

    def _due(self, parent: _Open) -> _Due | None:
        """The signed head, for the witnesses, if no stored checkpoint covers it. Where there are none it is stored."""
        size = parent.frontier.size
        if self._signer is None or self._covered(parent) == size:
            return None
        note = self._signer.sign(parent.path.stem, size, parent.frontier.root)
        if self._witnesses is None:
            _keep(parent, size, note)
            return None
        leaves = tuple(leaf for (leaf,) in parent.db.execute("SELECT leaf FROM events ORDER BY seq"))
        return _Due(size, note, leaves)

    def _have_witnessed(self, due: _Due | None, needed: int) -> None:
        """Ask the witnesses, without the lock: the folder's other processes go on. Raises ParentUnavailable if then no
        stored checkpoint covers the first `needed` records.

        Another process may have a later head cosigned first; then this one is refused, and the later one counts."""
        refused: tuple[str, ...] = ()
        for _ in range(ROUNDS):
            if due is None or self._witnesses is None:
                return
            said = self._witnesses.cosign(due.note, due.size, partial(consistency_proof, due.leaves))
            with self._opened() as parent:
                if said.enough:
                    _keep(parent, due.size, due.note + "".join(f"{line}\n" for line in said.lines))
                if said.enough or self._covered(parent) >= needed:
                    return
                refused = said.refused
                if parent.frontier.size == due.size:
                    break
                due = self._due(parent)
        path = log_path(self._folder, self._name)
        raise _unavailable(path, "its quorum of witnesses is not reached: " + "; ".join(refused))


def _keep(parent: _Open, size: int, note: str) -> None:
    parent.db.execute("INSERT OR IGNORE INTO checkpoints (size, note) VALUES (?, ?)", (size, note))


def _records_of(parent: _Open, log: str) -> tuple[Event | None, Event | None]:
    """The birth of a log and the last that was said of it; None where nothing was."""
    query = "SELECT data FROM events WHERE session = ? ORDER BY ord {} LIMIT 1"
    found: list[Event | None] = []
    for order in ("ASC", "DESC"):
        row = parent.db.execute(query.format(order), (log,)).fetchone()
        try:
            found.append(read(row[0]) if row else None)
        except CanonicalError as error:
            raise StoreError(f"{parent.path} holds a record that is no event: {error}", hint=error.hint) from error
    born, last = found
    return born, last if last is not None and last.kind is EventKind.LOG_COMMITTED else None


def _same(parent: _Open, log: str, born: Event, last: Event | None, *, first: bytes, size: int, root: bytes) -> None:
    """Raises StoreError unless the log is, as far as its end tells, the one that the parent knows."""
    known = last.body["size"] if last is not None else 1
    assert isinstance(known, int)
    if born.body["first"] != _hash(first):
        wrong = "does not begin with the opening that was born"
    elif size < known:
        wrong = f"holds {size} records, and had come to {known}"
    elif last is not None and size == known and last.body["root"] != _hash(root):
        wrong = f"holds {size} other records than it had come to"
    else:
        return
    raise StoreError(
        f"{log} {wrong}, says its parent {parent.path.stem}",
        hint="Was it set back or replaced? Run `bailiwick audit verify` on its folder; keep both files.",
    )


def _commit(log: str, size: int, root: bytes, *, closed: bool) -> dict[str, object]:
    return {"log": log, "size": size, "root": _hash(root), "closed": closed}


def _hash(value: bytes) -> str:
    return "sha256:" + value.hex()


def _unavailable(path: Path, why: str) -> ParentUnavailable:
    return ParentUnavailable(
        f"the parent log {path.stem} takes no record: {why}",
        hint="No log is begun or continued until it does: repair the cause, then restart.",
    )
