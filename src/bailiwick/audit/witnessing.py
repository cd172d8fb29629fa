"""What a witness has to check before it cosigns, and what it answers. C2SP tlog-witness, `add-checkpoint`.

A witness remembers one tree head for each log, the newest that it cosigned, and cosigns another only if a proof shows
that the old tree begins the new one. So a log that takes back, changes or forks what a witness saw gets no cosignature
any more, whoever holds its key. Pure rules; `bailiwick.witness` keeps the state and speaks HTTP.

INVARIANT: `judge` says COSIGN only if the head that is held begins the submitted tree. Whoever acts on it replaces
exactly that head, in one step: two requests at once must not take a log back.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Self

from bailiwick.audit.checkpoints import Checkpoint, decoded
from bailiwick.audit.merkle import EMPTY_ROOT, HASH_BYTES, verify_consistency
from bailiwick.audit.notes import KeyType, Note, NoteKey, parse, signed_by
from bailiwick.errors import NoteError

__all__ = [
    "MAX_PROOF",
    "NOTHING_SEEN",
    "SIZE_TYPE",
    "Answer",
    "Submission",
    "TreeHead",
    "TrustedLog",
    "judge",
    "keys_for",
    "request_body",
]

MAX_PROOF = 63
"""A consistency proof has at most so many hashes."""
MAX_ORIGIN = 255
"""Bytes of an origin: what an ML-DSA-44 cosignature can take."""
SIZE_TYPE = "text/x.tlog.size"
"""The content type of an answer that says which size the witness holds."""
_OLD = re.compile(r"old (0|[1-9][0-9]{0,18})", re.ASCII)


class Answer(IntEnum):
    """What a witness answers to a submission: the status of its HTTP response."""

    COSIGN = 200
    MALFORMED = 400
    UNTRUSTED = 403
    """None of the keys that are trusted for this log signed the checkpoint."""
    UNKNOWN = 404
    """No key is trusted for this log."""
    CONFLICT = 409
    """The witness holds another size than the client thinks, or another root for the same size."""
    INCONSISTENT = 422
    """The proof does not show that what the witness holds begins the submitted tree."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeHead:
    """How far a log has come."""

    size: int
    root: bytes


NOTHING_SEEN = TreeHead(size=0, root=EMPTY_ROOT)
"""What a witness holds of a log that it never cosigned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """The body of an `add-checkpoint` request."""

    old_size: int
    proof: tuple[bytes, ...]
    note: Note
    checkpoint: Checkpoint

    @property
    def head(self) -> TreeHead:
        return TreeHead(size=self.checkpoint.size, root=self.checkpoint.root)

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """What `request_body` wrote. Raises NoteError."""
        head, blank, rest = data.partition(b"\n\n")
        try:
            first, *hashes = head.decode("ascii").split("\n")
        except UnicodeDecodeError as error:
            raise NoteError("the old size and the proof are ASCII") from error
        old = _OLD.fullmatch(first)
        if not blank or old is None:
            raise NoteError("a submission begins with 'old' and a size; an empty line parts it from the checkpoint")
        if len(hashes) > MAX_PROOF:
            raise NoteError(f"a proof has at most {MAX_PROOF} hashes")
        proof = tuple(map(decoded, hashes))
        if any(len(node) != HASH_BYTES for node in proof):
            raise NoteError("a line of the proof is one hash of 32 bytes")
        note = parse(rest)
        checkpoint = note.checkpoint
        if len(checkpoint.origin.encode()) > MAX_ORIGIN:
            raise NoteError(f"the origin of a log has at most {MAX_ORIGIN} bytes")
        return cls(old_size=int(old[1]), proof=proof, note=note, checkpoint=checkpoint)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedLog:
    """A key that may speak for the log of its name; with `children` also for every log right under it,
    `<name>/<log>`: one per process of a project."""

    key: NoteKey
    children: bool

    def keys(self, origin: str) -> tuple[NoteKey, ...]:
        """What may stand under a checkpoint of this origin: the key by its own name, and by the origin's."""
        if origin == self.key.name:
            return (self.key,)
        under, _, log = origin.rpartition("/")
        if not self.children or under != self.key.name or not log:
            return ()
        try:
            named = NoteKey(name=origin, kind=self.key.kind, public=self.key.public)
        except NoteError:  # an origin may hold what the name of a key may not
            return (self.key,)
        return (self.key, named)

    @classmethod
    def of(cls, vkey: str, *, children: bool) -> Self:
        """Raises NoteError."""
        key = NoteKey.parse(vkey)
        if key.kind is KeyType.COSIGNATURE_ED25519:
            raise NoteError(f"{key.name} is the key of a witness, not of a log")
        return cls(key=key, children=children)


def keys_for(origin: str, trusted: Iterable[TrustedLog]) -> tuple[NoteKey, ...]:
    """The keys that may sign checkpoints of this origin; none if the log is unknown."""
    return tuple(dict.fromkeys(key for log in trusted for key in log.keys(origin)))


def judge(asked: Submission, keys: Sequence[NoteKey], held: TreeHead) -> Answer:
    """What a witness that holds `held` of this log, and trusts `keys` for it, answers. The checks in the order of the
    specification: a stranger learns nothing of the state."""
    if not keys:
        return Answer.UNKNOWN
    try:
        if not signed_by(asked.note, keys):
            return Answer.UNTRUSTED
    except NoteError:
        return Answer.UNTRUSTED
    new = asked.head
    if asked.old_size > new.size:
        return Answer.MALFORMED
    if asked.old_size != held.size:
        return Answer.CONFLICT
    if new.size == held.size and new.root != held.root:
        return Answer.CONFLICT
    return Answer.COSIGN if _extends(held, new, asked.proof) else Answer.INCONSISTENT


def _extends(old: TreeHead, new: TreeHead, proof: Sequence[bytes]) -> bool:
    if old.size == 0:  # every tree begins with the empty one: there is nothing to prove
        return not proof
    return verify_consistency(old_size=old.size, old_root=old.root, new_size=new.size, new_root=new.root, proof=proof)


def request_body(old_size: int, proof: Sequence[bytes], note: Note) -> bytes:
    """The body of a request to cosign `note`."""
    lines = (f"old {old_size}", *(b64encode(node).decode() for node in proof))
    return ("".join(f"{line}\n" for line in lines) + "\n" + note.format()).encode()
