"""From Cedar's typed syntax tree to terms: when a rule fires on any call of a setting, and what one link may then do.

As Cedar evaluates: `&&`, `||` and `if` look at no more than they need, and conditions of a rule are looked at in
order. The only thing that can fail in a rule that strict validation let pass is arithmetic that leaves Cedar's Long.
The engine denies a link if any rule fails on it, so a failure is a term of its own here. INVARIANT: a condition that
is not translated is left open in every way, so it can hide nothing.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from cedarpy import pst

from bailiwick.model.principal import EntityKind, EntityRef
from bailiwick.policy.prove.call import AnyCall, Record, Value
from bailiwick.policy.prove.people import Entity, People
from bailiwick.policy.prove.sets import SetLit, TextSet
from bailiwick.policy.prove.smt import WILDCARD, Smt, Sort, Term, Unsupported
from bailiwick.policy.scope import action_fits
from bailiwick.policy.tree import walk
from bailiwick.policy.world import Struct, Type, World

__all__ = ["Encoder", "LinkTerms", "link_terms", "named_resources"]

_ARITHMETIC = {"add", "sub", "mul"}
_MAY_FAIL = _ARITHMETIC | {"neg", "offset", "duration_since", "to_date"}
_ORDER = {"less": operator.lt, "less_eq": operator.le, "greater": operator.gt, "greater_eq": operator.ge}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Written:
    """A record that is written out in a rule."""

    fields: Mapping[str, Value | _Written]


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkTerms:
    """What one side says to one link and resource: allowed as it is, or only with an approval (of those `gates` that
    fire), or neither."""

    allow: Term
    ask: Term
    gates: Mapping[str, Term]


def link_terms(encoder: Encoder, rules: Mapping[str, pst.Template], gates: frozenset[str]) -> LinkTerms:
    """As the engine decides: a permit, no forbid, no failure; gates are forbids that a person can lift."""
    smt, action = encoder.smt, encoder.call.setting.action_of(encoder.side)
    if action is None or not encoder.call.possible(encoder.side):
        return LinkTerms(allow=False, ask=False, gates={})
    permits, forbids, fired = [], [], {}
    for name, rule in rules.items():
        if not action_fits(rule.action, action):
            continue
        fires = encoder.fires(rule)
        if rule.effect == "permit":
            permits.append(fires)
        elif name in gates:
            fired[name] = fires
        else:
            forbids.append(fires)
    possible = smt.all(
        (encoder.call.known(encoder.side), smt.any(permits), smt.no(smt.any((*forbids, *encoder.failures))))
    )
    held = smt.any(fired.values())
    return LinkTerms(allow=smt.all((possible, smt.no(held))), ask=smt.all((possible, held)), gates=fired)


def named_resources(rules: Iterable[pst.Template]) -> frozenset[str]:
    """The resources that `rules` name one by one."""
    return frozenset(uid.id for rule in rules for uid in pst.entity_uids(rule) if str(uid.type) == EntityKind.RESOURCE)


class Encoder:
    """Reads rules of one side, for one link and one resource of a call."""

    def __init__(
        self, smt: Smt, people: People, call: AnyCall, *, side: int, principal: Entity, resource: Entity
    ) -> None:
        self.smt = smt
        self.call = call
        self.side = side
        self.failures: list[Term] = []
        self._people = people
        self._principal = principal
        self._resource = resource
        self._world: World = call.setting.sides[side]
        self._reached: list[Term] = []

    def fires(self, rule: pst.Template) -> Term:
        """Whether `rule`'s scope and conditions hold."""
        terms = [self._scope(self._principal, rule.principal), self._scope(self._resource, rule.resource)]
        if any(term is False for term in terms):
            return False
        action = self.call.setting.action_of(self.side)
        if action is None or not action_fits(rule.action, action):
            return False
        for clause in rule.clauses:
            with self._behind(self.smt.all(terms)):
                holds = self._condition(clause.expr)
            terms.append(self.smt.no(holds) if isinstance(clause, pst.Unless) else holds)
            if terms[-1] is False:
                return False
        return self.smt.all(terms)

    def _condition(self, expr: pst.Expr) -> Term:
        """Whether `expr` holds. One that is not translated may hold or not, and may fail or not, but does the same for
        both sides, unless they may read different things there: too many possibilities, never too few, and Cedar has
        the last word on each example."""
        try:
            return self._bool(expr)
        except Unsupported:
            seen = "" if self.call.same_for_all(expr) else f", as side {self.side} sees it"
            asked = f"{expr!r} for {self._principal.term} on {self._resource.term}{seen}"
            if any(getattr(node, "op", "") in _MAY_FAIL for node in walk(expr)):
                self.failures.append(self.smt.all((*self._reached, self.smt.variable(f"fails: {asked}", Sort.BOOL))))
            return self.smt.variable(f"holds: {asked}", Sort.BOOL)

    @contextmanager
    def _behind(self, condition: Term) -> Iterator[None]:
        """What is read within is only evaluated where `condition` holds."""
        self._reached.append(condition)
        try:
            yield
        finally:
            self._reached.pop()

    def _scope(self, entity: Entity, constraint: pst.PrincipalOrResourceConstraint) -> Term:
        match constraint:
            case pst.ScopeAny():
                return True
            case pst.ScopeEq(entity=pst.EntityUid() as uid):
                return self._people.equal(entity, self._literal(uid))
            case pst.ScopeIn(entity=pst.EntityUid() as uid):
                return self._in(entity, uid)
            case pst.ScopeIs(entity_type=of):
                return str(of) == entity.kind
            case pst.ScopeIsIn(entity_type=of, entity=pst.EntityUid() as uid):
                return str(of) == entity.kind and self._in(entity, uid)
            case _:
                raise Unsupported("a slot of a template")

    def _bool(self, expr: pst.Expr) -> Term:
        return self._scalar(self.value(expr))

    def _scalar(self, value: Value) -> Term:
        if isinstance(value, Entity | TextSet | SetLit | Record | _Written):
            raise Unsupported("an entity, a set or a record where a plain value stands")
        return value

    def value(self, expr: pst.Expr) -> Value:
        """What `expr` stands for."""
        match expr:
            case pst.UnaryOp():
                return self._unary(expr)
            case pst.BinaryOp():
                return self._binary(expr)
            case pst.GetAttr(base=base, attr=attr):
                return self._get(self.value(base), attr)
            case pst.HasAttr(base=base, attrs=attrs):
                return self._has(self.value(base), attrs)
            case pst.Like(base=base, pattern=pattern):
                return self.smt.like(self._bool(base), _pattern(pattern))
            case pst.Is():
                return self._is(expr)
            case pst.IfThenElse():
                return self._if(expr)
            case _:
                return self._leaf(expr)

    def _leaf(self, expr: pst.Expr) -> Value:
        match expr:
            case pst.BoolLit(value=value) | pst.LongLit(value=value) | pst.StringLit(value=value):
                return value
            case pst.EntityLit(value=uid):
                return self._literal(uid)
            case pst.Var(name=name):
                return self._variable(name)
            case pst.Set(elements=elements):
                return SetLit(elements=tuple(self.value(each) for each in elements))
            case pst.Record(fields=fields):
                return _Written(fields={name: self.value(each) for name, each in fields.items()})
            case _:
                raise Unsupported("a slot of a template")

    def _literal(self, uid: pst.EntityUid) -> Entity:
        return self._people.literal(_ref(uid))

    def _variable(self, name: str) -> Value:
        match name:
            case "principal":
                return self._principal
            case "resource":
                return self._resource
            case "action":
                return Entity(kind=EntityKind.ACTION, term=self.call.setting.tool)
            case _:
                return self.call.context(self.side)

    def _unary(self, expr: pst.UnaryOp) -> Term:
        if expr.op == "is_empty":
            return self.call.sets.is_empty(self._texts(self.value(expr.arg)))
        if expr.op == "not":
            return self.smt.no(self._bool(expr.arg))
        if expr.op == "neg":
            return self._in_long(-self._bool(expr.arg))
        raise Unsupported(f"the function {expr.op}")

    def _binary(self, expr: pst.BinaryOp) -> Term:
        if expr.op in ("and", "or"):
            return self._logic(expr)
        left = self.value(expr.left)
        if expr.op == "in":
            return self._any_in(left, expr.right)
        right = self.value(expr.right)
        if expr.op in ("eq", "not_eq"):
            same = self._equal(left, right)
            return same if expr.op == "eq" else self.smt.no(same)
        if expr.op in _ORDER:
            return _ORDER[expr.op](self._scalar(left), self._scalar(right))
        if expr.op in _ARITHMETIC:
            return self._arithmetic(expr.op, self._scalar(left), self._scalar(right))
        return self._about_sets(expr.op, left, right)

    def _logic(self, expr: pst.BinaryOp) -> Term:
        first = self._bool(expr.left)
        goes_on = first if expr.op == "and" else self.smt.no(first)
        if goes_on is False:
            return first
        with self._behind(goes_on):
            second = self._bool(expr.right)
        return self.smt.all((first, second)) if expr.op == "and" else self.smt.any((first, second))

    def _arithmetic(self, op: str, left: Term, right: Term) -> Term:
        return self._in_long(left + right if op == "add" else left - right if op == "sub" else left * right)

    def _in_long(self, term: Term) -> Term:
        self.failures.append(self.smt.all((*self._reached, self.smt.outside_long(term))))
        return term

    def _about_sets(self, op: str, left: Value, right: Value) -> Term:
        sets = self.call.sets
        if op == "contains":
            if isinstance(left, SetLit):
                return self.smt.any([self._equal(each, right) for each in left.elements])
            return sets.contains(self._texts(left), self._scalar(right))
        if op == "contains_all" and isinstance(left, SetLit) and isinstance(right, SetLit):
            return self.smt.all([self._about_sets("contains", left, each) for each in right.elements])
        if op == "contains_any" and isinstance(left, SetLit) and isinstance(right, SetLit):
            return self.smt.any([self._about_sets("contains", left, each) for each in right.elements])
        if op == "contains_all":
            return sets.contains_all(self._texts(left), self._texts(right))
        if op == "contains_any":
            return sets.contains_any(self._texts(left), self._texts(right))
        raise Unsupported(f"the operator {op}")

    def _texts(self, value: Value) -> TextSet | SetLit:
        if isinstance(value, TextSet):
            return value
        if isinstance(value, SetLit):
            return SetLit(elements=tuple(self._scalar(each) for each in value.elements))
        raise Unsupported("a test on something that is no set of texts")

    def _equal(self, left: Value, right: Value) -> Term:
        if isinstance(left, Entity) and isinstance(right, Entity):
            return self._people.equal(left, right)
        if isinstance(left, TextSet | SetLit) and isinstance(right, TextSet | SetLit):
            if isinstance(left, SetLit) and isinstance(right, SetLit):
                both = (("contains_all", left, right), ("contains_all", right, left))
                return self.smt.all([self._about_sets(*each) for each in both])
            return self.call.sets.equal(self._texts(left), self._texts(right))
        if isinstance(left, Record | _Written) and isinstance(right, Record | _Written):
            return self._equal_fields(left, right)
        return self.smt.equal(self._scalar(left), self._scalar(right))

    def _equal_fields(self, left: Record | _Written, right: Record | _Written) -> Term:
        """The same fields are there, and each is equal."""
        terms: list[Term] = []
        for name in sorted(_names(left) | _names(right)):
            here, there = self._field(left, name), self._field(right, name)
            terms.append(self.smt.equal(here, there))
            if here is not False and there is not False:
                same = self._equal(self._get(left, name), self._get(right, name))
                terms.append(self.smt.any((self.smt.no(here), same)))
        return self.smt.all(terms)

    def _field(self, record: Record | _Written, name: str) -> Term:
        return name in record.fields if isinstance(record, _Written) else self.call.has(record, name)

    def _any_in(self, left: Value, right: pst.Expr) -> Term:
        if not isinstance(left, Entity):
            raise Unsupported("`in` on something that is no entity")
        parts = right.elements if isinstance(right, pst.Set) else (right,)
        terms: list[Term] = []
        for part in parts:
            if isinstance(part, pst.EntityLit):
                terms.append(self._in(left, part.value))
            else:
                above = self.value(part)
                if not isinstance(above, Entity):
                    raise Unsupported("`in` a set that is not written out")
                terms.append(self._people.equal(left, above))  # entities that a request names hold no others
        return self.smt.any(terms)

    def _in(self, entity: Entity, uid: pst.EntityUid) -> Term:
        above = _ref(uid)
        if entity.kind is EntityKind.ACTION:
            action = self._world.actions[entity.term]
            return above.kind is EntityKind.ACTION and (above.id == action.name or above.id in action.ancestors)
        if entity.kind is EntityKind.RESOURCE and above.kind is EntityKind.ZONE:
            tool = self.call.setting.action_of(self.side)
            return above.id in ((tool and tool.zones) or ())
        return self._people.member(self.side, entity, above)

    def _get(self, base: Value, name: str) -> Value:
        if isinstance(base, Record):
            return self.call.read(base, name)
        if isinstance(base, _Written):
            return base.fields[name]
        if isinstance(base, Entity):
            if base.kind is EntityKind.TASK:
                return self.call.of_task(name, self._attribute(base, name))
            return self._people.attr(self.side, base, name, self._attribute(base, name))
        raise Unsupported("an attribute of something that has none")

    def _attribute(self, entity: Entity, name: str) -> Type:
        newest = self.call.setting.sides[-1].attributes.get(entity.kind, _NOTHING).attrs
        attrs = self._world.attributes[entity.kind].attrs
        return (newest if name in newest and type(newest[name].type) is type(attrs[name].type) else attrs)[name].type

    def _has(self, base: Value, names: tuple[str, ...]) -> Term:
        terms: list[Term] = []
        for place, name in enumerate(names):
            if isinstance(base, Record | _Written):
                terms.append(self._field(base, name))
            elif isinstance(base, Entity):
                attr = self._world.attributes[base.kind].attrs.get(name)
                optional = attr is not None and attr.optional
                terms.append(self._people.has(self.side, base, name) if optional else attr is not None)
            else:
                return False
            if terms[-1] is False:
                return False
            if place + 1 < len(names):
                base = self._get(base, name)
        return self.smt.all(terms)

    def _is(self, expr: pst.Is) -> Term:
        base = self.value(expr.base)
        if not isinstance(base, Entity):
            raise Unsupported("`is` on something that is no entity")
        if str(expr.entity_type) != base.kind:
            return False
        return True if expr.in_expr is None else self._any_in(base, expr.in_expr)

    def _if(self, expr: pst.IfThenElse) -> Value:
        condition = self._bool(expr.cond)
        if isinstance(condition, bool):
            return self.value(expr.then_expr if condition else expr.else_expr)
        with self._behind(condition):
            yes = self.value(expr.then_expr)
        with self._behind(self.smt.no(condition)):
            no = self.value(expr.else_expr)
        if isinstance(yes, Entity) and isinstance(no, Entity) and yes.kind is no.kind:
            return Entity(kind=yes.kind, term=self.smt.choose(condition, yes.term, no.term))
        return self.smt.choose(condition, self._scalar(yes), self._scalar(no))


_NOTHING = Struct({})


def _names(record: Record | _Written) -> frozenset[str]:
    return frozenset(record.fields if isinstance(record, _Written) else record.struct.attrs)


def _ref(uid: pst.EntityUid) -> EntityRef:
    return EntityRef(kind=EntityKind(str(uid.type)), id=uid.id)


def _pattern(elements: tuple[pst.PatternElem, ...]) -> list[str | None]:
    """Runs of characters, and wildcards between them."""
    parts: list[str | None] = []
    for each in elements:
        if isinstance(each, pst.Wildcard):
            parts.append(WILDCARD)
        elif parts and parts[-1] is not WILDCARD:
            parts[-1] += each.value
        else:
            parts.append(each.value)
    return parts
