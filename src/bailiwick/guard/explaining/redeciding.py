"""Recorded decisions taken again by rules, and what comes of it: what a backtest counts. DESIGN §5 *Audit*.

What is decided anew is the rules' answer with the gates in it, and whether rules are only observed. Everything else is
held as it was recorded: who acted for whom and within which scope, what the arguments were found to mean, the labels,
the counts of budgets, the facts, the time, and what other layers said. A refusal of another layer after the rules
(a budget, a call in doubt, nobody who could approve) stands, unless it came of asking people and these rules ask none.
An approval counts while the text of its gate is the same (promise 4).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from bailiwick.guard.explaining.recorded import Question, Taken, subject_for
from bailiwick.guard.observing import settled
from bailiwick.guard.planes import Planes
from bailiwick.model.decision import LinkVerdict, Outcome, Verdict
from bailiwick.model.principal import EntityKind
from bailiwick.policy import Subject
from bailiwick.policy.replay import Replay, Unfit

__all__ = ["Coverage", "Flip", "Redecider", "Ruling", "effect"]

MAX_ANSWERS, MAX_SUBJECTS = 200_000, 4_000
"""So many are remembered; a subject holds what was prepared for each tool that its session used."""


class Coverage(StrEnum):
    """Whether a recorded decision could be taken again, and why not."""

    TAKEN_AGAIN = "taken-again"
    BEFORE_POLICY = "refused-before-policy"
    """Identity, catalog, parsing, a budget ... refused it: no rule was asked, and none would be."""
    NO_SNAPSHOT = "no-snapshot"
    ERASED = "snapshot-erased"
    UNREADABLE = "snapshot-unreadable"
    OTHER_RULES = "rules-not-at-hand"
    """It was decided by rules that are neither the folder's nor those of a bundle that was activated here."""
    UNFIT = "does-not-fit"
    """The other catalog or directory has no such question."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """What rules answer. `why`: the rules that decided, or which link lacks a permit."""

    outcome: Outcome
    why: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Flip:
    """A decision that would be another one."""

    was: Outcome
    now: Outcome

    @property
    def widened(self) -> bool:
        return _RANK[self.now] > _RANK[self.was]

    @property
    def order(self) -> int:
        """Where it stands in a list: the most that is given first, then what is taken."""
        return _ORDER.index((self.was, self.now))


_RANK = {Outcome.DENY: 0, Outcome.NEEDS_APPROVAL: 1, Outcome.ALLOW: 2}
_ORDER = (
    (Outcome.DENY, Outcome.ALLOW),
    (Outcome.DENY, Outcome.NEEDS_APPROVAL),
    (Outcome.NEEDS_APPROVAL, Outcome.ALLOW),
    (Outcome.ALLOW, Outcome.DENY),
    (Outcome.ALLOW, Outcome.NEEDS_APPROVAL),
    (Outcome.NEEDS_APPROVAL, Outcome.DENY),
)


def effect(was: Outcome, question: Question, ruling: Ruling) -> Outcome:
    """What becomes of a call whose recorded outcome is `was` where the rules answer `ruling`."""
    if ruling.outcome is Outcome.DENY or was is question.answer:
        return ruling.outcome
    # Another layer refused what the rules let through, or what people could have been asked.
    if question.answer is Outcome.NEEDS_APPROVAL and ruling.outcome is Outcome.ALLOW:
        return Outcome.ALLOW
    return was


@dataclass(slots=True, kw_only=True)
class Redecider:
    """Takes decisions again by the rules of `planes`. Answers to equal questions are remembered."""

    planes: Planes
    remembered: int = 0
    _replay: Replay = field(init=False)
    _deciding: str = field(init=False)
    _answers: dict[bytes, Ruling] = field(init=False, default_factory=dict)
    _subjects: dict[int, tuple[Taken, Subject]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._replay = Replay(self.planes.policy)
        self._deciding = self.planes.deciding_digest

    def rule(self, taken: Taken, question: Question) -> Ruling | Unfit:
        """What the rules say now. Under the rules that decided it then, every question fits."""
        request = question.asked(self._subject(taken), taken, self._lifted(question.approved))
        if taken.deciding != self._deciding:
            fitted = self._replay.fitted(request)
            if isinstance(fitted, Unfit):
                return fitted
            request = fitted
        key = self._replay.key(request)
        found = self._answers.get(key) if key is not None else None
        if found is not None:
            self.remembered += 1
            return found
        verdict, _ = settled(self.planes, request, self.planes.policy.decide(request))
        ruling = Ruling(outcome=verdict.outcome, why=_why(verdict))
        if key is not None:
            if len(self._answers) >= MAX_ANSWERS:
                self._answers.clear()
            self._answers[key] = ruling
        return ruling

    def _lifted(self, approved: Mapping[str, str]) -> frozenset[str]:
        rules = self.planes.policy.policies
        return frozenset(
            name
            for name, text in approved.items()
            if name in rules and (gate := rules[name].gate) is not None and gate.text == text
        )

    def _subject(self, taken: Taken) -> Subject:
        held = self._subjects.get(id(taken))  # the entry keeps `taken` alive, so that its id stays its own
        if held is None:
            if len(self._subjects) >= MAX_SUBJECTS:
                self._subjects.clear()
            held = self._subjects[id(taken)] = (taken, subject_for(self.planes.policy, taken))
        return held[1]


def _why(verdict: Verdict) -> tuple[str, ...]:
    if verdict.gates:
        return tuple(gate.id for gate in verdict.gates)
    allowed = verdict.outcome is Outcome.ALLOW
    if allowed and not all(link.allowed for link in verdict.links):
        return ("only observed",)
    found: dict[str, None] = {}
    for link in verdict.links:
        if link.allowed is allowed or link.errors:
            found.update(dict.fromkeys(_of_link(link)))
    return tuple(sorted(found))


def _of_link(link: LinkVerdict) -> tuple[str, ...]:
    if link.errors:
        return ("policy-error",)
    if link.policies:
        return link.policies
    kind = {EntityKind.USER: "user", EntityKind.SERVICE: "service"}.get(link.link.kind, "agent")
    return (f"no permit for {kind} {link.link.id}",)
