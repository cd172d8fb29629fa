"""What every way in to the console has in common: cookies, sessions, the tokens of forms, how often one may try.

INVARIANTS:

- The cookie of a session is made here, at the login, never taken from a request; whatever the browser showed before is
  good no longer. It is `__Host-`, Secure, HttpOnly, SameSite=Lax, and the store holds its hash alone. Only under
  `http://localhost` it has neither prefix nor Secure.
- Before a login the browser has a cookie of its own kind (the *visit*), to which challenges and tokens are bound: so
  nobody signs somebody else in, or answers what another browser asked.
- Nobody is sent anywhere but to a path of this console.
DESIGN §5 *Identity*.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any, NoReturn, TypeVar
from urllib.parse import urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.formparsers import MultiPartException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from bailiwick.guard.core import Core
from bailiwick.guard.effects import Flow
from bailiwick.guard.people.challenges import Door, TurnedAway, record_refusal
from bailiwick.guard.people.signing_in import Fresh, come_back
from bailiwick.identity.accounts import ConsoleSession, hidden
from bailiwick.identity.passkeys import RelyingParty
from bailiwick.project import Guard
from bailiwick.server.auth_throttle import Throttle
from bailiwick.server.pages import Pages

__all__ = ["Doorway", "form_of", "json_object", "own_path", "told", "too_often"]

T = TypeVar("T")

_SECRET_BYTES = 32
_LONGEST_COOKIE = 100
_VISIT_SECONDS = 3600
_MOST_FIELDS = 100
_TOKEN = "x-csrf-token"  # noqa: S105  the name of a header


class Doorway:
    """Of one open project. Thread-safe."""

    def __init__(self, guard: Guard, *, pages: Pages, url: str = "") -> None:
        """Raises UsageError if no browser keeps passkeys for `url` (empty: for `console.url`)."""
        rules = guard.project.settings.console
        rules = replace(rules, url=url or rules.url)
        self.guard, self.pages = guard, pages
        self.door = Door(party=RelyingParty.at(rules.url), rules=rules)
        prefix = "__Host-" if self.door.party.secure else ""
        self._session_cookie, self._visit_cookie = f"{prefix}bailiwick", f"{prefix}bailiwick-visit"
        self._throttle = Throttle(lambda: time.monotonic_ns() // 1_000_000)

    def csrf_token(self, request: Request) -> str:
        """What each form of this session carries."""
        return _token(self._cookie(request, self._session_cookie))

    def csrf_fits(self, request: Request, token: str) -> bool:
        """Whether that is the token of this session."""
        cookie = self._cookie(request, self._session_cookie)
        return bool(cookie) and hmac.compare_digest(_token(cookie).encode(), token.encode("utf-8", "replace"))

    def run(self, make: Callable[[Core], Flow[T]]) -> T:
        return self.guard.engine.administer(make)

    def session(self, request: Request) -> ConsoleSession | None:
        """The session that this request is in, if it holds now."""
        cookie = self._cookie(request, self._session_cookie)
        if not cookie:
            return None
        # A page that renews itself does not keep its session alive.
        by_itself = request.headers.get("hx-request") == "true"
        return self.run(lambda core: come_back(core, self.door, hidden(cookie), by_itself=by_itself))

    def holder(self, request: Request) -> str:
        """The hash of this browser's visit; empty if it has none."""
        cookie = self._cookie(request, self._visit_cookie)
        return hidden(cookie) if cookie else ""

    def fresh(self, request: Request) -> tuple[str, Fresh]:
        """A new cookie for a session, and the session to be."""
        made, before = secrets.token_urlsafe(_SECRET_BYTES), self._cookie(request, self._session_cookie)
        return made, Fresh(id=hidden(made), instead_of=hidden(before) if before else "")

    def let_in(self, answer: Response, cookie: str) -> Response:
        """The answer, with the session's cookie instead of the visit's."""
        self._set(answer, self._session_cookie, cookie, seconds=self.door.rules.session_ms // 1000)
        self._drop(answer, self._visit_cookie)
        return answer

    def let_out(self, answer: Response) -> None:
        """The answer takes the session's cookie away."""
        self._drop(answer, self._session_cookie)

    def visiting(self, request: Request, draw: Callable[[str], Response]) -> Response:
        """What `draw` makes of the visit's token; the browser gets a visit if it has none."""
        cookie = self._cookie(request, self._visit_cookie)
        made = cookie or secrets.token_urlsafe(_SECRET_BYTES)
        answer = draw(_token(made))
        if not cookie:
            self._set(answer, self._visit_cookie, made, seconds=_VISIT_SECONDS)
        return answer

    def note(self, request: Request, away: TurnedAway, session: ConsoleSession | None = None) -> None:
        """Record that somebody was not let in, or a signature not taken, unless they fail too often."""
        address = _address(request)
        more = self._throttle.failed(_who_tries(request, session))
        if more is not None:
            self.run(lambda core: record_refusal(core, away, address=address, more=more))

    def admits(self, request: Request, session: ConsoleSession | None = None) -> bool:
        """Whether this address may try (again). Whoever is signed in is counted by themselves: so strangers who share
        their address cannot keep them from answering."""
        return self._throttle.admits(_who_tries(request, session))

    async def json(
        self, request: Request, work: Callable[[Request, Mapping[str, Any]], Response], *, of_session: bool = False
    ) -> Response:
        """What `work` makes of a JSON object that a page of ours posted. `of_session`: it carries the session's token,
        and `work` asks for the session itself, and whether it may try."""
        if not of_session and not await run_in_threadpool(self.admits, request):
            return too_often()
        cookie = self._cookie(request, self._session_cookie if of_session else self._visit_cookie)
        token = request.headers.get(_TOKEN, "")
        if not cookie or not hmac.compare_digest(_token(cookie).encode(), token.encode("utf-8", "replace")):
            return told(403, "This page is too old, or cookies are switched off.", "Load it again.")
        body = json_object(await request.body()) if _is_json(request) else None
        if body is None:
            return told(400, "This is no JSON object.", "")
        return await run_in_threadpool(work, request, body)

    def _cookie(self, request: Request, name: str) -> str:
        found = request.cookies.get(name, "")
        return found if found.isascii() and len(found) <= _LONGEST_COOKIE else ""

    def _set(self, answer: Response, name: str, value: str, *, seconds: int) -> None:
        secure = self.door.party.secure
        answer.set_cookie(name, value, max_age=seconds, path="/", secure=secure, httponly=True, samesite="lax")

    def _drop(self, answer: Response, name: str) -> None:
        answer.delete_cookie(name, path="/", secure=self.door.party.secure, httponly=True, samesite="lax")


def own_path(text: object) -> str:
    """A path of this console to go on to; `/` for whatever else is asked for."""
    if not isinstance(text, str) or not text.startswith("/") or len(text) > 2000:
        return "/"
    if text.startswith(("//", "/\\")) or "\\" in text or not text.isascii() or not text.isprintable():
        return "/"
    parts = urlsplit(text)
    return "/" if parts.scheme or parts.netloc else text


def _token(cookie: str) -> str:
    """The token for forms of a session or a visit: known to who has the cookie, and useless to get it."""
    made = hashlib.sha256(b"bailiwick.csrf\x00" + cookie.encode()).digest()
    return base64.urlsafe_b64encode(made).decode().rstrip("=")


async def form_of(request: Request) -> dict[str, str]:
    """What was posted; a field that is there twice, or a file, is none. Empty if it cannot be read: then it carries no
    token either."""
    if request.method != "POST":
        return {}
    try:
        async with request.form(max_files=0, max_fields=_MOST_FIELDS) as posted:
            return {
                name: value
                for name, value in posted.items()
                if isinstance(value, str) and len(posted.getlist(name)) == 1
            }
    except (MultiPartException, ValueError, KeyError):
        return {}


def json_object(data: bytes) -> dict[str, Any] | None:
    """None for what is none, and for text that is no Unicode (`\\ud800`): neither a store nor a digest takes that."""
    try:
        found = json.loads(data.decode("utf-8"), parse_float=Decimal, parse_constant=_no_number)
        json.dumps(found, default=str, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _address(request: Request) -> str:
    return request.client.host if request.client else ""


def _who_tries(request: Request, session: ConsoleSession | None) -> str:
    return _address(request) if session is None else f"signed in: {session.user}"


def told(status: int, message: str, hint: str) -> Response:
    return JSONResponse({"error": message, "hint": hint}, status_code=status)


def too_often() -> Response:
    return told(429, "Too many attempts.", "Wait a minute.")


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _is_json(request: Request) -> bool:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json"
