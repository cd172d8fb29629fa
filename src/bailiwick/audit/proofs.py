"""A proof that an event is in a log, which needs nothing but itself and the log's key. C2SP tlog-proof.

c2sp.org/tlog-proof@v1
index 73894
<hash>                  inclusion proof, a line each, from the leaf's sibling on
…

<checkpoint>            as it was signed
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from bailiwick.audit.checkpoints import Checkpoint, decoded
from bailiwick.audit.merkle import HASH_BYTES, verify_inclusion
from bailiwick.audit.notes import Note, NoteKey, parse, signed_by
from bailiwick.errors import NoteError

__all__ = ["InclusionProof"]

_FIRST = "c2sp.org/tlog-proof@v1"
_INDEX = re.compile(r"index (0|[1-9][0-9]{0,18})", re.ASCII)
MAX_PATH = 63


@dataclass(frozen=True, slots=True, kw_only=True)
class InclusionProof:
    """`path` shows that event `index` is in the tree that the checkpoint `note` is over."""

    index: int
    path: tuple[bytes, ...]
    note: Note

    def format(self) -> str:
        """The text of a `.tlog-proof` file."""
        lines = (_FIRST, f"index {self.index}", *(b64encode(node).decode() for node in self.path))
        return "".join(f"{line}\n" for line in lines) + "\n" + self.note.format()

    @classmethod
    def parse(cls, text: str) -> Self:
        """What `format` wrote, also with an `extra` line, which proves nothing and is dropped. Raises NoteError."""
        head, blank, rest = text.partition("\n\n")
        first, *lines = head.split("\n")
        if lines and lines[0].startswith("extra "):
            decoded(lines.pop(0).removeprefix("extra "))
        index = _INDEX.fullmatch(lines[0]) if lines else None
        if first != _FIRST or not blank or index is None:
            raise NoteError(f"a proof begins with {_FIRST!r} and an index; an empty line parts it from the checkpoint")
        if len(lines) - 1 > MAX_PATH:
            raise NoteError(f"a proof has at most {MAX_PATH} hashes")
        path = tuple(map(decoded, lines[1:]))
        if any(len(node) != HASH_BYTES for node in path):
            raise NoteError("a line of a proof is one hash of 32 bytes")
        return cls(index=int(index[1]), path=path, note=parse(rest))

    def verify(self, leaf: bytes, keys: Iterable[NoteKey]) -> Checkpoint:
        """The checkpoint, if one of these keys signed it and leaf hash `leaf` is in it. Raises NoteError if not."""
        if not signed_by(self.note, keys):
            raise NoteError("none of the given keys signed the checkpoint")
        checkpoint = self.note.checkpoint
        if not verify_inclusion(
            leaf=leaf, index=self.index, size=checkpoint.size, proof=self.path, root=checkpoint.root
        ):
            raise NoteError("the event is not in the log that the checkpoint is over")
        return checkpoint
