"""Whether a stored log is what was written: every record's bytes, its place, and that the records fit each other.

Pure over the rows that a store gives; a store that fails midway makes the report *unreadable*. DESIGN §3 promises 5 and
6.

What is found: a changed, missing, inserted, moved or repeated record; bytes outside the schema; a content that is not
the one committed to; rows cut off behind a recorded head; an outcome nobody decided, a permit or an approval used
twice. Against heads from elsewhere (of its parent log, of an auditor, of a witness), also truncation, replacement and
rewriting of all that they cover; with the keys of the log, checkpoints beside it that nobody of those signed.

What one log cannot show: that somebody who can write its file and has its key rewrote it from some record on, with
every hash and signature made anew, or removed it whole. What shows between the logs of a folder is asked in `folder`;
what only a head that was kept elsewhere shows, docs/audit-integrity.md says.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from bailiwick.audit.checkpoints import CHECKPOINTS_APART
from bailiwick.audit.envelope import matches, read
from bailiwick.audit.kept import Comparison, Found, KeptHead, StoredCheckpoint, own_head
from bailiwick.audit.leftovers import Leftovers
from bailiwick.audit.merkle import HASH_BYTES, Frontier, leaf_hash
from bailiwick.audit.notes import NoteKey
from bailiwick.audit.parent import PARENT, Family
from bailiwick.audit.peekable import Peekable
from bailiwick.audit.relations import Decided, Ended, Relations
from bailiwick.audit.report import Head, Problem, Report, StoredContent, StoredEvent, StoredHead
from bailiwick.audit.runs import RUN, Row, Told, plain_run
from bailiwick.audit.upcast import UPCASTERS, Upcaster
from bailiwick.errors import CanonicalError, StoreError
from bailiwick.model.event import Event, EventKind

__all__ = ["unread", "verify"]

MAX_PROBLEMS = 100
BACKWARDS_US = 2_000_000
"""Threads stamp their events before they queue for the log: a later record may be this much older."""


def verify(
    rows: Iterable[Row],
    heads: Iterable[StoredHead],
    contents: Iterable[StoredContent],
    *,
    log: str,
    kept: Iterable[KeptHead] = (),
    checkpoints: Iterable[StoredCheckpoint] = (),
    keys: Collection[NoteKey] = (),
    damage: Iterable[str] = (),
    upcasters: Mapping[int, Upcaster] = UPCASTERS,
) -> Report:
    """Check one log. `rows` (the columns of a `StoredEvent`) come by seq, `heads` by size, `contents` by seq; `log` is
    the id that it should have.

    `kept` are heads of it from elsewhere, `checkpoints` those that lie with it, `keys` the keys that may have signed
    them (none: nobody is asked for). `damage` are sentences of the store itself on what is wrong with its file (an
    index that misses a row ...).
    """
    scan = _Scan(log=log, heads=heads, contents=contents, upcasters=upcasters)
    unreadable = ""
    try:
        scan.hold_against(tuple(kept), checkpoints, keys)
        for run in _runs(rows):
            scan.run(run)
        scan.finish()
        for sentence in damage:
            scan.problem("storage", sentence)
    except StoreError as error:
        unreadable = f"{error} (after record {scan.size - 1})" if scan.size else str(error)
    return scan.report(unreadable)


def _runs(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """Rows, so many at once; when the store fails, those before it first."""
    run: list[Row] = []
    try:
        for row in rows:
            run.append(row)
            if len(run) == RUN:
                yield run
                run = []
    except StoreError:
        if run:
            yield run
        raise
    if run:
        yield run


def unread(log: str, *, unreadable: str = "", problem: Problem | None = None) -> Report:
    """The report on a log that could not be read at all, or that `problem` says enough of."""
    scan = _Scan(log=log, heads=(), contents=(), upcasters=UPCASTERS)
    if problem is not None:
        scan.problem(problem.code, problem.message, problem.seq, problem.event)
    return scan.report(unreadable)


class _Scan:
    """One pass over a log. `size` is the seq that comes next; `tree` is None where a gap makes the tree unknowable."""

    def __init__(
        self,
        *,
        log: str,
        heads: Iterable[StoredHead],
        contents: Iterable[StoredContent],
        upcasters: Mapping[int, Upcaster],
    ) -> None:
        self.log = log
        self.size = 0
        self.tree: Frontier | None = Frontier()
        self.relations = Relations(log=log)
        self._heads = Peekable(heads)
        self._contents = Peekable(contents)
        self._kept = Comparison(())
        self._checkpoints = self._signed = self._covered = 0
        self._upcasters = upcasters
        self._owner = ("", "")
        self._parents: set[str] = set()
        self._family = Family() if log.startswith(PARENT) else None
        self._last_head = 0
        self._problems: list[Problem] = []
        self._warnings: list[Problem] = []
        self._more = 0
        self._ids: set[str] = set()
        self._ords: dict[str, int] = {}
        self._kinds: Counter[str] = Counter()
        self._last_us = 0
        self._found = self._sealed = 0
        self._left = Leftovers()

    def problem(self, code: str, message: str, seq: int | None = None, event: str = "") -> None:
        if len(self._problems) < MAX_PROBLEMS:
            self._problems.append(Problem(code=code, message=message, seq=seq, event=event))
        else:
            self._more += 1

    def hold_against(
        self, kept: Sequence[KeptHead], checkpoints: Iterable[StoredCheckpoint], keys: Collection[NoteKey]
    ) -> None:
        """Before the first row: which heads the log is to agree with."""
        heads, sizes = list(kept), set()
        for stored in checkpoints:
            self._checkpoints += 1
            sizes.add(stored.size)
            if stored.size - self._covered > CHECKPOINTS_APART and self._family is None:
                text = f"between {self._covered} and {stored.size} records there is no checkpoint: one was removed"
                self.problem("checkpoint-gone", text, self._covered)
            self._covered = stored.size
            head, signed, wrong = own_head(stored, self.log, keys)
            self._signed += signed
            if head is not None:
                heads.append(head)
            if wrong:
                self.problem("checkpoint-forged", wrong, max(stored.size - 1, 0))
        for head in kept:
            if head.printed and head.size not in sizes:
                self.problem("checkpoint-gone", f"the log does not hold {head.source} any more", head.size - 1)
        self._kept = Comparison(heads)

    def run(self, rows: Sequence[Row]) -> None:
        """The next rows: as many at once as nothing is wrong with."""
        at = 0
        while at < len(rows):
            if self.tree is not None and self._family is None and self._kinds[EventKind.LOG_OPENED.value]:
                told = plain_run(rows[at:] if at else rows, self.log, self.size)
                if told.commitments:
                    here = rows[at : at + len(told.commitments)]
                    at += len(here)
                    self._plain(here, told)
                    continue
            self.row(StoredEvent.of(rows[at]))
            at += 1

    def _plain(self, rows: Sequence[Row], told: Told) -> None:
        """Rows of which each is as it should be by itself."""
        _seqs, ids, sessions, ords, kinds, times, _datas, leaves = zip(*rows, strict=True)
        self._orders(self.size, ids, sessions, ords, times)
        self._kinds.update(kinds)
        for fact in told.related:
            self._hold_together(fact)
        self._commitments_of(self.size, told.commitments, ids, times)
        while leaves:
            many = self._undisturbed()
            self._grow(leaves[:many])
            leaves = leaves[many:]

    def _hold_together(self, fact: Decided | Ended | Event) -> None:
        if isinstance(fact, Decided):
            wrong = self.relations.decided(fact)
        elif isinstance(fact, Ended):
            wrong = self.relations.ended(fact)
        else:
            self._left.event(fact)
            wrong = self.relations.add(fact)
        for code, message in wrong:
            self.problem(code, f"record {fact.seq}: {message}", fact.seq, fact.id)

    def _undisturbed(self) -> int:
        """So many rows from here on to the next head; at least one."""
        head = self._heads.head
        dues = [head.size if head is not None else 0, self._kept.due]
        return max(min((due - self.size for due in dues if due), default=RUN), 1)

    def row(self, row: StoredEvent) -> None:
        if row.seq != self.size:
            last = f" to {row.seq - 1}" if row.seq - 1 > self.size else ""
            self.problem("missing", f"record {self.size}{last} is missing", self.size)
            self.tree = None
            self.size = row.seq
        event = self._event(row)
        if event is not None:
            self._place(row, event)
            self._relate(event)
        commitments = event.commitments if event is not None else {}
        self._commitments_of(row.seq, (commitments,), (row.id,), (row.ts_us,))
        # The stored leaf where it can be one: bytes that differ from it are reported by name already, and the recorded
        # heads still tell whether anything else was changed.
        self._grow([row.leaf if len(row.leaf) == HASH_BYTES else leaf_hash(row.data)])

    def _event(self, row: StoredEvent) -> Event | None:
        """The record's event; None if its bytes are none."""
        if leaf_hash(row.data) != row.leaf:
            self.problem("changed", f"record {row.seq} ({row.id}) is not what was written", row.seq, row.id)
        try:
            return read(row.data, self._upcasters)
        except CanonicalError as error:
            self.problem("not-an-event", f"record {row.seq} ({row.id}): {error}", row.seq, row.id)
            return None

    def _place(self, row: StoredEvent, event: Event) -> None:
        """The event stands where it says and under the columns that it is found by."""
        if event.log != self.log:
            self.problem("foreign", f"record {row.seq} belongs to log {event.log}", row.seq, event.id)
        if event.seq != row.seq:
            self.problem("moved", f"record {row.seq} says it is number {event.seq}", row.seq, event.id)
        columns = (event.id, event.session, event.ord, event.kind.value, event.ts_us)
        if columns != (row.id, row.session, row.ord, row.kind, row.ts_us):
            self.problem("index-differs", f"record {row.seq} is filed under what it does not say", row.seq, event.id)
        self._orders(event.seq, (event.id,), (event.session,), (event.ord,), (event.ts_us,))
        self._kinds[event.kind.value] += 1

    def _orders(
        self, first: int, ids: Sequence[str], sessions: Sequence[str], ords: Sequence[int], times: Sequence[int]
    ) -> None:
        """Each event stands there once, next in its session, and is not older than the one before."""
        known, nexts, last_us = self._ids, self._ords, self._last_us
        for seq, (id_, session, ord_, ts_us) in enumerate(zip(ids, sessions, ords, times, strict=True), first):
            if id_ in known:
                self.problem("repeated", f"event {id_} is in the log twice", seq, id_)
            known.add(id_)
            due = nexts.get(session, 0)
            nexts[session] = ord_ + 1
            if ord_ != due:
                text = f"record {seq} is number {ord_} of its session where {due} should follow"
                self.problem("session-gap", text, seq, id_)
            if ts_us < last_us - BACKWARDS_US:
                text = f"record {seq} is {(last_us - ts_us) // 1000} ms older than the one before: clock set back?"
                self._warnings.append(Problem(code="clock-back", message=text, seq=seq, event=id_))
            last_us = ts_us
        self._last_us = last_us

    def _relate(self, event: Event) -> None:
        """The event fits the ones before it."""
        self._left.event(event)
        relations = self.relations if self._family is None else self._family
        for code, message in relations.add(event):
            self.problem(code, f"record {event.seq}: {message}", event.seq, event.id)
        if event.kind is EventKind.LOG_OPENED:
            self._owner = (event.tenant, event.env)
            if "parent" in event.body:
                self._parents.add(str(event.body["parent"]))
            if event.body["log"] != self.log:
                self.problem("foreign", f"record {event.seq} opened log {event.body['log']}", event.seq, event.id)
            previous = event.body.get("previous")
            if isinstance(previous, dict) and self.tree is not None:
                if (previous["size"], previous["root"]) != self._head():
                    text = f"record {event.seq}: when the log was opened again, its records were others"
                    self.problem("replaced", text, event.seq, event.id)
            elif previous is None and event.seq:
                self.problem("reopened", f"record {event.seq} opens the log as if it were new", event.seq, event.id)
        elif not self._kinds[EventKind.LOG_OPENED.value]:
            self.problem("headless", "the log does not begin with its opening", event.seq, event.id)

    def _commitments_of(
        self, first: int, commitments: Iterable[Mapping[str, str]], ids: Iterable[str], times: Iterable[int]
    ) -> None:
        """Each content is the one that its event committed to, and there is none that no event committed to."""
        contents, content = self._contents, self._contents.head
        for seq, (committed, id_, ts_us) in enumerate(zip(commitments, ids, times, strict=True), first):
            there = 0
            if content is not None and content[0] <= seq:
                there = self._contents_of(seq, id_, committed)
                content = contents.head
            if there != len(committed):
                self._left.bare(len(committed) - there, ts_us)

    def _contents_of(self, seq: int, id_: str, committed: Mapping[str, str]) -> int:
        """Take in the contents up to this record's. → how many of those that it committed to are there."""
        contents, content, seen = self._contents, self._contents.head, list[str]()
        while content is not None and content[0] <= seq:
            of, role, salt, data, key, gone = content
            content = contents.advance()
            commitment = committed.get(role) if of == seq else None
            if commitment is None or role in seen:
                self.problem("stray-content", f"content '{role}' of record {of} belongs to no event", of)
                continue
            seen.append(role)
            if gone:
                self._left.gone(key)
            elif data is None:
                self._sealed += 1
                self._left.sealed(key)
            elif not matches(commitment, salt, data):
                text = f"content '{role}' of record {of} is not the one committed to"
                self.problem("content-changed", text, of, id_)
        self._found += len(seen)
        return len(seen)

    def _grow(self, leaves: Sequence[bytes]) -> None:
        """Add records to the tree and compare it with the head that was stored after them."""
        self.size += len(leaves)
        if self.tree is not None:
            self.tree = self.tree.extended(leaves)
        while (head := self._heads.head) is not None and head.size <= self.size:
            self._heads.advance()
            self._compare(head)
        if self._kept.due and self._kept.due <= self.size:
            self._agree(self._kept.at(self.size, self._head()[1] if self.tree is not None else ""))

    def _compare(self, head: StoredHead) -> None:
        """INVARIANT: `tree` is what the stored heads say, or a problem was reported."""
        first, self._last_head = self._last_head, head.size
        try:
            stored = Frontier.from_bytes(head.size, head.peaks)
        except ValueError:
            self.problem("head-damaged", f"the recorded head at {head.size} records cannot be one", head.size - 1)
            return
        if head.size == self.size and self.tree != stored:
            if self.tree is not None:
                text = f"records {first} to {head.size - 1} are not the ones that the head recorded with them covers"
                self.problem("head-differs", text, first)
            self.tree = stored

    def finish(self) -> None:
        """All rows were seen."""
        for content in self._contents.rest():
            self.problem("stray-content", f"content '{content.role}' of record {content.seq} has no event", content.seq)
        ahead = [head.size for head in self._heads.rest()]
        if ahead:
            text = f"records {self.size} to {max(ahead) - 1} were cut off: {max(ahead)} were recorded"
            self.problem("cut-off", text, self.size)
        elif self._last_head != self.size:
            self.problem("uncovered", f"no recorded head covers the records from {self._last_head} on", self._last_head)
        if not self.size:
            self.problem("empty", "the log holds nothing, not even its opening", 0)
        self._agree(self._kept.rest(self.size))

    def _agree(self, found: Iterable[Found]) -> None:
        for code, message, seq in found:
            self.problem(code, message, seq)

    def _head(self) -> Head:
        assert self.tree is not None
        return self.tree.size, "sha256:" + self.tree.root.hex()

    def report(self, unreadable: str) -> Report:
        return Report(
            log=self.log,
            head=self._head() if self.tree is not None else (self.size, ""),
            problems=tuple(self._problems),
            warnings=tuple(self._warnings),
            more=self._more,
            unreadable=unreadable,
            unknown=self.relations.unknown(),
            kinds=dict(self._kinds),
            sessions=len(self._ords.keys() - {""}),
            contents=self._found,
            erased=self._left.erased,
            sealed=self._sealed,
            left=self._left.left(),
            relations=self.relations,
            owner=self._owner,
            parents=frozenset(self._parents),
            family=self._family,
            checkpoints=self._checkpoints,
            signed=self._signed,
            covered=self._covered,
            checked=tuple(self._kept.fits),
        )
