"""An event as bytes, and back. What is stored, hashed and proved is exactly these bytes. DESIGN §5 *Audit*.

Writing takes two steps. `seal` does all that does not depend on the event's place: it checks the closed schema, puts
the body into canonical form and commits to the contents. `place` adds log, seq and ord when the log knows them. So
whatever can be wrong with a draft shows before it shares a transaction with others.

A commitment is HMAC-SHA-256 over the content, keyed with a salt of 32 bytes that comes from the key of those whom the
content is about (`audit.sealing`): with that key goes whatever a guess could be tried on, and every proof stays valid.
A log without keys draws its salts at random, and keeps them and its contents as they are.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import NamedTuple

from bailiwick.audit.schema import COMMITMENT, ENVELOPE, body_fault
from bailiwick.audit.sealing import ADDRESS_BYTES, NONCE_BYTES, Secrets
from bailiwick.audit.upcast import UPCASTERS, Upcaster, upcast
from bailiwick.errors import CanonicalError
from bailiwick.model.canonical import Json, encode, parse
from bailiwick.model.event import ENVELOPE_VERSION, Content, Draft, Event, EventKind

__all__ = [
    "MAX_EVENT_BYTES",
    "SALT_BYTES",
    "Sealed",
    "SealedContent",
    "SecretsOf",
    "commit",
    "event_of",
    "matches",
    "place",
    "plain_of",
    "read",
    "seal",
]

SALT_BYTES = 32
MAX_EVENT_BYTES = 65_535
"""What an entry of a C2SP tlog-tiles bundle can hold: a larger event could never be published."""

PLACE_BYTES = 200
"""More than log, seq, ord and what stands between the parts add to an event."""

_BEFORE = ("actor", "body", "commitments", "env", "id", "kind")
_AFTER = ("session", "task", "tenant", "ts_us", "v")
"""The fields before and after those of the place, in canonical order; `parents` stands among these."""


class SealedContent(NamedTuple):
    """What lies beside the log of one content. `data` is the blob that `address` stands for, sealed under `key`; where
    that is empty it is the content itself, and `salt` that of its commitment."""

    role: str
    salt: bytes
    data: bytes
    address: bytes = b""
    key: str = ""


class Sealed(NamedTuple):
    """A draft that fits the schema and is encoded, waiting for its place: `parts` are the event's bytes around it."""

    draft: Draft
    parts: tuple[bytes, bytes, bytes]
    contents: tuple[SealedContent, ...]


def commit(salt: bytes, data: bytes) -> str:
    """The commitment to a content: `hmac-sha256:<hex>`. `salt` is SALT_BYTES long."""
    if len(salt) != SALT_BYTES:
        raise ValueError(f"a salt has {SALT_BYTES} bytes, not {len(salt)}")
    return COMMITMENT + hmac.digest(salt, data, "sha256").hex()


def matches(commitment: str, salt: bytes, data: bytes) -> bool:
    """Whether this is the content committed to. (HMAC pads short keys with zeros, so the salt's length counts.)"""
    return len(salt) == SALT_BYTES and hmac.compare_digest(commitment.encode(), commit(salt, data).encode())


SecretsOf = Callable[[Draft, Content], Secrets]
"""By which secrets a content of a draft is committed to and sealed. Raises StoreError."""


def seal(draft: Draft, entropy: Callable[[int], bytes], secrets: SecretsOf | None = None) -> Sealed:
    """Check a draft, commit to its contents and seal them. `entropy` gives that many random bytes.

    Raises CanonicalError: a field outside the schema or missing, two contents of one role, a value without canonical
    encoding, or more than MAX_EVENT_BYTES.
    """
    contents: list[SealedContent] = []
    commitments: dict[str, str] = {}
    for content in draft.contents:
        commitments[content.role], kept = _sealed(draft, content, entropy, secrets)
        contents.append(kept)
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
    parts = (
        encode({name: plain[name] for name in _BEFORE}),
        encode(plain["parents"]),
        encode({name: plain[name] for name in _AFTER}),
    )
    if sum(map(len, parts)) > MAX_EVENT_BYTES - PLACE_BYTES:
        raise CanonicalError(
            f"{draft.kind.value} event is larger than {MAX_EVENT_BYTES} bytes", hint="record long data as a content"
        )
    return Sealed(draft=draft, parts=parts, contents=tuple(contents))


def _sealed(
    draft: Draft, content: Content, entropy: Callable[[int], bytes], secrets: SecretsOf | None
) -> tuple[str, SealedContent]:
    """The commitment to a content, and what is kept of it."""
    if secrets is None:
        salt = entropy(SALT_BYTES)
        kept = SealedContent(role=content.role, salt=salt, data=content.data, address=salt[:ADDRESS_BYTES])
        return commit(salt, content.data), kept
    under = secrets(draft, content)
    address = under.address(content.data)
    blob = under.seal(address, content.data, entropy(NONCE_BYTES))
    return (
        commit(under.salt(draft.id, content.role), content.data),
        SealedContent(role=content.role, salt=b"", data=blob, address=address, key=under.key),
    )


def place(sealed: Sealed, *, log: str, seq: int, ord_: int) -> bytes:
    """The event's bytes at this place: the canonical encoding of the whole, put together from its parts."""
    before, parents, after = sealed.parts
    return b'%b,"log":%b,"ord":%d,"parents":%b,"seq":%d,%b' % (before[:-1], encode(log), ord_, parents, seq, after[1:])


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
    event = event_of(plain, EventKind(str(plain["kind"])))
    return event if event.v == stored["v"] else replace(event, v=_version(stored["v"]))


# A frozen dataclass sets each field through a call of `object.__setattr__`; whoever reads a whole log has many of them.
_FIELDS = tuple(
    (name, Event.__dict__[name].__set__)
    for name in ("v", "id", "log", "seq", "ts_us", "tenant", "env", "session", "ord", "task", "body", "commitments")
)
_SET_KIND, _SET_ACTOR, _SET_PARENTS = (Event.__dict__[name].__set__ for name in ("kind", "actor", "parents"))


def event_of(plain: Mapping[str, Json], kind: EventKind) -> Event:
    """The event of this kind that ENVELOPE and the kind's schema have found no fault with."""
    event = Event.__new__(Event)
    for name, set_field in _FIELDS:
        set_field(event, plain[name])
    _SET_KIND(event, kind)
    _SET_ACTOR(event, _strings(plain["actor"]))
    _SET_PARENTS(event, _strings(plain["parents"]))
    return event


def plain_of(event: Event) -> dict[str, object]:
    """The opposite: the event as it stands in its log, for JSON."""
    return {
        "v": event.v,
        "id": event.id,
        "log": event.log,
        "seq": event.seq,
        "kind": event.kind.value,
        "ts_us": event.ts_us,
        "tenant": event.tenant,
        "env": event.env,
        "session": event.session,
        "ord": event.ord,
        "task": event.task,
        "actor": list(event.actor),
        "parents": list(event.parents),
        "body": dict(event.body),
        "commitments": dict(event.commitments),
    }


def _version(value: Json) -> int:
    assert isinstance(value, int)
    return value


def _strings(value: Json) -> tuple[str, ...]:
    assert isinstance(value, list)
    return tuple(value)  # type: ignore[arg-type]  # ENVELOPE has found texts in it
