"""How records of one log belong together: decision, permit, outcome, approval. DESIGN §3 promises 4 and 5.

INVARIANT: an outcome follows an allow with its permit, once; a permit stands in one decision; an approval is used once,
a standing grant as often as it says.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from bailiwick.model.decision import Outcome
from bailiwick.model.event import Event, EventKind
from bailiwick.model.tool import Idempotency

__all__ = ["ENDS", "Relations", "Unknown", "settles"]

STANDING = "std-"
"""What the id of a standing grant begins with, where a decision says what lifted its gates."""

ENDS = frozenset(
    {EventKind.ACTION_COMPLETED, EventKind.ACTION_FAILED, EventKind.ACTION_CANCELLED, EventKind.ACTION_EXPIRED}
)
"""What the guard records when a permitted call is over."""


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


@dataclass(slots=True)
class Relations:
    """Collects while a log is read in order. `approvals` maps an approval to the decision that used it."""

    approvals: dict[str, str] = field(default_factory=dict)
    granted: set[str] = field(default_factory=set)
    standing: dict[str, int] = field(default_factory=dict)
    """How often a standing grant may be used, and how often it was, as far as this log says."""
    standing_uses: dict[str, int] = field(default_factory=dict)
    reconciled: set[str] = field(default_factory=set)
    _permits: dict[str, str] = field(default_factory=dict)
    _open: dict[str, Unknown] = field(default_factory=dict)
    _ended: dict[str, str] = field(default_factory=dict)
    _given_up: dict[str, Unknown] = field(default_factory=dict)

    def add(self, event: Event) -> Iterator[tuple[str, str]]:
        """Take the next event in. Yields (code, message) of what does not fit."""
        body = event.body
        if event.kind is EventKind.DECISION:
            yield from self._decision(event)
        elif event.kind in ENDS:
            yield from self._outcome(event)
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
        calls = sorted((*self._open.values(), *self._given_up.values()), key=lambda call: call.seq)
        return tuple(call for call in calls if call.decision not in self.reconciled)

    def _decision(self, event: Event) -> Iterator[tuple[str, str]]:
        permit = event.body.get("permit")
        if permit is None:
            return
        permit = str(permit)
        if event.body["outcome"] != Outcome.ALLOW.value:
            yield "permit-without-allow", f"{event.id} is no allow and hands out permit {permit}"
            return
        if permit in self._permits:
            yield "permit-twice", f"permit {permit} stands in {self._permits[permit]} and in {event.id}"
        self._permits[permit] = event.id
        self._open[event.id] = Unknown(
            log=event.log,
            seq=event.seq,
            decision=event.id,
            permit=permit,
            tool=str(event.body["tool"]),
            idempotency=str(event.body.get("idempotency")),
        )
        approved = event.body["approved"]
        assert isinstance(approved, list)
        for approval in sorted({str(lifted["approval"]) for lifted in approved}):
            if approval.startswith(STANDING):
                self.standing_uses[approval] = self.standing_uses.get(approval, 0) + 1
                continue
            if approval in self.approvals:
                yield (
                    "approval-twice",
                    f"approval {approval} was used twice, by {self.approvals[approval]} and {event.id}",
                )
            self.approvals[approval] = event.id

    def _outcome(self, event: Event) -> Iterator[tuple[str, str]]:
        decision, permit = str(event.body["decision"]), str(event.body["permit"])
        call = self._open.pop(decision, None)
        if call is not None:
            self._ended[decision] = call.permit
            if not settles(event.kind, call.idempotency):
                self._given_up[decision] = replace(call, given_up=True)
            if call.permit != permit:
                yield "other-permit", f"{event.kind.value} of permit {permit}; {decision} handed out {call.permit}"
        elif decision in self._ended:
            yield "outcome-twice", f"{event.kind.value} is a second outcome of {decision}"
        else:
            yield "outcome-without-decision", f"{event.kind.value} of {decision}, which allowed nothing before"
