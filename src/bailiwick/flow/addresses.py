"""Addresses in a text that leaves: whoever chose them chose where the reader goes next, or who hears of it. DESIGN §5
*Flow*: they count as targets, and endorsement is asked for each.

What is found: links, mail addresses, hosts that stand bare, IBANs; also written so that a person or a program still
understands them: `dot` and `at` in words or brackets, spaces around signs or between letters, full-width signs,
zero-width characters, `hxxp`, in Markdown and HTML, broken over lines, encoded by a codec (`bailiwick.flow.codecs`).

What comes out is what endorsement is asked for, in compatibility form: mail addresses and hosts in lower case, IBANs
compact; a link as its host, and where it has a query or a fragment as a whole besides, since that carries data to
whoever runs the host. Letters that look like others stay what they are: `pаypal.com` with a Cyrillic `а` is another
host than the one that the user named. A bare host counts only under a top-level domain that ends neither file names nor
sentences: `main.py`, `node.js` and `it.so` are none.

Not found: what takes knowledge ("the usual shop"), telephone numbers, pictures, addresses spelt in words throughout.
"""  # noqa: RUF002 - a Cyrillic letter is meant

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from bailiwick.flow.codecs import decodings
from bailiwick.flow.tokens import ibans_from

__all__ = ["MAX_FOUND", "addresses_in"]

MAX_FOUND = 200
MAX_TEXT = 65_536

_DOTS = dict.fromkeys(map(ord, "。．｡․"), ".")  # noqa: RUF001
_TLDS = frozenset(
    """
    com org net edu gov mil int info biz name pro io ai app dev cloud online site website tech store shop xyz top club
    news blog link click email page host zone agency finance bank money loan tax legal example test invalid onion icu
    vip win bid cyou
    ae af ag al ar au az ba bd bg bh bo br bw by bz ca cat cd cf cg ch ci ck cl cm cn co cr cu cv cx cy cz de dj dk dm
    ec ee eg er es et eu fi fj fm fo fr ga gb ge gf gg gh gi gl gm gn gp gq gr gt gu gw gy hk hn hr ht hu ie il iq ir je
    jm jp ke kg kh ki km kn kp kr kw ky kz lb lc li lk lr lt lu lv ly ma mc mg mk mn mo mp mq mr mt mu mv mw mx mz na nc
    ne nf ng ni nl np nr nu nz pa pe pf pg ph pk pn pr pt pw qa re ro ru rw sa sb sc sd se sg si sk sl sm sn sr ss su sv
    sx sy sz tc td tf tg th tj tk tl tm tn tr tt tv tw tz ua ug uk uy uz va vc ve vg vi vn vu ws ye za zm zw
    """.split()
)
_WORD_TLDS = frozenset("is in at no to as so be me it am my us do id la st py js ts md rs sh pl cc ps ms".split())
"""Top-level domains that end file names or begin sentences: they count in a link, in a mail address, and where the dot
before them stands in brackets."""

_NAME = r"[^\W_](?:[\w-]{0,61}[^\W_])?"
_ANY_DOT = (
    r"(?:\.|\s{0,2}[\[({<]\s?(?:dot|punkt|punto|point|\.)\s?[\])}>]\s{0,2}"
    r"|\s{1,2}(?:dot|punkt)\s{1,2}|\s\.\s?|[-_*]dot[-_*])"
)
_ANY_AT = r"(?:\s?@\s?|\s{0,2}[\[({<]\s?(?:at|arroba|@)\s?[\])}>]\s{0,2}|\s{1,2}at\s{1,2}|[-_*]at[-_*])"
_HOST = re.compile(
    rf"(?<![\w@.%+-])({_NAME}(?:{_ANY_DOT}{_NAME}){{1,8}})(?![\w@-])([:/?#][^\s<>\"'`|\\]{{1,2000}})?", re.IGNORECASE
)
_MAIL = re.compile(rf"(?<![\w.%+-])(\w[\w.%+-]{{0,63}})({_ANY_AT})({_NAME}(?:{_ANY_DOT}{_NAME}){{1,8}})", re.IGNORECASE)
_LINK = re.compile(
    r"(?:([a-z][a-z0-9+.-]{0,14}):)?[/\\]{2,3}([^\s<>\"'`|\\/?#]{1,512})([/\\?#][^\s<>\"'`|]{0,2000})?", re.IGNORECASE
)
_DATA = re.compile(r"\bdata:[a-z]{2,20}/[a-z0-9.+-]{1,40}", re.IGNORECASE)
_IBAN = re.compile(
    r"(?<![a-z0-9])[a-z][ .-]{0,3}[a-z][ .-]{0,3}\d[ .-]{0,3}\d(?:[ .-]{0,3}[a-z0-9]){11,30}", re.IGNORECASE
)
_DOT = re.compile(_ANY_DOT, re.IGNORECASE)
_DEFANGED = re.compile(
    r"\bh(?:xx|tt|\*\*|__)p(s?)\s?(?:\[:\]|\(:\)|:)\s?(?:\[/{1,2}\]|[/\\]){1,2}\s?|\[:\]//", re.IGNORECASE
)
_SLASH = re.compile(r"\s{1,2}(?:forward ?)?slash\s{1,2}|\s?[\[({]\s?(?:/|slash)\s?[\])}]\s?", re.IGNORECASE)
_BROKEN = re.compile(r"(?<=[./?=&%@_-])[ \t]*=?\r?\n[ \t>]*(?=[^\W_])|(?<=[^\W_])[ \t]*=?\r?\n[ \t>]*(?=[./?=&%@])")
_TAG = re.compile(
    r"</?[a-z][^<>]{0,400}>|<!--[^<>]{0,400}-->|\*{1,3}|`{1,3}|(?<![a-z0-9])_{1,3}|_{1,3}(?![a-z0-9])", re.IGNORECASE
)
_SPELT = re.compile(r"(?<![^\s])(?:[\w.@:/?=&-][ \t]{1,2}){6,}[\w.@:/?=&-](?![^\s])")
_TRAILING = ".,;:!?)]}>*_~'\""


def addresses_in(text: str) -> tuple[str, ...]:
    """The addresses in `text`, each once, as endorsement is asked for them; at most MAX_FOUND."""
    found: dict[str, None] = {}
    for form in _forms(text[:MAX_TEXT]):
        for address in _addresses(form):
            found[address] = None
            if len(found) >= MAX_FOUND:
                return tuple(found)
    return tuple(found)


def _forms(text: str) -> Iterator[str]:
    """`text` and what it decodes to, each as it is and undisguised."""
    yield from _disguises(_folded(text))
    for each in decodings(text, 2).found:
        moved = "//:" in text or "//:" in each.text or "://" in each.text or "www." in each.text
        if each.read or (moved and each.chain[-1] in ("reversed", "rot13", "atbash")):
            yield from _disguises(_folded(each.text))


def _folded(text: str) -> str:
    """Compatibility form without what cannot be seen."""
    if text.isascii():
        return text
    text = unicodedata.normalize("NFKC", text.translate(_DOTS))
    return "".join(char for char in text if unicodedata.category(char) not in ("Cf", "Cs"))


def _disguises(text: str) -> Iterator[str]:
    """A text as it is, and with what stands in the way of its addresses taken away."""
    yield text
    bare = _SLASH.sub("/", _DEFANGED.sub("https://", text))
    if "<" in bare or "*" in bare or "`" in bare or "_" in bare:
        bare = _TAG.sub("", bare)
    if bare != text:
        yield bare
    if "\n" in text:
        yield _BROKEN.sub("", bare)
    spelt = _SPELT.sub(lambda match: re.sub(r"\s", "", match.group()), text)
    if spelt != text:
        yield spelt


def _addresses(text: str) -> Iterator[str]:
    """The addresses in a text in compatibility form."""
    linked = "//" in text or "\\\\" in text
    if linked:
        for link in _LINK.finditer(text):
            yield from _of_link(link)
        text = _LINK.sub(" ", text)
    if "data:" in text.lower():
        yield from (match.group().lower() for match in _DATA.finditer(text))
    if "@" in text or "at" in text.lower() or "arroba" in text.lower():
        for mail in _MAIL.finditer(text):
            yield from _of_mail(mail)
    for host in _HOST.finditer(text):
        yield from _of_host(host)
    for span in _IBAN.finditer(text):
        groups = re.split(r"[ .-]+", span.group())
        # Check digits alone are right in one of 97 sentences that happen to begin so.
        spaced = len(groups) > 1
        found = ibans_from(_from_its_start(groups))
        yield from (iban for iban in found if not spaced or 2 * sum(map(str.isdigit, iban)) >= len(iban))


def _from_its_start(groups: list[str]) -> list[str]:
    """The groups of an IBAN, its country and check digits in one however they are spaced."""
    at, start = 0, ""
    while at < len(groups) and len(start) < 4:
        start, at = start + groups[at], at + 1
    return [start, *groups[at:]]


def _of_link(link: re.Match[str]) -> Iterator[str]:
    scheme, authority, rest = link.groups(default="")
    host = authority.rpartition("@")[2].rstrip(_TRAILING)
    name = host.partition(":")[0] if not host.startswith("[") else host
    if not scheme and "." not in name:
        return
    yield name.rstrip(".").lower()
    rest = rest.rstrip(_TRAILING)
    if "?" in rest or "#" in rest:
        yield f"{(scheme or 'https').lower()}://{host.lower()}{rest}"


def _of_mail(mail: re.Match[str]) -> Iterator[str]:
    local, at, domain = (group.lower() for group in mail.groups())
    plain_at, plain_dot = "@" in at, " " not in domain and "[" not in domain and "(" not in domain
    if at.strip() == "at" and plain_dot:
        return  # `look at example.com`: the host is found as a host
    parts = _DOT.split(domain)
    for end in range(len(parts), 1, -1):
        if parts[end - 1] in _TLDS or (plain_at and plain_dot) or (parts[end - 1] in _WORD_TLDS and not plain_dot):
            yield f"{local}@{'.'.join(parts[:end])}"
            return


def _of_host(host: re.Match[str]) -> Iterator[str]:
    said, rest = host.group(1).lower(), (host.group(2) or "").rstrip(_TRAILING)
    signs = _DOT.findall(said)
    parts = _DOT.split(said)
    bracketed = any(sign.strip()[:1] in ("[", "(", "{", "<") for sign in signs)
    for end in range(len(parts), 1, -1):
        last = parts[end - 1]
        known = last in _TLDS or (last in _WORD_TLDS and (bracketed or parts[0] == "www")) or last.startswith("xn--")
        if (known or not last.isascii()) and not parts[end - 2].isdigit() and _likely(parts[:end]):
            name = ".".join(parts[:end])
            yield name
            if end == len(parts) and ("?" in rest or "#" in rest[1:]):
                yield f"https://{name}{rest}"
            return


def _likely(parts: list[str]) -> bool:
    """Words of another script with a dot between them are mostly the end of a sentence without a space."""
    return parts[-1].isascii() or (parts[0] == "www" or any(part.isascii() for part in parts))
