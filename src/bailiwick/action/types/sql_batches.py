"""Statements that follow one another in one text: with a semicolon between, and without, as SQL Server takes them.

sqlglot reads `SELECT 1 DELETE FROM t` as a column called DELETE; SQL Server reads two statements. So in its dialect no
word that begins a statement may stand within one, except where that statement has it itself.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

from sqlglot import Token, TokenType

__all__ = ["second_statement", "split_statements"]

_BEGINNING = frozenset(
    """
    add alter backup begin break bulk checkpoint close commit continue create dbcc deallocate declare delete deny
    disable drop dump enable exec execute fetch get go goto grant if insert kill load merge move open print raiserror
    readtext receive reconfigure restore return revert revoke rollback save send set setuser shutdown throw truncate
    update updatetext use waitfor while writetext
    """.split()
)
_WITHIN: Mapping[str, frozenset[str]] = {
    "update": frozenset({"set"}),
    "merge": frozenset({"set", "insert", "update", "delete"}),
    "drop": frozenset({"if"}),
}
"""First word → those of them that are part of the same statement."""
_IN_QUOTES = frozenset({TokenType.IDENTIFIER, TokenType.STRING, TokenType.NATIONAL_STRING})


def split_statements(tokens: Sequence[Token]) -> list[list[Token]]:
    statements: list[list[Token]] = [[]]
    for token in tokens:
        if token.token_type is TokenType.SEMICOLON:
            statements.append([])
        else:
            statements[-1].append(token)
    return [statement for statement in statements if statement]


def second_statement(dialect: str, tokens: Sequence[Token]) -> str:
    """The word within a statement that may begin another one, "" if there is none."""
    if dialect != "tsql":
        return ""
    own = _WITHIN.get(tokens[0].text.lower(), frozenset())
    for before, token in itertools.pairwise(tokens):
        word = token.text.lower()
        offset = word == "fetch" and before.text.lower() in ("row", "rows")  # OFFSET 5 ROWS FETCH NEXT 10 ROWS ONLY
        if word in _BEGINNING and word not in own and token.token_type not in _IN_QUOTES and not offset:
            return word
    return ""
