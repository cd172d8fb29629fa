"""Python code: the type `python`, for tools that run code.

Facts `{ programs, imports, calls, network, writes, reads_files, dynamic }` from the tree of Python's own parser. The
careful answer, `network`, `writes` and `reads_files` all true, is given up only if every node is of a kind on the list,
every name is bound in the code itself or a harmless builtin, every import is a harmless member of a module on the list
(`python_allowed`), and no attribute leads into the interpreter. Code that cannot name anything harmful cannot call it,
however it calls. `open` with a literal mode that only reads takes nothing but `reads_files`.

`dynamic` says that what runs cannot be told from the text: `exec`, `getattr`, dunder walks, `importlib`, `subprocess`,
`pickle`, `ctypes` and whatever else is not known. `programs` is `python`, and `*` where the code is dynamic.

The code is judged as this Python reads it, and a parsed fact is not an effect: a tool that hands the code helpers of
its own, or runs it where a module of a harmless name is another one, makes these facts wrong. Endless loops and memory
are not judged.
"""

from __future__ import annotations

import ast
import functools
import re
import unicodedata
from dataclasses import dataclass, field

from bailiwick.action.types.base import (
    AsksNothing,
    Beyond,
    NoOptions,
    Options,
    Parsed,
    Surroundings,
    Unparsable,
)
from bailiwick.action.types.python_allowed import (
    DECORATORS,
    DYNAMIC_MODULES,
    HARMFUL_BUILTINS,
    HARMLESS_BUILTINS,
    INNER_ATTRIBUTES,
    INNER_PREFIXES,
    MODULES,
    NODES,
    OUTSIDE_MODULES,
    PLAIN_ATTRIBUTES,
)
from bailiwick.action.types.python_tree import binds, dotted, gives, only_reads, plain_format, walk
from bailiwick.model.shape import BOOL, STRING_SET, Field, Record, Shape
from bailiwick.model.tool import ArgSpec, Effect, Role

__all__ = ["Analysis", "PythonType", "analyse"]

PYTHON_SHAPE = Record(
    (
        Field("programs", STRING_SET),
        Field("imports", STRING_SET),
        Field("calls", STRING_SET),
        Field("network", BOOL),
        Field("writes", BOOL),
        Field("reads_files", BOOL),
        Field("dynamic", BOOL),
    )
)

MAX_PYTHON = 20_000
"""Characters of one piece of code."""
MAX_BRACKETS = 60
MAX_INDENT = 100
MAX_NAMES = 200
"""Different imports, and different calls."""

_COOKIE = re.compile(r"^[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)", re.MULTILINE)
_INVISIBLE = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """What is known about one piece of code."""

    imports: tuple[str, ...]
    calls: tuple[str, ...]
    network: bool
    writes: bool
    reads_files: bool
    dynamic: bool


@functools.lru_cache(maxsize=512)
def analyse(code: str) -> Analysis | Unparsable:
    """What `code` may do. Pure, hence cached."""
    problem = _text_problem(code)
    if problem:
        return Unparsable(problem=f"is code that is not taken: it {problem}", code="unparsable-python")
    try:
        tree = ast.parse(code)
        scan = _Scan(tree)
        scan.run()
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        said = error.msg if isinstance(error, SyntaxError) else "it is nested too deeply"
        return Unparsable(problem=f"is not Python that the parser understands: {said:.120}", code="unparsable-python")
    if len(scan.imports) > MAX_NAMES or len(scan.calls) > MAX_NAMES:
        return Unparsable(problem=f"has more than {MAX_NAMES} imports or calls", code="unparsable-python")
    return scan.result()


def _text_problem(code: str) -> str:
    if len(code) > MAX_PYTHON:
        return f"has more than {MAX_PYTHON} characters"
    for char in code:
        if char not in "\n\t" and not " " <= char <= "~" and unicodedata.category(char) in _INVISIBLE:
            return f"holds the character U+{ord(char):04X}"
    cookie = _COOKIE.search("\n".join(code.split("\n")[:2]))
    if cookie is not None and cookie[1].lower() not in ("utf-8", "utf8"):
        return "declares another encoding than UTF-8"
    deepest = now = 0
    for char in code:  # brackets in strings count too: careful, and good enough
        now += (char in "([{") - (char in ")]}")
        deepest = max(deepest, now)
    if deepest > MAX_BRACKETS:
        return "nests brackets too deeply"
    if any(len(line) - len(line.lstrip(" \t")) > MAX_INDENT for line in code.split("\n")):
        return "indents too deeply"
    return ""


@dataclass(slots=True)
class _Scan:
    tree: ast.Module
    imports: dict[str, None] = field(default_factory=dict)
    calls: dict[str, None] = field(default_factory=dict)
    harmless: bool = True
    reads_files: bool = False
    dynamic: bool = False
    _bound: set[str] = field(default_factory=set)
    _modules: dict[str, str] = field(default_factory=dict)
    """Names that are bound to a module of the list, and to nothing else."""
    _seen: set[ast.AST] = field(default_factory=set)
    """Nodes that were judged together with the one around them."""
    _decorators: set[str] = field(default_factory=set)
    """Names of members that stand before classes only."""
    _decorating: set[ast.AST] = field(default_factory=set)
    _given: set[str] = field(default_factory=set)
    """Attributes that the code itself gives to something."""

    def result(self) -> Analysis:
        careful = self.dynamic or not self.harmless
        return Analysis(
            imports=tuple(self.imports),
            calls=tuple(self.calls),
            network=careful,
            writes=careful,
            reads_files=careful or self.reads_files,
            dynamic=self.dynamic,
        )

    def run(self) -> None:
        nodes = list(walk(self.tree))
        for node in nodes:
            if isinstance(node, ast.Import | ast.ImportFrom):
                self._imported(node)
        imported = set(self._bound)
        for node in nodes:
            self._given.update(gives(node))
            for name in binds(node):
                if name in imported:
                    self._modules.pop(name, None)
                    self._unknown()  # one name for a module and for something else
                self._bound.add(name)
        if self._bound & HARMFUL_BUILTINS:
            self._unknown()
        for node in nodes:
            if type(node).__name__ not in NODES:
                self._unknown()
            if node not in self._seen:
                self._node(node)

    def _unknown(self) -> None:
        self.dynamic = True

    # -- imports -----------------------------------------------------------------------------------------------------

    def _imported(self, node: ast.Import | ast.ImportFrom) -> None:
        if isinstance(node, ast.Import):
            for alias in node.names:
                self._module(alias.name)
                bound = alias.asname or alias.name.partition(".")[0]
                if bound in self._modules and self._modules[bound] != alias.name:
                    self._unknown()
                self._bound.add(bound)
                if alias.name in MODULES and (alias.asname or "." not in alias.name):
                    self._modules[bound] = alias.name
                else:
                    self.harmless = False
            return
        module = "." * node.level + (node.module or "")
        self._module(module)
        for alias in node.names:
            if module not in MODULES or alias.name not in MODULES[module]:
                self.harmless = False
                self.dynamic = self.dynamic or alias.name == "*" or module in MODULES
            bound = alias.asname or alias.name
            if bound in self._bound or alias.name in DYNAMIC_MODULES:
                self._unknown()
            if (module, alias.name) in DECORATORS:
                self._decorators.add(bound)
            self._bound.add(bound)

    def _module(self, name: str) -> None:
        self.imports[name] = None
        if name in MODULES:
            return
        self.harmless = False
        if name not in OUTSIDE_MODULES:
            self._unknown()

    # -- nodes -------------------------------------------------------------------------------------------------------

    def _node(self, node: ast.AST) -> None:
        match node:
            case ast.Name():
                self._name(node)
            case ast.Attribute():
                self._attribute(node)
            case ast.Call():
                self._call(node)
            case ast.Constant(value=str(text)) if "__" in text and text != "__main__":
                self._unknown()  # a format, an attribute's name or code in a text
            case ast.ClassDef():
                self._class(node)
            case ast.FormattedValue() | ast.Compare():
                self._looked_at(*ast.iter_child_nodes(node))
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                if name.startswith("__") and name not in ("__init__", "__repr__", "__str__", "__eq__", "__lt__"):
                    self._unknown()
            case ast.keyword(arg=str(name)) | ast.arg(arg=name):
                if name.startswith("__") or name == "metaclass":
                    self._unknown()

    def _class(self, node: ast.ClassDef) -> None:
        if node.name.startswith("__") or node.keywords:
            self._unknown()
        for each in node.decorator_list:
            self._decorating.add(each.func if isinstance(each, ast.Call) else each)

    def _looked_at(self, *nodes: ast.AST) -> None:
        """`type(x)` where nobody gets hold of the class: the class of classes makes them with computed names."""
        for node in nodes:
            match node:
                case ast.Call(func=ast.Name(id="type") as name, args=[one], keywords=[]) if (
                    type(one) is not ast.Starred
                ):
                    self._seen.add(name)

    def _name(self, node: ast.Name) -> None:
        name = node.id
        hidden = name in self._decorators and node not in self._decorating
        if hidden or (name.startswith("__") and name != "__name__") or name == "type":
            self._unknown()
        elif name in self._modules:
            self._unknown()  # a module as a value: who takes it may read anything from it
        elif name not in self._bound and name != "__name__" and name not in HARMLESS_BUILTINS:
            self._unknown()

    def _attribute(self, node: ast.Attribute) -> None:
        name = node.attr
        if name == "__name__":
            self._looked_at(node.value)
        if isinstance(node.value, ast.Name) and node.value.id in self._modules:
            self._seen.add(node.value)
            if name not in MODULES[self._modules[node.value.id]] or not isinstance(node.ctx, ast.Load):
                self.harmless = False
                self._unknown()
            elif (self._modules[node.value.id], name) in DECORATORS and node not in self._decorating:
                self._unknown()
        elif not self.harmless and name in DYNAMIC_MODULES:
            self._unknown()  # a module that another one imported
        elif name in ("format", "format_map"):
            if not plain_format(node.value):
                self._unknown()
        elif name in INNER_ATTRIBUTES or (name.startswith(INNER_PREFIXES) and not self._own_attribute(node)):
            self._unknown()

    def _own_attribute(self, node: ast.Attribute) -> bool:
        """Whether an attribute with a telling prefix is one that the code gave to its own object, or leads nowhere."""
        name = node.attr
        if name in PLAIN_ATTRIBUTES:
            # Called on an open file it would open another one, to be written.
            return name != "__init__" or dotted(getattr(node.value, "func", node)) == "super"
        own = isinstance(node.value, ast.Name) and node.value.id in ("self", "cls") and name in self._given
        return own and name.startswith("_") and not name.startswith("__") and not name.endswith("_")

    def _call(self, node: ast.Call) -> None:
        called = dotted(node.func)
        if called is None:
            self._unknown()
            return
        self.calls[called[:80]] = None
        if called in ("print", "str", "repr") and called not in self._bound:
            self._looked_at(*node.args)
        if called == "open":
            self._seen.add(node.func)
            if only_reads(node):
                self.reads_files = True
            else:
                self.harmless = False


@dataclass(frozen=True, slots=True)
class PythonType(NoOptions, AsksNothing):
    """Python code that a tool runs."""

    name: str = "python"
    scalar: bool = False
    roles: frozenset[Role] = frozenset({Role.COMMAND})

    def shape(self, options: Options, role: Role) -> Shape:  # noqa: ARG002 - the Protocol's signature
        return PYTHON_SHAPE

    def accepts(self, spec: ArgSpec) -> str:  # noqa: ARG002
        return f"Python code of at most {MAX_PYTHON} characters, in UTF-8"

    def parse(self, value: object, spec: ArgSpec, around: Surroundings) -> Parsed | Unparsable:  # noqa: ARG002
        if type(value) is not str:
            return Unparsable(problem="is not a string")
        found = analyse(value)
        if isinstance(found, Unparsable):
            return found
        return Parsed(
            facts={
                "programs": ("python", "*") if found.dynamic else ("python",),
                "imports": found.imports,
                "calls": found.calls,
                "network": found.network,
                "writes": found.writes,
                "reads_files": found.reads_files,
                "dynamic": found.dynamic,
            },
            values=(value,),
            beyond=(Beyond(effect=Effect.EXECUTE, saw="Python code"),),
        )
