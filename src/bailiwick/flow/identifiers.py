"""Identifiers in texts that say what kind of content it is: card numbers, accounts, credentials, one-time codes and
the like, each with its category. DESIGN §5 *Flow*; labels of results (`detect` in the catalog), redaction and masking.

A kind that has check digits or a fixed shape is judged by them; a kind that has none (a password, a date of birth) is
taken where words announce it. Texts are read in compatibility form without invisible characters, so that full-width
digits and zero-width spaces hide nothing; positions are those of the text as it came.

A detector raises labels and never lowers one. It knows usual spellings: what is spelt out, encoded or drawn it does not
find, and it does not know that content is material and not public: labels by record and field say so.

INVARIANT: the time that it takes grows linearly with the text, whatever that holds. Every pattern begins with a
character or word that it must hold, and every repetition in it is bounded or cannot meet its own rest.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from bailiwick.flow.identifier_kinds import KINDS, Kind

__all__ = ["DETECTED", "Found", "find"]

DETECTED = frozenset(kind.category for kind in KINDS)
"""Categories that there are patterns for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One identifier: `text[start:end]`, without the words that announce it."""

    kind: str
    category: str
    start: int
    end: int


def find(text: str, categories: Collection[str] = DETECTED) -> tuple[Found, ...]:
    """The identifiers of `categories` in `text`, in order. They may overlap: a link holds a mail address."""
    plain, places = _plain(text)
    lower = plain.lower()
    found = {
        (start, end, kind.name): kind
        for kind in KINDS
        if kind.category in categories and any(word in lower for word in kind.needs)
        for start, end in _spans(kind, plain)
    }
    return tuple(
        Found(kind=name, category=kind.category, start=places(start), end=places(end - 1) + 1)
        for (start, end, name), kind in sorted(found.items(), key=lambda item: item[0])
    )


def _spans(kind: Kind, text: str) -> Iterator[tuple[int, int]]:
    for match in kind.pattern.finditer(text):
        span = match.span("value") if "value" in kind.pattern.groupindex else match.span()
        if span[0] >= 0 and (kind.check is None or kind.check(text[span[0] : span[1]])):
            yield span


def _plain(text: str) -> tuple[str, Callable[[int], int]]:
    """`text` as it is read, and where each of its characters stood."""
    if text.isascii():
        return text, lambda at: at
    chars: list[str] = []
    places: list[int] = []
    for at, char in enumerate(text):
        if char.isascii():
            chars.append(char)
            places.append(at)
        elif unicodedata.category(char) not in ("Cf", "Mn", "Cs"):
            for each in unicodedata.normalize("NFKC", char):
                chars.append(each)
                places.append(at)
    return "".join(chars), places.__getitem__
