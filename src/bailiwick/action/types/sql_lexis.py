"""The part of SQL on which all lexers agree. Everything else is refused before anything is parsed.

A parser decides nothing if the database cuts the text into other tokens than it did: `1--1` is arithmetic or a
comment, `/*!50000 … */` is a comment or code, `\\'` ends a string or does not, `a$$` is a name or opens one, a
no-break space is white space or part of a name. INVARIANT: in an accepted text, quotes are balanced and closed by
doubling alone, there are no comments, and outside quotes stand only ASCII characters that mean the same to sqlglot
and to the database.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

__all__ = ["MAX_SQL", "MAX_SQL_DEPTH", "lexical_problem", "qualified_from"]

MAX_SQL = 20_000
"""Characters of one SQL argument."""

MAX_SQL_DEPTH = 24
"""Parentheses within parentheses; sqlglot tries some constructs twice per level."""

_QUOTED = r"""'(?:[^']|'')*'|"(?:[^"]|"")*\""""
_BACKTICKS = r"`(?:[^`]|``)*`"
_BRACKETS = r"\[(?:[^\]]|\]\])*\]"
_PLAIN_QUOTED = r"""'[^']*'(?!')|"[^"]*"(?!")|`[^`]*`(?!`)"""
"""Without doubling, which BigQuery does not know: there a doubled quote ends a text, or is the end of a longer one."""


def _segments(quoted: str, quotes: str) -> re.Pattern[str]:
    return re.compile(rf"(?P<quoted>{quoted})|(?P<plain>[^{quotes}]+)|(?P<open>.)", re.DOTALL)


_SEGMENTS: Mapping[str, re.Pattern[str]] = {
    "postgres": _segments(_QUOTED, "'\""),
    "mysql": _segments(f"{_QUOTED}|{_BACKTICKS}", "'\"`"),
    "sqlite": _segments(f"{_QUOTED}|{_BACKTICKS}", "'\"`"),
    "tsql": _segments(f"{_QUOTED}|{_BRACKETS}", "'\"\\["),
    "snowflake": _segments(_QUOTED, "'\""),
    "bigquery": _segments(_PLAIN_QUOTED, "'\"`"),
}
_COMMON = r"A-Za-z0-9_ \t\r\n,.;:()+\-*/%<>=!|&~^"
_FOREIGN: Mapping[str, re.Pattern[str]] = {
    "postgres": re.compile(rf"[^{_COMMON}\[\]@#]"),
    "mysql": re.compile(rf"[^{_COMMON}]"),
    "sqlite": re.compile(rf"[^{_COMMON}]"),
    "tsql": re.compile(rf"[^{_COMMON}]"),
    "snowflake": re.compile(rf"[^{_COMMON}\[\]]"),
    "bigquery": re.compile(rf"[^{_COMMON}\[\]]"),
}
_MISREAD: Mapping[str, re.Pattern[str]] = {
    # Snowflake: a comment, statements in a row, a method of a model.
    "snowflake": re.compile(r"//|->|!(?!=)"),
    # BigQuery: queries in a row.
    "bigquery": re.compile(r"\|>"),
    # SQL Server: comparisons of its own.
    "tsql": re.compile(r"![<>]"),
}
"""What only one database reads so."""
_RUNS_ON = re.compile(r"(?<!\w)(?>0[xX][0-9A-Fa-f]++|0[bB][01]++|\d++(?:\.\d*+)?(?:[eE][+-]?\d++)?)(?=[\w.])")
"""`1.eb` is a name to one version of MySQL, `b` to another, `1.e AS b` to SQL Server, `1. AS eb` to sqlglot."""
_PROJECT = re.compile(r"(?<!\w)[A-Za-z_]\w*(?:-\w+)+")
"""BigQuery: names of projects hold dashes, and digits after them."""
_COMMENT = re.compile(r"--|/\*|\*/")
_BACKSLASH_QUOTE = re.compile(r"\\['\"`]")
_ESCAPED_UNICODE = re.compile(r"[uU]&['\"]")


def lexical_problem(text: str, dialect: str) -> str:
    """Why `text` might be cut into other tokens by the database, "" if it cannot; completes "it …"."""
    if len(text) > MAX_SQL:
        return f"has {len(text)} characters; at most {MAX_SQL} are parsed"
    if "\x00" in text:
        return "holds a NUL character"
    if _BACKSLASH_QUOTE.search(text):
        return (
            "has a backslash before a quote, which databases read differently; write a quote in a string by doubling it"
        )
    if _ESCAPED_UNICODE.search(text):
        return "uses U& escapes; write the characters themselves"
    depth = 0
    for segment in _SEGMENTS[dialect].finditer(text):
        if segment.lastgroup == "open":
            return (
                "has a quote that is doubled or never closed"
                if dialect == "bigquery"
                else ("has a quote that is never closed")
            )
        if segment.lastgroup == "plain":
            plain = segment.group()
            problem = _plain_problem(plain, dialect)
            if problem:
                return problem
            for char in plain:
                depth += (char in "([") - (char in ")]")
                if depth > MAX_SQL_DEPTH:
                    return f"nests parentheses deeper than {MAX_SQL_DEPTH}"
    return ""


def _plain_problem(plain: str, dialect: str) -> str:
    if _COMMENT.search(plain):
        return "has a comment or '--'; databases disagree on where comments end, so leave them out"
    misread = _MISREAD[dialect].search(plain) if dialect in _MISREAD else None
    if misread is not None:
        return f"has {misread.group()!r} outside a string, which is not taken in {dialect}"
    runs_on = _RUNS_ON.search(_PROJECT.sub("p", plain) if dialect == "bigquery" else plain)
    if runs_on is not None:
        return f"has the number {runs_on.group():.20} right before a letter, digit or dot; put a space between"
    foreign = _FOREIGN[dialect].search(plain)
    if foreign is None:
        return ""
    char = foreign.group()
    if char == "$":
        return (
            "uses '$' outside a string (dollar quotes and placeholders are not taken); write strings in single quotes"
        )
    return f"has {char!a} outside a string, which is not taken in {dialect}"


def qualified_from(text: str, start: int) -> int:
    """Where the name of a function begins whose last part begins at `start`: `schema . name`. Looks at that name alone,
    however long the text before it is."""
    while True:
        dot = _before_spaces(text, start)
        if not dot or text[dot - 1] != ".":
            return start
        end = begin = _before_spaces(text, dot - 1)
        while begin and (text[begin - 1].isalnum() or text[begin - 1] in '_"`'):
            begin -= 1
        if begin == end:
            return start
        start = begin


def _before_spaces(text: str, at: int) -> int:
    while at and text[at - 1].isspace():
        at -= 1
    return at
