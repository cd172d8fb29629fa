"""What the rules that denied a call would have to find instead: for each fact that they read, the values that would
turn a condition round. DESIGN §3 promise 9.

That is a list of things to try, no more. Whether one helps, Cedar alone says: `bailiwick.policy.alternatives` has each
changed call decided before anybody hears of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cedarpy import pst

from bailiwick.model.decision import LinkVerdict, Verdict
from bailiwick.model.principal import EntityKind, EntityRef
from bailiwick.policy.facts import Probe, Truths, conjuncts, permits_for, value_of
from bailiwick.policy.tree import literals, walk

__all__ = ["In", "OtherThan", "Want", "wants"]

Value = object
Pair = tuple[EntityRef, EntityRef]


@dataclass(frozen=True, slots=True)
class In:
    """Being (`inside`), or not being, a member of a group, role or class."""

    above: EntityRef
    inside: bool


@dataclass(frozen=True, slots=True)
class OtherThan:
    """Any other value."""

    value: Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Want:
    """A fact and a value that a rule would rather see. `path` leads to it from `entity`, or, where that is None, from
    the context; an empty path is the entity itself."""

    entity: EntityRef | None
    path: tuple[str, ...]
    value: Value


def wants(probe: Probe, verdict: Verdict) -> tuple[Want, ...]:
    """What the rules that denied would have to find, in the order of links and rules, each once."""
    denied = [link for link in verdict.links if not link.allowed and not link.errors]
    names = {name: None for link in denied for name in _deniers(probe, link)}
    truths = Truths(probe, names)
    found: dict[str, Want] = {}
    for link in denied:
        pair = (link.link, link.resource)
        for name in _deniers(probe, link):
            for part in conjuncts(probe.rules[name]):
                for atom, wanted in _flips(truths, pair, part, wanted=not link.policies):
                    asked = (*_wants(probe, pair, atom, wanted=wanted), *_filled(probe, pair, part, atom))
                    found.update({repr(want): want for want in asked})
    return tuple(found.values())


def _deniers(probe: Probe, link: LinkVerdict) -> tuple[str, ...]:
    """The forbids that deny a link, or else the permits that it lacks."""
    return link.policies or permits_for(probe, link.link)


def _flips(truths: Truths, pair: Pair, expr: pst.Expr, *, wanted: bool) -> Iterator[tuple[pst.Expr, bool]]:
    """Atomic conditions, each with the truth that would bring `expr` nearer to `wanted`."""
    if truths.of(pair, expr) is wanted:
        return
    match expr:
        case pst.UnaryOp(op="not", arg=arg):
            yield from _flips(truths, pair, arg, wanted=not wanted)
        case pst.BinaryOp(op="and" | "or", left=left, right=right):
            yield from _flips(truths, pair, left, wanted=wanted)
            yield from _flips(truths, pair, right, wanted=wanted)
        case pst.IfThenElse(cond=cond, then_expr=then, else_expr=other):
            chosen = truths.of(pair, cond)
            yield from _flips(truths, pair, cond, wanted=not chosen)
            yield from _flips(truths, pair, then if chosen else other, wanted=wanted)
        case _:
            yield expr, wanted


def _wants(probe: Probe, pair: Pair, atom: pst.Expr, *, wanted: bool) -> Iterator[Want]:
    match atom:
        case pst.GetAttr():
            yield from _want(probe, pair, atom, wanted)
        case pst.Is(base=base, in_expr=pst.EntityLit() as group):
            yield from _want(probe, pair, base, In(_ref(group), wanted))
        case pst.BinaryOp(op="in", left=left, right=right):
            for above in literals(right):
                if isinstance(above, pst.EntityLit):
                    yield from _want(probe, pair, left, In(_ref(above), wanted))
        case pst.BinaryOp(left=left, right=right):
            for value in _left_values(atom, _known(probe, pair, left), _known(probe, pair, right), wanted=wanted):
                yield from _want(probe, pair, left, value)
            for value in _right_values(atom, _known(probe, pair, left), _known(probe, pair, right), wanted=wanted):
                yield from _want(probe, pair, right, value)
        case pst.UnaryOp(op="is_empty", arg=arg):
            yield from _want(probe, pair, arg, [] if wanted else OtherThan([]))
        case pst.Like(base=base, pattern=pattern):
            example = "".join(each.value for each in pattern if isinstance(each, pst.Char))
            yield from _want(probe, pair, base, example if wanted else OtherThan(_known(probe, pair, base)))
        case _:
            return


def _filled(probe: Probe, pair: Pair, part: pst.Expr, atom: pst.Expr) -> Iterator[Want]:
    """Where a set should not be empty: one of the words that the same condition compares it with."""
    if isinstance(atom, pst.UnaryOp) and atom.op == "is_empty":
        for node in walk(part):
            if isinstance(node, pst.BinaryOp) and node.right == atom.arg and isinstance(node.left, pst.Set):
                for word in node.left.elements:
                    yield from _want(probe, pair, atom.arg, [_known(probe, pair, word)])


_MIRRORED = {"less": "greater", "less_eq": "greater_eq", "greater": "less", "greater_eq": "less_eq"}


def _left_values(atom: pst.BinaryOp, left: Value, right: Value, *, wanted: bool) -> Iterator[Value]:
    """What the left side would have to be, given the right one."""
    if right is None:
        return
    match atom.op:
        case "eq" | "not_eq":
            yield right if wanted is (atom.op == "eq") else OtherThan(right)
        case "less" | "less_eq" | "greater" | "greater_eq" if isinstance(right, int):
            yield _bound(atom.op, right, wanted=wanted)
        case "contains" if isinstance(left, list):
            yield [*left, right] if wanted else [each for each in left if each != right]
        case "contains_all" if isinstance(left, list) and isinstance(right, list) and wanted:
            yield [*left, *(each for each in right if each not in left)]
        case "contains_any" if isinstance(left, list) and isinstance(right, list):
            kept = [each for each in left if each not in right]
            yield from ([*left, each] for each in right) if wanted else [kept]
        case _:
            return


def _right_values(atom: pst.BinaryOp, left: Value, right: Value, *, wanted: bool) -> Iterator[Value]:
    """What the right side would have to be, given the left one."""
    if left is None:
        return
    match atom.op:
        case "eq" | "not_eq":
            yield left if wanted is (atom.op == "eq") else OtherThan(left)
        case "less" | "less_eq" | "greater" | "greater_eq" if isinstance(left, int):
            yield _bound(_MIRRORED[atom.op], left, wanted=wanted)
        case "contains" if isinstance(left, list):
            yield from left if wanted else [OtherThan(right)]
        case "contains_all" if isinstance(left, list) and isinstance(right, list) and wanted:
            kept = [each for each in right if each in left]
            yield from [kept] if kept else ([each] for each in left)
        case "contains_any" if isinstance(left, list) and isinstance(right, list):
            yield from ([each] for each in left) if wanted else [[each for each in right if each not in left]]
        case _:
            return


def _bound(op: str, limit: int, *, wanted: bool) -> int:
    """The value nearest to `limit` for which `value op limit` is `wanted`."""
    match op:
        case "less":
            return limit - 1 if wanted else limit
        case "less_eq":
            return limit if wanted else limit + 1
        case "greater":
            return limit + 1 if wanted else limit
        case _:
            return limit if wanted else limit - 1


def _want(probe: Probe, pair: Pair, expr: pst.Expr, value: Value) -> Iterator[Want]:
    """That `expr`, if it is a fact, be `value`."""
    own = value_of(probe, pair, expr)
    if isinstance(own, EntityRef):
        yield Want(entity=own, path=(), value=value)
        return
    names: list[str] = []
    while isinstance(expr, pst.GetAttr):
        names.insert(0, expr.attr)
        expr = expr.base
        holder = value_of(probe, pair, expr)
        if isinstance(holder, EntityRef):
            yield Want(entity=holder, path=tuple(names), value=value)
            return
    if names and isinstance(expr, pst.Var) and expr.name == "context":
        yield Want(entity=None, path=tuple(names), value=value)


def _known(probe: Probe, pair: Pair, expr: pst.Expr) -> Value:
    """The value of a literal, a set of literals or a fact; None for anything else."""
    match expr:
        case pst.StringLit(value=value) | pst.LongLit(value=value) | pst.BoolLit(value=value):
            return value
        case pst.EntityLit():
            return _ref(expr)
        case pst.Set(elements=elements):
            return [_known(probe, pair, each) for each in elements]
        case _:
            return value_of(probe, pair, expr)


def _ref(literal: pst.EntityLit) -> EntityRef:
    return EntityRef(kind=EntityKind(str(literal.value.type)), id=literal.value.id)
