"""Names of hosts and domains: the one form that every program reads alike, and what a name looks like.

Refused, because two programs may make two names of them: full-width letters and other full stops, the characters that
IDNA 2003 and 2008 map differently (ß, ς, joiners), labels that mix scripts, letters that are not recommended for names
(UAX 31: scripts of limited use such as Lisu, which repeats the Latin alphabet; small capitals and phonetic letters),
labels in ASCII form that do not lead back to themselves. A *look-alike* is a name that a person may take for another
one: same letters after those of other scripts, digits, i and l, and pairs such as `rn` are read as what they look like.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Collection

import idna
from publicsuffixlist import PublicSuffixList

from bailiwick.action.types.url_addresses import is_address

__all__ = ["domain_problem", "looks_like", "normal_host", "site_of"]

_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_FULL_STOPS = frozenset("\u3002\uff0e\uff61")
_DEVIATIONS = frozenset("ßẞς\u200c\u200d")
_EAST_ASIAN = frozenset({"CJK", "IDEOGRAPHIC", "HIRAGANA", "KATAKANA", "HANGUL", "BOPOMOFO"})
"""Scripts that are written together, and together with Latin."""
_RECOMMENDED = _EAST_ASIAN | frozenset(
    """
    ARABIC ARMENIAN BENGALI CYRILLIC DEVANAGARI ETHIOPIC GEORGIAN GREEK GUJARATI GURMUKHI HEBREW KANNADA KHMER LAO LATIN
    MALAYALAM MYANMAR ORIYA SINHALA TAMIL TELUGU THAANA THAI TIBETAN
    """.split()
)
"""Scripts in general use today (UAX 31, table 5), by the first word of their letters' names."""
_PLAIN_LATIN = re.compile(
    "[a-z\u00df-\u024f\u1e00-\u1eff\u0253\u0254\u0256\u0257\u0259\u025b\u0263\u0268\u0269\u0272\u0289\u028b]*"
)
"""Letters that languages are written with; the others are phonetic, small capitals, or of manuscripts."""

_LOOK = str.maketrans(
    {
        # Digits, as Unicode's confusables (UTS 39) have them.
        **dict(zip("015", "ols", strict=True)),
        # Cyrillic
        **dict(zip("авсԁеһіјкӏмнорԛѕтуѵԝхгѡьпӓѐёїӧӱ", "abcdehijklmhopqstyvwxrwbnaeeioy", strict=True)),
        # Greek
        **dict(zip("αβγεηικνορτυχωϲϳ", "abyenikvoptuxwcj", strict=True)),
        # Armenian
        **dict(zip("աոսօցզհյեքլիտ", "wnuogqhjtplhm", strict=True)),
        # Latin letters that are drawn like others
        **dict(zip("ıɑɡɩʟꜱßœøłđħ", "iagilsboolda", strict=True)),
    }
)
_PAIRS = (("i", "l"), ("rn", "m"), ("vv", "w"), ("cl", "d"))
"""Read one after the other. A capital I is drawn like an l, and a domain is the same in capitals."""


def normal_host(text: str) -> str:
    """A host name in lower case ASCII (`xn--…`), empty if it is none that everybody reads alike."""
    if not text or len(text) > 253 or _FULL_STOPS & set(text):
        return ""
    plain = text.lower()
    if plain.isascii() and "xn--" not in plain:
        name = plain
    else:
        try:
            name = idna.encode(plain).decode("ascii")
            spoken = idna.decode(name)
        except (idna.IDNAError, UnicodeError):
            return ""
        if domain_problem(plain, spoken, name):
            return ""
    return name if all(_LABEL.fullmatch(label) for label in name.split(".")) else ""


def domain_problem(written: str, unicode_domain: str, ascii_domain: str) -> str:
    """Why a domain that was written like this is not read alike by everybody; completes "it has …", else empty."""
    if written.isascii() and not ascii_domain.startswith("xn--") and ".xn--" not in ascii_domain:
        return ""
    if written.lower() not in (unicode_domain.lower(), ascii_domain.lower()):
        return "a domain in unusual characters; write it in plain letters"
    if not written.isascii() and _DEVIATIONS & set(written):
        return "a domain that programs map to different names; write it in its ASCII form (xn--…)"
    if not all(map(_recommended, unicode_domain)):
        return "a domain with letters that are not in general use, and look like others"
    mixed = next((label for label in unicode_domain.split(".") if _mixes_scripts(label)), None)
    return (
        f"a domain label that mixes scripts ({mixed!a}), which is how one name is made to look like another"
        if mixed
        else ""
    )


def _recommended(char: str) -> bool:
    script = _script(char)
    return not char.isalpha() or (script in _RECOMMENDED and (script != "LATIN" or bool(_PLAIN_LATIN.fullmatch(char))))


def _script(char: str) -> str:
    return unicodedata.name(char, "UNKNOWN").replace("-", " ").split(" ", 1)[0]


def _mixes_scripts(label: str) -> bool:
    """Whether letters of scripts that are not written together stand in one label."""
    scripts = {_script(char) for char in label if char.isalpha()}
    if scripts & _EAST_ASIAN:
        scripts -= _EAST_ASIAN | {"LATIN"}
        return bool(scripts)
    return len(scripts) > 1


# ── what a name looks like ─────────────────────────────────────────────────────────────────────────────────────────


def looks_like(domain: str, own: Collection[str]) -> str:
    """The one of `own` domains that `domain` (ASCII form) is not, nor a part of, but may be taken for; else empty.

    Taken for: it or one of its parents has the same look, or the own name stands at its beginning
    (`acme.example.evil.org`)."""
    if any(domain == each or domain.endswith(f".{each}") for each in own):
        return ""
    look = _look(domain)
    for each in own:
        meant = _look(each)
        if look == meant or look.endswith(f".{meant}") or look.startswith(f"{meant}."):
            return each
    return ""


@functools.lru_cache(maxsize=4096)
def _look(domain: str) -> str:
    try:
        spoken = idna.decode(domain)
    except (idna.IDNAError, UnicodeError):
        spoken = domain
    bare = "".join(char for char in unicodedata.normalize("NFKD", spoken) if not unicodedata.combining(char))
    look = bare.translate(_LOOK)
    for pair, single in _PAIRS:
        look = look.replace(pair, single)
    return look


def site_of(host: str) -> str:
    """The registrable domain of a host by the public suffix list; the host itself where there is none (one label, a
    public suffix, an address)."""
    return host if host.startswith("[") or is_address(host) else _suffixes().privatesuffix(host) or host


@functools.cache
def _suffixes() -> PublicSuffixList:
    """The list as it comes with the package, parsed once when it is first needed."""
    return PublicSuffixList()
