"""Rules that change nothing because another rule covers them.

A rule is covered by another one if, on every request on which it fires, the other one fires too: the other's scope
contains its own, and the other's goals (`conditions`) are among its own. Then a permit adds nothing to the other
permit, gets past no such forbid, and a forbid adds nothing to the other forbid. A gate covers nothing: its own approval
is one of its goals, and no other rule has it. Nor does a rule that is only observed, but for others that are.

INVARIANT: containment is read from the rules and from the declared hierarchy of groups, roles and classes alone, never
from who is a member: it stays true while people come and go. Where it cannot be shown, nothing is said.

Rules are looked up by what their scope and one of their goals name, so the work grows with the number of rules and not
with its square.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from cedarpy import pst

from bailiwick.errors import Finding
from bailiwick.model.directory import Directory
from bailiwick.model.principal import EntityKind
from bailiwick.policy.bundle import PolicyEffect
from bailiwick.policy.goals import goals_of
from bailiwick.policy.observed import ANNOTATION
from bailiwick.policy.scope import entity_fits, resource_fits
from bailiwick.policy.tree import Rule
from bailiwick.policy.world import World

__all__ = ["Hierarchy", "Scoped", "contains", "scoped", "shadowed"]

Constraint = pst.PrincipalOrResourceConstraint
Key = tuple[str, str, str, str]
"""What a rule is found by: an action or group, a principal, a resource, a goal."""

_ANY = "*"
_LEAVES = frozenset({EntityKind.USER, EntityKind.SERVICE, EntityKind.AGENT, EntityKind.RESOURCE})
"""Kinds that nothing is in: `in` one of them is to be it."""


class Hierarchy:
    """What lies in what, as the directory declares it: groups, roles and classes."""

    def __init__(self, directory: Directory) -> None:
        self._parents: Mapping[str, Mapping[str, tuple[str, ...]]] = {
            EntityKind.GROUP.value: directory.groups,
            EntityKind.ROLE.value: directory.roles,
            EntityKind.AGENT_CLASS.value: directory.classes,
        }
        self._known: dict[tuple[str, str], frozenset[str]] = {}

    def above(self, kind: str, name: str) -> frozenset[str]:
        """`name` itself and everything of the same kind that it lies in."""
        known = self._known.get((kind, name))
        if known is not None:
            return known
        parents = self._parents.get(kind, {})
        found: set[str] = set()
        todo = [name]
        while todo:
            each = todo.pop()
            if each not in found:
                found.add(each)
                todo.extend(parents.get(each, ()))
        return self._known.setdefault((kind, name), frozenset(found))


@dataclass(frozen=True, kw_only=True)
class Scoped:
    """A rule with what its comparison needs. `actions` are all that its action scope names, sentinels too (they stand
    for tools of a group that are yet to come); `reached` those of them that its resource scope leaves; `place` is its
    position among the rules; `principals` and `resources` are the kinds that a request which it fits can have."""

    rule: Rule
    place: int
    actions: frozenset[str]
    reached: frozenset[str]
    principals: frozenset[EntityKind]
    resources: frozenset[EntityKind]
    goals: frozenset[str]

    @property
    def observed(self) -> bool:
        """Whether the rule decides nothing, and is only watched."""
        return ANNOTATION in self.rule.tree.annotations


def scoped(rules: Sequence[Rule], world: World) -> tuple[Scoped, ...]:
    """`rules`, made ready."""
    named: defaultdict[str, set[str]] = defaultdict(set)
    for action in world.actions.values():
        for name in (_ANY, action.name, *action.ancestors):
            named[name].add(action.name)
    asking = {kind for action in world.actions.values() for kind in action.principals}
    reached: dict[tuple[frozenset[str], str], frozenset[str]] = {}
    made: list[Scoped] = []
    for place, rule in enumerate(rules):
        tree = rule.tree
        actions = frozenset[str]().union(*(named[name] for name in _action_names(tree.action)))
        key = (actions, repr(tree.resource))
        if key not in reached:
            reached[key] = frozenset(name for name in actions if resource_fits(tree.resource, world.actions[name]))
        made.append(
            Scoped(
                rule=rule,
                place=place,
                actions=actions,
                reached=reached[key],
                principals=frozenset(kind for kind in asking if entity_fits(tree.principal, kind)),
                resources=frozenset(world.actions[name].resource for name in reached[key]),
                goals=frozenset(goal.key for goal in goals_of(tree.clauses)),
            )
        )
    return tuple(made)


def shadowed(rules: Sequence[Scoped], world: World, hierarchy: Hierarchy) -> Iterator[Finding]:
    """A finding for each rule that another one covers, in order."""
    common = Counter(goal for rule in rules for goal in rule.goals)
    index: defaultdict[Key, list[Scoped]] = defaultdict(list)
    for rule in rules:
        for key in _filed_under(rule, common):
            index[key].append(rule)
    for rule in rules:
        cover = next(_covers(rule, index, world, hierarchy), None)
        if cover is not None:
            yield _finding(rule.rule, cover.rule)


def _covers(rule: Scoped, index: Mapping[Key, list[Scoped]], world: World, hierarchy: Hierarchy) -> Iterator[Scoped]:
    candidates = {other.place: other for key in _looked_up(rule, world, hierarchy) for other in index.get(key, ())}
    for _, other in sorted(candidates.items()):
        if other is rule or not _covered(rule, other, hierarchy):
            continue
        # Of two rules that say the same, the second is the one too many.
        if other.place < rule.place or not _covered(other, rule, hierarchy):
            yield other


def _covered(rule: Scoped, other: Scoped, hierarchy: Hierarchy) -> bool:
    """Whether `other` fires wherever `rule` does, and settles the call in the same way, or before it can."""
    mine, theirs = rule.rule.tree, other.rule.tree
    return (
        bool(rule.reached)
        and other.rule.effect in (PolicyEffect.FORBID, rule.rule.effect)
        and (rule.observed or not other.observed)
        and rule.reached <= other.actions
        and other.goals <= rule.goals
        and contains(theirs.principal, mine.principal, rule.principals, hierarchy)
        and contains(theirs.resource, mine.resource, rule.resources, hierarchy)
    )


def contains(outer: Constraint, inner: Constraint, kinds: Iterable[EntityKind], hierarchy: Hierarchy) -> bool:
    """Whether all that satisfies `inner`, which is of one of `kinds`, satisfies `outer`."""
    if outer == inner:
        return True
    match outer:
        case pst.ScopeAny():
            return True
        case pst.ScopeIs(entity_type=of):
            return all(kind == str(of) for kind in kinds)
        case pst.ScopeIsIn(entity_type=of, entity=pst.EntityUid() as uid):
            return all(kind == str(of) for kind in kinds) and _within(inner, uid, hierarchy)
        case pst.ScopeIn(entity=pst.EntityUid() as uid):
            return _within(inner, uid, hierarchy)
        case pst.ScopeEq(entity=pst.EntityUid() as uid):
            return str(uid.type) in _LEAVES and _within(inner, uid, hierarchy)
        case _:
            return False


def _within(inner: Constraint, uid: pst.EntityUid, hierarchy: Hierarchy) -> bool:
    named = _entity(inner)
    if named is None or named.type != uid.type:
        return False
    return uid.id in hierarchy.above(str(named.type), named.id)


def _entity(constraint: Constraint) -> pst.EntityUid | None:
    match constraint:
        case pst.ScopeEq(entity=pst.EntityUid() as uid) | pst.ScopeIn(entity=pst.EntityUid() as uid):
            return uid
        case pst.ScopeIsIn(entity=pst.EntityUid() as uid):
            return uid
        case _:
            return None


def _action_names(constraint: pst.ActionConstraint) -> tuple[str, ...]:
    match constraint:
        case pst.ActionEq(entity=uid):
            return (uid.id,)
        case pst.ActionIn(entities=entities):
            return tuple(uid.id for uid in entities)
        case _:
            return (_ANY,)


def _filed_under(rule: Scoped, common: Mapping[str, int]) -> Iterator[Key]:
    tree = rule.rule.tree
    rarest = min(rule.goals, key=lambda goal: (common[goal], goal), default=_ANY)
    principal, resource = _filed(tree.principal), _filed(tree.resource)
    for action in dict.fromkeys(_action_names(tree.action)):
        yield action, principal, resource, rarest


def _filed(constraint: Constraint) -> str:
    uid = _entity(constraint)
    if uid is not None:
        return f"{uid.type}::{uid.id}"
    return f"is {constraint.entity_type}" if isinstance(constraint, pst.ScopeIs) else _ANY


def _looked_up(rule: Scoped, world: World, hierarchy: Hierarchy) -> Iterator[Key]:
    """Every key that a rule which covers `rule` may be filed under: it names each action that `rule` reaches, so it is
    enough to ask for one of them, best for a sentinel, which groups alone hold."""
    if not rule.reached:
        return
    action = world.actions[min(rule.reached, key=lambda name: (not world.actions[name].sentinel, name))]
    tree = rule.rule.tree
    actions = {_ANY, action.name, *action.ancestors}
    principals = {_ANY, *_above(tree.principal, rule.principals, hierarchy)}
    resources = {_ANY, *_above(tree.resource, rule.resources, hierarchy)}
    yield from product(actions, principals, resources, {_ANY, *rule.goals})


def _above(constraint: Constraint, kinds: Iterable[EntityKind], hierarchy: Hierarchy) -> Iterator[str]:
    yield from (f"is {kind}" for kind in kinds)
    uid = _entity(constraint)
    if uid is not None:
        yield from (f"{uid.type}::{name}" for name in hierarchy.above(str(uid.type), uid.id))


def _finding(rule: Rule, cover: Rule) -> Finding:
    other = f"{cover.name()} ({cover.where})"
    hint = "delete one of the two, or make the wider one narrower"
    match rule.effect, cover.effect:
        case PolicyEffect.PERMIT, PolicyEffect.PERMIT:
            message = f"{rule.name()} permits nothing that {other} does not permit too"
        case PolicyEffect.PERMIT, _:
            message = f"{rule.name()} permits nothing: {other} forbids all of it"
        case _:
            message = f"{rule.name()} forbids nothing that {other} does not forbid too"
            if "gate" in rule.tree.annotations:
                hint = f"an approval would change nothing: delete the gate, or narrow {cover.name()}"
    return rule.finding("shadowed", message, hint=hint)
