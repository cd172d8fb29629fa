"""Signing in to the console at an identity provider, a real one on a port, and how it must not succeed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from bailiwick import Guard
from bailiwick.errors import ProjectError
from bailiwick.model.event import EventKind
from bailiwick.project.load import load_settings
from tests.server.people import Visitor
from tests.server.provider import CLIENT, SECRET, Provider, providing
from tests.server.test_auth import MINUTE_MS, House, housed, who
from tests.worlds import Clock, make_world, with_ports

CONSOLE = "http://localhost:8420"
SETTINGS = """
[oidc.{name}]
issuer   = "{url}"
audience = "{audience}"
jwks     = "{url}/.well-known/jwks.json"
login    = {{ client = "{client}", secret_file = "secret", authorize = "{url}/authorize", token = "{url}/token" }}
"""


@dataclass
class Site:
    """A console with a provider, and one browser before it."""

    house: House
    provider: Provider
    visitor: Visitor

    def start(self, name: str = "corp", next_path: str = "/history") -> str:
        self.visitor.client.get("/login")
        went = self.visitor.client.get(f"/oidc/{name}/start", params={"next": next_path})
        assert went.status_code == 303
        return str(went.headers["location"])

    def back(self, given: dict[str, str], name: str = "corp") -> Any:
        # As a browser follows a redirect from another site.
        headers = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
        return self.visitor.client.get(f"/oidc/{name}/callback", params=given, headers=headers)

    def refused(self, answer: Any, code: str) -> None:
        assert answer.status_code == 403
        assert who(self.visitor)["user"] is None
        assert self.house.refusals() == ([code] if code else [])


def _settings(provider: Provider, *, name: str = "corp", audience: str = "bailiwick", client: str = CLIENT) -> str:
    return SETTINGS.format(name=name, url=provider.url, audience=audience, client=client)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with providing() as provider:
        folder = make_world(tmp_path)
        toml = folder / "bailiwick.toml"
        other = _settings(provider, name="other", audience="other-api")
        toml.write_text(toml.read_text() + _settings(provider) + other)
        (folder / "secret").write_text(SECRET + "\n")
        with Guard.open(folder) as guard:
            clock = Clock(guard.engine.ports.clock())
            with_ports(guard, clock=clock)
            provider.seconds = clock.us // 1_000_000
            house = housed(guard, clock)
            yield Site(house=house, provider=provider, visitor=house.visitor())


def test_a_person_of_the_directory_signs_in(site: Site) -> None:
    done = site.back(site.provider.consent(site.start()))
    assert (done.status_code, done.headers["location"]) == (303, "/history")
    assert who(site.visitor)["user"] == "alice"
    assert who(site.visitor)["method"] == "oidc"
    (event,) = site.house.events(EventKind.ACCOUNT_SIGNED_IN)
    assert event.body == {"user": "alice", "method": "oidc", "issuer": site.provider.url, "subject": "00u-1"}


def test_what_is_asked_of_the_provider(site: Site) -> None:
    asked = dict(parse_qsl(urlsplit(site.start()).query))
    assert asked["redirect_uri"] == f"{CONSOLE}/oidc/corp/callback"
    assert asked["client_id"] == CLIENT
    assert asked["scope"] == "openid email"
    assert min(len(asked[name]) for name in ("state", "nonce", "code_challenge")) >= 43


TOKENS: dict[str, tuple[dict[str, Any], str]] = {
    "another nonce": ({"nonce": "another"}, "token-nonce"),
    "no nonce": ({"nonce": None}, "token-nonce"),
    "for the project's own API and not for the console": ({"aud": "bailiwick"}, "token-audience"),
    "for two audiences, of another party": ({"aud": [CLIENT, "x"], "azp": "x"}, "token-party"),
    "of another issuer": ({"iss": "https://evil.example"}, "token-issuer"),
    "a mail address that nobody verified": ({"email_verified": False}, "token-user"),
    "a mail address of which it does not say": ({"email_verified": None}, "token-user"),
    "a stranger": ({"email": "mallory@evil.example"}, "token-user"),
    "expired": ({"exp": 1}, "token-expired"),
    "somebody who acts for alice": ({"act": {"sub": "agent-7"}}, "login-by-actor"),
}


@pytest.mark.parametrize("name", TOKENS)
def test_a_wrong_token_lets_nobody_in(site: Site, name: str) -> None:
    site.provider.claims, code = TOKENS[name]
    site.refused(site.back(site.provider.consent(site.start())), code)


RETURNS: dict[str, tuple[dict[str, str], str]] = {
    "another state": ({"state": "x" * 43}, "login-state"),
    "no state": ({"state": ""}, "login-state"),
    "issuer mix-up": ({"iss": "https://evil.example"}, "login-issuer"),
    "declined": ({"error": "access_denied"}, "login-declined"),
    "no code": ({"code": ""}, "login-no-code"),
    "a code of somebody else": ({"code": "guessed"}, "login-no-token"),
}


@pytest.mark.parametrize("name", RETURNS)
def test_a_wrong_way_back_lets_nobody_in(site: Site, name: str) -> None:
    change, code = RETURNS[name]
    site.refused(site.back(site.provider.consent(site.start(), **change)), code)


def test_an_answer_counts_once(site: Site) -> None:
    given = site.provider.consent(site.start())
    assert site.back(given).status_code == 303
    site.visitor.client.cookies.clear()
    site.visitor.client.get("/login")
    site.refused(site.back(given), "login-state")
    assert len(site.provider.asked) == 1  # the code was not even shown again


def test_an_answer_is_for_the_browser_that_set_out(site: Site) -> None:
    """Login CSRF: the attacker's own answer, opened in the victim's browser."""
    given = site.provider.consent(site.start())
    site.visitor = site.house.visitor()
    site.visitor.client.get("/login")
    site.refused(site.back(given), "login-state")
    assert not site.provider.asked


def test_an_answer_at_another_providers_address_does_not_count(site: Site) -> None:
    """RFC 9700 §4.4: both providers are even the same one here, and still it is another way back."""
    site.refused(site.back(site.provider.consent(site.start()), name="other"), "login-state")
    assert not site.provider.asked


def test_a_code_is_of_no_use_without_what_it_was_asked_with(site: Site) -> None:
    """PKCE: a code that was stolen from one sign-in is put into another."""
    stolen = site.provider.consent(site.start())["code"]
    site.refused(site.back(site.provider.consent(site.start(), code=stolen)), "login-no-token")


def test_a_sign_in_that_took_too_long_is_over(site: Site) -> None:
    given = site.provider.consent(site.start())
    site.house.clock.forward(ms=5 * MINUTE_MS)
    site.refused(site.back(given), "login-state")


def test_a_field_that_is_there_twice_is_none(site: Site) -> None:
    given = site.provider.consent(site.start())
    answer = site.visitor.client.get("/oidc/corp/callback", params=[*given.items(), ("code", "another")])
    site.refused(answer, "login-state")


@pytest.mark.parametrize("broken", [(500, b""), (200, b"no JSON"), (200, b"[]"), (200, b'{"id_token": 7}'), (302, b"")])
def test_a_broken_provider_lets_nobody_in(site: Site, broken: tuple[int, bytes]) -> None:
    site.provider.broken = broken
    site.refused(site.back(site.provider.consent(site.start())), "login-no-token")


def test_nobody_is_sent_elsewhere_after_a_sign_in(site: Site) -> None:
    done = site.back(site.provider.consent(site.start(next_path="https://evil.example")))
    assert done.headers["location"] == "/"


def test_a_provider_that_is_not_declared_is_no_way_in(site: Site) -> None:
    assert site.visitor.client.get("/oidc/nobody/start").headers["location"] == "/login"
    assert site.back({"code": "x", "state": "y"}, name="nobody").status_code == 403


def test_without_its_secret_nobody_signs_in(site: Site) -> None:
    (site.house.guard.project.folder / "secret").unlink()
    answer = site.back(site.provider.consent(site.start()))
    assert answer.status_code >= 500
    assert str(site.house.guard.project.folder) not in answer.text
    assert who(site.visitor)["user"] is None


@pytest.mark.parametrize(
    ("login", "rule"),
    [
        ('{ client = "c", authorize = "http://idp.example/a", token = "https://idp.example/t" }', "bad-url"),
        ('{ client = "c", authorize = "https://idp.example/a", token = "http://idp.example/t" }', "bad-url"),
        ('{ authorize = "https://idp.example/a", token = "https://idp.example/t" }', "missing-key"),
        (
            '{ client = "c", authorize = "https://i.example/a", token = "https://i.example/t", secret = "x" }',
            "unknown-key",
        ),
        (
            '{ client = "c", authorize = "https://i/a", token = "https://i/t", secret_file = "a", secret_env = "B" }',
            "two-secrets",
        ),
    ],
)
def test_a_login_is_declared_whole_or_not_at_all(tmp_path: Path, login: str, rule: str) -> None:
    head = '[oidc.corp]\nissuer = "https://idp.example"\naudience = "a"\njwks = "https://idp.example/keys"\n'
    (tmp_path / "bailiwick.toml").write_text(f"{head}login = {login}\n")
    with pytest.raises(ProjectError) as found:
        load_settings(tmp_path)
    assert rule in [finding.rule for finding in found.value.findings]
