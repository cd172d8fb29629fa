"""Labels: what is known about content, and how labels of combined content join.

The lattice is the product of sensitivity (max), categories (union), readers (intersection, `None` = everyone),
integrity (min), sources (union) and author (kept only where both agree). Its laws (join is associative, commutative and
idempotent; both operands lie below the join) are property-tested. DESIGN §5 *Flow*.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

__all__ = ["PUBLIC_TRUSTED", "Integrity", "Label", "unknown_label"]


class Integrity(IntEnum):
    """Who could have written it. A session is tainted once it has seen anything UNTRUSTED."""

    UNTRUSTED = 0
    """A third party could have written it."""
    ORGANISATION = 1
    """Written by an authenticated member of the organisation or an authoritative system."""
    USER = 2
    """Typed by the session's own root principal."""
    SYSTEM = 3
    """Configuration: the developer's instructions, the task."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """`sensitivity` is the index of a level in bailiwick.toml; `readers` None means everyone, an empty set nobody;
    `sources` are short origin names (`user`, `tool:crm.get_customer`, `kb:article-17`, `unknown`)."""

    sensitivity: int = 0
    categories: frozenset[str] = frozenset()
    readers: frozenset[str] | None = None
    integrity: Integrity = Integrity.SYSTEM
    sources: frozenset[str] = frozenset()
    author: str | None = None

    def join(self, other: Label) -> Label:
        """The least label that is at least as strict as both."""
        if other is self:
            return self
        if self.readers is None:
            readers = other.readers
        elif other.readers is None:
            readers = self.readers
        else:
            readers = self.readers & other.readers
        return Label(
            sensitivity=max(self.sensitivity, other.sensitivity),
            categories=self.categories | other.categories,
            readers=readers,
            integrity=min(self.integrity, other.integrity),
            sources=self.sources | other.sources,
            author=self.author if self.author == other.author else None,
        )

    def flows_to(self, other: Label) -> bool:
        """True iff `other` is at least as strict in every protective part (sources and author do not protect)."""
        readers_ok = self.readers is None or (other.readers is not None and other.readers <= self.readers)
        return (
            self.sensitivity <= other.sensitivity
            and self.categories <= other.categories
            and readers_ok
            and other.integrity <= self.integrity
        )

    @property
    def tainted(self) -> bool:
        return self.integrity is Integrity.UNTRUSTED


PUBLIC_TRUSTED = Label()
"""The bottom of the lattice: the label of nothing at all."""


def unknown_label(top_sensitivity: int) -> Label:
    """The label of content that nobody vouches for: untrusted, of the highest level, readable by nobody."""
    return Label(
        sensitivity=top_sensitivity,
        readers=frozenset(),
        integrity=Integrity.UNTRUSTED,
        sources=frozenset({"unknown"}),
    )
