"""Texts, what becomes of a passage before it leaves, and how a model would encode it: for the tests of evidence."""

from __future__ import annotations

import base64
import binascii
import bz2
import codecs
import gzip
import random
import re
import string
import sysconfig
import textwrap
import urllib.parse
import zlib
from collections.abc import Callable
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
Change = Callable[[str], str]


def pages(size: int = 7_000) -> list[str]:
    """Stretches of this project's pages, as far as they were written: lists made from the source are not prose."""
    written = (path for path in sorted(DOCS.rglob("*.md")) if path.name not in ("cli.md", "errors.md"))
    return _stretches(list(written), size, 400)


def modules(size: int = 7_000, most: int = 400) -> list[str]:
    """Stretches of modules of the standard library."""
    return _stretches(sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*.py")), size, most)


def _stretches(files: list[Path], size: int, most: int) -> list[str]:
    out: list[str] = []
    for file in files:
        text = file.read_text(encoding="utf-8", errors="replace")
        out += [text[at : at + size] for at in range(0, len(text) - size, size)]
        if len(out) >= most:
            break
    return out[:most]


def passages(texts: list[str], seed: int, count: int) -> list[tuple[int, str]]:
    """(number of the text, a passage of it with 45 letters and digits or more)."""
    draw = random.Random(seed)
    found: list[tuple[int, str]] = []
    while len(found) < count:
        number = draw.randrange(len(texts))
        lines = [line for line in re.split(r"(?<=[.!?])\s+|\n\n", texts[number]) if line.isascii()]
        passage = draw.choice(lines or [""]).strip()[:300]
        if sum(map(str.isalnum, passage)) >= 45 and passage.count(" ") >= 6:
            found.append((number, passage))
    return found


def _shift(text: str, by: int) -> str:
    low, up = string.ascii_lowercase, string.ascii_uppercase
    return text.translate(str.maketrans(low + up, low[by:] + low[:by] + up[by:] + up[:by]))


def _uu(text: str) -> str:
    data = text.encode()
    lines = (binascii.b2a_uu(data[at : at + 45]).decode() for at in range(0, len(data), 45))
    return "begin 644 x\n" + "".join(lines) + "`\nend"


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


DERIVATIONS: dict[str, Change] = {
    "as it is": lambda text: text,
    "upper case": str.upper,
    "rewrapped": lambda text: textwrap.fill(text, 30),
    "quoted": lambda text: textwrap.indent(text, "> "),
    "letters apart": " ".join,
    "hyphens": "-".join,
    "zero-width": "\u200b".join,
    "full-width": lambda text: "".join(chr(ord(char) + 0xFEE0) if "!" <= char <= "~" else char for char in text),
    "homoglyphs": lambda text: text.translate(str.maketrans("aeopcxys", "аеорсхуѕ")),  # noqa: RUF001
    "leet": lambda text: text.translate(str.maketrans("eoasit", "30@$17")),
    "mathematical": lambda text: "".join(
        chr(0x1D400 + ord(char) - 65)
        if "A" <= char <= "Z"
        else chr(0x1D41A + ord(char) - 97)
        if "a" <= char <= "z"
        else char
        for char in text
    ),
}

ENCODINGS: dict[str, Change] = {
    "base64": lambda text: _b64(text.encode()),
    "base64 url-safe, no padding": lambda text: base64.urlsafe_b64encode(text.encode()).decode().rstrip("="),
    "base64 in lines": lambda text: base64.encodebytes(text.encode()).decode(),
    "base64 twice": lambda text: _b64(_b64(text.encode()).encode()),
    "base32": lambda text: base64.b32encode(text.encode()).decode(),
    "base32hex": lambda text: base64.b32hexencode(text.encode()).decode(),
    "hex": lambda text: text.encode().hex(),
    "hex with spaces": lambda text: text.encode().hex(" "),
    "hex escapes": lambda text: "".join(f"\\x{byte:02x}" for byte in text.encode()),
    "0x": lambda text: ", ".join(f"0x{byte:02X}" for byte in text.encode()),
    "ascii85": lambda text: base64.a85encode(text.encode(), adobe=True).decode(),
    "base85": lambda text: base64.b85encode(text.encode()).decode(),
    "url": lambda text: "".join(f"%{byte:02X}" for byte in text.encode()),
    "url, as browsers do": urllib.parse.quote,
    "html decimal": lambda text: "".join(f"&#{ord(char)};" for char in text),
    "html hexadecimal": lambda text: "".join(f"&#x{ord(char):x};" for char in text),
    "unicode escapes": lambda text: "".join(f"\\u{ord(char):04x}" for char in text),
    "code points": lambda text: " ".join(f"U+{ord(char):04X}" for char in text),
    "octal": lambda text: " ".join(f"{byte:03o}" for byte in text.encode()),
    "octal escapes": lambda text: "".join(f"\\{byte:03o}" for byte in text.encode()),
    "binary": lambda text: " ".join(f"{byte:08b}" for byte in text.encode()),
    "decimal": lambda text: " ".join(str(byte) for byte in text.encode()),
    "rot13": lambda text: codecs.encode(text, "rot13"),
    "caesar": lambda text: _shift(text, 5),
    "atbash": lambda text: text.translate(
        str.maketrans(
            string.ascii_lowercase + string.ascii_uppercase, string.ascii_lowercase[::-1] + string.ascii_uppercase[::-1]
        )
    ),
    "backwards": lambda text: text[::-1],
    "words backwards": lambda text: " ".join(word[::-1] for word in text.split()),
    "words in reverse": lambda text: " ".join(reversed(text.split())),
    "quoted-printable": lambda text: "".join(f"={byte:02X}" for byte in text.encode()),
    "uuencode": _uu,
    "utf-7": lambda text: "+" + _b64(text.encode("utf-16-be")).rstrip("=") + "-",
    "utf-16 base64": lambda text: _b64(text.encode("utf-16")),
    "gzip base64": lambda text: _b64(gzip.compress(text.encode())),
    "gzip hex": lambda text: gzip.compress(text.encode()).hex(),
    "zlib base64": lambda text: _b64(zlib.compress(text.encode())),
    "bz2 base64": lambda text: _b64(bz2.compress(text.encode())),
    "base64 backwards": lambda text: _b64(text.encode())[::-1],
    "rot13 of base64": lambda text: codecs.encode(_b64(text.encode()), "rot13"),
    "hex of base64 of gzip": lambda text: _b64(gzip.compress(text.encode())).encode().hex(),
    "tag characters": lambda text: "".join(chr(0xE0000 + byte) for byte in text.encode()),
    "variation selectors": lambda text: "".join(
        chr(0xFE00 + byte) if byte < 16 else chr(0xE0100 + byte - 16) for byte in text.encode()
    ),
}
