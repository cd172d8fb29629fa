"""Proof of possession: with each call, the holder of a delegation token shows that it holds the token's key.

A proof is a signature over the token, the exact call (its action digest), a nonce and the time, in the manner of DPoP
(RFC 9449). It is good for one call: `verify_proof` bounds its time, and the caller puts `replay_key` into the
`ReplayStore`, where it must be new. Pure: time, nonce and keys come from the caller. DESIGN §5 *Identity*.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from bailiwick.identity.chain_token import VerifiedChain, token_hash
from bailiwick.identity.keys import PrivateKey, PublicKey, Verifier, read_signed
from bailiwick.model.decision import Plane, Reason

__all__ = ["AHEAD_S", "WINDOW_S", "Proof", "prove", "verify_proof"]

WINDOW_S = 60
"""A proof is good for so long after it was made."""
AHEAD_S = 5
"""So much may the holder's clock be ahead."""
_KIND = "proof"
_LONGEST = 2048
_NONCE = re.compile(r"[A-Za-z0-9_-]{16,64}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """A proof that verified. It counts once `replay_key` was new in the replay store, which keeps it until
    `expires_ms`: from then on the proof is too old to be used."""

    replay_key: str
    expires_ms: int


def prove(token: str, *, key: PrivateKey, digest: str, nonce: str, now_ms: int) -> str:
    """The proof that goes with one call. `digest` is the action's; `nonce` is used once: 16 to 64 letters, digits, `_`
    or `-`, for example `secrets.token_urlsafe(16)`."""
    claims = {"ath": token_hash(token), "htd": digest, "nonce": nonce, "iat": now_ms // 1000}
    return key.signed(_KIND, claims)


def verify_proof(
    proof: str, *, chain: VerifiedChain, digest: str, now_ms: int, verifier: Verifier = PublicKey.verifies
) -> Proof | Reason:
    """Whether `proof` was made by the holder of `chain` for the call of this digest, just now. A memory of signatures
    is of no use as `verifier` here: each proof is new."""
    signed = read_signed(_KIND, proof, longest=_LONGEST)
    if signed is None or set(signed.claims) != {"ath", "htd", "nonce", "iat"}:
        return _reason("bad-proof", "This is no proof of possession that can be read.", "Make one with prove().")
    claims, made_s = signed.claims, signed.claims["iat"]
    if type(made_s) is not int or type(claims["nonce"]) is not str or not _NONCE.fullmatch(claims["nonce"]):
        return _reason("bad-proof", "This is no proof of possession that can be read.", "Make one with prove().")
    if claims["ath"] != chain.token_hash or claims["htd"] != digest:
        return _reason("proof-of-another-call", "This proof is for another call or token.", "Make one for this call.")
    if not signed.by(chain.holder, verifier):
        return _reason(
            "proof-not-by-holder", "The key of this delegation token did not sign this proof.", "Use the token's key."
        )
    now_s = now_ms // 1000
    if not now_s - WINDOW_S < made_s <= now_s + AHEAD_S:
        return _reason(
            "proof-not-current",
            f"This proof was not made within the last {WINDOW_S} seconds.",
            "Make a new one for each call, and set the clocks of both machines right.",
        )
    return Proof(replay_key=f"{chain.holder.thumbprint}.{claims['nonce']}", expires_ms=(made_s + WINDOW_S) * 1000)


def _reason(code: str, message: str, hint: str) -> Reason:
    return Reason(plane=Plane.IDENTITY, code=code, message=message, hint=hint)
