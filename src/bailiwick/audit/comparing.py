"""Two sessions side by side: where they did the same, and where they parted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import StrEnum

from bailiwick.audit.slices import Entry
from bailiwick.model.event import EventKind

__all__ = ["MAX_STEPS", "Compared", "Side", "Step", "compare"]

MAX_STEPS = 2_000
"""Steps of a session that are compared: the first ones."""

_STEPS = frozenset(
    {
        EventKind.DECISION.value,
        EventKind.CONTENT_INGESTED.value,
        EventKind.CONTENT_WITHHELD.value,
        EventKind.DELEGATION_GRANTED.value,
        EventKind.ACTION_FAILED.value,
        EventKind.ACTION_CANCELLED.value,
    }
)


class Side(StrEnum):
    """In which of the two sessions a step stands."""

    BOTH = "both"
    CHANGED = "changed"
    """The same step in both, decided or labelled otherwise."""
    FIRST = "first"
    SECOND = "second"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    side: Side
    first: Entry | None
    second: Entry | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """`cut`: at least one of the sessions has more steps than were compared."""

    steps: tuple[Step, ...]
    cut: bool

    def count(self, side: Side) -> int:
        return sum(step.side is side for step in self.steps)


def compare(first: Iterable[Entry], second: Iterable[Entry]) -> Compared:
    """Align the steps of two sessions (calls, contents, delegations, failures) by what they are about, in order."""
    one, other = ([entry for entry in side if entry.kind in _STEPS] for side in (first, second))
    cut = len(one) > MAX_STEPS or len(other) > MAX_STEPS
    one, other = one[:MAX_STEPS], other[:MAX_STEPS]
    matcher = SequenceMatcher(a=list(map(_what, one)), b=list(map(_what, other)), autojunk=False)
    steps: list[Step] = []
    for tag, start, end, start_other, end_other in matcher.get_opcodes():
        if tag == "equal":
            steps += map(_both, one[start:end], other[start_other:end_other])
            continue
        steps += (Step(side=Side.FIRST, first=entry, second=None) for entry in one[start:end])
        steps += (Step(side=Side.SECOND, first=None, second=entry) for entry in other[start_other:end_other])
    return Compared(steps=tuple(steps), cut=cut)


def _what(entry: Entry) -> tuple[str, ...]:
    return entry.kind, entry.about.partition("#")[0], entry.origin


def _both(first: Entry, second: Entry) -> Step:
    same = _how(first) == _how(second)
    return Step(side=Side.BOTH if same else Side.CHANGED, first=first, second=second)


def _how(entry: Entry) -> Sequence[object]:
    label = entry.label or {}
    return entry.outcome, entry.policies, label.get("integrity"), label.get("sensitivity"), label.get("categories")
