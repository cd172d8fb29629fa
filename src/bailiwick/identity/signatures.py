"""Signatures that were found valid before need not be computed again: a memory of that fact alone.

INVARIANT: what is remembered is that one key made one signature over one message, which stays true for ever. Whether a
token is in time, revoked or as wide as it claims is looked at each time. So forgetting, or a race between threads,
costs time and nothing else.
"""

from __future__ import annotations

import hashlib

from bailiwick.identity.keys import PublicKey

__all__ = ["KnownSignatures"]


class KnownSignatures:
    """A `Verifier` with a memory for about `size` signatures: an older and a younger half, the older one dropped when
    the younger is full. Only valid ones are kept."""

    __slots__ = ("_half", "_older", "_younger")

    def __init__(self, size: int = 4096) -> None:
        self._half = max(1, size // 2)
        self._younger: set[bytes] = set()
        self._older: set[bytes] = set()

    def __call__(self, key: PublicKey, message: bytes, signature: bytes) -> bool:
        # Key and signature have fixed lengths here or do not verify; hashed first, so nothing can be shifted between.
        told = hashlib.sha256(b"%d.%d." % (len(key.raw), len(signature)) + key.raw + signature + message).digest()
        if told in self._younger:
            return True
        known = told in self._older
        if not known and not key.verifies(message, signature):
            return False
        if len(self._younger) >= self._half:
            self._older, self._younger = self._younger, set()
        self._younger.add(told)
        return True

    def __len__(self) -> int:
        return len(self._younger) + len(self._older)
