"""What a log needs beside its file to be provable: who signs its checkpoints, who cosigns them, which parent log knows
that it exists, and which keys its contents are under. DESIGN §5 *Audit*.

Ports of the audit plane; `LogParts` is how a store is given them. A part that is None is left out, and what it gives
with it: a project always has a signer, a parent and keys, and witnesses where its settings name some.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Protocol

from bailiwick.audit.notes import NoteKey

__all__ = ["CheckpointSigner", "ConsistencyProof", "ContentKeys", "Cosigned", "LogParts", "ParentLog", "Witnesses"]

ConsistencyProof = Callable[[int], tuple[bytes, ...]]
"""Size of an older tree → the proof that it begins the one that is cosigned. Raises StoreError."""


Room = Callable[[], str]
"""Why there is no room on the disk for effects; empty while there is. Cheap: it is asked at every permit."""


class CheckpointSigner(Protocol):
    """Signs the tree heads of this project's logs."""

    def sign(self, log: str, size: int, root: bytes, /) -> str:
        """The signed note (C2SP tlog-checkpoint) over this head of this log."""
        ...

    def keys(self, log: str, /) -> tuple[NoteKey, ...]:
        """What verifies the checkpoints of this log."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Cosigned:
    """What witnesses said to a checkpoint. `lines` are their signature lines; `enough` whether the quorum is reached;
    `refused` a sentence for each witness that did not cosign."""

    lines: tuple[str, ...]
    enough: bool
    refused: tuple[str, ...] = ()


class Witnesses(Protocol):
    """The witnesses that the settings name, and how many of them must cosign. `timeout_s` is how long they are waited
    for, `window_s` how long a record may stay without their quorum before effects are denied."""

    @property
    def timeout_s(self) -> float: ...

    @property
    def window_s(self) -> float: ...

    def cosign(self, note: str, size: int, proof: ConsistencyProof, /) -> Cosigned:
        """Ask them all at once. Waits for the quorum, at most as long as the settings say."""
        ...

    def close(self) -> None:
        """Ask nobody any more."""
        ...


class ParentLog(Protocol):
    """The log of a folder's logs. What it is told is durable when a method returns. Raises ParentUnavailable."""

    def name(self) -> str:
        """Its id, which a new log's opening names. Makes one if there is none."""
        ...

    def admit(self, log: str, first: bytes, size: int, root: bytes, /) -> None:
        """A process is about to write into this log, which holds `size` records. Records its birth, if it is new, and
        so far as it has come; the birth is witnessed, where there are witnesses, when this returns. `first` is the leaf
        hash of its opening. Raises StoreError if it is not the log that the parent knows."""
        ...

    def closed(self, log: str, size: int, root: bytes, /) -> None:
        """Its process gives it up in order, with so many records."""
        ...


class ContentKeys(Protocol):
    """The keys of the people whom contents are about. They live apart from the contents."""

    def sealing(self, subjects: Collection[str], /) -> tuple[str, bytes]:
        """The key that contents about these subjects are sealed under, and by which name it is found again: 32 bytes
        that cannot be had any more once a key of one of them is gone. Makes keys where there are none."""
        ...

    def opening(self, name: str, /) -> bytes | None:
        """The key of that name; None if a subject of it was erased."""
        ...

    def close(self) -> None:
        """Forget them. Does nothing the second time."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LogParts:
    """What one log is given. See the ports."""

    signer: CheckpointSigner | None = None
    witnesses: Witnesses | None = None
    parent: ParentLog | None = None
    keys: ContentKeys | None = None
    room: Room | None = None

    def close(self) -> None:
        """Give up what they hold. After the logs that were given them."""
        for part in (self.witnesses, self.keys):
            if part is not None:
                part.close()
