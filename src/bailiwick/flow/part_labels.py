"""Labels of the parts of a content, by path: what evidence finds gets the label of the field that it came from.

INVARIANT: a part of which nothing is known has the label of the whole content.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from bailiwick.model.label import Label

__all__ = ["MAX_PARTS", "PartLabels", "Parts", "nameless", "parts_by_label"]

MAX_PARTS = 4_096
"""Parts of one content whose labels are kept."""

Parts = tuple[tuple[Label, tuple[str, ...]], ...]
"""(label, the paths that have it)."""

_POSITION = re.compile(r"@\d+(?:-\d+)?$")
_BLOCK = re.compile(r"^(?:\[0\]|(\[\d+\]))\.text(?=[.\[]|$)")


def parts_by_label(parts: Iterable[tuple[str, Label]], joined: Label, whole: Label) -> Parts:
    """Labels by path, each joined with `joined`, less those that are the label of the whole. A path that comes more
    than once has the join of its labels."""
    labels: dict[str, Label] = {}
    for path, label in parts:
        before = labels.get(path)
        labels[path] = label if before is None else before.join(label)
        if len(labels) > MAX_PARTS:
            break
    known: dict[Label, list[str]] = {}
    for path, label in list(labels.items())[:MAX_PARTS]:
        known.setdefault(label, []).append(path)
    given = ((label.join(joined), tuple(paths)) for label, paths in known.items())
    return tuple((label, paths) for label, paths in given if label != whole)


def nameless(label: Label) -> Label:
    """`label` without the names of its sources, which protect nothing and would grow with history."""
    return replace(label, sources=frozenset(), author=None)


@dataclass(frozen=True, slots=True)
class PartLabels:
    """The labels of one content."""

    whole: Label
    _by_path: Mapping[str, Label] = field(default_factory=dict)

    @staticmethod
    def of(whole: Label, parts: Parts) -> PartLabels:
        return PartLabels(whole, {path: label for label, paths in parts for path in paths})

    def at(self, path: str) -> Label:
        """The label of what stands at `path`, with or without a position in it."""
        if not self._by_path:
            return self.whole
        path = _POSITION.sub("", path)
        label = self._by_path.get(path)
        if label is None:
            # Labels were given to what stands in blocks of text, atoms and texts are found in the blocks.
            label = self._by_path.get(_BLOCK.sub("", path)) or self._by_path.get(_BLOCK.sub(r"\1", path))
        return self.whole if label is None else label
