"""Objects of the user's own program that a command names as `module:attribute`."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any

from bailiwick.errors import BailiwickError, UsageError

__all__ = ["named", "users_own"]


def named(name: str, what: str, example: str) -> Any:
    """What `module:attribute` names, imported from the current folder. Raises UsageError, with what the module itself
    raised if it did."""
    module_name, found, attribute = name.partition(":")
    if not found or not module_name or not attribute:
        raise UsageError(f"{name!r} names no {what}", hint=f"write module:attribute, as in {example}")
    if "" not in sys.path:
        sys.path.insert(0, "")
    with users_own(f"{module_name} could not be imported", f"see it with: python -c 'import {module_name}'"):
        try:
            made: Any = importlib.import_module(module_name)
        except (ImportError, SyntaxError) as error:
            raise UsageError(f"there is no {name}: {error}", hint="it has to be importable from this folder") from error
    with users_own(f"{name} could not be looked at", "name an agent, or a plain function that makes it"):
        try:
            for part in attribute.split("."):
                made = getattr(made, part)
        except AttributeError as error:
            raise UsageError(f"there is no {name}: {error}", hint="it has to be importable from this folder") from error
    return made


@contextmanager
def users_own(what: str, hint: str) -> Iterator[None]:
    """Marks the block in which the user's own code runs. What it prints is no output of the command, and what it raises
    is a UsageError that begins with `what`. INVARIANT: code that ends the process ends no command well: whoever asks
    for its outcome would read that all is well."""
    try:
        with redirect_stdout(sys.stderr):
            yield
    except BailiwickError:
        raise
    except (Exception, SystemExit) as error:
        said = f"sys.exit({error.code!r})" if isinstance(error, SystemExit) else f"{type(error).__name__}: {error}"
        raise UsageError(f"{what}: {said}", hint=hint) from error
