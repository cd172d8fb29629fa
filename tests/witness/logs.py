"""Logs that are submitted to witnesses: honest ones, and one that its owner forked."""

from __future__ import annotations

from dataclasses import dataclass, replace

from bailiwick.audit.checkpoints import Checkpoint
from bailiwick.audit.merkle import consistency_proof, leaf_hash, root_of
from bailiwick.audit.notes import KeyType, Note, NoteSigner
from bailiwick.audit.witnessing import request_body

__all__ = ["PROJECT", "TestedLog", "log_of", "signer"]

PROJECT = "bailiwick.test/acme/prod"


def signer(name: str, kind: KeyType = KeyType.ED25519, seed: int = 1) -> NoteSigner:
    return NoteSigner.from_seed(name, kind, bytes([seed]) * 32)


@dataclass(frozen=True)
class TestedLog:
    """A log of so many leaves, and whoever signs it."""

    __test__ = False

    origin: str
    leaves: tuple[bytes, ...]
    signers: tuple[NoteSigner, ...]

    def note(self, size: int) -> Note:
        """The signed checkpoint over the first `size` leaves."""
        text = Checkpoint(origin=self.origin, size=size, root=root_of(self.leaves[:size])).text
        return Note(text=text, lines=tuple(signer.sign(text) for signer in self.signers))

    def proof(self, old: int, size: int) -> tuple[bytes, ...]:
        return consistency_proof(self.leaves[:size], old) if 0 < old < size else ()

    def body(self, old: int, size: int) -> bytes:
        return request_body(old, self.proof(old, size), self.note(size))

    def forked(self, at: int) -> TestedLog:
        """The same log with another leaf at this place, signed with the same keys."""
        return replace(self, leaves=(*self.leaves[:at], leaf_hash(b"another"), *self.leaves[at + 1 :]))


def log_of(size: int, *, name: str = "log-1", seed: int = 1) -> TestedLog:
    origin = f"{PROJECT}/{name}"
    leaves = tuple(leaf_hash(f"{name} {number}".encode()) for number in range(size))
    return TestedLog(origin, leaves, (signer(origin, seed=seed), signer(origin, KeyType.COSIGNATURE_MLDSA44, seed)))
