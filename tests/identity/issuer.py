"""A real identity provider for tests: it holds RSA, EC and Ed25519 keys, signs tokens with joserfc, and serves its keys
over HTTP. Its keys can be replaced, and its answers spoilt, while it runs."""

from __future__ import annotations

import hmac
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from joserfc import jws
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey

from bailiwick.identity.keys import b64url

NOW_S = 1_700_000_000
AUDIENCE = "bailiwick"
PATH = "/.well-known/jwks.json"


class Issuer:
    """`answer` (status, headers, body) replaces the set of keys where it is given; `asked` counts requests."""

    def __init__(self) -> None:
        self.url = ""
        self.keys: dict[str, Key] = {
            "rsa-1": RSAKey.generate_key(2048),
            "ec-1": ECKey.generate_key("P-256"),
            "ed-1": OKPKey.generate_key("Ed25519"),
        }
        self.answer: tuple[int, Mapping[str, str], bytes] | None = None
        self.asked = 0
        self.gate: threading.Event | None = None

    @property
    def jwks(self) -> dict[str, Any]:
        return {"keys": [{**key.as_dict(private=False), "kid": kid, "use": "sig"} for kid, key in self.keys.items()]}

    def rotate(self) -> None:
        """Other keys under other ids."""
        self.keys = {"rsa-2": RSAKey.generate_key(2048)}

    def claims(self, **change: Any) -> dict[str, Any]:
        claims = {
            "iss": self.url,
            "aud": AUDIENCE,
            "sub": "00u-1",
            "email": "alice@acme.example",
            "email_verified": True,
            "iat": NOW_S,
            "exp": NOW_S + 3600,
        } | change
        return {name: value for name, value in claims.items() if value is not None}

    def token(
        self, alg: str = "RS256", kid: str = "rsa-1", *, header: Mapping[str, Any] | None = None, **change: Any
    ) -> str:
        """A token over `claims(**change)`."""
        full = {"alg": alg, "kid": kid, "typ": "JWT", **(header or {})}
        payload = json.dumps(self.claims(**change))
        if alg == "EdDSA":
            # joserfc signs under the old name only with a warning; the signature is the same.
            return self.raw(json.dumps(full), payload, kid)
        return jws.serialize_compact(full, payload, self.keys[kid], algorithms=[alg], registry=_registry(alg))

    def raw(self, header: str, payload: str, kid: str = "ed-1") -> str:
        """Any header and payload, signed with an Ed25519 key."""
        message = f"{b64url(header.encode())}.{b64url(payload.encode())}"
        key = self.keys[kid]
        assert isinstance(key, OKPKey)
        return f"{message}.{b64url(jws.JWSRegistry.algorithms['Ed25519'].sign(message.encode(), key))}"


def hmac_token(issuer: Issuer, secret: bytes, kid: str) -> str:
    """A token that is signed with the public key as an HMAC secret. By hand: joserfc would not do it."""
    header = json.dumps({"alg": "HS256", "kid": kid}).encode()
    message = f"{b64url(header)}.{b64url(json.dumps(issuer.claims()).encode())}"
    return f"{message}.{b64url(hmac.digest(secret, message.encode(), 'sha256'))}"


def _registry(alg: str) -> jws.JWSRegistry:
    return jws.JWSRegistry(algorithms=[alg], strict_check_header=False)


@contextmanager
def serving(issuer: Issuer) -> Iterator[Issuer]:
    """The issuer behind a port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            issuer.asked += 1
            if issuer.gate is not None:
                issuer.gate.wait(30)
            status, headers, body = issuer.answer or (
                (200, {}, json.dumps(issuer.jwks).encode()) if self.path == PATH else (404, {}, b"")
            )
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    issuer.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield issuer
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
