"""Which known text a text has a run in common with. DESIGN §5 *Flow*, evidence.

Known texts are cut, in their normal form, into blocks of BLOCK characters at every STRIDE; a text is looked up at all
of its positions. So every common run of BLOCK + STRIDE - 1 characters or more has a block that is found, and each block
that is found is extended to the longest common run around it. What counts is a run of at least LONG characters of the
normal form (`bailiwick.flow.normal`), names of fields not counted: about seven words. Values of their own (numbers,
keys, accounts: SHORT characters or more with a digit among them) count as a whole.

- Blocks of the public background (`add_public`) count for nothing: a run counts only where LONG characters in one piece
  are not public.
- A block that stands in many places (a footer, a form) remembers MAX_PLACES of them, the newest. INVARIANT: the labels
  of the places that it forgets are joined and stay with the block: a label is never lost by being frequent.
- The work on one text is bounded by MAX_CHECKS extensions; beyond, a block that is found counts as a run. Careful,
  never silent.

What a run cannot show: paraphrase, translation, summaries, a few words out of a text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from bailiwick.flow.atoms import inner
from bailiwick.flow.known_text import KnownText, Piece, Run
from bailiwick.flow.normal import normal
from bailiwick.flow.part_labels import nameless
from bailiwick.model.label import Label

__all__ = [
    "BLOCK",
    "FRAGMENT_BLOCK",
    "LONG",
    "MAX_CHECKS",
    "MAX_PLACES",
    "MAX_TEXT",
    "SHORT",
    "STRIDE",
    "Background",
    "Found",
    "RunIndex",
    "background",
]

BLOCK = 16
STRIDE = 8
FRAGMENT_BLOCK = 7
"""Characters of the blocks by which short pieces are found (`bailiwick.flow.fragments`)."""
HALF = 8
LONG = 32
"""Characters of a common run that are evidence: shorter ones are what people write anyway."""
SHORT = 10
"""Characters of a value that is evidence by itself."""
MAX_VALUE = 128
MAX_PLACES = 8
"""Places remembered per block."""
MAX_TEXT = 4_194_304
"""Characters of one known content that are indexed."""
MAX_CHECKS = 1_024
"""Extensions per text that is looked up."""
_PLACE_BITS = 32
_DIGIT = re.compile(r"\d")


@dataclass(slots=True)
class Found:
    """What was found in one text: runs, and labels of what is not listed."""

    runs: list[Run] = field(default_factory=list)
    beyond: list[tuple[int, int, Label]] = field(default_factory=list)
    """(start, end, label) of runs whose places are not remembered."""


_Places = int | list[int]
Background = frozenset[str]
"""Blocks of texts that everybody may know."""


def background(texts: Iterable[str]) -> Background:
    """The blocks of public texts, for all sessions of a project."""
    return frozenset(block for text in texts for block in _every_block(normal(text[:MAX_TEXT])))


def _every_block(form: str) -> Iterator[str]:
    for size in (BLOCK, FRAGMENT_BLOCK):
        yield from (form[at : at + size] for at in range(len(form) - size + 1))


@dataclass(slots=True)
class _Known:
    """Texts, where their blocks stand (a number: that of the text, and the block's place within it), the labels of
    places that are not remembered, values and how long those are that begin alike, and the blocks of the background."""

    texts: list[KnownText] = field(default_factory=list)
    places: dict[str, _Places] = field(default_factory=dict)
    beyond: dict[str, Label] = field(default_factory=dict)
    values: dict[str, list[tuple[int, Piece]]] = field(default_factory=dict)
    lengths: dict[str, set[int]] = field(default_factory=dict)
    beyond_values: dict[str, Label] = field(default_factory=dict)
    public: set[str] = field(default_factory=set)
    background: Background = frozenset()

    def is_public(self, block: str) -> bool:
        return block in self.public or block in self.background


@dataclass(slots=True)
class RunIndex:
    """Known contents by their blocks and values."""

    _known: _Known = field(default_factory=_Known)

    def add(self, content: int, pieces: Iterable[Piece]) -> bool:
        """Index a content, its pieces in the order in which it is shown. → False if not all of it is."""
        known, forms, starts = self._known, list[str](), list[int]()
        kept: list[Piece] = []
        length, whole = 0, True
        for piece in pieces:
            form = normal(piece.text)
            if length + len(form) > MAX_TEXT:
                whole = False
                break
            kept.append(piece)
            forms.append(form)
            starts.append(length)
            length += len(form)
            if piece.label is not None:
                self._add_values(content, piece, form)
        form = "".join(forms)
        if len(form) < BLOCK:
            return whole
        number = len(known.texts) << _PLACE_BITS
        known.texts.append(KnownText(content=content, normal=form, pieces=tuple(kept), starts=tuple(starts)))
        places = known.places
        for at in range(0, len(form) - BLOCK + 1, STRIDE):
            block = form[at : at + BLOCK]
            before = places.get(block)
            if before is None:
                places[block] = number + at
            else:
                self._more(block, before, number + at)
        return whole

    def _add_values(self, content: int, piece: Piece, form: str) -> None:
        """Values that are evidence by themselves: short pieces, and what stands in longer ones."""
        if not _DIGIT.search(piece.text):
            return
        if len(form) <= MAX_VALUE:
            self._add_value(content, piece, form)
        for value, at in inner(piece.text):
            if len(value) < len(piece.text):
                within = Piece(path=piece.path, text=value, label=piece.label, offset=at)
                self._add_value(content, within, normal(value))

    def _add_value(self, content: int, piece: Piece, form: str) -> None:
        if not SHORT <= len(form) <= MAX_VALUE or not _DIGIT.search(piece.text):
            return
        known = self._known
        known.lengths.setdefault(form[:SHORT], set()).add(len(form))
        places = known.values.setdefault(form, [])
        places.append((content, piece))
        if len(places) > MAX_PLACES:
            label = places.pop(0)[1].label
            assert label is not None
            gone, before = nameless(label), known.beyond_values.get(form)
            known.beyond_values[form] = gone if before is None else before.join(gone)

    def add_public(self, text: str) -> None:
        """A text that everybody may know: what stands in it is evidence of nothing."""
        self._known.public.update(_every_block(normal(text[:MAX_TEXT])))

    def set_background(self, blocks: Background) -> None:
        self._known.background = blocks

    def text_of(self, content: int) -> KnownText | None:
        """The text that was indexed last, if it is that of `content`."""
        texts = self._known.texts
        return texts[-1] if texts and texts[-1].content == content else None

    def is_public(self, block: str) -> bool:
        return self._known.is_public(block)

    def find(self, form: str, *, values: bool = True) -> Found:
        """All that `form`, in normal form, has in common with known contents; without `values` only runs."""
        found, known = Found(), self._known
        places = known.places
        hits = [(at, block) for at in range(len(form) - BLOCK + 1) if (block := form[at : at + BLOCK]) in places]
        if hits:
            _Extension(known, form, found).run(hits)
        if values and known.values:
            self._values(form, found)
        return found

    def _values(self, form: str, found: Found) -> None:
        known = self._known
        lengths = known.lengths
        for at in range(len(form) - SHORT + 1):
            for length in lengths.get(form[at : at + SHORT], ()):
                value = form[at : at + length]
                if value not in known.values or (length >= BLOCK and known.is_public(value[:BLOCK])):
                    continue
                end = at + length
                found.runs += [
                    Run(start=at, end=end, content=content, piece=piece, of_start=0, of_end=length, whole=True)
                    for content, piece in known.values[value]
                ]
                if value in known.beyond_values:
                    found.beyond.append((at, end, known.beyond_values[value]))

    def _more(self, block: str, before: _Places, place: int) -> None:
        known = self._known
        if isinstance(before, int):
            known.places[block] = [before, place]
            return
        before.append(place)
        if len(before) > MAX_PLACES:
            gone = before.pop(0)
            at = gone & ((1 << _PLACE_BITS) - 1)
            for piece, _, _ in known.texts[gone >> _PLACE_BITS].within(at, at + BLOCK):
                assert piece.label is not None
                label, joined = nameless(piece.label), known.beyond.get(block)
                known.beyond[block] = label if joined is None else joined.join(label)


class _Extension:
    """The blocks of one text that were found, extended to runs."""

    __slots__ = ("_covered", "_form", "_found", "_known", "_left")

    def __init__(self, known: _Known, form: str, found: Found) -> None:
        self._known = known
        self._form = form
        self._found = found
        self._left = MAX_CHECKS
        self._covered: dict[tuple[int, int], int] = {}

    def run(self, hits: Sequence[tuple[int, str]]) -> None:
        known, covered = self._known, self._covered
        for at, block in hits:
            for place in _listed(known.places[block]):
                number, of_at = place >> _PLACE_BITS, place & ((1 << _PLACE_BITS) - 1)
                line = (number, of_at - at)
                if covered.get(line, -1) <= at:
                    covered[line] = self._extend(at, known.texts[number], of_at)
        if known.beyond:
            self._forgotten(hits)

    def _extend(self, at: int, of: KnownText, of_at: int) -> int:
        """→ where the run around this block ends."""
        form, text = self._form, of.normal
        after = at + BLOCK
        # A long run goes on for HALF characters at least on one side of every block in it.
        if not (
            (at >= HALF <= of_at and form[at - HALF : at] == text[of_at - HALF : of_at])
            or form[after : after + HALF] == text[of_at + BLOCK : of_at + BLOCK + HALF]
        ):
            return after
        if self._left <= 0:
            for piece, _, _ in of.within(of_at, of_at + BLOCK):
                assert piece.label is not None
                self._found.beyond.append((at, after, piece.label))
            return after
        self._left -= 1
        start = at - _same_before(form, at, text, of_at)
        end = after + _same_after(form, after, text, of_at + BLOCK)
        for first, last in self._private(start, end):
            self._report(first, last, of, of_at - at)
        return end

    def _report(self, start: int, end: int, of: KnownText, shift: int) -> None:
        """The pieces that a run lies in; the names of fields between them say nothing."""
        said = list(of.within(start + shift, end + shift))
        if sum(last - first for _, first, last in said) < LONG:
            return
        at = start
        for piece, first, last in said:
            if len(said) == 1 or last - first >= HALF:
                begin = of.starts[of.pieces.index(piece)] + first - shift if len(said) > 1 else at
                self._found.runs.append(
                    Run(
                        start=begin,
                        end=begin + last - first,
                        content=of.content,
                        piece=piece,
                        of_start=first,
                        of_end=last,
                    )
                )

    def _private(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """The pieces of a run that the public background does not account for, where they are long."""
        if end - start < LONG:
            return
        known, form = self._known, self._form
        if not known.public and not known.background:
            yield start, end
            return
        first = start
        for at in range(start, end - BLOCK + 1):
            if known.is_public(form[at : at + BLOCK]):
                if at - first >= LONG:
                    yield first, at
                first = at + BLOCK
        if end - first >= LONG:
            yield first, end

    def _forgotten(self, hits: Sequence[tuple[int, str]]) -> None:
        """Blocks of which places were forgotten count where they stand as close as in one long run."""
        beyond, known = self._known.beyond, self._known
        first = last = -1
        labels: list[Label] = []
        for at, block in hits:
            if block not in beyond or known.is_public(block):
                continue
            if last < 0 or at > last + STRIDE:
                first, labels = at, []
            last = at
            labels.append(beyond[block])
            if at - first >= STRIDE:
                self._found.beyond += [(first, at + BLOCK, label) for label in labels]
                labels = []


def _listed(places: _Places) -> Sequence[int]:
    return (places,) if isinstance(places, int) else places[::-1]


def _same_after(one: str, at: int, other: str, other_at: int) -> int:
    """How many characters are the same from here on."""
    most = min(len(one) - at, len(other) - other_at)
    same, step = 0, 32
    while same < most:
        step = min(step, most - same)
        if one[at + same : at + same + step] == other[other_at + same : other_at + same + step]:
            same += step
            step *= 2
        elif step == 1:
            break
        else:
            step //= 2
    return same


def _same_before(one: str, at: int, other: str, other_at: int) -> int:
    """How many characters are the same up to here."""
    most = min(at, other_at)
    same, step = 0, 32
    while same < most:
        step = min(step, most - same)
        if one[at - same - step : at - same] == other[other_at - same - step : other_at - same]:
            same += step
            step *= 2
        elif step == 1:
            break
        else:
            step //= 2
    return same
