"""A call of a Python function as its named arguments: what `Guard.tool` puts to policy. DESIGN §4 *In Python*."""

from __future__ import annotations

import inspect
from collections.abc import Callable

from bailiwick.errors import UsageError

__all__ = ["bind", "plain_signature"]


def plain_signature(function: Callable[..., object]) -> inspect.Signature:
    """Its signature. Raises UsageError if a call of it has arguments that no name tells apart."""
    signature = inspect.signature(function)
    for parameter in signature.parameters.values():
        if parameter.kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD):
            raise UsageError(
                f"a governed tool names all its parameters; {function!r} takes {parameter}",
                hint="write out the parameters that the catalog declares",
            )
        if parameter.kind is inspect.Parameter.POSITIONAL_ONLY:
            raise UsageError(
                f"a governed tool is run with keywords; {parameter.name!r} of {function!r} is positional-only",
                hint="remove the `/` from its signature",
            )
    return signature


def bind(signature: inspect.Signature, args: tuple[object, ...], kwargs: dict[str, object]) -> dict[str, object]:
    """Positional arguments, defaults and keyword arguments, by name."""
    bound = signature.bind(*args, **kwargs)
    bound.apply_defaults()
    return dict(bound.arguments)
