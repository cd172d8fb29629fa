"""A real identity provider on a port of this machine: it gives codes, and tokens for codes as RFC 6749 and 7636 say."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

from bailiwick.identity.keys import b64url
from tests.identity.issuer import PATH, Issuer

__all__ = ["CLIENT", "SECRET", "Provider", "providing"]

CLIENT, SECRET = "bailiwick-console", "s3cret/with:signs"


@dataclass
class Provider:
    """`claims` go into each ID token over what is right; `broken` replaces the answer of the token endpoint."""

    issuer: Issuer = field(default_factory=Issuer)
    claims: dict[str, Any] = field(default_factory=dict)
    broken: tuple[int, bytes] | None = None
    seconds: int = 0
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    asked: list[dict[str, str]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return self.issuer.url

    def consent(self, location: str, **change: str) -> dict[str, str]:
        """What the person's yes at `location` (the authorization request) sends the browser back with."""
        asked = dict(parse_qsl(urlsplit(location).query, strict_parsing=True))
        assert asked["response_type"] == "code"
        assert asked["code_challenge_method"] == "S256"
        code = secrets.token_urlsafe(16)
        self.codes[code] = asked
        return {"code": code, "state": asked["state"], "iss": self.url, **change}

    def exchange(self, form: dict[str, str], authorization: str) -> tuple[int, bytes]:
        self.asked.append(form)
        if self.broken is not None:
            return self.broken
        begun = self.codes.pop(form.get("code", ""), None)
        told = base64.b64decode(authorization.removeprefix("Basic ")).decode()
        right = (
            begun is not None
            and told == f"{CLIENT}:s3cret%2Fwith%3Asigns"
            and form["redirect_uri"] == begun["redirect_uri"]
            and b64url(hashlib.sha256(form["code_verifier"].encode()).digest()) == begun["code_challenge"]
        )
        if not right or begun is None:
            return 400, b'{"error": "invalid_grant"}'
        times = {"iat": self.seconds, "exp": self.seconds + 600}
        claims = {"aud": begun["client_id"], "nonce": begun["nonce"], **times, **self.claims}
        return 200, json.dumps({"id_token": self.issuer.token(**claims), "token_type": "Bearer"}).encode()


@contextmanager
def providing() -> Iterator[Provider]:
    provider = Provider()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._send(200 if self.path == PATH else 404, json.dumps(provider.issuer.jwks).encode())

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            form = {name: values[0] for name, values in parse_qs(body, strict_parsing=True).items()}
            self._send(*provider.exchange(form, self.headers.get("Authorization", "")))

        def _send(self, status: int, body: bytes) -> None:
            self.send_response(status)
            if status == 302:
                self.send_header("Location", f"{provider.url}/elsewhere")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    provider.issuer.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
