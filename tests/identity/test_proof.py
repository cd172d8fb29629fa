"""Proofs of possession: by the holder, for this call and token, now, once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bailiwick.identity.chain_token import VerifiedChain
from bailiwick.identity.keys import PrivateKey
from bailiwick.identity.proof import AHEAD_S, WINDOW_S, Proof, prove, verify_proof
from bailiwick.model.decision import Plane, Reason
from bailiwick.stores.sqlite_state_file import StateFile
from bailiwick.stores.sqlite_tokens import SqliteReplay

from .chains import NOW, chain_of, check, key_of

TOKEN = chain_of(3)
HOLDER = key_of("a2")
DIGEST = "sha256:" + "ab" * 32
NONCE = "n" * 22


def held(token: str = TOKEN) -> VerifiedChain:
    chain = check(token)
    assert isinstance(chain, VerifiedChain)
    return chain


def proof(**change: Any) -> str:
    request: dict[str, Any] = {"key": HOLDER, "digest": DIGEST, "nonce": NONCE, "now_ms": NOW} | change
    return prove(request.pop("token", TOKEN), **request)


def verified(text: str, *, now_ms: int = NOW, digest: str = DIGEST) -> Proof | Reason:
    return verify_proof(text, chain=held(), digest=digest, now_ms=now_ms)


def test_the_holder_proves_itself_for_one_call() -> None:
    assert verified(proof()) == Proof(
        replay_key=f"{HOLDER.public.thumbprint}.{NONCE}", expires_ms=NOW + WINDOW_S * 1000
    )


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (proof(key=key_of("a1")), "proof-not-by-holder"),
        (proof(key=key_of("mallory")), "proof-not-by-holder"),
        (proof(token=chain_of(2)), "proof-of-another-call"),
        (proof(digest="sha256:" + "cd" * 32), "proof-of-another-call"),
        (proof(nonce="short"), "bad-proof"),
        (proof(nonce="n" * 65), "bad-proof"),
        (proof(nonce="n/../" * 5), "bad-proof"),
        (proof(now_ms=NOW - WINDOW_S * 1000), "proof-not-current"),
        (proof(now_ms=NOW + (AHEAD_S + 1) * 1000), "proof-not-current"),
        (proof()[:-1], "bad-proof"),
        (TOKEN, "bad-proof"),
        ("", "bad-proof"),
        ("x" * 100_000, "bad-proof"),
        (HOLDER.signed("proof", {"ath": held().token_hash, "htd": DIGEST, "nonce": NONCE}), "bad-proof"),
        (HOLDER.signed("plan", {"ath": held().token_hash, "htd": DIGEST, "nonce": NONCE, "iat": 1}), "bad-proof"),
        (
            HOLDER.signed("proof", {"ath": held().token_hash, "htd": DIGEST, "nonce": NONCE, "iat": True}),
            "bad-proof",
        ),
        (
            HOLDER.signed("proof", {"ath": held().token_hash, "htd": DIGEST, "nonce": NONCE, "iat": 1, "x": 1}),
            "bad-proof",
        ),
    ],
)
def test_no_other_proof_counts(text: str, code: str) -> None:
    reason = verified(text)
    assert isinstance(reason, Reason), reason
    assert (reason.plane, reason.code) == (Plane.IDENTITY, code)
    assert reason.hint


@pytest.mark.parametrize("place", range(0, len(proof()), 7))
def test_a_flipped_bit_is_never_the_same_proof(place: int) -> None:
    text = proof()
    flipped = text[:place] + chr(ord(text[place]) ^ 1) + text[place + 1 :]
    assert isinstance(verified(flipped), Reason)


def test_a_proof_is_kept_for_as_long_as_it_would_be_accepted(tmp_path: Path) -> None:
    """At every second of its life a proof is refused by the store once it was used."""
    store = SqliteReplay(StateFile.open(tmp_path / "state.db"))
    text = proof(now_ms=NOW + AHEAD_S * 1000)
    first = verified(text)
    assert isinstance(first, Proof)
    assert not store.seen("acme", "test", first.replay_key, expires_ms=first.expires_ms, now_ms=NOW)
    for second in range(AHEAD_S + WINDOW_S):
        later = verified(text, now_ms=NOW + second * 1000 + 999)
        assert isinstance(later, Proof)
        assert store.seen("acme", "test", later.replay_key, expires_ms=later.expires_ms, now_ms=NOW + second * 1000)
    assert isinstance(verified(text, now_ms=NOW + (AHEAD_S + WINDOW_S) * 1000), Reason)


def test_two_holders_do_not_use_up_each_others_nonces() -> None:
    other = held(chain_of(2))
    theirs = prove(chain_of(2), key=key_of("a1"), digest=DIGEST, nonce=NONCE, now_ms=NOW)
    mine, answer = verified(proof()), verify_proof(theirs, chain=other, digest=DIGEST, now_ms=NOW)
    assert isinstance(mine, Proof)
    assert isinstance(answer, Proof)
    assert mine.replay_key != answer.replay_key


def test_a_key_of_another_seed_is_another_holder() -> None:
    assert isinstance(verified(proof(key=PrivateKey(bytes(32)))), Reason)
