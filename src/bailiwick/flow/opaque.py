"""Whether part of a text cannot be read: enciphered, packed, or in a code that no decoder knows. DESIGN §5 *Flow*.

Evidence proves nothing about such a text, so the session's mark has to do. Three signs, each linear in the text:
- a long token of mixed letters and digits, as base64 has them (also one that decodes: rather asked once too often);
- words of Latin letters that hang together as no European language does: too few of their pairs of letters are common
  ones. Other scripts are not judged;
- a stretch of many different signs.

Identifiers that business texts do hold are let pass: UUIDs and hexadecimal digests, MAX_IDENTIFIERS of them in a text,
MAX_IN_FIELDS where each is a whole field of JSON.

A hint, not a proof: a cipher that yields words (a code book, a shift of words) is text to it, and a short payload,
below some twenty characters, is too little to tell.
"""

from __future__ import annotations

import itertools
import re
import unicodedata

from bailiwick.flow.atoms import decoded

__all__ = ["MAX_IDENTIFIERS", "MAX_IN_FIELDS", "common_pairs", "is_opaque", "unspoken"]

MAX_IDENTIFIERS = 4
MAX_IN_FIELDS = 32
_DENSE = 24
"""Characters of a token that can be judged by itself."""
_LETTERS = 36
"""Letters of a stretch of words that can be judged."""
_COMMON_PAIRS = frozenset(
    """
    ab ac ad ag ai al am an ap ar as at au be bi bo bu ca ce ch ci ck cl co cr ct da de di do ea ec ed ee ef eg ei el em
    en er es et eu ev ex fa fi fo ge gi gr ha he hi ho ht hu ia ib ic id ie if ig il im in io ir is it ke la le li ll lo
    lu ma me mi mo mp na nc nd ne ng ni no ns nt oc od of ol om on op or os ot ou ov ow pa pe pl po pr ps pu py qu ra rd
    re rg ri rl ro rs rt ru ry sc se sh si so sp ss st su ta te th ti to tp tr ts tt tu ty ub ue ul um un ur us ut va ve
    vi wh wi wo xt yp ga go gu ho ja je jo ku ld ly my rm rn ob ok oo ph wa we za zi ze zu ay ey oy aw ew ue ks sk kt
    br bl dr fr fl gh ff mm nn rr pp cc bb gg dd lt ls lk mb nk nf sw tw
    """.split()
)
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_DIGEST = re.compile(r"(?:sha(?:1|256|384|512)[:-]|md5[:-]|0x)?(?:[0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{56}|[0-9a-f]{64})")
_PART = re.compile(r"[^\s/?&=#.:,;@<>()\[\]{}\"'`|\\]+")
_WORD = re.compile(r"[a-z]{3,}")
_SIGNS = re.compile(r"(?:[^\w\s]\w{0,3}\s?){14,200}")


def is_opaque(text: str) -> bool:
    """True iff part of `text` looks enciphered or packed rather than written."""
    if len(text) < _DENSE:
        return False
    value = decoded(text)
    most = MAX_IDENTIFIERS if isinstance(value, str) else MAX_IN_FIELDS
    text, identifiers = _UUID.subn(" ", text)
    tokens = [token for token in text.split() if len(token) >= _DENSE]
    for token in tokens:
        for part in _PART.findall(token):
            if len(part) < _DENSE:
                continue
            if _DIGEST.fullmatch(part):
                identifiers += 1
            elif _packed(part):
                return True
    return identifiers > most or unspoken(text) or _strewn(text)


def _packed(token: str) -> bool:
    """True iff a token is as mixed as encoded bytes are."""
    token = token.strip("-_*~+")
    if not token.isascii() or len(token) < _DENSE:
        return False
    kinds = ["d" if char.isdigit() else "u" if char.isupper() else "l" if char.islower() else "" for char in token]
    turns = sum(one != other and bool(one and other) for one, other in itertools.pairwise(kinds))
    # `getUserNameFromTable` turns as often as base64 does, but its pairs of letters are those of words.
    if not turns * 4 >= len(token):
        return len(token) >= 40 and _share(token.lower()) < 0.5 and token.isalnum()
    return "d" in kinds or _share(token.lower()) < 0.55


def unspoken(text: str) -> bool:
    """True iff some stretch of words holds hardly any common pair of letters."""
    if not text.isascii():
        text = "".join(char for char in unicodedata.normalize("NFKD", text) if not unicodedata.combining(char))
    stretch: list[str] = []
    length = 0
    for word in _WORD.findall(text.lower()):
        stretch.append(word)
        length += len(word)
        if length >= _LETTERS:
            pairs = [word[at : at + 2] for word in stretch for at in range(len(word) - 1)]
            if sum(pair in _COMMON_PAIRS for pair in pairs) * 20 < len(pairs) * 9:
                return True
            while length >= _LETTERS:
                length -= len(stretch.pop(0))
    return False


def common_pairs(text: str) -> float:
    """How many pairs of letters in the words of `text` are common ones, from 0 to 1."""
    found = total = 0
    for word in _WORD.findall(text.lower()):
        total += len(word) - 1
        found += sum(word[at : at + 2] in _COMMON_PAIRS for at in range(len(word) - 1))
    return found / total if total else 1.0


def _share(token: str) -> float:
    """How many of its pairs of letters are common ones."""
    pairs = [token[at : at + 2] for at in range(len(token) - 1) if token[at : at + 2].isalpha()]
    return sum(pair in _COMMON_PAIRS for pair in pairs) / len(pairs) if pairs else 0.0


def _strewn(text: str) -> bool:
    """True iff many different signs stand close together, as in bytes written out."""
    for span in _SIGNS.finditer(text):
        signs = {char for char in span.group() if not char.isalnum() and ord(char) < 0x2000}
        letters = {char for char in span.group() if char.isalnum()}
        if len(signs) >= 12 and len(signs) + len(letters) >= 14:
            return True
    return False
