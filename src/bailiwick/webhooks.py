"""Signatures of messages between servers, for both ends: we sign, and a receiver that is written in Python verifies.

    from bailiwick.webhooks import verify

    message_id = verify(body, headers, secrets=[secret], now_s=time.time())

The scheme is Standard Webhooks 1.0.0 (https://www.standardwebhooks.com), symmetric: HMAC-SHA256 with a secret
`whsec_<base64 of 24 to 64 bytes>` over `id.timestamp.body`, in the headers `webhook-id`, `webhook-timestamp` (seconds)
and `webhook-signature` (`v1,<base64>`, several with a space between them while a secret is replaced). Receivers in
other languages can use any library of that scheme.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable, Mapping

from bailiwick.errors import UsageError, WebhookRefused

__all__ = ["TOLERANCE_S", "headers_of", "secret_key", "verify"]

TOLERANCE_S = 300
"""So far may the clocks of both ends differ, and so long may a message be on its way."""
_PREFIX = "whsec_"
_SIZES = range(24, 65)
_MAX_SIGNATURES = 16


def secret_key(secret: str) -> bytes:
    """The bytes of a secret. Raises UsageError for anything else, without telling what it was."""
    hint = "make one: python -c \"import base64, os; print('whsec_' + base64.b64encode(os.urandom(32)).decode())\""
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True) if secret.startswith(_PREFIX) else b""
    except (binascii.Error, ValueError):
        key = b""
    if len(key) not in _SIZES:
        raise UsageError("a secret of a webhook is whsec_ and the base64 of 24 to 64 bytes", hint=hint)
    return key


def headers_of(body: bytes, *, message_id: str, at_s: int, secrets: Iterable[str]) -> dict[str, str]:
    """The headers that go with a body: one signature for each secret. Raises UsageError for what is no secret, and for
    an id with a full stop, which could be read as another id and time."""
    if "." in message_id or not message_id:
        raise UsageError("the id of a message holds no full stop", hint="use letters, digits, _ and -")
    keys = [secret_key(secret) for secret in secrets]
    signed = " ".join(f"v1,{_signature(key, message_id, str(at_s), body)}" for key in keys)
    return {"webhook-id": message_id, "webhook-timestamp": str(at_s), "webhook-signature": signed}


def verify(
    body: bytes, headers: Mapping[str, str], *, secrets: Iterable[str], now_s: float, tolerance_s: int = TOLERANCE_S
) -> str:
    """The id of a message that is genuine and recent. `body` is what came, byte by byte: parse it afterwards. Several
    `secrets` while one is replaced.

    Whoever acts on messages keeps the ids for as long as `tolerance_s` at least, and takes each once: one that comes
    again within that time is genuine too. Raises WebhookRefused."""
    given = {name.lower(): value for name, value in headers.items()}
    message_id, at, signatures = (given.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature"))
    if not (message_id and at and signatures):
        raise WebhookRefused("the message is not signed", hint="it has no webhook-id, -timestamp or -signature")
    if not (at.isascii() and at.isdecimal() and len(at) <= 12) or abs(now_s - int(at)) > tolerance_s:
        raise WebhookRefused("the message is not recent", hint="somebody repeats it, or a clock is wrong")
    found = signatures.split(" ")[:_MAX_SIGNATURES]
    genuine = False
    for key in [secret_key(secret) for secret in secrets]:
        wanted = f"v1,{_signature(key, message_id, at, body)}".encode()
        for each in found:
            genuine = hmac.compare_digest(wanted, each.encode("utf-8", "replace")) or genuine
    if not genuine:
        raise WebhookRefused("the signature is not that of this message", hint="do nothing with it")
    return message_id


def _signature(key: bytes, message_id: str, at: str, body: bytes) -> str:
    signed = message_id.encode() + b"." + at.encode() + b"." + body
    return base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
