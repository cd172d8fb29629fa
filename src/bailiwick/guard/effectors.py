"""Effectors: what makes a parsed fact an effect. DESIGN §5 *Action*.

A parsed fact is not an effect: a view may call a function, a name may resolve anew. An effector is handed to a tool by
the guard, for one argument of one permitted call, and can do what was decided about that argument and nothing else. The
arguments of a tool that effectors are bound to are `context.enforced`, which rules may demand.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Protocol

from bailiwick.errors import UsageError
from bailiwick.model.call import Action, ArgFacts
from bailiwick.model.canonical import parse, thaw
from bailiwick.model.lookup import Found
from bailiwick.model.nearest import did_you_mean
from bailiwick.model.tool import ArgSpec, ToolSpec

__all__ = ["NO_HANDLES", "Decided", "Effector", "Effectors", "Handles", "handles_of", "keeping"]


def _always() -> None:
    """Outside of the guard nothing ends: an effector that is tried by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """One argument as it was decided: its declaration, the value that was digested, the facts that were found in it,
    and what was looked up for the call (addresses, real paths).

    INVARIANT: a handle calls `begin` before each thing that it does. It raises UsageError once the call is over, and
    notes that the effector was used."""

    spec: ArgSpec
    value: Any
    facts: ArgFacts
    found: Found
    begin: Callable[[], None] = _always


class Effector(Protocol):
    """Does what one argument of a permitted call says, and nothing else. One object serves all calls of a tool."""

    def problem(self, spec: ArgSpec) -> str:
        """Why this effector cannot keep to an argument declared like this, "" if it can; completes "argument 'x' …"."""
        ...

    def handle(self, decided: Decided) -> Any:
        """What the tool works with. It is good for this call alone, and has done nothing yet."""
        ...


class Effectors(Protocol):
    """Which effectors are bound in this process. INVARIANT: what is bound once stays bound."""

    def of(self, tool: str) -> Mapping[str, Effector]:
        """Argument name → effector, for a tool of the catalog."""
        ...


def keeping(bound: Mapping[str, Effector], tool: ToolSpec, given: frozenset[str]) -> Mapping[str, Effector]:
    """Those of the bound effectors that can keep to an argument of this call. The catalog may have changed since they
    were bound."""
    return {
        name: effector
        for name, effector in bound.items()
        if name in given and name in tool.args and not effector.problem(tool.args[name])
    }


class Handles:
    """What the tool of one call is handed. INVARIANT: one handle at most for each argument, whoever asks for it; after
    `close` none of them begins anything."""

    def __init__(self, tool: str, effectors: Mapping[str, Effector], decided: Mapping[str, Decided]) -> None:
        self._tool = tool
        self._effectors = effectors
        self._decided = decided
        self._made: dict[str, Any] = {}
        self._used: set[str] = set()
        self._closed = False
        self._lock = threading.RLock()

    def take(self, name: str) -> Any:
        """The handle for an argument. Raises UsageError where there is none, or the call is over."""
        with self._lock:
            self._must_be_open()
            if name not in self._effectors:
                hint = f"bind one when the program starts: guard.enforce({self._tool!r}, {name}=...)"
                raise UsageError(
                    f"no effector keeps to the argument {name!r} of this {self._tool} call",
                    hint=did_you_mean(name, self._effectors, hint),
                )
            if name not in self._made:
                decided = replace(self._decided[name], begin=lambda: self._begin(name))
                self._made[name] = self._effectors[name].handle(decided)
            return self._made[name]

    def close(self) -> None:
        """The call is over."""
        with self._lock:
            self._closed = True

    @property
    def used(self) -> tuple[str, ...]:
        """The arguments whose handle did something."""
        with self._lock:
            return tuple(sorted(self._used))

    @property
    def unused(self) -> tuple[str, ...]:
        """The arguments that counted as enforced, and whose handle did nothing."""
        with self._lock:
            return tuple(sorted(self._effectors.keys() - self._used))

    def _begin(self, name: str) -> None:
        with self._lock:
            self._must_be_open()
            self._used.add(name)

    def _must_be_open(self) -> None:
        if self._closed:
            raise UsageError(
                f"the {self._tool} call is over, and what it was handed does nothing more",
                hint="do the work before the tool returns",
            )


NO_HANDLES = Handles("", MappingProxyType({}), MappingProxyType({}))
NO_HANDLES.close()


def handles_of(action: Action, bound: Mapping[str, Effector]) -> Handles:
    """The handles for a call that was decided, made of the very bytes that were digested."""
    facts = {each.name: each for each in action.arguments}
    effectors = keeping(bound, action.tool, frozenset(facts))
    if not effectors:
        return NO_HANDLES
    values = thaw(parse(action.args))
    assert isinstance(values, dict)
    decided = {
        name: Decided(spec=action.tool.args[name], value=values[name], facts=facts[name], found=action.found)
        for name in effectors
    }
    return Handles(action.tool.name, effectors, decided)
