"""The text of a shell command before it is read: plain characters, no comments, no continued lines.

A comment and a continued line are cut out where every shell takes them for such, and refused elsewhere.
"""

from __future__ import annotations

import unicodedata

import tree_sitter_bash
from tree_sitter import Language, Node, Parser

from bailiwick.action.types.shell_words import NotPlain

__all__ = ["MAX_SHELL", "parsed"]

MAX_SHELL = 8_000
"""Characters of one command line."""

_INVISIBLE = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})


def parsed(text: str) -> tuple[str, Node]:
    """`text` as it is read, and the root of its tree. Raises NotPlain."""
    _check_characters(text)
    text = _joined(text)
    root = _tree(text)
    if comments := _comments(root):
        text = _without(text, comments)
        root = _tree(text)
    return text, root


def _check_characters(text: str) -> None:
    if len(text) > MAX_SHELL:
        raise NotPlain(f"has more than {MAX_SHELL} characters")
    if not text.strip(" \t\n"):
        raise NotPlain("holds no command")
    for char in text:
        if char in " \t\n" or "!" <= char <= "~":
            continue
        if char <= "\x7f" or unicodedata.category(char) in _INVISIBLE or char.isspace():
            raise NotPlain(f"holds the character U+{ord(char):04X}")


def _tree(text: str) -> Node:
    root = Parser(Language(tree_sitter_bash.language())).parse(text.encode()).root_node
    if root.has_error:
        raise NotPlain("is not shell that the grammar understands")
    return root


def _joined(text: str) -> str:
    """With the lines that a backslash continues made one, where nothing but plain quotes says what is quoted."""
    if "\\\n" not in text:
        return text
    if any(sign in text for sign in ("$(", "${", "$'", "`", "#", "<<", "<(", ">(")):
        raise NotPlain("continues a line with a backslash, beside signs that change what it means")
    joined: list[str] = []
    quote, at = "", 0
    while at < len(text):
        char, pair = text[at], text[at : at + 2]
        at += 1
        if char == "\\" and quote != "'":
            at += 1
            if pair == "\\\n":
                if quote or (joined and joined[-1][-1] not in " \t"):
                    raise NotPlain("continues a line with a backslash within a word")
                continue
            joined.append(pair)
            continue
        if char in "'\"" and quote in ("", char):
            quote = "" if quote else char
        joined.append(char)
    return "".join(joined)


def _comments(root: Node) -> list[Node]:
    found, todo = [], [root]
    while todo:
        node = todo.pop()
        todo += node.children
        if node.type == "comment":
            found.append(node)
    return found


def _without(text: str, comments: list[Node]) -> str:
    """The text without comments, each of which stands behind a blank or alone, and up to the end of its line."""
    source = text.encode()
    if b"<<" in source:
        raise NotPlain("holds a comment beside a here-document")
    for node in sorted(comments, key=lambda each: -each.start_byte):
        before, after = source[: node.start_byte], source[node.end_byte :]
        behind_blank = before[-1:] in (b"", b" ", b"\t", b"\n") and before[-2:-1] != b"\\"
        if not behind_blank or after[:1] not in (b"", b"\n") or b"\n" in (node.text or b""):
            raise NotPlain("holds a comment in an unclear place")
        source = before + after
    if not source.strip(b" \t\n"):
        raise NotPlain("holds no command")
    return source.decode()
