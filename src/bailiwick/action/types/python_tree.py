"""What single nodes of Python's syntax tree say, whatever is allowed in it."""

from __future__ import annotations

import ast
import re

from bailiwick.action.types.python_allowed import READING_MODES

__all__ = ["MAX_NODES", "binds", "dotted", "gives", "only_reads", "plain_format", "walk"]

MAX_NODES = 10_000

_FORMAT_INTO = re.compile(r"\{[^{}:!]*[.\[]|\{[^{}]*\{")
_OPEN_KEYWORDS = frozenset({"encoding", "newline", "errors", "mode"})


def plain_format(node: ast.expr) -> bool:
    """Whether it is a literal text that formats its arguments themselves, and none of their attributes or items."""
    literal = node.value if isinstance(node, ast.Constant) else None
    return isinstance(literal, str) and _FORMAT_INTO.search(literal) is None


def walk(tree: ast.AST) -> list[ast.AST]:
    """Every node, outer ones first. Raises ValueError if there are too many."""
    found = [tree]
    for node in found:
        found.extend(ast.iter_child_nodes(node))
        if len(found) > MAX_NODES:
            raise ValueError
    return found


def binds(node: ast.AST) -> tuple[str, ...]:
    """Names that a node binds, imports aside."""
    match node:
        case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
            return (name,)
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return (name,)
        case ast.arg(arg=name) | ast.ExceptHandler(name=str(name)):
            return (name,)
        case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)) | ast.MatchMapping(rest=str(name)):
            return (name,)
        case _:
            return ()


def gives(node: ast.AST) -> tuple[str, ...]:
    """Attributes that a node may give to an object of the code."""
    match node:
        case ast.Attribute(attr=name, ctx=ast.Store()):
            return (name,)
        case _:
            return binds(node)


def dotted(node: ast.expr) -> str | None:
    """`a.b.c`; `.c` for a method of something that has no name; None for what is called without any name."""
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=value, attr=attr):
            return f"{dotted(value) or ''}.{attr}"
        case _:
            return None


def only_reads(node: ast.Call) -> bool:
    """Whether a call of `open` reads, by a literal mode."""
    if len(node.args) > 2 or any(isinstance(each, ast.Starred) for each in node.args):
        return False
    if any(keyword.arg not in _OPEN_KEYWORDS for keyword in node.keywords):
        return False
    modes = [*node.args[1:2], *(keyword.value for keyword in node.keywords if keyword.arg == "mode")]
    return all(isinstance(mode, ast.Constant) and mode.value in READING_MODES for mode in modes)
