"""Which parts of the rules a decision exercised: Cedar is asked about each part, on the very request that was decided.

For each rule a *probe* set is made: forbids with the rule's own scope, whose conditions are the parts of the rule's
conditions (see `operands`). The probes stand in an engine of their own, which is the same strict wrapper, so that
what they see is what the rules saw. They are forbids because Cedar then names every one that holds, also where another
one fails. INVARIANT: a probe engine decides nothing: it allows no call. DESIGN §4 *tests*.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import cedarpy
from cedarpy import pst

from bailiwick.errors import Where
from bailiwick.model.decision import Verdict
from bailiwick.policy.bundle import Bundle, PolicyEffect, PolicyInfo
from bailiwick.policy.engine import PolicyEngine
from bailiwick.policy.operands import Operand, Places, operands_of

__all__ = ["Probes", "Seen", "probes_of"]

_NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What one request showed: rules whose scope fitted a link, and the numbers of the conditions that were evaluated
    to true or to false."""

    scopes: frozenset[str]
    true: frozenset[int]
    false: frozenset[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Probes:
    """`engine` is to be asked what the project's engine was asked; `seen` reads its answers. Conditions are known by
    their place in `conditions`."""

    engine: PolicyEngine
    conditions: tuple[Operand, ...]

    def seen(self, verdicts: Iterable[Verdict]) -> Seen:
        """What the verdicts of `engine` show."""
        found: dict[str, set[str]] = {"scope": set(), "true": set(), "false": set()}
        for verdict in verdicts:
            for link in verdict.links:
                for name in link.policies:
                    kind, _, what = name.partition(":")
                    found[kind].add(what)
        return Seen(
            scopes=frozenset(found["scope"]),
            true=frozenset(map(int, found["true"])),
            false=frozenset(map(int, found["false"])),
        )


def probes_of(engine: PolicyEngine) -> Probes:
    """The probes of the rules of `engine`."""
    made: dict[str, pst.Template] = {}
    places: dict[str, Where] = {}
    conditions: list[Operand] = []
    trees = engine.bundle.policy_set.to_pst().static_policies
    for name, info in engine.policies.items():
        tree = trees[name]
        mine = list(operands_of(name, tree, Places(info.where, info.text)))
        _add(made, f"scope:{name}", tree, ())
        for number, condition in enumerate(mine, len(conditions)):
            _add(made, f"true:{number}", tree, (*condition.reached, pst.When(expr=condition.expr)))
            _add(made, f"false:{number}", tree, (*condition.reached, pst.Unless(expr=condition.expr)))
        conditions += mine
        places |= dict.fromkeys(made.keys() - places.keys(), info.where)
    return Probes(engine=_engine(engine, made, places), conditions=tuple(conditions))


def _add(made: dict[str, pst.Template], name: str, tree: pst.Template, clauses: tuple[pst.Clause, ...]) -> None:
    made[name] = pst.Template(
        id=name,
        effect="forbid",
        principal=tree.principal,
        action=tree.action,
        resource=tree.resource,
        clauses=clauses,
        annotations=_NOTHING,
    )


def _engine(engine: PolicyEngine, made: Mapping[str, pst.Template], places: Mapping[str, Where]) -> PolicyEngine:
    given = engine.bundle
    probes = {
        name: PolicyInfo(
            id=name,
            effect=PolicyEffect.FORBID,
            annotations=_NOTHING,
            gate=None,
            reason="",
            where=places[name],
            text="",
        )
        for name in made
    }
    # What an approval lifts is asked about with that approval, so the engine has to know of the gates.
    gates = {name: replace(info, annotations=_NOTHING) for name, info in given.policies.items() if info.gate}
    bundle = Bundle(
        policy_set=cedarpy.PolicySet.from_pst(
            pst.PolicySet(templates={}, static_policies=dict(made), template_links=())
        ),
        policies=MappingProxyType({**gates, **probes}),
        schema=given.schema,
        schema_text=given.schema_text,
        digest="",
    )
    return engine.with_rules(bundle)
