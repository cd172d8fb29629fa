"""People before the console: devices that hold passkeys, and browsers that show them.

`Device` is an authenticator in software: it makes the bytes that a real one makes (P-256, Ed25519 or RSA,
CBOR, attestation `none`), and whatever wrong bytes a test asks for.
`Visitor` is a browser of one person, over Starlette's client.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from dataclasses import dataclass, field
from typing import Any

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from starlette.testclient import TestClient

from bailiwick import Guard
from bailiwick.guard.people.accounts import Invite, invite
from bailiwick.identity.accounts import hidden
from bailiwick.identity.keys import b64url, from_b64url
from bailiwick.model.decision import Reason

__all__ = ["ORIGIN", "RP", "Device", "Key", "Visitor", "client_data", "invited"]

ORIGIN, RP = "http://localhost:8420", "localhost"
_UP, _UV, _AT = 1, 4, 64


Key = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey


@dataclass
class Device:
    """An authenticator with one credential. `count` None: it has no counter."""

    key: Key = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    id: bytes = field(default_factory=lambda: secrets.token_bytes(16))
    handle: bytes = b""
    count: int | None = 0

    def cose(self, **change: Any) -> bytes:
        """Its public key; `change` replaces COSE parameters (`alg`, `kty`, `crv`)."""
        made: dict[int, Any]
        match self.key.public_key():
            case ec.EllipticCurvePublicKey() as key:
                point = key.public_numbers()
                made = {1: 2, 3: -7, -1: 1, -2: point.x.to_bytes(32, "big"), -3: point.y.to_bytes(32, "big")}
            case ed25519.Ed25519PublicKey() as key:
                made = {1: 1, 3: -8, -1: 6, -2: key.public_bytes_raw()}
            case rsa.RSAPublicKey() as key:
                numbers = key.public_numbers()
                made = {1: 3, 3: -257, -1: numbers.n.to_bytes(key.key_size // 8, "big"), -2: b"\x01\x00\x01"}
        named = {"kty": 1, "alg": 3, "crv": -1}
        made |= {named[name]: value for name, value in change.items()}
        return bytes(cbor2.dumps(made))

    def create(self, options: dict[str, Any], *, origin: str = ORIGIN, **change: Any) -> dict[str, Any]:
        """What a browser sends after `navigator.credentials.create(options)`. `change`: see `client_data` and
        `_authenticator_data`; `cose` replaces the public key, `fmt` and `statement` the attestation."""
        self.handle = from_b64url(options["user"]["id"]) or b""
        client = client_data("webauthn.create", options["challenge"], origin, change)
        cose = change.get("cose", self.cose())
        attested = bytes(16) + len(self.id).to_bytes(2, "big") + self.id + cose
        data = self._authenticator_data(change.get("rp", options["rp"]["id"]), change, _AT) + attested
        attestation = cbor2.dumps(
            {"fmt": change.get("fmt", "none"), "attStmt": change.get("statement", {}), "authData": data}
        )
        return self._answer({"clientDataJSON": b64url(client), "attestationObject": b64url(attestation)})

    def get(self, options: dict[str, Any], *, origin: str = ORIGIN, **change: Any) -> dict[str, Any]:
        """What a browser sends after `navigator.credentials.get(options)`."""
        if self.count is not None:
            self.count += 1
        client = client_data("webauthn.get", options["challenge"], origin, change)
        data = self._authenticator_data(change.get("rp", options["rpId"]), change, 0)
        signature = self._signed(data + hashlib.sha256(client).digest())
        parts = {"clientDataJSON": client, "authenticatorData": data, "signature": signature, "userHandle": self.handle}
        return self._answer({name: b64url(part) for name, part in parts.items()})

    def _signed(self, data: bytes) -> bytes:
        match self.key:
            case ec.EllipticCurvePrivateKey():
                return self.key.sign(data, ec.ECDSA(hashes.SHA256()))
            case ed25519.Ed25519PrivateKey():
                return self.key.sign(data)
            case rsa.RSAPrivateKey():
                return self.key.sign(data, padding.PKCS1v15(), hashes.SHA256())

    def _authenticator_data(self, rp: str, change: dict[str, Any], flags: int) -> bytes:
        flags |= (_UP if change.get("present", True) else 0) | (_UV if change.get("verified", True) else 0)
        count: int = change.get("count", self.count or 0)
        return hashlib.sha256(rp.encode()).digest() + bytes([flags]) + count.to_bytes(4, "big")

    def _answer(self, response: dict[str, str]) -> dict[str, Any]:
        return {"id": b64url(self.id), "rawId": b64url(self.id), "type": "public-key", "response": response}


def client_data(kind: str, challenge: str, origin: str, change: dict[str, Any]) -> bytes:
    """What the browser says; `client` changes or adds fields, `kind` and `challenge` replace those."""
    said = {
        "type": change.get("kind", kind),
        "challenge": change.get("challenge", challenge),
        "origin": origin,
        "crossOrigin": False,
        **change.get("client", {}),
    }
    return json.dumps(said).encode()


def invited(guard: Guard, user: str, *, by: str, ttl_ms: int = 60_000) -> str:
    """The code of an invitation."""
    code = secrets.token_urlsafe(24)
    order = Invite(user=user, by=by, os_user="0:test", code=hidden(code), ttl_ms=ttl_ms)
    done = guard.engine.administer(lambda core: invite(core, order))
    assert not isinstance(done, Reason), done
    return code


class Visitor:
    """One browser. Its cookies are its own; `device` is the one that its person holds."""

    def __init__(self, app: Any, *, device: Device | None = None, origin: str = ORIGIN) -> None:
        self.client = TestClient(app, base_url=origin, follow_redirects=False)
        self.client.headers["origin"] = origin
        self.device = device or Device()

    def token(self, path: str) -> str:
        """The token on a page that has a form for a passkey."""
        page = self.client.get(path)
        assert page.status_code == 200, page.text
        found = re.search(r'data-token="([^"]+)"', page.text)
        assert found, page.text
        return found[1]

    def post(self, path: str, token: str, body: Any) -> Any:
        return self.client.post(path, json=body, headers={"x-csrf-token": token})

    def options(self, path: str, token: str) -> dict[str, Any]:
        answer = self.post(f"{path}/options", token, {})
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def enrol(self, code: str, **change: Any) -> Any:
        """Enrol the device with an invitation → the answer."""
        token = self.token(f"/enrol/{code}")
        made = self.device.create(self.options(f"/enrol/{code}", token), **change)
        return self.post(f"/enrol/{code}", token, {"answer": made})

    def login(self, next_path: str = "/", **change: Any) -> Any:
        """Sign in with the device → the answer."""
        token = self.token("/login")
        given = self.device.get(self.options("/login", token), **change)
        return self.post("/login", token, {"answer": given, "next": next_path})

    def sign(
        self, path: str, csrf: str, *, grant: bool, gates: list[str] | None = None, edited: str | None = None
    ) -> str:
        """The field `signed` of an answer to the request whose `sign-options` are at `path`."""
        asked = self.post(path, csrf, {"grant": grant, "gates": gates, "edited": edited})
        assert asked.status_code == 200, asked.text
        return json.dumps({"nonce": asked.json()["nonce"], "answer": self.device.get(asked.json()["publicKey"])})
