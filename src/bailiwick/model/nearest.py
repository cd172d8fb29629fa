"""What somebody may have meant by a name that does not exist."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["did_you_mean", "nearest"]

_MOST_LISTED = 12


def nearest(name: str, known: Iterable[str], *, likeness: float = 0.6) -> str | None:
    """The known name that is most like `name` (Ratcliff and Obershelp's measure, 0 to 1); None if none is enough so."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=likeness)
    return close[0] if close else None


def did_you_mean(name: str, known: Iterable[str], otherwise: str = "") -> str:
    """A hint: the nearest known name, or else `otherwise`, or what there is."""
    names = sorted(filter(None, known))
    if near := nearest(name, names):
        return f"did you mean '{near}'?"
    if otherwise:
        return otherwise
    more = " …" if len(names) > _MOST_LISTED else ""
    return f"known: {', '.join(names[:_MOST_LISTED])}{more}" if names else "none is declared yet"
