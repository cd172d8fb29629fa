"""Where things stand in a file of Cedar rules: cedarpy gives no lines, so the text is split here into single rules.

A rule ends at a `;` outside strings and comments. The split is not trusted: each piece is handed to Cedar by itself and
must turn out to be exactly one policy, and the pieces together are the whole file. DESIGN §4 (file and line).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from bailiwick.errors import Where

__all__ = ["Piece", "Token", "split", "tokens"]

_TOKEN = re.compile(
    r"""(?P<space>\s+|//[^\n]*)
      | (?P<string>"(?:\\.|[^"\\])*")
      | (?P<word>\w+)
      | (?P<open>")
      | (?P<other>[=!<>]=|&&|\|\||::|.)""",
    re.VERBOSE | re.DOTALL,
)


MAX_BRACKETS, MAX_STEPS = 100, 1000
"""How deep the brackets of one rule may go, and how many operators, dots and `if` it may have. Cedar refuses what is
deeper than 100, but only after it has read it, and reading recurses: on a stack of 8 MB, somewhat above these two it
takes the process with it."""

_STEPS = frozenset({"&&", "||", "+", "-", "*", ".", "[", "if"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """`kind` is string, word, open (a quote that nothing closes) or other; `line` counts from 1."""

    kind: str
    text: str
    line: int
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One rule's text, from its first token to its semicolon (or to the end of the file, if that is missing)."""

    path: str
    text: str
    tokens: tuple[Token, ...]

    @property
    def where(self) -> Where:
        return Where(file=self.path, line=self.tokens[0].line)

    def find(self, *words: str) -> Where:
        """The line of the first of `words` that stands in this rule as a word, string or sign; else the rule's own."""
        for word in words:
            for token in self.tokens:
                if token.text in (word, f'"{word}"'):
                    return Where(file=self.path, line=token.line)
        return self.where

    def only(self, word: str) -> Where:
        """The line of `word` if it stands in this rule exactly once, else the rule's own line."""
        lines = [token.line for token in self.tokens if token.text in (word, f'"{word}"')]
        return Where(file=self.path, line=lines[0]) if len(lines) == 1 else self.where

    def unclosed_string(self) -> Where | None:
        """Where a string starts that nothing closes."""
        return next((Where(file=self.path, line=token.line) for token in self.tokens if token.kind == "open"), None)

    def second_rule(self) -> Where | None:
        """Where another `permit (` or `forbid (` starts within this piece: a semicolon is missing before it."""
        heads = [
            token.line
            for token, following in zip(self.tokens, self.tokens[1:], strict=False)
            if token.text in ("permit", "forbid") and following.text == "("
        ]
        return Where(file=self.path, line=heads[1]) if len(heads) > 1 else None

    def too_deep(self) -> Where | None:
        """Where this rule gets deeper than Cedar can be trusted to read."""
        depth = steps = 0
        for token in self.tokens:
            if token.kind == "string":
                continue
            steps += token.text in _STEPS
            depth += (token.text in ("(", "[", "{")) - (token.text in (")", "]", "}"))
            if depth > MAX_BRACKETS or steps > MAX_STEPS:
                return Where(file=self.path, line=token.line)
        return None


def tokens(text: str, line: int = 1) -> Iterator[Token]:
    """Tokens of Cedar text that begins on `line`, without white space and comments."""
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup or "other"
        if kind != "space":
            yield Token(kind=kind, text=match.group(), line=line, start=match.start(), end=match.end())
        line += match.group().count("\n")


def split(path: str, text: str, line: int = 1) -> tuple[Piece, ...]:
    """The rules of one file, or of a part of it that begins on `line`, in order. Text after the last semicolon is a
    piece too, unless it is only comments."""
    pieces: list[Piece] = []
    current: list[Token] = []
    for token in tokens(text, line):
        current.append(token)
        if token.text == ";":
            pieces.append(_piece(path, text, current))
            current = []
    if current:
        pieces.append(_piece(path, text, current))
    return tuple(pieces)


def _piece(path: str, text: str, found: list[Token]) -> Piece:
    return Piece(path=path, text=text[found[0].start : found[-1].end], tokens=tuple(found))
