"""What has to be looked up outside before an argument can be understood: the addresses of a host, where a path leads.

A semantic type names its lookups and is given the answers; it never asks by itself. INVARIANT: a lookup without an
answer is refused by the type that needs it, never guessed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

__all__ = [
    "NOTHING_FOUND",
    "NO_HOSTS",
    "SUPPOSED",
    "SUPPOSED_PRIVATE",
    "SUPPOSED_PUBLIC",
    "Found",
    "Lookup",
    "LookupKind",
]


class LookupKind(StrEnum):
    """HOST asks for the addresses of a name (ASCII form); PATH where a path below a folder leads."""

    HOST = "host"
    PATH = "path"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookup:
    """One question. `below` is the folder that a PATH is asked under, empty for a HOST."""

    kind: LookupKind
    name: str
    below: str = ""


Found = Mapping[Lookup, tuple[str, ...]]
"""The answers: addresses of a HOST; for a PATH what `bailiwick.action.types.path` says. No entry: it could not be
looked up."""

NOTHING_FOUND: Found = MappingProxyType({})
NO_HOSTS: Mapping[str, tuple[str, ...]] = MappingProxyType({})

SUPPOSED_PUBLIC = "2d00::1"
SUPPOSED_PRIVATE = "fdff:ffff:ffff::1"
SUPPOSED = frozenset({SUPPOSED_PUBLIC, SUPPOSED_PRIVATE})
"""Addresses that a host is supposed to have where nobody may be asked for it. Nobody has them: 2d00::/8 is public and
not assigned, and whoever answers with one of them has not answered (`LookupSource`)."""
