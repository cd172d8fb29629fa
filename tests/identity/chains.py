"""Delegation tokens for tests: an issuer, agents with keys, honest chains."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping
from itertools import count

from bailiwick.identity.chain_link import KIND, Link, claims_of, read_link
from bailiwick.identity.chain_token import JOIN, VerifiedChain, extend, mint, token_hash, verify
from bailiwick.identity.keys import PrivateKey, PublicKey
from bailiwick.model.call import Authority, Grant
from bailiwick.model.decision import Reason
from bailiwick.model.principal import Chain, EntityKind, EntityRef, SessionKey
from bailiwick.model.tool import DELEGATE_TOOL

NOW = 1_700_000_000_000
HOUR = 3_600_000
TENANT, ENV = "acme", "test"
WIDE = Grant(tools=frozenset({"crm.get", "mail.send", "web.search", DELEGATE_TOOL}), zones=frozenset({"crm", "web"}))


def key_of(name: str) -> PrivateKey:
    return PrivateKey(hashlib.sha256(name.encode()).digest())


ISSUER = key_of("issuer")
ISSUERS: Mapping[str, Collection[PublicKey]] = {"acme": (ISSUER.public,)}


def ids(prefix: str = "jti") -> Callable[[], str]:
    numbers = count()
    return lambda: f"{prefix}-{next(numbers)}"


def authority_for(*agents: str, steps: tuple[Grant, ...] = (WIDE,), root: str = "alice") -> Authority:
    first = EntityRef(kind=EntityKind.USER, id=root)
    return Authority(
        key=SessionKey(tenant=TENANT, env=ENV, root=first, agent="/".join(agents), conversation="c-1"),
        chain=Chain(links=(first, *(EntityRef(kind=EntityKind.AGENT, id=agent) for agent in agents))),
        task="answer-ticket",
        purpose="Answer one ticket",
        grant=steps[-1],
        steps=steps,
    )


def minted(agent: str = "a0", *, grant: Grant = WIDE, max_depth: int = 10, prefix: str = "jti") -> str:
    token = mint(
        authority_for(agent, steps=(grant,)),
        issuer="acme",
        key=ISSUER,
        holder=key_of(agent).public,
        now_ms=NOW,
        expires_ms=NOW + HOUR,
        new_id=ids(prefix),
        max_depth=max_depth,
    )
    assert isinstance(token, str), token
    return token


def longer(token: str, giver: str, to: str, *, asked: Grant | None = None, expires_ms: int = NOW + HOUR) -> str:
    """`token` handed on honestly."""
    more = extend(
        token,
        key=key_of(giver),
        to=to,
        holder=key_of(to).public,
        asked=asked or Grant(),
        now_ms=NOW,
        expires_ms=expires_ms,
        new_id=f"{to}-{token_hash(token)[:8]}",
    )
    assert isinstance(more, str), more
    return more


def chain_of(length: int) -> str:
    """An honest token of so many links: a0, a1 …"""
    token = minted()
    for number in range(1, length):
        token = longer(token, f"a{number - 1}", f"a{number}")
    return token


def links_of(token: str) -> list[Link]:
    found = [read_link(text) for text in token.split(JOIN)]
    return [link for link, _ in filter(None, found)]


def signed(link: Link, key: PrivateKey) -> str:
    return key.signed(KIND, claims_of(link))


def check(
    token: str,
    *,
    now_ms: int = NOW,
    revoked: Collection[str] = (),
    issuers: Mapping[str, Collection[PublicKey]] = ISSUERS,
    tenant: str = TENANT,
    env: str = ENV,
) -> VerifiedChain | Reason:
    return verify(token, tenant=tenant, env=env, issuers=issuers, revoked=revoked, now_ms=now_ms)
