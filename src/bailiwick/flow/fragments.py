"""Short pieces of known texts in short texts: what shows only when it is added up over several calls. DESIGN §5 *Flow*,
evidence.

A run of a few words is what people write anyway, so a fragment counts only in a text that says little else: FRAGMENT
characters or more of one known text (normal form, the public background not counted) that make up a third of what is
handed on. Fragments of one content add up per sink (`Pieces`); ENOUGH characters are evidence, in whatever order.

Bounded: MAX_BLOCKS blocks per session, of contents that somebody may not read; texts of up to MAX_PIECE characters;
MAX_CONTENTS contents per sink. A phrase that stands in more than MAX_PLACES places says nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from bailiwick.flow.known_text import KnownText
from bailiwick.flow.runs import FRAGMENT_BLOCK

__all__ = ["ENOUGH", "FRAGMENT", "MAX_BLOCKS", "MAX_CONTENTS", "MAX_PIECE", "Fragment", "FragmentIndex", "Pieces"]

FRAGMENT = 10
ENOUGH = 48
_STRIDE = FRAGMENT - FRAGMENT_BLOCK + 1
MAX_BLOCKS = 200_000
MAX_PLACES = 3
MAX_PIECE = 300
MAX_CONTENTS = 64
_SHARE = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Fragment:
    """Characters `start` to `end` of the normal form of a known text."""

    of: KnownText
    start: int
    end: int


@dataclass(slots=True)
class FragmentIndex:
    """Known texts by blocks of FRAGMENT_BLOCK characters."""

    _texts: list[KnownText] = field(default_factory=list)
    _places: dict[str, list[tuple[int, int]]] = field(default_factory=dict)

    def add(self, text: KnownText) -> None:
        number, form = len(self._texts), text.normal
        self._texts.append(text)
        for at in range(0, len(form) - FRAGMENT_BLOCK + 1, _STRIDE):
            places = self._places.get(block := form[at : at + FRAGMENT_BLOCK])
            if places is not None:
                if len(places) <= MAX_PLACES:
                    places.append((number, at))
            elif len(self._places) < MAX_BLOCKS:
                self._places[block] = [(number, at)]

    def find(self, form: str, public: Callable[[str], bool]) -> tuple[Fragment, ...]:
        """The fragments in a text in normal form, if it says little else."""
        if not self._places or not FRAGMENT <= len(form) <= MAX_PIECE:
            return ()
        known = [not public(form[at : at + FRAGMENT_BLOCK]) for at in range(len(form) - FRAGMENT_BLOCK + 1)]
        found: dict[tuple[int, int], int] = {}
        fragments: list[Fragment] = []
        said: set[int] = set()
        for at, private in enumerate(known):
            for number, of_at in self._rare(form[at : at + FRAGMENT_BLOCK]) if private else ():
                if found.get((number, of_at - at), 0) > at:
                    continue
                start, end = _common(form, at, self._texts[number].normal, of_at)
                found[number, of_at - at] = end
                if sum(known[start : end - FRAGMENT_BLOCK + 1]) + FRAGMENT_BLOCK - 1 >= FRAGMENT:
                    said.update(range(start, end))
                    shift = of_at - at
                    fragments.append(Fragment(of=self._texts[number], start=start + shift, end=end + shift))
        return tuple(fragments) if len(said) * _SHARE >= len(form) else ()

    def _rare(self, block: str) -> list[tuple[int, int]]:
        places = self._places.get(block, [])
        return places if len(places) <= MAX_PLACES else []


def _common(form: str, at: int, text: str, of_at: int) -> tuple[int, int]:
    """The longest common run around a place that is the same."""
    back = 0
    while back < min(at, of_at) and form[at - back - 1] == text[of_at - back - 1]:
        back += 1
    on = 0
    while at + on < len(form) and of_at + on < len(text) and form[at + on] == text[of_at + on]:
        on += 1
    return at - back, at + on


@dataclass(slots=True)
class Pieces:
    """Fragments that one sink was handed, by known text: which of its characters."""

    _told: dict[KnownText, set[int]] = field(default_factory=dict)

    def take(self, fragments: tuple[Fragment, ...]) -> None:
        for each in fragments:
            told = self._told.setdefault(each.of, set())
            told.update(range(each.start, each.end))
        while len(self._told) > MAX_CONTENTS:
            self._told.pop(next(iter(self._told)))

    def with_more(self, fragments: tuple[Fragment, ...]) -> Iterator[Fragment]:
        """Those of `fragments` of whose text, with them, ENOUGH has been handed on."""
        more: dict[KnownText, set[int]] = {}
        for each in fragments:
            more.setdefault(each.of, set()).update(range(each.start, each.end))
        for each in fragments:
            if len(more[each.of] | self._told.get(each.of, set())) >= ENOUGH:
                yield each
