"""Whole values in a person's own words: what she named, exactly as she named it. DESIGN §5 *Flow*, endorsement.

A value is endorsed by a text in which it stands as a run of whole tokens. Tokens are what lies between white space;
around a run brackets, quotes, emphasis, `#`, closing punctuation and a genitive (`Bob's`) may stand, and nothing else.
So `4711` is named by "ticket #4711." and `47` is not; `a@b.com` is not named by `xa@b.com`, `a@b.com.evil` or a link
that contains it.

What is compared with what:
- the text is `cleaned` (NFKC, invisible characters gone); the value must already be in NFKC and printable, since what
  reaches the tool is the value: a name in full-width digits or with a zero-width character in it is another name;
- mail addresses are compared in lower case, URLs with scheme and host in lower case, all else exactly. `lower`, not
  `casefold`: the latter makes `ß` and `ss` the same mailbox;
- IBANs are also found when they are written in groups or in lower case;
- tokens glued by `; | < > "` or a comma (unless between digits), and the right side of `name=value` and `name:value`,
  count as tokens of their own; in a URL none of that applies;
- commands must be the whole text, a block of lines that stands alone, a whole span in back-ticks, or one in quotes
  after a word such as "run".
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

__all__ = [
    "MAX_COMMAND",
    "MAX_VALUE",
    "MAX_VALUE_WORDS",
    "STRIPPED_AFTER",
    "STRIPPED_BEFORE",
    "core",
    "folded",
    "glued",
    "host_of",
    "iban_in",
    "ibans_from",
    "specific",
    "stands",
    "without_scheme",
]

MAX_VALUE = 512
"""Characters of a value that can be endorsed."""
MAX_VALUE_WORDS = 32
MAX_COMMAND = 16_384
"""Characters of a command that can be endorsed."""

_LEAD = frozenset("([{<\"'“‘«„‚`*_#¿¡")  # noqa: RUF001 - quotation marks are meant
_TRAIL = frozenset(")]}>\"'”’»“`*_.,;:!?")  # noqa: RUF001
STRIPPED_BEFORE, STRIPPED_AFTER = "".join(_LEAD), "".join(_TRAIL)
_GENITIVES = ("'s", "’s")  # noqa: RUF001
_STRIP_BOTH = STRIPPED_BEFORE + STRIPPED_AFTER
_TWO_CHARACTERS = re.compile(r"[^\W_](?s:.*?)[^\W_]")
_GLUE = re.compile(r"[<>;|\"“”«»]|(?<!\d),|,(?!\d)")
_RUN_ON = re.compile(r"([^\s]*[a-z0-9]\.[a-z]{2,24})\.(?=[A-Z][a-z]*[^\w.@/]*$)")
_BARE = re.compile(r"https://([^/?#@\\\s:]+\.[^/?#@\\\s:]+)((?:/[^\\\s]*)?)")
_NAMED = re.compile(r"[A-Za-z_]{1,32}[=:]([^=:&/?]+)")
_IBAN_LENGTH = 34
_IBAN_START = re.compile(r"[A-Z]{2}\d{2}[A-Z0-9]{0,30}")
_REFUSED_KINDS = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})

# What a sentence holds anyway, or what means "as much as you can reach": it names nothing.
_GENERIC = frozenset(
    """
    all any anyone anything both each every everybody everyone everything nobody none nothing some somebody something
    null nil nan undefined unknown default other others true false yes no on off ok okay enabled disabled
    first last latest newest oldest next previous recent current new old same it its itself
    a an the this that these those and or not if then than but so as at by for from in into of onto over to up with
    is are was were be been do does did done has have had can could may might must shall should will would
    i me my mine myself we us our ours you your yours he him his she her hers they them their theirs
    who what which when where why how here there now please thanks thank hi hello dear just only also
    alle alles jede jeder jedes der die das den dem ein eine und oder nicht ist sind mit von zu für bitte mir mich
    le la les un une des et ou de du tout tous toute toutes el los las una y o todo todos por para
    """.split()
)


def specific(value: str) -> bool:
    """True if `value` can name something: printable, in NFKC, not too long, at least two letters or digits, and not
    made of generic words alone ('all', '*', 'true', 'the latest' ...)."""
    if len(value) > MAX_COMMAND or not _plain(value) or not _TWO_CHARACTERS.search(value):
        return False
    return any(word.strip(_STRIP_BOTH).casefold() not in _GENERIC for word in value.split())


def folded(token: str) -> str:
    """A token as it is compared: mail addresses and the scheme and host of URLs in lower case, all else as it is."""
    scheme = token.find("://")
    if scheme >= 0:
        end = next((at for at in range(scheme + 3, len(token)) if token[at] in "/?#"), len(token))
        return token[:end].lower() + token[end:]
    return token.lower() if "@" in token else token


def iban_in(words: list[str]) -> Iterator[str]:
    """The IBANs, compact and in upper case, that runs of `words` spell (ISO 13616 check digits hold)."""
    for start in range(len(words)):
        yield from ibans_from(words[start : start + _IBAN_LENGTH])


def ibans_from(words: list[str]) -> Iterator[str]:
    """As `iban_in`, for runs that begin with the first word."""
    run = ""
    for at, word in enumerate(words):
        part = word.strip(_STRIP_BOTH).upper()
        if not (part.isascii() and part.isalnum()) or len(run) + len(part) > _IBAN_LENGTH:
            return
        if at == 0 and not _IBAN_START.fullmatch(part):
            return
        run += part
        if len(run) >= 15 and _iban_valid(run):
            yield run


def _iban_valid(compact: str) -> bool:
    return int("".join(str(int(char, 36)) for char in compact[4:] + compact[:4])) % 97 == 1


def _plain(value: str) -> bool:
    if value.isascii():
        return value.isprintable() or all(char.isprintable() or char in "\n\t" for char in value)
    return unicodedata.is_normalized("NFKC", value) and not any(
        char == "\ufffd" or (char not in "\n\t" and unicodedata.category(char) in _REFUSED_KINDS) for char in value
    )


def host_of(chunk: str) -> str:
    authority = re.split(r"[/?#\\]", chunk.partition("://")[2], maxsplit=1)[0]
    return core(authority.rpartition("@")[2].partition(":")[0]).lower()


def without_scheme(url: str) -> str:
    """A web address as people write it, `www.example.com/page`; empty for what is none, or not over https, or has a
    port or a user in it."""
    found = _BARE.fullmatch(url)
    return "" if found is None else found[1] + ("" if found[2] == "/" else found[2])


def core(chunk: str) -> str:
    bare = chunk.lstrip(STRIPPED_BEFORE).rstrip(STRIPPED_AFTER)
    return bare[:-2].rstrip(STRIPPED_AFTER) if bare.endswith(_GENITIVES) else bare


def stands(chunks: tuple[str, ...], words: list[str]) -> bool:
    """True if `chunks` are `words`, but for soft punctuation before the first and after the last."""
    if len(chunks) != len(words):
        return False
    if len(words) == 1:
        at = chunks[0].find(words[0])
        return at >= 0 and _LEAD.issuperset(chunks[0][:at]) and _closes(chunks[0][at + len(words[0]) :])
    first, last = chunks[0], chunks[-1]
    return (
        first.endswith(words[0])
        and _LEAD.issuperset(first[: len(first) - len(words[0])])
        and list(chunks[1:-1]) == words[1:-1]
        and last.startswith(words[-1])
        and _closes(last[len(words[-1]) :])
    )


def _closes(rest: str) -> bool:
    """True if what stands after a value in its last token is punctuation, or a genitive."""
    return _TRAIL.issuperset(rest[2:] if rest.startswith(_GENITIVES) else rest)


def glued(words: list[str]) -> Iterator[tuple[int, str]]:
    """(number of the word, token) for tokens within glued words, and IBANs written in groups."""
    for number, word in enumerate(words):
        if "://" in word:
            continue
        pieces = [piece for piece in _GLUE.split(word) if piece]
        if len(pieces) > 1:
            for piece in pieces:
                yield number, piece
        run_on = _RUN_ON.match(word.lstrip(STRIPPED_BEFORE))
        if run_on is not None:
            # "see www.example.com.They say": a sentence that begins without a space.
            yield number, run_on.group(1)
        for piece in pieces:
            named = _NAMED.fullmatch(piece.lstrip(STRIPPED_BEFORE))
            if named is not None:
                yield number, named.group(1)
    for start in range(len(words)):
        for iban in ibans_from(words[start : start + _IBAN_LENGTH]):
            yield start, iban
