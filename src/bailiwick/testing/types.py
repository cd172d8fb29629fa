"""`check_type`: the laws that every type of argument has to keep, tried on a type of a project's own."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from decimal import Decimal
from importlib import import_module
from typing import Any

from bailiwick.action.types import Organisation, Parsed, SemanticType, Surroundings, Unparsable
from bailiwick.action.types.base import OptionValue
from bailiwick.errors import CanonicalError, ProjectError, Where
from bailiwick.guard.own_types import contained
from bailiwick.model.canonical import canonical
from bailiwick.model.shape import fits
from bailiwick.model.tool import ArgSpec, Role

__all__ = ["TypeBroken", "check_type"]

_HERE = Where(file="check_type")
_CORPUS: tuple[object, ...] = (
    *("", " ", "a", "0", "null", "[]", "{}", "a" * 10_000, "\u0000", "\u202e", "\uff10", "'; --", "../..", "\n", "ß"),
    *(None, True, False, 0, 1, -1, 2**53, Decimal("0.1"), Decimal("1E+300")),
    *([], {}, [[]], [None], {"": None}, {"a": {"b": [1, "c"]}}, ["a"] * 1_000),
)
"""Values that no type expects and every type gets."""


class TypeBroken(AssertionError):
    """A type breaks a law; says which, and with what value."""


def check_type(
    kind: SemanticType,
    *,
    good: Sequence[object],
    bad: Sequence[object],
    options: Mapping[str, OptionValue] | None = None,
    role: Role | None = None,
    around: Surroundings | None = None,
    examples: int = 300,
) -> None:
    """Raises TypeBroken unless `kind` takes every value in `good`, refuses every one in `bad`, and keeps the laws.

    For each of them, for values that no type expects, and, where hypothesis is installed, for `examples` made ones: it
    does not raise, answers the same twice, leaves the value as it was, and what it takes has facts of the shape that it
    declares, that have a canonical form. `options` are what the catalog would say, `role` that of the argument."""
    made, problem = contained(kind, _HERE)
    if made is None:
        raise TypeBroken(problem)
    chosen = role or sorted(made.roles)[0]
    try:
        shape = made.shape(options or {}, chosen)
    except ProjectError as error:
        raise TypeBroken(str(error)) from error
    spec = ArgSpec(name="x", type=made.name, role=chosen, shape=shape, options=dict(options or {}), where=_HERE)
    checker = _Checker(kind, spec, around or Surroundings(organisation=Organisation()))
    checker.words()
    if not good or not bad:
        raise TypeBroken("name values that it takes and values that it refuses: without either nothing is checked")
    for value in good:
        checker.takes(value)
    for value in bad:
        checker.refuses(value)
    for value in _CORPUS:
        checker.law(value)
    _made_up(checker, examples)


class _Checker:
    def __init__(self, kind: SemanticType, spec: ArgSpec, around: Surroundings) -> None:
        self._kind = kind
        self._spec = spec
        self._around = around

    def words(self) -> None:
        said = self._kind.accepts(self._spec)
        if type(said) is not str or not said.strip():
            raise TypeBroken("it does not say what it takes (`takes`)")

    def takes(self, value: object) -> None:
        found = self.law(value)
        if isinstance(found, Unparsable):
            raise TypeBroken(f"it refuses {value!r:.200}: it {found.problem}")

    def refuses(self, value: object) -> None:
        found = self.law(value)
        if isinstance(found, Parsed):
            raise TypeBroken(f"it takes {value!r:.200}, as {found.facts!r:.200}")

    def law(self, value: object) -> Parsed | Unparsable | None:
        """What it says of a value; None if the value never reaches a type."""
        try:
            canonical(value)
        except CanonicalError:
            return None
        before = copy.deepcopy(value)
        try:
            asked, again = self._kind.asks(value, self._spec), self._kind.asks(value, self._spec)
            first = self._kind.parse(value, self._spec, self._around)
            second = self._kind.parse(value, self._spec, self._around)
        except Exception as error:
            raise TypeBroken(f"it raises {type(error).__name__} for {before!r:.200}: {error!s:.200}") from error
        if value != before:
            raise TypeBroken(f"it changes the value {before!r:.200}")
        if first != second or asked != again:
            raise TypeBroken(f"it answers {before!r:.200} in two ways")
        made, _ = contained(self._kind, _HERE)
        assert made is not None
        held = made.parse(value, self._spec, self._around)
        if isinstance(held, Unparsable) and held.code == "type-failed":
            raise TypeBroken(f"with {before!r:.200} the argument {held.problem}")
        if isinstance(first, Parsed) and not fits(self._spec.shape, first.facts):
            raise TypeBroken(f"the facts of {before!r:.200} do not have the shape that it declares")
        return held


def _made_up(checker: _Checker, examples: int) -> None:
    """Values that hypothesis makes, where it is installed."""
    try:
        hypothesis: Any = import_module("hypothesis")
        st: Any = import_module("hypothesis.strategies")
    except ImportError:
        return
    leaves = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=40)
    values = st.recursive(
        leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    )

    def tried(value: object) -> None:
        checker.law(value)

    settings = hypothesis.settings(max_examples=examples, deadline=None, database=None, derandomize=True)
    settings(hypothesis.given(values)(tried))()
