"""How much of the rules a set of tests exercises, told by Cedar itself (see `bailiwick.policy.coverage`).

A rule is exercised iff it decided something; a condition, and each operand within one, iff Cedar evaluated it both to
true and to false. DESIGN §4 *tests*.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from bailiwick.errors import Where
from bailiwick.guard.explaining.rehearsal import OtherRules, Step
from bailiwick.guard.planes import Planes
from bailiwick.model.decision import Verdict
from bailiwick.policy.coverage import probes_of
from bailiwick.testing.run import Ran

__all__ = ["ConditionSeen", "Coverage", "RuleSeen", "measure"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSeen:
    """`scope`: a call came under it; `decided`: it was one of the rules that decided a link."""

    id: str
    where: Where
    scope: bool
    decided: bool

    @property
    def missing(self) -> str:
        """What no test shows of it; empty if nothing is missing."""
        if self.decided:
            return ""
        return "never decides" if self.scope else "no call comes under its scope"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionSeen:
    """A `when` or `unless` (`whole`), or an operand within one."""

    rule: str
    where: Where
    text: str
    whole: bool
    true: bool
    false: bool

    @property
    def missing(self) -> str:
        """What no test shows of it; empty if nothing is missing."""
        match self.true, self.false:
            case True, True:
                return ""
            case True, False:
                return "never false"
            case False, True:
                return "never true"
            case _:
                return "never reached"


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """`rules` and `conditions` stand in the order of the files."""

    rules: tuple[RuleSeen, ...]
    conditions: tuple[ConditionSeen, ...]

    @property
    def decided(self) -> int:
        return sum(rule.decided for rule in self.rules)

    @property
    def outcomes(self) -> int:
        """Of the two outcomes that each condition has, those that were seen."""
        return sum(one.true + one.false for one in self.conditions)

    @property
    def percent(self) -> float:
        """Rules that decided and outcomes that were seen, of all; 100 of a project without rules."""
        total = len(self.rules) + 2 * len(self.conditions)
        return 100 * (self.decided + self.outcomes) / total if total else 100.0


def measure(planes: Planes, results: Iterable[Ran]) -> Coverage:
    """What the calls of `results` exercise of the rules of `planes`."""
    policy = planes.policy
    probes = probes_of(policy)
    asking = OtherRules(planes=replace(planes, policy=probes.engine))
    decided: set[str] = set()
    scopes: set[str] = set()
    true: set[int] = set()
    false: set[int] = set()
    for ran in results:
        for step in ran.rehearsed.taken:
            verdict = step.judged.decision.verdict
            if verdict is None:
                continue
            decided.update(name for link in verdict.links for name in link.policies)
            seen = probes.seen(_answers(step, asking))
            scopes |= seen.scopes
            true |= seen.true
            false |= seen.false
    return Coverage(
        rules=tuple(
            RuleSeen(id=name, where=info.where, scope=name in scopes, decided=name in decided)
            for name, info in policy.policies.items()
        ),
        conditions=tuple(
            ConditionSeen(
                rule=one.rule,
                where=one.where,
                text=one.text,
                whole=one.whole,
                true=number in true,
                false=number in false,
            )
            for number, one in enumerate(probes.conditions)
        ),
    )


def _answers(step: Step, asking: OtherRules) -> Iterator[Verdict]:
    """What the probes say to a step. The engine asks the rules twice where approval would help: so are the probes."""
    gates = frozenset(gate.id for gate in step.judged.decision.gates)
    asked = (step.under(asking), *([step.under(asking, gates)] if gates else []))
    yield from (decision.verdict for decision in asked if decision.verdict is not None)
