"""What a text says once it is decoded: every encoding that a model writes without a tool, to depth MAX_DEPTH, each with
the chain of steps that led to it (`base64 gzip`). DESIGN §5 *Flow*, evidence.

A codec is a gate, which most texts do not pass, and a decoder that yields texts. Gates look for what an encoded span
must hold (a run of base64 letters, a backslash, words that no language has); decoders are the standard library's.

INVARIANT: bounded, whatever the text: MAX_OUTPUT characters come out, of MAX_DEPTH steps each, from MAX_SPANS spans per
codec and text; decompression stops at what is left. What a limit cut off is said (`cut`), and counts as opaque.

Not decoded, because nothing tells what it is: ciphers with a key, codes agreed beforehand, steganography in wording.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bailiwick.flow import ciphers, encodings
from bailiwick.flow.packings import as_text, unpacked

__all__ = ["MAX_DEPTH", "MAX_OUTPUT", "MAX_SPANS", "MAX_TEXTS", "Decoded", "Decodings", "decodings"]

MAX_DEPTH = 3
MAX_OUTPUT = 65_536
"""Characters decoded from one text, all codecs and depths together, beside four for each of its own."""
MAX_SPANS = 64
"""Spans decoded per codec and text."""
MAX_TEXTS = 256
"""Texts that come out of one."""
MAX_TEXT = 65_536
"""Characters of a text that are looked through for encodings."""
_SHORTEST = 12
"""Letters and digits that a decoded text holds if it is worth a look."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """`text` is what a part of the original says after the steps in `chain`, outermost encoding first."""

    text: str
    chain: tuple[str, ...]

    @property
    def read(self) -> bool:
        """False if letters were only moved or exchanged, which can be done to any text."""
        return not _REARRANGE.intersection(self.chain)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decodings:
    """All that a text says, and whether a limit kept some of it back."""

    found: tuple[Decoded, ...] = ()
    cut: bool = False


Decoder = Callable[[str], Iterator[str | bytes]]


def decodings(text: str, depth: int = MAX_DEPTH) -> Decodings:
    """What `text` says after one to `depth` steps of decoding, each text once."""
    return _Work(len(text)).run(text[:MAX_TEXT], depth, cut=len(text) > MAX_TEXT)


class _Work:
    """One search, breadth first, with what is left of its limits."""

    __slots__ = ("_cut", "_found", "_left")

    def __init__(self, length: int) -> None:
        self._left = MAX_OUTPUT + 4 * min(length, MAX_TEXT)
        self._found: dict[str, tuple[str, ...]] = {}
        self._cut = False

    def run(self, text: str, depth: int, *, cut: bool) -> Decodings:
        level: list[tuple[str, tuple[str, ...]]] = [(text, ())]
        self._cut = cut
        for _ in range(depth):
            level = [each for parent in level for each in self._step(*parent)]
        found = tuple(Decoded(text=text, chain=chain) for text, chain in self._found.items())
        return Decodings(found=found, cut=self._cut)

    def _step(self, text: str, chain: tuple[str, ...]) -> Iterator[tuple[str, tuple[str, ...]]]:
        last = chain[-1] if chain else ""
        if last in _LAST:
            return
        for name, decoder in _CODECS:
            for number, said in enumerate(decoder(text)):
                if number >= MAX_SPANS:
                    self._cut = True
                    break
                yield from self._said(said, text, (*chain, name))
        if _REARRANGE.isdisjoint(chain):
            for name, said in (*(("leet", said) for said in encodings.from_leet(text)), *ciphers.rearranged(text)):
                yield from self._said(said, text, (*chain, name))

    def _said(self, said: str | bytes, text: str, chain: tuple[str, ...]) -> Iterator[tuple[str, tuple[str, ...]]]:
        """What was decoded, if it is worth a look and new."""
        if self._left <= 0 or len(self._found) >= MAX_TEXTS:
            self._cut = True
            return
        plain, steps = self._read(said)
        if _worth(plain) and plain != text and plain not in self._found:
            self._left -= len(plain)
            self._found[plain] = (*chain, *steps)
            yield plain, (*chain, *steps)

    def _read(self, said: str | bytes) -> tuple[str, tuple[str, ...]]:
        """The text of what was decoded, unpacked if it is packed; empty if it is none."""
        if isinstance(said, str):
            return said, ()
        most = max(1, self._left)
        steps, raw = unpacked(said, most)
        self._cut = self._cut or len(raw) >= most
        return as_text(raw) or "", steps


def _worth(text: str) -> bool:
    return sum(map(str.isalnum, itertools.islice(text, 4_096))) >= _SHORTEST


_CODECS: tuple[tuple[str, Decoder], ...] = (
    ("base64", encodings.from_base64),
    ("base32", encodings.from_base32),
    ("base32hex", encodings.from_base32hex),
    ("hex", encodings.from_hex),
    ("ascii85", encodings.from_ascii85),
    ("base85", encodings.from_base85),
    ("url", encodings.from_percent),
    ("html", encodings.from_entities),
    ("escapes", encodings.from_escapes),
    ("json", encodings.from_json),
    ("quoted-printable", encodings.from_quoted_printable),
    ("utf-7", encodings.from_utf7),
    ("punycode", encodings.from_punycode),
    ("uuencode", encodings.from_uuencode),
    ("binary", encodings.from_binary),
    ("octal", encodings.from_octal),
    ("decimal", encodings.from_decimal),
    ("morse", encodings.from_morse),
    ("tags", encodings.from_tags),
    ("variation-selectors", encodings.from_selectors),
)
_REARRANGE = frozenset({"leet", "rot13", "caesar", "atbash", "rot47", "reversed", "reversed-words", "reversed-order"})
"""Two of these in one chain are not tried: what is exchanged is strange to begin with."""
_LAST = frozenset({"caesar", "rot47", "reversed-order"})
"""What they yield is not decoded further: it is many texts, or the words of one."""
