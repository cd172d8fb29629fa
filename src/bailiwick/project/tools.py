"""Functions as governed tools: the decorator behind `Guard.tool`.

INVARIANT: a decorated function runs only under a permit: of the session that the thread or task is in, or of a call
that is under way and covers exactly these arguments. DESIGN §2.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

from bailiwick.guard.current import running_permit
from bailiwick.guard.engine import Engine
from bailiwick.guard.finding import session_for
from bailiwick.project.binding import bind, plain_signature

__all__ = ["governed"]

P = ParamSpec("P")
R = TypeVar("R")


def governed(engine: Engine, tool: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorator: every call of the function is a call of `tool`, which the catalog knows by that name.

    Raises UsageError where the function takes *args or **kwargs."""

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        signature = plain_signature(function)
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def called_async(*args: P.args, **kwargs: P.kwargs) -> Any:
                bound = bind(signature, args, kwargs)
                if _already_decided(tool, bound):
                    return await function(*args, **kwargs)
                return await session_for(engine, tool).acall(tool, bound, function)

            return cast("Callable[P, R]", called_async)

        @functools.wraps(function)
        def called(*args: P.args, **kwargs: P.kwargs) -> R:
            bound = bind(signature, args, kwargs)
            if _already_decided(tool, bound):
                return function(*args, **kwargs)
            return session_for(engine, tool).call(tool, bound, function)

        return called

    return decorate


def _already_decided(tool: str, bound: dict[str, object]) -> bool:
    permit = running_permit()
    return permit is not None and permit.covers(tool, bound)
