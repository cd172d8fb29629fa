"""Passkeys: what is an answer and what is none. The attacks are in data/passkeys.toml."""

from __future__ import annotations

import tomllib
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given
from hypothesis import strategies as st

from bailiwick.errors import UsageError
from bailiwick.identity.accounts import Passkey
from bailiwick.identity.keys import b64url, from_b64url
from bailiwick.identity.passkeys import (
    RelyingParty,
    asked_in,
    creation_options,
    read_assertion,
    request_options,
    user_handle,
    verify_assertion,
    verify_enrolment,
)
from bailiwick.model.decision import Reason
from tests.server.people import ORIGIN, Device, Key

DATA = tomllib.loads((Path(__file__).parent / "data" / "passkeys.toml").read_text(encoding="utf-8"))
PARTY = RelyingParty.at(ORIGIN)
CHALLENGE = bytes(range(32))
HANDLE = user_handle("acme", "test", "bob")


def _passkey(device: Device, count: int = 5, public_key: bytes | None = None) -> Passkey:
    return Passkey(
        id=b64url(device.id),
        user="bob",
        public_key=public_key or device.cose(),
        sign_count=count,
        added_ms=0,
        used_ms=0,
        event="e",
    )


def _checked(answer: object, passkey: Passkey) -> int | Reason:
    read = read_assertion(answer)
    if isinstance(read, Reason):
        return read
    return verify_assertion(read, party=PARTY, challenge=CHALLENGE, passkey=passkey, handle=HANDLE)


def _code(found: object) -> str:
    return found.code if isinstance(found, Reason) else ""


@lru_cache
def _key(kind: str, number: int = 0) -> Key:
    """A key of this kind; another one for each number."""
    match kind:
        case "es256":
            return ec.generate_private_key(ec.SECP256R1())
        case "eddsa":
            return ed25519.Ed25519PrivateKey.generate()
        case _:
            return rsa.generate_private_key(65537, 1024 if kind == "short rsa" else 2048)


KINDS = ("es256", "eddsa", "rs256")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", DATA["assertion"], ids=lambda case: case["name"])
def test_an_assertion_counts_only_as_it_should_be(case: dict[str, Any], kind: str) -> None:
    device, change = Device(handle=HANDLE, count=5, key=_key(kind)), dict(case.get("change", {}))
    passkey = _passkey(device)
    if change.pop("other_key", False):
        device.key = _key(kind, 1)
    if change.pop("other_id", False):
        device.id = Device().id
    if change.pop("pad", False):
        change["challenge"] = b64url(CHALLENGE) + "="
    answer = device.get(request_options(PARTY, challenge=CHALLENGE), **change)
    if "bytes" in case:
        data = bytearray(from_b64url(answer["response"][case["bytes"]]) or b"")
        data[-1] ^= 1
        answer["response"][case["bytes"]] = b64url(bytes(data))
    assert _code(_checked(answer, passkey)) == case["code"]


@pytest.mark.parametrize("case", DATA["enrolment"], ids=lambda case: case["name"])
def test_an_enrolment_counts_only_as_it_should_be(case: dict[str, Any]) -> None:
    device, change = Device(), dict(case.get("change", {}))
    if "cose" in case:
        change["cose"] = device.cose(**case["cose"])
    options = creation_options(PARTY, user="bob", handle=HANDLE, challenge=CHALLENGE, known=[])
    assert _code(verify_enrolment(device.create(options, **change), party=PARTY, challenge=CHALLENGE)) == case["code"]


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_key_that_is_asked_for_can_be_enrolled(kind: str) -> None:
    device = Device(key=_key(kind))
    options = creation_options(PARTY, user="bob", handle=HANDLE, challenge=CHALLENGE, known=[])
    made = verify_enrolment(device.create(options), party=PARTY, challenge=CHALLENGE)
    assert not isinstance(made, Reason)
    assert made.public_key == device.cose()


def test_a_key_that_is_too_short_is_neither_enrolled_nor_believed() -> None:
    device = Device(key=_key("short rsa"), handle=HANDLE, count=5)
    options = creation_options(PARTY, user="bob", handle=HANDLE, challenge=CHALLENGE, known=[])
    assert isinstance(verify_enrolment(device.create(options), party=PARTY, challenge=CHALLENGE), Reason)
    answer = device.get(request_options(PARTY, challenge=CHALLENGE))
    assert isinstance(_checked(answer, _passkey(device)), Reason)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("claimed", [{"alg": -7}, {"alg": -8}, {"alg": -257}, {"alg": -37}, {"alg": -65535}])
def test_a_key_under_another_algorithm_verifies_nothing(kind: str, claimed: dict[str, int]) -> None:
    device = Device(key=_key(kind), handle=HANDLE, count=5)
    mixed = device.cose(**claimed)
    found = _checked(device.get(request_options(PARTY, challenge=CHALLENGE)), _passkey(device, public_key=mixed))
    assert isinstance(found, Reason) is (mixed != device.cose())


@pytest.mark.parametrize(("signer", "stored"), [(a, b) for a in KINDS for b in KINDS if a != b])
def test_a_signature_of_another_kind_of_key_verifies_nothing(signer: str, stored: str) -> None:
    device = Device(key=_key(signer), handle=HANDLE, count=5)
    passkey = _passkey(device, public_key=Device(key=_key(stored)).cose())
    assert isinstance(_checked(device.get(request_options(PARTY, challenge=CHALLENGE)), passkey), Reason)


def test_a_counter_of_zero_stays_zero() -> None:
    device = Device(handle=HANDLE, count=None)
    for _ in range(3):
        assert _checked(device.get(request_options(PARTY, challenge=CHALLENGE)), _passkey(device, count=0)) == 0


def test_a_stored_key_whose_algorithm_was_changed_verifies_nothing() -> None:
    """Who can write the store still cannot have a key read as another kind."""
    device = Device(handle=HANDLE)
    for change in ({"alg": -257}, {"alg": -8}, {"crv": 2}, {"kty": 1}):
        answer = device.get(request_options(PARTY, challenge=CHALLENGE))
        assert _code(_checked(answer, _passkey(device, 0, device.cose(**change))))
    bare = b"\x04" + device.cose()[-70:]
    assert _code(_checked(device.get(request_options(PARTY, challenge=CHALLENGE)), _passkey(device, 0, bare)))


def test_options_demand_verification_and_a_resident_key_and_no_attestation() -> None:
    device = Device()
    options = creation_options(PARTY, user="bob", handle=HANDLE, challenge=CHALLENGE, known=[_passkey(device)])
    assert options["authenticatorSelection"]["userVerification"] == "required"
    assert options["authenticatorSelection"]["residentKey"] == "required"
    assert options["attestation"] == "none"
    assert [each["id"] for each in options["excludeCredentials"]] == [b64url(device.id)]
    assert request_options(PARTY, challenge=CHALLENGE)["userVerification"] == "required"
    assert request_options(PARTY, challenge=CHALLENGE)["allowCredentials"] == []
    assert b"bob" not in HANDLE


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)
_PARTS = ("clientDataJSON", "authenticatorData", "signature", "attestationObject", "userHandle")


@given(
    st.dictionaries(st.sampled_from(_PARTS), st.binary(max_size=200).map(b64url) | _JSON, max_size=5),
    st.binary(min_size=1, max_size=40).map(b64url) | _JSON,
    _JSON,
)
def test_whatever_is_sent_is_refused_and_never_fails(response: dict[str, Any], id_: Any, whole: Any) -> None:
    device = Device()
    for answer in (whole, {"id": id_, "rawId": id_, "type": "public-key", "response": response}):
        assert isinstance(_checked(answer, _passkey(device)), Reason)
        assert isinstance(verify_enrolment(answer, party=PARTY, challenge=CHALLENGE), Reason)
        assert isinstance(asked_in(answer), str)


@given(st.data())
def test_no_change_of_any_byte_of_an_enrolment_makes_another_key_of_it_unseen(data: st.DataObject) -> None:
    """Attestation `none` signs nothing: what holds is that broken bytes never fail otherwise than by a refusal."""
    device = Device()
    options = creation_options(PARTY, user="bob", handle=HANDLE, challenge=CHALLENGE, known=[])
    answer = device.create(options)
    whole = bytearray(from_b64url(answer["response"]["attestationObject"]) or b"")
    whole[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
    answer["response"]["attestationObject"] = b64url(bytes(whole))
    found = verify_enrolment(answer, party=PARTY, challenge=CHALLENGE)
    assert isinstance(found, Reason) or found.id == b64url(device.id)


@pytest.mark.parametrize(
    "url",
    ["http://console.example", "https://127.0.0.1", "http://127.0.0.1:8080", "https://[::1]", "https://a.example/x",
     "ftp://a.example", "https://u:p@a.example", "https://a.example/?x=1", ""],
)  # fmt: skip
def test_no_console_where_no_passkey_can_be_bound(url: str) -> None:
    with pytest.raises(UsageError):
        RelyingParty.at(url)


def test_a_console_is_known_by_host_and_port() -> None:
    assert RelyingParty.at("https://Console.Example:8443/").origin == "https://console.example:8443"
    assert RelyingParty.at("https://console.example").id == "console.example"
    assert not PARTY.secure
