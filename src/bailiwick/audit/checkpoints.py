"""The text of a checkpoint: which log, how many events, and the root over them. C2SP tlog-checkpoint.

    bailiwick.local/default/prod/log-0193…      origin
    20852163                                    tree size
    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=  root hash

Further lines are extensions. We write none: an ML-DSA-44 signature does not cover them.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from dataclasses import dataclass
from typing import Self

from bailiwick.audit.merkle import EMPTY_ROOT, HASH_BYTES
from bailiwick.errors import NoteError

__all__ = ["CHECKPOINTS_APART", "Checkpoint", "decoded"]

CHECKPOINTS_APART = 256
"""A log signs its head at most so many records apart. (A parent waits for witnesses, and may sign later.)"""
MAX_SIZE = 2**63 - 1
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """What a checkpoint says. Raises NoteError if there can be no such checkpoint."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not all(self.extensions) or not self.origin:
            raise NoteError("a checkpoint has no empty line")
        if any("\n" in line for line in (self.origin, *self.extensions)):
            raise NoteError("a line of a checkpoint holds a line break")
        if not 0 <= self.size <= MAX_SIZE or len(self.root) != HASH_BYTES:
            raise NoteError("a checkpoint has a size from 0 to 2^63 - 1 and a root of 32 bytes")
        if not self.size and self.root != EMPTY_ROOT:
            raise NoteError("the root of an empty log is the hash of nothing")

    @property
    def text(self) -> str:
        """What is signed."""
        root = b64encode(self.root).decode()
        return "".join(f"{line}\n" for line in (self.origin, self.size, root, *self.extensions))

    @classmethod
    def parse(cls, text: str) -> Self:
        """The checkpoint that a note's text is. Raises NoteError."""
        lines = text.split("\n")
        if len(lines) < 4 or lines.pop():
            raise NoteError("a checkpoint has at least three lines, each of them ended")
        origin, size, root, *extensions = lines
        if not _SIZE.fullmatch(size):
            raise NoteError(f"the size of a checkpoint is a decimal number, not {size[:40]!r}")
        return cls(origin=origin, size=int(size), root=decoded(root), extensions=tuple(extensions))


def decoded(text: str) -> bytes:
    """Standard base64 that is the only spelling of its bytes. Raises NoteError."""
    try:
        data = b64decode(text, validate=True)
    except ValueError as error:
        raise NoteError(f"{text[:40]!r} is not base64") from error
    if b64encode(data).decode() != text:  # bits that the padding leaves over: the same bytes, written otherwise
        raise NoteError(f"{text[:40]!r} is not canonical base64")
    return data
