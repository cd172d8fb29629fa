"""From the text of a shell command to the simple commands in it, over the grammar of tree-sitter-bash.

A shell and a grammar may cut the same text differently, so only text is taken on which they cannot: what `shell_text`
lets through, one here-document whose lines are counted here again, white space alone between the tokens, and node types
of an allow-list (`_BRANCHES` and those that have a method). INVARIANT: every command that the text runs is in
`Line.commands`, once per place where it stands.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass, field

from tree_sitter import Node

from bailiwick.action.types.shell_text import parsed
from bailiwick.action.types.shell_words import NotPlain, Word, literal_word, read_word, source_of

__all__ = ["Assignment", "Command", "Line", "Redirect", "read_line"]

MAX_DEPTH = 40
"""Nodes within nodes."""
MAX_COMMANDS = 100

_SEPARATORS = frozenset({";", "\n", "&", "&&", "||", "|", "|&", "!", "(", ")", "{", "}"})
_BRANCHES = frozenset(
    "program list pipeline negated_command subshell compound_statement if_statement elif_clause else_clause "
    "while_statement do_group".split()
)
_BRANCH_TOKENS = _SEPARATORS | frozenset("if then elif else fi while until do done for in".split())
_CONTAINERS = _BRANCHES - {"list", "pipeline", "negated_command"} | {"command_substitution", "process_substitution"}
"""Nodes that hold whole commands."""
_CLAUSES = frozenset({"elif_clause", "else_clause"})
"""Nodes that end with the end of a command."""
_AFTER_COMMAND = frozenset({";", "\n", "&", "&&", "||", "|", "|&", ")", "`", ";;"})
"""Tokens that end a command."""
_REDIRECTS = frozenset({">", ">>", ">|", "&>", "&>>", "<", "<>", ">&", "<&"})
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_DELIMITER = re.compile(r"(?P<quote>['\"]?)(?P<word>[A-Za-z_][A-Za-z0-9_]*)(?P=quote)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    name: str
    value: Word


@dataclass(frozen=True, slots=True, kw_only=True)
class Redirect:
    """`operator` as written; `target` is a file, or the number of an open one after `>&` and `<&`."""

    operator: str
    target: Word


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A simple command: its words, the program first."""

    words: tuple[Word, ...]
    assigned: tuple[Assignment, ...] = ()


@dataclass(slots=True, kw_only=True)
class Line:
    """All that a text does. `variables` are read, `assigned` set (also by loops), in any command."""

    commands: list[Command] = field(default_factory=list)
    redirects: list[Redirect] = field(default_factory=list)
    assigned: list[Assignment] = field(default_factory=list)
    loops: list[str] = field(default_factory=list)
    variables: list[str] = field(default_factory=list)
    compound: bool = False
    """Whether it holds more than one pipeline of simple commands."""


def read_line(text: str) -> Line:
    """The commands of `text`. Raises NotPlain; its message completes "it …"."""
    text, root = parsed(text)
    reader = _Reader(text)
    reader.check(root)
    reader.walk(root)
    if len(reader.line.commands) > MAX_COMMANDS:
        raise NotPlain(f"has more than {MAX_COMMANDS} commands")
    return reader.line


def _check_line_end(kind: str, left: Node, right: Node, *, ended: bool) -> None:
    """Whether a line may end (`ended`), or need not, between two parts of a node of this kind."""
    if kind in _CONTAINERS:
        good = ended or not left.is_named or left.type in _CLAUSES or right.type in _AFTER_COMMAND
    elif kind in ("list", "pipeline"):
        good = not ended or left.type in _AFTER_COMMAND
    elif kind == "for_statement":
        good = not ended or right.type == "do_group"
    elif kind == "heredoc_redirect":
        good = not ended or right.type in ("heredoc_body", "heredoc_end")
    else:
        good = not ended
    if not good:
        raise NotPlain("ends a command in an unclear place")


def _operator(node: Node) -> str:
    text = source_of(node)
    if re.fullmatch(r"!?=|==|!|-[a-z]+", text) is None:
        raise NotPlain(f"holds {text:.10}, which is not taken")
    return text


class _Reader:
    def __init__(self, text: str) -> None:
        self.line = Line()
        self._lines = text.split("\n")
        self._here = 0

    # -- the whole of the text is in the tree ------------------------------------------------------------------------

    def check(self, root: Node) -> None:
        """Refuses trees that leave text out or stand too deep."""
        todo = [(root, 0)]
        while todo:
            node, depth = todo.pop()
            if node.is_error or node.is_missing or depth > MAX_DEPTH:
                raise NotPlain("is not shell that the grammar understands, or nests too deeply")
            if any(child.type == "comment" for child in node.children):
                raise NotPlain("holds a comment")
            if node.type not in ("string", "heredoc_body"):
                self._check_gaps(node)
            todo.extend((child, depth + 1) for child in node.children)

    def _check_gaps(self, node: Node) -> None:
        """Between the parts of a node stands white space alone, and a line ends where, and only where, a command may
        end: the grammar reads some commands on across the end of a line."""
        if not node.children:
            return
        source = node.text or b""
        parts: list[Node | None] = [None, *node.children, None]
        for left, right in itertools.pairwise(parts):
            begin = node.start_byte if left is None else left.end_byte
            end = node.end_byte if right is None else right.start_byte
            gap = source[begin - node.start_byte : end - node.start_byte]
            if gap.strip(b" \t\n"):
                raise NotPlain("holds something that the grammar passes over")
            if left is not None and right is not None:
                _check_line_end(node.type, left, right, ended=b"\n" in gap)

    # -- statements --------------------------------------------------------------------------------------------------

    def walk(self, node: Node) -> None:
        match node.type:
            case kind if kind in _BRANCHES:
                self._branch(node)
            case "command":
                self._command(node)
            case "test_command":
                self._test(node)
            case "redirected_statement":
                self._redirected(node)
            case "variable_assignment":
                self.line.assigned.append(self._assignment(node))
                self.line.compound = True
            case "variable_assignments":
                for child in node.children:
                    self.walk(child)
            case "for_statement":
                self._for(node)
            case _:
                raise NotPlain(f"holds {node.type.replace('_', ' ')!r}, which is not taken")

    def _branch(self, node: Node) -> None:
        if node.type not in ("program", "pipeline") or (node.type == "program" and node.named_child_count > 1):
            self.line.compound = True
        for child in node.children:
            if child.is_named:
                self.walk(child)
            elif child.type not in _BRANCH_TOKENS:
                raise NotPlain(f"holds {child.type!r}, which is not taken")
            elif child.type in ("&", "|&", "!"):
                self.line.compound = True

    def _for(self, node: Node) -> None:
        self.line.compound = True
        if [child.type for child in node.children[:3]] != ["for", "variable_name", "in"]:
            raise NotPlain("holds a loop of another kind than 'for name in words'")
        self.line.loops.append(source_of(node.children[1]))
        for child in node.children[3:]:
            if child.type == "do_group":
                self.walk(child)
            elif child.is_named:
                self._word(child)
            elif child.type not in (";", "\n"):
                raise NotPlain(f"holds {child.type!r}, which is not taken")

    def _command(self, node: Node) -> None:
        words: list[Word] = []
        assigned: list[Assignment] = []
        end = -1
        for child in node.children:
            if child.start_byte == end:
                raise NotPlain("is cut into words in an unclear place")
            end = child.end_byte
            match child.type:
                case "variable_assignment" if not words:
                    assigned.append(self._assignment(child))
                case "command_name":
                    if words or child.child_count != 1 or child.children[0].type != "word":
                        raise NotPlain("names a program in another way than by a plain word")
                    words.append(self._word(child.children[0]))
                    if words[0].literal != source_of(child):
                        raise NotPlain("names a program in another way than by a plain word")
                case "herestring_redirect":
                    self._here_string(child)
                case "file_redirect":
                    self._redirect(child)
                case "(" | ")" | "==" | "=~" | "comment":
                    raise NotPlain(f"holds {child.type!r}, which is not taken")
                case _:
                    if not words:
                        raise NotPlain("names a program in another way than by a plain word")
                    words.append(self._word(child))
        if not words:
            raise NotPlain("names no program")
        self.line.commands.append(Command(words=tuple(words), assigned=tuple(assigned)))

    def _test(self, node: Node) -> None:
        """`[ … ]` is `test …`."""
        self.line.compound = True
        inner, ends = node.children[1:-1], [source_of(child) for child in (node.children[0], node.children[-1])]
        if ends != ["[", "]"] or not inner:
            raise NotPlain("holds a condition of another kind than '[ … ]'")
        words, end = [literal_word("test")], node.children[0].end_byte
        while inner:
            each = inner.pop(0)
            if each.type in ("unary_expression", "binary_expression"):
                inner = each.children + inner
                continue
            if each.start_byte == end:
                raise NotPlain("is cut into words in an unclear place")
            end = each.end_byte
            operator = not each.is_named or each.type == "test_operator"
            words.append(literal_word(_operator(each)) if operator else self._word(each))
        if node.children[-1].start_byte == end:
            raise NotPlain("is cut into words in an unclear place")
        self.line.commands.append(Command(words=tuple(words)))

    def _assignment(self, node: Node) -> Assignment:
        kinds = [child.type for child in node.children]
        if kinds[:2] != ["variable_name", "="] or len(kinds) > 3:
            raise NotPlain("assigns to something else than a plain variable")
        name = source_of(node.children[0])
        if _NAME.fullmatch(name) is None or b" " in (node.text or b"").split(b"=")[0]:
            raise NotPlain("assigns to something else than a plain variable")
        value = self._word(node.children[2]) if len(kinds) == 3 else Word(literal="", pattern="")
        if len(kinds) == 3 and node.children[2].start_byte != node.children[1].end_byte:
            raise NotPlain("is cut into words in an unclear place")
        return Assignment(name=name, value=value)

    # -- redirections ------------------------------------------------------------------------------------------------

    def _redirected(self, node: Node) -> None:
        self.line.compound = True
        for child in node.children:
            match child.type:
                case "file_redirect":
                    self._redirect(child)
                case "herestring_redirect":
                    self._here_string(child)
                case "heredoc_redirect":
                    self._here_document(child)
                case _:
                    self.walk(child)

    def _redirect(self, node: Node) -> None:
        self.line.compound = True
        children = list(node.children)
        numbered = bool(children) and children[0].type == "file_descriptor"
        if numbered and re.fullmatch(r"[0-9]", source_of(children.pop(0))) is None:
            raise NotPlain("redirects in a way that is not taken")
        if len(children) != 2 or children[0].type not in _REDIRECTS:
            raise NotPlain("redirects in a way that is not taken")
        self.line.redirects.append(Redirect(operator=children[0].type, target=self._word(children[1])))

    def _here_string(self, node: Node) -> None:
        self.line.compound = True
        if len(node.children) != 2 or node.children[0].type != "<<<":
            raise NotPlain("redirects in a way that is not taken")
        self._word(node.children[1])

    def _here_document(self, node: Node) -> None:
        """Its lines are counted again, so that the grammar cannot end it somewhere else than the shell does."""
        self._here += 1
        start = next((child for child in node.children if child.type == "heredoc_start"), None)
        ended = next((child for child in node.children if child.type == "heredoc_end"), None)
        found = None if start is None else _DELIMITER.fullmatch(source_of(start))
        if self._here > 1 or start is None or ended is None or found is None or node.children[0].type != "<<":
            raise NotPlain("holds a here-document of another kind than one <<WORD")
        row = start.start_point.row
        last = next((at for at in range(row + 1, len(self._lines)) if self._lines[at] == found["word"]), None)
        if last != ended.start_point.row or ended.start_point.column:
            raise NotPlain("holds a here-document whose end is unclear")
        body = self._lines[row + 1 : last]
        if not found["quote"] and any("\\" in each or "`" in each for each in body):
            raise NotPlain("holds a backslash or backtick in a here-document without quotes")
        for child in node.children:
            match child.type:
                case "<<" | "heredoc_start" | "heredoc_end" | "|" | "&&" | "||" | "\n" | ";":
                    pass
                case "heredoc_body":
                    self._here_body(child, expands=not found["quote"])
                case "file_redirect":
                    self._redirect(child)
                case _:
                    self.walk(child)

    def _here_body(self, node: Node, *, expands: bool) -> None:
        text = source_of(node)
        for child in node.children:
            if child.type != "heredoc_content":
                if not expands:
                    raise NotPlain("holds a here-document that is unclear")
                text = text.replace(source_of(child), "", 1)
                self._word(child)
        if expands and "$" in text:
            raise NotPlain("holds a '$' in a here-document that begins nothing")

    # -- words -------------------------------------------------------------------------------------------------------

    def _word(self, node: Node) -> Word:
        return read_word(node, substituted=self._substituted, named=self.line.variables.append)

    def _substituted(self, node: Node) -> None:
        self.line.compound = True
        opening, closing = source_of(node.children[0]), source_of(node.children[-1])
        if opening == "`" and "\\" in source_of(node):
            raise NotPlain("holds a backslash between backticks")
        if (opening, closing) not in (("$(", ")"), ("`", "`"), ("<(", ")"), (">(", ")")):
            raise NotPlain("substitutes in a way that is not taken")
        for child in node.children[1:-1]:
            if child.is_named:
                self.walk(child)
            elif child.type not in _SEPARATORS:
                raise NotPlain(f"holds {child.type!r}, which is not taken")
