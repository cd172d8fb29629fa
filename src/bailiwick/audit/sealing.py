"""What contents are sealed with, so that taking away a person's key takes away all that is kept about them.

A *subject* is somebody whom contents are about: `user:alice`, `service:nightly`, or `project` where nobody acted. Every
subject has a key of 32 random bytes (`ContentKeys`). Contents about several are sealed under a key that takes all of
theirs, so they go with any of them. All that follows is derived from that key, for one session in one log:

- the *salt* of a content's commitment (`audit.envelope`), by event and role. It is stored nowhere: whoever has a guess,
  the log and all that lies beside it, and not the key, cannot find out whether the guess is right;
- the *address*, a keyed hash of the content, under which equal contents of a session are stored once;
- the key of the *blob*: AES-256-GCM (NIST SP 800-38D) with a random nonce. Its associated data are log, session and
  address, so a blob that is put in the place of another one does not open.

INVARIANT: nothing that is derived here leaves the process but addresses and blobs. DESIGN §5 *Audit*.
"""

from __future__ import annotations

import hmac
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from bailiwick.model.event import PROJECT, Draft

__all__ = [
    "ADDRESS_BYTES",
    "KEY_BYTES",
    "NONCE_BYTES",
    "Secrets",
    "combined",
    "key_ids",
    "key_name",
    "subject_of_link",
    "subjects_of",
]

KEY_BYTES = 32
NONCE_BYTES = 12
ADDRESS_BYTES = 16

_WHO = ("by", "user", "person", "approver")
"""Fields of a body that name the person who acted, where the event has no chain."""


def subject_of_link(link: str) -> str:
    """The subject that a link of a chain is (`User::"alice"`); the link itself if it is neither user nor service."""
    kind, found, name = link.partition('::"')
    return f"{kind.lower()}:{name.removesuffix(chr(34))}" if found and kind in ("User", "Service") else link


def subjects_of(draft: Draft, extra: Collection[str] = ()) -> frozenset[str]:
    """Whom a content of this event is about: the root of its chain, or the person who acted, or the project itself; and
    whom the content names besides."""
    if draft.actor:
        root = subject_of_link(draft.actor[0])
    else:
        named = [draft.body.get(name) for name in _WHO]
        people = [f"user:{name}" for name in named if isinstance(name, str) and name]
        root = people[0] if people else PROJECT
    return frozenset((root, *extra))


def key_name(ids: Collection[str]) -> str:
    """By which name the key of these subjects' keys is found again."""
    return "+".join(sorted(set(ids)))


def key_ids(name: str) -> tuple[str, ...]:
    """The ids of the subjects' keys that this one takes."""
    return tuple(name.split("+"))


def combined(name: str, keys: Sequence[bytes]) -> bytes:
    """The key that takes all of these, in the order of the ids in `name`."""
    if len(keys) != len(key_ids(name)) or any(len(key) != KEY_BYTES for key in keys):
        raise ValueError(f"a key of {len(key_ids(name))} keys with {KEY_BYTES} bytes each")
    return hmac.digest(b"".join(keys), b"bailiwick contents 1\x00" + name.encode(), "sha256")


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    """The secrets of one session in one log, under one key."""

    key: str
    _place: bytes
    _salting: hmac.HMAC = field(repr=False)
    _addressing: hmac.HMAC = field(repr=False)
    _cipher: AESGCM = field(repr=False)

    @classmethod
    def of(cls, name: str, key: bytes, *, log: str, session: str) -> Secrets:
        """`key` is what `combined` gave for `name`."""
        place = _framed(log, session)
        made = (hmac.digest(key, purpose + place, "sha256") for purpose in (b"salt\x00", b"address\x00", b"blob\x00"))
        salting, addressing, sealing = made
        return cls(
            key=name,
            _place=place,
            _salting=hmac.new(salting, digestmod="sha256"),
            _addressing=hmac.new(addressing, digestmod="sha256"),
            _cipher=AESGCM(sealing),
        )

    def salt(self, event: str, role: str) -> bytes:
        """The salt of this content's commitment, 32 bytes."""
        return _mac(self._salting, _framed(event, role))

    def address(self, data: bytes) -> bytes:
        return _mac(self._addressing, data)[:ADDRESS_BYTES]

    def seal(self, address: bytes, data: bytes, nonce: bytes) -> bytes:
        """The blob. `nonce` is NONCE_BYTES long and never used again."""
        return nonce + self._cipher.encrypt(nonce, data, self._place + address)

    def open(self, address: bytes, blob: bytes) -> bytes | None:
        """The content; None if this is not the blob that was sealed for this place."""
        try:
            return self._cipher.decrypt(blob[:NONCE_BYTES], blob[NONCE_BYTES:], self._place + address)
        except (InvalidTag, ValueError):
            return None


def _mac(keyed: hmac.HMAC, data: bytes) -> bytes:
    """The code of `data`. Copying what is keyed already costs half of keying it anew."""
    taken = keyed.copy()
    taken.update(data)
    return taken.digest()


def _framed(*texts: str) -> bytes:
    """Each text after its length, so that no two series of texts read alike."""
    framed = b""
    for text in texts:
        part = text.encode("utf-8", "surrogatepass")
        framed += len(part).to_bytes(4, "big") + part
    return framed
