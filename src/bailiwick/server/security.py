"""What every request and every answer of the console has to pass, whatever page it is for.

- *Host.* A request has to be for the console's own origin: a name that somebody points at this address (DNS
  rebinding) gets nothing.
- *Origin.* What changes something has to come from a page of ours, as the browser itself says; nobody else's page may
  embed or fetch anything. The token in each form is a second lock, not the only one.
- *Size.* A body is read here to its end, or refused.
- *Headers.* Nothing is fetched from elsewhere, nothing runs that is not a file of ours, nothing is kept in a cache.
- *Failure.* Whatever goes wrong behind it becomes a page that says nothing of the inside; the server's own log has the
  rest, under the number on that page.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bailiwick.errors import StoreError

__all__ = ["CONTENT_SECURITY_POLICY", "HEADERS", "MAX_BODY_BYTES", "Fence"]

MAX_BODY_BYTES = 256 * 1024
"""Room for a card of 64 kB, edited and percent-encoded."""

_SAFE = frozenset({"GET", "HEAD"})
_METHODS = frozenset({"GET", "HEAD", "POST"})

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)

HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Permissions-Policy": "accelerometer=(), camera=(), geolocation=(), microphone=(), payment=(), usb=(), "
    "publickey-credentials-get=(self), publickey-credentials-create=(self)",
    "Cache-Control": "no-store",
}

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fence:
    """ASGI around the console. `origin` is the one under which people reach it (`https://approvals.acme.example`);
    `failed` draws the page for what went wrong, from a request, a status and a sentence."""

    app: ASGIApp
    origin: str
    failed: Callable[[Request, int, str], Response]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        sealed = _sealed(send, secure=self.origin.startswith("https://"))
        refused = _refused(scope, self.origin)
        if refused is not None:
            await refused(scope, receive, sealed)
            return
        body = await _body(scope, receive)
        if body is None:
            await PlainTextResponse("This is more than the console takes.\n", status_code=413)(scope, receive, sealed)
            return
        await self._answered(scope, _replayed(body, receive), sealed)

    async def _answered(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = False

        async def watched(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self.app(scope, receive, watched)
        except Exception as error:  # noqa: BLE001  the top of the server: it answers with a page and goes on
            number = secrets.token_hex(4)
            _log.exception("request failed (%s)", number)
            if begun:
                return
            status, told = _told(error, number)
            await self._page(scope, status, told)(scope, receive, send)

    def _page(self, scope: Scope, status: int, told: str) -> Response:
        try:
            return self.failed(Request(scope), status, told)
        except Exception:  # noqa: BLE001  where even this page cannot be drawn, the sentence goes alone
            _log.exception("the page for a failure cannot be drawn")
            return PlainTextResponse(f"{told}\n", status_code=status)


def _told(error: Exception, number: str) -> tuple[int, str]:
    again = "If you were answering a request, look at it again to see whether your answer counted."
    if isinstance(error, StoreError):
        return 503, f"The project's state or log does not answer. {again} Failure {number} in the server's log."
    return 500, f"Something went wrong. {again} Failure {number} in the server's log."


def _refused(scope: Scope, own: str) -> Response | None:
    """Why this request is none of ours; None if it is."""
    headers = Headers(scope=scope)
    hosts = headers.getlist("host")
    if len(hosts) != 1 or hosts[0].lower() != own.partition("://")[2]:
        return PlainTextResponse(f"The console is not under this name, but at {own}\n", status_code=421)
    if scope["method"] not in _METHODS:
        return PlainTextResponse("Not done here.\n", status_code=405, headers={"Allow": "GET, HEAD, POST"})
    # Two ways to say where a body ends: a proxy in front may have read the other one.
    if len(headers.getlist("content-length")) + len(headers.getlist("transfer-encoding")) > 1:
        return PlainTextResponse("Say once how long the body is.\n", status_code=400)
    site = headers.get("sec-fetch-site")
    if scope["method"] in _SAFE:
        # A link from a mail may lead here; no other page may load, frame or read what is here.
        followed = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
        ours = site in (None, "same-origin", "none") or followed
    else:
        origin = headers.get("origin")
        # Under `Referrer-Policy: no-referrer` a browser sends `Origin: null` with a form of ours, too.
        ours = site == "same-origin" if origin in (None, "null") else origin == own and site in (None, "same-origin")
    return None if ours else PlainTextResponse("This did not come from a page of the console.\n", status_code=403)


async def _body(scope: Scope, receive: Receive) -> bytes | None:
    """All of the body; None if it is too large."""
    said = Headers(scope=scope).get("content-length", "0")
    if not said.isdecimal() or int(said) > MAX_BODY_BYTES:
        return None
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return b""  # gone already
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > MAX_BODY_BYTES:
            return None
        if not message.get("more_body", False):
            return b"".join(parts)


def _replayed(body: bytes, receive: Receive) -> Callable[[], Awaitable[Message]]:
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


def _sealed(send: Send, *, secure: bool) -> Send:
    async def sealed(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers[name] = value
            if secure:
                headers["Strict-Transport-Security"] = "max-age=31536000"
        await send(message)

    return sealed
