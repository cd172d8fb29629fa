"""The arguments of a call for a tool whose schema is asked again when it runs: decided is what comes out of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from bailiwick.errors import UsageError

__all__ = ["same", "settled"]

_MOST = 8


def settled(tool: str, args: Mapping[str, Any], taken: Callable[[dict[str, Any]], Mapping[str, Any]]) -> dict[str, Any]:
    """`args` with what the schema makes of them (`taken`), and of that, until nothing changes any more. Raises
    UsageError where that has no end.

    INVARIANT: the schema makes nothing else of what was decided when the tool runs. A validator that takes escapes out
    makes "%39" of "%2539", and 9 of that: a rule on 9 must see it."""
    made = dict(args)
    for _ in range(_MOST):
        before, made = made, dict(taken(made))
        if same(before, made):
            return made
    raise UsageError(
        f"the schema of {tool} makes something else of its own values each time",
        hint="let its validators leave a value as it is that they have made themselves",
    )


def same(given: object, taken: object) -> bool:
    """Whether both are the same JSON value; 1 and 1.0 are, 1 and true are not."""
    if isinstance(given, Mapping) and isinstance(taken, Mapping):
        return given.keys() == taken.keys() and all(same(given[name], taken[name]) for name in given)
    if isinstance(given, list | tuple) and isinstance(taken, list | tuple):
        return len(given) == len(taken) and all(map(same, given, taken))
    return isinstance(given, bool) is isinstance(taken, bool) and given == taken
