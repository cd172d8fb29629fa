"""Which facts decided: for each link, the rules that decided, their conditions, and the values that these read.

INVARIANT: whether a condition holds is Cedar's own answer (`Probe.ask`, the same request through the same wrapper),
never a second evaluator of ours; and values are read from what Cedar was given. So an explanation cannot disagree with
the decision. Nothing here is done while a call is decided: it costs a Cedar request more. DESIGN §3 promise 9, §5.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from cedarpy import pst

from bailiwick.errors import Where
from bailiwick.model.decision import Verdict
from bailiwick.model.principal import EntityKind, EntityRef
from bailiwick.policy.bundle import PolicyEffect, PolicyInfo
from bailiwick.policy.gates import approved_id
from bailiwick.policy.scope import can_be_in
from bailiwick.policy.tree import children
from bailiwick.policy.write import cedar_text

__all__ = [
    "Condition",
    "Fact",
    "LinkFacts",
    "Probe",
    "RuleFacts",
    "Truths",
    "as_permits",
    "attributes_of",
    "conjuncts",
    "links_of",
    "permits_for",
    "plain_context",
    "value_of",
]

NEAREST = 3
"""How many permits that do not fit are shown for a link that lacks one."""

CONSIDERED = 200
"""How many permits are looked at for a link that lacks one, so that explaining does not grow with the rules."""

Value = object
"""Of a fact: bool, int, str, a list, a record as a dict, or an EntityRef. None: it is not there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One request as Cedar is given it, to ask more about it. `rules` are those whose action scope holds the tool, in
    the order of the bundle; `pairs` all links with all resources; `ask` says for each pair which of some conditions
    hold (by index)."""

    rules: Mapping[str, pst.Template]
    infos: Mapping[str, PolicyInfo]
    pairs: tuple[tuple[EntityRef, EntityRef], ...]
    context: Mapping[str, Value]
    attributes: Mapping[EntityRef, Mapping[str, Value]]
    ask: Callable[[Sequence[pst.Expr]], Sequence[frozenset[int]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """`name` is what a rule reads (`context.flow.tainted`), `value` what it was in this request."""

    name: str
    value: Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One atomic condition of a rule, by Cedar. `holds` None: it could not be evaluated (it stands behind one that
    fails). `decisive` iff the rule's effect rests on it: on a rule that fired what made it fire, else what kept it
    from firing."""

    text: str
    holds: bool | None
    decisive: bool
    facts: tuple[Fact, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleFacts:
    """A rule and what it rests on. `fired` is False for a permit that a denied link lacks."""

    id: str
    effect: PolicyEffect
    where: Where
    fired: bool
    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkFacts:
    """One link and one resource. `rules` are those that decided; where no permit fits, the nearest ones that do not."""

    link: EntityRef
    resource: EntityRef
    allowed: bool
    rules: tuple[RuleFacts, ...]


class Truths:
    """What Cedar says of all atomic conditions of some rules, for each pair. One Cedar call."""

    def __init__(self, probe: Probe, rules: Iterable[str]) -> None:
        self.probe = probe
        found = {atom: None for name in rules for part in conjuncts(probe.rules[name]) for atom in _atoms(part)}
        self._index = {atom: index for index, atom in enumerate(found)}
        # A condition that fails and one that cannot be evaluated both do not hold: the negation tells them apart.
        asked = [*found, *(pst.UnaryOp(op="not", arg=atom) for atom in found)]
        self._holds = dict(zip(probe.pairs, probe.ask(asked), strict=True)) if asked else {}

    def atom(self, pair: tuple[EntityRef, EntityRef], expr: pst.Expr) -> bool | None:
        """Whether an atomic condition holds; None: it could not be evaluated."""
        index, holds = self._index[expr], self._holds[pair]
        return True if index in holds else False if index + len(self._index) in holds else None

    def of(self, pair: tuple[EntityRef, EntityRef], expr: pst.Expr) -> bool | None:
        """Whether a condition holds, from those of its parts."""
        match expr:
            case pst.UnaryOp(op="not", arg=arg):
                inner = self.of(pair, arg)
                return None if inner is None else not inner
            case pst.BinaryOp(op="and" | "or" as op, left=left, right=right):
                first = self.of(pair, left)
                return first if first is (op == "or") else None if first is None else self.of(pair, right)
            case pst.IfThenElse(cond=cond, then_expr=then, else_expr=other):
                chosen = self.of(pair, cond)
                return None if chosen is None else self.of(pair, then if chosen else other)
            case _:
                return self.atom(pair, expr)

    def support(self, pair: tuple[EntityRef, EntityRef], expr: pst.Expr) -> Iterator[pst.Expr]:
        """The atomic conditions that the truth of `expr` rests on."""
        truth = self.of(pair, expr)
        match expr:
            case pst.UnaryOp(op="not", arg=arg):
                yield from self.support(pair, arg)
            case pst.BinaryOp(op="and" | "or", left=left, right=right):
                for part in (left, right):
                    if self.of(pair, part) is truth:
                        yield from self.support(pair, part)
            case pst.IfThenElse(cond=cond, then_expr=then, else_expr=other):
                yield from self.support(pair, cond)
                yield from self.support(pair, then if self.of(pair, cond) else other)
            case _:
                yield expr


def as_permits(conditions: Sequence[pst.Expr]) -> pst.PolicySet:
    """A permit for each condition, named by its index: those that decide are those that hold."""
    return pst.PolicySet(
        templates={},
        static_policies={
            str(index): pst.Template(
                id=str(index),
                effect="permit",
                principal=pst.ScopeAny(),
                action=pst.ScopeAny(),
                resource=pst.ScopeAny(),
                clauses=(pst.When(expr=condition),),
                annotations={},
            )
            for index, condition in enumerate(conditions)
        },
        template_links=(),
    )


def plain_context(context: Mapping[str, Value]) -> Mapping[str, Value]:
    """`context` as it was encoded for Cedar, with the entities that it refers to."""
    refs = {name: context[name] for name in ("user", "service", "agent", "task") if name in context}
    return {**context, **{name: _entity(each) for name, each in refs.items()}}


def attributes_of(entities: Iterable[Mapping[str, Value]]) -> Mapping[EntityRef, Mapping[str, Value]]:
    """The attributes of entities in Cedar's JSON form."""
    found: dict[EntityRef, Mapping[str, Value]] = {}
    for each in entities:
        ref, attrs = _entity(each["uid"]), each["attrs"]
        if isinstance(attrs, Mapping):
            found[ref] = attrs
    return found


def _entity(uid: Value) -> EntityRef:
    assert isinstance(uid, Mapping)
    return EntityRef(kind=EntityKind(str(uid["type"])), id=str(uid["id"]))


def links_of(probe: Probe, verdict: Verdict) -> tuple[LinkFacts, ...]:
    """For each link and resource of `verdict`, the deciding rules with the facts that they read."""
    wanted = {
        (link.link, link.resource): link.policies
        or (() if link.allowed or link.errors else permits_for(probe, link.link))
        for link in verdict.links
    }
    truths = Truths(probe, dict.fromkeys(name for names in wanted.values() for name in names))
    found: list[LinkFacts] = []
    for link in verdict.links:
        pair = (link.link, link.resource)
        rules = [_rule(truths, pair, name, fired=bool(link.policies)) for name in wanted[pair]]
        if not link.policies:
            rules = sorted(rules, key=_failing)[:NEAREST]
        found.append(LinkFacts(link=link.link, resource=link.resource, allowed=link.allowed, rules=tuple(rules)))
    return tuple(found)


def permits_for(probe: Probe, link: EntityRef) -> tuple[str, ...]:
    """The permits of the tool that could apply to a principal of this kind, the first CONSIDERED of them."""
    fitting = (
        name for name, rule in probe.rules.items() if rule.effect == "permit" and _could_be(rule.principal, link.kind)
    )
    return tuple(islice(fitting, CONSIDERED))


def conjuncts(rule: pst.Template) -> tuple[pst.Expr, ...]:
    """All that must hold for `rule` to fire, as conditions, its action and a gate's own `unless` left out."""
    clauses = [clause for clause in rule.clauses if approved_id(clause) is None]
    return (
        *_scope(rule.principal, pst.Var(name="principal")),
        *_scope(rule.resource, pst.Var(name="resource")),
        *(pst.UnaryOp(op="not", arg=each.expr) if isinstance(each, pst.Unless) else each.expr for each in clauses),
    )


def value_of(probe: Probe, pair: tuple[EntityRef, EntityRef], expr: pst.Expr) -> Value:
    """What a variable, or an attribute on one, was; None if it was not there, or for any other expression."""
    match expr:
        case pst.Var(name="principal"):
            return pair[0]
        case pst.Var(name="resource"):
            return pair[1]
        case pst.Var(name="context"):
            return probe.context
        case pst.GetAttr(base=base, attr=attr):
            holder = value_of(probe, pair, base)
            record = probe.attributes.get(holder, {}) if isinstance(holder, EntityRef) else holder
            return record.get(attr) if isinstance(record, Mapping) else None
        case _:
            return None


def _rule(truths: Truths, pair: tuple[EntityRef, EntityRef], name: str, *, fired: bool) -> RuleFacts:
    probe = truths.probe
    info, parts = probe.infos[name], conjuncts(probe.rules[name])
    decisive = {
        atom for part in parts if fired or truths.of(pair, part) is not True for atom in truths.support(pair, part)
    }
    atoms = dict.fromkeys(atom for part in parts for atom in _atoms(part))
    conditions = tuple(
        Condition(
            text=cedar_text(atom),
            holds=truths.atom(pair, atom),
            decisive=atom in decisive,
            facts=tuple(_facts(probe, pair, atom)),
        )
        for atom in atoms
    )
    return RuleFacts(id=name, effect=info.effect, where=info.where, fired=fired, conditions=conditions)


def _failing(rule: RuleFacts) -> int:
    return sum(condition.decisive for condition in rule.conditions)


def _facts(probe: Probe, pair: tuple[EntityRef, EntityRef], atom: pst.Expr) -> Iterator[Fact]:
    paths = dict.fromkeys(_paths(atom))
    for path in paths:
        if isinstance(path, pst.GetAttr):
            yield Fact(name=cedar_text(path), value=value_of(probe, pair, path))


def _paths(expr: pst.Expr) -> Iterator[pst.Expr]:
    """The longest chains of attributes on variables in `expr`."""
    if _is_path(expr):
        yield expr
    else:
        for child in children(expr):
            yield from _paths(child)


def _is_path(expr: pst.Expr) -> bool:
    while isinstance(expr, pst.GetAttr):
        expr = expr.base
    return isinstance(expr, pst.Var)


def _atoms(expr: pst.Expr) -> Iterator[pst.Expr]:
    match expr:
        case pst.UnaryOp(op="not", arg=arg):
            yield from _atoms(arg)
        case pst.BinaryOp(op="and" | "or") | pst.IfThenElse():
            for child in children(expr):
                yield from _atoms(child)
        case _:
            yield expr


def _scope(constraint: pst.PrincipalOrResourceConstraint, var: pst.Var) -> Iterator[pst.Expr]:
    match constraint:
        case pst.ScopeEq(entity=pst.EntityUid() as uid):
            yield pst.BinaryOp(op="eq", left=var, right=pst.EntityLit(value=uid))
        case pst.ScopeIn(entity=pst.EntityUid() as uid):
            yield pst.BinaryOp(op="in", left=var, right=pst.EntityLit(value=uid))
        case pst.ScopeIs(entity_type=kind):
            yield pst.Is(base=var, entity_type=kind, in_expr=None)
        case pst.ScopeIsIn(entity_type=kind, entity=pst.EntityUid() as uid):
            yield pst.Is(base=var, entity_type=kind, in_expr=pst.EntityLit(value=uid))
        case _:
            return


def _could_be(constraint: pst.PrincipalOrResourceConstraint, kind: EntityKind) -> bool:
    match constraint:
        case pst.ScopeIs(entity_type=of) | pst.ScopeIsIn(entity_type=of):
            return str(of) == kind
        case pst.ScopeEq(entity=pst.EntityUid(type=of)):
            return str(of) == kind
        case pst.ScopeIn(entity=pst.EntityUid(type=of)):
            return can_be_in(kind, str(of))
        case _:
            return True
