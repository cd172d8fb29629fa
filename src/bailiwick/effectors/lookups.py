"""Looks up what arguments name: the addresses of hosts, where paths lead."""

from __future__ import annotations

from collections.abc import Sequence

from bailiwick.model.lookup import NOTHING_FOUND, Found, Lookup

__all__ = ["SystemLookups"]


class SystemLookups:
    """Asks the operating system."""

    def look_up(self, asked: Sequence[Lookup]) -> Found:  # noqa: ARG002
        return NOTHING_FOUND
