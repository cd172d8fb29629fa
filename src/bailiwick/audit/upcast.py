"""How a stored event of an older version becomes one of this version. DESIGN §5 *Audit*."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from bailiwick.model.canonical import Json
from bailiwick.model.event import ENVELOPE_VERSION

__all__ = ["UPCASTERS", "Upcaster", "upcast"]

Upcaster = Callable[[dict[str, Json]], dict[str, Json]]
"""Takes a stored event of version n, whole, and returns it as version n+1 says (with `v` raised)."""

UPCASTERS: Mapping[int, Upcaster] = MappingProxyType({})
"""Version n → what lifts it to n+1. Version 1 is the first and the current one."""


def upcast(stored: dict[str, Json], upcasters: Mapping[int, Upcaster] = UPCASTERS) -> dict[str, Json]:
    """`stored` lifted to ENVELOPE_VERSION, step by step. Raises ValueError for a version that no upcaster knows."""
    version = stored.get("v")
    while version != ENVELOPE_VERSION:
        step = upcasters.get(version) if type(version) is int else None
        if step is None:
            raise ValueError(f"version {version!r:.20} of the envelope is unknown here (this is {ENVELOPE_VERSION})")
        stored = step(stored)
        lifted = stored.get("v")
        if type(lifted) is not int or type(version) is not int or lifted <= version:
            raise ValueError(f"the upcaster of version {version!r:.20} did not raise the version")
        version = lifted
    return stored
