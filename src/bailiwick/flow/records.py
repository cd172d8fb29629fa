"""What a ledger keeps of one content, how that is written down, and the port to where it is kept.

A row is one content (or only the fact that a text is known) as canonical JSON. It holds no content: a label, digests of
texts and atoms, the values that are endorsed, and of a prompt the user's own words, which endorsement needs as they
are.

INVARIANT: rows are idempotent and commute as far as labels go: taking in a row twice, or rows of two processes in any
order, gives the join of all their labels. A lost or repeated row can therefore never lower one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, TypeVar

from bailiwick.errors import CanonicalError, StoreError
from bailiwick.model.canonical import Json, canonical, parse
from bailiwick.model.label import Integrity, Label
from bailiwick.model.tool import Role

__all__ = [
    "ContentOrigin",
    "ContentRecord",
    "Crossed",
    "Endorsement",
    "LedgerRow",
    "LedgerStore",
    "RowKind",
    "Seen",
    "decode",
    "encode",
    "text_digest",
]

T = TypeVar("T")


class ContentOrigin(StrEnum):
    """How content came into a session."""

    PROMPT = "prompt"
    """Typed by the root principal: the root of endorsement."""
    INSTRUCTIONS = "instructions"
    """The developer's: trusted, endorses nothing."""
    RETRIEVED = "retrieved"
    RESULT = "result"
    MESSAGE = "message"
    """From another agent or system."""
    MODEL = "model"
    """Written by the model itself: as sensitive as all that it has seen, endorses nothing."""
    UNKNOWN = "unknown"
    """Found in the model's input, and nobody vouches for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endorsement:
    """`value` as a whole may be used in arguments of `role`. `by` says on whose authority, in words for people."""

    value: str
    role: Role
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Content that comes into a session's sight other than as a tool's result.

    `value` is a text or a JSON-like value. `label` None means the careful one for its origin: of what the root
    principal typed and the developer wrote it is known who wrote it; everything else is untrusted, of the highest level
    and readable by nobody. `texts` are further forms in which a model may be shown it."""

    origin: ContentOrigin
    source: str
    value: object
    label: Label | None = None
    endorses: tuple[Endorsement, ...] = ()
    texts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossed:
    """Words (or a whole command) of somebody's own that crossed to this session with a hand-over message."""

    text: str
    by: str
    command: bool = False


class RowKind(StrEnum):
    CONTENT = "content"
    KNOWN = "known"
    """Texts that a model may be shown without further label: its own, and those that bailiwick made."""
    WRITTEN = "written"
    """Values that the agent handed to a tool that stores or sends them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerRow:
    """`ord` is the row's place in its session's store, from 0; rows that are not stored yet count from 0 in their
    ledger. `payload` is canonical JSON."""

    ord: int
    kind: RowKind
    payload: bytes


_NO_ROW = LedgerRow(ord=-1, kind=RowKind.CONTENT, payload=b"")


class LedgerStore(Protocol):
    """Where rows are kept. `session_id` is a SessionKey's id, so tenant and environment are part of it.

    Methods raise StoreError; a session whose rows cannot be read or written is denied."""

    def append(self, session_id: str, rows: Sequence[LedgerRow]) -> Sequence[int]:
        """Store `rows` in order, all or none, durably. → the ord that each was given: one more than the highest of the
        session so far (the first is 0), without gaps. The rows' own `ord` is ignored."""
        ...

    def load(self, session_id: str, after_ord: int) -> Sequence[LedgerRow]:
        """Rows with an ord above `after_ord` (-1: all), in order."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentRecord:
    """What is kept of one content.

    `texts` are digests of the texts that a model may be shown; `atoms` (key, path); `truncated` if origins may be
    missing. `words` are somebody's own words, and `words_by` whose. `written` are keys of values that the call handed
    on; `written_all` that there were too many to list."""

    content: str
    event: str
    source: str
    origin: ContentOrigin
    label: Label
    texts: tuple[str, ...] = ()
    atoms: tuple[tuple[str, str], ...] = ()
    truncated: bool = False
    endorses: tuple[Endorsement, ...] = ()
    words: str = ""
    words_by: str = ""
    crossed: tuple[Crossed, ...] = ()
    written: tuple[str, ...] = ()
    written_all: bool = False
    row: LedgerRow = field(default=_NO_ROW, compare=False, repr=False)
    """All of the above as the row to store; set by the ledger that took the record in."""


def text_digest(text: str) -> str:
    """By what a text is known: SHA-256 in hex over its UTF-8."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def encode(record: ContentRecord) -> bytes:
    """Canonical bytes of a record. Empty parts are left out; atoms are one flat list, which is compact and quick."""
    label = record.label
    body: dict[str, object] = {
        "content": record.content,
        "event": record.event,
        "source": record.source,
        "origin": record.origin.value,
        "label": {
            "s": label.sensitivity,
            "c": sorted(label.categories),
            "r": None if label.readers is None else sorted(label.readers),
            "i": int(label.integrity),
            "o": sorted(label.sources),
            "a": label.author,
        },
        "texts": list(record.texts),
        "atoms": [part for atom in record.atoms for part in atom],
        "truncated": record.truncated,
        "endorses": [[given.value, given.role.value, given.by] for given in record.endorses],
        "words": record.words,
        "words_by": record.words_by,
        "crossed": [[given.text, given.by, given.command] for given in record.crossed],
        "written": list(record.written),
        "written_all": record.written_all,
    }
    return canonical({name: part for name, part in body.items() if part or name == "label"})


def decode(row: LedgerRow) -> ContentRecord:
    """The record of a CONTENT row. Raises StoreError if it cannot be understood: a session is not restored in part."""
    body = fields(row)
    try:
        return _record(body)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise unreadable(row) from error


def fields(row: LedgerRow) -> Mapping[str, Json]:
    """The JSON object of a row. Raises StoreError."""
    try:
        body = parse(row.payload)
    except CanonicalError as error:
        raise unreadable(row) from error
    if not isinstance(body, dict):
        raise unreadable(row)
    return body


def unreadable(row: LedgerRow) -> StoreError:
    return StoreError(
        f"row {row.ord} of this session's ledger cannot be read",
        hint="start a new conversation; what this one has seen is not known any more",
    )


def _record(body: Mapping[str, object]) -> ContentRecord:
    atoms = _texts(body, "atoms")
    label: dict[str, object] = _as(dict, body["label"])
    return ContentRecord(
        content=_as(str, body["content"]),
        event=_as(str, body["event"]),
        source=_as(str, body["source"]),
        origin=ContentOrigin(_as(str, body["origin"])),
        label=Label(
            sensitivity=_as(int, label["s"]),
            categories=frozenset(_texts(label, "c")),
            readers=None if label["r"] is None else frozenset(_texts(label, "r")),
            integrity=Integrity(_as(int, label["i"])),
            sources=frozenset(_texts(label, "o")),
            author=None if label["a"] is None else _as(str, label["a"]),
        ),
        texts=_texts(body, "texts"),
        atoms=tuple(zip(atoms[::2], atoms[1::2], strict=True)),
        truncated=_as(bool, body.get("truncated", False)),
        endorses=tuple(
            Endorsement(value=_as(str, value), role=Role(_as(str, role)), by=_as(str, by))
            for value, role, by in _as(list, body.get("endorses", []))
        ),
        words=_as(str, body.get("words", "")),
        words_by=_as(str, body.get("words_by", "")),
        crossed=tuple(
            Crossed(text=_as(str, text), by=_as(str, by), command=_as(bool, command))
            for text, by, command in _as(list, body.get("crossed", []))
        ),
        written=_texts(body, "written"),
        written_all=_as(bool, body.get("written_all", False)),
    )


def _as(kind: type[T], value: object) -> T:
    if type(value) is not kind:
        raise TypeError(kind.__name__)
    return value


def _texts(body: Mapping[str, object], name: str) -> tuple[str, ...]:
    return tuple(_as(str, item) for item in _as(list, body.get(name, [])))
