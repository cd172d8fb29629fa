"""Whether the changes of one SQL statement are bounded by a condition: the fact `has_where`.

INVARIANT: it errs on the careful side. A condition counts only if it compares a plain column of the very rows that are
changed with something that is not of these rows. A condition on a table beside them, a computed value, a pattern that
fits everything, `1 = 1` and `id = id` do not count; nor does another name for the same table.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sqlglot import exp
from sqlglot.dialects.dialect import Dialect

from bailiwick.action.types.sql_tables import folded

__all__ = ["bounded"]

_COMPARISONS = (exp.Is, exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.NullSafeEQ, exp.NullSafeNEQ)
_STILL_THE_COLUMN = (exp.Paren, exp.Cast, exp.Collate, exp.Lower, exp.Upper, exp.JSONExtract, exp.JSONExtractScalar)
"""What may stand around a column and leave it one: none of them gives the same for every row."""
_WILD = "%_*?"
_NO_COLUMNS = frozenset(
    """
    current_catalog current_date current_role current_schema current_time current_timestamp current_user default
    localtime localtimestamp session_user sysdate system_user user
    """.split()
)
"""Words that look like a column and have one value for the whole statement."""


def bounded(tree: exp.Expr, dialect: Dialect) -> bool:
    """False if a part of it may change every row of a table: an UPDATE or DELETE without a WHERE that picks its rows,
    TRUNCATE, DROP, a MERGE that changes rows which match nothing."""
    named = Counter(folded(table.this, dialect) for table in tree.find_all(exp.Table) if _plain(table))
    for node in tree.walk():
        match node:
            case exp.Update() | exp.Delete() if not isinstance(node.parent, exp.When):
                where = node.args.get("where")
                if not isinstance(where, exp.Where) or not _picked(node, where.this, named, dialect):
                    return False
            case exp.Merge():
                rest = (when.args.get("condition") for when in node.find_all(exp.When) if _of_the_rest(when))
                if not all(_picked(node, each, named, dialect) for each in (node.args.get("on"), *rest)):
                    return False
            case exp.TruncateTable() | exp.Drop():
                return False
            case exp.Insert() if node.args.get("overwrite"):
                return False
    return True


def _of_the_rest(when: exp.When) -> bool:
    """WHEN NOT MATCHED BY SOURCE THEN …"""
    return not when.args.get("matched") and bool(when.args.get("source"))


def _plain(table: exp.Table) -> bool:
    return isinstance(table.this, exp.Identifier)


# ── the rows that are changed ──────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rows:
    """The rows of one table that a statement changes."""

    name: str
    """By which its columns are qualified."""
    alone: bool
    """Nothing is joined to it: a column without a table is one of its."""
    once: bool
    """Its table is named nowhere else in the text."""
    dialect: Dialect

    def column(self, node: object) -> exp.Column | None:
        """The column of these rows that `node` is, None if it is anything else."""
        while isinstance(node, _STILL_THE_COLUMN):
            node = node.this
        if not isinstance(node, exp.Column) or not isinstance(node.this, exp.Identifier):
            return None
        return node if self._has(node, node.this) else None

    def _has(self, column: exp.Column, name: exp.Identifier) -> bool:
        table = column.args.get("table")
        if isinstance(table, exp.Identifier):
            # With a schema before it, two joined tables may have the same name.
            return folded(table, self.dialect) == self.name and (self.alone or not column.args.get("db"))
        if name.quoted:
            # SQLite takes "x" for a text where there is no column x.
            return self.alone and type(self.dialect).__name__ != "SQLite"
        return self.alone and name.name.lower() not in _NO_COLUMNS

    def apart(self, other: object, column: exp.Column) -> bool:
        """Whether `other` is no way to say the same column of the same rows."""
        if not isinstance(other, exp.Expr):
            return False
        if any(self._own(each) and each.name.lower() == column.name.lower() for each in other.find_all(exp.Column)):
            return False
        return self.once or not (other.find(exp.Table) or self.joins(other))

    def joins(self, other: exp.Expr) -> bool:
        """Whether `other` depends on rows of another table."""
        return any(not self._own(each) for each in other.find_all(exp.Column))

    def _own(self, column: exp.Column) -> bool:
        table = column.args.get("table")
        return table is None or (isinstance(table, exp.Identifier) and folded(table, self.dialect) == self.name)


def _changed(node: exp.Expr, named: Counter[str], dialect: Dialect) -> Iterator[_Rows | None]:
    """The rows of each table that the statement changes; None for one that cannot be told."""
    table = node.this
    if not isinstance(table, exp.Table) or not _plain(table):
        yield None
        return
    sources = [*_sources(node)]
    joined = (node.args.get("from_"), node.args.get("using"), table.args.get("joins"), table.args.get("laterals"))
    real = {_alias(source, dialect): folded(source.this, dialect) for source in sources if _plain(source)}
    for name in _targets(node, table, dialect):
        if name is None:
            yield None
        else:
            yield _Rows(name=name, alone=not any(joined), once=named[real.get(name, name)] == 1, dialect=dialect)


def _sources(node: exp.Expr) -> Iterator[exp.Table]:
    """The tables whose rows a condition of the statement may mean."""
    used = node.args.get("using")
    for each in (node.this, node.args.get("from_"), *(used if isinstance(used, list) else [used])):
        if isinstance(each, exp.Expr):
            yield from each.find_all(exp.Table)


def _targets(node: exp.Expr, table: exp.Table, dialect: Dialect) -> Iterable[str | None]:
    if isinstance(node, exp.Delete) and node.args.get("tables"):
        return [folded(each.this, dialect) if _plain(each) else None for each in node.args["tables"]]
    if isinstance(node, exp.Update) and (table.args.get("joins") or table.args.get("laterals")):
        set_ = [each.this.args.get("table") for each in node.expressions if isinstance(each, exp.Binary)]
        return {folded(each, dialect) if isinstance(each, exp.Identifier) else None for each in set_} or [None]
    return [_alias(table, dialect)]


def _alias(table: exp.Table, dialect: Dialect) -> str:
    alias = table.args.get("alias")
    named = alias.this if isinstance(alias, exp.TableAlias) and isinstance(alias.this, exp.Identifier) else table.this
    return folded(named, dialect)


# ── the condition ──────────────────────────────────────────────────────────────────────────────────────────────────


def _picked(node: exp.Expr, condition: object, named: Counter[str], dialect: Dialect) -> bool:
    return all(rows is not None and _picks(condition, rows) for rows in _changed(node, named, dialect))


def _picks(condition: object, rows: _Rows, *, denied: bool = False) -> bool:
    """Whether a condition depends on one of `rows` in a way that is not plainly true of each. `denied`: it stands under
    a NOT."""
    match condition:
        case exp.Paren() | exp.Escape():
            return _picks(condition.this, rows, denied=denied)
        case exp.Not():
            return _picks(condition.this, rows, denied=not denied)
        case exp.And() | exp.Or():
            one_is_enough = isinstance(condition, exp.And) != denied
            parts = (_picks(each, rows, denied=denied) for each in condition.flatten(unnest=False))
            return any(parts) if one_is_enough else all(parts)
        case exp.Like() | exp.ILike() | exp.Glob():
            pattern = condition.expression
            return (
                rows.column(condition.this) is not None
                and isinstance(pattern, exp.Literal)
                and pattern.name.strip(_WILD) != ""
            )
        case exp.In() | exp.Between():
            return _among(condition, rows)
        case exp.Binary() if isinstance(condition, _COMPARISONS):
            both = ((condition.left, condition.right), (condition.right, condition.left))
            return any(_differs(condition, own, other, rows, denied=denied) for own, other in both)
        case _:
            return False


def _among(condition: exp.Expr, rows: _Rows) -> bool:
    own = rows.column(condition.this)
    others = [each for each in condition.iter_expressions() if each is not condition.this]
    return own is not None and others != [] and all(rows.apart(each, own) for each in others)


def _differs(condition: exp.Expr, own: exp.Expr, other: exp.Expr, rows: _Rows, *, denied: bool) -> bool:
    column = rows.column(own)
    if column is None or not rows.apart(other, column):
        return False
    same = isinstance(condition, exp.EQ | exp.NullSafeEQ | exp.Is) and bool(condition.args.get("negate")) == denied
    match other:
        case exp.Null() if isinstance(condition, exp.NullSafeEQ | exp.NullSafeNEQ | exp.Is):
            return same
        case exp.Any() | exp.All():
            # `id <> ANY (ARRAY[1, 2])` is true of every row.
            return same and isinstance(other, exp.Any)
        case _:
            # So is `t.id <> s.id`, as soon as s has two rows.
            return same or not rows.joins(other)
