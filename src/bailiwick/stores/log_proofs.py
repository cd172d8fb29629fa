"""Proofs out of a stored log, and the log as static tiles. Read-only; another process may be writing the log.

INVARIANT: nothing is handed out that does not verify: a proof that the log's own file does not bear out is an error.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from bailiwick.audit import notes
from bailiwick.audit.case import CaseRecord
from bailiwick.audit.merkle import leaf_hash, verify_consistency, verify_inclusion
from bailiwick.audit.notes import Note
from bailiwick.audit.proofs import InclusionProof
from bailiwick.audit.tiles import Tile, bundle, consistency, entries_of, inclusion, tiles_of
from bailiwick.errors import NoteError, StoreError
from bailiwick.stores.log_file import connect, sound_tail, unreadable
from bailiwick.stores.log_sync import sync_wal
from bailiwick.stores.log_tree import hashes, newest

__all__ = ["LogProofs"]


class LogProofs:
    """The tree of one log. Use it as a context manager, in one thread at a time. Every method raises StoreError."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._db = connection

    @classmethod
    def open(cls, path: Path) -> Self:
        """Raises StoreError if there is no log at `path`."""
        if not path.is_file():
            raise StoreError(f"there is no log at {path}", hint="Give the path of a log-….db file.")
        return cls(path, connect(path, read_only=True))

    def close(self) -> None:
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def checkpoint(self, *, over: int = 0) -> Note | None:
        """The newest checkpoint, None if it does not cover the first `over` events. An older one is taken if it covers
        them and enough witnesses cosigned it, which they did not the newest. It is durable: whoever keeps it may ask
        for it after a loss of power."""
        with self._reading():
            for stored in (newest(self._db, witnessed=True) if over else None, newest(self._db)):
                if stored is not None and stored.size >= over:
                    self._sync()
                    return notes.parse(stored.note)
        return None

    def _sync(self) -> None:
        try:
            sync_wal(self.path)
        except OSError as error:
            raise StoreError(f"{self.path} could not be synced: {error}", hint="Try again; keep a copy.") from error

    def prove(self, event_id: str) -> InclusionProof | None:
        """That an event is in the log; None if the log has none of this id."""
        with self._reading():
            row = self._db.execute("SELECT seq, data FROM events WHERE id = ?", (event_id,)).fetchone()
            if row is None:
                return None
            index, data = row
            note = self.checkpoint(over=index + 1)
            if note is None:
                raise StoreError(
                    f"no checkpoint of {self.path.stem} covers event {event_id} yet",
                    hint="The process that writes it makes one within a second; one that was killed has it made by the "
                    "next process that continues the log.",
                )
            head = note.checkpoint
            path = inclusion(self._hashes, index, head.size)
            if not verify_inclusion(leaf=leaf_hash(data), index=index, size=head.size, proof=path, root=head.root):
                raise self._unsound(f"event {event_id} is not the one that its checkpoint covers")
            return InclusionProof(index=index, path=path, note=note)

    def prove_all(
        self, event_ids: Sequence[str], sign: Callable[[str, int, bytes], str]
    ) -> tuple[Note, tuple[CaseRecord, ...]]:
        """That these events are in the log, all under one checkpoint, in their order. Where a process was killed before
        it made a checkpoint over the last of them, `sign` (log, size, root) makes one, which no witness knows."""
        with self._reading():
            found = sorted(
                row
                for event_id in event_ids
                for row in self._db.execute("SELECT seq, data FROM events WHERE id = ?", (event_id,))
            )
            over = found[-1][0] + 1 if found else 0
            note = self.checkpoint(over=over) or self._signed(sign)
            head = note.checkpoint
            records = []
            for seq, data in found:
                path = inclusion(self._hashes, seq, head.size)
                if not verify_inclusion(leaf=leaf_hash(data), index=seq, size=head.size, proof=path, root=head.root):
                    raise self._unsound(f"record {seq} is not the one that its checkpoint covers")
                records.append(CaseRecord(seq=seq, data=data, proof=path))
            return note, tuple(records)

    def _signed(self, sign: Callable[[str, int, bytes], str]) -> Note:
        """A checkpoint over all that is there, after checking that the end of the log is sound."""
        tree = sound_tail(self.path, self._db)
        return notes.parse(sign(self.path.stem, tree.size, tree.root))

    def extend(self, old: Note) -> tuple[tuple[bytes, ...], Note]:
        """The newest checkpoint, and the proof that the log that an older one is over begins it."""
        with self._reading():
            note, then = self.checkpoint(), old.checkpoint
            if note is None or note.checkpoint.size < then.size:
                raise self._unsound(f"it was {then.size} events long once and holds fewer under its last checkpoint")
            now = note.checkpoint
            path = consistency(self._hashes, then.size, now.size)
            if then.size and not verify_consistency(
                old_size=then.size, old_root=then.root, new_size=now.size, new_root=now.root, proof=path
            ):
                raise self._unsound(f"its first {then.size} events are not those of the older checkpoint")
            return path, note

    def write_tiles(self, folder: Path) -> tuple[Note, int]:
        """Lay the log out in `folder` as C2SP tlog-tiles: `checkpoint`, `tile/…` → the checkpoint and the number of new
        files. Full tiles that are there stay, so that it can be done again as the log grows."""
        with self._reading():
            note = self.checkpoint()
            if note is None:
                raise StoreError(f"{self.path.stem} has no checkpoint yet", hint="Run an agent first.")
            size, new = note.checkpoint.size, 0
            for tile in (*tiles_of(size), *entries_of(size)):
                target = folder / tile.path
                if not target.exists():
                    target.parent.mkdir(parents=True, exist_ok=True)
                    _replace(target, self._content(tile))
                    new += 1
            _replace(folder / "checkpoint", note.format().encode())
            return note, new

    def _content(self, tile: Tile) -> bytes:
        first = tile.index * 256
        if tile.level is not None:
            return b"".join(self._hashes(tile.level, first, tile.width))
        rows = self._db.execute(
            "SELECT data FROM events WHERE seq >= ? AND seq < ? ORDER BY seq", (first, first + tile.width)
        )
        return bundle([data for (data,) in rows])

    def _hashes(self, level: int, first: int, count: int) -> list[bytes]:
        return list(hashes(self._db, level, first, count))

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """All as of one moment."""
        try:
            if self._db.in_transaction:
                yield
                return
            self._db.execute("BEGIN")
            try:
                yield
            finally:
                self._db.execute("ROLLBACK")
        except sqlite3.Error as error:
            raise unreadable(self.path, error) from error
        except NoteError as error:
            raise self._unsound(str(error)) from error

    def _unsound(self, what: str) -> StoreError:
        return StoreError(f"{self.path.stem} is not sound: {what}", hint="Run `bailiwick audit verify` on its folder.")


def _replace(target: Path, data: bytes) -> None:
    """A reader finds the old file or the new one, never a half."""
    beside = target.with_name(f".{target.name}.{os.getpid()}")
    beside.write_bytes(data)
    beside.replace(target)
