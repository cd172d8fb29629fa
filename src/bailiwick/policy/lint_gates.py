"""Gates that always deny some call, because nobody is left who could lift them.

A gate is asked about chains that the scopes of permits let through: somebody who starts it, and an agent. Deeper chains
only leave fewer people. One chain is named for each gate, the first in the order of ids.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from cedarpy import pst

from bailiwick.errors import Finding
from bailiwick.model.decision import Gate, GateKind
from bailiwick.model.principal import EntityKind, EntityRef
from bailiwick.policy.goals import goals_of
from bailiwick.policy.shadow import Scoped
from bailiwick.policy.whole import Whole

__all__ = ["gate_findings"]

_HAS_USER = pst.HasAttr(base=pst.Var(name="context"), attrs=("user",))


def gate_findings(whole: Whole) -> Iterator[Finding]:
    """Findings on every gate that the loader itself had nothing to say of."""
    said = {finding.where for finding in whole.bundle.warnings if finding.rule == "gate-out-of-reach"}
    for each in whole.rules:
        gate = whole.bundle.policies[each.rule.id].gate
        if gate is None:
            continue
        if gate.kind is GateKind.CONFIRM:
            yield from _confirm(whole, each)
        elif each.rule.piece.find("quorum", "approvers") not in said:
            yield from _approval(whole, each, gate)


def _approval(whole: Whole, each: Scoped, gate: Gate) -> Iterator[Finding]:
    for root, agent in _chains(whole, each):
        left = whole.people.independent(gate, (root, agent))
        if len(left) < gate.quorum:
            able = f"only {', '.join(sorted(left))} could" if left else "nobody could"
            yield each.rule.finding(
                "gate-out-of-reach",
                f"{each.rule.name()} can never be lifted for a call of {root.id} through {agent.id}: it asks for "
                f"{gate.quorum} approval(s), and {able} give one",
                "approvers",
                hint="who asks, and who owns a service or an agent of the chain, does not approve: add people to the "
                "approvers, or name another group too",
            )
            return


def _confirm(whole: Whole, each: Scoped) -> Iterator[Finding]:
    for root, agent in _chains(whole, each):
        if root.kind is EntityKind.SERVICE:
            yield each.rule.finding(
                "confirm-without-user",
                f"{each.rule.name()} asks the user to confirm, and calls of service {root.id} through {agent.id} have "
                "none: it always denies them",
                "confirm",
                hint='use @gate("approval") with approvers, or except services: when { context has user }',
            )
            return


def _chains(whole: Whole, each: Scoped) -> Iterator[tuple[EntityRef, EntityRef]]:
    """Who may, by scopes, start a call that the gate applies to, and through which agent. Of all agents only one for
    each owner is tried: nothing else of an agent matters to who may approve."""
    goals = goals_of(each.rule.tree.clauses)
    met = whole.people.fitting(each.rule.tree.principal, goals)
    asks_for_user = {goal.truth for goal in goals if goal.expr == _HAS_USER}
    seen: set[frozenset[EntityRef]] = set()
    for action in sorted(each.reached):
        permitted = whole.permitted.get(action, frozenset()) - whole.closed.get(action, frozenset())
        if permitted in seen:
            continue
        seen.add(permitted)
        agents = _sorted(permitted & whole.people.agents)
        for root in _sorted(permitted & whole.people.roots):
            if not asks_for_user <= {root.kind is EntityKind.USER}:
                continue
            owners: set[str] = set()
            for agent in agents:
                owner = whole.directory.agents[agent.id].owner
                if (root in met or agent in met) and owner not in owners:
                    owners.add(owner)
                    yield root, agent


def _sorted(refs: Iterable[EntityRef]) -> list[EntityRef]:
    return sorted(refs, key=lambda ref: (ref.kind is not EntityKind.USER, ref.id))
