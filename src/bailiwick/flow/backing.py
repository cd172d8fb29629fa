"""What stands behind one value: on whose authority it may be used, and by which way it came to that. DESIGN §5 *Flow*.

A way begins in somebody's words and leads over records: the user names the invoice, the invoice its vendor, the vendor
its account. Whoever asks whether arguments belong together, or whether an effect was asked for on this object, reads
the way off here.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Backing", "BackingKind", "within"]


class BackingKind(StrEnum):
    """Whose authority it is."""

    WORDS = "words"
    """The root principal's own words."""
    TASK = "task"
    """The task that the session was opened for."""
    FIELD = "field"
    """An authoritative field of a record that was selected by endorsed values."""
    COLLEAGUE = "colleague"
    """An authenticated colleague's own words, in a record that was selected by endorsed values."""
    PERSON = "person"
    """A person who was shown the value and released it for this session."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backing:
    """One authority for one value.

    `by` says so in words for people. `record` is the id of the record that the value stands in (`<content>#<n>`; empty
    for words), `chain` holds the ids of all records on the way to it, its own too, `clauses` the ids of the clauses of
    the user's own words (or the task's) in which the way begins: all that mention the value, where it is words."""

    by: str
    kind: BackingKind
    record: str = ""
    chain: frozenset[str] = frozenset()
    clauses: frozenset[str] = frozenset()
    within: frozenset[str] = frozenset()
    """By which targets and selectors the record was fetched (`within`)."""


def within(argument: str, value: str) -> str:
    """An argument of the call that fetched a record, as it is kept with what the record endorses."""
    return f"{argument}={value}"
