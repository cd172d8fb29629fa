"""Promise 3 (DESIGN §3) for delegation tokens: nothing that anybody puts together widens an honest chain.

The attacker sees every token, holds the key of one agent (the last of the first chain) and keys of its own, and cuts,
splices, repeats, reorders, forges and flips. Whatever verifies must begin with honest links, go on with links of its
own only behind the key that it holds, and grant no more than the honest chain does there. 700 chains; 17,000 under
BAILIWICK_SOAK=1.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from itertools import product
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from bailiwick.identity.chain_link import Link, read_link
from bailiwick.identity.chain_token import JOIN, VerifiedChain, extend, mint, token_hash
from bailiwick.identity.keys import PrivateKey, PublicKey
from bailiwick.model.call import Grant, PlannedCall
from bailiwick.model.decision import Reason
from bailiwick.model.tool import DELEGATE_TOOL

from .chains import ISSUER, ISSUERS, NOW, authority_for, check, ids, key_of, signed

LONG = bool(os.environ.get("BAILIWICK_SOAK"))
TOOLS = ("crm.get", "mail.send", "web.search", DELEGATE_TOOL)
ZONES = ("crm", "web", "hr")
ARGS: tuple[dict[str, bytes], ...] = ({}, {"id": b"1"}, {"id": b"2"}, {"id": b"1", "to": b"3"})
TIMES = (NOW, NOW + 2000, NOW + 50_000)
MALLORY, OTHER_ISSUER = key_of("mallory"), key_of("another issuer")

tool_sets = st.none() | st.sets(st.sampled_from(TOOLS[:3])).map(lambda some: frozenset({*some, DELEGATE_TOOL}))
zone_sets = st.sets(st.sampled_from(ZONES)).map(frozenset)
planned = st.builds(
    PlannedCall,
    tool=st.sampled_from(TOOLS),
    fixed=st.dictionaries(st.sampled_from(["id", "to"]), st.sampled_from([b"1", b"2"])).map(
        lambda fixed: frozenset(fixed.items())
    ),
    open=st.none() | st.sets(st.sampled_from(["id", "to"])).map(frozenset),
)
plans = st.none() | st.lists(planned, max_size=3).map(lambda calls: (*calls, PlannedCall(tool=DELEGATE_TOOL)))
grants = st.builds(
    Grant, tools=tool_sets, zones=zone_sets, expires_ms=st.none() | st.integers(NOW + 3000, NOW + 90_000), calls=plans
)
honest_chains = st.lists(st.tuples(grants, st.integers(3, 80)), min_size=1, max_size=5)


def reach(grant: Grant, now_ms: int) -> set[tuple[str, str, int]]:
    """Every call of a small world that a grant permits, worked out without any code of Grant's narrowing."""
    found = set()
    for tool, zone, (number, args) in product(TOOLS, (*ZONES, ""), enumerate(ARGS)):
        planned = grant.calls is None or any(
            call.tool == tool
            and all(args.get(name) == value for name, value in call.fixed)
            and (call.open is None or set(args) <= call.open | {name for name, _ in call.fixed})
            for call in grant.calls
        )
        in_time = grant.expires_ms is None or now_ms < grant.expires_ms
        in_place = not grant.zones or zone in grant.zones
        if planned and in_time and in_place and (grant.tools is None or tool in grant.tools):
            found.add((tool, zone, number))
    return found


def build(prefix: str, hops: Sequence[tuple[Grant, int]]) -> str:
    """An honest token: the first grant is the issuer's, each further one is what is left of it."""
    first, ttl = hops[0]
    token = mint(
        authority_for(f"{prefix}0", steps=(first,)),
        issuer="acme",
        key=ISSUER,
        holder=key_of(f"{prefix}0").public,
        now_ms=NOW,
        expires_ms=NOW + ttl * 1000,
        new_id=ids(prefix),
        max_depth=6,
    )
    assert isinstance(token, str), token
    for number, (grant, ttl) in enumerate(hops[1:], start=1):
        held = check(token)
        assert isinstance(held, VerifiedChain), held
        longer = extend(
            token,
            key=key_of(f"{prefix}{number - 1}"),
            to=f"{prefix}{number}",
            holder=key_of(f"{prefix}{number}").public,
            asked=held.authority.grant.narrowed(grant),
            now_ms=NOW,
            expires_ms=NOW + ttl * 1000,
            new_id=f"{prefix}-{number}",
        )
        if isinstance(longer, Reason):
            # Narrowed to nothing, a grant has no tool to hand on with.
            assert longer.code in ("tool-not-granted", "token-expired"), longer
            break
        token = longer
    return token


@pytest.mark.soak
@given(hops=honest_chains)
@settings(max_examples=2000 if LONG else 100, deadline=None)
def test_an_honest_chain_verifies_and_each_link_grants_no_more_than_the_one_before(
    hops: list[tuple[Grant, int]],
) -> None:
    texts = build("a", hops).split(JOIN)
    event(f"{len(texts)} links")
    before: VerifiedChain | None = None
    for length in range(1, len(texts) + 1):
        chain = check(JOIN.join(texts[:length]))
        assert isinstance(chain, VerifiedChain)
        asked = hops[length - 1][0]
        for now_ms in TIMES:
            mine = reach(chain.authority.grant, now_ms)
            assert mine <= reach(asked, now_ms)
            if before is not None:
                assert mine <= reach(before.authority.grant, now_ms)
        before = chain


KEYS: Sequence[PrivateKey] = (MALLORY, OTHER_ISSUER)
Change = Callable[[Link], Link]
CHANGES: Sequence[Change] = (
    lambda link: link,
    lambda link: replace(link, grant=Grant()),
    lambda link: replace(link, grant=replace(link.grant, tools=None)),
    lambda link: replace(link, grant=replace(link.grant, zones=frozenset())),
    lambda link: replace(link, grant=replace(link.grant, calls=None)),
    lambda link: replace(link, expires_s=link.expires_s + 1000),
    lambda link: replace(link, max_depth=100),
    lambda link: replace(link, depth=link.depth + 1),
    lambda link: replace(link, depth=0),
    lambda link: replace(link, root=replace(link.root, id="boss")),
    lambda link: replace(link, task="anything"),
    lambda link: replace(link, tenant="other"),
    lambda link: replace(link, agent="mallory"),
    lambda link: replace(link, agent="mallory", depth=link.depth + 1),
    lambda link: replace(link, holder=MALLORY.public),
    lambda link: replace(link, issuer="acme"),
    lambda link: replace(link, parent=None),
)
positions = st.integers(0, 9)
attacks = st.lists(
    st.one_of(
        st.tuples(st.just("drop"), positions),
        st.tuples(st.just("repeat"), positions),
        st.tuples(st.just("swap"), positions, positions),
        st.tuples(st.just("splice"), positions, positions),
        st.tuples(st.just("flip"), positions, st.integers(0, 5000), st.integers(0, 6)),
        st.tuples(st.just("part"), positions, positions, st.integers(0, 2)),
        # Forge one link: which one, how, by which key, chained properly to what stands before it or not, at its end or
        # in its place.
        st.tuples(
            st.just("forge"),
            positions,
            st.lists(st.sampled_from(range(len(CHANGES))), max_size=3),
            st.integers(0, 3),
            st.booleans(),
            st.booleans(),
        ),
        # The same by the key that the attacker holds, in its place and for a new agent: all else is up to it.
        st.tuples(
            st.just("forge"),
            st.just(3),
            st.lists(st.sampled_from(range(len(CHANGES))), max_size=2).map(lambda changes: [13, *changes]),
            st.just(2),
            st.just(True),  # noqa: FBT003
            st.just(True),  # noqa: FBT003
        ),
    ),
    max_size=4,
)


@cache
def fixed_chain(prefix: str) -> str:
    wide = Grant(tools=frozenset(TOOLS[:3]) | {DELEGATE_TOOL}, zones=frozenset(ZONES[:2]))
    middle = Grant(tools=frozenset({"crm.get", "web.search", DELEGATE_TOOL}), zones=frozenset({"crm", "web"}))
    narrow = Grant(tools=frozenset({"crm.get", DELEGATE_TOOL}), zones=frozenset({"crm"}), expires_ms=NOW + 60_000)
    return build(prefix, [(wide, 80), (middle, 70), (narrow, 60), (narrow, 50)])


class Attacker:
    """Cuts and forges. `mine` is the one honest key that it holds."""

    def __init__(self, honest: Sequence[Sequence[str]], mine: PrivateKey) -> None:
        self.texts = list(honest[0])
        self.other = list(honest[1])
        self.keys = (*KEYS, mine, mine)

    def does(self, what: tuple[Any, ...]) -> None:
        if not self.texts:
            return
        kind, at = what[0], what[1] % len(self.texts)
        match kind:
            case "drop":
                del self.texts[at]
            case "repeat":
                self.texts.insert(at, self.texts[at])
            case "swap":
                other = what[2] % len(self.texts)
                self.texts[at], self.texts[other] = self.texts[other], self.texts[at]
            case "splice":
                self.texts[at:] = self.other[what[2] % len(self.other) :]
            case "flip":
                text = self.texts[at]
                place = what[2] % len(text)
                self.texts[at] = text[:place] + chr(ord(text[place]) ^ (1 << what[3])) + text[place + 1 :]
            case "part":
                other = self.other[what[2] % len(self.other)].split(".")
                own = self.texts[at].split(".")
                if len(own) == len(other) == 3:
                    own[what[3]] = other[what[3]]
                    self.texts[at] = ".".join(own)
            case _:
                self.forge(at, changes=what[2], key=self.keys[what[3]], chained=what[4], behind=what[5])

    def forge(self, at: int, *, changes: Sequence[int], key: PrivateKey, chained: bool, behind: bool) -> None:
        found = read_link(self.texts[at])
        if found is None:
            return
        link = found[0]
        before = self.texts[at] if behind else self.texts[at - 1]
        if chained and (behind or at):
            link = replace(link, parent=token_hash(before), issuer=key.public.thumbprint)
        for change in changes:
            link = CHANGES[change](link)
        place = at + 1 if behind else at
        self.texts[place : place + (0 if behind else 1)] = [signed(link, key)]


@pytest.mark.soak
@given(what=attacks, use=st.sampled_from(TIMES), revoked=st.none() | positions)
@settings(
    max_examples=15_000 if LONG else 600,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
def test_promise_3_nobody_widens_a_delegation_that_crosses_processes(
    what: list[tuple[Any, ...]], use: int, revoked: int | None
) -> None:
    honest = [fixed_chain("a").split(JOIN), fixed_chain("b").split(JOIN)]
    mine = key_of("a3")
    attacker = Attacker(honest, mine)
    for step in what:
        attacker.does(step)
    token = JOIN.join(attacker.texts)
    links = [found[0] for text in honest[0] if (found := read_link(text)) is not None]
    gone = frozenset() if revoked is None else frozenset({links[revoked % len(links)].id})
    chain = check(token, now_ms=use, revoked=gone)
    if isinstance(chain, Reason):
        event(f"refused: {chain.code}")
        return
    own = len(attacker.texts)
    while own and not any(attacker.texts[:own] == texts[:own] for texts in honest):
        own -= 1
    event(f"verified: {own} honest links, {len(attacker.texts) - own} of the attacker's")
    assert own, "no chain without an honest beginning"
    held = check(JOIN.join(attacker.texts[:own]), now_ms=use)
    assert isinstance(held, VerifiedChain)
    assert own == len(attacker.texts) or held.holder == mine.public, "links of the attacker's, without the key"
    assert not gone & set(chain.ids)
    assert len(set(chain.authority.key.agent.split("/"))) == len(chain.authority.chain.links) - 1 <= chain.max_depth + 1
    same = ("root", "tenant", "env")
    assert all(getattr(chain.authority.key, name) == getattr(held.authority.key, name) for name in same)
    assert (chain.authority.task, chain.authority.purpose) == (held.authority.task, held.authority.purpose)
    for now_ms in TIMES:
        assert reach(chain.authority.grant, now_ms) <= reach(held.authority.grant, now_ms)


def test_the_attacks_reach_both_ends() -> None:
    """The law above says nothing if the attacker can only break tokens: with the key that it holds it can hand on."""
    attacker = Attacker([fixed_chain("a").split(JOIN), fixed_chain("b").split(JOIN)], key_of("a3"))
    attacker.does(("forge", 3, [13], 2, True, True))
    chain = check(JOIN.join(attacker.texts))
    assert isinstance(chain, VerifiedChain), chain
    assert chain.authority.key.agent == "a0/a1/a2/a3/mallory"


@pytest.mark.parametrize("key", [PublicKey(ISSUER.public.raw[:31] + b"\x00"), MALLORY.public])
def test_another_issuers_key_verifies_nothing(key: PublicKey) -> None:
    assert isinstance(check(fixed_chain("a"), issuers={**ISSUERS, "acme": (key,)}), Reason)
