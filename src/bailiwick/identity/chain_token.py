"""A delegation that crosses processes: a chain of signed links, each narrower than the one before.

The links stand one after the other, joined by `~`, one for each agent. The first is signed by an issuer (the project's
own key), link n by the key that link n-1 names as its holder's, so a holder hands on without asking anybody. Whoever
verifies trusts no claim: what a link grants is intersected with all before it, and a link that claims more than its
parent makes the token void, because whoever signed it meant to widen.

Pure: the time, ids and keys come from the caller, a refusal is a `Reason`. INVARIANT: `verify` answers only a chain
whose every link is signed, in order, in time, not revoked, of one root, tenant, environment and task, and no wider than
its parent. A token is proof of nothing without the holder's key: see `bailiwick.identity.proof`.
DESIGN §5 *Identity*.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from bailiwick.identity.chain_link import KIND, Link, claims_of, read_link
from bailiwick.identity.keys import PrivateKey, PublicKey, SignedText, Verifier, b64url
from bailiwick.identity.links import check_chain
from bailiwick.model.budget import share_of
from bailiwick.model.call import Authority, Grant
from bailiwick.model.decision import Plane, Reason
from bailiwick.model.directory import Directory
from bailiwick.model.principal import Chain, EntityKind, EntityRef, SessionKey
from bailiwick.model.tool import DELEGATE_TOOL

__all__ = ["VerifiedChain", "admit", "extend", "ids_of", "mint", "token_hash", "verify"]

JOIN = "~"
MOST_LINKS = 33
LONGEST_TOKEN = 256 * 1024
SKEW_S = 60
"""So much may another machine's clock be ahead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedChain:
    """What a token proves. `authority` is the last agent's, each step bounded by its link's `exp`; `holders` are the
    keys of the agents in the order of the chain, the last of which signs the proofs; `ids` revoke it."""

    authority: Authority
    issuer: str
    ids: tuple[str, ...]
    holders: tuple[PublicKey, ...]
    token_hash: str
    expires_ms: int
    max_depth: int

    @property
    def holder(self) -> PublicKey:
        return self.holders[-1]


def token_hash(token: str) -> str:
    """What a proof and a child link name a token by."""
    return b64url(hashlib.sha256(token.encode("ascii")).digest())


def ids_of(token: str) -> tuple[str, ...] | Reason:
    """The ids to ask the store of revocations for, before `verify`. Nothing of the token is trusted yet."""
    links = _read(token)
    return links if isinstance(links, Reason) else tuple(link.id for link, _ in links)


def mint(
    authority: Authority,
    *,
    issuer: str,
    key: PrivateKey,
    holder: PublicKey,
    now_ms: int,
    expires_ms: int,
    new_id: Callable[[], str],
    max_depth: int | None = None,
) -> str | Reason:
    """A token for the last agent of `authority`, which proves itself with `holder`.

    One link for each agent of the chain. All are signed by `key`, the issuer's: agents before the last one act inside
    this process and have none of their own. `max_depth` (default: no further hop) is the depth that the chain may have
    in the end, counted as `Chain.depth` counts it. The directory's edges bound it too, when it is used.
    """
    chain = authority.chain
    agents = [link.id for link in chain.links[1:]]
    steps = authority.steps if len(authority.steps) == len(agents) else (authority.grant,) * len(agents)
    issued_s, depth = now_ms // 1000, chain.depth if max_depth is None else max_depth
    if depth < chain.depth:
        return _reason("delegation-too-deep", f"The chain has the depth {chain.depth} already.", "Raise max_depth.")
    began_in = authority.began_in or authority.key.conversation
    texts: list[str] = []
    for index, (agent, grant) in enumerate(zip(agents, steps, strict=True)):
        end_s = _end_s(grant, expires_ms)
        if end_s <= issued_s:
            return _over()
        link = Link(
            issuer=key.public.thumbprint if index else issuer,
            root=chain.root,
            tenant=authority.key.tenant,
            env=authority.key.env,
            agent=agent,
            task=authority.task,
            purpose=authority.purpose,
            grant=grant,
            conversation=authority.key.conversation if index == chain.depth else began_in,
            depth=index,
            max_depth=depth,
            issued_s=issued_s,
            expires_s=end_s,
            holder=holder if index == chain.depth else key.public,
            parent=token_hash(texts[-1]) if texts else None,
            id=new_id(),
        )
        texts.append(key.signed(KIND, claims_of(link)))
    return JOIN.join(texts)


def extend(
    token: str,
    *,
    key: PrivateKey,
    to: str,
    holder: PublicKey,
    asked: Grant,
    now_ms: int,
    expires_ms: int,
    new_id: str,
    conversation: str | None = None,
    max_depth: int | None = None,
) -> str | Reason:
    """`token` handed on to agent `to` by the holder of `key`, without asking anybody.

    What `asked` leaves open (None, no zones) is what one holds oneself; what it names must lie in that. `holder` is the
    other agent's key. Conversation and depth are the token's own unless they are given. Nothing else of the token is
    verified here: whoever uses it does.
    """
    links = _read(token)
    if isinstance(links, Reason):
        return links
    last = links[-1][0]
    if last.holder != key.public:
        return _reason("wrong-key", "This key does not hold the token.", "Use the key that the token was made for.")
    held = _granted([link for link, _ in links])[-1]
    if not _may_hand_on(held):
        return _reason("tool-not-granted", f"{last.agent} was not given {DELEGATE_TOOL}.", "Do the work here.")
    if last.depth >= last.max_depth:
        return _reason("delegation-too-deep", f"{last.agent} may hand on no further.", "Do the work here.")
    grant = Grant(
        tools=held.tools if asked.tools is None else asked.tools,
        zones=asked.zones or held.zones,
        expires_ms=held.expires_ms if asked.expires_ms is None else asked.expires_ms,
        calls=held.calls if asked.calls is None else asked.calls,
        budgets=share_of({**dict(held.budgets), **dict(asked.budgets)}),
    )
    if not grant.within(held):
        return _reason("token-widens", f"{last.agent} does not hold all that it would hand on.", "Ask for less.")
    end_s = min(_end_s(grant, expires_ms), last.expires_s)
    if end_s <= now_ms // 1000:
        return _over()
    link = replace(
        last,
        issuer=key.public.thumbprint,
        agent=to,
        grant=grant,
        conversation=last.conversation if conversation is None else conversation,
        depth=last.depth + 1,
        max_depth=last.max_depth if max_depth is None else min(max_depth, last.max_depth),
        issued_s=now_ms // 1000,
        expires_s=end_s,
        holder=holder,
        parent=token_hash(token.rpartition(JOIN)[2]),
        id=new_id,
    )
    if any(earlier.agent == to for earlier, _ in links):
        return _cycle(to)
    return JOIN.join((token, key.signed(KIND, claims_of(link))))


def verify(
    token: str,
    *,
    tenant: str,
    env: str,
    issuers: Mapping[str, Collection[PublicKey]],
    revoked: Collection[str],
    now_ms: int,
    verifier: Verifier = PublicKey.verifies,
) -> VerifiedChain | Reason:
    """What `token` proves now, or why nothing.

    `issuers` are the trusted ones with their keys (several while one is being replaced); `revoked` are the ids among
    `ids_of(token)` that were revoked. A `verifier` with a memory saves time and changes no answer.
    """
    read = _read(token)
    if isinstance(read, Reason):
        return read
    links = [link for link, _ in read]
    refused = _check_signatures(read, token.split(JOIN), issuers, verifier)
    if refused is None:
        refused = _check_standing(links, tenant=tenant, env=env, revoked=revoked, now_ms=now_ms)
    for parent, child in pairwise(links):
        refused = refused or _check_pair(parent, child)
    if refused is not None:
        return refused
    first, last = links[0], links[-1]
    agents = [link.agent for link in links]
    twice = next((agent for agent in agents if agents.count(agent) > 1), None)
    if twice is not None:
        return _cycle(twice)
    steps = _granted(links)
    authority = Authority(
        key=SessionKey(tenant=tenant, env=env, root=first.root, agent="/".join(agents), conversation=last.conversation),
        chain=Chain(links=(first.root, *(EntityRef(kind=EntityKind.AGENT, id=agent) for agent in agents))),
        task=first.task,
        purpose=first.purpose,
        grant=steps[-1],
        steps=steps,
        began_in="" if first.conversation == last.conversation else first.conversation,
    )
    return VerifiedChain(
        authority=authority,
        issuer=first.issuer,
        ids=tuple(link.id for link in links),
        holders=tuple(link.holder for link in links),
        token_hash=token_hash(token),
        expires_ms=last.expires_s * 1000,
        max_depth=last.max_depth,
    )


def admit(directory: Directory, chain: VerifiedChain, *, issuers: Mapping[str, Collection[PublicKey]]) -> Reason | None:
    """Why the directory does not let this chain act; None if it does: everybody in it is there and active, each agent
    may hand its work to the next one, and each holds a key of its own that the directory names (or the issuer's)."""
    refused = check_chain(directory, chain.authority.chain)
    if refused is not None:
        return refused
    own = issuers.get(chain.issuer, ())
    for link, held in zip(chain.authority.chain.links[1:], chain.holders, strict=True):
        if held not in own and str(held) not in directory.agents[link.id].keys:
            return _reason(
                "unknown-key",
                f"The directory names no such key of agent {link.id}.",
                f"Add the agent's public key to 'keys' of [agents.{link.id}] in directory.toml.",
            )
    return None


def _read(token: str) -> list[tuple[Link, SignedText]] | Reason:
    """The links of a token, nothing of which is trusted yet."""
    if len(token) > LONGEST_TOKEN or token.count(JOIN) >= MOST_LINKS:
        return _malformed()
    links = [read_link(text) for text in token.split(JOIN)]
    whole = [link for link in links if link is not None]
    return whole if len(whole) == len(links) else _malformed()


def _check_signatures(
    links: Sequence[tuple[Link, SignedText]],
    texts: Sequence[str],
    issuers: Mapping[str, Collection[PublicKey]],
    verifier: Verifier,
) -> Reason | None:
    """Every link is signed by the holder of the one before, names it as its parent, and the first is an issuer's."""
    first, signed = links[0]
    if first.parent is not None or not any(signed.by(key, verifier) for key in issuers.get(first.issuer, ())):
        return _reason(
            "token-not-trusted",
            "This delegation token was not issued by anybody that this project trusts.",
            "Get the token from this project's own delegate_token.",
        )
    for (before, text), (link, signed) in zip(
        zip((link for link, _ in links), texts, strict=True), links[1:], strict=False
    ):
        chained = link.parent == token_hash(text) and link.issuer == before.holder.thumbprint
        if not chained or not signed.by(before.holder, verifier):
            return _reason(
                "token-not-trusted",
                f"The link of {link.agent} in this delegation token was not made by {before.agent}.",
                "Let the work be handed on again.",
            )
    return None


def _check_standing(
    links: Sequence[Link], *, tenant: str, env: str, revoked: Collection[str], now_ms: int
) -> Reason | None:
    """The links hold here and now."""
    for link in links:
        if (link.tenant, link.env) != (tenant, env):
            return _reason("token-elsewhere", "This delegation token is for another tenant or environment.", "Get one.")
        if link.id in revoked:
            return _reason("token-revoked", f"What was given to {link.agent} was revoked.", "Stop, and say so.")
        if now_ms >= link.expires_s * 1000:
            return _over()
        if link.issued_s > now_ms // 1000 + SKEW_S:
            return _reason(
                "token-from-the-future",
                "This delegation token was made later than now.",
                "Set the clocks of both machines right.",
            )
    return None


def _check_pair(parent: Link, child: Link) -> Reason | None:
    """The child stands behind its parent in one and the same delegation, and claims nothing beyond it."""
    same = (child.root, child.task, child.purpose) == (parent.root, parent.task, parent.purpose)
    if not same or child.depth != parent.depth + 1 or parent.depth + 1 > parent.max_depth:
        return _widens(child)
    if child.max_depth > parent.max_depth or child.expires_s > parent.expires_s:
        return _widens(child)
    return None if _may_hand_on(parent.grant) and child.grant.within(parent.grant) else _widens(child)


def _may_hand_on(grant: Grant) -> bool:
    tools = grant.reachable
    return tools is None or DELEGATE_TOOL in tools


def _granted(links: Sequence[Link]) -> tuple[Grant, ...]:
    """What is left for each agent: its link's grant and end, narrowed by all before it."""
    steps: list[Grant] = []
    for link in links:
        grant = link.grant.narrowed(Grant(expires_ms=link.expires_s * 1000))
        steps.append(steps[-1].narrowed(grant) if steps else grant)
    return tuple(steps)


def _end_s(grant: Grant, expires_ms: int) -> int:
    return min(expires_ms, expires_ms if grant.expires_ms is None else grant.expires_ms) // 1000


def _malformed() -> Reason:
    return _reason("bad-token", "This is no delegation token that can be read.", "Pass it on as it was given.")


def _over() -> Reason:
    return _reason("token-expired", "The time of this delegation token is over.", "Let the work be handed on again.")


def _widens(link: Link) -> Reason:
    return _reason(
        "token-widens",
        f"The link of {link.agent} in this delegation token claims more than the one before it holds.",
        "Let the work be handed on again, with less.",
    )


def _cycle(agent: str) -> Reason:
    return _reason("delegation-cycle", f"{agent} is in the chain already.", "Hand the work on to another agent.")


def _reason(code: str, message: str, hint: str) -> Reason:
    return Reason(plane=Plane.IDENTITY, code=code, message=message, hint=hint)
