"""What a signed answer to a request for approval says (`AnswerToSign`), apart from passkeys: whoever decides reads it
without the packages that signing takes. How it is signed and verified: `bailiwick.identity.signed_answers`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from bailiwick.errors import CanonicalError
from bailiwick.model.canonical import canonical, digest, parse

__all__ = ["AnswerToSign", "edit_digest", "remembered_in"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerToSign:
    """Everything that an answer says: on which call and which card, on which gates, yes or no, by whom, for what time.
    `gates` are sorted; `edited` is the `edit_digest` of changed arguments, `remember` the digest of what is to hold for
    calls like this one too (empty: nothing is)."""

    tenant: str
    env: str
    approval: str
    action: str
    card: str
    gates: tuple[str, ...]
    grant: bool
    edited: str
    remember: str
    user: str
    nonce: str
    expires_ms: int

    @property
    def challenge(self) -> bytes:
        """What the passkey signs."""
        return hashlib.sha256(b"bailiwick.answer\x00" + canonical(asdict(self))).digest()


def edit_digest(args: Mapping[str, object] | None) -> str:
    """What stands for changed arguments in a signed answer; empty where none were changed."""
    return "" if args is None else digest("bailiwick.edit", args)


def remembered_in(evidence: bytes) -> str | None:
    """What a signed answer, whose signature was verified when it was given, says is to be remembered; None if these
    bytes are none."""
    try:
        written = parse(evidence)
    except CanonicalError:
        return None
    answer = written.get("answer") if isinstance(written, dict) else None
    found = answer.get("remember") if isinstance(answer, dict) else None
    return found if isinstance(found, str) else None
