"""Signatures of webhooks, at both ends; the vector is the specification's own form, worked out by hand with hmac."""

from __future__ import annotations

import base64
import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bailiwick.errors import UsageError, WebhookRefused
from bailiwick.webhooks import TOLERANCE_S, headers_of, secret_key, verify
from tests.channels.world import SECRET, secret

BODY = b'{"type":"approval.requested"}'
AT = 1_800_000_000


def signed(*secrets: str, body: bytes = BODY, message_id: str = "msg_1") -> dict[str, str]:
    return headers_of(body, message_id=message_id, at_s=AT, secrets=secrets or (SECRET,))


def test_the_signature_is_that_of_standard_webhooks() -> None:
    wanted = hmac.new(b"k" * 32, b"msg_1.1800000000." + BODY, hashlib.sha256).digest()
    assert signed() == {
        "webhook-id": "msg_1",
        "webhook-timestamp": "1800000000",
        "webhook-signature": "v1," + base64.b64encode(wanted).decode(),
    }


@given(body=st.binary(max_size=200), name=st.from_regex(r"[A-Za-z0-9_-]{1,40}", fullmatch=True))
def test_what_was_signed_is_genuine_whatever_the_case_of_its_headers(body: bytes, name: str) -> None:
    headers = {key.title(): value for key, value in signed(body=body, message_id=name).items()}
    assert verify(body, headers, secrets=[SECRET], now_s=AT + TOLERANCE_S) == name


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"body": BODY + b" "}, "signature"),
        ({"webhook-id": "msg_2"}, "signature"),
        ({"webhook-timestamp": str(AT + 1)}, "signature"),
        ({"webhook-signature": "v1,"}, "signature"),
        ({"webhook-signature": "v2," + signed()["webhook-signature"][3:]}, "signature"),
        ({"webhook-signature": "v1," + "\u00e4" * 44}, "signature"),
        ({"webhook-signature": ""}, "not signed"),
        ({"webhook-id": ""}, "not signed"),
        ({"webhook-timestamp": "soon"}, "recent"),
        ({"webhook-timestamp": "\u0661"}, "recent"),
        ({"now": AT + TOLERANCE_S + 1}, "recent"),
        ({"now": AT - TOLERANCE_S - 1}, "recent"),
        ({"secrets": [secret("x")]}, "signature"),
        ({"secrets": []}, "signature"),
    ],
)
def test_what_was_changed_repeated_or_signed_by_others_is_refused(change: dict[str, object], said: str) -> None:
    headers = {**signed(), **{key: str(value) for key, value in change.items() if key.startswith("webhook-")}}
    body, secrets, now = change.get("body", BODY), change.get("secrets", [SECRET]), change.get("now", AT)
    assert isinstance(body, bytes)
    assert isinstance(secrets, list)
    assert isinstance(now, int)
    with pytest.raises(WebhookRefused, match=said):
        verify(body, headers, secrets=secrets, now_s=now)


def test_while_a_secret_is_replaced_either_end_may_be_first() -> None:
    old, new = secret("o"), secret("n")
    for sender, receiver in (((new, old), [old]), ((new, old), [new]), ((new,), [new, old]), ((old,), [new, old])):
        assert verify(BODY, signed(*sender), secrets=receiver, now_s=AT) == "msg_1"
    with pytest.raises(WebhookRefused):
        verify(BODY, signed(new), secrets=[old], now_s=AT)


@pytest.mark.parametrize("text", ["", "whsec_", "whsec_!!!", "whsec_" + base64.b64encode(b"short").decode(), "k" * 32])
def test_what_is_no_secret_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(UsageError) as refused:
        secret_key(text)
    assert not text or text == "whsec_" or text not in str(refused.value)


def test_an_id_cannot_be_read_as_another_id_and_time() -> None:
    with pytest.raises(UsageError):
        signed(message_id="msg.1")
