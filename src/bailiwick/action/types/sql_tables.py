"""Which tables a SQL statement names, in a form that rules can compare.

A table is reported under every name by which a rule may mean it: with and without its schema, in lower case, and
exactly as it is quoted where the database tells those apart. So a rule that forbids a table catches it in any
spelling, and one that allows a list is met by the plain spelling alone. INVARIANT: a name is left out only if it
surely means a CTE.
"""

from __future__ import annotations

from sqlglot import exp
from sqlglot.dialects.dialect import Dialect

__all__ = ["table_names"]


def table_names(table: exp.Table, dialect: Dialect) -> tuple[str, ...]:
    """The names of one table; none if it is a function in FROM or the name of a CTE that is in scope."""
    parts = [
        part
        for part in (table.args.get("catalog"), table.args.get("db"), table.this)
        if isinstance(part, exp.Identifier)
    ]
    if not parts or not isinstance(table.this, exp.Identifier):
        return ()
    if len(parts) == 1 and _is_cte(table, dialect):
        return ()
    written = [_folded(part, dialect) for part in parts]
    names: dict[str, None] = {}
    for start in range(len(written)):
        name = ".".join(written[start:])
        names[name] = None
        names[name.lower()] = None
    return tuple(names)


def _folded(name: exp.Identifier, dialect: Dialect) -> str:
    """As the database compares it: PostgreSQL folds unquoted names, SQLite every name, MySQL may fold none."""
    match type(dialect).__name__:
        case "Postgres":
            return name.name if name.quoted else name.name.lower()
        case "SQLite":
            return name.name.lower() if name.name.isascii() else name.name
        case _:
            return name.name


def _is_cte(table: exp.Table, dialect: Dialect) -> bool:
    """Whether an unqualified name is that of a CTE which every dialect would see at this place: one that stands
    before it in a WITH around it, or the CTE that it stands in itself if that WITH is recursive."""
    name = _folded(table.this, dialect)
    inside: exp.Expr = table
    around = table.parent
    while around is not None:
        with_ = around if isinstance(around, exp.With) else around.args.get("with_")
        if isinstance(with_, exp.With) and inside is not with_:
            for cte in with_.expressions:
                if cte is inside and not with_.args.get("recursive"):
                    break
                alias = cte.args.get("alias")
                if isinstance(alias, exp.TableAlias) and _folded(alias.this, dialect) == name:
                    return True
                if cte is inside:
                    break
        inside, around = around, around.parent
    return False
