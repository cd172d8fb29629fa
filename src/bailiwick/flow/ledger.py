"""A session's ledger: everything that it has seen, as far as later decisions need it. DESIGN §5 *Flow*, promises 7 and
8.

INVARIANTS
- The label only rises: it is the join of the labels of all content, and rows of other processes join in.
- A result is labelled at least as strictly as the call that fetched it (`bailiwick.flow.results`).
- Only own words and endorsing fields endorse; nothing that a model wrote ever does.
- Every change is a row, and a ledger is what its rows say: replaying them in order gives an equal ledger.
- A decision costs look-ups, not a walk over what was seen.

Not thread-safe: whoever holds a ledger holds a lock. Ids are passed in.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import assert_never

from bailiwick.flow.atoms import atom_key, atoms
from bailiwick.flow.endorsement import Endorsements
from bailiwick.flow.origins import AtomIndex
from bailiwick.flow.records import (
    ContentOrigin,
    ContentRecord,
    Endorsement,
    LedgerRow,
    LedgerStore,
    RowKind,
    Seen,
    decode,
    encode,
    fields,
    text_digest,
    unreadable,
)
from bailiwick.flow.resolve import Reads, resolve
from bailiwick.flow.results import declared_label, endorsed_values, written_values
from bailiwick.flow.spans import cleaned, holds_others_words, own_words
from bailiwick.model.call import Action
from bailiwick.model.canonical import Json, canonical
from bailiwick.model.decision import FlowFacts
from bailiwick.model.label import PUBLIC_TRUSTED, Integrity, Label, unknown_label
from bailiwick.model.tool import ToolSpec

__all__ = [
    "MAX_MESSAGE",
    "MAX_SOURCES",
    "ContentOrigin",
    "ContentRecord",
    "Endorsement",
    "Ledger",
    "LedgerRow",
    "LedgerStore",
    "Seen",
]

MAX_SOURCES = 64
"""Source names kept in the session's label; MORE_SOURCES stands for the rest. Sources explain and protect nothing."""
MORE_SOURCES = "…"
MAX_MESSAGE = 16_384
"""Characters of a hand-over message that endorsements can cross in."""

USERS_WORDS = "the user's own words"
TASKS_WORDS = "the task"


@dataclass(slots=True, kw_only=True)
class Ledger:
    """`top_sensitivity` is the index of the highest level; `task` the purpose that the session was opened for, which
    endorses like the user's own words (empty for a delegated session: what its delegator endorses crosses in the
    message).
    """

    top_sensitivity: int
    task: str = ""
    _label: Label = PUBLIC_TRUSTED
    _endorsed: Endorsements = field(default_factory=Endorsements)
    _atoms: AtomIndex = field(default_factory=AtomIndex)
    _known: set[str] = field(default_factory=set)
    _taken: set[bytes] = field(default_factory=set)
    _rows: list[LedgerRow] = field(default_factory=list, compare=False)

    def __post_init__(self) -> None:
        self._endorsed.words.add(own_words(self.task), TASKS_WORDS)

    # ── what comes in ──────────────────────────────────────────────────────────────────────────────────────────────

    def ingest(self, seen: Seen, *, content_id: str, event_id: str) -> ContentRecord:
        """Take in content that is not the result of a governed call. → its record, whose `row` is to be stored.

        A prompt that holds anything recognisable as somebody else's words is untrusted, while its own words still
        endorse.
        """
        own, words_by, label = "", "", seen.label
        match seen.origin:
            case ContentOrigin.PROMPT:
                text = seen.value if isinstance(seen.value, str) else ""
                own, words_by = own_words(text), f"{USERS_WORDS} ({event_id})"
                mixed = text != seen.value or holds_others_words(text, own)
                label = _at_least(Integrity.UNTRUSTED if mixed else Integrity.USER, seen)
            case ContentOrigin.INSTRUCTIONS:
                label = _at_least(Integrity.SYSTEM, seen)
            case ContentOrigin.MODEL:
                label = self.label if seen.label is None else self.label.join(seen.label)
            case ContentOrigin.UNKNOWN:
                label = _unvouched(self.top_sensitivity, seen)
            case _:
                label = seen.label or _unvouched(self.top_sensitivity, seen)
        from_model = seen.origin is ContentOrigin.MODEL
        if not from_model:
            label = replace(label, sources=label.sources | {seen.source})
        found = atoms("" if from_model else seen.value)
        return self._take(
            ContentRecord(
                content=content_id,
                event=event_id,
                source=seen.source,
                origin=seen.origin,
                label=label,
                texts=_digests(seen.value, seen.texts),
                atoms=tuple((atom_key(atom), path) for atom, path in found.found),
                truncated=found.truncated,
                endorses=() if from_model or seen.origin is ContentOrigin.UNKNOWN else seen.endorses,
                words=own,
                words_by=words_by if own else "",
            )
        )

    def result(
        self,
        tool: ToolSpec,
        action: Action,
        flow: FlowFacts,
        value: object,
        *,
        content_id: str,
        event_id: str,
        text: str | None = None,
    ) -> ContentRecord:
        """Take in what a permitted call returned. `flow` are the facts that the call was decided on, `text` the form in
        which a model is shown `value`. → its record, whose `row` is to be stored."""
        found = atoms(value)
        written, written_all = written_values(action, flow)
        return self._take(
            ContentRecord(
                content=content_id,
                event=event_id,
                source=f"tool:{tool.name}",
                origin=ContentOrigin.RESULT,
                label=flow.label.join(declared_label(tool, value)),
                texts=_digests(value, () if text is None else (text,)),
                atoms=tuple((atom_key(atom), path) for atom, path in found.found),
                truncated=found.truncated,
                endorses=endorsed_values(tool, action, flow, value, event=event_id),
                written=written,
                written_all=written_all,
            )
        )

    def wrote(self, action: Action, flow: FlowFacts) -> LedgerRow:
        """Note what a call handed to its tool, where no result tells that it ran: it failed, or may have run. → the
        row."""
        keys, everything = written_values(action, flow)
        return self._note(RowKind.WRITTEN, {"written": list(keys), "written_all": everything})

    def know(self, *texts: str) -> LedgerRow:
        """Note texts that a model may be shown without further label: made by bailiwick, or of known content. → the
        row."""
        return self._note(RowKind.KNOWN, {"texts": sorted({text_digest(text) for text in texts})})

    # ── questions ──────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def label(self) -> Label:
        """The session's high-water mark: the join of the labels of everything that it has seen."""
        return self._label

    def knows(self, text: str) -> bool:
        """True iff exactly this text is content that the session's label accounts for."""
        return text_digest(text) in self._known

    def resolve(self, action: Action, *, reads: Reads) -> FlowFacts:
        """The flow facts of a call. Changes nothing."""
        return resolve(action, mark=self._label, endorsements=self._endorsed, evidence=(self._atoms,), reads=reads)

    def child(self, message: str, *, content_id: str, event_id: str) -> Ledger:
        """What a delegated session starts with: the label of all that this one has seen, and those endorsements that
        occur as whole values in `message`."""
        crossed, endorses = self._endorsed.crossing(cleaned(message[:MAX_MESSAGE]))
        written, written_all = self._endorsed.written
        found = atoms(message)
        child = Ledger(top_sensitivity=self.top_sensitivity)
        child._take(
            ContentRecord(
                content=content_id,
                event=event_id,
                source="delegation",
                origin=ContentOrigin.MESSAGE,
                label=self.label,
                texts=_digests(message, ()),
                atoms=tuple((atom_key(atom), path) for atom, path in found.found),
                truncated=found.truncated,
                endorses=endorses,
                crossed=crossed,
                written=written,
                written_all=written_all,
            )
        )
        return child

    # ── rows ───────────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def rows(self) -> tuple[LedgerRow, ...]:
        """Every row that this ledger took in, its own and applied ones, in order; each once."""
        return tuple(self._rows)

    def apply(self, row: LedgerRow) -> None:
        """Take in a row of this session, from the store or another process. One that is known already changes nothing.
        Raises StoreError if it cannot be understood."""
        match row.kind:
            case RowKind.CONTENT:
                record = decode(row)
                if self._is_new(row):
                    self._absorb(record)
            case RowKind.KNOWN | RowKind.WRITTEN:
                body = fields(row)
                texts, written = _strings(row, body.get("texts", [])), _strings(row, body.get("written", []))
                if self._is_new(row):
                    self._known.update(texts)
                    self._endorsed.add_written(written, everything=body.get("written_all") is True)
            case _:
                assert_never(row.kind)

    def _take(self, record: ContentRecord) -> ContentRecord:
        row = LedgerRow(ord=len(self._rows), kind=RowKind.CONTENT, payload=encode(record))
        record = replace(record, row=row)
        if self._is_new(row):
            self._absorb(record)
        return record

    def _note(self, kind: RowKind, body: dict[str, object]) -> LedgerRow:
        row = LedgerRow(ord=len(self._rows), kind=kind, payload=canonical(body))
        self.apply(row)
        return row

    def _is_new(self, row: LedgerRow) -> bool:
        mark = hashlib.sha256(row.kind.value.encode() + b"\x00" + row.payload).digest()
        if mark in self._taken:
            return False
        self._taken.add(mark)
        self._rows.append(replace(row, ord=len(self._rows)))
        return True

    def _absorb(self, record: ContentRecord) -> None:
        """The one place where content changes the ledger, live and on replay alike."""
        self._label = _bounded(self._label.join(record.label))
        self._known.update(record.texts)
        self._atoms.add(record)
        # What the agent wrote comes first: a tool that returns what it stored must not endorse it.
        self._endorsed.add_written(record.written, everything=record.written_all)
        if record.words:
            self._endorsed.words.add(record.words, record.words_by)
        for crossed in record.crossed:
            self._endorsed.add_crossed(crossed)
        for given in record.endorses:
            self._endorsed.add_field(given)


def _at_least(integrity: Integrity, seen: Seen) -> Label:
    label = Label(integrity=integrity)
    return label if seen.label is None else label.join(seen.label)


def _unvouched(top_sensitivity: int, seen: Seen) -> Label:
    label = replace(unknown_label(top_sensitivity), sources=frozenset())
    return label if seen.label is None else label.join(seen.label)


def _bounded(label: Label) -> Label:
    """`label` with its first MAX_SOURCES source names, so that a label does not grow with history. Keeping the first in
    order of name makes it independent of the order in which labels joined."""
    if len(label.sources) <= MAX_SOURCES:
        return label
    names = sorted(label.sources - {MORE_SOURCES})[: MAX_SOURCES - 1]
    return replace(label, sources=frozenset({*names, MORE_SOURCES}))


def _strings(row: LedgerRow, items: Json) -> list[str]:
    if not isinstance(items, list):
        raise unreadable(row)
    texts = [item for item in items if isinstance(item, str)]
    if len(texts) != len(items):
        raise unreadable(row)
    return texts


def _digests(value: object, texts: Sequence[str]) -> tuple[str, ...]:
    forms = (value, *texts) if isinstance(value, str) else texts
    return tuple(dict.fromkeys(text_digest(form) for form in forms))
