"""One word of a shell command: what it is known to be after the shell has read it.

INVARIANT: `Word.literal` is the one word that the shell makes of it, whatever the variables and the folder hold; None
if that depends on them. What is not understood raises `NotPlain`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from tree_sitter import Node

__all__ = ["ANYTHING", "NotPlain", "Word", "literal_word", "read_word", "source_of"]

ANYTHING = "\x01"
"""Stands in `Word.pattern` for text that is not known."""

_PLAIN = re.compile(r"[A-Za-z0-9_./:=@%+,^~*?\[\]{}#-]")
_GLOB = frozenset("*?[")
_PLAIN_EXPANSION = re.compile(r"\$\{#?[A-Za-z_][A-Za-z0-9_]*\}|\$[A-Za-z_][A-Za-z0-9_]*|\$[0-9?#$@*]")
_ARITHMETIC = frozenset({"number", "binary_expression", "unary_expression", "parenthesized_expression"})
_HISTORY = re.compile(r"![^\s=\"')]")


class NotPlain(Exception):
    """The text holds something that is not taken; the message completes "it …"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """`literal` as above. `pattern` is the text with `ANYTHING` for what is not known and globs as written. `splits`:
    it may become several words, or none, of any kind; a glob alone does not, since each of its words begins as it
    does."""

    literal: str | None
    pattern: str
    splits: bool = False

    @property
    def may_be_option(self) -> bool:
        """Whether a program could take it, or a word that comes of it, for an option."""
        if self.literal is not None:
            return self.literal.startswith("-")
        return self.splits or self.pattern[:1] in ("-", ANYTHING, *_GLOB)


def literal_word(text: str) -> Word:
    return Word(literal=text, pattern=text)


def source_of(node: Node) -> str:
    """The text of a node."""
    return (node.text or b"").decode()


@dataclass(slots=True)
class _Reading:
    substituted: Callable[[Node], None]
    named: Callable[[str], None]
    pattern: str = ""
    known: bool = True
    splits: bool = False
    braces: bool = False

    def unknown(self, *, quoted: bool) -> None:
        self.pattern += ANYTHING
        self.known = False
        self.splits = self.splits or not quoted

    def node(self, node: Node, *, quoted: bool = False) -> None:
        match node.type:
            case "word" | "number" | "variable_name" if not node.children:
                self._unquoted(source_of(node))
            case "raw_string":
                self.pattern += source_of(node)[1:-1]
            case "string":
                self._string(node)
            case "concatenation":
                self._concatenation(node)
            case "simple_expansion" | "expansion":
                self._expansion(source_of(node), quoted=quoted)
            case "command_substitution":
                self.substituted(node)
                self.unknown(quoted=quoted)
            case "process_substitution":
                self.substituted(node)
                self.pattern += "/dev/fd/" + ANYTHING
                self.known = False
            case "arithmetic_expansion":
                _check_arithmetic(node)
                self.unknown(quoted=quoted)
            case "brace_expression":
                self.unknown(quoted=False)
            case _:
                raise NotPlain(f"holds {node.type.replace('_', ' ')}, which is not taken")

    def _unquoted(self, text: str) -> None:
        at = 0
        while at < len(text):
            char = text[at]
            if char == "\\":
                at += 1
                if at == len(text) or not " " <= text[at] <= "~":
                    raise NotPlain("holds a backslash that quotes nothing")
                self.pattern += text[at]
            elif _PLAIN.fullmatch(char) is None:
                raise NotPlain(f"holds {char!r} outside of quotes")
            else:
                self.pattern += char
                self.known = self.known and char not in _GLOB
                self.braces = self.braces or char in "{}"
            at += 1

    def _string(self, node: Node) -> None:
        at = node.start_byte + 1
        source = node.text or b""
        for child in node.children[1:-1]:
            if child.type == "string_content":
                continue
            self._quoted(source[at - node.start_byte : child.start_byte - node.start_byte].decode())
            self.node(child, quoted=True)
            at = child.end_byte
        self._quoted(source[at - node.start_byte : -1].decode())

    def _quoted(self, text: str) -> None:
        """Text between double quotes; a backslash there quotes `$`, a backtick, a quote and itself."""
        if _HISTORY.search(text):
            raise NotPlain("holds '!' before a word, which recalls history")
        read, count = re.subn(r'\\([$`"\\])', r"\1", text)
        if re.sub(r'\\[$`"\\]', "", text).find("$") >= 0 or text.count("`") > count:
            raise NotPlain("holds a '$' or backtick between quotes that begins nothing")
        self.pattern += read

    def _concatenation(self, node: Node) -> None:
        at = node.start_byte
        for child in node.children:
            if child.start_byte != at:
                raise NotPlain("is cut into words in an unclear place")
            self.node(child)
            at = child.end_byte
        if at != node.end_byte:
            raise NotPlain("is cut into words in an unclear place")

    def _expansion(self, text: str, *, quoted: bool) -> None:
        if _PLAIN_EXPANSION.fullmatch(text) is None:
            raise NotPlain(f"expands {text:.30}, which is not a plain variable")
        self.named(text.strip("${}#"))
        self.unknown(quoted=quoted and text[1:] not in ("@", "*"))


def read_word(node: Node, *, substituted: Callable[[Node], None], named: Callable[[str], None]) -> Word:
    """The word of a node. `substituted` is told of every command or process substitution in it, `named` of every
    variable. Raises NotPlain."""
    reading = _Reading(substituted=substituted, named=named)
    reading.node(node)
    pattern = reading.pattern
    others = pattern.replace("{}", "")  # `{}` stays as it is: find and xargs put something in place of it
    if reading.braces and ("{" in others or "}" in others):
        reading.known = False
        reading.splits = True
    return Word(literal=pattern if reading.known else None, pattern=pattern, splits=reading.splits)


def _check_arithmetic(node: Node) -> None:
    """Numbers alone: a variable, or what is in one, may be an assignment or a subscript that runs a command."""
    todo = list(node.children)
    while todo:
        each = todo.pop()
        if each.is_named and each.type not in _ARITHMETIC:
            raise NotPlain("calculates with more than numbers")
        if each.type == "number" and re.fullmatch(r"[0-9]+", source_of(each)) is None:
            raise NotPlain("calculates with more than numbers")
        todo.extend(each.children)
