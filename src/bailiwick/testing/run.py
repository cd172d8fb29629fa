"""Runs policy tests: each cell is rehearsed by the guard, and what became of it is compared with what is expected.

INVARIANT: a call that the rules could not judge (`policy-error`) fails its test, also where a denial is expected,
unless the test asks for just that: it would pass for the wrong reason. DESIGN §4 *tests*.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from bailiwick.guard.explaining.rehearsal import Rehearsed, rehearse
from bailiwick.guard.planes import Planes
from bailiwick.model.decision import Decision, LinkVerdict, Outcome
from bailiwick.testing.expected import Case, Expected

__all__ = ["Ran", "by_link", "complaints", "deciding", "run"]

_UNJUDGED = "policy-error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What became of a case. `wrong` is empty iff it passed; `seconds` is what it took."""

    case: Case
    rehearsed: Rehearsed
    wrong: tuple[str, ...]
    seconds: float

    @property
    def passed(self) -> bool:
        return not self.wrong

    @property
    def decision(self) -> Decision:
        return self.rehearsed.decision


def run(
    planes: Planes,
    cases: Iterable[Case],
    *,
    clock: Callable[[], float],
) -> tuple[Ran, ...]:
    """Run every case. `clock` counts seconds."""
    done: list[Ran] = []
    for case in cases:
        began = clock()
        rehearsed = rehearse(planes, case.asked.rehearsal(), case.asked.now_us)
        wrong = complaints(case.expected, rehearsed.decision)
        done.append(Ran(case=case, rehearsed=rehearsed, wrong=wrong, seconds=clock() - began))
    return tuple(done)


def complaints(expected: Expected, decision: Decision) -> tuple[str, ...]:
    """In which ways `decision` is not what is expected; none if it is."""
    wrong: list[str] = []
    if decision.outcome is not expected.outcome:
        wrong.append(f"expected {expected.outcome}, got {decision.outcome}")
    codes = {reason.code for reason in decision.reasons}
    if _UNJUDGED in codes and expected.reason != _UNJUDGED:
        wrong.append(f"the rules could not judge it: {_errors(decision)}")
    if expected.policies is not None and expected.policies != deciding(decision):
        wrong.append(f"expected {_ids(expected.policies)} to decide, got {_ids(deciding(decision))}")
    if expected.reason and expected.reason not in codes | {reason.message for reason in decision.reasons}:
        got = "; ".join(f"{reason.code} ({reason.message})" for reason in decision.reasons)
        wrong.append(f"expected the reason {expected.reason!r}, got {got}")
    gates = frozenset(gate.id for gate in decision.gates)
    if expected.gates is not None and expected.gates != gates:
        wrong.append(f"expected the gates {_ids(expected.gates)}, got {_ids(gates)}")
    at_links = by_link(decision)
    for link, policies in expected.links.items():
        if at_links.get(link, frozenset()) != policies:
            got = _ids(at_links.get(link, ()))
            wrong.append(f"expected {_ids(policies)} to decide for {link}, got {got}")
    return tuple(wrong)


def deciding(decision: Decision) -> frozenset[str]:
    """The rules that decided: those that permit an allow, those that forbid anything else."""
    allowed = decision.outcome is Outcome.ALLOW
    return _policies(link for link in _links(decision) if link.allowed is allowed)


def by_link(decision: Decision) -> dict[str, frozenset[str]]:
    """The rules that decided at each link, permits and forbids."""
    names = dict.fromkeys(link.link.id for link in _links(decision))
    return {name: _policies(one for one in _links(decision) if one.link.id == name) for name in names}


def _links(decision: Decision) -> tuple[LinkVerdict, ...]:
    return decision.verdict.links if decision.verdict else ()


def _policies(links: Iterable[LinkVerdict]) -> frozenset[str]:
    return frozenset(name for link in links for name in link.policies)


def _errors(decision: Decision) -> str:
    return "; ".join(dict.fromkeys(error for link in _links(decision) for error in link.errors)) or "no reason given"


def _ids(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "no rule"
