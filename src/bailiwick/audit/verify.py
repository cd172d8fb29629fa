"""Whether a stored log is what was written: every record's bytes, its place, and that the records fit each other.

Pure over the rows that a store gives; a store that fails midway makes the report *unreadable*. DESIGN §3 promises 5 and
6.

What is found: a changed, missing, inserted, moved or repeated record; bytes outside the schema; a content that is not
the one committed to; rows cut off behind a recorded head; an outcome nobody decided, a permit or an approval used
twice. Against `expected`, a head (size, root) that an auditor kept elsewhere, also truncation, replacement and
rewriting of all that it covers.

What an unsigned log without such a head cannot show: that somebody who can write the file rewrote it from some record
on (or all of it, or dropped its end together with the recorded heads), with every hash made anew. Nor can it show that
a whole log file was removed with its lock. Keep a head (`bailiwick audit verify` prints it) where the agent's machine
cannot write.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Generic, TypeVar

from bailiwick.audit.envelope import matches, read
from bailiwick.audit.merkle import HASH_BYTES, Frontier, leaf_hash
from bailiwick.audit.relations import Relations
from bailiwick.audit.report import FolderReport, Head, Problem, Report, StoredContent, StoredEvent, StoredHead
from bailiwick.audit.upcast import UPCASTERS, Upcaster
from bailiwick.errors import CanonicalError, StoreError
from bailiwick.model.event import Event, EventKind

__all__ = ["cross_check", "unread", "verify"]

T = TypeVar("T")

MAX_PROBLEMS = 100
BACKWARDS_US = 2_000_000
"""Threads stamp their events before they queue for the log: a later record may be this much older."""


def verify(
    rows: Iterable[StoredEvent],
    heads: Iterable[StoredHead],
    contents: Iterable[StoredContent],
    *,
    log: str,
    expected: Head | None = None,
    damage: Iterable[str] = (),
    upcasters: Mapping[int, Upcaster] = UPCASTERS,
) -> Report:
    """Check one log. `rows` come by seq, `heads` by size, `contents` by seq; `log` is the id that it should have.

    `damage` are sentences of the store itself on what is wrong with its file (an index that misses a row ...).
    """
    scan = _Scan(log=log, heads=heads, contents=contents, expected=expected, upcasters=upcasters)
    unreadable = ""
    try:
        for row in rows:
            scan.row(row)
        scan.finish()
        for sentence in damage:
            scan.problem("storage", sentence)
    except StoreError as error:
        unreadable = f"{error} (after record {scan.size - 1})" if scan.size else str(error)
    return scan.report(unreadable)


def unread(log: str, *, unreadable: str = "", problem: Problem | None = None) -> Report:
    """The report on a log that could not be read at all, or that `problem` says enough of."""
    scan = _Scan(log=log, heads=(), contents=(), expected=None, upcasters=UPCASTERS)
    if problem is not None:
        scan.problem(problem.code, problem.message, problem.seq, problem.event)
    return scan.report(unreadable)


def cross_check(reports: Iterable[Report], warnings: Iterable[Problem] = ()) -> FolderReport:
    """What only shows between logs: an approval used in two of them or never granted, a standing grant used more often
    than it says, a call reconciled elsewhere."""
    logs = tuple(reports)
    granted = {approval for report in logs for approval in report.relations.granted}
    reconciled = {decision for report in logs for decision in report.relations.reconciled}
    problems: list[Problem] = []
    used: dict[str, str] = {}
    for report in logs:
        for approval, decision in report.relations.approvals.items():
            if approval in used:
                text = f"approval {approval} was used twice, by {used[approval]} and {decision}"
                problems.append(Problem(code="approval-twice", message=text, event=decision))
            used[approval] = decision
            if approval not in granted:
                text = f"{decision} used approval {approval}, and no log records who granted it"
                problems.append(Problem(code="approval-without-grant", message=text, event=decision))
    problems += _standing(logs)
    unknown = tuple(call for report in logs for call in report.unknown if call.decision not in reconciled)
    return FolderReport(logs=logs, problems=tuple(problems), warnings=tuple(warnings), unknown=unknown)


def _standing(logs: Iterable[Report]) -> Iterator[Problem]:
    given: dict[str, int] = {}
    uses: Counter[str] = Counter()
    for report in logs:
        given |= report.relations.standing
        uses.update(report.relations.standing_uses)
    for grant, used in sorted(uses.items()):
        if grant not in given:
            text = f"standing grant {grant} was used, and no log records who gave it"
            yield Problem(code="standing-without-grant", message=text)
        elif used > given[grant]:
            text = f"standing grant {grant} was used {used} times, and is for {given[grant]}"
            yield Problem(code="standing-overused", message=text)


class _Scan:
    """One pass over a log. `size` is the seq that comes next; `tree` is None where a gap makes the tree unknowable."""

    def __init__(
        self,
        *,
        log: str,
        heads: Iterable[StoredHead],
        contents: Iterable[StoredContent],
        expected: Head | None,
        upcasters: Mapping[int, Upcaster],
    ) -> None:
        self.log = log
        self.size = 0
        self.tree: Frontier | None = Frontier()
        self.relations = Relations()
        self._heads = _Peekable(heads)
        self._contents = _Peekable(contents)
        self._expected = expected
        self._expected_root: str | None = None
        self._upcasters = upcasters
        self._last_head = 0
        self._problems: list[Problem] = []
        self._warnings: list[Problem] = []
        self._more = 0
        self._ids: set[str] = set()
        self._ords: dict[str, int] = {}
        self._kinds: Counter[str] = Counter()
        self._last_us = 0
        self._found = self._erased = 0

    def problem(self, code: str, message: str, seq: int | None = None, event: str = "") -> None:
        if len(self._problems) < MAX_PROBLEMS:
            self._problems.append(Problem(code=code, message=message, seq=seq, event=event))
        else:
            self._more += 1

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
            self._commitments(event.commitments, row)
        else:
            self._commitments({}, row)
        self._grow(row)

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
        """The event stands where it says, once, next in its session, and under the columns that it is found by."""
        if event.log != self.log:
            self.problem("foreign", f"record {row.seq} belongs to log {event.log}", row.seq, event.id)
        if event.seq != row.seq:
            self.problem("moved", f"record {row.seq} says it is number {event.seq}", row.seq, event.id)
        columns = (event.id, event.session, event.ord, event.kind.value, event.ts_us)
        if columns != (row.id, row.session, row.ord, row.kind, row.ts_us):
            self.problem("index-differs", f"record {row.seq} is filed under what it does not say", row.seq, event.id)
        if event.id in self._ids:
            self.problem("repeated", f"event {event.id} is in the log twice", row.seq, event.id)
        self._ids.add(event.id)
        due = self._ords.get(event.session, 0)
        if event.ord != due:
            text = f"record {row.seq} is number {event.ord} of its session where {due} should follow"
            self.problem("session-gap", text, row.seq, event.id)
        self._ords[event.session] = event.ord + 1
        self._kinds[event.kind.value] += 1
        if event.ts_us < self._last_us - BACKWARDS_US:
            older_ms = (self._last_us - event.ts_us) // 1000
            text = f"record {row.seq} is {older_ms} ms older than the one before: clock set back?"
            self._warnings.append(Problem(code="clock-back", message=text, seq=row.seq, event=event.id))
        self._last_us = event.ts_us

    def _relate(self, event: Event) -> None:
        """The event fits the ones before it."""
        for code, message in self.relations.add(event):
            self.problem(code, f"record {event.seq}: {message}", event.seq, event.id)
        if event.kind is EventKind.LOG_OPENED:
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

    def _commitments(self, commitments: Mapping[str, str], row: StoredEvent) -> None:
        """Each content is the one that its event committed to, and there is none that no event committed to."""
        seen: set[str] = set()
        while (content := self._contents.head) is not None and content.seq <= row.seq:
            self._contents.advance()
            where = f"content '{content.role}' of record {content.seq}"
            commitment = commitments.get(content.role) if content.seq == row.seq else None
            if commitment is None or content.role in seen:
                self.problem("stray-content", f"{where} belongs to no event", content.seq)
                continue
            seen.add(content.role)
            self._found += 1
            if not matches(commitment, content.salt, content.data):
                self.problem("content-changed", f"{where} is not the one committed to", content.seq, row.id)
        self._erased += len(commitments.keys() - seen)

    def _grow(self, row: StoredEvent) -> None:
        """Add the record to the tree and compare it with the head that was stored after it."""
        self.size += 1
        if self.tree is not None:
            # The stored leaf where it can be one: bytes that differ from it are reported by name already, and the
            # recorded heads still tell whether anything else was changed.
            leaf = row.leaf if len(row.leaf) == HASH_BYTES else leaf_hash(row.data)
            self.tree = self.tree.extended((leaf,))
        while (head := self._heads.head) is not None and head.size <= self.size:
            self._heads.advance()
            self._compare(head)
        if self._expected is not None and self.size == self._expected[0] and self.tree is not None:
            self._expected_root = self._head()[1]

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
            self.problem("empty", "the log holds nothing, not even its opening")
        self._compare_expected()

    def _compare_expected(self) -> None:
        if self._expected is None:
            return
        size, root = self._expected
        if self.size < size:
            self.problem("truncated", f"the auditor's head covers {size} records; {self.size} are there", self.size)
        elif size and self._expected_root != root:
            self.problem("replaced", f"the first {size} records are not the ones that the auditor's head covers")

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
            erased=self._erased,
            relations=self.relations,
        )


class _Peekable(Generic[T]):
    """An iterator whose next item can be looked at. Nothing is read before the first look."""

    def __init__(self, items: Iterable[T]) -> None:
        self._items = items
        self._iterator: Iterator[T] | None = None
        self._head: T | None = None

    @property
    def head(self) -> T | None:
        """The next item; None at the end."""
        if self._iterator is None:
            self._iterator = iter(self._items)
            self._head = next(self._iterator, None)
        return self._head

    def advance(self) -> None:
        assert self._iterator is not None
        self._head = next(self._iterator, None)

    def rest(self) -> Iterator[T]:
        while (head := self.head) is not None:
            self.advance()
            yield head
