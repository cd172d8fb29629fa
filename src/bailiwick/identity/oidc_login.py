"""Signing in to the console at an identity provider: authorization code flow (OpenID Connect Core §3.1) with PKCE
(RFC 7636, S256), `state`, `nonce` and the issuer's name in the answer (RFC 9207), as RFC 9700 asks for.

Pure: randomness and time come from the caller, and fetching the token is the server's. INVARIANT: what comes back
counts only in the browser that set out, once, for the provider that it set out to: each provider has a redirect address
of its own, and the ticket names it. DESIGN §5 *Identity*.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from urllib.parse import urlencode, urlsplit

from bailiwick.errors import CanonicalError
from bailiwick.identity.keys import b64url
from bailiwick.identity.oidc_settings import OidcIssuer
from bailiwick.model.canonical import canonical, parse
from bailiwick.model.decision import Plane, Reason

__all__ = ["Ticket", "authorization_url", "callback_url", "code_of", "for_login", "token_request"]

_LONGEST_CODE = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """What is remembered of a sign-in that is under way: at which provider, the secrets that it was begun with, and the
    page of this console that the person wanted."""

    provider: str
    nonce: str
    verifier: str
    return_to: str

    def packed(self) -> bytes:
        return canonical(asdict(self))

    @classmethod
    def unpacked(cls, data: bytes) -> Ticket | None:
        """None if it is none."""
        try:
            fields = parse(data)
        except CanonicalError:
            return None
        known = isinstance(fields, dict) and set(fields) == {"provider", "nonce", "verifier", "return_to"}
        if not isinstance(fields, dict) or not known or not all(isinstance(value, str) for value in fields.values()):
            return None
        return cls(**{name: str(value) for name, value in fields.items()})


def callback_url(console: str, provider: str) -> str:
    """Where the provider sends people back to: to be registered there, to the letter."""
    return f"{console}/oidc/{provider}/callback"


def authorization_url(issuer: OidcIssuer, ticket: Ticket, *, state: str, console: str) -> str:
    """Where the browser is sent. The provider must offer a login (`issuer.login`)."""
    assert issuer.login is not None
    asked = {
        "response_type": "code",
        "client_id": issuer.login.client,
        "redirect_uri": callback_url(console, issuer.name),
        "scope": " ".join(issuer.login.scopes),
        "state": state,
        "nonce": ticket.nonce,
        "code_challenge": b64url(hashlib.sha256(ticket.verifier.encode("ascii")).digest()),
        "code_challenge_method": "S256",
    }
    joint = "&" if urlsplit(issuer.login.authorize).query else "?"
    return f"{issuer.login.authorize}{joint}{urlencode(asked)}"


def code_of(given: Mapping[str, str], issuer: OidcIssuer) -> str | Reason:
    """The code that the provider gave, or why the sign-in is over. `given` are the parameters of the redirect."""
    if given.get("iss", issuer.issuer) != issuer.issuer:
        return _reason("login-issuer", "The answer is of another identity provider.", "Sign in again.")
    if "error" in given:
        return _reason("login-declined", "The identity provider did not sign this person in.", "Sign in again.")
    code = given.get("code", "")
    if not 0 < len(code) <= _LONGEST_CODE:
        return _reason("login-no-code", "The identity provider sent nothing to sign in with.", "Sign in again.")
    return code


def token_request(issuer: OidcIssuer, ticket: Ticket, *, code: str, console: str) -> dict[str, str]:
    """The form that the code is exchanged with (the client's secret goes beside it)."""
    assert issuer.login is not None
    return {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": callback_url(console, issuer.name),
        "client_id": issuer.login.client,
        "code_verifier": ticket.verifier,
    }


def for_login(issuer: OidcIssuer) -> OidcIssuer:
    """The provider as it must have made an ID token for the console: for our client alone, whatever audience and
    clients its other tokens are accepted for."""
    assert issuer.login is not None
    return replace(issuer, audience=issuer.login.client, clients=())


def _reason(code: str, message: str, hint: str) -> Reason:
    return Reason(plane=Plane.IDENTITY, code=code, message=message, hint=hint)
