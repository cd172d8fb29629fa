"""Who answers a request for approval, and how it is known that it is they."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["ProofMethod", "Proven"]


class ProofMethod(StrEnum):
    """From the weakest to the strongest."""

    CLAIMED = "claimed"
    """Somebody with access to this machine said so (`--as`)."""
    OIDC = "oidc"
    """Signed in at an identity provider."""
    PASSKEY = "passkey"
    """Signed in here with a passkey."""
    SIGNED = "signed"
    """A passkey signed this very answer: the action, the gates and the word."""

    @property
    def rank(self) -> int:
        return tuple(ProofMethod).index(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proven:
    """A person of the directory. `at_ms` is when they proved it, `os_user` the account of the operating system that the
    answer came from (empty over the network), `evidence` what proves it to an auditor (canonical bytes; empty where
    there is nothing to keep)."""

    user: str
    method: ProofMethod
    at_ms: int
    os_user: str = ""
    evidence: bytes = b""

    @property
    def evidence_digest(self) -> str:
        """What a vote and its event keep of the evidence; empty where there is none."""
        return "sha256:" + hashlib.sha256(b"bailiwick.proof\x00" + self.evidence).hexdigest() if self.evidence else ""
