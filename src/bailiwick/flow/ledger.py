"""A session's ledger: everything that it has seen, as far as later decisions need it. DESIGN §5 *Flow*, promises 7 and
8.

INVARIANTS
- The label only rises: it is the join of the labels of all content, and rows of other processes join in. So does the
  strict mark, the join of the own labels of strict content.
- A result is labelled at least as strictly as the call that fetched it (`bailiwick.flow.results`).
- Only own words and endorsing fields endorse; nothing that a model wrote ever does.
- Every change is a row, and a ledger is what its rows say: replaying them in order gives an equal ledger.
- A decision costs look-ups, not a walk over what was seen.

Not thread-safe: whoever holds a ledger holds a lock. Ids are passed in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import assert_never

from bailiwick.flow.authors import Colleagues
from bailiwick.flow.backing import BackingKind
from bailiwick.flow.clauses import clauses
from bailiwick.flow.confidentiality import FREE_TEXT, Marks, Reads, bounded
from bailiwick.flow.endorsement import Endorsements
from bailiwick.flow.intake import DELEGATION, TASKS_WORDS, message_record, result_record, seen_record
from bailiwick.flow.intent import Intentions
from bailiwick.flow.lowering import Unlowered, lowered_action, may_lower, with_carried, without
from bailiwick.flow.matching import Matcher, Matching, hands_over
from bailiwick.flow.naming import Naming
from bailiwick.flow.parties import Parties
from bailiwick.flow.records import (
    ContentOrigin,
    ContentRecord,
    Endorsement,
    LedgerRow,
    LedgerStore,
    RowKind,
    Seen,
    text_digest,
)
from bailiwick.flow.releases import Declassified, Inspected, Releases, brought, endorsed_row, read_release
from bailiwick.flow.repetition import Ran, counts, run_key
from bailiwick.flow.resolve import resolve, ways_of
from bailiwick.flow.results import written_values
from bailiwick.flow.row_codec import decode, encode, fields, strings
from bailiwick.flow.runs import Background
from bailiwick.flow.spans import own_words
from bailiwick.flow.taken_in import KnownTexts, Rows
from bailiwick.flow.written import NOTHING_WRITTEN, WrittenBefore
from bailiwick.model.call import Action, ArgFacts
from bailiwick.model.canonical import canonical
from bailiwick.model.decision import FlowFacts, Origin
from bailiwick.model.label import ALL_STRICT, PUBLIC_TRUSTED, Label, Strictness
from bailiwick.model.tool import Role, ToolSpec

__all__ = [
    "ContentOrigin",
    "ContentRecord",
    "Endorsement",
    "Ledger",
    "LedgerRow",
    "LedgerStore",
    "Seen",
]


@dataclass(slots=True, kw_only=True)
class Ledger:
    """`top_sensitivity` is the index of the highest level; `task` the purpose that the session was opened for, which
    endorses like the user's own words (empty for a delegated session: what its delegator endorses crosses in the
    message). `strictness` says what counts for every call, by default everything; what is not strict counts where
    evidence finds it, or a call holds more than `free_text` characters that are not the user's own words. `background`
    are blocks of texts that everybody may know.
    """

    top_sensitivity: int
    task: str = ""
    strictness: Strictness = ALL_STRICT
    free_text: int = FREE_TEXT
    background: Background = frozenset()
    prompted: str = field(default="", compare=False)
    """The event of what the user, or whoever handed work on to this session, said last."""
    released: Releases = field(default_factory=Releases)
    """What was let out of this session on purpose, and what may be: its handles."""
    _label: Label = PUBLIC_TRUSTED
    _strict: Label = PUBLIC_TRUSTED
    _said: set[str] = field(default_factory=set)
    _endorsed: Endorsements = field(default_factory=Endorsements)
    _intentions: Intentions = field(default_factory=Intentions)
    _ran: Ran = field(default_factory=Ran)
    _matcher: Matcher = field(default_factory=Matcher)
    _parties: Parties = field(default_factory=Parties, compare=False)
    _known: KnownTexts = field(default_factory=KnownTexts)
    _rows: Rows = field(default_factory=Rows)

    def __post_init__(self) -> None:
        self._endorsed.words.add(own_words(self.task), TASKS_WORDS, BackingKind.TASK)
        self._said.update(clause.id for clause in clauses(own_words(self.task)))
        self._intentions.add(own_words(self.task))
        self._matcher.know(own_words(self.task), self.background)

    # ── what comes in ──────────────────────────────────────────────────────────────────────────────────────────────

    def ingest(
        self, seen: Seen, *, content_id: str, event_id: str, back: WrittenBefore = NOTHING_WRITTEN
    ) -> ContentRecord:
        """Take in content that is not the result of a governed call. `back` is what agents wrote of it. → its record,
        whose `row` is to be stored.

        A prompt that holds anything recognisable as somebody else's words is untrusted, while its own words still
        endorse.
        """
        record = seen_record(
            seen, content=content_id, event=event_id, back=back, session=self._label, top=self.top_sensitivity
        )
        return self._take(record, seen.value)

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
        back: WrittenBefore = NOTHING_WRITTEN,
        hide_as: str = "",
        unreleased: object = None,
        colleagues: Colleagues | None = None,
        naming: Naming | None = None,
        within: Label = PUBLIC_TRUSTED,
    ) -> ContentRecord:
        """Take in what a permitted call returned. `flow` are the facts that the call was decided on, `text` the form in
        which a model is shown `value`, `back` what agents wrote of it, `hide_as` the name of the handle that it sees
        instead (empty: it sees the text), `unreleased` what the value was before anything was taken out, which lowers
        no label, `colleagues` whose own words endorse, `naming` what names of levels and readers mean in it, `within`
        the label of what other sessions saw while it ran. → its record, whose `row` is to be stored."""
        record = result_record(
            tool,
            action,
            flow,
            value,
            content=content_id,
            event=event_id,
            text=text,
            back=back,
            hide_as=hide_as,
            unreleased=unreleased,
            colleagues=colleagues,
            naming=naming or Naming(top=self.top_sensitivity),
            within=within,
            endorsed=self._endorsed,
        )
        taken = self._take(record, value)
        self._matcher.handed(action)
        self._parties.read(action, value)
        return taken

    def wrote(self, action: Action, flow: FlowFacts) -> LedgerRow:
        """Note what a call handed to its tool, where no result tells that it ran: it failed, or may have run. → the
        row."""
        keys, everything = written_values(action, flow)
        body: dict[str, object] = {"written": list(keys), "written_all": everything}
        if hands_over(action):
            body["tool"] = action.tool.name
        row = self._note(RowKind.WRITTEN, body)
        self._matcher.handed(action)
        return row

    def started(self, action: Action, event_id: str) -> LedgerRow | None:
        """Note that a call is started that the decision `event_id` let run, here or in a session that works with this
        one. → the row; None where it may run as often as it likes."""
        return self._note(RowKind.RAN, {"ran": run_key(action), "event": event_id}) if counts(action) else None

    def know(self, *texts: str, event: str = "") -> LedgerRow:
        """Note texts that a model may be shown without further label: made by bailiwick, or of known content. `event`
        is the one that they tell of, if there is one. → the row."""
        digests = sorted({text_digest(text) for text in texts})
        return self._note(RowKind.KNOWN, {"texts": digests, **({"event": event} if event else {})})

    # ── questions ──────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def label(self) -> Label:
        """The session's high-water mark: the join of the labels of everything that it has seen."""
        return self._label

    @property
    def marks(self) -> Marks:
        """What every call is judged by, whatever evidence says."""
        return Marks(whole=self._label, strict=self._strict, said=self._said, free_text=self.free_text)

    def knows(self, text: str) -> bool:
        """True iff exactly this text is content that the session's label accounts for."""
        return text in self._known

    def event_of(self, text: str) -> str | None:
        """The event that holds exactly this text, or that it tells of; empty where there is none, since it is a text of
        bailiwick's own. None if it is not known."""
        return self._known.event_of(text)

    def told(self, source: str, text: str) -> Seen | None:
        """What another session is told of this one, if it saw or said exactly that: it has seen all that this one has,
        as far as it matters, and nothing else. None where the text is not known here."""
        if not self.knows(text):
            return None
        return Seen(
            origin=ContentOrigin.MESSAGE,
            source=source,
            value=text,
            label=self._label,
            own=self._strict,
            under=self.strictness.name,
            said_in=self.event_of(text) or "",
        )

    def resolve(
        self, action: Action, *, reads: Reads, planned: bool = False, pending: Sequence[Action] = ()
    ) -> FlowFacts:
        """The flow facts of a call. `planned`: a signed plan names this very call; `pending` are calls that may
        run, but were not started yet. Changes nothing."""
        facts = self._resolved(action, reads, planned=planned)
        if counts(action):
            key = run_key(action)
            often = self._ran.often(key) + sum(run_key(each) == key for each in pending if counts(each))
            ways = ways_of(action, self._endorsed)
            facts = replace(facts, repeated=often > 0 and often >= self._intentions.how_often(action, ways))
        return with_carried(facts, action)

    def _resolved(self, action: Action, reads: Reads, *, planned: bool) -> FlowFacts:
        marks, evidence = self.marks, (Matching(self._matcher, action),)
        lowered = self.released.lowered(action.recipients, reads) if may_lower(action) else ()
        facts_of = partial(
            resolve,
            endorsements=self._endorsed,
            intentions=self._intentions,
            reads=reads,
            planned=planned,
            party=self._parties.of(action),
        )
        if not lowered:
            return facts_of(action, marks=marks, evidence=evidence)
        facts = facts_of(
            lowered_action(action, lowered),
            marks=without(marks, self.released.brought, lowered, self.strictness),
            evidence=tuple(Unlowered(evidence=way, lowered=lowered) for way in evidence),
        )
        return replace(facts, session_label=self._label)

    def wanted(self, action: Action) -> Mapping[str, str]:
        """Contents whose texts evidence on this call needs and does not have, oldest first, and the event of each."""
        return self._matcher.wanted(action) if self._strict != self._label else {}

    def supply(self, content: str, text: str | None) -> None:
        """The text of such a content, None where it cannot be had. Changes no label."""
        if text is None:
            self._matcher.missed(content)
        else:
            self._matcher.supply(content, text)

    def origins(self, text: str) -> Sequence[Origin]:
        """Where values in a text that is about to be handed on were seen."""
        said = ArgFacts(name="message", role=Role.CONTENT, facts=text, values=(text,), text=text)
        return self._matcher.atoms.origins(said)

    def child(self, message: str, *, content_id: str, event_id: str) -> Ledger:
        """What a delegated session starts with: the label of all that this one has seen, and those endorsements that
        occur as whole values in `message`."""
        child = Ledger(
            top_sensitivity=self.top_sensitivity,
            strictness=self.strictness,
            free_text=self.free_text,
            background=self.background,
        )
        record = message_record(
            message,
            content=content_id,
            event=event_id,
            label=self._label,
            strict=self._strict,
            under=self.strictness.name,
            endorsed=self._endorsed,
            asked=self._intentions.crossing,
            ran=self._ran.crossing,
            handles=self.released.handles,
        )
        child._take(record, message)
        return child

    # ── rows ───────────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def rows(self) -> tuple[LedgerRow, ...]:
        """Every row that this ledger took in, its own and applied ones, in order; each once."""
        return tuple(self._rows.all)

    def apply(self, row: LedgerRow, *, own: bool = False) -> None:
        """Take in a row of this session, from the store or another process, or its `own`. One that is known already
        changes nothing. Raises StoreError if it cannot be understood."""
        match row.kind:
            case RowKind.CONTENT:
                record = decode(row)
                if self._rows.add(row):
                    self._absorb(record)
                    if record.handed:
                        self._matcher.handed_unseen(record.source.removeprefix("tool:"))
            case RowKind.KNOWN | RowKind.WRITTEN:
                body = fields(row)
                texts, written = strings(row, body.get("texts", [])), strings(row, body.get("written", []))
                if self._rows.add(row):
                    event = body.get("event")
                    self._known.add(texts, event if isinstance(event, str) else None)
                    self._endorsed.add_written(written, everything=body.get("written_all") is True)
                    if isinstance(tool := body.get("tool"), str) and not own:
                        self._matcher.handed_unseen(tool)
            case RowKind.RAN:
                body = fields(row)
                (ran,) = strings(row, [body.get("ran")])
                (event,) = strings(row, [body.get("event")])
                if self._rows.add(row):
                    self._ran.add(ran, event)
            case RowKind.ENDORSED | RowKind.DECLASSIFIED | RowKind.INSPECTED:
                self._release(row)
            case _:
                assert_never(row.kind)

    def endorse(self, given: Endorsement) -> LedgerRow:
        """A person released a value for this session; `record` is the event that says so. → the row."""
        return self._note(RowKind.ENDORSED, endorsed_row(given))

    def declassify(self, given: Declassified) -> LedgerRow:
        """Data may go to somebody whatever its label. → the row."""
        return self._note(RowKind.DECLASSIFIED, given.body())

    def inspected(self, given: Inspected) -> LedgerRow:
        """Something was asked about a hidden content. → the row."""
        return self._note(RowKind.INSPECTED, given.body())

    def _release(self, row: LedgerRow) -> None:
        given = read_release(row)
        if not self._rows.add(row):
            return
        match given:
            case Endorsement():
                self._endorsed.add_field(given)
            case Declassified():
                self.released.declassified.append(given)
            case Inspected():
                self.released.inspected(given)

    def _take(self, record: ContentRecord, value: object) -> ContentRecord:
        row = LedgerRow(ord=len(self._rows.all), kind=RowKind.CONTENT, payload=encode(record))
        record = replace(record, row=row)
        if self._rows.add(row):
            self._absorb(record)
            self._matcher.supply(record.content, value)
        return record

    def _note(self, kind: RowKind, body: dict[str, object]) -> LedgerRow:
        row = LedgerRow(ord=len(self._rows.all), kind=kind, payload=canonical(body))
        self.apply(row, own=True)
        return row

    def _absorb(self, record: ContentRecord) -> None:
        """The one place where content changes the ledger, live and on replay alike."""
        own = record.own
        if own is None or (record.under and record.under != self.strictness.name):
            own = record.label
        # What the model never saw it cannot retell: a hidden content raises no mark, its label goes with the handle.
        if not record.hidden:
            self._label = bounded(self._label.join(record.label))
            if self.strictness.covers(own):
                self._strict = bounded(self._strict.join(own))
            self.released.brought.append(brought(record, own))
        self.released.handles.update((handle.name, handle) for handle in record.handles)
        if record.origin is ContentOrigin.PROMPT or record.source == DELEGATION:
            self.prompted = record.event
        self._known.add(record.texts, record.event)
        self._matcher.expect(record)
        # What the agent wrote comes first: a tool that returns what it stored must not endorse it.
        self._endorsed.add_written(record.written, everything=record.written_all)
        if record.words:
            self._endorsed.words.add(record.words, record.words_by)
            self._said.update(clause.id for clause in clauses(record.words))
            self._intentions.add(record.words)
        self._ran.take(record.ran)
        for asked in record.asked:
            self._intentions.take(asked)
        for crossed in record.crossed:
            self._endorsed.add_crossed(crossed)
        for given in record.endorses:
            self._endorsed.add_field(given)
        for said in record.said:
            self._endorsed.add_said(said)
            self._intentions.hear(said.record, said.text)
