"""How records of one log belong together: decision, permit, outcome, approval. DESIGN §3 promises 4 and 5.

INVARIANT: an outcome follows an allow with its permit, once; a permit stands in one decision; an approval is used once,
a standing grant as often as it says.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from bailiwick.model.decision import Outcome
from bailiwick.model.event import Event, EventKind
from bailiwick.model.tool import Idempotency

__all__ = ["ENDS", "RELATED", "Decided", "Ended", "Relations", "Unknown", "settles"]

STANDING = "std-"
"""What the id of a standing grant begins with, where a decision says what lifted its gates."""

ENDS = frozenset(
    {EventKind.ACTION_COMPLETED, EventKind.ACTION_FAILED, EventKind.ACTION_CANCELLED, EventKind.ACTION_EXPIRED}
)
"""What the guard records when a permitted call is over."""

RELATED = frozenset(
    {
        EventKind.DECISION,
        *ENDS,
        EventKind.ACTION_RECONCILED,
        EventKind.APPROVAL_REMEMBERED,
        EventKind.APPROVAL_GRANTED,
        EventKind.CONTENT_ERASED,
        EventKind.CONTENT_DROPPED,
    }
)
"""Kinds that say something about other events, or about what lies beside them (`audit.leftovers`)."""


def settles(end: EventKind, idempotency: object) -> bool:
    """Whether this end (one of ENDS) says what became of a call whose decision recorded this `idempotency`. A run that
    was given up may have happened all the same; that matters unless it may freely happen again."""
    return end is not EventKind.ACTION_CANCELLED or idempotency == Idempotency.SAFE.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """A permitted call of which no record says what became of it: it is running, or it may have run. `seq` is its
    decision's; `given_up` is true iff the log records that nobody waited for it to end."""

    log: str
    seq: int
    decision: str
    permit: str
    tool: str
    idempotency: str
    given_up: bool = False


class Decided(NamedTuple):
    """A decision that hands out a permit, as far as others are held against it."""

    seq: int
    id: str
    permit: str
    outcome: str
    tool: str
    idempotency: str
    approvals: frozenset[str]


class Ended(NamedTuple):
    """An end of a permitted call (one of ENDS), as far as it is held against others."""

    seq: int
    id: str
    kind: EventKind
    decision: str
    permit: str


@dataclass(slots=True)
class Relations:
    """Collects while a log is read in order. `approvals` maps an approval to the decision that used it."""

    approvals: dict[str, str] = field(default_factory=dict)
    granted: set[str] = field(default_factory=set)
    standing: dict[str, int] = field(default_factory=dict)
    """How often a standing grant may be used, and how often it was, as far as this log says."""
    standing_uses: dict[str, int] = field(default_factory=dict)
    reconciled: set[str] = field(default_factory=set)
    log: str = ""
    _permits: dict[str, str] = field(default_factory=dict)
    _open: dict[str, Decided] = field(default_factory=dict)
    _ended: dict[str, str] = field(default_factory=dict)
    _given_up: dict[str, Decided] = field(default_factory=dict)

    def add(self, event: Event) -> Iterator[tuple[str, str]]:
        """Take the next event in. Yields (code, message) of what does not fit."""
        body = event.body
        if event.kind is EventKind.DECISION:
            decided = _decided(event)
            if decided is not None:
                yield from self.decided(decided)
        elif event.kind in ENDS:
            yield from self.ended(Ended(event.seq, event.id, event.kind, str(body["decision"]), str(body["permit"])))
        elif event.kind is EventKind.ACTION_RECONCILED:
            self.reconciled.add(str(body["decision"]))
        elif event.kind is EventKind.APPROVAL_REMEMBERED:
            count = body["count"]
            assert isinstance(count, int)
            self.standing[str(body["grant"])] = count
        elif event.kind is EventKind.APPROVAL_GRANTED:
            self.granted.add(str(body["approval"]))

    def unknown(self) -> tuple[Unknown, ...]:
        """Permitted calls of unknown outcome, in the order of their decisions."""
        calls = sorted((*self._open.values(), *self._given_up.values()))
        return tuple(
            Unknown(
                log=self.log,
                seq=call.seq,
                decision=call.id,
                permit=call.permit,
                tool=call.tool,
                idempotency=call.idempotency,
                given_up=call.id in self._given_up,
            )
            for call in calls
            if call.id not in self.reconciled
        )

    def decided(self, call: Decided) -> Iterator[tuple[str, str]]:
        """Take a decision with a permit in. Yields (code, message) of what does not fit."""
        if call.outcome != Outcome.ALLOW.value:
            yield "permit-without-allow", f"{call.id} is no allow and hands out permit {call.permit}"
            return
        if call.permit in self._permits:
            yield "permit-twice", f"permit {call.permit} stands in {self._permits[call.permit]} and in {call.id}"
        self._permits[call.permit] = call.id
        self._open[call.id] = call
        for approval in sorted(call.approvals):
            if approval.startswith(STANDING):
                self.standing_uses[approval] = self.standing_uses.get(approval, 0) + 1
                continue
            if approval in self.approvals:
                yield (
                    "approval-twice",
                    f"approval {approval} was used twice, by {self.approvals[approval]} and {call.id}",
                )
            self.approvals[approval] = call.id

    def ended(self, end: Ended) -> Iterator[tuple[str, str]]:
        """Take the end of a call in. Yields (code, message) of what does not fit."""
        call = self._open.pop(end.decision, None)
        if call is not None:
            self._ended[end.decision] = call.permit
            if not settles(end.kind, call.idempotency):
                self._given_up[end.decision] = call
            if call.permit != end.permit:
                yield (
                    "other-permit",
                    f"{end.kind.value} of permit {end.permit}; {end.decision} handed out {call.permit}",
                )
        elif end.decision in self._ended:
            yield "outcome-twice", f"{end.kind.value} is a second outcome of {end.decision}"
        else:
            yield "outcome-without-decision", f"{end.kind.value} of {end.decision}, which allowed nothing before"


def _decided(event: Event) -> Decided | None:
    """None if it hands out no permit."""
    body = event.body
    if "permit" not in body:
        return None
    approved = body["approved"]
    assert isinstance(approved, list)
    return Decided(
        event.seq,
        event.id,
        str(body["permit"]),
        str(body["outcome"]),
        str(body["tool"]),
        str(body.get("idempotency")),
        frozenset(str(lifted["approval"]) for lifted in approved),
    )
