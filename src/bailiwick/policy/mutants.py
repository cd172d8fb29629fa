"""Mutants of a project's rules: the same rules with one small mistake in one of them. A set of tests that does not
notice a mutant does not test what was changed. DESIGN §4 *tests*.

Every mistake is one that people make: a rule that is lost, a scope that is wider, a condition that is lost, negated,
joined with the wrong operator, off by one, or lacks a name. INVARIANT: a mutant is a rule that would load in this
project; one that the loader refuses can never go into force, so it is *invalid* and no test is asked to notice it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from types import MappingProxyType

import cedarpy
from cedarpy import pst

from bailiwick.errors import ProjectError, Where
from bailiwick.model.principal import EntityKind
from bailiwick.policy.bundle import Bundle, PolicySource
from bailiwick.policy.engine import PolicyEngine
from bailiwick.policy.gates import GATE_ANNOTATIONS, approved_id
from bailiwick.policy.mutations import mutations
from bailiwick.policy.operands import Places, clause_text
from bailiwick.policy.scope import action_fits
from bailiwick.policy.write import cedar_text

__all__ = ["Mutant", "mutants_of", "named_resources"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One mistake. `tree` is the rule with it; None: the rule is gone. `before` is the rule without it."""

    rule: str
    where: Where
    change: str
    before: pst.Template
    tree: pst.Template | None

    def touches(self, of: PolicyEngine) -> frozenset[str]:
        """The tools whose calls the mistake can change: those in the action scope of the rule, before or after."""
        scopes = [tree.action for tree in (self.before, self.tree) if tree is not None]
        return frozenset(
            name for name, action in of.actions.items() if any(action_fits(scope, action) for scope in scopes)
        )

    def engine(self, of: PolicyEngine) -> PolicyEngine | None:
        """`of` with this mistake; None if it would not load."""
        given = of.bundle
        rules = dict(given.policy_set.to_pst().static_policies)
        infos = dict(given.policies)
        if self.tree is None:
            del rules[self.rule], infos[self.rule]
        else:
            try:
                alone = of.load_rule(PolicySource(path=self.where.file, text=_text(self.tree)))
            except ProjectError:
                return None
            if self.rule not in alone.policies:
                return None  # set aside: a pack's rule for tools that the project lacks
            rules[self.rule], infos[self.rule] = self.tree, alone.policies[self.rule]
        made = cedarpy.PolicySet.from_pst(pst.PolicySet(templates={}, static_policies=rules, template_links=()))
        return of.with_rules(
            Bundle(
                policy_set=made,
                policies=MappingProxyType(infos),
                schema=given.schema,
                schema_text=given.schema_text,
                digest="",
            )
        )


def mutants_of(engine: PolicyEngine) -> tuple[Mutant, ...]:
    """Every mutant of the rules of `engine`, in the order of the rules; no two are the same rule."""
    made: list[Mutant] = []
    trees = engine.bundle.policy_set.to_pst().static_policies
    for name, info in engine.policies.items():
        tree = trees[name]
        places = Places(info.where, info.text)
        known: set[pst.Template | None] = {tree}
        for where, change, changed in _changes(tree, places):
            if changed not in known:
                known.add(changed)
                made.append(Mutant(rule=name, where=where, change=change, before=tree, tree=changed))
    return tuple(made)


def named_resources(engine: PolicyEngine) -> tuple[str, ...]:
    """The ids of the resources that rules name, in order."""
    trees = engine.bundle.policy_set.to_pst().static_policies.values()
    found = {uid.id for tree in trees for uid in pst.entity_uids(tree) if str(uid.type) == EntityKind.RESOURCE}
    return tuple(sorted(found))


_Change = tuple[Where, str, pst.Template | None]


def _changes(tree: pst.Template, places: Places) -> Iterator[_Change]:
    yield places.rule, "the rule is gone", None
    yield from _scopes(tree, places)
    for number, clause in enumerate(tree.clauses):
        yield from _clause(tree, number, clause, places)


def _scopes(tree: pst.Template, places: Places) -> Iterator[_Change]:
    for word, constraint in (("principal", tree.principal), ("resource", tree.resource)):
        for wider in _wider(constraint):
            told = f"scope `{_scope_text(word, constraint)}` becomes `{_scope_text(word, wider)}`"
            changed = replace(tree, principal=wider) if word == "principal" else replace(tree, resource=wider)
            yield places.rule, told, changed
    if not isinstance(tree.action, pst.ScopeAny):
        told = f"scope `{_action_text(tree.action)}` becomes `action`"
        yield places.rule, told, replace(tree, action=pst.ScopeAny())
    if isinstance(tree.action, pst.ActionIn) and len(tree.action.entities) > 1:
        for index, lost in enumerate(tree.action.entities):
            rest = (*tree.action.entities[:index], *tree.action.entities[index + 1 :])
            yield places.rule, f"scope lacks `{lost}`", replace(tree, action=pst.ActionIn(entities=rest))


def _wider(constraint: pst.PrincipalOrResourceConstraint) -> Iterator[pst.PrincipalOrResourceConstraint]:
    if isinstance(constraint, pst.ScopeIsIn):
        yield pst.ScopeIs(entity_type=constraint.entity_type)
        yield pst.ScopeIn(entity=constraint.entity)
    if not isinstance(constraint, pst.ScopeAny):
        yield pst.ScopeAny()


def _clause(tree: pst.Template, number: int, clause: pst.Clause, places: Places) -> Iterator[_Change]:
    rest = (*tree.clauses[:number], *tree.clauses[number + 1 :])
    if approved_id(clause) is not None:
        # Without its `unless` alone the loader would refuse it: the gate becomes a forbid that nobody can lift.
        kept = {name: text for name, text in tree.annotations.items() if name not in GATE_ANNOTATIONS}
        changed = replace(tree, clauses=rest, annotations=pst.FrozenMap(kept))
        yield places.clause(number), "the gate is a forbid that nobody can lift", changed
        return
    yield places.clause(number), f"`{clause_text(clause)}` is gone", replace(tree, clauses=rest)
    turned = pst.Unless(expr=clause.expr) if isinstance(clause, pst.When) else pst.When(expr=clause.expr)

    def with_clause(changed: pst.Clause) -> pst.Template:
        return replace(tree, clauses=(*tree.clauses[:number], changed, *tree.clauses[number + 1 :]))

    yield places.clause(number), f"`{clause_text(clause)}` becomes `{clause_text(turned)}`", with_clause(turned)
    for found in mutations(clause.expr):
        yield places.part(number, cedar_text(found.near)), found.told, with_clause(replace(clause, expr=found.whole))


def _text(tree: pst.Template) -> str:
    whole = pst.PolicySet(templates={}, static_policies={tree.id: tree}, template_links=())
    return str(cedarpy.PolicySet.from_pst(whole))


def _scope_text(word: str, constraint: pst.PrincipalOrResourceConstraint) -> str:
    match constraint:
        case pst.ScopeAny():
            return word
        case pst.ScopeEq(entity=entity):
            return f"{word} == {entity}"
        case pst.ScopeIn(entity=entity):
            return f"{word} in {entity}"
        case pst.ScopeIs(entity_type=of):
            return f"{word} is {of}"
        case pst.ScopeIsIn(entity_type=of, entity=entity):
            return f"{word} is {of} in {entity}"


def _action_text(constraint: pst.ActionConstraint) -> str:
    match constraint:
        case pst.ScopeAny():
            return "action"
        case pst.ActionEq(entity=entity):
            return f"action == {entity}"
        case pst.ActionIn(entities=entities):
            names = ", ".join(map(str, entities))
            return f"action in {names}" if len(entities) == 1 else f"action in [{names}]"
