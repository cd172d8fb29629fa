"""Further facts of one SQL statement: the columns that it names, how many rows it gives.

INVARIANT: both err on the careful side. A column is left out only if its name is nowhere in the text and nothing
stands for all columns; a limit is a literal number.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from bailiwick.model.canonical import MAX_INT

__all__ = ["NO_LIMIT", "column_names", "most_rows"]

NO_LIMIT = MAX_INT
"""`limit` of a text that bounds its rows by no number of its own."""


# ── columns ────────────────────────────────────────────────────────────────────────────────────────────────────────


def column_names(tree: exp.Expr) -> Iterator[str]:
    """The columns that are named, as written and in lower case; "*" where something stands for all of a table."""
    tables = frozenset(_names_of_tables(tree))
    for node in tree.walk():
        for name in _named_by(node, tables):
            yield name
            yield name.lower()


def _names_of_tables(tree: exp.Expr) -> Iterator[str]:
    """Names by which rows as a whole can be meant: tables, their schemas, aliases of any kind of source."""
    for node in tree.find_all(exp.Table, exp.TableAlias):
        yield from (part.name.lower() for part in node.args.values() if isinstance(part, exp.Identifier))


def _named_by(node: exp.Expr, tables: frozenset[str]) -> Iterator[str]:
    match node:
        case exp.Column():
            yield from _parts(node, tables)
        case exp.Star():
            if not isinstance(node.parent, exp.Count):
                yield "*"
        case exp.Join():
            yield from (name.name for name in node.args.get("using") or () if isinstance(name, exp.Expr))
            if node.args.get("method") == "NATURAL":
                yield "*"
        case exp.Table():
            alias = node.args.get("alias")
            if isinstance(alias, exp.TableAlias) and alias.args.get("columns"):
                yield "*"  # its columns go by other names here
        case exp.Insert():
            if isinstance(node.this, exp.Schema):
                yield from (each.name for each in node.this.expressions if isinstance(each, exp.Identifier))
            else:
                yield "*"


def _parts(column: exp.Column, tables: frozenset[str]) -> Iterator[str]:
    """`amount` of the column `salary` is written like `amount` of the table `salary`, and a row like a column."""
    for part in ("catalog", "db", "table", "this"):
        name = column.args.get(part)
        if not isinstance(name, exp.Identifier):
            continue
        if name.name.lower() not in tables:
            yield name.name
        elif part == "this":
            yield from ("*", name.name)


# ── LIMIT ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def most_rows(tree: exp.Expr, *, top: bool = False) -> int:
    """The most rows that the statement gives, by a number that is written in it; else NO_LIMIT. `top`: it has the word
    TOP, which sqlglot takes for a limit of the whole where it is one of the last part of a UNION."""
    if top and tree.find(exp.SetOperation):
        return NO_LIMIT
    own = _limit(tree.args.get("limit"))
    match tree:
        case exp.Select():
            return own
        case exp.Subquery():
            return min(own, most_rows(tree.this))
        case exp.SetOperation():
            return min(own, most_rows(tree.left) + most_rows(tree.right), NO_LIMIT)
        case _:
            return NO_LIMIT


def _limit(node: object) -> int:
    number = (
        node.args.get("expression" if isinstance(node, exp.Limit) else "count") if isinstance(node, exp.Expr) else None
    )
    options = node.args.get("limit_options") if isinstance(node, exp.Expr) else None
    if isinstance(options, exp.LimitOptions) and (options.args.get("percent") or options.args.get("with_ties")):
        return NO_LIMIT
    if isinstance(number, exp.Paren):
        number = number.this
    if (
        not isinstance(number, exp.Literal)
        or number.is_string
        or not number.name.isascii()
        or not number.name.isdigit()
    ):
        return NO_LIMIT
    return min(int(number.name), NO_LIMIT) if len(number.name) < 19 else NO_LIMIT
