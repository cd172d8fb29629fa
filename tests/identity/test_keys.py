"""Keys of Ed25519 and what is signed by them: the vectors of the RFCs, and everything that is not to the letter."""

from __future__ import annotations

import base64
import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import OKPKey

from bailiwick.errors import UsageError
from bailiwick.identity.keys import PrivateKey, PublicKey, b64url, from_b64url, read_signed
from bailiwick.identity.signatures import KnownSignatures

# RFC 8037, appendix A.
D = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"
X = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
JWK = {"kty": "OKP", "crv": "Ed25519", "x": X}
THUMBPRINT = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
KEY = PrivateKey(base64.urlsafe_b64decode(D + "="))

FORMS: list[dict[str, Any]] = tomllib.loads(
    (Path(__file__).parent / "data" / "signed_texts.toml").read_text(encoding="utf-8")
)["case"]


def test_the_vectors_of_rfc_8037() -> None:
    assert KEY.public.jwk == JWK
    assert KEY.public.thumbprint == THUMBPRINT
    assert str(KEY.public) == f"ed25519:{X}"
    signed = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc"
    signature = "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
    assert b64url(KEY.sign(signed.encode())) == signature


def test_a_key_is_read_in_every_form_that_it_is_written_in() -> None:
    other = Ed25519PrivateKey.generate()
    pem = other.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    key = PublicKey(other.public_key().public_bytes_raw())
    assert PublicKey.parse(pem) == PublicKey.parse(str(key)) == PublicKey.parse(json.dumps(key.jwk)) == key
    private = PrivateKey.parse(other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode())
    assert private.public == key
    assert PrivateKey.parse(private.pem).public == key
    assert PrivateKey.parse(json.dumps({**JWK, "d": D})).public == KEY.public
    assert D not in repr(KEY)


def test_what_is_no_private_key_of_ours_is_said() -> None:
    ec = generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    for text, said in (
        (ec, "but not of Ed25519"),
        ("nonsense", "no private key"),
        ("{", "not JSON"),
        (json.dumps(JWK), "no private JWK"),
        (json.dumps({**JWK, "d": X}), "do not belong together"),
    ):
        with pytest.raises(UsageError, match=said) as caught:
            PrivateKey.parse(text)
        assert "openssl genpkey" in caught.value.hint


@pytest.mark.parametrize(
    "text",
    [
        f"ed25519:{X}=",
        f"ed25519:{X[:-1]}p",
        f"ed25519:{X[:-1]}",
        f"ED25519:{X}",
        json.dumps({**JWK, "crv": "X25519"}),
        json.dumps({**JWK, "kty": "EC"}),
        json.dumps({**JWK, "d": D}),
        json.dumps({**JWK, "x": 3}),
        "[]",
        "",
        "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----",
    ],
)
def test_what_is_no_public_key_is_none(text: str) -> None:
    assert PublicKey.parse(text) is None


def test_a_key_under_which_anybody_can_sign_is_none() -> None:
    """With the neutral element as key, R = the neutral element and S = 0 is a signature over every message."""
    neutral = bytes([1]) + bytes(31)
    forged = neutral + bytes(32)
    assert PublicKey(neutral).verifies(b"anything", forged), "the danger is real"
    assert PublicKey.parse(f"ed25519:{b64url(neutral)}") is None
    assert PublicKey.from_jwk({**JWK, "x": b64url(neutral)}) is None


@given(st.binary(max_size=80))
def test_base64url_has_one_form(data: bytes) -> None:
    text = b64url(data)
    assert text == base64.urlsafe_b64encode(data).rstrip(b"=").decode()
    assert from_b64url(text) == data


@given(st.text("AQgwEIz-_=+/ \n", max_size=12))
def test_nothing_else_is_read_as_base64url(text: str) -> None:
    data = from_b64url(text)
    assert data is None or b64url(data) == text


def test_other_libraries_read_what_we_sign_and_sign_what_we_read() -> None:
    claims = {"b": [1, "ü"], "a": None}
    ours = KEY.signed("plan", claims)
    read = jws.deserialize_compact(ours, OKPKey.import_key(dict(JWK)), algorithms=["Ed25519"])
    assert json.loads(read.payload or b"") == claims
    theirs = jws.serialize_compact(
        {"alg": "Ed25519", "typ": "bailiwick-plan+jws"},
        json.dumps(claims, sort_keys=True, separators=(",", ":"), ensure_ascii=False),
        OKPKey.import_key({**JWK, "d": D}),
        algorithms=["Ed25519"],
    )
    assert theirs == ours
    signed = read_signed("plan", ours, longest=1000)
    assert signed is not None
    assert signed.claims == claims
    assert signed.by(KEY.public)
    assert not signed.by(PrivateKey(bytes(32)).public)


@pytest.mark.parametrize("case", FORMS, ids=[case["name"] for case in FORMS])
def test_what_is_no_signed_text_to_the_letter_is_none(case: dict[str, Any]) -> None:
    header, payload = case.get("header", '{"alg":"Ed25519","typ":"bailiwick-plan+jws"}'), case.get("payload", '{"a":1}')
    message = f"{b64url(header.encode())}.{b64url(payload.encode('utf-8', 'surrogatepass'))}"
    text = f"{message}.{b64url(KEY.sign(message.encode()))}"
    text = text.replace(*case["replace"]) if "replace" in case else text
    text = case.get("before", "") + text + case.get("after", "")
    assert (read_signed("plan", text, longest=1000) is not None) is case.get("good", False)


def test_a_memory_of_signatures_remembers_valid_ones_alone_and_only_so_many() -> None:
    known = KnownSignatures(size=8)
    for number in range(100):
        message = b"%d" % number
        signature = KEY.sign(message)
        assert not known(KEY.public, message, signature[:-1] + bytes([signature[-1] ^ 1]))
        assert known(KEY.public, message, signature)
        assert known(KEY.public, message, signature)
        assert not known(KEY.public, message + b"0", signature)
        assert not known(PrivateKey(bytes(32)).public, message, signature)
        assert len(known) <= 8
