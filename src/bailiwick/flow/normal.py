"""The form in which texts are compared for common runs: what is left when everything that may change without changing
what a reader reads is taken away. DESIGN §5 *Flow*, evidence.

Each character is folded by itself: compatibility decomposition (NFKD), case folding, letters of other scripts that look
like Latin ones (`bailiwick.flow.confusables`), digits that stand for letters (`0 1 3 4 5 7` for `o i e a s t`), and `l`
with `i`, since `1` stands for both. Only letters and digits are kept: spacing, punctuation, combining marks, zero-width
and direction controls fall away.

INVARIANT: `normal(a + b) == normal(a) + normal(b)`, so that every character of the normal form comes from one of the
original, and a run found in one can be shown in the other (`original`).
"""

from __future__ import annotations

import unicodedata

from bailiwick.flow.confusables import CONFUSABLES

__all__ = ["normal", "original"]

_LEET = dict(zip("01345 7l".replace(" ", ""), "oieas" + "ti", strict=True))


def _rows() -> dict[str, str]:
    rows = (line.split() for line in CONFUSABLES.strip().splitlines())
    return {
        folded: latin
        for latin, alike in rows
        for char in alike
        for folded in (char, *char.casefold())
        if not folded.isascii()
    }


def _enclosed() -> dict[str, str]:
    """Letters in negative circles and squares, and regional indicators: no compatibility form reduces them."""
    ranges = (0x1F150, 0x1F170, 0x1F1E6)
    return {chr(start + at): chr(0x61 + at) for start in ranges for at in range(26)}


class _Folds(dict[int, str]):
    """What each character becomes, found out once. Bounded by the number of characters that there are."""

    def __init__(self) -> None:
        self._alike = {**_rows(), **_enclosed()}

    def __missing__(self, code: int) -> str:
        char = chr(code)
        kept: list[str] = []
        decomposed = char if char in self._alike else unicodedata.normalize("NFKD", char)
        for part in unicodedata.normalize("NFKD", decomposed.casefold()):
            latin = self._alike.get(part, part)
            if latin.isalnum():
                digit = unicodedata.digit(latin, None)
                plain = latin if digit is None else str(digit)
                kept.append(_LEET.get(plain, plain))
        folded = self[code] = "".join(kept)
        return folded


_FOLDS = _Folds()


def _ascii_tables() -> tuple[bytes, bytes]:
    folds = [_FOLDS[code] for code in range(128)]
    table = bytes(ord(fold) if fold else 0 for fold in folds) + bytes(128)
    return table, bytes(code for code in range(128) if not folds[code])


_TABLE, _DROPPED = _ascii_tables()


def normal(text: str) -> str:
    """`text` in the form in which runs are compared."""
    if text.isascii():
        return text.encode("ascii").translate(_TABLE, _DROPPED).decode("ascii")
    return text.translate(_FOLDS)


def original(text: str, at: int) -> int:
    """Where in `text` the character `at` of its normal form comes from."""
    low, high, before = 0, len(text), 0
    # INVARIANT: `before` characters of the normal form come from `text[:low]`, and no more than `at`.
    while high - low > 1:
        middle = (low + high) // 2
        more = before + len(normal(text[low:middle]))
        if more <= at:
            low, before = middle, more
        else:
            high = middle
    return low
