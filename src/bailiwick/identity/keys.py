"""Ed25519 keys, and compact JWS signed by them: what agents, people and the project itself sign with.

One algorithm, `Ed25519` (RFC 9864, fully specified; RFC 8037 keys). INVARIANT: a token of ours has exactly one header
per purpose, byte for byte, so there is no header to choose an algorithm, a key or an extension by, and a token for one
purpose is none for another. Encodings are canonical: base64url without padding or spare bits, and a payload that is
what `model.canonical` would write, so no claim occurs twice and no two texts are one token.
DESIGN §5 *Identity*, *Keys*.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from bailiwick.errors import CanonicalError, UsageError
from bailiwick.model.canonical import canonical, encode, parse

__all__ = ["ALGORITHM", "PrivateKey", "PublicKey", "SignedText", "Verifier", "b64url", "from_b64url", "read_signed"]

ALGORITHM = "Ed25519"
_PREFIX = "ed25519:"
_B64URL = re.compile(r"[A-Za-z0-9_-]*", re.ASCII)
_TO_URL = bytes.maketrans(b"+/", b"-_")
_FROM_URL = bytes.maketrans(b"-_", b"+/")
_LAST = {2: "AQgw", 3: "AEIMQUYcgkosw048"}
"""The last characters that leave no spare bit set, by the number of characters in the last group."""
_SIGNATURE_CHARS = 86
_SPKI = bytes.fromhex("302a300506032b6570032100")
"""What stands before the 32 bytes of a public key in its DER form (RFC 8410)."""

Verifier = Callable[["PublicKey", bytes, bytes], bool]
"""Whether (key, message, signature) is a valid signature; see `bailiwick.identity.signatures` for one with a memory."""


def b64url(data: bytes) -> str:
    return binascii.b2a_base64(data, newline=False).translate(_TO_URL).rstrip(b"=").decode("ascii")


def from_b64url(text: str) -> bytes | None:
    """The bytes of unpadded base64url; None if it is not that, or not the only way to write these bytes."""
    spare = len(text) % 4
    if spare == 1 or not _B64URL.fullmatch(text) or (spare and text[-1] not in _LAST[spare]):
        return None
    return binascii.a2b_base64(text.encode("ascii").translate(_FROM_URL) + b"=" * (-len(text) % 4))


@dataclass(frozen=True, slots=True)
class PublicKey:
    """An Ed25519 public key: 32 bytes. `str(key)` is how directory.toml writes it: `ed25519:<43 characters>`."""

    raw: bytes

    @classmethod
    def parse(cls, text: str) -> PublicKey | None:
        """A key as `ed25519:<base64url>`, as a public JWK in JSON, or as PEM; None if it is none of these."""
        text = text.strip()
        if text.startswith(_PREFIX):
            return _public(text.removeprefix(_PREFIX))
        if text.startswith("{"):
            try:
                return cls.from_jwk(orjson.loads(text))
            except orjson.JSONDecodeError:
                return None
        if text.startswith("-----BEGIN PUBLIC KEY-----"):
            body = "".join(text.splitlines()[1:-1])
            try:
                der = base64.b64decode(body, validate=True)
            except (binascii.Error, ValueError):
                return None
            return _usable(der.removeprefix(_SPKI)) if der.startswith(_SPKI) else None
        return None

    @classmethod
    def from_jwk(cls, jwk: object) -> PublicKey | None:
        """The key of exactly `{"kty": "OKP", "crv": "Ed25519", "x": …}` (a private part or anything else: None)."""
        if not isinstance(jwk, Mapping) or set(jwk) != {"kty", "crv", "x"}:
            return None
        x = jwk["x"]
        ours = jwk["kty"] == "OKP" and jwk["crv"] == ALGORITHM and isinstance(x, str)
        return _public(x) if ours else None

    @property
    def jwk(self) -> dict[str, str]:
        return {"kty": "OKP", "crv": ALGORITHM, "x": b64url(self.raw)}

    @property
    def thumbprint(self) -> str:
        """RFC 7638 over SHA-256, base64url."""
        # Members in lexical order, no white space: the canonical encoding says the same.
        return b64url(hashlib.sha256(canonical(self.jwk)).digest())

    def verifies(self, message: bytes, signature: bytes) -> bool:
        """Whether `signature` over `message` was made with the private part of this key."""
        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, message)
        except (InvalidSignature, ValueError, UnsupportedAlgorithm):
            return False
        return True

    def __str__(self) -> str:
        return _PREFIX + b64url(self.raw)


def _public(x: str) -> PublicKey | None:
    raw = from_b64url(x)
    return None if raw is None else _usable(raw)


def _usable(raw: bytes) -> PublicKey | None:
    """A key under which not just any signature holds: the points of small order are refused."""
    return PublicKey(raw) if len(raw) == 32 and raw not in _SMALL_ORDER else None


def _small_order() -> frozenset[bytes]:
    """The encodings of the eight points of small order on edwards25519, with either sign bit, and the non-canonical
    ones (RFC 8032 §5.1.3; the list that libsodium refuses)."""
    ys = (
        "00" * 32,
        "01" + "00" * 31,
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "ec" + "ff" * 30 + "7f",
        "ed" + "ff" * 30 + "7f",
        "ee" + "ff" * 30 + "7f",
    )
    encoded = [bytes.fromhex(y) for y in ys]
    return frozenset(encoded) | frozenset(y[:31] + bytes([y[31] | 0x80]) for y in encoded)


_SMALL_ORDER = _small_order()


class PrivateKey:
    """An Ed25519 private key. Its text never shows in `repr`."""

    __slots__ = ("_key", "public")

    def __init__(self, seed: bytes) -> None:
        """`seed`: 32 bytes of randomness from the caller (`secrets.token_bytes(32)`)."""
        if len(seed) != 32:
            raise UsageError(f"an Ed25519 key has a seed of 32 bytes, not {len(seed)}", hint="use token_bytes(32)")
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.public = PublicKey(self._key.public_key().public_bytes_raw())

    @classmethod
    def parse(cls, text: str) -> PrivateKey:
        """A key from PEM (PKCS#8, not encrypted) or a private JWK in JSON. Raises UsageError."""
        hint = "make one with: openssl genpkey -algorithm ed25519"
        text = text.strip()
        if text.startswith("{"):
            return cls(_seed_of_jwk(text, hint))
        try:
            key = load_pem_private_key(text.encode(), password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise UsageError("this is no private key in PEM or JWK that can be read", hint=hint) from error
        if not isinstance(key, Ed25519PrivateKey):
            raise UsageError(f"this is a private key, but not of {ALGORITHM}", hint=hint)
        return cls(key.private_bytes_raw())

    def sign(self, message: bytes) -> bytes:
        return self._key.sign(message)

    def signed(self, kind: str, claims: Mapping[str, object]) -> str:
        """`claims` as a compact JWS of the given kind (see `read_signed`)."""
        message = f"{_header(kind)}.{b64url(canonical(claims))}"
        return f"{message}.{b64url(self.sign(message.encode('ascii')))}"

    @property
    def pem(self) -> str:
        """PKCS#8, not encrypted: for a file that only its owner can read."""
        return self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode("ascii")

    def __repr__(self) -> str:
        return f"PrivateKey(of {self.public})"


def _seed_of_jwk(text: str, hint: str) -> bytes:
    try:
        jwk = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise UsageError("this is no JWK: it is not JSON", hint=hint) from error
    parts = {key: jwk.get(key) for key in ("kty", "crv", "x")}
    public, d = PublicKey.from_jwk(parts), jwk.get("d")
    seed = from_b64url(d) if isinstance(d, str) else None
    if public is None or seed is None or len(seed) != 32:
        raise UsageError(f"this is no private JWK of {ALGORITHM}", hint=hint)
    if PrivateKey(seed).public != public:
        raise UsageError("the public and the private part of this JWK do not belong together", hint=hint)
    return seed


def _header(kind: str) -> str:
    return b64url(canonical({"alg": ALGORITHM, "typ": f"bailiwick-{kind}+jws"}))


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedText:
    """A compact JWS taken apart, its signature not looked at yet."""

    claims: dict[str, Any]
    message: bytes
    signature: bytes

    def by(self, key: PublicKey, verifier: Verifier = PublicKey.verifies) -> bool:
        """Whether `key` signed it."""
        return verifier(key, self.message, self.signature)


def read_signed(kind: str, token: str, *, longest: int) -> SignedText | None:
    """`token` taken apart if it is, to the letter, a compact JWS of this kind of at most `longest` characters."""
    if len(token) > longest or not token.isascii():
        return None
    header, _, rest = token.partition(".")
    payload, _, signed = rest.partition(".")
    if header != _HEADERS.get(kind) or len(signed) != _SIGNATURE_CHARS:
        return None
    body, signature = from_b64url(payload), from_b64url(signed)
    if body is None or signature is None:
        return None
    try:
        claims = parse(body)
        # Also finds a claim that is there twice: only the last one is left after parsing.
        if not isinstance(claims, dict) or encode(claims) != body:
            return None
    except CanonicalError:
        return None
    return SignedText(claims=claims, message=f"{header}.{payload}".encode("ascii"), signature=signature)


_HEADERS: Mapping[str, str] = {kind: _header(kind) for kind in ("delegation", "proof", "plan", "bundle")}
