"""Heads of logs that lie somewhere: what a stored log is held against.

A head says how many records a log had and which root was over them. It counts as much as the place where it was kept.
Who writes into the logs and holds the log's key can make anew what lies with them, the parent log too; what an auditor
or a witness holds, they cannot. So a difference is narrowed down with heads that are worth no less than the one that
shows it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping
from enum import IntEnum
from typing import NamedTuple

from bailiwick.audit.notes import Note, NoteKey, parse, signed_by
from bailiwick.errors import NoteError

__all__ = ["Comparison", "Found", "Kept", "KeptHead", "StoredCheckpoint", "by_log", "head_of", "log_of", "own_head"]


class Kept(IntEnum):
    """Where a head was kept; a higher one is harder to make anew."""

    WITH_THE_LOG = 0
    IN_THE_PARENT = 1
    OUTSIDE = 2


_DIFFERS = {
    Kept.WITH_THE_LOG: "checkpoint-differs",
    Kept.IN_THE_PARENT: "parent-differs",
    Kept.OUTSIDE: "replaced",
}
_SHORT = {Kept.WITH_THE_LOG: "cut-off", Kept.IN_THE_PARENT: "rolled-back", Kept.OUTSIDE: "truncated"}


class KeptHead(NamedTuple):
    """`size` records with this `root` (`sha256:<hex>`), by the word of `source`: the words that a report uses.
    `printed`: it is a copy of a checkpoint that must lie with the log too."""

    size: int
    root: str
    source: str
    kept: Kept = Kept.OUTSIDE
    printed: bool = False


class StoredCheckpoint(NamedTuple):
    """A checkpoint that lies in the log's own file."""

    size: int
    note: str


class Found(NamedTuple):
    """Something that is wrong: its code, a sentence, and the first record that may differ."""

    code: str
    message: str
    seq: int | None = None


class Comparison:
    """Holds a log that is read in order against heads of it. `due` is the size at which it is to be asked next; 0 when
    there is none. `fits` are the sources outside of the logs whose heads the log agrees with."""

    def __init__(self, heads: Iterable[KeptHead]) -> None:
        self._heads = deque(sorted(head for head in heads if head.size))
        self._agreed = dict.fromkeys(Kept, 0)
        self._differs: dict[Kept, int] = {}
        self.fits: list[str] = []

    @property
    def due(self) -> int:
        return self._heads[0].size if self._heads else 0

    def at(self, size: int, root: str) -> Iterator[Found]:
        """The log has `size` records, and this root; an empty one if it cannot be known, after a gap."""
        while self._heads and self._heads[0].size <= size:
            head = self._heads.popleft()
            if not root:
                continue
            if head.root == root:
                self._agreed[head.kept] = size
                if head.kept is Kept.OUTSIDE:
                    self.fits.append(head.source)
                continue
            yield Found(_DIFFERS[head.kept], *self._where(head))

    def rest(self, size: int) -> Iterator[Found]:
        """The log has ended with `size` records."""
        for head in self._heads:
            text = f"{head.source} covers {head.size} records; {size} are there"
            yield Found(_SHORT[head.kept], text, size)

    def _where(self, head: KeptHead) -> tuple[str, int]:
        """What to say of a difference, and the first record that may be the one."""
        agreed = max(size for kept, size in self._agreed.items() if kept >= head.kept)
        end = min((size for kept, size in self._differs.items() if kept >= head.kept), default=head.size)
        self._differs.setdefault(head.kept, head.size)
        first = (
            f"record {agreed} differs"
            if end - agreed == 1
            else f"the first that differs is one of {agreed} to {end - 1}"
        )
        return f"{head.source} covers {head.size} other records: {first}", agreed


def log_of(origin: str) -> str:
    """The id of the log with this origin: what follows the last slash."""
    return origin.rpartition("/")[2]


def _of_origin(keys: Iterable[NoteKey], origin: str) -> tuple[NoteKey, ...]:
    """These keys, under their own names, which a witness signs with, and under the log's: a project signs with one key
    for all its logs, each time in the log's name."""
    keys = tuple(keys)
    return (*keys, *(NoteKey(name=origin, kind=key.kind, public=key.public) for key in keys))


def head_of(note: Note, keys: Iterable[NoteKey], source: str, *, printed: bool = False) -> tuple[str, KeptHead]:
    """The log and the head that a checkpoint vouches for. Raises NoteError: it is none, or none of `keys` signed it."""
    checkpoint = note.checkpoint
    if not signed_by(note, _of_origin(keys, checkpoint.origin)):
        raise NoteError(
            f"{source} is not signed by a key that was given",
            hint="Give the log's key with --key: `bailiwick audit keys` prints it where the log is written.",
        )
    head = KeptHead(checkpoint.size, "sha256:" + checkpoint.root.hex(), source, printed=printed)
    return log_of(checkpoint.origin), head


def own_head(stored: StoredCheckpoint, log: str, keys: Collection[NoteKey]) -> tuple[KeptHead | None, bool, str]:
    """The head that a checkpoint beside the log states (None: it states none), whether one of `keys` signed it, and
    what is wrong with it."""
    source = f"its own checkpoint at {stored.size} records"
    try:
        note = parse(stored.note)
        checkpoint = note.checkpoint
        if log_of(checkpoint.origin) != log:
            return None, False, f"{source} is of {checkpoint.origin}"
        if checkpoint.size != stored.size:
            return None, False, f"{source} says that there were {checkpoint.size}"
        head = KeptHead(stored.size, "sha256:" + checkpoint.root.hex(), source, Kept.WITH_THE_LOG)
        if keys and not signed_by(note, _of_origin(keys, checkpoint.origin)):
            return head, False, f"{source} is not signed by a known key"
    except NoteError as error:
        return None, False, f"{source}: {error}"
    return head, bool(keys), ""


def by_log(heads: Iterable[tuple[str, KeptHead]]) -> Mapping[str, tuple[KeptHead, ...]]:
    """Heads, sorted by the log that they are of."""
    found: dict[str, tuple[KeptHead, ...]] = {}
    for log, head in heads:
        found[log] = (*found.get(log, ()), head)
    return found
