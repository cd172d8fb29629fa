"""What of a call an approval is bound to. Promise 4 (DESIGN §3): what was approved is what runs."""

from __future__ import annotations

from dataclasses import dataclass

from bailiwick.model.decision import Gate
from bailiwick.model.label import Label

__all__ = ["Asked"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What of a call an approval is bound to, as it is now: its digest, what it means, the gates that deny it, the
    label of all that it may hold, the names of the arguments that nothing endorses, that colleagues alone do and that
    do not belong together, whether nobody asked for it or for one more of it, and what it says in words that are
    not the user's, or instead of them. `parts` are of what it means
    (`action.digest.meaning_parts`)."""

    digest: str
    meaning: str
    gates: tuple[Gate, ...]
    label: Label
    unendorsed: frozenset[str] = frozenset()
    by_colleague: frozenset[str] = frozenset()
    unbound: frozenset[str] = frozenset()
    unasked: bool = False
    repeated: bool = False
    undictated: frozenset[str] = frozenset()
    misquoted: bool = False
    parts: tuple[tuple[str, str], ...] = ()

    def no_worse_than(self, shown: Asked) -> bool:
        """True iff this rests on no less than what the card `shown` to people said."""
        return (
            self.label.flows_to(shown.label)
            and self.unendorsed <= shown.unendorsed
            and self.by_colleague <= shown.by_colleague | shown.unendorsed
            and self.unbound <= shown.unbound
            and self.unasked <= shown.unasked
            and self.repeated <= shown.repeated
            and self.undictated <= shown.undictated
            and self.misquoted <= shown.misquoted
        )
