"""What the source can say: every id of a finding, a reason or a problem, with its sentences, read from the syntax tree.

docs/errors.md is generated from this, so it cannot go stale: an id is found wherever it is handed to one of the
constructors or helpers in SINKS. INVARIANT: an id that cannot be worked out raises `Unknown`, unless it is in DYNAMIC,
which says where its values come from.
"""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import bailiwick
from bailiwick.action.approvals import ApprovalStatus
from bailiwick.policy.check import UNKNOWN_ENTITY_RULES

__all__ = ["GAP", "Kind", "Said", "Unknown", "collect"]

SOURCE = Path(bailiwick.__file__).parent
GAP = "…"
"""Stands for what is only known at run time."""

MANY = 12
"""So many variants of one sentence are kept."""


class Kind(StrEnum):
    """What carries the id."""

    FINDING = "finding"
    REASON = "reason"
    PROBLEM = "problem"
    ERROR = "error"
    """An exception without an id: known by its class."""


class Unknown(AssertionError):
    """The source builds an id in a way that is not understood here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sink:
    """Arguments of a call that carry an id, its sentence and what to do: by position or keyword. `default` is the id if
    none is given; `modules` are the only ones where the name means this (prefixes); `around` completes a part of a
    sentence, or is all of it where the call carries none."""

    kind: Kind
    id: int | str
    message: int | str | None = None
    hint: int | str | None = None
    default: str = ""
    modules: tuple[str, ...] = ("",)
    around: str = "{}"


_CHOSEN = Sink(kind=Kind.FINDING, id=2, modules=("action.catalog",), around=f"there is no {{what}} '{GAP}'")

SINKS: Mapping[str, Sink] = {
    "Finding": Sink(
        kind=Kind.FINDING,
        id="rule",
        message="message",
        hint="hint",
        modules=("action", "guard.own_types", "identity", "model", "policy", "project", "testing"),
    ),
    "note": Sink(
        kind=Kind.FINDING,
        id=0,
        message=1,
        hint="hint",
        modules=(
            "action",
            "audit.witness_settings",
            "identity",
            "model",
            "policy.prove",
            "project",
            "redteam.packs",
            "testing",
        ),
    ),
    "finding": Sink(kind=Kind.FINDING, id=0, message=1, hint="hint", modules=("policy",)),
    "choice": _CHOSEN,
    "member": _CHOSEN,
    "known": _CHOSEN,
    "Reason": Sink(kind=Kind.REASON, id="code", message="message", hint="hint"),
    "_reason": Sink(
        kind=Kind.REASON,
        id=0,
        message=1,
        hint=2,
        modules=(
            "action",
            "guard.people.accounts",
            "guard.administration.activating",
            "guard.approvals.approving",
            "guard.administration.budgeting",
            "guard.circumstances",
            "guard.handing.credentials",
            "guard.approvals.editing",
            "guard.approvals.eligible",
            "guard.approvals.forgetting",
            "guard.model_sink",
            "guard.names",
            "guard.approvals.remembering",
            "guard.administration.revoking",
            "identity",
            "server.auth",
            "guard.release",
        ),
    ),
    "away": Sink(
        kind=Kind.REASON,
        id=1,
        message=2,
        hint=3,
        modules=("guard.people.challenges", "guard.people.enrolling", "guard.people.signing_in"),
    ),
    "_refused": Sink(kind=Kind.REASON, id=0, message=1, hint=2, modules=("action.parse",)),
    "Unparsable": Sink(
        kind=Kind.REASON, id="code", message="problem", default="wrong-type", around=f"Argument '{GAP}' of {GAP} {{}}."
    ),
    "Problem": Sink(kind=Kind.PROBLEM, id="code", message="message"),
    "problem": Sink(kind=Kind.PROBLEM, id=0, message=1, modules=("audit.verify",)),
    **{
        name: Sink(kind=Kind.ERROR, id="", message=0, hint="hint", default=name)
        for name in ("CanonicalError", "StoreError", "LogUnavailable", "BundleError", "UsageError")
    },
}

DYNAMIC: Mapping[tuple[str, str], Callable[[], set[str]]] = {
    ("policy.check", "f'unknown-{word}'"): lambda: set(UNKNOWN_ENTITY_RULES),
    ("policy.check", "f'unknown-{kind}'"): lambda: {f"unknown-{what}" for what in _vocabularies()},
    ("action.approval_vote", "f'approval-{status.value}'"): lambda: {
        f"approval-{status}" for status in ApprovalStatus if status is not ApprovalStatus.REQUESTED
    },
    ("guard.approvals.approving", "f'approval-{found.status.value}'"): lambda: {
        f"approval-{status}" for status in ApprovalStatus if status is not ApprovalStatus.REQUESTED
    },
    ("guard.approvals.approving", "code"): set,
    ("guard.approvals.editing", "f'approval-{found.status.value}'"): lambda: {
        f"approval-{status}" for status in ApprovalStatus if status is not ApprovalStatus.REQUESTED
    },
    # The ids of a project's own rules.
    ("policy.reasons", "name"): set,
    ("policy.reasons", "gate.id"): set,
    # Found elsewhere and handed on under its own id.
    ("action.parse", "found.code"): set,
    ("action.types.lists", "parsed.code"): set,
    ("action.types.objects", "parsed.code"): set,
    # The codes of a project's own types.
    ("guard.own_types", "code"): set,
    ("audit.verify", "problem.code"): set,
    ("audit.verify", "code"): set,
}


@dataclass(slots=True, kw_only=True)
class Said:
    """One id and everything that is said under it, as texts with GAP for what depends on the case: what to do, and the
    sentences for which that is to be done."""

    kind: Kind
    id: str
    module: str
    by_hints: dict[tuple[str, ...], dict[str, None]] = field(default_factory=dict)

    def merge(self, other: Said) -> None:
        """Take over what `other` says."""
        for hints, messages in other.by_hints.items():
            self.by_hints.setdefault(hints, {}).update(messages)


def collect() -> list[Said]:
    """Everything in the package, by module and in order of appearance; one entry for each kind, module and id."""
    found: dict[tuple[Kind, str, str], Said] = {}
    for path in sorted(SOURCE.rglob("*.py")):
        module = ".".join(path.relative_to(SOURCE).with_suffix("").parts)
        for kind, id_, messages, hints in _Reader(module, _tree(path)).read():
            if module.startswith("cli") and kind is not Kind.ERROR:
                continue  # the demo's own
            said = found.setdefault((kind, module, id_), Said(kind=kind, id=id_, module=module))
            known = said.by_hints.setdefault(tuple(dict.fromkeys(filter(None, map(_shown, hints)))), {})
            known.update(dict.fromkeys(filter(None, map(_shown, messages))))
    return list(found.values())


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _shown(text: str) -> str:
    """A sentence for the page, "" if nothing but gaps is known of it."""
    text = re.sub(rf"{GAP}( ?{GAP})+", GAP, text).strip()
    return text if re.search(r"[A-Za-z]{2}", text) else ""


def _vocabularies() -> set[str]:
    """What the vocabularies of rules hold: the first argument of each `Vocab(...)`, and levels, which are numbers."""
    trees = map(_tree, sorted((SOURCE / "policy").glob("*.py")))
    calls = (node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call))
    named = {ast.literal_eval(call.args[0]) for call in calls if _called(call) == "Vocab"}
    return {str(name) for name in named} | {"level"}


Bound = tuple[ast.FunctionDef, str, str]
"""A parameter of a function, and the one value of it that is looked at."""


class _Reader:
    """Reads one module. `parents` leads from each node to the one that holds it; `reached` collects the parameters that
    a text depends on, with their values; `bound` fixes one of them."""

    def __init__(self, module: str, tree: ast.Module) -> None:
        self.module = module
        self.tree = tree
        self.parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
        self.reached: dict[tuple[ast.FunctionDef, str], list[str]] = {}
        self.bound: Bound | None = None

    def read(self) -> Iterator[tuple[Kind, str, list[str], list[str]]]:
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Call):
                yield from self._call(node)
            elif isinstance(node, ast.Yield) and self.module == "audit.relations":
                assert isinstance(node.value, ast.Tuple)
                id_, message = node.value.elts
                for known in self._ids(id_):
                    yield Kind.PROBLEM, known, self._texts(message), []

    def _call(self, call: ast.Call) -> Iterator[tuple[Kind, str, list[str], list[str]]]:
        sink = SINKS.get(_called(call))
        if sink is None or not self.module.startswith(sink.modules) or ast.unparse(call.func).startswith("click."):
            return
        given = _argument(call, sink.id)
        if given is None and not sink.default:
            return  # another function of the same name
        message, hint = (_argument(call, where) for where in (sink.message, sink.hint))
        for ids in self._variants(given, sink):
            for id_ in ids:
                word = id_.removeprefix("unknown-")
                bare = [""] if sink.message is None else [GAP]
                messages = self._texts(message) if message is not None else bare
                said = [sink.around.format(text, what=word) for text in messages]
                yield sink.kind, id_, said, self._texts(hint) if hint is not None else []

    def _variants(self, given: ast.expr | None, sink: Sink) -> Iterator[list[str]]:
        """The ids of a call; where they depend on one parameter, one by one with that parameter fixed meanwhile."""
        if given is None:
            yield [sink.default]
            return
        self.reached.clear()
        ids = self._ids(given)
        own = [where for where in self.reached if where[0] is self._function(given)]
        if len(own) != 1:
            yield ids
            return
        for value in dict.fromkeys(self.reached[own[0]]):
            self.bound = (*own[0], value)
            yield self._ids(given)
        self.bound = None

    def _ids(self, given: ast.expr) -> list[str]:
        dynamic = DYNAMIC.get((self.module, ast.unparse(given)))
        if dynamic is not None:
            return sorted(dynamic())
        if self._handed_on(given):
            return []
        ids = self._texts(given)
        if not ids or any(GAP in id_ for id_ in ids):
            raise Unknown(f"bailiwick.{self.module}, line {given.lineno}: what is `{ast.unparse(given)}`? (got {ids})")
        return ids

    def _handed_on(self, given: ast.expr) -> bool:
        """Whether the id is a parameter of a helper that is a sink itself: its callers are read."""
        function = self._function(given)
        return (
            isinstance(given, ast.Name)
            and function is not None
            and function.name in SINKS
            and given.id in {arg.arg for arg in function.args.args}
        )

    def _texts(self, expr: ast.expr) -> list[str]:
        return list(dict.fromkeys(self._values(expr, frozenset())))[:MANY]

    def _values(self, expr: ast.expr, seen: frozenset[ast.AST]) -> list[str]:
        if expr in seen:
            return [GAP]
        seen |= {expr}
        match expr:
            case ast.Constant(value=str(text)):
                return [text]
            case ast.JoinedStr(values=parts):
                return _joined(*(self._values(part, seen) for part in parts))
            case ast.FormattedValue(value=value):
                return self._values(value, seen) if self._readable(value) else [GAP]
            case ast.IfExp(body=body, orelse=orelse):
                return [*self._values(body, seen), *self._values(orelse, seen)]
            case ast.BoolOp(values=values):
                return [text for value in values for text in self._values(value, seen)]
            case ast.BinOp(op=ast.Add(), left=left, right=right):
                return _joined(self._values(left, seen), self._values(right, seen))
            case ast.Subscript(value=ast.Call(func=ast.Attribute(value=of, attr="split")), slice=ast.Constant(value=0)):
                return [text.split()[0] for text in self._values(of, seen)]
            case ast.Call(func=ast.Name(id="did_you_mean")):
                return [f"did you mean '{GAP}'? (or the names that there are)"]
            case ast.Call(func=ast.Name(id=name)):
                return self._returned(name, seen)
            case ast.Name():
                return self._named(expr, seen)
            case _:
                return [GAP]

    def _readable(self, value: ast.expr) -> bool:
        """Whether a part of a sentence is worth looking into: words of ours, not a value of the case at hand."""
        match value:
            case ast.IfExp(body=body, orelse=orelse):
                return isinstance(body, ast.Constant) and isinstance(orelse, ast.Constant | ast.IfExp)
            case ast.Name(id=name):
                return name in ("what", "kind")
            case ast.Call(func=ast.Name(id=name)):
                return any(isinstance(node, ast.FunctionDef) and node.name == name for node in self.tree.body)
            case _:
                return isinstance(value, ast.Subscript | ast.Constant)

    def _returned(self, name: str, seen: frozenset[ast.AST]) -> list[str]:
        """What a function of this module returns."""
        functions = (node for node in self.tree.body if isinstance(node, ast.FunctionDef) and node.name == name)
        returns = (node for function in functions for node in ast.walk(function) if isinstance(node, ast.Return))
        texts = [text for node in returns if node.value is not None for text in self._values(node.value, seen)]
        return texts or [GAP]

    def _named(self, name: ast.Name, seen: frozenset[ast.AST]) -> list[str]:
        """The values that a name has at this place: those that were last given to it, or its callers' arguments."""
        function = self._function(name)
        if function is None:
            return [GAP]
        if self.bound is not None and self.bound[:2] == (function, name.id):
            return [self.bound[2]]
        texts: list[str] = []
        for statement, values in sorted(_given(function, name), key=lambda item: -item[0].lineno):
            texts += [text for value in values for text in self._values(value, seen)]
            if self._around(statement) in self._all_around(name):
                return texts
        if name.id in [arg.arg for arg in (*function.args.args, *function.args.kwonlyargs)]:
            return texts + self._from_callers(function, name.id, seen)
        if not texts:
            constants = (value for node in self.tree.body for _, value in _bindings(node, name.id))
            texts = [text for value in constants for text in self._values(value, seen)]
        return texts or [GAP]

    def _from_callers(self, function: ast.FunctionDef, parameter: str, seen: frozenset[ast.AST]) -> list[str]:
        names = [arg.arg for arg in function.args.args if arg.arg != "self"]
        texts: list[str] = []
        for reader in self._neighbours():
            for node in ast.walk(reader.tree):
                if isinstance(node, ast.Call) and _called(node) == function.name:
                    value = _argument(node, names.index(parameter)) if parameter in names else None
                    value = value if value is not None else _argument(node, parameter)
                    if value is not None:
                        texts += reader._values(value, seen)
        self.reached[function, parameter] = texts
        return texts or [GAP]

    def _neighbours(self) -> Iterator[_Reader]:
        """This module, and where a helper of directory files is used from."""
        yield self
        if self.module == "model.toml_entries":
            yield _Reader("identity.directory", _tree(SOURCE / "identity" / "directory.py"))

    def _function(self, node: ast.AST) -> ast.FunctionDef | None:
        while node in self.parents:
            node = self.parents[node]
            if isinstance(node, ast.FunctionDef):
                return node
        return None

    def _around(self, node: ast.AST) -> ast.AST:
        """The block that a statement stands in, as its owner (an `if`, a `case`, a function …)."""
        above = self.parents[node]
        while not isinstance(above, ast.stmt | ast.match_case | ast.ExceptHandler | ast.Module):
            above = self.parents[above]
        return above

    def _all_around(self, node: ast.AST) -> set[ast.AST]:
        found: set[ast.AST] = set()
        while node in self.parents:
            node = self.parents[node]
            found.add(node)
        return found


def _called(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def _argument(call: ast.Call, where: int | str | None) -> ast.expr | None:
    if isinstance(where, int):
        return call.args[where] if where < len(call.args) else None
    return next((keyword.value for keyword in call.keywords if keyword.arg == where), None)


def _joined(*choices: list[str]) -> list[str]:
    return ["".join(chosen) for chosen in itertools.islice(itertools.product(*choices), MANY)]


def _given(function: ast.FunctionDef, name: ast.Name) -> list[tuple[ast.stmt, list[ast.expr]]]:
    """Statements before `name` that give it a value, each with the values."""
    found: list[tuple[ast.stmt, list[ast.expr]]] = []
    for node in ast.walk(function):
        values = [value for _, value in _bindings(node, name.id)]
        if values and isinstance(node, ast.stmt) and node.lineno < name.lineno:
            found.append((node, values))
    return found


def _bindings(node: ast.AST, name: str) -> Iterator[tuple[ast.AST, ast.expr]]:
    """Values that `node` itself gives to `name`."""
    match node:
        case ast.Assign(targets=[ast.Name(id=bound)], value=value) if bound == name:
            yield node, value
        case ast.Assign(targets=[ast.Tuple(elts=targets)], value=ast.Tuple(elts=values)):
            for target, value in zip(targets, values, strict=True):
                if isinstance(target, ast.Name) and target.id == name:
                    yield node, value
        case ast.For(target=ast.Tuple(elts=targets), iter=ast.Tuple(elts=rows)):
            for index, target in enumerate(targets):
                if isinstance(target, ast.Name) and target.id == name:
                    for row in rows:
                        assert isinstance(row, ast.Tuple)
                        yield node, row.elts[index]
        case _:
            return
