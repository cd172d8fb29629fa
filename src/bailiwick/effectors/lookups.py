"""Looks up what arguments name: the addresses of hosts, where paths lead. Each kind of question has its own module."""

from __future__ import annotations

from collections.abc import Sequence

from bailiwick.effectors.hosts import HostLookups
from bailiwick.effectors.paths import PathLookups
from bailiwick.model.lookup import Found, Lookup, LookupKind

__all__ = ["SystemLookups"]


class SystemLookups:
    """Asks the operating system. Without `paths` no path is looked up."""

    def __init__(self, *, hosts: HostLookups | None = None, paths: PathLookups | None = None) -> None:
        self._hosts = hosts or HostLookups()
        self._paths = paths

    def look_up(self, asked: Sequence[Lookup]) -> Found:
        found: dict[Lookup, tuple[str, ...]] = {}
        names = {each.name: each for each in asked if each.kind is LookupKind.HOST}
        for name, addresses in (self._hosts.addresses(names) if names else {}).items():
            found[names[name]] = addresses
        if self._paths is not None:
            for each in asked:
                if each.kind is LookupKind.PATH:
                    found[each] = self._paths.where(each.name, each.below)
        return found
