"""A JSON Web Key Set (RFC 7517): the public keys that an identity provider signs with.

INVARIANT: a set holds public keys for asymmetric signatures alone. Secrets, private parts, keys for encryption, short
RSA keys and keys that cannot be read are left out, so a token that needs one of them does not verify.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import orjson
from cryptography.exceptions import UnsupportedAlgorithm
from joserfc.errors import JoseError
from joserfc.jwk import Key, import_key
from joserfc.jws import JWSRegistry

from bailiwick.identity.keys import from_b64url

__all__ = ["ALGORITHMS", "Jwk", "Jwks"]

ALGORITHMS = (
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519", "EdDSA",
)  # fmt: skip
"""What a provider may sign with: asymmetric ones alone. `EdDSA` is what many still call Ed25519 (RFC 9864)."""

_PARTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"RSA": ("n", "e"), "EC": ("crv", "x", "y"), "OKP": ("crv", "x")}
)
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_SHORTEST_RSA = 2048
_LONGEST_RSA = 8192
_MOST_KEYS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Jwk:
    """One public key. `alg` is the only algorithm it is for, "" if the set does not say."""

    kid: str
    alg: str
    key: Key

    def fits(self, alg: str) -> bool:
        """Whether tokens of this algorithm may be checked with it."""
        if self.alg and _plain(self.alg) != _plain(alg):
            return False
        try:
            JWSRegistry.algorithms[_plain(alg)].check_key(self.key)
        except JoseError:
            return False
        return True

    def verifies(self, alg: str, message: bytes, signature: bytes) -> bool:
        """Whether the signature is valid. `alg` must be one that fits."""
        try:
            return JWSRegistry.algorithms[_plain(alg)].verify(message, signature, self.key)
        except (JoseError, ValueError, UnsupportedAlgorithm):
            return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Jwks:
    """The usable keys of a set."""

    keys: tuple[Jwk, ...]

    @classmethod
    def parse(cls, text: bytes) -> Jwks | None:
        """The keys of a set in JSON; None if it is none. What is no usable key in it is left out."""
        try:
            written = orjson.loads(text)
        except orjson.JSONDecodeError:
            return None
        listed = written.get("keys") if isinstance(written, dict) else None
        if not isinstance(listed, list) or len(listed) > _MOST_KEYS:
            return None
        return cls(keys=tuple(key for each in listed if (key := _read(each)) is not None))

    def find(self, kid: str | None, alg: str) -> tuple[Jwk, ...]:
        """Every key that a token with this header may be signed with: by its id, where it names one."""
        return tuple(key for key in self.keys if (kid is None or key.kid == kid) and key.fits(alg))


def _plain(alg: str) -> str:
    return "Ed25519" if alg == "EdDSA" else alg


def _read(written: object) -> Jwk | None:
    if not isinstance(written, dict) or _PRIVATE & set(written):
        return None
    kind, operations = written.get("kty"), written.get("key_ops")
    parts = _PARTS.get(kind) if isinstance(kind, str) else None
    usable = written.get("use", "sig") == "sig" and (
        operations is None or (isinstance(operations, list) and "verify" in operations)
    )
    if parts is None or not usable:
        return None
    values = {name: written.get(name) for name in ("kty", *parts)}
    if not all(isinstance(value, str) for value in values.values()) or (kind == "RSA" and not _long_enough(values)):
        return None
    try:
        key = import_key({name: str(value) for name, value in values.items()})
    except (JoseError, ValueError, TypeError, KeyError, UnsupportedAlgorithm):
        return None
    kid, alg = written.get("kid", ""), written.get("alg", "")
    return Jwk(kid=kid, alg=alg, key=key) if isinstance(kid, str) and isinstance(alg, str) else None


def _long_enough(values: Mapping[str, object]) -> bool:
    modulus = from_b64url(str(values["n"])) or b""
    return _SHORTEST_RSA <= int.from_bytes(modulus, "big").bit_length() <= _LONGEST_RSA
