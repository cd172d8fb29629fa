"""Walking Cedar's typed syntax tree, and the parsed rule that the loader's checks share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import assert_never

from cedarpy import pst

from bailiwick.errors import Finding, Where
from bailiwick.policy.bundle import PolicyEffect
from bailiwick.policy.rulebook import severity_of
from bailiwick.policy.text import Piece

__all__ = ["Rule", "children", "literals", "path", "walk"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule that Cedar parsed by itself. `id` is its `@id`, empty if it has none; `json` its JSON policy format."""

    id: str
    piece: Piece
    tree: pst.Template
    json: Mapping[str, object]

    @property
    def effect(self) -> PolicyEffect:
        return PolicyEffect(self.tree.effect)

    @property
    def where(self) -> Where:
        return self.piece.where

    def name(self) -> str:
        """How messages call it."""
        return f'rule "{self.id}"' if self.id else "this rule"

    def finding(self, rule: str, message: str, *near: str, hint: str = "") -> Finding:
        """A finding at the first of the words `near` within the rule, or at its first line. `rule` is an id of the
        rulebook, which says how grave it is."""
        where = self.piece.find(*near)
        return Finding(rule=rule, message=message, where=where, hint=hint, severity=severity_of(rule))

    def nodes(self) -> Iterator[pst.Expr]:
        """Every expression in every clause."""
        for clause in self.tree.clauses:
            yield from walk(clause.expr)


def children(expr: pst.Expr) -> tuple[pst.Expr, ...]:
    """The direct sub-expressions of `expr`."""
    match expr:
        case pst.UnaryOp(arg=arg):
            return (arg,)
        case pst.BinaryOp(left=left, right=right):
            return (left, right)
        case pst.GetAttr(base=base) | pst.HasAttr(base=base) | pst.Like(base=base):
            return (base,)
        case pst.Is(base=base, in_expr=in_expr):
            return (base,) if in_expr is None else (base, in_expr)
        case pst.IfThenElse(cond=cond, then_expr=then_expr, else_expr=else_expr):
            return (cond, then_expr, else_expr)
        case pst.Set(elements=elements):
            return elements
        case pst.Record(fields=fields):
            return tuple(fields.values())
        case pst.Var() | pst.Slot() | pst.BoolLit() | pst.LongLit() | pst.StringLit() | pst.EntityLit():
            return ()
        case _ as unreachable:
            assert_never(unreachable)


def walk(expr: pst.Expr) -> Iterator[pst.Expr]:
    """`expr` and everything below it."""
    todo = [expr]
    while todo:
        node = todo.pop()
        yield node
        todo.extend(reversed(children(node)))


def literals(expr: pst.Expr) -> tuple[pst.Expr, ...]:
    """`expr` itself, or the elements if it is a set written out."""
    return expr.elements if isinstance(expr, pst.Set) else (expr,)


def path(expr: pst.Expr) -> str:
    """`context.args.to` for a chain of attributes on a variable; empty for anything else."""
    names: list[str] = []
    while isinstance(expr, pst.GetAttr):
        names.append(expr.attr)
        expr = expr.base
    return ".".join((expr.name, *reversed(names))) if isinstance(expr, pst.Var) else ""
