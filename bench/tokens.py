"""What a delegation token of eleven links costs its verifier: for the first time, and again in the same process."""

from __future__ import annotations

from hashlib import sha256

from bailiwick.identity.chain_token import VerifiedChain, extend, mint, verify
from bailiwick.identity.keys import PrivateKey, PublicKey, Verifier
from bailiwick.identity.proof import Proof, prove, verify_proof
from bailiwick.identity.signatures import KnownSignatures
from bailiwick.model.call import Authority, Grant
from bailiwick.model.principal import Chain, EntityKind, EntityRef, SessionKey
from bailiwick.model.tool import DELEGATE_TOOL
from bench.measure import Case, timed

__all__ = ["AGAIN", "COLD", "LINKS", "cases"]

LINKS = 11
COLD = f"verify {LINKS} links, none seen before"
AGAIN = f"verify {LINKS} links, their signatures seen before"
NOW = 1_700_000_000_000
END = NOW + 3_600_000
DIGEST = "sha256:" + "ab" * 32


def cases() -> dict[str, Case]:
    """Each checks that it got what it measures."""
    keys = [PrivateKey(sha256(b"bench %d" % number).digest()) for number in range(LINKS + 1)]
    token = _token(keys)
    known = KnownSignatures()
    chain = _verified(token, keys[0], known)
    proof = prove(token, key=keys[-1], digest=DIGEST, nonce="n" * 22, now_ms=NOW)
    message = token.encode("ascii")[:900]
    signature = keys[0].sign(message)

    def one_more() -> int:
        # What a process that knows the chain pays for one link more.
        memory = KnownSignatures()
        _verified(token.rpartition("~")[0], keys[0], memory)
        return timed(lambda: _verified(token, keys[0], memory))()

    return {
        "one Ed25519 signature, the floor": timed(lambda: keys[0].public.verifies(message, signature)),
        COLD: timed(lambda: _verified(token, keys[0], PublicKey.verifies)),
        AGAIN: timed(lambda: _verified(token, keys[0], known)),
        f"verify {LINKS} links, the last one not seen before": one_more,
        "verify the proof of one call": timed(lambda: _proved(proof, chain)),
        "mint one link": timed(lambda: _minted(keys)),
    }


def _minted(keys: list[PrivateKey]) -> str:
    grant = Grant(tools=frozenset({"crm.get_customer", "mail.send", DELEGATE_TOOL}), zones=frozenset({"crm"}))
    root, agent = EntityRef(kind=EntityKind.USER, id="alice"), EntityRef(kind=EntityKind.AGENT, id="agent-0")
    authority = Authority(
        key=SessionKey(tenant="acme", env="prod", root=root, agent=agent.id, conversation="c-4711"),
        chain=Chain(links=(root, agent)),
        task="answer-ticket",
        purpose="Answer one support ticket",
        grant=grant,
        steps=(grant,),
    )
    token = mint(
        authority,
        issuer="acme",
        key=keys[0],
        holder=keys[1].public,
        now_ms=NOW,
        expires_ms=END,
        new_id=lambda: "0190c0de-0000-7000-8000-000000000000",
        max_depth=LINKS,
    )
    assert isinstance(token, str), token
    return token


def _token(keys: list[PrivateKey]) -> str:
    token = _minted(keys)
    for number in range(1, LINKS):
        longer = extend(
            token,
            key=keys[number],
            to=f"agent-{number}",
            holder=keys[number + 1].public,
            asked=Grant(),
            now_ms=NOW,
            expires_ms=END,
            new_id=f"0190c0de-0000-7000-8000-{number:012}",
        )
        assert isinstance(longer, str), longer
        token = longer
    return token


def _verified(token: str, issuer: PrivateKey, verifier: Verifier) -> VerifiedChain:
    chain = verify(
        token,
        tenant="acme",
        env="prod",
        issuers={"acme": (issuer.public,)},
        revoked=(),
        now_ms=NOW,
        verifier=verifier,
    )
    assert isinstance(chain, VerifiedChain), chain
    return chain


def _proved(proof: str, chain: VerifiedChain) -> None:
    assert isinstance(verify_proof(proof, chain=chain, digest=DIGEST, now_ms=NOW), Proof)
