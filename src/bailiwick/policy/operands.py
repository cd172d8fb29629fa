"""The conditions of rules, one by one: each `when` and `unless`, and within them every operand of `&&`, `||`, `!` and
`if`, with what must hold for Cedar to get to it, and the line on which it stands.

Cedar evaluates clauses in order and `&&` and `||` from the left, and stops early. So a part is reached iff all clauses
before it held and each `&&` (`||`) on the way was true (false) so far: those are again expressions of the rule itself,
and Cedar can be asked about them. INVARIANT: nothing is evaluated here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cedarpy import pst

from bailiwick.errors import Where
from bailiwick.policy.text import Piece, Token, split, tokens
from bailiwick.policy.write import cedar_text

__all__ = ["Operand", "Places", "clause_text", "operands_of"]

_BRACKETS = frozenset("()")


@dataclass(frozen=True, slots=True, kw_only=True)
class Operand:
    """A clause (`whole`), or an operand within one. `reached` are the clauses under which Cedar evaluates `expr`."""

    rule: str
    expr: pst.Expr
    reached: tuple[pst.Clause, ...]
    whole: bool
    text: str
    where: Where


class Places:
    """Where the parts of one rule stand in its file. Texts are compared token by token, without brackets; a part that
    is written in another way than it is printed gets the line of its clause."""

    def __init__(self, where: Where, text: str) -> None:
        pieces: Sequence[Piece] = split(where.file, text)
        self._first = where
        found: tuple[Token, ...] = pieces[0].tokens if pieces else ()
        self._tokens = [token for token in found if token.text not in _BRACKETS]
        self._clauses = [
            index
            for index, (token, following) in enumerate(zip(self._tokens, self._tokens[1:], strict=False))
            if token.text in ("when", "unless") and following.text == "{"
        ]

    @property
    def rule(self) -> Where:
        return self._first

    def clause(self, number: int) -> Where:
        return self._at(self._start(number))

    def part(self, number: int, text: str) -> Where:
        """The first place in clause `number` that reads like `text`."""
        words = [token.text for token in tokens(text) if token.text not in _BRACKETS]
        start = self._start(number)
        for index in range(start, len(self._tokens) - len(words) + 1):
            if [token.text for token in self._tokens[index : index + len(words)]] == words:
                return self._at(index)
        return self._at(start)

    def _start(self, number: int) -> int:
        return self._clauses[number] if number < len(self._clauses) else 0

    def _at(self, index: int) -> Where:
        line = self._tokens[index].line if self._tokens else 1
        return Where(file=self._first.file, line=line + self._first.line - 1)


def clause_text(clause: pst.Clause) -> str:
    """`when { … }` or `unless { … }`."""
    word = "when" if isinstance(clause, pst.When) else "unless"
    return f"{word} {{ {cedar_text(clause.expr)} }}"


def operands_of(rule: str, tree: pst.Template, places: Places) -> Iterator[Operand]:
    """Every condition of a rule, in the order in which Cedar evaluates them. Literals are none."""
    before: tuple[pst.Clause, ...] = ()
    for number, clause in enumerate(tree.clauses):
        parts = list(_operands(clause.expr, before))
        if [expr for expr, _ in parts] not in ([], [clause.expr]):
            yield Operand(
                rule=rule,
                expr=clause.expr,
                reached=before,
                whole=True,
                text=clause_text(clause),
                where=places.clause(number),
            )
        for expr, reached in parts:
            text = cedar_text(expr)
            yield Operand(
                rule=rule, expr=expr, reached=reached, whole=False, text=text, where=places.part(number, text)
            )
        before = (*before, clause)


def _operands(expr: pst.Expr, reached: tuple[pst.Clause, ...]) -> Iterator[tuple[pst.Expr, tuple[pst.Clause, ...]]]:
    match expr:
        case pst.BoolLit():
            return
        case pst.UnaryOp(op="not", arg=arg):
            yield from _operands(arg, reached)
        case pst.BinaryOp(op="and", left=left, right=right):
            yield from _operands(left, reached)
            yield from _operands(right, (*reached, pst.When(expr=left)))
        case pst.BinaryOp(op="or", left=left, right=right):
            yield from _operands(left, reached)
            yield from _operands(right, (*reached, pst.Unless(expr=left)))
        case pst.IfThenElse(cond=cond, then_expr=then, else_expr=other):
            yield from _operands(cond, reached)
            yield from _operands(then, (*reached, pst.When(expr=cond)))
            yield from _operands(other, (*reached, pst.Unless(expr=cond)))
        case _:
            yield expr, reached
