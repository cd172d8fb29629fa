"""How people answer requests: how many, how fast, how often yes, and what they said to planted ones. Facts alone.

An answer is what one person said to one request at one moment, on however many gates. Its time is from the request to
the answer, whether or not they looked earlier.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bailiwick.action.approvals import Approval

__all__ = ["ApproverStats", "approver_stats"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ApproverStats:
    """Of one person. Times are milliseconds, None where nothing was answered; planted requests count in `checks` and
    `checks_failed` (granted) alone."""

    person: str
    answers: int
    yes: int
    median_ms: int | None
    p90_ms: int | None
    checks: int
    checks_failed: int


def approver_stats(approvals: Iterable[Approval]) -> tuple[ApproverStats, ...]:
    """One for each person who answered any of these, by name."""
    times: dict[str, list[int]] = {}
    said: dict[str, list[bool]] = {}
    checks: dict[str, list[bool]] = {}
    for item in approvals:
        answers = dict.fromkeys((vote.approver, vote.at_ms, vote.granted) for vote in item.votes)
        for person, at_ms, granted in answers:
            if item.planted:
                checks.setdefault(person, []).append(granted)
                continue
            said.setdefault(person, []).append(granted)
            # The yes of an editor is as old as the request that their edit made: it says nothing of time.
            if not (item.edit_of and at_ms == item.requested_ms):
                times.setdefault(person, []).append(max(0, at_ms - item.requested_ms))
    return tuple(
        ApproverStats(
            person=person,
            answers=len(said.get(person, ())),
            yes=sum(said.get(person, ())),
            median_ms=_rank(times.get(person, ()), 50),
            p90_ms=_rank(times.get(person, ()), 90),
            checks=len(checks.get(person, ())),
            checks_failed=sum(checks.get(person, ())),
        )
        for person in sorted(said.keys() | checks.keys())
    )


def _rank(times: Sequence[int], percent: int) -> int | None:
    """The nearest rank: the least of them that is no less than so many percent."""
    ordered = sorted(times)
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)] if ordered else None
