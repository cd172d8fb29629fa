"""Observe mode: rules that decide as always, and whose denial is recorded instead of enforced. DESIGN §3 promise 1.

`policies.mode = "observe"` observes all rules on calls, `@observe` a single forbid. INVARIANT: only the answer of rules
that could judge the request is relaxed. Identity, delegation, suspensions, catalog and parsing have denied before rules
are asked; a call in doubt, a failed audit and whatever else denies after them is not looked at here; a rule that
errors, a fact that nobody knows and an id that does not exist still deny.
"""

from __future__ import annotations

from dataclasses import replace

from bailiwick.guard.planes import Planes, PolicyMode
from bailiwick.model.decision import Observed, Outcome, Plane, Reason, Verdict
from bailiwick.policy import PolicyRequest

__all__ = ["settled"]


def settled(planes: Planes, request: PolicyRequest, verdict: Verdict) -> tuple[Verdict, Observed | None]:
    """What counts of the rules' answer to `request`, and what would have become of the call if all rules did."""
    if verdict.outcome is Outcome.ALLOW or not _judged(verdict):
        return verdict, None
    if planes.settings.mode is PolicyMode.OBSERVE:
        due = planes.policy.every_obligation(request.tool)
        passed = replace(verdict, outcome=Outcome.ALLOW, gates=(), reasons=(_PASSES,), obligations=due)
        return passed, _observed(verdict)
    if _deciding(verdict).isdisjoint(planes.policy.observed):
        return verdict, None
    counts = planes.policy.decide_enforced(request)
    if (counts.outcome, counts.gates) == (verdict.outcome, verdict.gates):
        return counts, None
    if counts.outcome is Outcome.ALLOW:
        counts = replace(counts, reasons=(_PASSES, *counts.reasons))
    return counts, _observed(verdict)


def _judged(verdict: Verdict) -> bool:
    """Whether the rules could judge the request, for every link and every resource."""
    return bool(verdict.links) and not any(link.errors for link in verdict.links)


def _deciding(verdict: Verdict) -> frozenset[str]:
    return frozenset(name for link in verdict.links if not link.allowed for name in link.policies)


def _observed(verdict: Verdict) -> Observed:
    names = dict.fromkeys(name for link in verdict.links if not link.allowed for name in link.policies)
    return Observed(outcome=verdict.outcome, reasons=verdict.reasons, rules=tuple(names))


_PASSES = Reason(
    plane=Plane.POLICY,
    code="observed",
    message="Rules that are only observed so far would not have let this pass as it is.",
)
