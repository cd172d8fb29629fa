"""Effectors: what makes a parsed fact an effect. DESIGN §5 *Action*.

A parsed fact is not an effect: a view may call a function, a name may resolve anew. An effector is handed to a tool by
the guard, for one argument of one permitted call, and can do what was decided about that argument and nothing else. The
arguments of a tool that effectors are bound to are `context.enforced`, which rules may demand.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from bailiwick.model.call import ArgFacts
from bailiwick.model.lookup import Found
from bailiwick.model.tool import ArgSpec

__all__ = ["Decided", "Effector", "Effectors"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """One argument as it was decided: its declaration, the value that was digested, the facts that were found in it,
    and what was looked up for the call (addresses, real paths)."""

    spec: ArgSpec
    value: Any
    facts: ArgFacts
    found: Found


class Effector(Protocol):
    """Does what one argument of a permitted call says, and nothing else. One object serves all calls of a tool."""

    def problem(self, spec: ArgSpec) -> str:
        """Why this effector cannot keep to an argument declared like this, "" if it can; completes "argument 'x' …"."""
        ...

    def handle(self, decided: Decided) -> Any:
        """What the tool works with. It is good for this call alone."""
        ...


class Effectors(Protocol):
    """Which effectors are bound in this process."""

    def of(self, tool: str) -> Mapping[str, Effector]:
        """Argument name → effector, for a tool of the catalog."""
        ...
