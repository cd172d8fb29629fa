"""A log's Merkle tree as tiles of 256 hashes, and proofs out of them. C2SP tlog-tiles; RFC 9162 §2.1 for the proofs.

Tile `n` of level `l` holds the roots of the subtrees of 256**l events, from number 256·n on: level 0 are the leaves, a
hash of level 1 is the root over 256 of them. Only full subtrees have a hash in a tile, so a tile that is full never
changes. The hash of any full subtree in between is made of at most 128 hashes of one tile.

INVARIANT: a proof over n events reads O(log n) runs of hashes, each within one tile, however long the log is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from bailiwick.audit.merkle import EMPTY_ROOT, Frontier, node_hash, root_of
from bailiwick.errors import StoreError

__all__ = [
    "HEIGHT",
    "WIDTH",
    "Hashes",
    "Node",
    "Tile",
    "bundle",
    "consistency",
    "entries_of",
    "frontier_of",
    "grow",
    "inclusion",
    "tiles_of",
]

HEIGHT = 8
WIDTH = 1 << HEIGHT
MAX_ENTRY = 65_535

Hashes = Callable[[int, int, int], Sequence[bytes]]
"""Level of tiles, number of the first hash on that level, how many → the hashes. Raises StoreError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """The root over a full tile: hash number `index` of tile level `level`, which is 1 or more."""

    level: int
    index: int
    hash: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """Which hashes a tile holds: `width` of them, 256 where it is full. `level` None: the events themselves."""

    level: int | None
    index: int
    width: int

    @property
    def path(self) -> str:
        """Where the tile lies, `tile/0/x001/x234/067.p/8`."""
        digits = f"{self.index:03d}"
        digits = digits.zfill(-(-len(digits) // 3) * 3)
        groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
        name = "/".join([*(f"x{group}" for group in groups[:-1]), groups[-1]])
        partial = f".p/{self.width}" if self.width < WIDTH else ""
        return f"tile/{'entries' if self.level is None else self.level}/{name}{partial}"


def tiles_of(size: int) -> Iterator[Tile]:
    """Every tile of hashes of a log of `size` events, lowest level first."""
    level, there = 0, size
    while there:
        for index in range(-(-there // WIDTH)):
            yield Tile(level=level, index=index, width=min(WIDTH, there - index * WIDTH))
        level, there = level + 1, there >> HEIGHT


def entries_of(size: int) -> Iterator[Tile]:
    """Every bundle of events of a log of `size` events."""
    for index in range(-(-size // WIDTH)):
        yield Tile(level=None, index=index, width=min(WIDTH, size - index * WIDTH))


def bundle(entries: Sequence[bytes]) -> bytes:
    """A bundle of events: each behind its length in two bytes."""
    if any(len(entry) > MAX_ENTRY for entry in entries):
        raise ValueError(f"an entry of a bundle has at most {MAX_ENTRY} bytes")
    return b"".join(len(entry).to_bytes(2) + entry for entry in entries)


def grow(tree: Frontier, leaves: Sequence[bytes]) -> tuple[Frontier, tuple[Node, ...]]:
    """The tree after these leaf hashes, and the roots over the tiles that became full. Costs no more than the tree."""
    levels = _levels(tree)
    size, at = tree.size, 0
    nodes: list[Node] = []
    while at < len(leaves):
        chunk = leaves[at : at + WIDTH - size % WIDTH]
        at, size = at + len(chunk), size + len(chunk)
        levels[0] = levels[0].extended(chunk)
        level = 0
        while levels[level].size == WIDTH:
            full, levels[level] = levels[level].root, Frontier()
            level += 1
            nodes.append(Node(level=level, index=(size >> HEIGHT * level) - 1, hash=full))
            if level == len(levels):
                levels.append(Frontier())
            levels[level] = levels[level].extended((full,))
    return Frontier(size, tuple(peak for part in reversed(levels) for peak in part.peaks)), tuple(nodes)


def _levels(tree: Frontier) -> list[Frontier]:
    """The last, growing tile of each level. A peak belongs to the level in which its bit of the size lies."""
    levels, peaks, size = list[Frontier](), list(tree.peaks), tree.size
    while size or not levels:
        here = size % WIDTH
        cut = len(peaks) - here.bit_count()
        levels.append(Frontier(here, tuple(peaks[cut:])))
        peaks, size = peaks[:cut], size >> HEIGHT
    return levels


# --- proofs


def frontier_of(hashes: Hashes, size: int) -> Frontier:
    """The tree over the first `size` events."""
    peaks, begin = [], 0
    for height in reversed(range(size.bit_length())):
        if size >> height & 1:
            peaks.append(_subtree(hashes, height, begin >> height))
            begin += 1 << height
    return Frontier(size, tuple(peaks))


def inclusion(hashes: Hashes, index: int, size: int) -> tuple[bytes, ...]:
    """Shows that event `index` is in the tree over the first `size`. Raises IndexError if it is not among them."""
    if not 0 <= index < size:
        raise IndexError(f"no event {index} among {size}")
    begin, end = 0, size
    path: list[bytes] = []
    while end - begin > 1:
        middle = begin + _split(end - begin)
        if index < middle:
            path.append(_range(hashes, middle, end))
            end = middle
        else:
            path.append(_range(hashes, begin, middle))
            begin = middle
    return tuple(reversed(path))


def consistency(hashes: Hashes, old_size: int, size: int) -> tuple[bytes, ...]:
    """Shows that the tree over the first `old_size` events begins that over `size`. Empty for equal sizes and for an
    empty old tree, which begins every other. Raises IndexError if the old tree is the larger one."""
    if not 0 <= old_size <= size:
        raise IndexError(f"a tree of {old_size} events does not begin one of {size}")
    if old_size in {0, size}:
        return ()
    begin, end = 0, size
    path: list[bytes] = []
    while end != old_size:
        middle = begin + _split(end - begin)
        if old_size <= middle:
            path.append(_range(hashes, middle, end))
            end = middle
        else:
            path.append(_range(hashes, begin, middle))
            begin = middle
    if begin:  # else the old tree is a subtree by itself, and its root is what the verifier has
        path.append(_range(hashes, begin, end))
    return tuple(reversed(path))


def _range(hashes: Hashes, begin: int, end: int) -> bytes:
    """The root over the events from `begin` to `end`, a range in which a tree of RFC 9162 splits."""
    if begin == end:
        return EMPTY_ROOT
    roots: list[bytes] = []
    for height in reversed(range((end - begin).bit_length())):
        if (end - begin) >> height & 1:
            roots.append(_subtree(hashes, height, begin >> height))
            begin += 1 << height
    root = roots.pop()
    while roots:
        root = node_hash(roots.pop(), root)
    return root


def _subtree(hashes: Hashes, height: int, index: int) -> bytes:
    """The root of a full subtree of 2**height events."""
    level, inside = divmod(height, HEIGHT)
    count = 1 << inside
    found = hashes(level, index * count, count)
    if len(found) != count:
        raise StoreError(
            f"{count - len(found)} hashes of level {level} are missing", hint="Run `bailiwick audit verify`."
        )
    return root_of(found)


def _split(size: int) -> int:
    return 1 << ((size - 1).bit_length() - 1)
