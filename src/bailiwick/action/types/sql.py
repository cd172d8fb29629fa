"""SQL: the type `sql`. Facts `{ statements, read_only, verbs, tables, columns, functions, has_where, limit }` from
sqlglot's tree.

A statement is `read_only` if and only if every node, data type and function in it is on the allow-list for reads
(`sql_allowed`); verbs of change anywhere in the tree count, also inside a CTE. Whatever is not on a list takes the
effect *execute*: the call is refused unless the tool is declared to have it. Text that databases may cut into other
tokens than sqlglot does is refused outright (`sql_lexis`), and so is what sqlglot cannot parse.

A parsed fact is not an effect (DESIGN §5 *Action*): a view, a trigger, an operator or `row.name` in PostgreSQL may
call a function, and a built-in name may be shadowed through the search path. Give the tool a read-only connection as
well.
"""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Mapping, Set
from dataclasses import dataclass

from sqlglot import Token, TokenType, exp
from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import ErrorLevel, ParseError, SqlglotError

from bailiwick.action.types.base import (
    AsksNothing,
    Beyond,
    Option,
    Options,
    OptionValue,
    Parsed,
    Surroundings,
    Unparsable,
    quoted,
)
from bailiwick.action.types.sql_allowed import DATA_TYPES, DIALECTS, PURE_FUNCTIONS, READ_NODES, WRITE_NODES
from bailiwick.action.types.sql_batches import second_statement, split_statements
from bailiwick.action.types.sql_bounds import bounded
from bailiwick.action.types.sql_facts import NO_LIMIT, column_names, most_rows
from bailiwick.action.types.sql_lexis import lexical_problem, qualified_from
from bailiwick.action.types.sql_tables import no_table, table_names
from bailiwick.model.shape import BOOL, LONG, STRING_SET, Field, Record, Shape
from bailiwick.model.tool import ArgSpec, Effect, Role

__all__ = ["SQL_SHAPE", "Analysis", "SqlType", "analyse"]

SQL_SHAPE = Record(
    (
        Field("statements", LONG),
        Field("read_only", BOOL),
        Field("verbs", STRING_SET),
        Field("tables", STRING_SET),
        Field("columns", STRING_SET),
        Field("functions", STRING_SET),
        Field("has_where", BOOL),
        Field("limit", LONG),
    )
)

MAX_TOKENS = 4_000
MAX_NODES = 20_000
MAX_BRACKETS = 100
"""`[` in one text: sqlglot goes through all of `a[1][2]` again for each next one."""
MAX_NAME = 63
"""Bytes of a name in PostgreSQL, which cuts longer ones off: they would name another table than the text does."""
MAX_RETRIED = 8
"""Levels of `[…]` and of `type(…)` within each other: sqlglot tries these as types first, twice or more per level."""

_PARSED = frozenset({"select", "with", "(", "values", "table", "insert", "update", "delete", "merge", "truncate"})
"""First words of statements that are parsed as a tree."""
_PARSED_KINDS = frozenset({"table", "view", "index", "temp", "temporary", "unique"})
"""`create` and `drop` are parsed before these words. Every other statement is known by its words alone, and takes
*execute*."""

_VERBS: Mapping[type[exp.Expr], tuple[str, tuple[Effect, ...]]] = {
    exp.Select: ("select", (Effect.READ,)),
    exp.Insert: ("insert", (Effect.WRITE,)),
    exp.Update: ("update", (Effect.WRITE,)),
    exp.Delete: ("delete", (Effect.DELETE,)),
    exp.Merge: ("merge", (Effect.WRITE, Effect.DELETE)),
    exp.Into: ("into", (Effect.WRITE,)),
    exp.Lock: ("lock", (Effect.WRITE,)),
    exp.Create: ("create", (Effect.WRITE,)),
    exp.Drop: ("drop", (Effect.DELETE,)),
    exp.TruncateTable: ("truncate", (Effect.DELETE,)),
}
_CHANGING_WORDS = frozenset(
    "alter call copy create delete drop execute grant insert merge replace revoke truncate update".split()
)
_NAMES_ALIKE = frozenset({"mysql", "tsql"})
"""Dialects that take names for the same which differ in accents or width."""
_WORD = re.compile(r"[a-z_]+")
_OPENING = frozenset({TokenType.L_PAREN, TokenType.L_BRACKET})
_CLOSING = frozenset({TokenType.R_PAREN, TokenType.R_BRACKET})


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """What is known about one SQL text: its facts, and what in it takes which effect."""

    statements: int
    verbs: tuple[str, ...]
    tables: tuple[str, ...]
    columns: tuple[str, ...]
    functions: tuple[str, ...]
    has_where: bool
    limit: int
    beyond: tuple[Beyond, ...]

    @property
    def read_only(self) -> bool:
        return all(item.effect is Effect.READ for item in self.beyond)


@functools.lru_cache(maxsize=1024)
def analyse(text: str, dialect: str, functions: frozenset[str] = frozenset()) -> Analysis | Unparsable:
    """Parses `text`; `functions` are further pure functions that the catalog vouches for. Pure, hence cached.

    Raises RecursionError where the text is nested deeper than the stack allows (which is not cached: it depends on
    the caller).
    """
    problem = lexical_problem(text, dialect)
    if problem:
        return Unparsable(problem=f"is SQL that is not taken: it {problem}", code="unparsable-sql")
    reader = Dialect.get_or_raise(dialect)
    try:
        tokens = reader.tokenize(text)
        if len(tokens) > MAX_TOKENS or any(token.comments for token in tokens):
            return Unparsable(problem=f"has a comment or more than {MAX_TOKENS} tokens", code="unparsable-sql")
        if sum(token.token_type is TokenType.L_BRACKET for token in tokens) > MAX_BRACKETS:
            return Unparsable(problem=f"has more than {MAX_BRACKETS} brackets", code="unparsable-sql")
        if _retried(tokens, reader.parser_class.TYPE_TOKENS) > MAX_RETRIED:
            return Unparsable(problem="is SQL that nests brackets or types too deeply", code="unparsable-sql")
        statements = split_statements(tokens)
        if not statements:
            return Unparsable(problem="holds no statement", code="unparsable-sql")
        scan = _Scan(text, dialect, reader, PURE_FUNCTIONS[dialect] | functions)
        for statement in statements:
            scan.statement(statement)
    except SqlglotError as error:
        first = str(error).splitlines()[0]
        return Unparsable(problem=f"is not {dialect} that the parser understands: {first:.120}", code="unparsable-sql")
    return scan.result(len(statements))


def _retried(tokens: list[Token], types: Set[TokenType]) -> int:
    """How deep brackets, and parentheses after the name of a type, lie within each other."""
    deepest = now = 0
    opened: list[bool] = []
    before: TokenType | None = None
    for token in tokens:
        kind = token.token_type
        if kind in _OPENING:
            opened.append(kind is TokenType.L_BRACKET or before in types)
            now += opened[-1]
            deepest = max(deepest, now)
        elif kind in _CLOSING and opened:
            now -= opened.pop()
        before = kind
    return deepest


class _Scan:
    """Collects the facts of all statements of one text."""

    def __init__(self, text: str, name: str, dialect: Dialect, pure: frozenset[str]) -> None:
        self._text = text
        self._dialect = dialect
        self._name = name
        self._pure = pure
        self._spelled = frozenset(dialect.parser_class.FUNCTION_PARSERS)
        self._verbs: dict[str, None] = {}
        self._tables: dict[str, None] = {}
        self._columns: dict[str, None] = {}
        self._has_where = True
        self._limit = 0
        self._functions: dict[str, None] = {}
        self._beyond: dict[Beyond, None] = {}

    def result(self, statements: int) -> Analysis:
        if any(item.effect is Effect.EXECUTE for item in self._beyond):
            # INVARIANT: what is not understood may read and change anything, and the facts say so.
            self._tables["*"] = self._columns["*"] = None
            self._has_where = False
        return Analysis(
            statements=statements,
            verbs=tuple(self._verbs),
            tables=tuple(self._tables),
            columns=tuple(self._columns),
            functions=tuple(self._functions),
            has_where=self._has_where,
            limit=min(self._limit, NO_LIMIT),
            beyond=tuple(self._beyond),
        )

    def statement(self, tokens: list[Token]) -> None:
        first = tokens[0].text.lower()
        second = tokens[1].text.lower() if len(tokens) > 1 else ""
        if first in _PARSED or (first in ("create", "drop") and second in _PARSED_KINDS):
            for tree in self._trees(tokens):
                if isinstance(tree, exp.Command):
                    self._words(first, tokens)
                elif tree is not None:
                    self._tree(tree, first)
                    self._limit += most_rows(tree, top=any(token.text.lower() == "top" for token in tokens))
            self._spelled_functions(tokens)
            if word := second_statement(self._name, tokens):
                self._takes(Effect.EXECUTE, f"{word.upper()} within a statement, which may begin another one")
        else:
            self._words(first, tokens)

    def _trees(self, tokens: list[Token]) -> list[exp.Expr | None]:
        parser = self._dialect.parser(error_level=ErrorLevel.RAISE, max_nodes=MAX_NODES)
        try:
            return parser.parse(tokens, self._text)
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            # sqlglot trips over some texts that are no SQL: `SELECT INTO` in SQL Server's dialect.
            raise ParseError("it is no statement") from error

    def _words(self, first: str, tokens: list[Token]) -> None:
        """A statement that is not parsed: its first word, and every word of change in it."""
        self._verbs[(first.split() or [first])[0]] = None
        self._limit = NO_LIMIT
        self._takes(Effect.EXECUTE, f"a statement {first.upper():.30}")
        words = _WORD.findall(self._text.lower(), tokens[0].end + 1, tokens[-1].end + 1)
        self._verbs.update(dict.fromkeys(word for word in words if word in _CHANGING_WORDS))

    def _tree(self, tree: exp.Expr, first: str) -> None:
        if first == "values":
            self._verb(first, (Effect.READ,))
        self._columns.update(dict.fromkeys(column_names(tree)))
        self._has_where = self._has_where and bounded(tree, self._dialect)
        for node in tree.walk():
            kind = type(node)
            self._met(node)
            if isinstance(node, exp.Func) and "start" in node.meta:
                self._called(node)
            elif kind is exp.Anonymous and node.name.upper() in self._spelled:
                pass  # as VALUES(…) in MySQL: judged by its word in _spelled_functions
            elif isinstance(node, exp.DataType):
                self._type(node)
            elif kind not in READ_NODES and kind not in WRITE_NODES:
                self._takes(Effect.EXECUTE, f"{node.key}, which is not known to be harmless")

    def _changed(self, node: exp.Expr) -> None:
        verb = _VERBS.get(type(node))
        if verb is not None:
            self._verb(*verb)
        match node:
            case exp.Insert() if node.args.get("alternative") == "REPLACE":
                self._verb("replace", (Effect.DELETE,))
            case exp.Insert() if node.args.get("overwrite"):
                self._verb("overwrite", (Effect.DELETE,))
            case exp.OnConflict() if node.expressions:
                self._verb("update", (Effect.WRITE,))
            case exp.When() if isinstance(node.args.get("then"), exp.Var):
                self._verb(node.args["then"].name.lower(), (Effect.WRITE, Effect.DELETE))
            case exp.Returning() if node.args.get("into"):
                self._takes(Effect.EXECUTE, "OUTPUT … INTO, which writes to another table")

    def _met(self, node: exp.Expr) -> None:
        """What is asked of a node beside whether it is on a list."""
        self._changed(node)
        match node:
            case exp.TableFromRows() if not isinstance(node.this, exp.Func):
                self._takes(Effect.EXECUTE, "a name that is made of a text")
            case exp.In() if node.args.get("field") is not None:
                # `x IN name` reads the table of that name in SQLite, and is no read of anything elsewhere.
                self._takes(Effect.EXECUTE, "IN without parentheses (write IN (SELECT …))")
            case exp.Table():
                self._table(node)
            case exp.Column() if node.name.lower() == "nextval":
                self._takes(Effect.EXECUTE, "NEXTVAL, which changes a sequence")
            case exp.Identifier() if self._name == "postgres" and len(node.name.encode(errors="replace")) > MAX_NAME:
                self._takes(Effect.EXECUTE, "a name that is too long, which would be cut off")
            case exp.Identifier() if self._name in _NAMES_ALIKE and not node.name.isascii():
                self._takes(Effect.EXECUTE, "a name with letters that may count as others")

    def _table(self, node: exp.Table) -> None:
        self._tables.update(dict.fromkeys(table_names(node, self._dialect)))
        if isinstance(node.this, exp.Literal):
            self._takes(Effect.EXECUTE, "a text in place of a table: a file")
        if no_table(node.name, self._name):
            self._takes(Effect.EXECUTE, f"{node.name:.60}, which is no table")
        if self._name == "bigquery" and node.name.endswith("*"):
            self._takes(Effect.EXECUTE, "a wildcard in place of a table")

    def _called(self, node: exp.Func) -> None:
        start: int = node.meta["start"]
        qualifier = "".join(self._text[qualified_from(self._text, start) : start].split())
        if self._name == "bigquery" and qualifier.lower() == "safe.":
            qualifier = ""
        self._function((qualifier + self._text[start : node.meta["end"] + 1]).lower())

    def _spelled_functions(self, tokens: list[Token]) -> None:
        """Functions with a grammar of their own (`EXTRACT(… FROM …)`) lose their written name in the tree."""
        for token, after in itertools.pairwise(tokens):
            if after.token_type is TokenType.L_PAREN and token.text.upper() in self._spelled:
                self._function(self._text[token.start : token.end + 1].lower())

    def _function(self, name: str) -> None:
        self._functions[name] = None
        if name not in self._pure:
            self._beyond[
                Beyond(effect=Effect.EXECUTE, saw=f"the function {name:.60}, which is not known to be pure")
            ] = None

    def _type(self, node: exp.DataType) -> None:
        if node.this not in DATA_TYPES:
            self._takes(Effect.EXECUTE, f"the data type {node.sql():.40}, which is not built in")

    def _verb(self, verb: str, effects: tuple[Effect, ...]) -> None:
        self._verbs[verb] = None
        for effect in effects:
            self._takes(effect, verb.upper())

    def _takes(self, effect: Effect, saw: str) -> None:
        if effect is Effect.EXECUTE:
            self._functions["*"] = None
        self._beyond[Beyond(effect=effect, saw=saw)] = None


def _known_dialect(value: OptionValue) -> str:
    return "" if value in DIALECTS else f"it must be {quoted(DIALECTS)}"


def _function_names(value: OptionValue) -> str:
    plain = isinstance(value, tuple) and all(
        name == name.lower() and name.replace(".", "_").isidentifier() for name in value
    )
    return "" if plain else "it must be a list of function names in lower case, such as my_schema.full_name"


@dataclass(frozen=True, slots=True)
class SqlType(AsksNothing):
    """`dialect` is required. `functions` names stored functions that the author of the catalog vouches to be pure."""

    name: str = "sql"
    scalar: bool = False
    roles: frozenset[Role] = frozenset({Role.COMMAND})

    @property
    def options(self) -> Mapping[str, Option]:
        return {
            "dialect": Option(kind=str, required=True, problem=_known_dialect),
            "functions": Option(kind=tuple, problem=_function_names),
        }

    def shape(self, options: Options, role: Role) -> Shape:  # noqa: ARG002 - the Protocol's signature
        return SQL_SHAPE

    def accepts(self, spec: ArgSpec) -> str:
        return f"{spec.options.get('dialect')} SQL in plain characters, without comments"

    def parse(self, value: object, spec: ArgSpec, around: Surroundings) -> Parsed | Unparsable:  # noqa: ARG002
        if type(value) is not str:
            return Unparsable(problem="is not a string")
        vouched = spec.options.get("functions", ())
        try:
            found = analyse(
                value, str(spec.options["dialect"]), frozenset(vouched if isinstance(vouched, tuple) else ())
            )
        except RecursionError:
            return Unparsable(problem="is SQL that is nested too deeply", code="unparsable-sql")
        if isinstance(found, Unparsable):
            return found
        return Parsed(
            facts={
                "statements": found.statements,
                "read_only": found.read_only,
                "verbs": found.verbs,
                "tables": found.tables,
                "columns": found.columns,
                "functions": found.functions,
                "has_where": found.has_where,
                "limit": found.limit,
            },
            values=(value,),
            beyond=found.beyond,
        )
