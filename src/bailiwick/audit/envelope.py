"""An event as bytes, and back. What is stored, hashed and proved is exactly these bytes. DESIGN §5 *Audit*.

Writing takes two steps. `seal` does all that does not depend on the event's place: it checks the closed schema, puts
the body into canonical form and commits to the contents. `place` adds log, seq and ord when the log knows them. So
whatever can be wrong with a draft shows before it shares a transaction with others.

A commitment is HMAC-SHA-256 over the content, keyed with 32 random bytes that lie beside the content: deleting both
leaves nothing to guess the content from, and every proof stays valid.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bailiwick.audit.schema import ENVELOPE, body_fault
from bailiwick.audit.upcast import UPCASTERS, Upcaster, upcast
from bailiwick.errors import CanonicalError
from bailiwick.model.canonical import Json, encode, parse
from bailiwick.model.event import ENVELOPE_VERSION, Draft, Event, EventKind

__all__ = ["MAX_EVENT_BYTES", "SALT_BYTES", "Sealed", "SealedContent", "commit", "matches", "place", "read", "seal"]

SALT_BYTES = 32
MAX_EVENT_BYTES = 65_535
"""What an entry of a C2SP tlog-tiles bundle can hold: a larger event could never be published."""

PLACE_BYTES = 100
"""More than log, seq and ord add to an event."""

_PREFIX = "hmac-sha256:"


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedContent:
    """A content with the salt of its commitment: what lies beside the log."""

    role: str
    salt: bytes
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """A draft that fits the schema and can be encoded, waiting for its place. `plain` is the event without it."""

    draft: Draft
    plain: Mapping[str, object]
    contents: tuple[SealedContent, ...]


def commit(salt: bytes, data: bytes) -> str:
    """The commitment to a content: `hmac-sha256:<hex>`. `salt` is SALT_BYTES long."""
    if len(salt) != SALT_BYTES:
        raise ValueError(f"a salt has {SALT_BYTES} bytes, not {len(salt)}")
    return _PREFIX + hmac.digest(salt, data, "sha256").hex()


def matches(commitment: str, salt: bytes, data: bytes) -> bool:
    """Whether this is the content committed to. (HMAC pads short keys with zeros, so the salt's length counts.)"""
    return len(salt) == SALT_BYTES and hmac.compare_digest(commitment.encode(), commit(salt, data).encode())


def seal(draft: Draft, entropy: Callable[[int], bytes]) -> Sealed:
    """Check a draft and commit to its contents. `entropy` gives that many random bytes, for the salts.

    Raises CanonicalError: a field outside the schema or missing, two contents of one role, a value without canonical
    encoding, or more than MAX_EVENT_BYTES.
    """
    contents = tuple(
        SealedContent(role=content.role, salt=entropy(SALT_BYTES), data=content.data) for content in draft.contents
    )
    commitments = {content.role: commit(content.salt, content.data) for content in contents}
    if len(commitments) != len(contents):
        raise CanonicalError(f"event {draft.id} has two contents of one role", hint="give each content its own role")
    body = dict(draft.body)
    plain: dict[str, object] = {
        "v": ENVELOPE_VERSION,
        "id": draft.id,
        "kind": draft.kind.value,
        "ts_us": draft.ts_us,
        "tenant": draft.tenant,
        "env": draft.env,
        "session": draft.session,
        "task": draft.task,
        "actor": draft.actor,
        "parents": draft.parents,
        "body": body,
        "commitments": commitments,
        "log": "",
        "seq": 0,
        "ord": 0,
    }
    wrong = ENVELOPE.fault(plain) or body_fault(draft.kind, body)
    if wrong is not None:
        raise CanonicalError(f"event does not fit its schema: {wrong}", hint="bailiwick.audit.schema lists the fields")
    if len(encode(plain)) > MAX_EVENT_BYTES - PLACE_BYTES:
        raise CanonicalError(
            f"{draft.kind.value} event is larger than {MAX_EVENT_BYTES} bytes", hint="record long data as a content"
        )
    return Sealed(draft=draft, plain=plain, contents=contents)


def place(sealed: Sealed, *, log: str, seq: int, ord_: int) -> bytes:
    """The event's bytes at this place."""
    return encode({**sealed.plain, "log": log, "seq": seq, "ord": ord_})


def read(data: bytes, upcasters: Mapping[int, Upcaster] = UPCASTERS) -> Event:
    """The event that these bytes are, lifted to the current version.

    Raises CanonicalError: not JSON, not the canonical encoding of what they say, of an unknown version, or outside the
    schema.
    """
    stored = parse(data)
    if not isinstance(stored, dict):
        raise CanonicalError("an event is an object")
    if encode(stored) != data:
        raise CanonicalError("the bytes are not in canonical form")
    try:
        plain = upcast(stored, upcasters)
    except ValueError as error:
        raise CanonicalError(str(error), hint="read this log with the version of bailiwick that wrote it") from error
    wrong = ENVELOPE.fault(plain)
    if wrong is None:
        wrong = body_fault(EventKind(str(plain["kind"])), plain["body"])
    if wrong is not None:
        raise CanonicalError(f"event does not fit its schema: {wrong}")
    return _event(plain, stored["v"])


def _event(plain: dict[str, Json], version: Json) -> Event:
    values: dict[str, object] = dict(plain)
    values.update(
        v=version,
        kind=EventKind(str(plain["kind"])),
        actor=_strings(plain["actor"]),
        parents=_strings(plain["parents"]),
    )
    return Event(**values)  # type: ignore[arg-type]  # ENVELOPE has checked every field and its type


def _strings(value: Json) -> tuple[str, ...]:
    assert isinstance(value, list)
    return tuple(str(item) for item in value)
