"""Signing in to the console at an identity provider: `/oidc/<name>/start` and `/oidc/<name>/callback`.

What is sent and what counts is in `identity.oidc_login` and `guard.people.signing_in`; this keeps the ticket and
fetches the token. INVARIANT: the code is exchanged at the address that bailiwick.toml names, over TLS (or on this
machine), without following a redirect, and only for a ticket of this browser, which is used up before. DESIGN §5
*Identity*.
"""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import Sequence
from urllib.parse import quote, quote_plus, urlencode

import orjson
import urllib3
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from bailiwick.errors import StoreError
from bailiwick.guard.core import Core
from bailiwick.guard.effects import Flow, Now
from bailiwick.guard.people.accounts import AskAccounts
from bailiwick.guard.people.challenges import CHALLENGE_MS, TurnedAway
from bailiwick.guard.people.signing_in import oidc_login
from bailiwick.identity.accounts import Challenge, Purpose, hidden
from bailiwick.identity.oidc_login import Ticket, authorization_url, code_of, token_request
from bailiwick.identity.oidc_settings import OidcIssuer
from bailiwick.model.decision import Plane, Reason
from bailiwick.server.doorway import Doorway, own_path

__all__ = ["OidcDoor"]

_MOST_BYTES = 256 * 1024
_TIMEOUT = urllib3.Timeout(connect=5.0, read=10.0)
_FAILED = "This sign-in did not succeed. Go back to the login and try again."


class OidcDoor:
    """The identity providers' way in."""

    def __init__(self, doorway: Doorway) -> None:
        self._doorway = doorway

    @property
    def routes(self) -> Sequence[BaseRoute]:
        return [
            Route("/oidc/{name}/start", self._start, methods=["GET"]),
            Route("/oidc/{name}/callback", self._callback, methods=["GET"]),
        ]

    def _start(self, request: Request) -> Response:
        way, issuer = self._doorway, self._issuer(request)
        holder = way.holder(request)
        if issuer is None or not holder or not way.admits(request):
            return RedirectResponse("/login", status_code=303)
        state = secrets.token_urlsafe(32)
        ticket = Ticket(
            provider=issuer.name,
            nonce=secrets.token_urlsafe(32),
            verifier=secrets.token_urlsafe(48),
            return_to=own_path(request.query_params.get("next")),
        )
        way.run(lambda core: _keep(core, hidden(state), holder=holder, ticket=ticket))
        url = authorization_url(issuer, ticket, state=state, console=way.door.party.origin)
        return RedirectResponse(url, status_code=303)

    def _callback(self, request: Request) -> Response:
        way, issuer = self._doorway, self._issuer(request)
        if issuer is None or not way.admits(request):
            return way.pages.failed(request, 403, _FAILED)
        given = request.query_params
        state, holder = hidden(given.get("state", "")), way.holder(request)
        ticket = way.run(lambda core: _taken(core, state, holder=holder, provider=issuer.name))
        if any(len(given.getlist(name)) > 1 for name in given):
            ticket = None
        found = None if ticket is not None else TurnedAway(what=Purpose.OIDC, reason=_no_ticket())
        cookie, fresh = way.fresh(request)
        if ticket is not None:
            token = self._token(issuer, ticket, code_of(given, issuer))
            if isinstance(token, Reason):
                found = TurnedAway(what=Purpose.OIDC, reason=token)
            else:
                done = way.run(lambda core: oidc_login(core, way.door, issuer, token, nonce=ticket.nonce, fresh=fresh))
                if not isinstance(done, TurnedAway):
                    return way.let_in(RedirectResponse(ticket.return_to, status_code=303), cookie)
                found = done
        assert found is not None
        way.note(request, found)
        return way.pages.failed(request, 403, _FAILED)

    def _issuer(self, request: Request) -> OidcIssuer | None:
        name = request.path_params["name"]
        issuers = self._doorway.guard.engine.ports.holding.latest.settings.oidc
        return next((each for each in issuers if each.name == name and each.login is not None), None)

    def _token(self, issuer: OidcIssuer, ticket: Ticket, code: str | Reason) -> str | Reason:
        """The ID token for a code."""
        if isinstance(code, Reason):
            return code
        assert issuer.login is not None
        form = token_request(issuer, ticket, code=code, console=self._doorway.door.party.origin)
        headers = {"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded"}
        secret = self._secret(issuer)
        if secret:
            pair = f"{quote_plus(issuer.login.client)}:{quote_plus(secret)}".encode()
            headers["Authorization"] = "Basic " + base64.b64encode(pair).decode()
        try:
            with urllib3.PoolManager(timeout=_TIMEOUT, retries=False) as pool:
                answer = pool.request(
                    "POST",
                    issuer.login.token,
                    body=urlencode(form, quote_via=quote),
                    headers=headers,
                    redirect=False,
                    preload_content=False,
                )
                data = answer.read(_MOST_BYTES + 1)
                status = answer.status
        except (urllib3.exceptions.HTTPError, OSError):
            return _reason("login-provider", "The identity provider does not answer.", "Check it, and 'token'.")
        try:
            said = orjson.loads(data) if status == 200 and len(data) <= _MOST_BYTES else None
        except orjson.JSONDecodeError:
            said = None
        token = said.get("id_token") if isinstance(said, dict) else None
        if not isinstance(token, str):
            return _reason("login-no-token", "The identity provider gave no token for its code.", "Sign in again.")
        return token

    def _secret(self, issuer: OidcIssuer) -> str:
        """The client's secret; empty for a public client. Raises StoreError where it should be and is not."""
        assert issuer.login is not None
        name, file = issuer.login.secret_env, issuer.login.secret_file
        try:
            if file:
                found = (self._doorway.guard.project.folder / file).read_text(encoding="utf-8").strip()
            else:
                found = os.environ.get(name, "") if name else ""
        except (OSError, UnicodeDecodeError) as error:
            raise StoreError(
                f"the client's secret of oidc.{issuer.name} cannot be read from {file}: {error}"
            ) from error
        if (file or name) and not found:
            raise StoreError(
                f"there is no client's secret of oidc.{issuer.name} in {file or name}",
                hint="put it there, or leave secret_file and secret_env out for a public client",
            )
        return found


def _keep(core: Core, id_: str, *, holder: str, ticket: Ticket) -> Flow[None]:
    now_us: int = yield Now()
    now_ms = now_us // 1000
    row = Challenge(
        id=id_, purpose=Purpose.OIDC, holder=holder, expires_ms=now_ms + CHALLENGE_MS, payload=ticket.packed()
    )
    yield AskAccounts(core.planes, lambda store, *whose: store.put_challenge(*whose, row, now_ms=now_ms))


def _taken(core: Core, id_: str, *, holder: str, provider: str) -> Flow[Ticket | None]:
    """The ticket, used up; None if it is not of this browser and provider, or too old."""
    now_us: int = yield Now()
    row: Challenge | None = yield AskAccounts(
        core.planes, lambda store, *whose: store.take_challenge(*whose, id_, purpose=Purpose.OIDC)
    )
    if row is None or not holder or row.holder != holder or now_us // 1000 >= row.expires_ms:
        return None
    ticket = Ticket.unpacked(row.payload)
    return ticket if ticket is not None and ticket.provider == provider else None


def _no_ticket() -> Reason:
    return _reason("login-state", "Nobody set out for this sign-in here, or too long ago.", "Begin at the login.")


def _reason(code: str, message: str, hint: str) -> Reason:
    return Reason(plane=Plane.IDENTITY, code=code, message=message, hint=hint)
