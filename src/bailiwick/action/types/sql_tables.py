"""Which tables a SQL statement names, in a form that rules can compare.

A table is reported under every name by which a rule may mean it: with and without its schema, in lower case, and
exactly as it is quoted where the database tells those apart. So a rule that forbids a table catches it in any
spelling, and one that allows a list is met by the plain spelling alone. INVARIANT: a name is left out only if it
surely means a CTE; what a statement changes is a table, whatever CTE has its name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from sqlglot import exp
from sqlglot.dialects.dialect import Dialect

__all__ = ["folded", "no_table", "table_names"]

_CHANGES = (
    exp.Insert,
    exp.Update,
    exp.Delete,
    exp.Merge,
    exp.Schema,
    exp.Into,
    exp.Create,
    exp.Drop,
    exp.TruncateTable,
)
_CHANGED = frozenset({"this", "tables", "expressions"})
"""What a statement changes stands there in its node."""
_NO_TABLES: Mapping[str, re.Pattern[str]] = {
    "sqlite": re.compile(
        r"pragma_.*|fsdir|zipfile|csv|sqlite_(?:dbpage|dbdata|dbptr|stmt)|bytecode|tables_used|dbstat"
    ),
    "tsql": re.compile(r"openquery|openrowset|opendatasource|openxml"),
}


def no_table(name: str, dialect: str) -> bool:
    """Whether a name in place of a table reads something else: settings, files, pages of all tables, another server."""
    names = _NO_TABLES.get(dialect)
    return names is not None and names.fullmatch(name.lower()) is not None


def table_names(table: exp.Table, dialect: Dialect) -> tuple[str, ...]:
    """The names of one table; none if it is a function in FROM or the name of a CTE that is in scope."""
    parts = [
        part
        for part in (table.args.get("catalog"), table.args.get("db"), table.this)
        if isinstance(part, exp.Identifier)
    ]
    if not parts or not isinstance(table.this, exp.Identifier):
        return ()
    if len(parts) == 1 and not _is_changed(table) and _is_cte(table, dialect):
        return ()
    names: dict[str, None] = {}
    for start in range(len(parts)):
        for name in (
            ".".join(_reported(part, dialect) for part in parts[start:]),
            ".".join(_in_quotes(part, dialect) for part in parts[start:]),
        ):
            names[name] = None
            names[name.lower()] = None
    return tuple(names)


def folded(name: exp.Identifier, dialect: Dialect) -> str:
    """As the database compares it: PostgreSQL and Snowflake fold unquoted names, SQLite every name, MySQL may fold
    none."""
    match type(dialect).__name__:
        case "Postgres":
            return name.name if name.quoted else name.name.lower()
        case "Snowflake":
            return name.name if name.quoted else name.name.upper()
        case "SQLite":
            return name.name.lower() if name.name.isascii() else name.name
        case _:
            return name.name


def _reported(name: exp.Identifier, dialect: Dialect) -> str:
    return name.name if type(dialect).__name__ == "Snowflake" else folded(name, dialect)


def _in_quotes(name: exp.Identifier, dialect: Dialect) -> str:
    """In quotes if it would mean something else without them: `"hr.t"` is no `t` of `hr`."""
    quotes = name.quoted and (
        "." in name.name or (type(dialect).__name__ == "Snowflake" and name.name != name.name.upper())
    )
    return f'"{name.name}"' if quotes else _reported(name, dialect)


def _is_changed(table: exp.Table) -> bool:
    return isinstance(table.parent, _CHANGES) and table.arg_key in _CHANGED


def _is_cte(table: exp.Table, dialect: Dialect) -> bool:
    """Whether an unqualified name is that of a CTE which every dialect would see at this place: one that stands
    before it in a WITH around it, or the CTE that it stands in itself if that WITH is recursive."""
    name = folded(table.this, dialect)
    inside: exp.Expr = table
    around = table.parent
    while around is not None:
        with_ = around if isinstance(around, exp.With) else around.args.get("with_")
        if isinstance(with_, exp.With) and inside is not with_:
            for cte in with_.expressions:
                if cte is inside and not with_.args.get("recursive"):
                    break
                alias = cte.args.get("alias")
                if isinstance(alias, exp.TableAlias) and folded(alias.this, dialect) == name:
                    return True
                if cte is inside:
                    break
        inside, around = around, around.parent
    return False
