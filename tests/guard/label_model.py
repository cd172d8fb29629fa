"""What must hold of labels, in plain sets: which secrets somebody could tell. No label is joined here until it is
compared.

`strict` are the strict secrets that somebody could have seen, by whatever way: every call of theirs has to have their
labels, since a model may put them into any words. `whole` are all secrets that the session's mark has to account for.
`may` is the other bound: nothing else may be in a label, so that a guard which denies everything does not pass.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from bailiwick.model.decision import FlowFacts
from bailiwick.model.label import PUBLIC_TRUSTED, Integrity, Label, Readers, Strictness

__all__ = [
    "ANYWHERE",
    "INNOCENT",
    "STRICT",
    "TOP",
    "Item",
    "Known",
    "Spot",
    "World",
    "below",
    "items_of",
    "joined",
    "must_hold",
    "phrase",
]

ANYWHERE = "*"
"""The store of a tool that may touch any."""

TOP = 3
STRICT = Strictness(level=3, categories=frozenset({"phi", "mnpi", "secret"}))

_SYLLABLES = ("ba", "ce", "di", "fo", "gu", "ha", "je", "ki", "lo", "mu", "na", "pe", "ri", "so", "tu", "va")
_WORDS = [one + two + end for one in _SYLLABLES for two in _SYLLABLES for end in ("n", "r", "st")]


def phrase(luck: random.Random, number: int) -> str:
    """A text like no other one: no long run of it occurs in another."""
    return " ".join((*luck.sample(_WORDS, 6), f"{number:05}"))


@dataclass(frozen=True, slots=True)
class Item:
    """One secret: what it is labelled by whoever keeps it, and how it is put there."""

    number: int
    label: Label
    text: str

    def __hash__(self) -> int:
        return self.number

    @property
    def strict(self) -> bool:
        return STRICT.covers(self.label)


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What a session, an object in a store, a text or a handle could tell."""

    strict: frozenset[Item] = frozenset()
    whole: frozenset[Item] = frozenset()
    may: frozenset[Item] = frozenset()
    tainted: bool = False
    may_taint: bool = False

    def __or__(self, other: Known) -> Known:
        return Known(
            strict=self.strict | other.strict,
            whole=self.whole | other.whole,
            may=self.may | other.may,
            tainted=self.tainted or other.tainted,
            may_taint=self.may_taint or other.may_taint,
        )

    @staticmethod
    def of(*items: Item, tainted: bool = False) -> Known:
        """Of somebody who was shown these."""
        every = frozenset(items)
        strict = frozenset(item for item in every if item.strict)
        return Known(strict=strict, whole=every, may=every, tainted=tainted, may_taint=tainted)

    @property
    def told(self) -> Known:
        """Of whoever is told something in words of somebody who knows this: all that is strict, in whatever words."""
        return replace(self, whole=self.strict)

    @property
    def only_perhaps(self) -> Known:
        """What a careful guard may take it for, and need not."""
        return Known(may=self.may, may_taint=self.may_taint)


INNOCENT = Known()


@functools.lru_cache(maxsize=65_536)
def joined(items: frozenset[Item]) -> Label:
    """The least label that all of them may have."""
    return functools.reduce(Label.join, (item.label for item in items), PUBLIC_TRUSTED)


def below(items: frozenset[Item], label: Label, *, tainted: bool = False) -> bool:
    """True iff `label` accounts for all of these."""
    least = joined(items)
    return (
        least.sensitivity <= label.sensitivity
        and least.categories <= label.categories
        and label.readers.within(least.readers)
        and (label.tainted or not tainted)
    )


def above(items: frozenset[Item], label: Label, *, may_taint: bool = True) -> bool:
    """True iff `label` says nothing that does not come from one of these."""
    most = joined(items)
    return (
        label.sensitivity <= most.sensitivity
        and label.categories <= most.categories
        and most.readers.within(label.readers)
        and (may_taint or not label.tainted)
    )


def must_hold(flow: FlowFacts, known: Known, carried: Known, holds: Known, *, left: Known | None = None) -> None:
    """The facts of a call lose nothing, and make nothing up. `known` is what the session could tell, `carried` what it
    hands over unseen, `holds` what stands in the call word by word, `left` what was not let go for its recipients."""
    counts = known if left is None else left
    must = counts.strict | carried.whole | (holds.whole if left is None else frozenset())
    tainted = known.tainted or carried.tainted
    assert below(must, flow.label, tainted=tainted), (sorted(item.number for item in must), flow.label)
    assert above(known.may | carried.may, flow.label), flow.label
    assert below(known.whole, flow.session_label, tainted=known.tainted), flow.session_label
    assert above(known.may, flow.session_label, may_taint=known.may_taint), flow.session_label
    assert flow.tainted or not tainted


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """Where a call writes or reads: the template of its resource, and the object that it means; empty where nobody
    could tell which. `named`: the template names objects."""

    store: str
    template: str
    name: str = ""

    @property
    def named(self) -> bool:
        return "{" in self.template


@dataclass
class World:
    """What agents wrote, by where it went and by what it says."""

    at: dict[Spot, Known] = field(default_factory=dict)
    texts: dict[str, Known] = field(default_factory=dict)

    def wrote(self, spot: Spot, text: str, told: Known) -> None:
        """`text` is what was handed over word by word; empty where that says nothing."""
        self.at[spot] = self.at.get(spot, INNOCENT) | told
        if text:
            self.texts[text] = self.texts.get(text, INNOCENT) | told

    def in_text(self, *texts: str) -> Known:
        """What a content tells that holds these texts word by word."""
        return functools.reduce(Known.__or__, (self.texts.get(text, INNOCENT) for text in texts), INNOCENT)

    def somewhere(self, store: str) -> Known:
        """What can be read somewhere in a store: all that is strict, in whatever words."""
        found = (told.told for spot, told in self.at.items() if spot.store in (ANYWHERE, store))
        return functools.reduce(Known.__or__, found, INNOCENT)

    def there(self, spot: Spot, *, answer: bool = False) -> Known:
        """What can be read at a spot: of the same object all of it, of the rest of its store what is strict. `answer`:
        it is what a tool says that wrote there, and gives nothing else back."""
        found = INNOCENT
        for each, told in self.at.items():
            if spot.store not in (ANYWHERE, each.store) and each.store != ANYWHERE:
                continue
            if (each.store, each.template) == (spot.store, spot.template) and spot.named:
                found |= told if each.name == spot.name or not each.name or not spot.name else INNOCENT
            else:
                found |= told.only_perhaps if answer else told.told
        return found


_LABELS = (
    Label(sensitivity=1),
    Label(sensitivity=2, categories=frozenset({"pii"})),
    Label(sensitivity=2, readers=Readers.of("Group::support")),
    Label(sensitivity=3),
    Label(sensitivity=1, categories=frozenset({"phi"})),
    Label(categories=frozenset({"secret"})),
    Label(sensitivity=2, categories=frozenset({"mnpi"}), readers=Readers.of("Group::leads")),
    Label(sensitivity=3, categories=frozenset({"phi"}), readers=Readers.of("User::alice")),
)


def items_of(seed: int, labels: Iterable[Label] = _LABELS) -> tuple[Item, ...]:
    """One secret of every kind that matters."""
    luck = random.Random(seed)
    return tuple(
        Item(number, replace(label, integrity=Integrity.ORGANISATION), phrase(luck, number))
        for number, label in enumerate(labels)
    )
