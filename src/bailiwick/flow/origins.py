"""Where the values of an argument were seen before.

`Evidence` is where every way of finding that out joins: `AtomIndex` answers for exact values; a matcher of longer runs
answers the same question for content that was quoted, cut or encoded. DESIGN §5 *Flow*: evidence explains and is
precise; what holds whatever the model does is the session's label.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from bailiwick.flow.atoms import MAX_LEAF, MAX_SCAN, atom_key, atoms, decoded, inner
from bailiwick.flow.records import ContentRecord
from bailiwick.model.call import ArgFacts
from bailiwick.model.decision import Origin
from bailiwick.model.tool import Role

__all__ = ["MAX_ORIGINS", "MAX_PLACES_PER_ATOM", "MAX_SESSION_ATOMS", "AtomIndex", "Evidence"]

MAX_ORIGINS = 48
"""Origins reported per argument, the newest content first, one for each row or field of it."""
MAX_PLACES_PER_ATOM = 8
"""Places remembered per atom: the newest."""
MAX_SESSION_ATOMS = 1_000_000
"""Different atoms remembered per session; beyond, new ones are not."""
MAX_SEARCHED = 256
"""Atoms of one argument that are looked up."""

_LONG_TEXT_ROLES = frozenset({Role.CONTENT, Role.COMMAND, Role.QUERY})


class Evidence(Protocol):
    """One way of telling where an argument's values came from."""

    def origins(self, argument: ArgFacts) -> Sequence[Origin]:
        """At most MAX_ORIGINS, newest content first. The cost may depend on the argument, never on what was seen."""
        ...


@dataclass(slots=True)
class AtomIndex:
    """Exact values of everything that the session has seen, and of what the content is."""

    _contents: list[tuple[str, str, str]] = field(default_factory=list)
    _places: dict[str, tuple[tuple[int, str], ...]] = field(default_factory=dict)

    def add(self, record: ContentRecord) -> None:
        number = len(self._contents)
        self._contents.append((record.content, record.event, record.source))
        for key, path in record.atoms:
            before = self._places.get(key, ())
            if not before and len(self._places) >= MAX_SESSION_ATOMS:
                continue
            self._places[key] = ((number, path), *before[: MAX_PLACES_PER_ATOM - 1])

    def origins(self, argument: ArgFacts) -> tuple[Origin, ...]:
        if not self._places:
            return ()
        hits: dict[tuple[int, str], str] = {}
        for value in _searched(argument):
            for number, path in self._places.get(atom_key(value), ()):
                hits.setdefault((number, _record(path)), path)
        newest = sorted(hits, key=_newest_first)[:MAX_ORIGINS] if len(hits) > 1 else hits
        return tuple(self._origin(place[0], hits[place]) for place in newest)

    def _origin(self, number: int, path: str) -> Origin:
        content, event, source = self._contents[number]
        return Origin(content=content, event=event, source=source, path=path)


def _record(path: str) -> str:
    """The row that a path lies in; outside of rows the path itself. One place in a row is enough to name the row."""
    return path[: path.find("]") + 1] if path.startswith("[") else path


def _newest_first(place: tuple[int, str]) -> tuple[int, int, str]:
    return -place[0], len(place[1]), place[1]


def _searched(argument: ArgFacts) -> Iterable[str]:
    """The values of an argument, and what stands inside those that are long texts."""
    found = {value: None for value in argument.values[:MAX_SEARCHED] if len(value) <= MAX_LEAF}
    texts: Sequence[str] = ()
    if argument.text:
        texts = (argument.text,)
    elif argument.role in _LONG_TEXT_ROLES:
        texts = argument.values[:MAX_SEARCHED]
    for text in texts:
        for atom in _inside(text):
            if len(atom) <= MAX_LEAF:
                found[atom] = None
    return found


def _inside(text: str) -> Iterable[str]:
    if isinstance(decoded(text), str):
        return (atom for atom, _ in itertools.islice(inner(text[:MAX_SCAN]), MAX_SEARCHED))
    return (atom for atom, _ in atoms(text, MAX_SEARCHED).found)
