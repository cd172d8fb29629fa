"""Timing: cases that take turns, so that a noisy neighbour meets all of them alike, and what is reported of each."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from time import perf_counter_ns

__all__ = ["Case", "Figure", "figure", "take_turns", "timed"]

Case = Callable[[], int]
"""Does its work once. → nanoseconds that the measured part of it took."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """Microseconds over `n` runs: the best twentieth is what the machine can do when it is left alone."""

    n: int
    p05_us: float
    p50_us: float
    p95_us: float

    def plain(self) -> dict[str, float]:
        return asdict(self)


def figure(nanoseconds: Sequence[int]) -> Figure:
    ordered = sorted(nanoseconds)

    def at(share: float) -> float:
        return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))] / 1000, 1)

    return Figure(n=len(ordered), p05_us=at(0.05), p50_us=round(statistics.median(ordered) / 1000, 1), p95_us=at(0.95))


def timed(work: Callable[[], object]) -> Case:
    """A case that measures all of `work`."""

    def case() -> int:
        began = perf_counter_ns()
        work()
        return perf_counter_ns() - began

    return case


def take_turns(cases: Mapping[str, Case], *, n: int) -> dict[str, Figure]:
    """Run every case n times, one after the other in each round. The first tenth of the rounds does not count."""
    taken: dict[str, list[int]] = {name: [] for name in cases}
    warm_up = n // 10
    for number in range(warm_up + n):
        for name, case in cases.items():
            spent = case()
            if number >= warm_up:
                taken[name].append(spent)
    return {name: figure(spent) for name, spent in taken.items()}
