"""Labels: what is known about content, and how labels of combined content join.

The lattice is the product of sensitivity (max), categories (union), readers (who is in every set), integrity (min),
sources (union) and author (kept only where both agree). Its laws (join is associative, commutative and idempotent; both
operands lie below the join, and nothing smaller lies above them) are property-tested. DESIGN §5 *Flow*.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

__all__ = [
    "ALL_STRICT",
    "EVERYONE",
    "NOBODY",
    "PARTY",
    "PUBLIC_TRUSTED",
    "Integrity",
    "Label",
    "NamedLabel",
    "Readers",
    "Strictness",
    "unknown_label",
]


PARTY = "Party::"
"""Begins the name of a reader whom no directory knows: `Party::ann@customer.example`, `Party::20458`. Whose record it
is may read it, and is nobody's user."""


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


@dataclass(frozen=True, slots=True)
class Readers:
    """Who may read: whoever is in each of these sets of `User::alice`, `Group::support`, `Role::…`, `Party::…`.

    Content that support may read, joined with content that Alice may, is Alice's alone if she is in support, and
    nobody's otherwise: only a directory can tell, so a join keeps both sets and the question is asked of each. No set
    at all means everyone, an empty set nobody. INVARIANT: no set holds another one, which would add nothing."""

    sets: frozenset[frozenset[str]] = frozenset()

    def __post_init__(self) -> None:
        if len(self.sets) > 1:
            least = {one for one in self.sets if not any(other < one for other in self.sets)}
            object.__setattr__(self, "sets", frozenset(least))

    @staticmethod
    def of(*names: str) -> Readers:
        """Whoever one of the names means; none: nobody."""
        return Readers(frozenset({frozenset(names)}))

    @staticmethod
    def declared(names: frozenset[str] | None) -> Readers:
        """As declarations have it: one set of names, or None for everyone."""
        return EVERYONE if names is None else Readers(frozenset({names}))

    @staticmethod
    def listed(lists: Iterable[Iterable[str]] | None) -> Readers:
        """The opposite of `lists`."""
        return EVERYONE if lists is None else Readers(frozenset(frozenset(one) for one in lists))

    @property
    def lists(self) -> list[list[str]] | None:
        """The sets as lists in order, as they are written down; None for everyone."""
        return None if self.everyone else sorted(sorted(one) for one in self.sets)

    @property
    def everyone(self) -> bool:
        return not self.sets

    @property
    def nobody(self) -> bool:
        """Nobody, whatever a directory says."""
        return frozenset() in self.sets

    def __and__(self, other: Readers) -> Readers:
        """Whoever may read both."""
        if self.sets == other.sets or not other.sets:
            return self
        return Readers(self.sets | other.sets) if self.sets else other

    def widened(self, names: Iterable[str]) -> Readers:
        """The same, and whoever one of `names` means."""
        more = frozenset(names)
        return Readers(frozenset(one | more for one in self.sets))

    def within(self, other: Readers) -> bool:
        """True iff whoever may read this may read `other`, whatever a directory says."""
        return all(any(mine <= theirs for mine in self.sets) for theirs in other.sets)

    def __str__(self) -> str:
        if self.everyone:
            return "everyone"
        return " and ".join(", ".join(one) if one else "nobody" for one in self.lists or ())


EVERYONE = Readers()
NOBODY = Readers(frozenset({frozenset()}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """`sensitivity` is the index of a level in bailiwick.toml; `sources` are short origin names (`user`,
    `tool:crm.get_customer`, `kb:article-17`, `unknown`)."""

    sensitivity: int = 0
    categories: frozenset[str] = frozenset()
    readers: Readers = EVERYONE
    integrity: Integrity = Integrity.SYSTEM
    sources: frozenset[str] = frozenset()
    author: str | None = None

    def join(self, other: Label) -> Label:
        """The least label that is at least as strict as both."""
        if other is self:
            return self
        return Label(
            sensitivity=max(self.sensitivity, other.sensitivity),
            categories=self.categories | other.categories,
            readers=self.readers & other.readers,
            integrity=min(self.integrity, other.integrity),
            sources=self.sources | other.sources,
            author=self.author if self.author == other.author else None,
        )

    def flows_to(self, other: Label) -> bool:
        """True iff `other` is at least as strict in every protective part (sources and author do not protect)."""
        return (
            self.sensitivity <= other.sensitivity
            and self.categories <= other.categories
            and other.readers.within(self.readers)
            and other.integrity <= self.integrity
        )

    @property
    def tainted(self) -> bool:
        return self.integrity is Integrity.UNTRUSTED


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedLabel:
    """What another system's name for a label means here."""

    level: int
    categories: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Strictness:
    """Which content counts for every later call, whatever evidence says: that of `level` or above (None: of no level;
    0: all), and that of one of `categories`."""

    level: int | None = 0
    categories: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        """By what one is told from another."""
        return " ".join((str(self.level), *sorted(self.categories)))

    def covers(self, label: Label) -> bool:
        """True iff content of this label is strict."""
        return (self.level is not None and label.sensitivity >= self.level) or bool(label.categories & self.categories)


ALL_STRICT = Strictness()
"""Everything is strict."""
PUBLIC_TRUSTED = Label()
"""The bottom of the lattice: the label of nothing at all."""


def unknown_label(top_sensitivity: int) -> Label:
    """The label of content that nobody vouches for: untrusted, of the highest level, readable by nobody."""
    return Label(
        sensitivity=top_sensitivity,
        readers=NOBODY,
        integrity=Integrity.UNTRUSTED,
        sources=frozenset({"unknown"}),
    )
