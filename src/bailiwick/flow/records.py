"""What a ledger keeps of one content, and the port to where it is kept.

A row is one content (or only the fact that a text is known) as canonical JSON (`bailiwick.flow.row_codec`). It holds no
content: a label, digests of texts and atoms, the values that are endorsed, and of a prompt the user's own words, which
endorsement needs as they are.

INVARIANT: rows are idempotent and commute as far as labels go: taking in a row twice, or rows of two processes in any
order, gives the join of all their labels. A lost or repeated row can therefore never lower one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from bailiwick.flow.backing import BackingKind
from bailiwick.flow.handles import Handle
from bailiwick.flow.intent import Utterance
from bailiwick.flow.part_labels import Parts
from bailiwick.flow.said import Said
from bailiwick.model.label import Label
from bailiwick.model.tool import Role

__all__ = [
    "NO_ROW",
    "ContentOrigin",
    "ContentRecord",
    "Crossed",
    "Endorsement",
    "LedgerRow",
    "LedgerStore",
    "RowKind",
    "Seen",
    "text_digest",
]


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
    """`value` as a whole may be used in arguments of `role`. `by` says on whose authority, in words for people; the
    rest says by which way, as in `Backing`. A value too short to name anything holds for tools of its `store` alone."""

    value: str
    role: Role
    by: str
    kind: BackingKind = BackingKind.FIELD
    record: str = ""
    chain: frozenset[str] = frozenset()
    clauses: frozenset[str] = frozenset()
    store: str = ""
    within: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Content that comes into a session's sight other than as a tool's result.

    `value` is a text or a JSON-like value. `label` None means the careful one for its origin: of what the root
    principal typed and the developer wrote it is known who wrote it; everything else is untrusted, of the highest level
    and readable by nobody. `own` is the part of `label` that the content brings itself, where the rest is that of what
    it was made from, `under` as in `ContentRecord`. `texts` are further forms in which a model may be shown it,
    `said_in` the event of another session that holds it."""

    origin: ContentOrigin
    source: str
    value: object
    label: Label | None = None
    own: Label | None = None
    under: str = ""
    endorses: tuple[Endorsement, ...] = ()
    texts: tuple[str, ...] = ()
    said_in: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossed:
    """Words (or a whole command) of somebody's own that crossed to this session with a hand-over message."""

    text: str
    by: str
    command: bool = False
    kind: BackingKind = BackingKind.WORDS
    clauses: tuple[str, ...] = ()


class RowKind(StrEnum):
    CONTENT = "content"
    ENDORSED = "endorsed"
    """A value that a person released for this session."""
    DECLASSIFIED = "declassified"
    """Data that may go to somebody whatever its label."""
    INSPECTED = "inspected"
    """A question that was asked about a hidden content."""
    KNOWN = "known"
    """Texts that a model may be shown without further label: its own, and those that bailiwick made."""
    RAN = "ran"
    """A call that was started, in this session or in one that works with it."""
    WRITTEN = "written"
    """Values that the agent handed to a tool that stores or sends them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerRow:
    """`ord` is the row's place in its session's store, from 0; rows that are not stored yet count from 0 in their
    ledger. `payload` is canonical JSON."""

    ord: int
    kind: RowKind
    payload: bytes


NO_ROW = LedgerRow(ord=-1, kind=RowKind.CONTENT, payload=b"")


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
    missing. `words` are somebody's own words, and `words_by` whose; `asked` the clauses that were said in the session
    that handed work to this one, `ran` the calls that ran there. `written` are keys of values that the call handed
    on; `written_all` that there were too many to list. `own` is the part of `label` that counts as strict content of
    its own (None: all of it); where `under` is set, only for that strictness. A `hidden` content was not seen: a
    handle stands for it. `handles` are those that the session may use from here on."""

    content: str
    event: str
    source: str
    origin: ContentOrigin
    label: Label
    own: Label | None = None
    under: str = ""
    texts: tuple[str, ...] = ()
    atoms: tuple[tuple[str, str], ...] = ()
    truncated: bool = False
    endorses: tuple[Endorsement, ...] = ()
    words: str = ""
    words_by: str = ""
    crossed: tuple[Crossed, ...] = ()
    asked: tuple[Utterance, ...] = ()
    ran: tuple[str, ...] = ()
    said: tuple[Said, ...] = ()
    parts: Parts = ()
    """Labels of parts that are less strict than the whole."""
    written: tuple[str, ...] = ()
    written_all: bool = False
    hidden: bool = False
    handed: bool = False
    """Whether the call handed something to a sink."""
    handles: tuple[Handle, ...] = ()
    row: LedgerRow = field(default=NO_ROW, compare=False, repr=False)
    """All of the above as the row to store; set by the ledger that took the record in."""


def text_digest(text: str) -> str:
    """By what a text is known: SHA-256 in hex over its UTF-8."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
