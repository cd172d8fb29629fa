"""Where the events of a slice stand in a picture: layer by layer, what came first on the left.

Sugiyama's method in its plain form: longest-path layers, places held free where an edge crosses a layer, four sweeps of
barycentres against crossings. Deterministic: ties keep the slice's order. Edges that run in a circle (no sound log has
them) are drawn, and do not count for the layers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from bailiwick.audit.slices import Slice

__all__ = ["HEIGHT", "WIDTH", "Layout", "Line", "Place", "lay_out"]

WIDTH, HEIGHT = 232, 56
"""Of an event's box."""
_ACROSS, _DOWN = 120, 20
_MARGIN = 20
_THROUGH = 14
"""Height of a place that is held free for an edge."""
_SWEEPS = 4

Pair = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The box of an event: its upper left corner."""

    x: int
    y: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """All edges from `earlier` to `later`, as points from left to right."""

    earlier: str
    later: str
    points: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    places: Mapping[str, Place]
    lines: tuple[Line, ...]
    width: int
    height: int


def lay_out(found: Slice) -> Layout:
    """The picture's geometry. The cost depends on the slice alone, which is cut to a number of events."""
    ids = [entry.id for entry in found.entries]
    pairs = list(dict.fromkeys((edge.earlier, edge.later) for edge in found.edges))
    layer = _layers(ids, pairs)
    rows, chains = _held_free(ids, pairs, layer)
    _sort(rows, chains)
    return _placed(rows, chains, set(ids))


def _layers(ids: Sequence[str], pairs: Iterable[Pair]) -> dict[str, int]:
    """Layer 0 is the leftmost. An event stands as near as can be to what follows from it."""
    later: dict[str, list[str]] = {one: [] for one in ids}
    for earlier, after in pairs:
        later[earlier].append(after)
    depth: dict[str, int] = {}
    for one in ids:
        _measure(one, later, depth)
    deepest = max(depth.values(), default=0)
    return {one: deepest - depth[one] for one in ids}


def _measure(start: str, later: Mapping[str, Sequence[str]], depth: dict[str, int]) -> None:
    """Longest way to the right of each event that `start` leads to. Without recursion: a slice may be one long row."""
    open_: set[str] = set()
    todo = [(start, False)]
    while todo:
        one, done = todo.pop()
        if done:
            known = [depth[other] for other in later[one] if other in depth]
            depth[one] = 1 + max(known, default=-1)
            open_.discard(one)
        elif one not in depth and one not in open_:
            open_.add(one)
            todo.append((one, True))
            todo += [(other, False) for other in later[one] if other not in depth and other not in open_]


Chains = dict[Pair, list[str]]


def _held_free(ids: Iterable[str], pairs: Iterable[Pair], layer: dict[str, int]) -> tuple[list[list[str]], Chains]:
    """Rows of each layer, and for each pair what it passes: its ends, and a place in every layer between them."""
    rows: list[list[str]] = [[] for _ in range(max(layer.values(), default=0) + 1)]
    for one in ids:
        rows[layer[one]].append(one)
    chains: Chains = {}
    for number, (earlier, later) in enumerate(pairs):
        between = [f"{number}/{at}" for at in range(layer[earlier] + 1, layer[later])]
        for at, place in enumerate(between, layer[earlier] + 1):
            rows[at].append(place)
            layer[place] = at
        chains[earlier, later] = [earlier, *between, later]
    return rows, chains


def _sort(rows: list[list[str]], chains: Chains) -> None:
    left: dict[str, list[str]] = {}
    right: dict[str, list[str]] = {}
    for chain in chains.values():
        for one, other in pairwise(chain):
            right.setdefault(one, []).append(other)
            left.setdefault(other, []).append(one)
    for sweep in range(_SWEEPS):
        order, beside = (rows[1:], left) if sweep % 2 else (rows[-2::-1], right)
        for row in order:
            at = {one: place / max(1, len(near)) for near in rows for place, one in enumerate(near)}
            weights = {one: _mean([at[other] for other in beside.get(one, ())], at[one]) for one in row}
            row.sort(key=weights.__getitem__)


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


def _placed(rows: Sequence[Sequence[str]], chains: Chains, ids: set[str]) -> Layout:
    heights = [sum((HEIGHT if one in ids else _THROUGH) + _DOWN for one in row) - _DOWN for row in rows]
    tallest = max(heights, default=0)
    middle: dict[str, tuple[int, int]] = {}
    places: dict[str, Place] = {}
    for at, row in enumerate(rows):
        x, y = _MARGIN + at * (WIDTH + _ACROSS), _MARGIN + (tallest - heights[at]) // 2
        for one in row:
            height = HEIGHT if one in ids else _THROUGH
            if one in ids:
                places[one] = Place(x=x, y=y)
            middle[one] = (x, y + height // 2)
            y += height + _DOWN
    return Layout(
        places=places,
        lines=tuple(
            Line(earlier=pair[0], later=pair[1], points=_points(chain, middle)) for pair, chain in chains.items()
        ),
        width=2 * _MARGIN + len(rows) * (WIDTH + _ACROSS) - _ACROSS,
        height=2 * _MARGIN + tallest,
    )


def _points(chain: Sequence[str], middle: Mapping[str, tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    (x, y), *_ = (middle[one] for one in chain)
    points = [(x + WIDTH, y)]
    for place in chain[1:-1]:
        x, y = middle[place]
        points += [(x, y), (x + WIDTH, y)]
    return (*points, middle[chain[-1]])
