"""Cedar expressions as text, for people: how `explain` shows a single condition of a rule.

INVARIANT: what is written reads back as the same expression (tests parse it again), so nobody is shown a condition
that the rule does not have.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import assert_never

from cedarpy import pst

__all__ = ["cedar_text"]

_WORD = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_SIGNS: Mapping[str, tuple[str, int]] = MappingProxyType(
    {
        "or": ("||", 1),
        "and": ("&&", 2),
        "eq": ("==", 3),
        "not_eq": ("!=", 3),
        "less": ("<", 3),
        "less_eq": ("<=", 3),
        "greater": (">", 3),
        "greater_eq": (">=", 3),
        "in": ("in", 3),
        "add": ("+", 4),
        "sub": ("-", 4),
        "mul": ("*", 5),
    }
)
"""Operators that stand between their operands, and how strongly they bind. The relations (3) do not chain."""

_RELATION, _UNARY, _MEMBER = 3, 6, 7


def cedar_text(expr: pst.Expr) -> str:
    """`expr` on one line."""
    return _text(expr)[0]


def _text(expr: pst.Expr) -> tuple[str, int]:
    """The text, and how strongly its outermost operator binds."""
    match expr:
        case pst.BinaryOp():
            return _binary(expr)
        case pst.UnaryOp(op="not", arg=arg):
            return f"!{_within(arg, _UNARY + 1)}", _UNARY
        case pst.UnaryOp(op="neg", arg=arg):
            return f"-{_within(arg, _UNARY + 1)}", _UNARY
        case pst.UnaryOp(op=op, arg=arg):
            return f"{_within(arg, _MEMBER)}.{_camel(op)}()", _MEMBER
        case pst.GetAttr(base=base, attr=attr):
            plain = _WORD.fullmatch(attr) is not None
            return f"{_within(base, _MEMBER)}{f'.{attr}' if plain else f'[{_quoted(attr)}]'}", _MEMBER
        case pst.HasAttr(base=base, attrs=attrs):
            plain = all(_WORD.fullmatch(attr) for attr in attrs)
            name = ".".join(attrs) if plain else _quoted(attrs[0])
            return f"{_within(base, _RELATION + 1)} has {name}", _RELATION
        case pst.Like(base=base, pattern=pattern):
            return f'{_within(base, _RELATION + 1)} like "{_pattern(pattern)}"', _RELATION
        case pst.Is(base=base, entity_type=kind, in_expr=above):
            within = "" if above is None else f" in {_within(above, _RELATION + 1)}"
            return f"{_within(base, _RELATION + 1)} is {kind}{within}", _RELATION
        case pst.IfThenElse(cond=cond, then_expr=then, else_expr=other):
            return f"if {cedar_text(cond)} then {cedar_text(then)} else {cedar_text(other)}", 0
        case _:
            return _leaf(expr), _MEMBER


def _leaf(
    expr: pst.Var | pst.Slot | pst.BoolLit | pst.LongLit | pst.StringLit | pst.EntityLit | pst.Set | pst.Record,
) -> str:
    match expr:
        case pst.Var(name=name):
            return name
        case pst.Slot(name=name):
            return f"?{name}"
        case pst.BoolLit(value=value):
            return "true" if value else "false"
        case pst.LongLit(value=number):
            return str(number)
        case pst.StringLit(value=text):
            return _quoted(text)
        case pst.EntityLit(value=uid):
            return f"{uid.type}::{_quoted(uid.id)}"
        case pst.Set(elements=elements):
            return f"[{', '.join(map(cedar_text, elements))}]"
        case pst.Record(fields=fields):
            return f"{{{', '.join(f'{_quoted(name)}: {cedar_text(each)}' for name, each in fields.items())}}}"
        case _ as unreachable:
            assert_never(unreachable)


def _binary(expr: pst.BinaryOp) -> tuple[str, int]:
    if expr.op not in _SIGNS:
        return f"{_within(expr.left, _MEMBER)}.{_camel(expr.op)}({cedar_text(expr.right)})", _MEMBER
    sign, level = _SIGNS[expr.op]
    left = _within(expr.left, level + (level == _RELATION))
    return f"{left} {sign} {_within(expr.right, level + 1)}", level


def _within(expr: pst.Expr, least: int) -> str:
    text, level = _text(expr)
    return text if level >= least else f"({text})"


def _camel(op: str) -> str:
    first, *rest = op.split("_")
    return first + "".join(map(str.capitalize, rest))


def _quoted(text: str) -> str:
    return "".join(_escaped(char) for char in text).join('""')


def _escaped(char: str) -> str:
    if char in '"\\':
        return f"\\{char}"
    return char if char.isprintable() else f"\\u{{{ord(char):x}}}"


def _pattern(pattern: tuple[pst.PatternElem, ...]) -> str:
    return "".join(
        "*" if isinstance(each, pst.Wildcard) else "\\*" if each.value == "*" else _escaped(each.value)
        for each in pattern
    )
