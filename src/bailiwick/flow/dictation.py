"""What the user's own words say is to be said, and whether a content says it. DESIGN §5 *Flow*, intent.

A clause dictates by a quotation after a word that introduces one (`post "We are back"`), by a colon (`note: called, no
answer`), and by "that" or "saying" where somebody is told something ("tell her that the doctor calls on Monday").
English, German, French and Spanish. A model words it in its own way, so what is compared are the telling words: half of
what was dictated must be there (of a quotation nearly all), and no sentence may speak of something else entirely.
"Summarise it for her" dictates nothing.

Heuristic: a sentence that says another thing in the user's words passes here, and it is still `undictated`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from bailiwick.flow.clauses import masked
from bailiwick.flow.words import plain_word

__all__ = ["MAX_DICTATED", "Dictation", "dictations", "says_otherwise", "sentences_not_in", "verbatim"]

MAX_DICTATED = 2_000
"""Characters after a clause's beginning that are looked at."""
_ENOUGH, _VERBATIM = 0.5, 0.8
_FOREIGN, _ADDED = 2, 3
"""Telling words that a sentence needs to speak of something else; those that may be added to a quotation."""


@dataclass(frozen=True, slots=True)
class Dictation:
    """`text` is what is to be said, to the word where it is `quoted`."""

    text: str
    quoted: bool = False


_QUOTE = re.compile(
    r"[\"“„«]([^\"“”„«»]{2,1500})[\"”“»]|(?<!\w)['‘](?=\S)([^\n]{2,1500}?\S)['’](?!\w)"  # noqa: RUF001
)
_INTRODUCES = re.compile(
    r"""(?:\b(?:saying|says?|said|stating|reading|reads?|write|reply|respond|answer|comment|post|tell\ \w+|note|message
        |text\ \w+|words?|body|content|line|caption|status
        |schreibe?|antworte|sage?|notiere|poste|text|wortlaut|nachricht|inhalt|worten
        |ecris|dis|reponds|disant|note|publie|texte|message|mots
        |escribe|di|dile|responde|diciendo|anota|publica|texto|mensaje)
      | :)\s*(?:with|mit|avec|con|just|only|back)?\s*[,:]?\s*$""",
    re.VERBOSE,
)
_THE_ONE = re.compile(
    r"\b(?:the|this|that|my|his|her|their|der|die|das|le|la|el|to)\ (?:message|note|text|post|line|status)\s*$"
)
_COLON = re.compile(r"[^\W\d]:\s+(?=\S)|(?<=[\w#]):\s+(?=\S)")
_PERSON = (
    r"(?:him|her|them|us|me|everyone|everybody|all|people|x{2,}|(?:the|our|my|his|her|their|der|dem|den|die|le|la|el)"
    r"\ \w+(?:\ \w+)?|\w+)"
)
_SUBJECT = (
    r"(?:it|we|i|he|she|they|you|the|this|these|those|all|our|my|his|her|their|there|its|everything"
    r"|nobody|no|x{2,}|a|an|\w+'(?:s|re|ll|ve))"
)
_TELLING = re.compile(
    rf"""\b(?:(?:tell|inform|notify|remind|warn|assure|email|mail|message|text|ping|page|answer
      |advise)\ (?:{_PERSON}\ ){{1,3}}?
        |let\ (?:{_PERSON}\ ){{1,3}}?know\ |(?:say|reply|respond|answer|write|comment|note|add|post|state|mention
          |document
        |record|confirm|announce)\ (?:(?:back|on|to|in|for|with)\ )?(?:{_PERSON}\ ){{0,4}}?
        |(?:comment|note|reply|answer|message|remark|post|line)\ (?:(?:on|to|in|for)\ (?:\S+\ ){{1,3}}?)?)
        (?:that\ (?={_SUBJECT}\b)|saying\ (?:that\ )?|stating\ (?:that\ )?)(?P<en>.+)
      | \b(?:schreib\w*|sag\w*|antwort\w*|informier\w*|teil\w*|notier\w*|bescheid)\b[^:]{{0,60}}?,?\ dass\ (?P<de>.+)
      | \b(?:dis|dites|ecris\w*|repond\w*|inform\w*|previens|note|ajoute)\b[^:]{{0,60}}?\ (?:que\ |qu')(?P<fr>.+)
      | \b(?:di|dile|diles|escrib\w*|respond\w*|avis\w*|inform\w*|anota|contest\w*)\b[^:]{{0,60}}?\ que\ (?P<es>.+)
      | \b(?:tell|remind|warn)\ (?:him|her|them|x{{2,}}|everyone|everybody|the\ \w+)\ (?P<bare>(?:the|we|it|he|she
        |they|you|there|our|my|his|her)\b.+)
    """,
    re.VERBOSE | re.DOTALL,
)
_COMPOSED = re.compile(
    r"""\b(?:summar\w+|overview|lists?|everything|whatever|what|which|who|whom|when|where|why|how|whether|about
        |following|below|above|attached|draft|explain\w*|describ\w*|include|asking
        |(?:the|my|our|his|her|their|all)\ (?:answers?|results?|details|status|value|contents?|links?|numbers?
          |address\w*)
        |zusammenfass\w*|uberblick|liste|alles|folgend\w*|resume|resumen|liste|lista|tout|todo|lo\ que|ce\ que)\b""",
    re.VERBOSE,
)
_GREETED = re.compile(r"[^\W\d_]+(?: [^\W\d_]+){0,2}[,.!]?(?: |\n{1,2})")
_CLOSED = re.compile(r"(?:\n{1,2}|(?<=[.!?]) )[^\W\d_]+(?: [^\W\d_]+){0,2}[,.!]?\n?\Z")
_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-ZÀ-Þ\"“(])|\n")


def dictations(text: str) -> tuple[Dictation, ...]:
    """What `text`, from the beginning of a clause to the end of its sentence, says is to be said."""
    text = text[:MAX_DICTATED]
    quotes = [
        (found.start(), found[1] or found[2])
        for found in _QUOTE.finditer(text)
        if _introduced(text[: found.start()]) and len(found.group().split()) > 1
    ]
    if quotes:
        return tuple(Dictation(quote, quoted=True) for _, quote in quotes)
    said = plain_word(masked(text.replace("ß", "s"))).replace("’", "'")  # noqa: RUF001
    found = _TELLING.search(said)
    colon = _COLON.search(text)
    start = -1
    if found is not None:
        start = next(found.start(name) for name in ("en", "de", "fr", "es", "bare") if found[name])
    if colon is not None and (start < 0 or colon.end() < start):
        start = colon.end()
    if start < 0 or len(said) != len(text):
        return ()
    told = text[start:]
    if len(_telling(told)) < 2 or _COMPOSED.search(plain_word(told)):
        return ()
    return (Dictation(told),)


def _introduced(before: str) -> bool:
    plain = plain_word(before)
    if _INTRODUCES.search(plain) is None:
        return False
    known = _THE_ONE.search(plain)
    return known is None or re.search(r"\b(?:with|mit|avec|con)\s+\S+\s+\S+\s*$", plain) is not None


def says_otherwise(dictated: Sequence[Dictation], contents: Sequence[str], own_words: str) -> bool:
    """Whether contents say something else than what was dictated; words that the user uses herself are never foreign.
    INVARIANT: without a dictation, nothing is said otherwise."""
    if not dictated or not any(contents):
        return False
    said = _telling("\n".join(contents))
    whole = "\n".join(contents)
    if not any(_says(each, said) and _agrees(each.text, whole) for each in dictated):
        return True
    own = _telling(own_words)
    if all(each.quoted for each in dictated) and len(said - own - _POLITE) >= _ADDED:
        return True
    return any(_foreign(sentence, own) for text in contents for sentence in _sentences(text))


def _says(dictation: Dictation, said: frozenset[str]) -> bool:
    told = _telling(dictation.text)
    if not told:
        return True
    return len(told & said) >= (_VERBATIM if dictation.quoted else _ENOUGH) * len(told)


_NOT = re.compile(
    r"\b(?:not|no|never|cannot|none|nobody|nothing|without|unable|unfortunately|declin\w+|cancel\w*|refus\w+|reject\w*|fail\w*"
    r"|nicht|kein\w*|nie|leider|pas|jamais|sans|nunca|sin)\b|n't\b"
)
_IDLE_NOT = re.compile(r"\b(?:not|n't) (?:hesitate|only|just)|\bno (?:problem|worries)\b")
_NUMBER = re.compile(r"(?<![\w-])[$€£]?\d[\d.,:]*\d(?![\d/-])|(?<![\w-])\d(?![\d/-])")


def _agrees(dictated: str, content: str) -> bool:
    """Whether both say yes or both say no, and every number that was dictated is there."""
    denied = [_NOT.search(_IDLE_NOT.sub(" ", plain_word(each).replace("’", "'"))) for each in (dictated, content)]  # noqa: RUF001
    if (denied[0] is None) != (denied[1] is None):
        return False
    return set(_numbers(dictated)) <= set(_numbers(content))


def _numbers(text: str) -> Iterator[str]:
    for found in _NUMBER.finditer(text):
        yield re.sub(r"\D", "", re.sub(r"[.,]00$", "", found.group()))


def _foreign(sentence: str, own: frozenset[str]) -> bool:
    words = _telling(sentence) - _POLITE
    strange = words - own
    return len(strange) >= _FOREIGN and len(strange) > 0.7 * len(words)


def sentences_not_in(text: str, own_words: Iterable[str]) -> bool:
    """Whether `text` holds a sentence that does not stand, word by word, in the user's own words. Politeness aside."""
    own = [_spaced(each) for each in own_words]
    for sentence in _sentences(text):
        words = _words(sentence)
        if not words or all(word in _POLITE for word in words):
            continue
        if not any(f" {' '.join(words)} " in each for each in own):
            return True
    return False


def verbatim(text: str, own_words: Iterable[str]) -> bool:
    """Whether `text` is one passage of the user's own words as it stands, with at most a greeting before and after it.

    INVARIANT: whoever words the text chooses no more than where the passage begins and ends. Words of hers in another
    order, politeness at length, letters in other case, signs and spaces between the words would spell out anything.
    """
    if (found := _GREETED.match(text)) is not None and _polite(found.group()):
        text = text[found.end() :]
    if (found := _CLOSED.search(text)) is not None and _polite(found.group()):
        text = text[: found.start()]
    passage = text.strip()
    if not _words(passage):
        return False
    first, rest = passage[0], re.escape(passage[1:])
    pattern = re.compile(rf"(?<!\w)[{re.escape(first.lower() + first.upper())}]{rest}(?!\w)")
    return any(pattern.search(each) or pattern.search(" ".join(each.split())) for each in own_words)


def _polite(line: str) -> bool:
    return all(word in _POLITE for word in _words(line))


def _sentences(text: str) -> Iterator[str]:
    return (each for each in _SENTENCE.split(text) if each.strip())


_WORD = re.compile(r"[^\W_]+(?:[.:@'’/-][^\W_]+)*")  # noqa: RUF001


def _words(text: str) -> list[str]:
    return [found.group().replace("’", "'") for found in _WORD.finditer(plain_word(text))]  # noqa: RUF001


@lru_cache(maxsize=8_192)
def _spaced(text: str) -> str:
    """The words of a text between spaces. The user's own are asked for with each call."""
    return f" {' '.join(_words(text))} "


@lru_cache(maxsize=512)
def _telling(text: str) -> frozenset[str]:
    """The words of a text that say something, without endings."""
    return frozenset(_root(word) for word in _words(text) if word not in _IDLE)


def _root(word: str) -> str:
    for ending in ("'ll", "'s", "ing", "ed", "es", "er", "en", "s", "e"):
        if word.endswith(ending) and len(word) > len(ending) + 2:
            return word[: -len(ending)]
    return word


_POLITE_WORDS = """
    let me know look forward hearing contact us any questions feel free hesitate further soon back again wishes
    great nice sure glad happy appreciate welcome
    hi hello hey dear thanks thank you for your the a report message mail note help patience best kind regards sincerely
    cheers please sorry welcome good morning afternoon evening day all team everyone hallo liebe lieber guten tag danke
    viele grusse mit freundlichen grussen bonjour merci cordialement hola gracias saludos buenos dias
"""
_POLITE = frozenset(form for word in _POLITE_WORDS.split() for form in (word, _root(word)))
_IDLE = frozenset(
    """
    a an the and or but so to of in on at by for from with as is are was were be been being am i i'm i'll you your we
    we're we'll our us he she they them him her his their its it it's this that these those there here do does did will
    would can could shall should may might must have has had not no yes just also now then please if when than too
    very up out
    der die das ein eine und oder zu von im in am an auf fur mit ist sind war wird ich du sie wir er es ihr ihm den dem
    des dass nicht bitte hat haben
    le la les un une et ou de du des en dans est sont il elle nous vous je tu que qui ne pas au aux
    el los las una y o del es son que no se lo por para con
    """.split()
)
