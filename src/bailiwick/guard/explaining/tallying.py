"""What a backtest found, added up: how much of history was taken again, and which decisions would be others."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from bailiwick.guard.explaining.redeciding import Coverage, Flip
from bailiwick.policy.replay import Unfit

__all__ = ["Example", "Flipped", "Group", "Lost", "Tally"]


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Example:
    """One decision of a group, by its event."""

    ts_us: int
    event: str
    chain: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Flipped:
    """What decisions that flip have in common: the tool, the outcomes, and what decided then and now."""

    flip: Flip
    tool: str
    then: tuple[str, ...]
    now: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """What decisions that do not fit the other rules have in common: why, and whether their calls were let through."""

    unfit: Unfit
    was: str


@dataclass(slots=True, kw_only=True)
class Group:
    """Decisions of one kind, all of them."""

    examples: list[Example] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class Tally:
    """`events` were read, `decisions` of them are of this project. `same` and `flips` are what was taken again."""

    events: int = 0
    decisions: int = 0
    remembered: int = 0
    same: int = 0
    coverage: Counter[Coverage] = field(default_factory=Counter)
    flips: dict[Flipped, Group] = field(default_factory=dict)
    lost: dict[Lost, Group] = field(default_factory=dict)

    def flipped(self, what: Flipped, example: Example) -> None:
        self.flips.setdefault(what, Group()).examples.append(example)

    def lose(self, what: Lost, example: Example) -> None:
        self.lost.setdefault(what, Group()).examples.append(example)

    def add(self, other: Tally) -> None:
        """Add what another process found."""
        self.events += other.events
        self.decisions += other.decisions
        self.remembered += other.remembered
        self.same += other.same
        self.coverage.update(other.coverage)
        for flipped, group in other.flips.items():
            self.flips.setdefault(flipped, Group()).examples.extend(group.examples)
        for lost, group in other.lost.items():
            self.lost.setdefault(lost, Group()).examples.extend(group.examples)

    @property
    def ordered(self) -> tuple[tuple[Flipped, tuple[Example, ...]], ...]:
        """The flips: those that give most first, and of these the most frequent; each with its decisions by time."""
        groups = sorted(
            self.flips.items(),
            key=lambda item: (item[0].flip.order, -len(item[1].examples), item[0].tool, item[0].now, item[0].then),
        )
        return tuple((what, tuple(sorted(group.examples))) for what, group in groups)

    @property
    def ordered_lost(self) -> tuple[tuple[Lost, tuple[Example, ...]], ...]:
        """What did not fit, the most frequent first."""
        groups = sorted(self.lost.items(), key=lambda item: (-len(item[1].examples), item[0].unfit.what, item[0].was))
        return tuple((what, tuple(sorted(group.examples))) for what, group in groups)

    @property
    def taken_again(self) -> int:
        return self.coverage[Coverage.TAKEN_AGAIN]

    @property
    def widened(self) -> int:
        return sum(len(group.examples) for what, group in self.flips.items() if what.flip.widened)

    @property
    def narrowed(self) -> int:
        return sum(len(group.examples) for group in self.flips.values()) - self.widened
