"""Small mistakes in one expression, each with what it changes. Pure rewriting of Cedar's typed syntax tree.

Operators: an operand of `&&` or `||` lost, the two exchanged, a boolean negated or its negation lost, a comparison that
takes or leaves its boundary, a number off by one, an element of a set lost, `containsAll` for `containsAny`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from cedarpy import pst

from bailiwick.policy.write import cedar_text

__all__ = ["Mutation", "mutations"]

_BOUNDARIES: dict[pst.BinaryOpName, tuple[pst.BinaryOpName, ...]] = {
    "less": ("less_eq",),
    "less_eq": ("less",),
    "greater": ("greater_eq",),
    "greater_eq": ("greater",),
}
_SETS: dict[pst.BinaryOpName, pst.BinaryOpName] = {"contains_all": "contains_any", "contains_any": "contains_all"}
_NEGATED: dict[pst.BinaryOpName, pst.BinaryOpName] = {"eq": "not_eq", "not_eq": "eq"}
_TRUTHS: frozenset[pst.BinaryOpName] = frozenset(
    {"eq", "not_eq", "less", "less_eq", "greater", "greater_eq", "in", "contains", "contains_all", "contains_any"}
)
_LONGS = range(-(2**63), 2**63)

Wrap = Callable[[pst.Expr], pst.Expr]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutation:
    """`told` is what changes, in words; `near` is the part where it does; `whole` is the expression with it."""

    told: str
    near: pst.Expr
    whole: pst.Expr


def mutations(expr: pst.Expr) -> Iterator[Mutation]:
    """Every mistake in a condition."""
    for part, wrap, truth in _parts(expr, _itself, truth=True):
        yield from _lost(part, wrap)
        for after in _mistakes(part, truth=truth):
            told = f"`{cedar_text(part)}` becomes `{cedar_text(after)}`"
            yield Mutation(told=told, near=part, whole=wrap(after))


def _itself(new: pst.Expr) -> pst.Expr:
    return new


def _lost(part: pst.Expr, wrap: Wrap) -> Iterator[Mutation]:
    """An operand is gone."""
    match part:
        case pst.BinaryOp(op="and" | "or" as op, left=left, right=right):
            sign = "&&" if op == "and" else "||"
            yield Mutation(told=f"`{cedar_text(left)} {sign}` is gone", near=left, whole=wrap(right))
            yield Mutation(told=f"`{sign} {cedar_text(right)}` is gone", near=right, whole=wrap(left))
        case _:
            return


def _parts(expr: pst.Expr, wrap: Wrap, *, truth: bool) -> Iterator[tuple[pst.Expr, Wrap, bool]]:
    """Every part with how to put another in its place, and whether it stands where a truth value is asked for (whose
    negation is not made already by an enclosing `!`). Literals are no parts: they change with what they stand in."""
    if not isinstance(expr, pst.LongLit | pst.Set):
        yield expr, wrap, truth
    match expr:
        case pst.UnaryOp(arg=arg):
            yield from _parts(arg, lambda new: wrap(replace(expr, arg=new)), truth=False)
        case pst.BinaryOp(op=op, left=left, right=right):
            below = op in ("and", "or")
            yield from _parts(left, lambda new: wrap(replace(expr, left=new)), truth=below)
            yield from _parts(right, lambda new: wrap(replace(expr, right=new)), truth=below)
        case pst.GetAttr(base=base) | pst.HasAttr(base=base) | pst.Like(base=base) | pst.Is(base=base):
            yield from _parts(base, lambda new: wrap(replace(expr, base=new)), truth=False)
        case pst.IfThenElse(cond=cond, then_expr=then, else_expr=other):
            yield from _parts(cond, lambda new: wrap(replace(expr, cond=new)), truth=True)
            yield from _parts(then, lambda new: wrap(replace(expr, then_expr=new)), truth=truth)
            yield from _parts(other, lambda new: wrap(replace(expr, else_expr=new)), truth=truth)
        case _:
            return


def _mistakes(part: pst.Expr, *, truth: bool) -> Iterator[pst.Expr]:
    match part:
        case pst.BinaryOp(op="and" | "or" as op):
            yield replace(part, op="or" if op == "and" else "and")
        case pst.UnaryOp(op="not", arg=arg):
            yield arg
        case pst.BinaryOp(op=op, left=left, right=right):
            yield from _comparisons(part, op)
            yield from (replace(part, left=new) for new in _near(left))
            yield from (replace(part, right=new) for new in _near(right))
        case _:
            pass
    if truth and _is_truth(part):
        yield pst.UnaryOp(op="not", arg=part)


def _near(literal: pst.Expr) -> Iterator[pst.Expr]:
    """Another number beside this one, or this set without one of its elements."""
    match literal:
        case pst.LongLit(value=value):
            yield from (pst.LongLit(value=near) for near in (value - 1, value + 1) if near in _LONGS)
        case pst.Set(elements=elements) if len(elements) > 1:
            for index in range(len(elements)):
                yield pst.Set(elements=(*elements[:index], *elements[index + 1 :]))
        case _:
            return


def _comparisons(part: pst.BinaryOp, op: pst.BinaryOpName) -> Iterator[pst.Expr]:
    for other in _BOUNDARIES.get(op, ()):
        yield replace(part, op=other)
    if op == "eq" and any(isinstance(side, pst.LongLit) for side in (part.left, part.right)):
        yield replace(part, op="less_eq")
        yield replace(part, op="greater_eq")
    if op in _SETS:
        yield replace(part, op=_SETS[op])
    if op in _NEGATED:
        yield replace(part, op=_NEGATED[op])


def _is_truth(part: pst.Expr) -> bool:
    """A condition that is negated as such: not `&&` and `||` (their operands are), nor `==` (it becomes `!=`)."""
    match part:
        case pst.BinaryOp(op=op):
            return op in _TRUTHS and op not in _NEGATED
        case pst.UnaryOp(op=op):
            return op.startswith("is_")
        case pst.GetAttr() | pst.HasAttr() | pst.Like() | pst.Is():
            return True
        case _:
            return False
