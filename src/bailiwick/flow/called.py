"""What a clause calls by name: quoted texts, identifiers, and words in capitals where they mean names. DESIGN §5
*Flow*, intent.
"""

from __future__ import annotations

import re
from functools import lru_cache

__all__ = ["names_in"]

_QUOTED = re.compile(r"[\"“„«`]([^\"“”„«»`\n]{2,})[\"”“»`]|(?<!\w)'([^'\n]{2,})'(?!\w)")
_CODE = re.compile(r"(?=.*[^\W\d_]).*(?:[@/\\_#\d]|\w\.\w).*")
_CLOCK = re.compile(
    r"(?:\d+(?:[:.,]\d+)*(?:am|pm|h|th|st|nd|rd|k|m|%|min|uhr|eur|usd)?|q[1-4]|\W*\d+\W*)", re.IGNORECASE
)
_CAPITAL = re.compile(r"(?<=[a-z,] )[A-Z][\w'’-]+")  # noqa: RUF001
_GERMAN = re.compile(r"\b(?:der|die|das|den|dem|ein|eine|einen|und|mit|für|bitte|zum|zur|mir|ich|am|im|an)\b|[äöüß]")
_CALENDAR = frozenset(
    """
    monday tuesday wednesday thursday friday saturday sunday january february march april may june july august september
    october november december i i'm i'd i'll english german french spanish eur usd gbp pdf am pm utc
    """.split()
)


@lru_cache(maxsize=1024)
def names_in(text: str) -> tuple[str, ...]:
    """What a clause calls by name: quoted, identifiers, and capitals where they mean names."""
    quoted = [one or two for one, two in _QUOTED.findall(text)]
    tokens = [token.strip(".,;:!?()[]\"'`“”„«»") for token in text.split()]
    names = [*quoted, *(token for token in tokens if _CODE.fullmatch(token) and not _CLOCK.fullmatch(token))]
    if not _GERMAN.search(text):
        names += [name.removesuffix("'s").removesuffix("’s") for name in _CAPITAL.findall(text)]  # noqa: RUF001
    return tuple(name.casefold() for name in names if name.casefold() not in _CALENDAR and re.search(r"[^\W\d_]", name))
