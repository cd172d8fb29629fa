"""Known texts in the form in which runs are looked for, and where in them a run stands. DESIGN §5 *Flow*, evidence."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

from bailiwick.flow.normal import normal, original
from bailiwick.model.label import Label

__all__ = ["KnownText", "Piece", "Run"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A part of a content: where it stands, what it says, its label; None for the name of a field. `offset` is where
    it begins in what stands there."""

    path: str
    text: str
    label: Label | None
    offset: int = 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class KnownText:
    """A known content in normal form, and at which of its characters each piece begins."""

    content: int
    normal: str
    pieces: tuple[Piece, ...]
    starts: tuple[int, ...]

    def within(self, start: int, end: int) -> Iterator[tuple[Piece, int, int]]:
        """The pieces that say something between two offsets: (piece, from where, to where), offsets in the piece."""
        at = max(0, bisect_right(self.starts, start) - 1)
        while at < len(self.pieces) and self.starts[at] < end:
            begin = self.starts[at]
            stop = self.starts[at + 1] if at + 1 < len(self.pieces) else len(self.normal)
            first, last = max(start, begin) - begin, min(end, stop) - begin
            if self.pieces[at].label is not None and last > first:
                yield self.pieces[at], first, last
            at += 1

    def runs(self, start: int, end: int) -> Iterator[Run]:
        """What stands between two offsets, piece by piece."""
        return (_run(self, piece, first, last) for piece, first, last in self.within(start, end))


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Characters `start` to `end` of the normal form of the text that was looked up are those of `piece` in `content`
    from `of_start` to `of_end` of its normal form. `whole`: they are a value by itself."""

    start: int
    end: int
    content: int
    piece: Piece
    of_start: int
    of_end: int
    whole: bool = False

    @property
    def place(self) -> tuple[int, int]:
        """Where it stands, in characters of what is at the path of its piece."""
        text, length = self.piece.text, self.of_end - self.of_start
        first = original(text, self.of_start)
        near = text[first : first + 2 * length]
        if len(normal(near)) < length:
            near = text[first:]
        return self.piece.offset + first, self.piece.offset + first + original(near, length - 1) + 1


def _run(text: KnownText, piece: Piece, first: int, last: int) -> Run:
    return Run(start=0, end=last - first, content=text.content, piece=piece, of_start=first, of_end=last)
