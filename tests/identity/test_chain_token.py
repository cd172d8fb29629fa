"""Delegation tokens: honest chains verify, and each way to forge, widen or outlive one is refused by its own name."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bailiwick.identity.chain_link import KIND, Link, claims_of, read_link
from bailiwick.identity.chain_token import JOIN, VerifiedChain, admit, extend, ids_of, mint, token_hash, verify
from bailiwick.identity.keys import PrivateKey, PublicKey
from bailiwick.identity.signatures import KnownSignatures
from bailiwick.model.call import Grant, PlannedCall
from bailiwick.model.decision import Plane, Reason
from bailiwick.model.tool import DELEGATE_TOOL

from .chains import (
    ENV,
    HOUR,
    ISSUER,
    ISSUERS,
    NOW,
    TENANT,
    WIDE,
    authority_for,
    chain_of,
    check,
    ids,
    key_of,
    links_of,
    longer,
    minted,
    signed,
)
from .organisation import DIRECTORY, with_agent, without_edge

CLAIMS: list[dict[str, Any]] = tomllib.loads(
    (Path(__file__).parent / "data" / "delegation_claims.toml").read_text(encoding="utf-8")
)["case"]


def verified(answer: VerifiedChain | Reason) -> VerifiedChain:
    assert isinstance(answer, VerifiedChain), answer
    return answer


def code(answer: object) -> str:
    assert isinstance(answer, Reason), answer
    assert answer.plane is Plane.IDENTITY
    assert answer.message
    assert answer.hint
    return answer.code


def test_a_token_carries_the_whole_authority() -> None:
    steps = (WIDE, replace(WIDE, zones=frozenset({"web"}), expires_ms=NOW + HOUR // 2))
    authority = authority_for("bot", "helper", steps=steps)
    token = mint(
        authority,
        issuer="acme",
        key=ISSUER,
        holder=key_of("helper").public,
        now_ms=NOW,
        expires_ms=NOW + HOUR,
        new_id=ids(),
    )
    assert isinstance(token, str)
    chain = verified(check(token))
    ends = (NOW + HOUR, NOW + HOUR // 2)
    bounded = tuple(replace(step, expires_ms=end) for step, end in zip(steps, ends, strict=True))
    assert chain.authority == replace(authority, grant=bounded[-1], steps=bounded)
    assert chain.ids == ids_of(token) == ("jti-0", "jti-1")
    assert chain.holders == (ISSUER.public, key_of("helper").public)
    assert (chain.issuer, chain.expires_ms, chain.token_hash) == ("acme", NOW + HOUR // 2, token_hash(token))
    assert chain.max_depth == 1


def test_a_holder_hands_on_without_asking_anybody_and_only_narrower() -> None:
    token = longer(minted(), "a0", "a1", asked=Grant(tools=frozenset({"crm.get", DELEGATE_TOOL})))
    token = longer(token, "a1", "a2", asked=Grant(zones=frozenset({"crm"})), expires_ms=NOW + 5000)
    chain = verified(check(token))
    assert str(chain.authority.chain) == "alice → a0 → a1 → a2"
    assert chain.authority.key.agent == "a0/a1/a2"
    assert chain.authority.grant == Grant(
        tools=frozenset({"crm.get", DELEGATE_TOOL}), zones=frozenset({"crm"}), expires_ms=NOW + 5000
    )
    assert [step.tools for step in chain.authority.steps] == [WIDE.tools, *[frozenset({"crm.get", DELEGATE_TOOL})] * 2]
    assert (chain.holder, chain.expires_ms) == (key_of("a2").public, NOW + 5000)


PLAN = (
    PlannedCall(tool="crm.get", fixed=frozenset({("id", b'"42"')}), open=frozenset()),
    PlannedCall(tool="agent.delegate"),
)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"key": key_of("a1")}, "wrong-key"),
        ({"to": "a0"}, "delegation-cycle"),
        ({"asked": Grant(tools=frozenset({"hr.read"}))}, "token-widens"),
        ({"asked": Grant(zones=frozenset({"hr"}))}, "token-widens"),
        ({"asked": Grant(expires_ms=NOW + 9 * HOUR)}, "token-widens"),
        ({"asked": Grant(calls=(PlannedCall(tool="crm.get"),))}, "token-widens"),
        ({"expires_ms": NOW}, "token-expired"),
        ({"now_ms": NOW + HOUR}, "token-expired"),
        ({"token": minted(max_depth=0)}, "delegation-too-deep"),
        ({"token": minted(grant=replace(WIDE, tools=frozenset({"crm.get"})))}, "tool-not-granted"),
        ({"token": minted(grant=replace(WIDE, calls=PLAN[:1]))}, "tool-not-granted"),
        ({"token": "x"}, "bad-token"),
    ],
)
def test_handing_on_refuses_what_nobody_would_accept(change: dict[str, Any], said: str) -> None:
    request: dict[str, Any] = {
        "token": minted(grant=replace(WIDE, expires_ms=NOW + HOUR, calls=PLAN)),
        "key": key_of("a0"),
        "to": "a1",
        "holder": key_of("a1").public,
        "asked": Grant(),
        "now_ms": NOW,
        "expires_ms": NOW + HOUR,
        "new_id": "x",
    } | change
    assert code(extend(request.pop("token"), **request)) == said


def test_minting_refuses_what_is_over_or_too_deep() -> None:
    request: dict[str, Any] = {"issuer": "acme", "key": ISSUER, "holder": ISSUER.public, "now_ms": NOW, "new_id": ids()}
    assert code(mint(authority_for("bot"), **request, expires_ms=NOW)) == "token-expired"
    ended = authority_for("bot", steps=(replace(WIDE, expires_ms=NOW),))
    assert code(mint(ended, **request, expires_ms=NOW + HOUR)) == "token-expired"
    deep = authority_for("bot", "helper", steps=(WIDE, WIDE))
    assert code(mint(deep, **request, expires_ms=NOW + HOUR, max_depth=0)) == "delegation-too-deep"


def test_a_token_ends_at_its_very_millisecond_and_with_any_of_its_links() -> None:
    token = longer(minted(), "a0", "a1", expires_ms=NOW + 5000)
    verified(check(token, now_ms=NOW + 4999))
    assert code(check(token, now_ms=NOW + 5000)) == "token-expired"
    first, last = links_of(token)
    short = signed(replace(first, expires_s=NOW // 1000 + 2), ISSUER)
    # Its child claims to outlive it: that is refused too, before it could.
    longer_lived = signed(replace(last, parent=token_hash(short)), key_of("a0"))
    assert code(check(JOIN.join((short, longer_lived)))) == "token-widens"


def test_a_token_from_the_future_is_refused_beyond_what_clocks_differ() -> None:
    verified(check(minted(), now_ms=NOW - 60_000))
    assert code(check(minted(), now_ms=NOW - 61_000)) == "token-from-the-future"


@pytest.mark.parametrize("at", range(4))
def test_revoking_any_link_revokes_what_comes_after_it_and_nothing_before(at: int) -> None:
    token = chain_of(4)
    revoked = links_of(token)[at].id
    assert code(check(token, revoked={revoked})) == "token-revoked"
    before = JOIN.join(token.split(JOIN)[:at])
    if at:
        verified(check(before, revoked={revoked}))


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ({"tenant": "other"}, "token-elsewhere"),
        ({"env": "prod"}, "token-elsewhere"),
        ({"issuers": {}}, "token-not-trusted"),
        ({"issuers": {"acme": ()}}, "token-not-trusted"),
        ({"issuers": {"acme": (key_of("a0").public,)}}, "token-not-trusted"),
        ({"issuers": {"other": (ISSUER.public,)}}, "token-not-trusted"),
    ],
)
def test_a_token_holds_where_it_was_made_for(where: dict[str, Any], said: str) -> None:
    assert code(check(chain_of(2), **where)) == said


def test_an_issuer_may_have_two_keys_while_one_is_replaced() -> None:
    verified(check(chain_of(2), issuers={"acme": (key_of("next").public, ISSUER.public)}))


Forge = Callable[[Link], Link]
WIDER: dict[str, Forge] = {
    "a tool more": lambda link: replace(link, grant=replace(link.grant, tools=frozenset({"hr.read"}))),
    "every tool": lambda link: replace(link, grant=replace(link.grant, tools=None)),
    "a zone more": lambda link: replace(link, grant=replace(link.grant, zones=frozenset({"crm", "web", "hr"}))),
    "every zone": lambda link: replace(link, grant=replace(link.grant, zones=frozenset())),
    "more time": lambda link: replace(link, expires_s=link.expires_s + 1),
    "no end of the grant": lambda link: replace(link, grant=replace(link.grant, expires_ms=None)),
    "calls that were not planned": lambda link: replace(
        link, grant=replace(link.grant, calls=(PlannedCall(tool="crm.get"),))
    ),
    "no plan": lambda link: replace(link, grant=replace(link.grant, calls=None)),
    "more depth": lambda link: replace(link, max_depth=link.max_depth + 1),
    "another task": lambda link: replace(link, task="any other"),
    "another purpose": lambda link: replace(link, purpose="any other"),
    "another root": lambda link: replace(link, root=replace(link.root, id="bob")),
    "a place higher up": lambda link: replace(link, depth=0),
    "a place left out": lambda link: replace(link, depth=2),
}


@pytest.mark.parametrize("how", WIDER)
def test_a_holder_that_claims_more_than_it_was_given_makes_its_token_void(how: str) -> None:
    token = minted(grant=replace(WIDE, expires_ms=NOW + HOUR, calls=PLAN))
    _, last = links_of(longer(token, "a0", "a1"))
    honest = JOIN.join((token, signed(last, key_of("a0"))))
    verified(check(honest))
    forged = JOIN.join((token, signed(WIDER[how](last), key_of("a0"))))
    assert code(check(forged)) == "token-widens"


STRANGER = key_of("mallory")
FORGED: dict[str, Callable[[list[str], list[Link]], list[str]]] = {
    "the last link by a stranger": lambda t, n: [*t[:2], signed(n[2], STRANGER)],
    "the last link by the holder before its giver": lambda t, n: [*t[:2], signed(n[2], key_of("a0"))],
    "the last link by the issuer": lambda t, n: [*t[:2], signed(n[2], ISSUER)],
    "the first link by a stranger": lambda t, n: [signed(n[0], STRANGER)],
    "the first link for a stranger's key": lambda t, n: [signed(replace(n[0], holder=STRANGER.public), STRANGER)],
    "a link dropped": lambda t, n: [t[0], t[2]],
    "the first link dropped": lambda t, n: t[1:],
    "two links swapped": lambda t, n: [t[0], t[2], t[1]],
    "a link twice": lambda t, n: [t[0], t[1], t[1], t[2]],
    "the first link twice": lambda t, n: [t[0], *t],
    "the last link of another delegation": lambda t, n: [*minted(prefix="x").split(JOIN), *t[1:]],
    "another parent's hash": lambda t, n: [t[0], signed(replace(n[1], parent=token_hash(t[1])), key_of("a0"))],
    "no parent's hash": lambda t, n: [t[0], signed(replace(n[1], parent=None), key_of("a0"))],
    "a parent's hash in the first link": lambda t, n: [signed(replace(n[0], parent="x"), ISSUER)],
    "another issuer's name in a link": lambda t, n: [t[0], signed(replace(n[1], issuer="acme"), key_of("a0"))],
}


@pytest.mark.parametrize("how", FORGED)
def test_a_chain_that_was_put_together_otherwise_is_not_trusted(how: str) -> None:
    token = chain_of(3)
    forged = JOIN.join(FORGED[how](token.split(JOIN), links_of(token)))
    assert code(check(forged)) == "token-not-trusted"


def test_no_agent_occurs_twice_whoever_signed_it() -> None:
    token = longer(minted(), "a0", "a1")
    link = replace(links_of(token)[-1], agent="a0", depth=2, issuer=key_of("a1").public.thumbprint)
    link = replace(link, parent=token_hash(token.split(JOIN)[-1]))
    assert code(check(JOIN.join((token, signed(link, key_of("a1")))))) == "delegation-cycle"


def test_what_was_not_given_the_tool_of_handing_on_hands_on_nothing() -> None:
    token = minted(grant=replace(WIDE, tools=frozenset({"crm.get"})))
    honest = links_of(longer(minted(), "a0", "a1"))[-1]
    link = replace(honest, parent=token_hash(token), grant=replace(WIDE, tools=frozenset({"crm.get"})))
    assert code(check(JOIN.join((token, signed(link, key_of("a0")))))) == "token-widens"


@pytest.mark.parametrize("token", ["", JOIN, "~~", "a.b.c", "x" * 300_000, chain_of(1) + JOIN, JOIN.join(["x"] * 40)])
def test_what_is_no_token_is_bad(token: str) -> None:
    assert code(check(token)) == code(ids_of(token)) == "bad-token"


@pytest.mark.parametrize("case", CLAIMS, ids=[case["name"] for case in CLAIMS])
def test_claims_are_read_by_a_closed_schema(case: dict[str, Any]) -> None:
    claims = {**claims_of(links_of(chain_of(2))[1]), **case.get("set", {})}
    for name in case.get("drop", ()):
        del claims[name]
    good = case.get("good", False)
    assert (read_link(ISSUER.signed(KIND, claims)) is not None) is good


def test_a_memory_of_signatures_changes_no_answer() -> None:
    known, token = KnownSignatures(), chain_of(4)
    request: dict[str, Any] = {"tenant": TENANT, "env": ENV, "issuers": ISSUERS, "verifier": known}
    for _ in range(2):
        verified(verify(token, **request, revoked=(), now_ms=NOW))
        assert code(verify(token, **request, revoked={"jti-0"}, now_ms=NOW)) == "token-revoked"
        assert code(verify(token, **request, revoked=(), now_ms=NOW + HOUR)) == "token-expired"
        forged = JOIN.join((*token.split(JOIN)[:3], signed(links_of(token)[3], STRANGER)))
        assert code(verify(forged, **request, revoked=(), now_ms=NOW)) == "token-not-trusted"
    assert len(known) == 4


def directory_keys(**keys: PrivateKey) -> Any:
    directory = DIRECTORY
    for name, key in keys.items():
        directory = with_agent(directory, name.replace("_", "-"), keys=(str(key.public),))
    return directory


def handed_to(agent: str, key: PrivateKey) -> VerifiedChain:
    """support-bot works inside the issuer's process and hands on to an agent with a key of its own."""
    token = mint(
        authority_for("support-bot", agent, steps=(WIDE, WIDE)),
        issuer="acme",
        key=ISSUER,
        holder=key.public,
        now_ms=NOW,
        expires_ms=NOW + HOUR,
        new_id=ids(),
        max_depth=3,
    )
    assert isinstance(token, str)
    return verified(check(token))


def test_the_directory_has_the_last_word_on_keys_and_edges() -> None:
    key = key_of("researcher")
    chain = handed_to("researcher", key)
    directory = directory_keys(researcher=key)
    assert admit(directory, chain, issuers=ISSUERS) is None
    for changed, said in (
        (DIRECTORY, "unknown-key"),
        (directory_keys(writer=key), "unknown-key"),
        (without_edge(directory, "support-bot", "researcher"), "delegation-not-trusted"),
        (with_agent(directory, "researcher", active=False), "inactive-agent"),
        (replace(directory, users={}), "unknown-user"),
    ):
        assert code(admit(changed, chain, issuers=ISSUERS)) == said
    # What the issuer holds, only its own chains may hold.
    assert code(admit(directory, handed_to("researcher", key), issuers={"acme": ()})) == "unknown-key"


def test_public_keys_compare_by_what_they_are() -> None:
    assert PublicKey(ISSUER.public.raw) == ISSUER.public
