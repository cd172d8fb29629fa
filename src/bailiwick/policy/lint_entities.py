"""Entries of the directory that no rule speaks of, and rules that reach nobody of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from cedarpy import pst

from bailiwick.errors import Finding, Where
from bailiwick.model.principal import EntityKind, EntityRef
from bailiwick.policy.bundle import Bundle, PolicyEffect
from bailiwick.policy.check import named_in
from bailiwick.policy.goals import goals_of
from bailiwick.policy.reach import People
from bailiwick.policy.rulebook import severity_of
from bailiwick.policy.shadow import Hierarchy, Scoped
from bailiwick.policy.whole import Whole

__all__ = ["Named", "Place", "named_by", "reaching_nobody", "unused"]

Named = tuple[str, str]
"""An entity's type and id."""

Place = Callable[[EntityRef], Where]
"""Where an entry of the directory is written."""

_WORDS = {EntityKind.GROUP: "group", EntityKind.ROLE: "role", EntityKind.AGENT_CLASS: "class"}


def named_by(rules: Iterable[Scoped], bundle: Bundle) -> frozenset[Named]:
    """Everything that rules and the approvers of their gates name."""
    scopes = {(str(uid.type), uid.id) for each in rules for uid in named_in(each.rule)}
    gates = (info.gate for info in bundle.policies.values() if info.gate is not None)
    return frozenset(scopes | {(ref.kind.value, ref.id) for gate in gates for ref in gate.approvers})


def unused(whole: Whole, named: frozenset[Named], hierarchy: Hierarchy, place: Place) -> Iterator[Finding]:
    """Groups, roles and classes that change no decision; active agents and services that no permit reaches."""
    directory = whole.directory
    for kind, names in (
        (EntityKind.GROUP, directory.groups),
        (EntityKind.ROLE, directory.roles),
        (EntityKind.AGENT_CLASS, directory.classes),
    ):
        for name in names:
            if not any((kind.value, above) in named for above in hierarchy.above(kind.value, name)):
                word = _WORDS[kind]
                yield _unused(
                    place(EntityRef(kind=kind, id=name)),
                    f"no rule speaks of {word} {name}, nor of one that it lies in",
                    f"write the rule that was meant, or delete the {word}",
                )
    reached: frozenset[EntityRef] = frozenset().union(*whole.permitted.values())
    for ref in sorted(whole.people.all - reached, key=lambda ref: (ref.kind.value, ref.id)):
        if ref.kind is not EntityKind.USER:
            word = ref.kind.value.lower()
            yield _unused(
                place(ref),
                f"no permit reaches {word} {ref.id}: everything that it takes part in is denied",
                f"permit it what it is for, or delete the {word}",
            )


def reaching_nobody(rules: Iterable[Scoped], people: People, everybody: People) -> Iterator[Finding]:
    """Permits that no active principal fits, by scope and by conditions on what the principal is in; and forbids on one
    person who is not in what their conditions ask for. (A forbid on a group that is empty today may well be meant.)"""
    for each in rules:
        rule = each.rule
        permit = rule.effect is PolicyEffect.PERMIT
        if not permit and not isinstance(rule.tree.principal, pst.ScopeEq):
            continue
        goals = goals_of(rule.tree.clauses)
        if (people if permit else everybody).fitting(rule.tree.principal, goals):
            continue
        off = everybody.fitting(rule.tree.principal, goals) if permit else frozenset()
        who = f"only {', '.join(sorted(ref.id for ref in off)[:3])} would, switched off" if off else "nobody does"
        yield rule.finding(
            "reaches-nobody",
            f"{rule.name()} does nothing today: its principal and its conditions ask for somebody, and {who}",
            hint="look at the members in directory.toml, or delete the rule",
        )


def _unused(where: Where, message: str, hint: str) -> Finding:
    return Finding(rule="unused-entity", message=message, where=where, hint=hint, severity=severity_of("unused-entity"))
