"""Functions of a Python file as tools, read from its text. INVARIANT: nothing of it is imported or run."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bailiwick.errors import UsageError
from bailiwick.inventory.operations import Operation, Parameter

__all__ = ["MAX_FILE", "read_python"]

MAX_FILE = 2 * 1024 * 1024
_MAX_DEPTH = 6
_SCALARS: Mapping[str, dict[str, Any]] = {
    "str": {"type": "string"},
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "Decimal": {"type": "number"},
    "bool": {"type": "boolean"},
    "bytes": {"type": "string", "format": "byte"},
    "datetime": {"type": "string", "format": "date-time"},
    "EmailStr": {"type": "string", "format": "email"},
    "HttpUrl": {"type": "string", "format": "uri"},
    "AnyUrl": {"type": "string", "format": "uri"},
    "dict": {"type": "object"},
    "Any": {},
}
_LISTS = frozenset({"list", "List", "Sequence", "tuple", "Tuple", "set", "Set", "frozenset", "Iterable", "Collection"})
_INJECTED = frozenset({"self", "cls"})


def read_python(named: str) -> tuple[str, tuple[Operation, ...]]:
    """(the module's last name, its functions). `named` is a file, or a module that is found on the path as a file.

    Where functions are decorated as tools (`@tool`, `@mcp.tool()`, `@function_tool`), these alone; else every public
    one. Raises UsageError if there is no such file, or it is no Python."""
    path = _found(named)
    data = path.read_bytes()
    if len(data) > MAX_FILE:
        raise UsageError(f"{path} is larger than {MAX_FILE} bytes", hint="name the module that holds the tools")
    try:
        tree = ast.parse(data, filename=str(path))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise UsageError(f"{path} is no Python: {error}", hint="name a file that this Python can read") from error
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    marked = [node for node in functions if any(_is_tool(each) for each in node.decorator_list)]
    chosen = marked or [node for node in functions if not node.name.startswith("_")]
    name = path.parent.name if path.stem == "__init__" else path.stem
    return name, tuple(_operation(node, classes) for node in chosen)


def _found(named: str) -> Path:
    """The file of a module. (`importlib` would import the packages above it.)"""
    if named.endswith(".py") or "/" in named:
        path = Path(named)
        if path.is_file():
            return path
        raise UsageError(f"there is no file {named}", hint="name a Python file, or a module such as acme.tools")
    parts = named.split(".")
    for root in (".", *sys.path):
        below = Path(root or ".", *parts)
        for path in (below.with_suffix(".py"), below / "__init__.py"):
            if path.is_file():
                return path
    raise UsageError(f"no module {named!r} is found as a file", hint="name its file, as in src/acme/tools.py")


def _is_tool(decorator: ast.expr) -> bool:
    node = decorator.func if isinstance(decorator, ast.Call) else decorator
    name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
    return name == "tool" or name.endswith("_tool")


def _operation(node: ast.FunctionDef | ast.AsyncFunctionDef, classes: Mapping[str, ast.ClassDef]) -> Operation:
    given = node.args
    unclear = [f"*{given.vararg.arg}: a tool takes named arguments alone"] if given.vararg else []
    unclear += [f"**{given.kwarg.arg}: arguments have to be declared one by one"] if given.kwarg else []
    positional = [*given.posonlyargs, *given.args]
    without = len(positional) - len(given.defaults)
    parameters = [(each, number < without) for number, each in enumerate(positional)]
    parameters += [(each, default is None) for each, default in zip(given.kwonlyargs, given.kw_defaults, strict=True)]
    return Operation(
        name=node.name,
        description=ast.get_docstring(node) or "",
        parameters=tuple(
            Parameter(name=each.arg, schema=_schema(each.annotation, classes, 0), required=required)
            for each, required in parameters
            if each.arg not in _INJECTED
        ),
        result=_schema(node.returns, classes, 0),
        unclear=tuple(unclear),
    )


def _schema(node: ast.expr | None, classes: Mapping[str, ast.ClassDef], depth: int) -> Any:
    """The JSON Schema that an annotation comes to; an empty one where it says nothing that is known."""
    if node is None or depth > _MAX_DEPTH:
        return {}
    match node:
        case ast.Constant(value=str(text)):
            return _quoted(text, classes, depth)
        case ast.Constant(value=None):
            return {"type": "null"}
        case ast.Name(id=name) | ast.Attribute(attr=name):
            if name in _SCALARS:
                return _SCALARS[name]
            if name in _LISTS:
                return {"type": "array"}
            return _fields(classes[name], classes, depth) if name in classes else {}
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return {"anyOf": [_schema(left, classes, depth + 1), _schema(right, classes, depth + 1)]}
        case ast.Subscript(value=ast.Name(id=name) | ast.Attribute(attr=name), slice=inner):
            return _generic(name, list(_elements(inner)), classes, depth)
        case _:
            return {}


def _quoted(text: str, classes: Mapping[str, ast.ClassDef], depth: int) -> Any:
    try:
        return _schema(ast.parse(text, mode="eval").body, classes, depth + 1)
    except (SyntaxError, ValueError, RecursionError):
        return {}


def _generic(name: str, inner: list[ast.expr], classes: Mapping[str, ast.ClassDef], depth: int) -> Any:
    match name:
        case "Literal":
            return {"enum": [each.value if isinstance(each, ast.Constant) else None for each in inner]}
        case "Optional":
            return {"anyOf": [_schema(inner[0], classes, depth + 1), {"type": "null"}]}
        case "Union":
            return {"anyOf": [_schema(each, classes, depth + 1) for each in inner]}
        case "Annotated" | "Required" | "NotRequired":
            return _schema(inner[0], classes, depth + 1)
        case _ if name in _LISTS:
            return {"type": "array", "items": _schema(inner[0], classes, depth + 1)}
        case _:
            return {}


def _elements(node: ast.expr) -> Iterator[ast.expr]:
    yield from node.elts if isinstance(node, ast.Tuple) else (node,)


def _fields(node: ast.ClassDef, classes: Mapping[str, ast.ClassDef], depth: int) -> Any:
    """A TypedDict, a dataclass or a model of the same file."""
    fields = [each for each in node.body if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name)]
    named = {each.target.id: each for each in fields if isinstance(each.target, ast.Name)}
    return {
        "type": "object",
        "properties": {name: _schema(each.annotation, classes, depth + 1) for name, each in named.items()},
        "required": [name for name, each in named.items() if each.value is None],
    }
