"""The same letters, moved or exchanged: shifts of the alphabet, Atbash, ROT47, texts and words backwards. DESIGN §5
*Flow*, evidence; `bailiwick.flow.codecs` tries them all.

Each is tried only where it may have been used, which costs a look at the words: an exchanged text holds no common ones
(`strange`), one that was turned around holds them turned around, or its letters stand in no words (`wordless`). Of the
shifts of the alphabet the few are tried whose letters are as frequent as those of a language.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterator

from bailiwick.flow.opaque import common_pairs

__all__ = ["rearranged", "strange", "wordless"]

_LOW, _UP = "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_SHIFTS = tuple(str.maketrans(_LOW + _UP, _LOW[by:] + _LOW[:by] + _UP[by:] + _UP[:by]) for by in range(1, 26))
_ATBASH = str.maketrans(_LOW + _UP, _LOW[::-1] + _UP[::-1])
_ROT47 = str.maketrans({33 + at: 33 + (at + 47) % 94 for at in range(94)})
_WORDS = re.compile(r"[^\W\d_]{2,}")
_SIGNS_IN_WORD = re.compile(r"[A-Za-z0-9][%&#$*+<=>?@^_`{|}~:;\\/][A-Za-z0-9]")
_COMMON = frozenset(
    """
    the and for that this with you are not from have was but all can your will our has been one they their which would
    there what about more when who its than them these some into only other could out also any may must should each
    is in of to it on as be at by an or if we he she no so do me my up
    der die das und ist nicht mit den von ein eine auf für dem zu im sich des als auch wird sind bei nach
    le la les des est une dans pour que qui sur avec pas plus par ce au sont et un du en
    el los las una por con para del se su lo como más al es di il che non per della sono gli
    het een van en dat niet zijn voor met de
    """.split()
)
_BACKWARDS = frozenset(word[::-1] for word in _COMMON if len(word) > 2) - _COMMON
_LONG_TOKEN = re.compile(r"[^\s/.@]{24}")
_LONE = re.compile(r"(?<!\S)[^\W_](?!\S)")
_LONE_LETTERS = 16
_VALUE = 10
_NEARBY = 2_000
_DIGIT = re.compile(r"\d")
_WEIGHTS = dict(
    zip(
        "etaoinsrhldcumfpgwybvkxjqz",
        (12, 9, 8, 8, 7, 7, 7, 6, 5, 4, 4, 3, 3, 3, 2, 2, 2, 2, 2, 2, 1, 1, 0, 0, 0, 0),
        strict=True,
    )
)
"""About how frequent letters are, in hundredths."""
_TRIED_SHIFTS = 4
_SHIFTED, _EXCHANGED, _TURNED = 0.6, 0.72, 0.84
"""Shares of common pairs of letters: of what people write it is about 0.9."""
_WINDOW = 8
"""Words in a row without a common one among them: then they may be exchanged letters."""


def strange(text: str) -> str:
    """The words that stand where no common word is near; empty if there are hardly any."""
    words = [(match.group().lower(), match.start(), match.end()) for match in _WORDS.finditer(text)]
    known = [at for at, (word, _, _) in enumerate(words) if word in _COMMON]
    out: list[str] = []
    for before, after in itertools.pairwise((-1, *known, len(words))):
        if after - before > _WINDOW:
            out.append(text[words[before + 1][1] : words[after - 1][2]])
    said = " ".join(out)
    return said if sum(map(str.isalpha, said)) >= 24 else ""


def wordless(text: str) -> bool:
    """True iff letters stand there that make up no words: a long token, or single letters."""
    return _LONG_TOKEN.search(text) is not None or len(list(itertools.islice(_LONE.finditer(text), _LONE_LETTERS))) >= (
        _LONE_LETTERS
    )


def rearranged(text: str) -> Iterator[tuple[str, str]]:
    """(which way, what `text` may have been) for each way that may have been gone."""
    words = {match.group().lower() for match in _WORDS.finditer(text)}
    odd = strange(text)
    spoken = common_pairs(odd) if odd else 1.0
    turned = spoken < _TURNED or not words.isdisjoint(_BACKWARDS)
    if spoken < _EXCHANGED:
        yield "rot13", text.translate(_SHIFTS[12])
        yield "atbash", text.translate(_ATBASH)
    if spoken < _SHIFTED:
        for by in _likely_shifts(odd):
            yield "caesar", odd.translate(_SHIFTS[by - 1])
    if len(_SIGNS_IN_WORD.findall(text)) >= _WINDOW:
        yield "rot47", text.translate(_ROT47)
    if turned:
        # Every word backwards, in its place.
        yield "reversed-words", " ".join(word[::-1] for word in text.split())
    if turned or "//:" in text or wordless(text):
        yield "reversed", text[::-1]
    elif values := " ".join(_numbers(text)):
        # With what stands around them: a few digits alone are not looked into.
        yield "reversed", (text if len(text) <= _NEARBY else values)[::-1]
    parts = text.split()
    if len(parts) > 3:
        yield "reversed-order", " ".join(reversed(parts))


def _numbers(text: str) -> Iterator[str]:
    """Words with digits that stand side by side, as in a telephone number, if they say enough to be a value."""
    for numbered, words in itertools.groupby(text.split(), lambda word: _DIGIT.search(word) is not None):
        group = " ".join(words)
        if numbered and sum(map(str.isalnum, group)) >= _VALUE:
            yield group


def _likely_shifts(text: str) -> list[int]:
    counts = Counter(char for char in text.lower() if char in _WEIGHTS)
    scores = {
        by: sum(count * _WEIGHTS[_LOW[(_LOW.index(char) + by) % 26]] for char, count in counts.items())
        for by in range(1, 26)
        if by != 13
    }
    return sorted(scores, key=lambda by: -scores[by])[:_TRIED_SHIFTS]
