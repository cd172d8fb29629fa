"""Who signs the checkpoints of a project's logs: one Ed25519 key, and an ML-DSA-44 key beside it where there is one.

A log signs under its own origin, `<origin of the project>/<log id>`, as C2SP tlog-checkpoint asks for. So each log has
a vkey of its own, with the same key in it; `keys` gives those of one log, `project_keys` those that stand for all logs
under the project's origin.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from bailiwick.audit.checkpoints import Checkpoint
from bailiwick.audit.notes import KeyType, Note, NoteKey, NoteSigner
from bailiwick.errors import NoteError

__all__ = ["LOG_KEYS", "LogSigner", "PrivateKey", "key_of_pem", "origin_of", "pem_of_seed"]

PrivateKey = Ed25519PrivateKey | MLDSA44PrivateKey

LOG_KEYS = (KeyType.ED25519, KeyType.COSIGNATURE_MLDSA44)
"""The types of signature under a log's checkpoints: every C2SP tool reads the first, the second outlives it."""

REMEMBERED = 100
"""Signers of so many logs are kept ready."""


def origin_of(project: str, log: str) -> str:
    """What the checkpoints of a log say in their first line."""
    return f"{project}/{log}"


class LogSigner:
    """The `CheckpointSigner` of a project. Threads may share it."""

    def __init__(self, origin: str, keys: Sequence[PrivateKey]) -> None:
        """`origin` is the project's. Raises NoteError if no key may have such a name."""
        self.origin = origin
        self._keys = tuple(keys)
        self._signers: dict[str, tuple[NoteSigner, ...]] = {}
        self.project_keys = tuple(signer.key for signer in self._named(origin))

    @classmethod
    def of_pems(cls, origin: str, pems: Sequence[bytes]) -> Self:
        """Raises NoteError, which does not repeat them."""
        return cls(origin, tuple(map(key_of_pem, pems)))

    def sign(self, log: str, size: int, root: bytes, /) -> str:
        """The signed note over this head of this log."""
        text = Checkpoint(origin=origin_of(self.origin, log), size=size, root=root).text
        lines = tuple(signer.sign(text) for signer in self._of(log))
        return Note(text=text, lines=lines).format()

    def keys(self, log: str, /) -> tuple[NoteKey, ...]:
        """What verifies the checkpoints of this log."""
        return tuple(signer.key for signer in self._of(log))

    def _of(self, log: str) -> tuple[NoteSigner, ...]:
        found = self._signers.get(log)
        if found is None:
            if len(self._signers) >= REMEMBERED:
                self._signers.clear()
            found = self._signers[log] = self._named(origin_of(self.origin, log))
        return found

    def _named(self, name: str) -> tuple[NoteSigner, ...]:
        return tuple(NoteSigner(name=name, kind=_kind(key), private=key) for key in self._keys)


def _kind(key: PrivateKey) -> KeyType:
    return KeyType.COSIGNATURE_MLDSA44 if isinstance(key, MLDSA44PrivateKey) else KeyType.ED25519


def pem_of_seed(kind: KeyType, seed: bytes) -> bytes | None:
    """A key as PKCS #8; None if the installed `cryptography` has no such keys."""
    try:
        private = NoteSigner.from_seed("key", kind, seed).private
    except UnsupportedAlgorithm:
        return None
    return private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def key_of_pem(pem: bytes) -> PrivateKey:
    """The key that `pem_of_seed` wrote. Raises NoteError."""
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise NoteError("this is no private key that can be read") from error
    if not isinstance(key, Ed25519PrivateKey | MLDSA44PrivateKey):
        raise NoteError("a log is signed with Ed25519 and ML-DSA-44 keys alone")
    return key
