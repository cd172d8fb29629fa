"""Rules that Cedar accepts and that cannot fire as written: typed checks against the project's `World`.

Each rule is walked once per environment (principal kind x action) that its scope lets through, with a small typing of
expressions that also knows which parts are always true or false there. What was seen is judged over all environments:
a `has` on an attribute that never (or always) exists, a literal outside of the known words, an argument that only some
tools of a group have, a rule that is false everywhere. DESIGN §3 promise 2, §4 last paragraph.

Where the typing does not know, it says nothing: Cedar's strict validation stands behind it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from cedarpy import pst

from bailiwick.errors import Finding
from bailiwick.model.nearest import did_you_mean
from bailiwick.model.principal import EntityKind
from bailiwick.model.tool import INTERFACE_NAMES
from bailiwick.policy.goals import Goal, clash, goals_of
from bailiwick.policy.scope import environments, names_tools, template_matches
from bailiwick.policy.tree import Rule
from bailiwick.policy.typer import Seen, Typer
from bailiwick.policy.world import GROUPS, World

__all__ = ["UNKNOWN_ENTITY_RULES", "check_types", "named_in"]

_WORDS = {
    EntityKind.USER: "user",
    EntityKind.SERVICE: "service",
    EntityKind.AGENT: "agent",
    EntityKind.GROUP: "group",
    EntityKind.ROLE: "role",
    EntityKind.AGENT_CLASS: "class",
    EntityKind.TASK: "task",
    EntityKind.ZONE: "zone",
    EntityKind.RESOURCE: "resource",
    EntityKind.ACTION: "tool",
}
UNKNOWN_ENTITY_RULES = frozenset(f"unknown-{word}" for word in _WORDS.values())
"""Findings that say more than Cedar's own 'unrecognized' and 'no applicable action' do."""

_PRINCIPAL = pst.Var(name="principal")
_RESOURCE = pst.Var(name="resource")
_INTERFACES = frozenset(f"context.{name}" for name in INTERFACE_NAMES.values())
_INTERFACE_HINT = (
    "use the effect's interface, which every tool of the group has (context.send, context.pay, context.change …), "
    "or name the tools in the scope"
)


def check_types(rule: Rule, world: World) -> tuple[Finding, ...]:
    """What is wrong with the literals, attributes and scope of `rule`."""
    unknown = (*_unknown_types(rule), *_entities(rule, world))
    if unknown:
        return unknown  # what follows from an unknown name would only be noise
    judge = _Judge(rule=rule, world=world)
    fires = False
    for env in environments(rule, world):
        typer = Typer(env=env, world=world)
        fires |= typer.can_hold(rule.tree.clauses)
        for seen in typer.seen:
            judge.add(seen)
    findings = tuple(judge.findings())
    if not fires and not findings:
        return (_never(rule, world),)
    if fires and not findings and (why := clash(_goals(rule))):
        hint = "leave one of the conditions out, or make two rules of them"
        return (rule.finding("never-fires", f"{rule.name()} can never fire: {why}", "when", "unless", hint=hint),)
    return findings


def _goals(rule: Rule) -> Iterator[Goal]:
    """What must hold for `rule` to fire, with what its scope says of single entities."""
    for variable, constraint in ((_PRINCIPAL, rule.tree.principal), (_RESOURCE, rule.tree.resource)):
        if isinstance(constraint, pst.ScopeEq) and isinstance(constraint.entity, pst.EntityUid):
            yield Goal(pst.BinaryOp(op="eq", left=variable, right=pst.EntityLit(value=constraint.entity)), truth=True)
    yield from goals_of(rule.tree.clauses)


def named_in(rule: Rule) -> Iterator[pst.EntityUid]:
    """Every entity that the scope and the conditions of `rule` name."""
    for constraint in (rule.tree.principal, rule.tree.action, rule.tree.resource):
        match constraint:
            case pst.ScopeEq(entity=pst.EntityUid() as uid) | pst.ScopeIn(entity=pst.EntityUid() as uid):
                yield uid
            case pst.ScopeIsIn(entity=pst.EntityUid() as uid) | pst.ActionEq(entity=uid):
                yield uid
            case pst.ActionIn(entities=entities):
                yield from entities
            case _:
                pass
    for node in rule.nodes():
        if isinstance(node, pst.EntityLit):
            yield node.value


def _types(rule: Rule) -> Iterator[str]:
    for constraint in (rule.tree.principal, rule.tree.resource):
        if isinstance(constraint, pst.ScopeIs | pst.ScopeIsIn):
            yield str(constraint.entity_type)
    for node in rule.nodes():
        if isinstance(node, pst.Is):
            yield str(node.entity_type)
    for uid in named_in(rule):
        yield str(uid.type)


def _unknown_types(rule: Rule) -> Iterator[Finding]:
    known = [kind.value for kind in EntityKind]
    for name in dict.fromkeys(_types(rule)):
        if name not in known:
            message = f'{rule.name()} names the type "{name}", which does not exist'
            yield rule.finding("unknown-type", message, name, hint=did_you_mean(name, known))


def _entities(rule: Rule, world: World) -> Iterator[Finding]:
    for uid in dict.fromkeys(named_in(rule)):
        kind = next((kind for kind in EntityKind if kind.value == str(uid.type)), None)
        if kind is None:
            continue  # reported by _unknown_types
        if kind is EntityKind.RESOURCE:
            templates = [template for action in world.actions.values() for template in action.templates]
            exists = any(template_matches(template, uid.id) for template in templates)
            known = templates
        else:
            exists = uid.id in world.entities[kind]
            known = [name for name in world.entities[kind] if not name.endswith(":none")]
        if kind is EntityKind.ACTION and uid.id.endswith(":none") and exists:
            message = f'"{uid.id}" is reserved and can never be called'
            hint = f'write Action::"{uid.id.removesuffix(":none")}" for the group'
            yield rule.finding("reserved-action", message, uid.id, hint=hint)
        elif not exists:
            word = _WORDS[kind]
            what = "tool or effect group" if kind is EntityKind.ACTION else word
            message = f'{rule.name()} names the {what} "{uid.id}", which does not exist'
            hint = did_you_mean(uid.id, known)
            if kind is EntityKind.RESOURCE and uid.id in known:
                hint = "this is the template of many: name one of them as it is encoded, or a zone"
            yield rule.finding(f"unknown-{word}", message, uid.id, hint=hint)


def _never(rule: Rule, world: World) -> Finding:
    hint = "compare what the scope says with what its conditions ask for"
    action = rule.tree.action
    if isinstance(action, pst.ActionEq) and action.entity.id in GROUPS:
        hint = f'"{action.entity.id}" is a group of tools: write action in Action::"{action.entity.id}"'
    elif next(environments(rule, world), None) is None:
        hint = "no tool, principal and resource fit this scope together: look at its types and at the tools' zones"
    return rule.finding("never-fires", f"{rule.name()} can never fire as written", hint=hint)


@dataclass(slots=True, kw_only=True)
class _Judge:
    """Collects what the typer saw, and says over all environments what is wrong."""

    rule: Rule
    world: World
    groups: dict[tuple[str, str, str], list[Seen]] = field(default_factory=dict)

    def add(self, seen: Seen) -> None:
        self.groups.setdefault((seen.kind, seen.subject, seen.name), []).append(seen)

    def findings(self) -> Iterator[Finding]:
        for (kind, subject, name), seen in self.groups.items():
            states = {one.state for one in seen}
            if kind == "has":
                yield from self._has(subject, name, states)
            elif states == {"absent"}:
                yield self._unknown(kind, subject, name, seen)
            elif "absent" in states and kind == "argument" and not names_tools(self.rule):
                yield self._partial(f'{subject} is compared with "{name}", an argument', name)

    def _has(self, subject: str, name: str, states: set[str]) -> Iterator[Finding]:
        whole = f"{subject}.{name}"
        if states == {"absent"}:
            yield self.rule.finding(
                "unknown-attribute",
                f"`has {name}` is never true: {subject} has no such attribute here",
                name,
                hint=did_you_mean(name, (known for known in self._attributes(subject) if known != name)),
            )
        elif states == {"required"}:
            yield self.rule.finding(
                "needless-has",
                f"`has {name}` is always true: {whole} is always given",
                name,
                hint="leave the test out; if the rule is to depend on it, compare its value",
            )
        elif "absent" in states and not names_tools(self.rule):
            if subject.startswith("context.args"):
                yield self._partial(f"`has {name}` asks for an argument", name)
            elif subject in _INTERFACES:
                yield self._partial(f"`has {name}` asks for a part of {subject}", name)

    def _partial(self, what: str, name: str) -> Finding:
        message = f"{what} that only some of this rule's tools have: the others would slip through"
        return self.rule.finding("partial-argument", message, name, hint=_INTERFACE_HINT)

    def _unknown(self, kind: str, subject: str, name: str, seen: list[Seen]) -> Finding:
        known = {word for one in seen for word in one.known}
        if kind == "level":
            highest = len(self.world.levels) - 1
            listed = ", ".join(f"{index} {level}" for index, level in enumerate(self.world.levels))
            message = f"{subject} is compared with {name}; levels go from 0 to {highest}"
            return self.rule.finding("unknown-level", message, name, hint=f"levels: {listed}")
        message = f'{subject} can never be or hold "{name}": there is no such {kind}'
        return self.rule.finding(f"unknown-{kind}", message, name, hint=did_you_mean(name, known))

    def _attributes(self, subject: str) -> Iterator[str]:
        for env in environments(self.rule, self.world):
            yield from Typer(env=env, world=self.world).attributes(subject)
