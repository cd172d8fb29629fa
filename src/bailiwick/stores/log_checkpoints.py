"""Signs the tree of a log as it grows, and has its checkpoints cosigned: two threads beside the log that appends.

A checkpoint is due once an event waits for AFTER seconds, or CHECKPOINTS_APART of them wait; so two neighbouring
checkpoints are never further apart, and an event is covered within a second. One covers only what is durable: what was
handed to a witness must not be taken back by a loss of power. Appending pays for none of it: it leaves its leaf hashes.

INVARIANT: no checkpoint is signed that does not continue the one before it: `resumed` checks what another process left,
and from there on the tree grows by what this process committed, not by what its file says.
INVARIANT: if checkpoints cannot be made any more, for whatever reason, the log takes no record any more.
"""

from __future__ import annotations

import math
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bailiwick.audit import notes
from bailiwick.audit.checkpoints import CHECKPOINTS_APART
from bailiwick.audit.merkle import Frontier, leaf_hash
from bailiwick.audit.notes import SignatureLine, signed_by
from bailiwick.audit.ports import CheckpointSigner, Witnesses
from bailiwick.audit.tiles import Node, consistency, grow
from bailiwick.errors import NoteError, StoreError
from bailiwick.stores.log_file import connect, unreadable
from bailiwick.stores.log_tree import Made, StoredNote, add_checkpoints, add_cosigned, hashes, newest, tree_at

__all__ = ["AFTER", "Checkpoints", "Host", "Resumed", "resumed"]

AFTER = 0.8
"""Seconds: leaves 200 of the promised 1,000 ms to a sync of the disk and to signing."""
ASK_AGAIN = 1.0
"""Seconds after which witnesses are asked again who did not cosign, if the log does not grow meanwhile."""
_NEVER = 86_400.0


class Host(Protocol):
    """The log whose checkpoints are made."""

    path: Path

    def flush(self, size: int, /) -> None:
        """Make the first `size` events durable. Raises LogUnavailable."""
        ...

    def amend(self, change: Callable[[sqlite3.Connection], None], /) -> None:
        """Write something beside the events, in one transaction. Raises LogUnavailable."""
        ...

    def fail(self, why: str, /) -> None:
        """Take no record any more."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed:
    """The tree that the last checkpoint is over, and the leaf hashes behind it that none covers yet."""

    tree: Frontier
    waiting: tuple[bytes, ...]
    newest: StoredNote | None = None
    cosigned: StoredNote | None = None


def resumed(path: Path, connection: sqlite3.Connection, head: Frontier, signer: CheckpointSigner) -> Resumed:
    """Where a log stands whose records end in `head`. Raises StoreError if its last checkpoint is not one of ours, or
    is not over the records that are there: such a log must not be signed on."""
    try:
        last = newest(connection)
        tree = tree_at(connection, last.size) if last and last.size <= head.size else Frontier()
        if last is not None:
            _continues(path, last, tree, signer)
        rows = connection.execute("SELECT data FROM events WHERE seq >= ? ORDER BY seq", (tree.size,))
        waiting = tuple(leaf_hash(data) for (data,) in rows)
        cosigned = newest(connection, witnessed=True)
    except sqlite3.Error as error:
        raise unreadable(path, error) from error
    if tree.extended(waiting) != head:
        raise _unsound(path, "its records do not continue its last checkpoint")
    return Resumed(tree=tree, waiting=waiting, newest=last, cosigned=cosigned)


def _continues(path: Path, last: StoredNote, tree: Frontier, signer: CheckpointSigner) -> None:
    try:
        note = notes.parse(last.note)
        ours = signed_by(note, signer.keys(path.stem))
        checkpoint = note.checkpoint
    except NoteError as error:
        raise _unsound(path, f"its last checkpoint is none: {error}") from error
    if not ours:
        raise _unsound(path, "its last checkpoint is not signed with this project's key")
    if (checkpoint.size, checkpoint.root) != (tree.size, tree.root) or checkpoint.size != last.size:
        raise _unsound(path, f"its records are not those of its last checkpoint, over {checkpoint.size}")


def _unsound(path: Path, what: str) -> StoreError:
    return StoreError(f"{path} is not sound: {what}", hint="Run `bailiwick audit verify` on its folder; keep the file.")


class Checkpoints:
    """The checkpoints of one log. Many threads may commit and wait; `host` serialises what is written.

    `size` events are covered by a checkpoint, `witnessed` by one that enough witnesses cosigned; `refused` says why the
    last round of asking them fell short."""

    def __init__(
        self,
        host: Host,
        start: Resumed,
        *,
        signer: CheckpointSigner,
        witnesses: Witnesses | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.size = start.tree.size
        self.witnessed = start.cosigned.size if start.cosigned else 0
        self.refused: tuple[str, ...] = ()
        self._host, self._signer, self._witnesses, self._clock = host, signer, witnesses, clock
        self._tree = start.tree
        self._newest, self._cosigned = start.newest, start.cosigned
        self._waiting: list[bytes] = list(start.waiting)
        self._since = clock()
        self._committed = start.tree.size + len(start.waiting)
        self._unwitnessed = _Ages()
        if self._committed > max(self.witnessed, 1):  # another process wrote it, and nobody here knows when
            self._unwitnessed.add(self._committed, -math.inf)
        self._hurried = bool(self._waiting) and witnesses is not None
        self._changed = threading.Condition()
        self._fell_short = False
        self._making = threading.Lock()
        self._asking = threading.Lock()
        self._stopped = False
        self._threads: list[threading.Thread] = []

    # --- what the log calls

    def committed(self, leaves: Sequence[bytes]) -> None:
        """Leaf hashes of events that were just committed, in order."""
        with self._changed:
            before = len(self._waiting)
            if not before:
                self._since = self._clock()
            self._waiting.extend(leaves)
            self._committed += len(leaves)
            if self._witnesses is not None:
                self._unwitnessed.add(self._committed, self._clock())
            if not before or before < CHECKPOINTS_APART <= len(self._waiting):
                self._changed.notify_all()
        if not self._threads:
            self.start()

    def start(self) -> None:
        """Begin to work by itself."""
        with self._changed:
            if self._threads or self._stopped:
                return
            works = [self._sign_on] + ([self._ask_on] if self._witnesses is not None else [])
            self._threads = [
                threading.Thread(
                    target=self._run, args=(work,), name=f"{self._host.path.stem} checkpoints", daemon=True
                )
                for work in works
            ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End the threads. What is not covered by now is for `finish`, or for the next process."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join()

    def finish(self) -> None:
        """Cover all there is, and ask the witnesses once. Raises LogUnavailable."""
        self.make()
        if self._witnesses is not None and self.witnessed < self.size:
            self.ask()

    # --- what others wait for

    @property
    def unwitnessed_since(self) -> float | None:
        """When the oldest event was committed that no quorum has cosigned, by the clock: minus infinity for what an
        earlier process left. None if all are cosigned, or there are no witnesses."""
        with self._changed:
            return self._unwitnessed.oldest if self._witnesses is not None else None

    def overdue(self, window: float, patience: float) -> bool:
        """Whether some event has been without a quorum for more than `window` seconds. Of what another process left,
        the first answer of the witnesses is waited for, at most `patience` seconds."""
        if self._witnesses is None:
            return False
        if self.unwitnessed_since == -math.inf and not self._fell_short:
            self.start()
            with self._changed:
                self._changed.wait_for(
                    lambda: self._unwitnessed.oldest != -math.inf or self._fell_short or self._stopped, patience
                )
        since = self.unwitnessed_since
        return since is not None and self._clock() - since > window

    def wait(self, size: int, timeout: float) -> bool:
        """Have the first `size` events covered by a checkpoint at once; whether they are after at most `timeout` s."""
        with self._changed:
            self._hurry(size)
            return self._changed.wait_for(lambda: self.size >= size or self._stopped, timeout) and self.size >= size

    def wait_witnessed(self, size: int, timeout: float) -> bool:
        """Have a quorum of the witnesses cosign the first `size` events at once; whether it did after at most `timeout`
        seconds. False at once where there are no witnesses."""
        if self._witnesses is None:
            return False
        with self._changed:
            self._hurry(size)
            done = self._changed.wait_for(lambda: self.witnessed >= size or self._stopped, timeout)
            return done and self.witnessed >= size

    def _hurry(self, size: int) -> None:
        if self.size < size:
            self._hurried = True
            self._changed.notify_all()

    # --- signing

    def due(self, now: float) -> float:
        """Seconds until a checkpoint has to be made; 0 or less: now. The caller holds the lock."""
        waiting = len(self._waiting)
        if not waiting:
            return _NEVER
        if waiting >= CHECKPOINTS_APART or self._hurried:
            return 0.0
        return self._since + AFTER - now

    def make(self) -> int:
        """Sign what waits, in steps of CHECKPOINTS_APART events, and store it → so many checkpoints. Raises StoreError,
        NoteError; then it still waits."""
        with self._making:
            with self._changed:
                leaves, began, self._hurried = tuple(self._waiting), self._clock(), False
            if not leaves:
                return 0
            self._host.flush(self._tree.size + len(leaves))
            tree, made, nodes = self._tree, list[StoredNote](), list[Node]()
            for at in range(0, len(leaves), CHECKPOINTS_APART):
                tree, full = grow(tree, leaves[at : at + CHECKPOINTS_APART])
                nodes += full
                note = self._signer.sign(self._host.path.stem, tree.size, tree.root)
                made.append(StoredNote(size=tree.size, note=note))
            keep = self._newest is None or self._newest.size == self.witnessed
            superseded = None if keep else self._newest
            new = Made(notes=tuple(made), nodes=tuple(nodes))
            self._host.amend(lambda connection: add_checkpoints(connection, new, superseded))
            with self._changed:
                del self._waiting[: len(leaves)]
                self._since = began
                self._tree, self._newest, self.size = tree, made[-1], tree.size
                self._changed.notify_all()
            return len(made)

    def _sign_on(self) -> None:
        while True:
            with self._changed:
                while not self._stopped and (left := self.due(self._clock())) > 0:
                    self._changed.wait(left)
                if self._stopped:
                    return
            self.make()

    # --- witnesses

    def ask(self) -> bool:
        """Ask the witnesses to cosign the newest checkpoint → whether enough did. Raises LogUnavailable, NoteError."""
        with self._asking:
            last = self._newest
            if self._witnesses is None or last is None:
                return False
            said = self._witnesses.cosign(last.note, last.size, lambda old: self._proof(old, last.size))
            note = notes.parse(last.note).with_lines(map(SignatureLine.parse, said.lines))
            self.refused = said.refused
            with self._changed:
                self._fell_short = not said.enough
                self._changed.notify_all()
            if not said.enough:
                return False
            cosigned, superseded = StoredNote(size=last.size, note=note.format()), self._cosigned
            older = superseded if superseded and superseded.size != last.size else None
            self._host.amend(lambda connection: add_cosigned(connection, cosigned, older))
            with self._changed:
                self._cosigned, self.witnessed = cosigned, max(self.witnessed, cosigned.size)
                self._unwitnessed.drop(self.witnessed)
                self._changed.notify_all()
            return True

    def _proof(self, old: int, size: int) -> tuple[bytes, ...]:
        path = self._host.path
        try:
            with closing(connect(path, read_only=True)) as connection:
                return consistency(lambda *where: hashes(connection, *where), old, size)
        except sqlite3.Error as error:
            raise unreadable(path, error) from error
        except IndexError as error:
            raise StoreError(
                f"a witness has seen {old} records of {path.stem}, which holds {size}",
                hint="Records were lost or taken back: keep the file, run `bailiwick audit verify` on its folder.",
            ) from error

    def _ask_on(self) -> None:
        again = 0.0
        while True:
            with self._changed:
                asked = self.size if again else self.witnessed
                self._changed.wait_for(lambda: self._stopped or self.size > asked, again or None)  # noqa: B023  # at once
                if self._stopped:
                    return
            again = 0.0 if self.ask() else ASK_AGAIN

    def _run(self, work: Callable[[], None]) -> None:
        why = "its checkpoints stopped"
        try:
            work()
        except (StoreError, NoteError, sqlite3.Error, OSError) as error:
            why = f"its checkpoints failed: {error}"
        finally:
            if not self._stopped:
                self._host.fail(why)
                with self._changed:
                    self._stopped = True
                    self._changed.notify_all()


class _Ages:
    """When events were committed, in steps of 100 ms: `(size, time)`, where none of the events up to `size` and behind
    the step before is older than `time`."""

    STEP = 0.1
    MOST = 10_000
    """So many steps are remembered. Then the last one takes all that follows, and is never younger than that."""

    def __init__(self) -> None:
        self._steps: deque[tuple[int, float]] = deque()

    @property
    def oldest(self) -> float | None:
        return self._steps[0][1] if self._steps else None

    def add(self, size: int, now: float) -> None:
        if self._steps and (now - self._steps[-1][1] < self.STEP or len(self._steps) >= self.MOST):
            self._steps[-1] = (size, self._steps[-1][1])
        else:
            self._steps.append((size, now))

    def drop(self, size: int) -> None:
        """The first `size` events do not count any more."""
        while self._steps and self._steps[0][0] <= size:
            self._steps.popleft()
