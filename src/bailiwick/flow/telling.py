"""Which records of a result somebody's words tell from the others. DESIGN §5 *Flow*, integrity.

Two questions, both asked of a result in hand:

- which fields are the record's *own* names (`own_keys`), and not those of what it belongs to: a bill's number, not the
  matter that it is booked on. Whoever picks what is fetched could otherwise pick any other record of the same customer;
- which of several records the words mean (`told`): the one whose trusted fields hold what the clause says and no other
  record does ("the failing run", "at 9:00", "the order of 20 November"), the first or last by its date, or all of them,
  where the clause speaks of several ("all", "both", "the reviews").
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

from bailiwick.flow.tokens import core
from bailiwick.flow.values import forms_in, needed_forms
from bailiwick.flow.words import plain_word, stem
from bailiwick.model.tool import Role, ToolSpec

__all__ = ["means_all", "name_phrase", "own_keys", "speaks_of_several", "told"]

_OWN_NAMES = frozenset({"id", "name", "title"})
_PARTS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_PLACEHOLDER = re.compile(r"\{([^{}]+)\}$")
_WORDS = re.compile(r"[^\W\d_]{3,}")
_WHOLE = re.compile(r"[^\s,;()\[\]\"“”]+")
_SORTABLE = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d)?(?:\.\d+)?Z?)?|\d\d:\d\d(?::\d\d)?")
_COMMON = frozenset(
    """
    the and for with from that this then not but all any its his her our your their who which what there here one ones
    please pls can could would will you have has had was were are new old first last next latest newest oldest earliest
    recent der die das den dem des und oder mit von aus bei bitte ein eine einen einer les des une aux avec pour dans
    sur los las una con para por del true false none null yes open get put set
    """.split()
)
_SEVERAL = frozenset(
    """
    all both each every everybody everyone everything alle beide jede jeden jedes tous toutes chaque todos todas ambos
    cada
    """.split()
)
_EACH = _SEVERAL - frozenset("both beide ambos everybody everyone everything".split())
_COUNTED = re.compile(
    r"\b(?:two|three|four|[2-4]|zwei|drei|vier|deux|trois|quatre|dos|tres|cuatro)\s+(?:[^\W\d_]+\s+)?[^\W\d_]{2,}(?:s|en|er)\b",
    re.IGNORECASE,
)
_NEWEST = re.compile(
    r"\b(?:latest|newest|last|most recent|neueste[nrsm]?|letzte[nrsm]?|derni[eè]re?|[uú]ltim[oa])\b", re.IGNORECASE
)
_OLDEST = re.compile(
    r"\b(?:oldest|earliest|first|soonest|next|älteste[nrsm]?|erste[nrsm]?|nächste[nrsm]?|premi[eè]re?|primer[oa]?)\b",
    re.IGNORECASE,
)
_NUMBER_WORDS = {
    word: str(at) for at, word in enumerate("zero one two three four five six seven eight nine ten".split())
}
_CAPITAL = re.compile(r"[A-ZÀ-ÖØ-Þ][\w'’-]*")  # noqa: RUF001
_GENITIVE = re.compile(r"['’]s$")  # noqa: RUF001
_TITLES = frozenset("mr mrs ms miss dr prof sir herr frau monsieur madame mme senor senora i i'm i'd i'll".split())


# ── a record's own names ─────────────────────────────────────────────────────────────────────────────────────────────


def own_keys(tool: ToolSpec, fields: Mapping[str, Role]) -> frozenset[str]:
    """Of the fields that endorse, those that name a record of `tool` itself: the one by which the tool fetches it, one
    that is called for what the tool reads (`order_id` of `orders`), else one that is called for nothing else (`login`);
    and in any case `id`, `name` and `title`. All other selectors may be names of what many records belong to."""
    keys = [name for name, role in fields.items() if role in (Role.SELECTOR, Role.TARGET)]
    own = {name for name in keys if name in _OWN_NAMES}
    fetched = {found[1] for each in tool.resources if (found := _PLACEHOLDER.search(each))}
    by_fetching = {name for name in keys if name.rpartition(".")[2] in fetched}
    if by_fetching:
        return frozenset(own | by_fetching)
    nouns = _nouns(tool)
    named = {name for name in keys if "." not in name and len(_words_of(name)) > 1 and _words_of(name)[0] in nouns}
    # Where something goes (an account, an address) is as often that of whom it belongs to.
    plain = [name for name in keys if fields[name] is Role.SELECTOR] or keys
    bare = {name for name in plain if "." not in name and len(_words_of(name)) == 1}
    first = {keys[0]} if keys and not own else set()
    return frozenset(own | (named or bare or first))


@lru_cache(maxsize=1024)
def _words_of(name: str) -> tuple[str, ...]:
    return tuple(_single(part.lower()) for part in _PARTS.findall(name))


def _nouns(tool: ToolSpec) -> frozenset[str]:
    """What the records of a tool are called: by the last fixed part of its resource, its name, the path to them."""
    paths = [[part for part in each.split("/") if part and "{" not in part] for each in tool.resources]
    last = [parts[-1] for parts in paths if parts]
    return frozenset(word for each in (*last, tool.name, tool.output.records) for word in _words_of(each))


def _single(word: str) -> str:
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    return word[:-1] if word.endswith("s") and not word.endswith(("ss", "us", "is")) and len(word) > 3 else word


# ── which of several ─────────────────────────────────────────────────────────────────────────────────────────────────


def told(tool: ToolSpec, texts: Sequence[str], held: Sequence[Sequence[tuple[str, str]]], most: int) -> tuple[int, ...]:
    """The numbers of those records that `texts` (clauses) tell from the others; none where they tell none. `held` are
    the trusted (path, value) of each record, `most` how many may be meant."""
    said = _Said(texts)
    telling = [said.held_by(fields) for fields in held]
    everywhere = frozenset.intersection(*telling) if telling else frozenset()
    scores = [len(words - everywhere) for words in telling]
    best = max(scores, default=0)
    meant = tuple(at for at, score in enumerate(scores) if score == best)
    if len(meant) > 1 and (by_order := _by_order(texts, held, meant)) is not None:
        return by_order
    if len(meant) == 1 or (len(meant) <= most and speaks_of_several(tool, texts)):
        return meant
    return ()


class _Said:
    """The words and values of clauses."""

    __slots__ = ("_forms", "_text", "_whole", "_words")

    def __init__(self, texts: Sequence[str]) -> None:
        self._text = " ".join(texts)
        self._whole = frozenset(_GENITIVE.sub("", core(each)).casefold() for each in _WHOLE.findall(self._text))
        self._words = frozenset(
            _basic(each) for each in _WORDS.findall(self._text) if each.casefold() not in _COMMON
        ) - {""}
        self._forms = frozenset(form for text in texts for form, _, _ in forms_in(text) if form[0] in "dDt")

    def held_by(self, fields: Sequence[tuple[str, str]]) -> frozenset[str]:
        """What of it stands in the fields of a record."""
        found: set[str] = set()
        for path, value in fields:
            if value.casefold() in self._whole and any(map(str.isalnum, value)) and len(value) > 1:
                found.add(value.casefold())
            found.update(_basic(each) for each in _WORDS.findall(value) if _basic(each) in self._words)
            for part in (value, *re.split(r"[T ]", value, maxsplit=1)):
                needed = needed_forms(part)
                if len(needed) == 1:
                    found.update(form for form in needed[0] if form in self._forms)
            if value.isdigit() and self._counts(value, path):
                found.add(f"{path}={value}")
        return frozenset(found)

    def _counts(self, value: str, path: str) -> bool:
        """Whether a number stands with the name of its field: "one star" of `stars = 1`, "stage 2" of `stage = 2`."""
        spelt = "|".join([re.escape(value), *(word for word, number in _NUMBER_WORDS.items() if number == value)])
        name = re.escape(_single(path.rpartition(".")[2].lower()))
        pattern = rf"\b(?:(?:{spelt})[ -]{name}s?|{name}s?[ ]#?(?:{spelt}))\b"
        return len(name) > 2 and re.search(pattern, self._text, re.IGNORECASE) is not None


@lru_cache(maxsize=4096)
def _basic(word: str) -> str:
    """A word as it is compared: "failing", "failed" and "failure" are one, and so are a noun and its plural."""
    plain = plain_word(word)
    if plain in _COMMON:
        return ""
    for ending in ("ures", "ure"):
        if plain.endswith(ending) and stem(plain.removesuffix(ending) + "ing") == plain.removesuffix(ending):
            return plain.removesuffix(ending)
    return _single(stem(plain))


def _by_order(
    texts: Sequence[str], held: Sequence[Sequence[tuple[str, str]]], meant: Sequence[int]
) -> tuple[int, ...] | None:
    """The first or the last of the records that are meant, by the only field that orders all of them; None if the
    words name no order, nothing where nothing orders them."""
    text = " ".join(texts)
    newest, oldest = _NEWEST.search(text) is not None, _OLDEST.search(text) is not None
    if newest == oldest:
        return None
    columns: dict[str, dict[int, str]] = {}
    for at in meant:
        for path, value in held[at]:
            if _SORTABLE.fullmatch(value):
                columns.setdefault(path, {})[at] = value
    ends = {
        (max if newest else min)(column, key=lambda at: column[at])
        for column in columns.values()
        if len(column) == len(meant) == len(set(column.values()))
    }
    return tuple(ends) if len(ends) == 1 else ()


def means_all(texts: Sequence[str]) -> bool:
    """Whether clauses mean every record that they describe, however many there are."""
    return any(core(word).casefold() in _EACH for text in texts for word in text.split())


def speaks_of_several(tool: ToolSpec, texts: Sequence[str]) -> bool:
    """Whether clauses mean more than one record: "all", "both", "the reviews" of a tool that lists reviews."""
    nouns = _nouns(tool)
    for text in texts:
        words = [core(word).casefold() for word in text.split()]
        if not _SEVERAL.isdisjoint(words) or _COUNTED.search(text):
            return True
        if any(word != _single(word) and _single(word) in nouns for word in words):
            return True
        # An abbreviation in the plural: "PRs".
        if re.search(r"\b[A-Z]{2,4}s\b", text):
            return True
    return False


# ── names ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def name_phrase(query: str, texts: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """The names of which `query` is a part, as the clauses write them: "James Hale" where somebody looks for "Hale". A
    shorter query must not find more than the words mean."""
    wanted = [core(word).casefold() for word in query.split()]
    for text in texts:
        words = text.split()
        plain = [_GENITIVE.sub("", core(word)) for word in words]
        folded = [word.casefold() for word in plain]
        for at in range(len(words) - len(wanted) + 1):
            if folded[at : at + len(wanted)] == wanted:
                yield _widened(words, plain, at, at + len(wanted))


def _widened(words: Sequence[str], plain: Sequence[str], start: int, end: int) -> tuple[str, ...]:
    def part(at: int) -> bool:
        # The first word of a clause is in capitals anyway.
        return _CAPITAL.fullmatch(plain[at]) is not None and plain[at].casefold().rstrip(".") not in _TITLES

    if not all(part(at) for at in range(start, end)):
        return tuple(word.casefold() for word in plain[start:end])
    while start > 1 and part(start - 1) and words[start - 1][-1].isalnum():
        start -= 1
    while end < len(words) and part(end) and words[end - 1][-1].isalnum():
        end += 1
    return tuple(word.casefold() for word in plain[start:end])
