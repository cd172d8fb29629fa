"""Users by OIDC: tokens of a real issuer over HTTP, and every one that must say nothing."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import OctKey, RSAKey

from bailiwick.errors import Where
from bailiwick.identity.directory import load_directory
from bailiwick.identity.jwks import Jwks
from bailiwick.identity.oidc import TokenHead, read_head, verify_user
from bailiwick.identity.oidc_settings import OidcIssuer, group_findings, read_oidc
from bailiwick.model.circumstances import Evidence, Method
from bailiwick.model.decision import Plane, Reason
from bailiwick.model.evidence import UserEvidence
from bailiwick.model.toml_entries import Problems
from bailiwick.model.toml_lines import TomlText
from bailiwick.stores.jwks import JwksSource

from .issuer import AUDIENCE, NOW_S, PATH, Issuer, hmac_token, serving

CASES: list[dict[str, Any]] = tomllib.loads(
    (Path(__file__).parent / "data" / "user_tokens.toml").read_text(encoding="utf-8")
)["case"]
SETTINGS: list[dict[str, Any]] = tomllib.loads(
    (Path(__file__).parent / "data" / "oidc_findings.toml").read_text(encoding="utf-8")
)["case"]
DIRECTORY = load_directory(
    "directory.toml",
    '[groups.support]\n[groups.leads]\n[users.alice]\nemail = "Alice@acme.example"\n[users."00u-1"]\n',
    levels=("public",),
)
NOW = NOW_S * 1000


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with serving(Issuer()) as running:
        yield running


def settings(issuer: Issuer, **change: Any) -> OidcIssuer:
    for name in ("clients", "algorithms"):
        if name in change:
            change[name] = tuple(change[name])
    return replace(
        OidcIssuer(name="corp", issuer=issuer.url, audience=AUDIENCE, jwks=issuer.url + PATH, where=Where(file="x")),
        **change,
    )


def keys(issuer: Issuer) -> Jwks:
    """As a deployment gets them: over HTTP."""
    return JwksSource(issuer.url + PATH, folder=Path(), clock_ms=lambda: 0).keys()


def verify(issuer: Issuer, token: str, *, now_ms: int = NOW, **change: Any) -> UserEvidence | Reason:
    return verify_user(token, issuer=settings(issuer, **change), keys=keys(issuer), directory=DIRECTORY, now_ms=now_ms)


def code(answer: object) -> str:
    assert isinstance(answer, Reason), answer
    assert answer.plane is Plane.IDENTITY
    assert answer.hint
    return answer.code


@pytest.mark.parametrize(
    ("alg", "kid"), [("RS256", "rsa-1"), ("PS256", "rsa-1"), ("ES256", "ec-1"), ("Ed25519", "ed-1"), ("EdDSA", "ed-1")]
)
def test_a_token_says_who_signed_in(issuer: Issuer, alg: str, kid: str) -> None:
    assert verify(issuer, issuer.token(alg, kid), algorithms=[alg]) == UserEvidence(
        user="alice",
        provider="corp",
        evidence=Evidence(method=Method.OIDC, at_ms=NOW, issuer=issuer.url, subject="00u-1"),
        expires_ms=NOW + 3_600_000,
    )


def test_claims_become_evidence_groups_and_actors(issuer: Issuer) -> None:
    token = issuer.token(
        auth_time=NOW_S - 60.5,
        amr=["pwd", "mfa"],
        groups=["eng-leads", "unmapped", 3, "ghosts"],
        act={"sub": "portal", "iss": "https://x.example", "act": {"sub": "batch"}},
    )
    told = verify(
        issuer,
        token,
        groups_claim="groups",
        groups={"eng-leads": "leads", "all": "support", "ghosts": "no-such-group"},
        strong_amr=frozenset({"mfa", "hwk"}),
    )
    assert isinstance(told, UserEvidence), told
    assert told.groups == ("leads",)
    assert told.evidence == Evidence(
        method=Method.OIDC,
        at_ms=NOW - 60_500,
        strong=True,
        issuer=issuer.url,
        subject="00u-1",
        actors=("portal", "batch"),
    )


@pytest.mark.parametrize(
    ("claims", "strong"),
    [
        ({"amr": ["pwd"]}, False),
        ({"amr": "mfa"}, False),
        ({"amr": [["mfa"]]}, False),
        ({"amr": ["hwk"]}, True),
        ({"acr": "urn:gold"}, True),
        ({"acr": ["urn:gold"]}, False),
        ({}, False),
    ],
)
def test_only_declared_methods_are_strong(issuer: Issuer, claims: dict[str, Any], strong: bool) -> None:
    told = verify(
        issuer,
        issuer.token(**claims),
        strong_amr=frozenset({"mfa", "hwk"}),
        strong_acr=frozenset({"urn:gold"}),
    )
    assert isinstance(told, UserEvidence)
    assert told.evidence.strong is strong
    undeclared = verify(issuer, issuer.token(**claims))
    assert isinstance(undeclared, UserEvidence)
    assert not undeclared.evidence.strong


@pytest.mark.parametrize(
    ("claims", "change"),
    [
        ({"aud": ["bailiwick", "other"], "azp": "bailiwick"}, {}),
        ({"azp": "desk-app"}, {"clients": ["desk-app"]}),
        ({"email_verified": None}, {"verified_email": False}),
        ({"exp": NOW_S - 29.0}, {}),
        ({"iat": NOW_S + 30, "nbf": NOW_S + 30}, {}),
        ({"auth_time": NOW_S - 3630}, {"max_age_ms": 3_600_000}),
    ],
)
def test_what_is_just_good_enough_is_good(issuer: Issuer, claims: dict[str, Any], change: dict[str, Any]) -> None:
    told = verify(issuer, issuer.token(**claims), **change)
    assert isinstance(told, UserEvidence), told
    assert told.user == "alice"


def test_a_user_may_be_known_by_the_subject(issuer: Issuer) -> None:
    told = verify(issuer, issuer.token(email=None), user_claim="sub", match_email=False)
    assert isinstance(told, UserEvidence)
    assert told.user == "00u-1"
    # An address never stands for an id, nor an id for an address.
    assert code(verify(issuer, issuer.token(email="00u-1"))) == "token-user"
    assert (
        code(verify(issuer, issuer.token(sub="alice@acme.example"), user_claim="sub", match_email=False))
        == "token-user"
    )


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_a_token_says_nothing(issuer: Issuer, case: dict[str, Any]) -> None:
    change = {**case.get("claims", {}), **dict.fromkeys(case.get("drop", ()))}
    change |= {name: NOW_S + seconds for name, seconds in case.get("times", {}).items()}
    if isinstance(change.get("iss"), str):
        change["iss"] = change["iss"].replace("{url}", issuer.url)
    alg, kid, header = case.get("alg", "RS256"), case.get("kid", "rsa-1"), case.get("header", {})
    if case.get("raw"):
        whole = {"alg": "Ed25519", "kid": "ed-1", "typ": "JWT", **header}
        token = issuer.raw(json.dumps(whole), json.dumps(issuer.claims(**change)))
    else:
        token = (
            issuer.token(alg, kid, header=header, **change)
            if "kid" not in header
            else _signed_as(issuer, alg, kid, header)
        )
    assert code(verify(issuer, token, **case.get("issuer", {}))) == case["code"]


def _signed_as(issuer: Issuer, alg: str, kid: str, header: dict[str, Any]) -> str:
    """Signed with the key `kid`, naming another one."""
    held, named = issuer.keys, header["kid"]
    issuer.keys = {**held, named: held[kid]}
    try:
        return issuer.token(alg, named)
    finally:
        issuer.keys = held


def test_the_public_key_is_no_secret_to_sign_with(issuer: Issuer) -> None:
    key = issuer.keys["rsa-1"]
    assert isinstance(key, RSAKey)
    for secret in (key.as_pem(private=False), json.dumps(key.as_dict(private=False)).encode()):
        assert code(verify(issuer, hmac_token(issuer, secret, "rsa-1"))) == "token-algorithm"


@pytest.mark.parametrize(
    "payload",
    [
        '{"iss":"%s","sub":"mallory","sub":"alice"}',
        '{"exp":NaN}',
        '{"exp":Infinity}',
        '{"a":"\\ud800"}',
        "[]",
        '"text"',
        "",
        "[" * 20_000,
        '{"a":' * 20_000,
    ],
)
def test_what_is_no_strict_json_is_no_token(issuer: Issuer, payload: str) -> None:
    token = issuer.raw('{"alg":"Ed25519","kid":"ed-1"}', payload)
    assert code(verify(issuer, token)) == code(read_head(token, [settings(issuer)])) == "bad-token"


@pytest.mark.parametrize(
    ("token", "said"),
    [
        ("", "bad-token"),
        ("a.b", "bad-token"),
        ("a.b.c", "bad-token"),
        ("a.b.c.d.e", "token-encrypted"),
        ("x" * 40_000, "bad-token"),
        ("ä.b.c", "bad-token"),
    ],
)
def test_what_is_no_token_is_none(issuer: Issuer, token: str, said: str) -> None:
    assert code(verify(issuer, token)) == said


@given(place=st.integers(0, 5000), bit=st.integers(0, 6))
def test_a_flipped_bit_says_nothing(place: int, bit: int) -> None:
    at = place % len(SIGNED)
    flipped = SIGNED[:at] + chr(ord(SIGNED[at]) ^ (1 << bit)) + SIGNED[at + 1 :]
    answer = verify_user(
        flipped,
        issuer=replace(settings(STILL), issuer=STILL.url),
        keys=STILL_KEYS,
        directory=DIRECTORY,
        now_ms=NOW,
    )
    assert isinstance(answer, Reason)


STILL = Issuer()
STILL.url = "https://login.acme.example"
STILL_KEYS = Jwks.parse(json.dumps(STILL.jwks).encode()) or Jwks(keys=())
SIGNED = STILL.token()


def test_a_token_whose_key_was_replaced_is_good_until_the_old_keys_are_gone(issuer: Issuer) -> None:
    own = Issuer()
    with serving(own):
        now = [0]
        source = JwksSource(own.url + PATH, folder=Path(), clock_ms=lambda: now[0])
        config = settings(own)

        def check(token: str) -> UserEvidence | Reason:
            head = read_head(token, [settings(issuer), config])
            assert isinstance(head, TokenHead)
            assert head.issuer == config
            found = source.keys(head.kid)
            return verify_user(token, issuer=head.issuer, keys=found, directory=DIRECTORY, now_ms=NOW)

        old = own.token()
        assert isinstance(check(old), UserEvidence)
        own.rotate()
        now[0] += 10_000
        assert isinstance(check(own.token(kid="rsa-2")), UserEvidence)
        assert code(check(old)) == "token-key"


def test_a_token_without_a_key_id_is_checked_where_only_one_key_fits(issuer: Issuer) -> None:
    token = issuer.raw('{"alg":"Ed25519"}', json.dumps(issuer.claims()))
    assert isinstance(verify(issuer, token), UserEvidence)
    twice = Jwks(keys=keys(issuer).keys * 2)
    answer = verify_user(token, issuer=settings(issuer), keys=twice, directory=DIRECTORY, now_ms=NOW)
    assert code(answer) == "token-key"


def test_keys_that_are_not_for_checking_signatures_are_left_out() -> None:
    rsa = RSAKey.generate_key(2048)
    good = rsa.as_dict(private=False)
    bad = [
        rsa.as_dict(private=True),
        {**good, "use": "enc"},
        {**good, "key_ops": ["encrypt"]},
        {**good, "n": good["n"][:170]},
        {**good, "n": 3},
        {**good, "kid": 3},
        OctKey.generate_key(256).as_dict(private=True),
        {"kty": "EC", "crv": "P-256", "x": "AAAA", "y": "AAAA"},
        {"kty": "OKP", "crv": "Ed25519", "x": "AAAA"},
        {"kty": "??"},
        "text",
    ]
    found = Jwks.parse(json.dumps({"keys": [*bad, good]}).encode())
    assert found is not None
    assert len(found.keys) == 1
    assert found.find(None, "RS256") == found.keys
    assert found.find("other", "RS256") == found.find(None, "ES256") == ()
    only = Jwks.parse(json.dumps({"keys": [{**good, "alg": "RS512"}]}).encode())
    assert only is not None
    assert (only.find(None, "RS256"), len(only.find(None, "RS512"))) == ((), 1)
    assert [Jwks.parse(text) for text in (b"", b"[]", b"{}", b'{"keys":3}')] == [None] * 4


def test_whose_token_it_is_is_found_by_issuer_and_audience(issuer: Issuer) -> None:
    one, other = settings(issuer), settings(issuer, name="admin", audience="admin-desk")
    for audience, wanted in ((AUDIENCE, "corp"), ("admin-desk", "admin"), ("elsewhere", "corp")):
        head = read_head(issuer.token(aud=audience), [one, other])
        assert isinstance(head, TokenHead)
        assert (head.issuer.name, head.kid, head.alg) == (wanted, "rsa-1", "RS256")
    assert code(read_head(issuer.token(), [])) == "token-issuer"


# ── settings ────────────────────────────────────────────────────────────────────────────────────────────────────────

GOOD = """
[oidc.corp]
issuer = "https://login.example.com"
audience = "bailiwick"
jwks = "keys.json"
algorithms = ["RS256"]
clients = ["desk-app"]
max_age = "12h"
leeway = "10s"
user = { claim = "upn", match = "email" }
groups = { claim = "groups", map = { "eng-leads" = "leads" } }
strong = { amr = ["mfa"], acr = ["urn:gold"] }
[oidc.local]
issuer = "http://127.0.0.1:8080"
audience = "bailiwick"
jwks = "http://localhost:8080/keys"
"""


def parsed(text: str) -> tuple[tuple[OidcIssuer, ...], Problems]:
    problems = Problems(text=TomlText.parse("bailiwick.toml", text))
    return read_oidc(problems), problems


def test_settings_are_read_with_careful_defaults() -> None:
    (corp, local), problems = parsed(GOOD)
    assert problems.found == []
    assert (corp.max_age_ms, corp.leeway_ms, corp.algorithms, corp.clients) == (
        43_200_000,
        10_000,
        ("RS256",),
        ("desk-app",),
    )
    assert (corp.user_claim, corp.match_email, dict(corp.groups)) == ("upn", True, {"eng-leads": "leads"})
    assert (set(corp.strong_amr), set(corp.strong_acr)) == ({"mfa"}, {"urn:gold"})
    assert (local.user_claim, local.match_email, local.verified_email) == ("email", True, True)
    assert (local.algorithms, local.max_age_ms, local.strong_amr) == (("RS256", "ES256", "Ed25519"), None, frozenset())
    assert group_findings([corp], DIRECTORY) == []


@pytest.mark.parametrize("case", SETTINGS, ids=[case["name"] for case in SETTINGS])
def test_everything_wrong_in_settings_is_named(case: dict[str, Any]) -> None:
    found, problems = parsed(case["text"])
    findings = [*problems.found, *group_findings(found, DIRECTORY)]
    assert sorted(f"{each.rule}:{each.where.line}" for each in findings) == sorted(case["findings"])
    assert all(each.hint for each in findings)
