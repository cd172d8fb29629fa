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

__all__ = ["MAX_SQL", "MAX_SQL_DEPTH", "lexical_problem"]

MAX_SQL = 20_000
"""Characters of one SQL argument."""

MAX_SQL_DEPTH = 24
"""Parentheses within parentheses; sqlglot tries some constructs twice per level."""

_QUOTED = r"""'(?:[^']|'')*'|"(?:[^"]|"")*\""""
_SEGMENTS: Mapping[str, re.Pattern[str]] = {
    "postgres": re.compile(rf"(?P<quoted>{_QUOTED})|(?P<plain>[^'\"]+)|(?P<open>.)", re.DOTALL),
    "mysql": re.compile(rf"(?P<quoted>{_QUOTED}|`(?:[^`]|``)*`)|(?P<plain>[^'\"`]+)|(?P<open>.)", re.DOTALL),
    "sqlite": re.compile(rf"(?P<quoted>{_QUOTED}|`(?:[^`]|``)*`)|(?P<plain>[^'\"`]+)|(?P<open>.)", re.DOTALL),
}
_COMMON = r"A-Za-z0-9_ \t\r\n,.;:()+\-*/%<>=!|&~^"
_FOREIGN: Mapping[str, re.Pattern[str]] = {
    "postgres": re.compile(rf"[^{_COMMON}\[\]@#]"),
    "mysql": re.compile(rf"[^{_COMMON}]"),
    "sqlite": re.compile(rf"[^{_COMMON}]"),
}
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
            return "has a quote that is never closed"
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
    foreign = _FOREIGN[dialect].search(plain)
    if foreign is None:
        return ""
    char = foreign.group()
    if char == "$":
        return (
            "uses '$' outside a string (dollar quotes and placeholders are not taken); write strings in single quotes"
        )
    return f"has {char!a} outside a string, which is not taken in {dialect}"
