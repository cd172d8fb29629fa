"""Passkeys (W3C Web Authentication Level 3): enrolling one, and signing with one.

Pure: challenges, time and what is stored come from the caller; a refusal is a `Reason`. `webauthn` checks structure and
signatures; what the relying party decides is checked here. INVARIANTS:

- The person was verified by their device (PIN, fingerprint, face), every time.
- Origin and relying-party id are exactly those of this console, and its page was not framed by another origin.
- A credential belongs to one user; the algorithm is its key's and never what an answer says.
- A counter that does not grow refuses; one that is 0 stays 0 (synchronised passkeys have none).
- Nothing is asked or believed about the make of the device (attestation `none`).

Signing an answer is `bailiwick.identity.signed_answers`. DESIGN §5 *Identity*.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from bailiwick.errors import MissingExtra, UsageError
from bailiwick.identity.accounts import Passkey
from bailiwick.identity.keys import b64url, from_b64url
from bailiwick.identity.oidc_settings import allowed_url
from bailiwick.model.canonical import canonical
from bailiwick.model.decision import Plane, Reason

try:
    from cryptography.exceptions import UnsupportedAlgorithm
    from webauthn import verify_authentication_response, verify_registration_response
    from webauthn.helpers import decode_credential_public_key
    from webauthn.helpers.cose import COSECRV, COSEAlgorithmIdentifier
    from webauthn.helpers.decode_credential_public_key import (
        DecodedEC2PublicKey,
        DecodedOKPPublicKey,
        DecodedRSAPublicKey,
    )
    from webauthn.helpers.exceptions import WebAuthnException
    from webauthn.helpers.structs import (
        AuthenticationCredential,
        AuthenticatorAssertionResponse,
        AuthenticatorAttestationResponse,
        RegistrationCredential,
    )
except ImportError as error:
    raise MissingExtra(feature="signing in with a passkey", extra="server") from error

__all__ = [
    "Assertion",
    "Enrolled",
    "RelyingParty",
    "asked_in",
    "creation_options",
    "read_assertion",
    "request_options",
    "user_handle",
    "verify_assertion",
    "verify_enrolment",
    "verify_signature",
]

_ALGORITHMS = (
    COSEAlgorithmIdentifier.ECDSA_SHA_256,
    COSEAlgorithmIdentifier.EDDSA,
    COSEAlgorithmIdentifier.RSASSA_PKCS1_v1_5_SHA_256,
)
_SHORTEST_RSA = 2048
_LONGEST = 16_384
_LONGEST_ID = 1023
_ASKED_MS = 300_000
_BROKEN = (WebAuthnException, UnsupportedAlgorithm, ValueError, KeyError, TypeError, IndexError, AttributeError)
"""What `webauthn` raises for bytes that are no answer, its own errors and those of what it reads them with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RelyingParty:
    """The console as browsers know it: `origin` is scheme, host and port, `id` the host that passkeys are bound to."""

    id: str
    origin: str

    @classmethod
    def at(cls, url: str) -> RelyingParty:
        """The console at this address. Raises UsageError for one that no browser keeps passkeys for."""
        hint = 'name it as console.url: "https://…", or "http://localhost:…" on your own machine'
        parts = urlsplit(url)
        host = parts.hostname or ""
        if not allowed_url(url) or parts.path not in ("", "/") or parts.query:
            raise UsageError(f"the console cannot be at {url!r}", hint=hint)
        if host.replace(".", "").isdigit() or ":" in host:
            raise UsageError(f"passkeys are bound to a name, and {host} is an address", hint=hint)
        return cls(id=host, origin=f"{parts.scheme}://{parts.netloc.lower()}")

    @property
    def secure(self) -> bool:
        return self.origin.startswith("https://")


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolled:
    """A new credential, as its device made it."""

    id: str
    public_key: bytes
    sign_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Assertion:
    """What a browser sent of a credential that signed something: read, and nothing of it checked yet. `handle` is empty
    where the device gave none."""

    id: str
    client_data: bytes
    authenticator_data: bytes
    signature: bytes
    handle: bytes = b""


def user_handle(tenant: str, env: str, user: str) -> bytes:
    """What a device keeps of a user beside the key: says nothing to who finds the device."""
    return hashlib.sha256(b"bailiwick.user\x00" + canonical([tenant, env, user])).digest()


def creation_options(
    party: RelyingParty, *, user: str, handle: bytes, challenge: bytes, known: Collection[Passkey]
) -> dict[str, Any]:
    """What `navigator.credentials.create` is asked for, with bytes in base64url."""
    return {
        "rp": {"id": party.id, "name": "bailiwick"},
        "user": {"id": b64url(handle), "name": user, "displayName": user},
        "challenge": b64url(challenge),
        "pubKeyCredParams": [{"type": "public-key", "alg": int(alg)} for alg in _ALGORITHMS],
        "timeout": _ASKED_MS,
        "excludeCredentials": [{"type": "public-key", "id": each.id} for each in known],
        "authenticatorSelection": {
            "residentKey": "required",
            "requireResidentKey": True,
            "userVerification": "required",
        },
        "attestation": "none",
    }


def request_options(party: RelyingParty, *, challenge: bytes, allowed: Collection[Passkey] = ()) -> dict[str, Any]:
    """What `navigator.credentials.get` is asked for. Without `allowed` the browser offers every passkey that it has for
    this console, so that nobody has to say, and nobody learns, who has an account."""
    return {
        "rpId": party.id,
        "challenge": b64url(challenge),
        "timeout": _ASKED_MS,
        "allowCredentials": [{"type": "public-key", "id": each.id} for each in allowed],
        "userVerification": "required",
    }


def verify_enrolment(answer: object, *, party: RelyingParty, challenge: bytes) -> Enrolled | Reason:
    """The new credential, or why it is refused. `answer` is what the browser sent, as JSON values."""
    read = _read(answer, ("clientDataJSON", "attestationObject"))
    if isinstance(read, Reason):
        return read
    id_, parts = read
    refused = _client_data(parts["clientDataJSON"], "webauthn.create", party, challenge)
    if refused is not None:
        return refused
    credential = RegistrationCredential(
        id=id_,
        raw_id=from_b64url(id_) or b"",
        response=AuthenticatorAttestationResponse(
            client_data_json=parts["clientDataJSON"], attestation_object=parts["attestationObject"]
        ),
    )
    try:
        found = verify_registration_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=party.id,
            expected_origin=party.origin,
            require_user_verification=True,
            supported_pub_key_algs=list(_ALGORITHMS),
        )
    except _BROKEN as error:
        return _refused(error)
    if b64url(found.credential_id) != id_ or not _usable(found.credential_public_key):
        return _reason(
            "passkey-refused", "This passkey is none that can be used here.", "Make one with another device or browser."
        )
    return Enrolled(id=id_, public_key=found.credential_public_key, sign_count=found.sign_count)


def read_assertion(answer: object) -> Assertion | Reason:
    """What the browser sent, as JSON values."""
    read = _read(answer, ("clientDataJSON", "authenticatorData", "signature"), ("userHandle",))
    if isinstance(read, Reason):
        return read
    id_, parts = read
    return Assertion(
        id=id_,
        client_data=parts["clientDataJSON"],
        authenticator_data=parts["authenticatorData"],
        signature=parts["signature"],
        handle=parts.get("userHandle", b""),
    )


def verify_assertion(
    answer: Assertion, *, party: RelyingParty, challenge: bytes, passkey: Passkey, handle: bytes
) -> int | Reason:
    """The counter that the credential shows now, or why the answer is not one of this passkey to this challenge.
    `handle` is its user's."""
    if answer.id != passkey.id or answer.handle not in (b"", handle):
        return _reason("passkey-of-another", "This passkey is another person's.", "Use your own.")
    count = verify_signature(answer, party=party, challenge=challenge, public_key=passkey.public_key)
    if isinstance(count, Reason):
        return count
    if (count or passkey.sign_count) and count <= passkey.sign_count:
        return _reason(
            "passkey-counter",
            "The counter of this passkey went back: there may be a copy of it.",
            "Have the passkey revoked, and enrol another one.",
        )
    return count


def verify_signature(answer: Assertion, *, party: RelyingParty, challenge: bytes, public_key: bytes) -> int | Reason:
    """The counter of an assertion that this key signed over this challenge; whose key it is, and what counter it showed
    before, is not asked."""
    refused = _client_data(answer.client_data, "webauthn.get", party, challenge)
    if refused is not None:
        return refused
    if not _usable(public_key):
        return _unreadable()
    credential = AuthenticationCredential(
        id=answer.id,
        raw_id=from_b64url(answer.id) or b"",
        response=AuthenticatorAssertionResponse(
            client_data_json=answer.client_data,
            authenticator_data=answer.authenticator_data,
            signature=answer.signature,
        ),
    )
    try:
        found = verify_authentication_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=party.id,
            expected_origin=party.origin,
            credential_public_key=public_key,
            credential_current_sign_count=0,
            require_user_verification=True,
        )
    except _BROKEN as error:
        return _refused(error)
    return found.new_sign_count


def asked_in(answer: object) -> str:
    """The challenge that an answer says it is to, in base64url: to find what was asked, and to believe nothing by.
    Empty if it says none."""
    read = _read(answer, ("clientDataJSON",))
    if isinstance(read, Reason):
        return ""
    try:
        said = json.loads(read[1]["clientDataJSON"].decode("utf-8"))
    except (ValueError, RecursionError):
        return ""
    challenge = said.get("challenge") if isinstance(said, dict) else None
    return challenge if isinstance(challenge, str) and challenge.isascii() and len(challenge) <= _LONGEST_ID else ""


def _read(answer: object, needed: Collection[str], more: Collection[str] = ()) -> tuple[str, dict[str, bytes]] | Reason:
    """The credential's id, and the named parts of its response as bytes."""
    response = answer.get("response") if isinstance(answer, dict) else None
    if not isinstance(answer, dict) or not isinstance(response, dict) or answer.get("type") != "public-key":
        return _unreadable()
    id_ = answer.get("id")
    if (
        not isinstance(id_, str)
        or not 0 < len(id_) <= _LONGEST_ID
        or answer.get("rawId") != id_
        or not from_b64url(id_)
    ):
        return _unreadable()
    parts: dict[str, bytes] = {}
    for name in (*needed, *more):
        value = response.get(name)
        if value is None and name in more:
            continue
        data = from_b64url(value) if isinstance(value, str) and len(value) <= _LONGEST else None
        if data is None:
            return _unreadable()
        parts[name] = data
    return id_, parts


def _client_data(data: bytes, kind: str, party: RelyingParty, challenge: bytes) -> Reason | None:
    """What the browser says it was asked, by whom. Checked before `webauthn` does, which reads it more leniently."""
    try:
        said = json.loads(data.decode("utf-8"), object_pairs_hook=_once_each)
    except (ValueError, RecursionError):
        return _unreadable()
    if not isinstance(said, dict) or said.get("type") != kind:
        return _unreadable()
    if said.get("origin") != party.origin or said.get("crossOrigin", False) is not False or "topOrigin" in said:
        return _reason(
            "passkey-origin",
            "The passkey was asked for by another site than this console.",
            f"Open the console at {party.origin}, and be wary of the link that led elsewhere.",
        )
    if said.get("challenge") != b64url(challenge):
        return _reason("passkey-challenge", "The passkey signed something else.", "Try again from the beginning.")
    return None


def _once_each(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key occurs twice")
    return found


def _usable(public_key: bytes) -> bool:
    """Whether key and algorithm are a pair that is accepted here."""
    if not public_key or public_key[0] == 0x04:  # a bare curve point, which names no algorithm
        return False
    try:
        key = decode_credential_public_key(public_key)
    except _BROKEN:
        return False
    match key:
        case DecodedEC2PublicKey():
            return key.alg == COSEAlgorithmIdentifier.ECDSA_SHA_256 and key.crv == COSECRV.P256
        case DecodedOKPPublicKey():
            return key.alg == COSEAlgorithmIdentifier.EDDSA and key.crv == COSECRV.ED25519
        case DecodedRSAPublicKey():
            bits = int.from_bytes(key.n, "big").bit_length()
            return key.alg == COSEAlgorithmIdentifier.RSASSA_PKCS1_v1_5_SHA_256 and bits >= _SHORTEST_RSA
        case _:
            return False


def _refused(error: Exception) -> Reason:
    """In words of ours: those of the library may quote what a stranger sent."""
    text = str(error)
    if "User verification" in text:
        return _reason(
            "passkey-unverified",
            "The device did not check who holds it.",
            "Use a passkey with a PIN, a fingerprint or a face.",
        )
    return _reason("passkey-refused", "The passkey's answer does not hold.", "Try again, or use another passkey.")


def _unreadable() -> Reason:
    return _reason("bad-passkey", "This is no answer of a passkey that can be read.", "Try again, or another browser.")


def _reason(code: str, message: str, hint: str) -> Reason:
    return Reason(plane=Plane.IDENTITY, code=code, message=message, hint=hint)
