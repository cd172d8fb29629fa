"""Where the values of an argument were seen before.

`Evidence` is where every way of finding that out joins: `AtomIndex` answers for exact values; a matcher of longer runs
answers the same question for content that was quoted, cut or encoded. DESIGN §5 *Flow*: evidence explains and is
precise; what holds whatever the model does is the session's label.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from bailiwick.flow.atoms import MAX_LEAF, MAX_SCAN, atom_key, atoms, decoded, inner
from bailiwick.flow.part_labels import PartLabels, nameless
from bailiwick.flow.records import ContentRecord
from bailiwick.model.call import ArgFacts
from bailiwick.model.decision import Origin
from bailiwick.model.label import Label
from bailiwick.model.tool import Role

__all__ = [
    "MAX_ORIGINS",
    "MAX_PLACES_PER_ATOM",
    "MAX_SESSION_ATOMS",
    "MORE_PLACES",
    "AtomIndex",
    "Evidence",
    "inside",
    "searched",
]

MAX_ORIGINS = 48
"""Origins reported per argument, the newest content first, one for each row or field of it."""
MAX_PLACES_PER_ATOM = 8
"""Places remembered per atom: the newest."""
MAX_SESSION_ATOMS = 1_000_000
"""Different atoms remembered per session; beyond, new ones are not."""
MORE_PLACES = Origin(content="", event="", source="…", path="", how="more")
"""Stands for places that are not remembered, whose labels still count."""
MAX_SEARCHED = 256
"""Atoms of one argument that are looked up."""

_LONG_TEXT_ROLES = frozenset({Role.CONTENT, Role.COMMAND, Role.QUERY})


class Evidence(Protocol):
    """One way of telling where an argument's values came from. Asked within one call: answers about an argument may be
    kept between the questions. The cost may depend on the argument, never on what was seen."""

    @property
    def complete(self) -> bool:
        """False if something that the session has seen could not be searched (its text is gone, a limit was passed): no
        match then proves nothing, and the session's mark has to do."""
        ...

    def origins(self, argument: ArgFacts) -> Sequence[Origin]:
        """At most MAX_ORIGINS, newest content first."""
        ...

    def label(self, argument: ArgFacts) -> Label | None:
        """The join of the labels of all that matched, also of what `origins` had no room for; None if nothing did."""
        ...

    def opaque(self, argument: ArgFacts) -> bool:
        """True iff part of the argument cannot be read, so that no match proves nothing."""
        ...


@dataclass(slots=True)
class AtomIndex:
    """Exact values of everything that the session has seen, and of what the content is."""

    _contents: list[tuple[str, str, str, PartLabels]] = field(default_factory=list)
    _places: dict[str, tuple[tuple[int, str], ...]] = field(default_factory=dict)
    _beyond: dict[str, Label] = field(default_factory=dict)
    _own: set[str] = field(default_factory=set)
    _cut: bool = False

    def add(self, record: ContentRecord) -> None:
        number = len(self._contents)
        labels = PartLabels.of(record.label, record.parts)
        self._contents.append((record.content, record.event, record.source, labels))
        self._cut = self._cut or record.truncated
        if record.words:
            self.add_own(record.words)
        for key, path in record.atoms:
            before = self._places.get(key, ())
            if not before and len(self._places) >= MAX_SESSION_ATOMS:
                self._cut = True
                continue
            if len(before) == MAX_PLACES_PER_ATOM:
                # INVARIANT: a place may be forgotten, its label may not.
                label = nameless(self._label(*before[-1]))
                self._beyond[key] = label.join(self._beyond.get(key, label))
            self._places[key] = ((number, path), *before[: MAX_PLACES_PER_ATOM - 1])

    @property
    def complete(self) -> bool:
        return not self._cut

    def origins(self, argument: ArgFacts) -> tuple[Origin, ...]:
        return self.seen(searched(argument))

    def label(self, argument: ArgFacts) -> Label | None:
        return self.label_of(searched(argument))

    def opaque(self, _argument: ArgFacts) -> bool:
        return False

    def seen(self, values: Iterable[str], how: str = "exact") -> tuple[Origin, ...]:
        """Where `values` stood."""
        if not self._places:
            return ()
        hits: dict[tuple[int, str], str] = {}
        more = False
        for value in values:
            key = atom_key(value)
            more = more or (key in self._beyond and key not in self._own)
            for number, path in self._places.get(key, ()):
                hits.setdefault((number, _record(path)), path)
        newest = sorted(hits, key=_newest_first)[:MAX_ORIGINS] if len(hits) > 1 else hits
        found = tuple(self._origin(place[0], hits[place], how) for place in newest)
        # INVARIANT: whoever lowers a label by what its origins say knows that there are more.
        return (*found, MORE_PLACES) if more else found

    def label_of(self, values: Iterable[str]) -> Label | None:
        """The join of the labels of all content that one of `values` stood in, less those that the user said herself;
        None if there is none."""
        if not self._places:
            return None
        labels: dict[Label, None] = {}
        for value in values:
            key = atom_key(value)
            if key not in self._own:
                labels.update((self._label(*place), None) for place in self._places.get(key, ()))
                if key in self._beyond:
                    labels[self._beyond[key]] = None
        return functools.reduce(Label.join, labels) if labels else None

    def add_own(self, words: str) -> None:
        """What the user said herself: sending it tells nobody more than she did."""
        self._own.update(atom_key(atom) for atom, _ in atoms(words).found)

    def _label(self, number: int, path: str) -> Label:
        return self._contents[number][3].at(path)

    def _origin(self, number: int, path: str, how: str) -> Origin:
        content, event, source, _ = self._contents[number]
        return Origin(content=content, event=event, source=source, path=path, how=how)


def _record(path: str) -> str:
    """The row that a path lies in; outside of rows the path itself. One place in a row is enough to name the row."""
    return path[: path.find("]") + 1] if path.startswith("[") else path


def _newest_first(place: tuple[int, str]) -> tuple[int, int, str]:
    return -place[0], len(place[1]), place[1]


def searched(argument: ArgFacts) -> Iterable[str]:
    """The values of an argument, and what stands inside those that are long texts."""
    found = {value: None for value in argument.values[:MAX_SEARCHED] if len(value) <= MAX_LEAF}
    texts: Sequence[str] = ()
    if argument.text:
        texts = (argument.text,)
    elif argument.role in _LONG_TEXT_ROLES:
        texts = argument.values[:MAX_SEARCHED]
    for text in texts:
        found.update((atom, None) for atom in inside(text))
    return found


def inside(text: str) -> Iterable[str]:
    """The values that stand inside a text."""
    if isinstance(decoded(text), str):
        found: Iterable[tuple[str, object]] = itertools.islice(inner(text[:MAX_SCAN]), MAX_SEARCHED)
    else:
        found = atoms(text, MAX_SEARCHED).found
    return (atom for atom, _ in found if len(atom) <= MAX_LEAF)
