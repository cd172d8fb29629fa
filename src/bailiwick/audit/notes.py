"""Signed notes: a text, and signature lines of whoever vouches for it. C2SP signed-note and tlog-cosignature.

Three types of signature are known, by the byte that the key's id is made with:

| byte | signs | used by |
|---|---|---|
| 0x01 Ed25519 | the text | a log |
| 0x04 Ed25519 with a time | `cosignature/v1`, the time, the text | a witness |
| 0x06 ML-DSA-44 with a time | a checkpoint's parts and the signer's name, as `cosigned_message` | a log or a witness |

INVARIANT: `parse` of what `Note.format` wrote gives the same note; signature lines of unknown keys are kept.
INVARIANT: a note counts as signed by a key only if every line with that key's name and id verifies.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import IntEnum
from hashlib import sha256
from typing import Self, assert_never

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA44PublicKey

from bailiwick.audit.checkpoints import Checkpoint, decoded
from bailiwick.errors import NoteError

__all__ = ["KeyType", "Note", "NoteKey", "NoteSigner", "SignatureLine", "Signed", "parse", "signed_by", "valid_name"]

MAX_NOTE = 1_000_000
"""A note may have so many bytes; sixteen ML-DSA-44 signatures take 52 kB."""
MAX_LINES = 100
KEY_ID_BYTES = 4
TIME_BYTES = 8
MAX_TIME = 2**63 - 1
_DASH = "\u2014 "
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")
_LABEL = b"subtree/v1\n\0"
_PRIVATE = "PRIVATE+KEY+"


class KeyType(IntEnum):
    """The signature type identifier byte of a key."""

    ED25519 = 0x01
    COSIGNATURE_ED25519 = 0x04
    COSIGNATURE_MLDSA44 = 0x06

    @property
    def key_bytes(self) -> int:
        return 1312 if self is KeyType.COSIGNATURE_MLDSA44 else 32

    @property
    def signature_bytes(self) -> int:
        """Of the signature in a line, with the time where there is one, without the key id."""
        match self:
            case KeyType.ED25519:
                return 64
            case KeyType.COSIGNATURE_ED25519:
                return TIME_BYTES + 64
            case KeyType.COSIGNATURE_MLDSA44:
                return TIME_BYTES + 2420
        assert_never(self)


def valid_name(name: str) -> bool:
    """Whether a key may be called so: not empty, no space, no plus, no control character."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return bool(name) and "+" not in name and not any(letter.isspace() or letter < " " for letter in name)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureLine:
    """One line under a note, of a known or an unknown key. `signature` is what follows the key id."""

    name: str
    key_id: bytes
    signature: bytes

    def __post_init__(self) -> None:
        if not valid_name(self.name) or len(self.key_id) != KEY_ID_BYTES or not self.signature:
            raise NoteError("a signature line has a name without spaces or plus, a key id and a signature")

    def format(self) -> str:
        """The line, without its newline."""
        return f"{_DASH}{self.name} {b64encode(self.key_id + self.signature).decode()}"

    @classmethod
    def parse(cls, line: str) -> Self:
        """The line that `format` wrote. Raises NoteError."""
        name, space, encoded = line.removeprefix(_DASH).partition(" ")
        if not line.startswith(_DASH) or not space:
            raise NoteError(f"a signature line is an em dash, a name and base64, not {line[:60]!r}")
        data = decoded(encoded)
        return cls(name=name, key_id=data[:KEY_ID_BYTES], signature=data[KEY_ID_BYTES:])


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A text and the signature lines under it. Whether one of them is true says `signed_by`."""

    text: str
    lines: tuple[SignatureLine, ...]

    def __post_init__(self) -> None:
        if not self.text.endswith("\n") or _CONTROL.search(self.text):
            raise NoteError("the text of a note ends with a newline and holds no other control character")
        if self.text.endswith("\n\n") or self.text == "\n":
            raise NoteError("the text of a note does not end with an empty line")

    def format(self) -> str:
        """The note as it is stored and sent."""
        return self.text + "\n" + "".join(f"{line.format()}\n" for line in self.lines)

    def with_lines(self, lines: Iterable[SignatureLine]) -> Note:
        """This note with further lines; one that it has is not repeated."""
        added = tuple(dict.fromkeys((*self.lines, *lines)))
        return Note(text=self.text, lines=added)

    @property
    def checkpoint(self) -> Checkpoint:
        """What the note says, if it is a checkpoint. Raises NoteError."""
        return Checkpoint.parse(self.text)


def parse(data: str | bytes) -> Note:
    """The note in these bytes. Raises NoteError if they are none. Whether its signatures are true is not looked at."""
    try:
        raw = data.encode() if isinstance(data, str) else data
        if len(raw) > MAX_NOTE:
            raise NoteError(f"a note has at most {MAX_NOTE} bytes")
        whole = raw.decode("utf-8")
    except UnicodeError as error:
        raise NoteError("a note is UTF-8") from error
    if _CONTROL.search(whole):
        raise NoteError("a note holds no control character but the newline")
    text, blank, rest = whole.rpartition("\n\n")
    if not blank or not rest.endswith("\n"):
        raise NoteError("a note is a text, an empty line, and signature lines, each of them ended")
    lines = rest.removesuffix("\n").split("\n")
    if len(lines) > MAX_LINES:
        raise NoteError(f"a note has at most {MAX_LINES} signatures")
    return Note(text=text + "\n", lines=tuple(map(SignatureLine.parse, lines)))


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteKey:
    """The public key of whoever signs notes, with the name and the type of signature that it stands for."""

    name: str
    kind: KeyType
    public: bytes
    key_id: bytes = field(init=False, compare=False)

    def __post_init__(self) -> None:
        if not valid_name(self.name) or len(self.public) != self.kind.key_bytes:
            raise NoteError(f"a {self.kind.name} key has a name without spaces or plus and {self.kind.key_bytes} bytes")
        hashed = sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.public)
        object.__setattr__(self, "key_id", hashed.digest()[:KEY_ID_BYTES])

    @property
    def vkey(self) -> str:
        """`name+id+base64(type, key)`: what a verifier is given."""
        return _encoded(self.name, self.key_id, self.kind, self.public)

    @classmethod
    def parse(cls, vkey: str) -> Self:
        """The key of a vkey. Raises NoteError, also if the id is not that of the key."""
        name, key_id, kind, public = _split(vkey, "a verifier key")
        key = cls(name=name, kind=kind, public=public)
        if key.key_id != key_id:
            raise NoteError(f"the id of the verifier key of {name!r} is not that of its key")
        return key

    def renamed(self, name: str) -> Self:
        """The same key under another name, and so with another id: a project signs each log under the log's origin."""
        return type(self)(name=name, kind=self.kind, public=self.public)

    def verify(self, text: str, signature: bytes) -> int | None:
        """The time of a true signature over `text` in seconds, 0 where it has none; None if it is not true."""
        if len(signature) != self.kind.signature_bytes:
            return None
        time = 0 if self.kind is KeyType.ED25519 else int.from_bytes(signature[:TIME_BYTES])
        if time > MAX_TIME:
            return None
        try:
            message = _message(self.name, self.kind, text, time)
            if self.kind is KeyType.COSIGNATURE_MLDSA44:
                MLDSA44PublicKey.from_public_bytes(self.public).verify(signature[TIME_BYTES:], message)
            else:
                Ed25519PublicKey.from_public_bytes(self.public).verify(signature[-64:], message)
        except (InvalidSignature, NoteError, ValueError):
            return None
        return time


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteSigner:
    """A private key: a seed of 32 bytes, whatever the type."""

    name: str
    kind: KeyType
    private: Ed25519PrivateKey | MLDSA44PrivateKey = field(repr=False)
    key: NoteKey = field(init=False)
    """Its public half."""

    def __post_init__(self) -> None:
        expected = MLDSA44PrivateKey if self.kind is KeyType.COSIGNATURE_MLDSA44 else Ed25519PrivateKey
        if not isinstance(self.private, expected):
            raise NoteError(f"this key cannot make {self.kind.name} signatures")
        public = self.private.public_key().public_bytes_raw()
        object.__setattr__(self, "key", NoteKey(name=self.name, kind=self.kind, public=public))

    @classmethod
    def from_seed(cls, name: str, kind: KeyType, seed: bytes) -> Self:
        """The key of this seed of 32 bytes. Raises NoteError."""
        try:
            private = (
                MLDSA44PrivateKey.from_seed_bytes(seed)
                if kind is KeyType.COSIGNATURE_MLDSA44
                else Ed25519PrivateKey.from_private_bytes(seed)
            )
        except ValueError as error:
            raise NoteError(f"this is no seed of a {kind.name} key") from error
        return cls(name=name, kind=kind, private=private)

    @property
    def skey(self) -> str:
        """`PRIVATE+KEY+name+id+base64(type, seed)`. A secret."""
        return _PRIVATE + _encoded(self.name, self.key.key_id, self.kind, self.private.private_bytes_raw())

    @classmethod
    def parse(cls, skey: str) -> Self:
        """The key of a skey. Raises NoteError, which does not repeat it."""
        if not skey.startswith(_PRIVATE):
            raise NoteError("a signer key begins with PRIVATE+KEY+")
        name, key_id, kind, seed = _split(skey.removeprefix(_PRIVATE), "a signer key")
        signer = cls.from_seed(name, kind, seed)
        if signer.key.key_id != key_id:
            raise NoteError(f"the id of the signer key of {name!r} is not that of its key")
        return signer

    def sign(self, text: str, time: int = 0) -> SignatureLine:
        """The signature line of this key over `text`. `time` in seconds, for the types that carry one; 0 makes no
        statement about when. Raises NoteError if this type cannot sign such a text."""
        if not 0 <= time <= MAX_TIME:
            raise NoteError("a time is given in seconds, from 0 to 2^63 - 1")
        stamp = b"" if self.kind is KeyType.ED25519 else time.to_bytes(TIME_BYTES)
        signature = stamp + self.private.sign(_message(self.name, self.kind, text, time))
        return SignatureLine(name=self.name, key_id=self.key.key_id, signature=signature)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """A key whose signature on a note is true. `time` in seconds, 0 where the signature carries none."""

    key: NoteKey
    time: int


def signed_by(note: Note, keys: Iterable[NoteKey]) -> tuple[Signed, ...]:
    """Those of `keys` that signed the note, in the order of the lines, each once with its newest time.

    Raises NoteError if a line of one of these keys is not true: then the note is not to be used."""
    known = {(key.name, key.key_id): key for key in keys}
    found: dict[NoteKey, int] = {}
    for line in note.lines:
        key = known.get((line.name, line.key_id))
        if key is None:
            continue
        time = key.verify(note.text, line.signature)
        if time is None:
            raise NoteError(f"the signature of {line.name!r} is not over this text")
        found[key] = max(time, found.get(key, 0))
    return tuple(Signed(key=key, time=time) for key, time in found.items())


def _message(name: str, kind: KeyType, text: str, time: int) -> bytes:
    """What a key of this type signs."""
    match kind:
        case KeyType.ED25519:
            return text.encode()
        case KeyType.COSIGNATURE_ED25519:
            return f"cosignature/v1\ntime {time}\n{text}".encode()
        case KeyType.COSIGNATURE_MLDSA44:
            checkpoint = Checkpoint.parse(text)
            if checkpoint.extensions:  # such a signature does not cover them: anybody could write others
                raise NoteError("an ML-DSA-44 signature is over a checkpoint without extension lines")
            head = checkpoint.size.to_bytes(8) + checkpoint.root
            return b"".join((_LABEL, _opaque(name), time.to_bytes(8), _opaque(checkpoint.origin), bytes(8), head))
    assert_never(kind)


def _opaque(text: str) -> bytes:
    data = text.encode()
    if not 0 < len(data) < 256:
        raise NoteError("an ML-DSA-44 signature takes names and origins of 1 to 255 bytes")
    return bytes([len(data)]) + data


def _encoded(name: str, key_id: bytes, kind: KeyType, key: bytes) -> str:
    return f"{name}+{key_id.hex()}+{b64encode(bytes([kind]) + key).decode()}"


def _split(text: str, what: str) -> tuple[str, bytes, KeyType, bytes]:
    parts = text.strip().split("+", 2)
    if len(parts) != 3 or not re.fullmatch(r"[0-9a-fA-F]{8}", parts[1]):
        raise NoteError(f"{what} is written name+id+base64")
    try:
        data = decoded(parts[2])
    except NoteError:  # which repeats what it was given: here perhaps a secret
        raise NoteError(f"{what} is written name+id+base64") from None
    if not data or data[0] not in set(KeyType):
        raise NoteError(f"{what} of a type that is not known")
    return parts[0], bytes.fromhex(parts[1]), KeyType(data[0]), data[1:]
