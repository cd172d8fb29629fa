"""What authenticated colleagues said, without keeping it: whole values are found in digests of their tokens.

A ledger's row holds no content, so of a colleague's own words it keeps for each line the key of every token (the first
hex digits of its SHA-256, as atoms are kept), with marks for the punctuation around it, and the keys of the numbers,
dates and times that stand in it.

INVARIANT: a value is found here only where `bailiwick.flow.word_index` would find it in the text itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from bailiwick.flow.atoms import atom_key
from bailiwick.flow.backing import Backing, BackingKind
from bailiwick.flow.clauses import clauses
from bailiwick.flow.refusals import refused_spans
from bailiwick.flow.tokens import MAX_VALUE, MAX_VALUE_WORDS, core, folded, glued, specific
from bailiwick.flow.values import forms_in, needed_forms
from bailiwick.model.tool import Role

__all__ = ["MAX_SAID", "Said", "SaidIndex", "said_keys"]

MAX_SAID = 8_192
"""Characters of one record's text that endorse."""
MAX_PLACES = 16

_KEY = 12
_LEAD, _TRAIL = "<", ">"


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """`lines` are the colleague's own words as `said_keys` gives them; the rest is as in `Endorsement`. `text` is what
    she said, for as long as this process lives: it is in no row."""

    by: str
    record: str
    lines: tuple[tuple[str, ...], ...]
    chain: frozenset[str] = frozenset()
    clauses: frozenset[str] = frozenset()
    text: str = field(default="", compare=False, repr=False)


def said_keys(own: str) -> tuple[tuple[str, ...], ...]:
    """The keys of `own` (own words, `cleaned`), a tuple for each run of tokens."""
    own = own[:MAX_SAID]
    spans = refused_spans(own, clauses(own))
    lines: list[tuple[str, ...]] = []
    at = 0
    for line in own.split("\n"):
        words, start = [], at
        for word in line.split():
            place = own.index(word, start)
            start = place + len(word)
            words.append("" if _within(place, spans) else word)
        if any(words):
            lines.append(tuple(_token(word) for word in words))
        lines.extend((_token(part),) for _, part in glued(words))
        at += len(line) + 1
    lines.extend((f"={_digest(form)}",) for form, place, _ in forms_in(own) if not _within(place, spans))
    return tuple(dict.fromkeys(lines))


@dataclass(slots=True)
class SaidIndex:
    """Where colleagues' words stand."""

    _said: list[Said] = field(default_factory=list)
    _places: dict[str, list[tuple[int, int, int]]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._said)

    def add(self, said: Said) -> None:
        number = len(self._said)
        self._said.append(said)
        for row, line in enumerate(said.lines):
            for at, token in enumerate(line):
                places = self._places.setdefault(token.strip("<>"), [])
                if len(places) < MAX_PLACES:
                    places.append((number, row, at))

    def find(self, value: str, role: Role, written: Mapping[str, int]) -> Iterator[Backing]:
        """Where the whole `value` stands: each record once. `written` are keys of atoms that the agent handed to a
        tool, each with how many records were held then: in those that came later it may be its own writing."""
        if len(value) > MAX_VALUE or not specific(value):
            return
        seen: set[int] = set()
        since = written.get(atom_key(value), len(self._said))
        for number in self._numbers(value, role):
            if number not in seen and number < since:
                seen.add(number)
                said = self._said[number]
                yield Backing(
                    by=said.by, kind=BackingKind.COLLEAGUE, record=said.record, chain=said.chain, clauses=said.clauses
                )

    def _numbers(self, value: str, role: Role) -> Iterator[int]:
        words = [_token(folded(word)) for word in value.split(" ")]
        if len(words) > MAX_VALUE_WORDS or not all(words):
            return
        at = min(range(len(words)), key=lambda each: len(self._places.get(words[each].strip("<>"), ())))
        for number, row, place in self._places.get(words[at].strip("<>"), ()):
            line = self._said[number].lines[row]
            if place >= at and _stands(line[place - at : place - at + len(words)], words):
                yield number
        if role is Role.VALUE:
            parts = needed_forms(value)
            found = [{n for form in part for n, _, _ in self._places.get(f"={_digest(form)}", ())} for part in parts]
            if found:
                yield from sorted(set.intersection(*found))


def _within(place: int, spans: tuple[tuple[int, int], ...]) -> bool:
    return any(start <= place < end for start, end in spans)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_KEY]


def _token(word: str) -> str:
    """The key of a token, with marks if punctuation stands before or after it. Empty for what names nothing."""
    chunk = folded(word)
    bare = core(chunk)
    if not bare:
        return ""
    before, after = (_LEAD if not chunk.startswith(bare) else ""), (_TRAIL if not chunk.endswith(bare) else "")
    return f"{before}{_digest(bare)}{after}"


def _stands(line: tuple[str, ...], words: list[str]) -> bool:
    """True if `line` is `words`, but for punctuation before the first and after the last. A value that has punctuation
    of its own there is not found: which one it was is not kept."""
    if len(line) != len(words) or words[0].startswith(_LEAD) or words[-1].endswith(_TRAIL):
        return False
    inner = list(line)
    inner[0] = inner[0].removeprefix(_LEAD)
    inner[-1] = inner[-1].removesuffix(_TRAIL)
    return inner == words
