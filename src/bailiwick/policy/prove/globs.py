"""Which patterns of `like` hold together: decided here, since a solver of texts may take for ever over it.

A pattern is a sequence of texts and None (any text). Questions are answered by walking through the two patterns at
once, over the characters that they name and one that they do not.
"""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Iterator, Mapping
from typing import NamedTuple

__all__ = ["Pattern", "Relation", "TooMany", "matches", "relation", "text_for"]

Pattern = tuple[str | None, ...]
_MOST_STATES = 3_000
_Places = frozenset[int]


class Relation(NamedTuple):
    """Of two patterns: whether every text that fits the first fits the second, the other way round, and whether no text
    fits both."""

    within: bool
    around: bool
    apart: bool


@functools.lru_cache(maxsize=65_536)
def relation(first: Pattern, second: Pattern) -> Relation:
    """What `first` has to do with `second`."""
    match first, second:
        case (None, str(one)), (None, str(other)):
            within, around = one.endswith(other), other.endswith(one)
            return Relation(within, around, not within and not around)
        case (str(one), None), (str(other), None):
            within, around = one.startswith(other), other.startswith(one)
            return Relation(within, around, not within and not around)
        case _:
            return _walk(first, second)


def _walk(first: Pattern, second: Pattern) -> Relation:
    within = around = apart = True
    for one, other in _ends(first, second):
        within, around, apart = (
            within and (other or not one),
            around and (one or not other),
            apart and not (one and other),
        )
        if not within and not around and not apart:
            break
    return Relation(within, around, apart)


def matches(pattern: Pattern, text: str) -> bool:
    """Whether `text` fits."""
    elements = _elements(pattern)
    places = _closed(elements, {0})
    for char in text:
        places = _step(elements, places, char)
    return len(elements) in places


class TooMany(Exception):
    """A search that would take too long."""


def text_for(wanted: Mapping[Pattern, bool]) -> str | None:
    """A short text that fits just those patterns for which `wanted` says so; None if there is none. Raises TooMany."""
    fitting = [pattern for pattern, fits in wanted.items() if fits]
    for filler in ("", "x", "xy"):
        for text in ["".join(filler if part is None else part for part in pattern) for pattern in fitting] or [filler]:
            if all(matches(pattern, text) is fits for pattern, fits in wanted.items()):
                return text
    return _search(wanted)


def _search(wanted: Mapping[Pattern, bool]) -> str | None:
    patterns = [(_elements(pattern), fits) for pattern, fits in wanted.items()]
    named = {char for elements, _ in patterns for char in elements if char is not None}
    chars = [*sorted(named), next(char for char in map(chr, range(ord("a"), 0x2FFFF)) if char not in named)]
    start = tuple(_closed(elements, {0}) for elements, _ in patterns)
    todo, seen = deque([(start, "")]), {start}
    while todo:
        state, text = todo.popleft()
        if all((len(elements) in places) is fits for (elements, fits), places in zip(patterns, state, strict=True)):
            return text
        if len(seen) > _MOST_STATES:
            raise TooMany
        for char in chars:
            after = tuple(_step(elements, here, char) for (elements, _), here in zip(patterns, state, strict=True))
            if after not in seen:
                seen.add(after)
                todo.append((after, text + char))
    return None


def _ends(first: Pattern, second: Pattern) -> Iterator[tuple[bool, bool]]:
    """For every text, in effect: whether it fits each of the two."""
    one, other = _elements(first), _elements(second)
    chars = {char for char in (*one, *other) if char is not None} | {""}  # "" stands for any other character
    start = (_closed(one, {0}), _closed(other, {0}))
    todo, seen = [start], {start}
    while todo:
        here, there = todo.pop()
        yield len(one) in here, len(other) in there
        for char in chars:
            state = (_step(one, here, char), _step(other, there, char))
            if state not in seen:
                seen.add(state)
                todo.append(state)


def _elements(pattern: Pattern) -> tuple[str | None, ...]:
    return tuple(element for part in pattern for element in ((None,) if part is None else part))


def _closed(elements: tuple[str | None, ...], places: set[int]) -> _Places:
    """With the places behind wildcards, which may stand for nothing."""
    found = set(places)
    for place in range(len(elements)):
        if place in found and elements[place] is None:
            found.add(place + 1)
    return frozenset(found)


def _step(elements: tuple[str | None, ...], places: _Places, char: str) -> _Places:
    after = {place for place in places if place < len(elements) and elements[place] is None}
    after |= {place + 1 for place in places if place < len(elements) and elements[place] == char}
    return _closed(elements, after)
