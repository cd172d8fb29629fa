"""A small typing of Cedar expressions in one environment, for `check`: what each `has` and each literal would meet.

Every visitor returns the expression's type (None: unknown) and whether it is always true or false in this environment
(None: depends on the request). As in Cedar, what stands behind an always-false `&&` is not looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import assert_never

from cedarpy import pst

from bailiwick.model.principal import EntityKind
from bailiwick.policy.scope import Env, can_be_in
from bailiwick.policy.tree import children, literals, path
from bailiwick.policy.world import Attr, Bool, Level, Long, Ref, Str, StrSet, Struct, Type, Vocab, World

__all__ = ["Seen", "Typer"]

Typed = tuple[Type | None, bool | None]
_Leaf = pst.Var | pst.Slot | pst.BoolLit | pst.LongLit | pst.StringLit | pst.EntityLit | pst.Set | pst.Record
_UNKNOWN: Typed = (None, None)
_COMPARISONS = frozenset({"eq", "not_eq", "less", "less_eq", "greater", "greater_eq"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """`kind` is `has`, `level` or what a vocabulary holds (category, argument ...); `state` is required, optional or
    absent for an attribute, known or absent for a literal. `subject` is the expression asked, as text."""

    kind: str
    subject: str
    name: str
    state: str
    known: frozenset[str] = frozenset()


@dataclass(slots=True, kw_only=True)
class Typer:
    """Walks expressions in `env` and keeps what it `seen`."""

    env: Env
    world: World
    seen: list[Seen] = field(default_factory=list)
    prefixes: set[pst.Expr] = field(default_factory=set)

    def can_hold(self, clauses: tuple[pst.Clause, ...]) -> bool:
        """False iff one of `clauses` is always against it. All clauses are walked."""
        possible = True
        for clause in clauses:
            truth = self.visit(clause.expr)[1]
            if truth is isinstance(clause, pst.Unless):
                possible = False
        return possible

    def attributes(self, subject: str) -> Iterator[str]:
        """Names of the attributes that exist under the path `subject`."""
        name, *rest = subject.split(".")
        given: Type | None = self._variable(name)
        for part in rest:
            attr = self._attrs(given).get(part)
            given = attr.type if attr else None
        yield from self._attrs(given)

    def visit(self, expr: pst.Expr) -> Typed:
        """The type of `expr`, and its truth if that is fixed."""
        match expr:
            case pst.UnaryOp():
                return self._unary(expr)
            case pst.BinaryOp():
                return self._binary(expr)
            case pst.GetAttr():
                attr = self._attrs(self.visit(expr.base)[0]).get(expr.attr)
                return (attr.type if attr else None), None
            case pst.HasAttr():
                return self._has(expr)
            case pst.Like():
                self.visit(expr.base)
                return Bool(), None
            case pst.Is():
                return self._is(expr)
            case pst.IfThenElse():
                return self._if(expr)
            case _:
                return self._leaf(expr)

    def _leaf(self, expr: _Leaf) -> Typed:
        match expr:
            case pst.Var(name=name):
                return self._variable(name), None
            case pst.BoolLit(value=value):
                return Bool(), value
            case pst.LongLit():
                return Long(), None
            case pst.StringLit():
                return Str(), None
            case pst.EntityLit(value=uid):
                kind = next((kind for kind in EntityKind if kind.value == str(uid.type)), None)
                return (Ref(kind) if kind else None), None
            case pst.Set() | pst.Record():
                for part in children(expr):
                    self.visit(part)
                return _UNKNOWN
            case pst.Slot():
                return _UNKNOWN
            case _ as unreachable:
                assert_never(unreachable)

    def _variable(self, name: str) -> Type | None:
        match name:
            case "principal":
                return Ref(self.env.principal)
            case "resource":
                return Ref(self.env.action.resource)
            case "action":
                return Ref(EntityKind.ACTION)
            case "context":
                return self.env.action.context
            case _:
                return None

    def _unary(self, expr: pst.UnaryOp) -> Typed:
        truth = self.visit(expr.arg)[1]
        if expr.op == "not":
            return Bool(), None if truth is None else not truth
        return (Long() if expr.op == "neg" else None), None

    def _binary(self, expr: pst.BinaryOp) -> Typed:
        if expr.op in ("and", "or"):
            return self._logic(expr)
        left, right = self.visit(expr.left)[0], self.visit(expr.right)[0]
        if expr.op == "in":
            return Bool(), self._in(expr, left)
        if expr.op in _COMPARISONS:
            self._compare(expr.left, left, expr.right)
            self._compare(expr.right, right, expr.left)
            return Bool(), self._equal(expr, left, right)
        if expr.op.startswith("contains"):
            self._compare(expr.left, left, expr.right)
            self._compare(expr.right, right, expr.left)
            return Bool(), None
        return _UNKNOWN

    def _logic(self, expr: pst.BinaryOp) -> Typed:
        if expr.op == "and":
            self._note_prefix(expr)
        stops = expr.op == "or"
        first = self.visit(expr.left)[1]
        if first is stops:
            return Bool(), stops
        second = self.visit(expr.right)[1]
        if second is stops:
            return Bool(), stops
        return Bool(), None if first is None or second is None else not stops

    def _note_prefix(self, expr: pst.BinaryOp) -> None:
        """`context has args.limit` reaches us as `context has args && context.args has limit`: the first half is no
        test that its author wrote."""
        before = expr.left.right if isinstance(expr.left, pst.BinaryOp) and expr.left.op == "and" else expr.left
        match before, expr.right:
            case pst.HasAttr(base=base, attrs=(name,)), pst.HasAttr(base=pst.GetAttr(base=same, attr=attr)):
                if base == same and name == attr:
                    self.prefixes.add(before)
            case _:
                pass

    def _in(self, expr: pst.BinaryOp, left: Type | None) -> bool | None:
        above = [item.value for item in literals(expr.right) if isinstance(item, pst.EntityLit)]
        if not isinstance(left, Ref) or not above or len(above) != len(literals(expr.right)):
            return None
        action = self.env.action
        if expr.left == pst.Var(name="action"):
            return any(uid.id == action.name or uid.id in action.ancestors for uid in above)
        possible = [uid for uid in above if can_be_in(left.kind, str(uid.type))]
        if expr.left == pst.Var(name="resource") and action.zones is not None:
            possible = [uid for uid in possible if str(uid.type) != EntityKind.ZONE or uid.id in action.zones]
        return None if possible else False

    def _equal(self, expr: pst.BinaryOp, left: Type | None, right: Type | None) -> bool | None:
        if expr.op not in ("eq", "not_eq") or not isinstance(left, Ref) or not isinstance(right, Ref):
            return None
        truth: bool | None = None if left.kind is right.kind else False
        for one, other in ((expr.left, expr.right), (expr.right, expr.left)):
            if one == pst.Var(name="action") and isinstance(other, pst.EntityLit):
                truth = other.value.id == self.env.action.name
        return truth if truth is None or expr.op == "eq" else not truth

    def _compare(self, subject: pst.Expr, given: Type | None, other: pst.Expr) -> None:
        """Note the literals in `other`, if `given` says which ones make sense."""
        for item in literals(other):
            if isinstance(given, Level) and isinstance(item, pst.LongLit):
                state = "known" if 0 <= item.value < len(self.world.levels) else "absent"
                self._note("level", subject, str(item.value), state)
            elif isinstance(given, Str | StrSet) and given.vocab and isinstance(item, pst.StringLit):
                self._word(subject, given.vocab, item.value)

    def _word(self, subject: pst.Expr, vocab: Vocab, word: str) -> None:
        state = "known" if word in vocab.values else "absent"
        self._note(vocab.what, subject, word, state, vocab.values)

    def _note(self, kind: str, subject: pst.Expr, name: str, state: str, known: frozenset[str] = frozenset()) -> None:
        self.seen.append(Seen(kind=kind, subject=path(subject) or "this", name=name, state=state, known=known))

    def _attrs(self, given: Type | None) -> Mapping[str, Attr]:
        if isinstance(given, Struct):
            return given.attrs
        if isinstance(given, Ref) and given.kind in self.world.attributes:
            return self.world.attributes[given.kind].attrs
        return MappingProxyType({})

    def _has(self, expr: pst.HasAttr) -> Typed:
        given = self.visit(expr.base)[0]
        if not isinstance(given, Struct | Ref):
            return Bool(), None
        states: list[str] = []
        subject = path(expr.base) or "this"
        for name in expr.attrs:
            attr = self._attrs(given).get(name)
            states.append("absent" if attr is None else "optional" if attr.optional else "required")
            if states[-1] != "required" or expr not in self.prefixes:
                self.seen.append(Seen(kind="has", subject=subject, name=name, state=states[-1]))
            given, subject = (attr.type if attr else None), f"{subject}.{name}"
        if "absent" in states:
            return Bool(), False
        return Bool(), True if set(states) == {"required"} else None

    def _is(self, expr: pst.Is) -> Typed:
        given = self.visit(expr.base)[0]
        if not isinstance(given, Ref):
            return Bool(), None
        if str(expr.entity_type) != given.kind:
            return Bool(), False
        if expr.in_expr is None:
            return Bool(), True
        return Bool(), self._in(pst.BinaryOp(op="in", left=expr.base, right=expr.in_expr), given)

    def _if(self, expr: pst.IfThenElse) -> Typed:
        condition = self.visit(expr.cond)[1]
        if condition is not None:
            return self.visit(expr.then_expr if condition else expr.else_expr)
        (first, yes), (second, no) = self.visit(expr.then_expr), self.visit(expr.else_expr)
        return (first if first == second else None), (yes if yes is no else None)
