"""What a rule reads of a request beside its scope: attributes of the context, and more of the resource than its id."""

from __future__ import annotations

from collections.abc import Iterator

from cedarpy import pst

from bailiwick.policy.tree import children, walk

__all__ = ["Path", "asks_about_resource", "asks_whom", "read_by"]

_WHOM = frozenset({"user", "service", "agent", "task"})
"""Attributes of the context that have attributes of their own elsewhere."""

Path = tuple[str, ...]
"""`("flow", "tainted")` for `context.flow.tainted`; empty for the context itself."""


def read_by(rule: pst.Template) -> frozenset[Path]:
    """The paths of the context that `rule` reads, or asks for with `has`."""
    return frozenset(path for clause in rule.clauses for path in _read(clause.expr))


def asks_about_resource(rule: pst.Template) -> bool:
    """Whether `rule` asks more of its resource than which one it is."""
    if isinstance(rule.resource, pst.ScopeIn | pst.ScopeIsIn):
        return True
    nodes = (node for clause in rule.clauses for node in walk(clause.expr))
    return any(isinstance(node, pst.Var) and node.name == "resource" for node in nodes)


def asks_whom(expr: pst.Expr) -> bool:
    """Whether `expr` may ask who somebody is, what they have or what they are in."""
    nodes = tuple(walk(expr))
    named = any(isinstance(node, pst.Var) and node.name != "context" for node in nodes)
    return named or any(not path or path[0] in _WHOM for path in _read(expr))


def _read(expr: pst.Expr) -> Iterator[Path]:
    path = _path(expr)
    if path is not None:
        yield path
    else:
        for child in children(expr):
            yield from _read(child)


def _path(expr: pst.Expr) -> Path | None:
    """The path that `expr` is, or asks for with `has`; None if it is something else."""
    match expr:
        case pst.Var(name="context"):
            return ()
        case pst.GetAttr(base=base, attr=attr):
            names: Path = (attr,)
        case pst.HasAttr(base=base, attrs=attrs):
            names = attrs
        case _:
            return None
    above = _path(base)
    return None if above is None else (*above, *names)
