"""What the clauses of a rule ask for: *goals* that must all hold for it to fire, and whether they contradict.

A goal is an expression and the truth that it must have. `when { a && !b }` asks for `a` and for not `b`; so does
`when { a } unless { b }`. INVARIANT: where a rule fires, each of its goals was evaluated, without error, to the truth
that it must have. So two rules can be compared by their goals, whatever the order of their conditions.

`clash` is sound and not complete: what it finds can never hold; where it finds nothing, nothing is known.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from cedarpy import pst

from bailiwick.policy.tree import path

__all__ = ["Goal", "clash", "goals_of"]

_MOST_CASES = 200
"""So many ways to fulfil a rule's alternatives are tried; beyond, nothing is said."""

_SWAPPED = {"less": "greater", "less_eq": "greater_eq", "greater": "less", "greater_eq": "less_eq"}
_OPPOSITE = {"less": "greater_eq", "less_eq": "greater", "greater": "less_eq", "greater_eq": "less"}
_LITERALS = (pst.StringLit, pst.LongLit, pst.BoolLit, pst.EntityLit)


@dataclass(frozen=True, slots=True)
class Goal:
    """`expr` must be `truth`."""

    expr: pst.Expr
    truth: bool

    @property
    def key(self) -> str:
        """Equal for equal goals, and for no others."""
        return f"{'' if self.truth else 'not '}{self.expr!r}"


def goals_of(clauses: Iterable[pst.Clause]) -> tuple[Goal, ...]:
    """All that must hold for a rule with these clauses to fire, once its scope is met."""
    return tuple(goal for each in clauses for goal in _goals(each.expr, truth=isinstance(each, pst.When)))


def clash(goals: Iterable[Goal]) -> str:
    """Why `goals` can never hold together, in a few words; "" if nothing of the kind is seen."""
    return _Cases().clash(tuple(goals), _Facts())


def _goals(expr: pst.Expr, *, truth: bool) -> Iterator[Goal]:
    match expr:
        case pst.UnaryOp(op="not", arg=arg):
            yield from _goals(arg, truth=not truth)
        case pst.BinaryOp(op=("and" | "or") as op, left=left, right=right) if (op == "and") is truth:
            yield from _goals(left, truth=truth)
            yield from _goals(right, truth=truth)
        case pst.BinaryOp(op="not_eq", left=left, right=right):
            yield from _goals(pst.BinaryOp(op="eq", left=left, right=right), truth=not truth)
        case pst.BinaryOp(op="eq", left=other, right=pst.BoolLit(value=value)):
            yield from _goals(other, truth=value is truth)
        case pst.BinaryOp(op="eq", left=left, right=right) if isinstance(left, _LITERALS):
            if isinstance(right, _LITERALS):
                yield Goal(expr, truth=truth)
            else:
                yield from _goals(pst.BinaryOp(op="eq", left=right, right=left), truth=truth)
        case pst.BoolLit(value=value) if value is truth:
            return
        case _:
            yield Goal(expr, truth=truth)


@dataclass(slots=True)
class _Cases:
    """Tries the alternatives (`a || b` that must be true, `a && b` that must be false) one after the other."""

    tried: int = 0

    def clash(self, goals: tuple[Goal, ...], facts: _Facts) -> str:
        open_: list[Goal] = []
        for goal in goals:
            if isinstance(goal.expr, pst.BinaryOp) and goal.expr.op in ("and", "or"):
                open_.append(goal)
            elif said := facts.add(goal):
                return said
        if not open_:
            return ""
        first, *others = open_
        assert isinstance(first.expr, pst.BinaryOp)
        said = ""
        for side in (first.expr.left, first.expr.right):
            self.tried += 1
            if self.tried > _MOST_CASES:
                return ""
            said = self.clash((*_goals(side, truth=first.truth), *others), facts.copy())
            if not said:
                return ""
        return said


@dataclass(slots=True)
class _Facts:
    """What is known once some goals hold. Terms are keyed by their text."""

    truths: dict[str, bool] = field(default_factory=dict)
    values: dict[str, pst.Expr] = field(default_factory=dict)
    lowest: dict[str, int] = field(default_factory=dict)
    highest: dict[str, int] = field(default_factory=dict)
    empty: set[str] = field(default_factory=set)
    filled: set[str] = field(default_factory=set)

    def copy(self) -> _Facts:
        return _Facts(
            dict(self.truths),
            dict(self.values),
            dict(self.lowest),
            dict(self.highest),
            set(self.empty),
            set(self.filled),
        )

    def add(self, goal: Goal) -> str:
        """Take `goal` in; say what it contradicts."""
        if self.truths.setdefault(repr(goal.expr), goal.truth) is not goal.truth:
            return f"{_named(goal.expr)} would have to be true and false"
        match goal.expr:
            case pst.BoolLit():
                return "a condition is false whatever the call"
            case pst.BinaryOp(op="eq", left=term, right=right) if goal.truth and isinstance(right, _LITERALS):
                return self._value(term, right)
            case pst.BinaryOp(op=op, left=term, right=pst.LongLit(value=value)) if op in _SWAPPED:
                return self._bound(term, op if goal.truth else _OPPOSITE[op], value)
            case pst.BinaryOp(op=op, left=pst.LongLit(value=value), right=term) if op in _SWAPPED:
                return self._bound(term, _SWAPPED[op if goal.truth else _OPPOSITE[op]], value)
            case pst.UnaryOp(op="is_empty", arg=term) if goal.truth:
                self.empty.add(repr(term))
                return self._fill(term)
            case pst.BinaryOp(op="contains" | "contains_any", left=term) if goal.truth:
                self.filled.add(repr(term))
                return self._fill(term)
            case _:
                return ""

    def _value(self, term: pst.Expr, value: pst.Expr) -> str:
        known = self.values.setdefault(repr(term), value)
        if known != value:
            return f"{_named(term)} would have to be {_named(known)} and {_named(value)}"
        if isinstance(value, pst.LongLit):
            return self._bound(term, "greater_eq", value.value) or self._bound(term, "less_eq", value.value)
        return ""

    def _bound(self, term: pst.Expr, op: str, value: int) -> str:
        key = repr(term)
        if op in ("greater", "greater_eq"):
            low = value + (op == "greater")
            self.lowest[key] = max(low, self.lowest.get(key, low))
        else:
            high = value - (op == "less")
            self.highest[key] = min(high, self.highest.get(key, high))
        if key in self.lowest and key in self.highest and self.lowest[key] > self.highest[key]:
            return f"{_named(term)} would have to be at least {self.lowest[key]} and at most {self.highest[key]}"
        return ""

    def _fill(self, term: pst.Expr) -> str:
        key = repr(term)
        return f"{_named(term)} would have to be empty and hold something" if key in self.empty & self.filled else ""


def _named(expr: pst.Expr) -> str:
    match expr:
        case pst.StringLit(value=text):
            return f'"{text}"'
        case pst.LongLit(value=number):
            return str(number)
        case pst.EntityLit(value=uid):
            return f'{uid.type}::"{uid.id}"'
        case pst.BinaryOp(op="eq", left=left, right=right):
            return f"{_named(left)} == {_named(right)}"
        case pst.UnaryOp(op="is_empty", arg=arg):
            return f"{_named(arg)}.isEmpty()"
        case _:
            return path(expr) or "one and the same condition"
