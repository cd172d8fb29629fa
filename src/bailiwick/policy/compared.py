"""What rules compare the things that they read with: where a value makes a difference, the next one may too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from cedarpy import pst

from bailiwick.policy.engine import PolicyEngine
from bailiwick.policy.tree import literals, path, walk

__all__ = ["Compared", "compared_with"]

_COMPARED = frozenset({"eq", "not_eq", "less", "less_eq", "greater", "greater_eq", "contains", "in"})

Compared = Mapping[str, frozenset[int | str]]
"""A path like `context.args.count` → the literals that rules compare it with; empty if they read it otherwise."""


def compared_with(engine: PolicyEngine) -> Compared:
    """Every path that a rule of this engine reads."""
    found: dict[str, set[int | str]] = {}
    for tree in engine.bundle.policy_set.to_pst().static_policies.values():
        for node in (node for clause in tree.clauses for node in walk(clause.expr)):
            match node:
                case pst.BinaryOp(op=op, left=left, right=right) if op in _COMPARED:
                    for one, other in ((left, right), (right, left)):
                        if name := path(one):
                            found.setdefault(name, set()).update(_values(other))
                case pst.GetAttr():
                    found.setdefault(path(node), set())
                case pst.HasAttr(base=base, attrs=attrs):
                    found.setdefault(".".join((path(base), *attrs)), set())
                case _:
                    pass
    return {name: frozenset(values) for name, values in found.items()}


def _values(expr: pst.Expr) -> Iterator[int | str]:
    for one in literals(expr):
        if isinstance(one, pst.LongLit | pst.StringLit):
            yield one.value
