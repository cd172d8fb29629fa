"""The smallest sets of changes that would make a call permitted, found by deciding the changed calls. DESIGN §3
promise 9, §5 *Policy engine*.

Breadth-first: by one change, then by two, each tried on the result of the one before. Approvals that the changed call
would still need count as changes. What a change is and what it does to a call is for whoever asks to say.

INVARIANT: each alternative was decided, by the same engine as any call, as allowed (or as denied by no more than the
gates whose approvals it names); none has more changes than another; and no part of one would do, since each part was
tried before. The work is bounded: at most MAX_QUESTIONS decisions and probes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Generic, TypeVar

__all__ = [
    "MAX_ALTERNATIVES",
    "MAX_CHANGES",
    "MAX_QUESTIONS",
    "Answer",
    "Change",
    "ChangeKind",
    "Found",
    "Maker",
    "Option",
    "search",
]

MAX_QUESTIONS = 400
"""Decisions and probes that one explanation may cost."""
MAX_CHANGES = 2
"""Changes that are tried together, approvals not counted."""
MAX_ALTERNATIVES = 5
MAX_OTHERS = 2

S = TypeVar("S")


class Maker(StrEnum):
    """Who can make a change, nearest to the call first."""

    AGENT = "agent"
    USER = "user"
    APPROVER = "approver"
    ADMINISTRATOR = "administrator"


class ChangeKind(StrEnum):
    """What a change is about, most actionable first."""

    ARGUMENT = "argument"
    PROMPT = "prompt"
    SESSION = "session"
    EVIDENCE = "evidence"
    TIME = "time"
    ENVIRONMENT = "environment"
    TASK = "task"
    APPROVAL = "approval"
    PRINCIPAL = "principal"
    MEMBERSHIP = "membership"
    ATTRIBUTE = "attribute"
    GRANT = "grant"
    FACT = "fact"
    EFFECTOR = "effector"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One thing that would be otherwise. `what` names it, `before` and `after` are its values as text (empty where
    there is none), `text` says it in words that go on from "It would be permitted"."""

    kind: ChangeKind
    what: str
    before: str
    after: str
    by: Maker
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Option(Generic[S]):
    """A change that may help, and how a situation looks with it. `instead`: somebody else makes the call, which is an
    answer of its own kind and is not combined with others."""

    change: Change
    apply: Callable[[S], S]
    instead: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer(Generic[S]):
    """The decision on a situation. `approvals` are those that would make it an allow, if nothing else is missing."""

    allowed: bool
    approvals: tuple[Change, ...]
    options: Callable[[], Sequence[Option[S]]]


@dataclass(slots=True, kw_only=True)
class Found:
    """`alternatives` are sets of changes, all of the same, least size, most actionable first; `others` those by which
    somebody else makes the call. `asked` is what it cost; `complete` False: the bound was reached, so there may be
    more."""

    alternatives: tuple[tuple[Change, ...], ...] = ()
    others: tuple[tuple[Change, ...], ...] = ()
    asked: int = 0
    complete: bool = True
    _sets: dict[frozenset[Change], tuple[Change, ...]] = field(default_factory=dict)

    @property
    def least(self) -> int:
        """The size of the smallest set so far."""
        return min(map(len, self._sets), default=MAX_CHANGES + 3)

    def note(self, changes: tuple[Change, ...]) -> None:
        self._sets.setdefault(frozenset(changes), tuple(sorted(changes, key=_nearness)))

    def spend(self) -> bool:
        """Whether one more question may be asked."""
        self.complete = self.complete and self.asked < MAX_QUESTIONS
        self.asked += self.complete
        return self.complete

    def finish(self) -> Found:
        sets = [changes for changes in self._sets.values() if len(changes) == self.least]
        self.alternatives = tuple(sorted(sets, key=_actionable)[:MAX_ALTERNATIVES])
        return self


def search(start: S, look: Callable[[S], Answer[S]]) -> Found:
    """The smallest sets of changes to `start` that make it an allow. Nothing is searched where it is one already."""
    found = Found()
    first = look(start)
    if first.allowed:
        return found
    if first.approvals:
        found.note(first.approvals)
    found.spend()
    first_options = first.options()
    direct = [option for option in first_options if not option.instead]
    level: list[tuple[tuple[Change, ...], S, Sequence[Option[S]]]] = [((), start, direct)]
    seen: set[frozenset[Change]] = set()
    for size in range(1, MAX_CHANGES + 1):
        level = list(_next_level(level, look, found, seen)) if size <= found.least else []
    _others(start, first_options, look, found)
    return found.finish()


def _next_level(
    level: Sequence[tuple[tuple[Change, ...], S, Sequence[Option[S]]]],
    look: Callable[[S], Answer[S]],
    found: Found,
    seen: set[frozenset[Change]],
) -> Iterator[tuple[tuple[Change, ...], S, Sequence[Option[S]]]]:
    """Each situation of `level` with each of its options; what helps is noted, what does not is gone on from."""
    failed: list[tuple[tuple[Change, ...], S, Answer[S]]] = []
    for made, situation, options in level:
        for option in options:
            changes = (*made, option.change)
            key = frozenset(changes)
            if key in seen or any(_same_thing(option.change, other) for other in made):
                continue
            seen.add(key)
            if not found.spend():
                return
            changed = option.apply(situation)
            answer = look(changed)
            if answer.allowed or answer.approvals:
                found.note((*changes, *answer.approvals))
            if not answer.allowed:
                failed.append((changes, changed, answer))
    for changes, changed, answer in failed:
        if len(changes) < MAX_CHANGES and len(changes) < found.least and found.spend():
            yield changes, changed, [option for option in answer.options() if not option.instead]


def _others(start: S, options: Sequence[Option[S]], look: Callable[[S], Answer[S]], found: Found) -> None:
    helped: list[tuple[Change, ...]] = []
    for option in options:
        if option.instead and len(helped) < MAX_OTHERS and found.spend():
            answer = look(option.apply(start))
            if answer.allowed or answer.approvals:
                helped.append((option.change, *answer.approvals))
    found.others = tuple(sorted(helped, key=len))


def _same_thing(one: Change, other: Change) -> bool:
    return (one.kind, one.what) == (other.kind, other.what)


def _nearness(change: Change) -> tuple[int, int]:
    return list(Maker).index(change.by), list(ChangeKind).index(change.kind)


def _actionable(changes: tuple[Change, ...]) -> list[tuple[int, int]]:
    """What takes an administrator comes after all that takes none, and so on."""
    return sorted(map(_nearness, changes), reverse=True)
