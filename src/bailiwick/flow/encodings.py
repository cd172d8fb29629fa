"""Decoders: each finds the spans of a text that are written in one encoding, and yields what they say. DESIGN §5
*Flow*, evidence; `bailiwick.flow.codecs` tries them all.

Each begins with a gate that costs next to nothing where the encoding is not used: a character that it must hold, or a
pattern whose repetitions are bounded or exclude what follows them. What does not decode is passed over in silence:
whether a text holds anything unreadable is judged by itself (`bailiwick.flow.opaque`).
"""

from __future__ import annotations

import base64
import binascii
import html
import quopri
import re
from collections.abc import Iterator
from urllib.parse import unquote_to_bytes

from bailiwick.flow.packings import as_text

__all__ = [
    "from_ascii85",
    "from_base32",
    "from_base32hex",
    "from_base64",
    "from_base85",
    "from_binary",
    "from_decimal",
    "from_entities",
    "from_escapes",
    "from_hex",
    "from_json",
    "from_leet",
    "from_morse",
    "from_octal",
    "from_percent",
    "from_punycode",
    "from_quoted_printable",
    "from_selectors",
    "from_tags",
    "from_utf7",
    "from_uuencode",
]


# ── spans of another alphabet ──────────────────────────────────────────────────────────────────────────────────────

_B64 = re.compile(
    r"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{16,}={0,2}(?:[ \t]{0,4}[\r\n]{1,2}[> \t]{0,8}[A-Za-z0-9+/_-]+={0,2})*"
)
_B64_SPACED = re.compile(r"(?<![A-Za-z0-9+/_-])(?:[A-Za-z0-9+/_-]{4,512}[ \t\r\n]{1,4}){3,}[A-Za-z0-9+/_-]{2,}={0,2}")
_B32 = re.compile(r"(?<![A-Za-z0-9])[A-Za-z2-7]{20,}={0,6}(?:\s{1,4}[A-Za-z2-7]{8,}={0,6})*")
_HEX = re.compile(r"(?<![0-9A-Za-z])(?:(?:0x|\\x|%|:|-|,|\s){0,4}[0-9A-Fa-f]{2}){12,}")
_ASCII85 = re.compile(r"<~([!-uz\s]{15,})~>|((?:[!-uz]{20,}\s?)+)")
_B85 = re.compile(r"[0-9A-Za-z!#$%&()*+;<=>?@^_`{|}~-]{20,}")
_PLAIN_WORD = re.compile(r"(?:[A-Z]?[a-z]+|[A-Z]+|\d+)(?:[-/_](?:[A-Z]?[a-z]+|[A-Z]+|\d+)){0,8}")
_NOT_B64 = re.compile(r"[^A-Za-z0-9+/]")
_DIGITS_ONLY = re.compile(r"[^0-9A-Fa-f]")


def from_base64(text: str) -> Iterator[bytes]:
    for pattern in (_B64, _B64_SPACED):
        for span in pattern.finditer(text):
            parts = span.group().split()
            # Words with spaces between them look like base64 in groups.
            if len(parts) < 3 or sum(map(bool, map(_PLAIN_WORD.fullmatch, parts))) * 3 < len(parts) * 2:
                yield from _regrouped(span.group())


def _regrouped(span: str) -> Iterator[bytes]:
    packed = _NOT_B64.sub("", span.rstrip("=").replace("-", "+").replace("_", "/"))
    if packed.isdigit() or (packed.isalpha() and (packed[1:].islower() or packed.isupper())):
        return  # a number, or a long word
    # Prose may stand right before it: the four ways in which the letters can be grouped.
    for skip in range(4):
        body = packed[skip:]
        body = body[: len(body) - (len(body) % 4 == 1)]
        try:
            raw = base64.b64decode(body + "=" * (-len(body) % 4))
        except binascii.Error:
            continue
        if skip == 0 or as_text(raw) is not None:
            yield raw
            if as_text(raw) is not None or raw[:2] in (b"\x1f\x8b", b"PK", b"BZ"):
                return


def from_base32(text: str) -> Iterator[bytes]:
    for span in _B32.finditer(text):
        packed = "".join(span.group().split()).rstrip("=").upper()
        for body in (packed, packed.translate(_FROM_BASE32HEX)):
            body = body[: len(body) - (len(body) % 8 in (1, 3, 6))]
            try:
                yield base64.b32decode(body + "=" * (-len(body) % 8))
            except (binascii.Error, ValueError):
                continue


_FROM_BASE32HEX = str.maketrans("0123456789ABCDEFGHIJKLMNOPQRSTUV", "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")
_B32HEX = re.compile(r"[0-9A-Va-v]{24,}={0,6}")


def from_base32hex(text: str) -> Iterator[bytes]:
    for span in _B32HEX.finditer(text):
        body = span.group().rstrip("=").upper().translate(_FROM_BASE32HEX)
        if body.isalpha() and span.group().isalpha():
            continue
        body = body[: len(body) - (len(body) % 8 in (1, 3, 6))]
        try:
            yield base64.b32decode(body + "=" * (-len(body) % 8))
        except (binascii.Error, ValueError):
            continue


def from_hex(text: str) -> Iterator[bytes]:
    for span in _HEX.finditer(text):
        digits = _DIGITS_ONLY.sub("", span.group().replace("0x", "").replace("\\x", ""))
        if not digits.strip("01"):
            continue  # binary
        for skip in (0, 1):
            body = digits[skip:]
            raw = bytes.fromhex(body[: len(body) // 2 * 2])
            if skip == 0 or as_text(raw) is not None:
                yield raw
            if as_text(raw) is not None:
                break


def from_ascii85(text: str) -> Iterator[bytes]:
    for span in _ASCII85.finditer(text):
        body = span.group(1) or span.group(2)
        try:
            yield base64.a85decode(body)
        except ValueError:
            continue


def from_base85(text: str) -> Iterator[bytes]:
    for span in _B85.finditer(text):
        try:
            yield base64.b85decode(span.group())
        except ValueError:
            continue


# ── escapes within a text ──────────────────────────────────────────────────────────────────────────────────────────

_PERCENT = re.compile(r"%[0-9A-Fa-f]{2}")
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z]{2,31}\d{0,2});?")
_ESCAPES = re.compile(
    r"\\u\{([0-9A-Fa-f]{1,6})\}|(?:\\u|%u|\\U0000)([0-9A-Fa-f]{4})|\\x([0-9A-Fa-f]{2})|\\([0-3][0-7]{2})"
    r"|[Uu]\+([0-9A-Fa-f]{4,6})[ ,;]?"
)
_JSON_ESCAPE = re.compile(r"\\([nrtbf/\"'\\])")
_JSON_SAYS = {"n": "\n", "r": "\r", "t": "\t", "b": " ", "f": " "}
_QUOTED = re.compile(r"=(?:[0-9A-F]{2}|\r?\n)")
_UTF7 = re.compile(r"\+[A-Za-z0-9+/]{3,}-?")
_PUNY = re.compile(r"xn--[A-Za-z0-9-]{2,59}", re.IGNORECASE)
_UU_LINE = re.compile(r"^[!-`][ -`]{4,84}$", re.MULTILINE)


def from_percent(text: str) -> Iterator[str]:
    if _PERCENT.search(text):
        yield unquote_to_bytes(text.replace("+", " ")).decode("utf-8", "replace")


def from_entities(text: str) -> Iterator[str]:
    if "&" in text and _ENTITY.search(text):
        yield html.unescape(text)


def from_escapes(text: str) -> Iterator[str]:
    if ("\\" in text or "+" in text or "%u" in text) and _ESCAPES.search(text):
        yield _ESCAPES.sub(_escaped, text)


def _escaped(match: re.Match[str]) -> str:
    if match.group(4) is not None:
        return chr(int(match.group(4), 8))
    code = int(next(group for group in match.groups() if group is not None), 16)
    return chr(code) if code < 0x110000 and not 0xD800 <= code < 0xE000 else " "


def from_json(text: str) -> Iterator[str]:
    if "\\" in text and _JSON_ESCAPE.search(text):
        yield _JSON_ESCAPE.sub(lambda match: _JSON_SAYS.get(match.group(1), match.group(1)), text)


def from_quoted_printable(text: str) -> Iterator[bytes]:
    if "=" in text and _QUOTED.search(text):
        yield quopri.decodestring(text.encode("utf-8", "replace"))


def from_utf7(text: str) -> Iterator[str]:
    if "+" in text and _UTF7.search(text):
        yield _UTF7.sub(_utf7_span, text)


def _utf7_span(match: re.Match[str]) -> str:
    try:
        return match.group().encode("ascii").decode("utf-7")
    except UnicodeError:
        return match.group()


def from_punycode(text: str) -> Iterator[str]:
    if "xn--" in text.lower():
        yield _PUNY.sub(_puny_label, text)


def _puny_label(match: re.Match[str]) -> str:
    try:
        return match.group()[4:].encode("ascii").decode("punycode")
    except (UnicodeError, OverflowError):
        return match.group()


def from_uuencode(text: str) -> Iterator[bytes]:
    lines = _UU_LINE.findall(text)
    out: list[bytes] = []
    for line in lines:
        try:
            out.append(binascii.a2b_uu(line))
        except binascii.Error:
            continue
    if sum(map(len, out)) >= 12:
        yield b"".join(out)


# ── one number, word or sign per character ─────────────────────────────────────────────────────────────────────────

_BINARY = re.compile(r"(?:[01]{7,8}[\s,;|_-]{0,4}){8,}")
_OCTAL_DIGITS = r"[\\0o]{0,2}[0-3]?[0-7]{2}"
_OCTAL_NUMBER = rf"(?>{_OCTAL_DIGITS}[\s,;]{{1,4}})"
# INVARIANT: atomic and possessive. One number can be read in two ways, hence a row of them in exponentially many.
_OCTAL = re.compile(rf"{_OCTAL_NUMBER}{{12,}}+(?:{_OCTAL_DIGITS})?|{_OCTAL_NUMBER}{{11}}+{_OCTAL_DIGITS}")
_DECIMAL = re.compile(r"(?:\d{2,6}[\s,;|.-]{1,4}){11,}\d{2,6}")
_MORSE = re.compile(r"(?:[.\-·•–—−_]{1,6}[ /|\n]{1,4}){8,}[.\-·•–—−_]{1,6}")  # noqa: RUF001 - dashes are meant
_TAGS = re.compile(r"[\U000E0020-\U000E007E]{8,}")
_SELECTORS = re.compile(r"[\uFE00-\uFE0F\U000E0100-\U000E01EF]{8,}")


def from_binary(text: str) -> Iterator[bytes]:
    for span in _BINARY.finditer(text):
        groups = re.findall(r"[01]+", span.group())
        if len(groups) == 1:
            groups = re.findall(r"[01]{8}", groups[0])
        yield bytes(int(group, 2) & 0xFF for group in groups)


def from_octal(text: str) -> Iterator[bytes]:
    for span in _OCTAL.finditer(text):
        yield bytes(int(group, 8) & 0xFF for group in re.findall(r"[0-7]{2,3}", span.group()))


def from_decimal(text: str) -> Iterator[str]:
    for span in _DECIMAL.finditer(text):
        codes = [int(group) for group in re.findall(r"\d+", span.group())]
        if all(code in (9, 10, 13) or 32 <= code < 0xD800 for code in codes):
            yield "".join(map(chr, codes))


def from_morse(text: str) -> Iterator[str]:
    for span in _MORSE.finditer(text):
        signs = re.sub(r"[·•]", ".", re.sub(r"[–—−_]", "-", span.group()))  # noqa: RUF001
        yield "".join(_MORSE_SIGNS.get(sign, " ") for sign in re.split(r"[ /|\n]+", signs))


_MORSE_SIGNS = dict(
    zip(
        ".- -... -.-. -.. . ..-. --. .... .. .--- -.- .-.. -- -. --- .--. --.- .-. ... - ..- ...- .-- -..- -.-- --.. "
        "----- .---- ..--- ...-- ....- ..... -.... --... ---.. ----.".split(),
        "abcdefghijklmnopqrstuvwxyz0123456789",
        strict=True,
    )
)


def from_tags(text: str) -> Iterator[str]:
    """Tag characters, which nobody sees and a model reads."""
    if not text.isascii() and _TAGS.search(text):
        yield "".join(chr(ord(char) - 0xE0000) for span in _TAGS.findall(text) for char in span)


def from_selectors(text: str) -> Iterator[bytes]:
    """Bytes as variation selectors, which nobody sees either."""
    if not text.isascii():
        for span in _SELECTORS.finditer(text):
            codes = map(ord, span.group())
            yield bytes(code - 0xFE00 if code < 0xE0000 else code - 0xE0100 + 16 for code in codes)


def from_leet(text: str) -> Iterator[str]:
    """Signs that stand for letters inside words; digits that do are folded in the normal form."""
    if _SIGN_IN_WORD.search(text):
        yield _SIGN_AT_WORD.sub(lambda match: _SIGNS[match.group()], text)


_SIGNS = {"@": "a", "$": "s", "!": "i", "|": "i", "+": "t", "(": "c", "€": "e", "£": "l", "¥": "y"}
_SIGN_IN_WORD = re.compile(r"(?<=[A-Za-z0-9])[@$!|+(€£¥](?=[A-Za-z])")
_SIGN_AT_WORD = re.compile(r"[@$€£¥]|(?<=\w)[!|+(](?=\w)")
