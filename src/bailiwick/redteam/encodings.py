"""What an attacker does to his text so that no filter reads it. The hijacked agent decodes it, whatever it is.

Each is a total function of text. Which one a pair gets is a matter of the run's seed and the pair's names alone, so a
run can be repeated.
"""

from __future__ import annotations

import base64
import codecs
import hashlib
import html
import urllib.parse
from collections.abc import Mapping
from types import MappingProxyType

from bailiwick.redteam.world import Encoding

__all__ = ["ENCODINGS", "chosen"]

# Letters of other scripts that look like Latin ones.
_LOOKALIKES = str.maketrans("aceiopsxyABEHIKMOPTX", "асеіорѕхуАВЕНІКМОРТХ")  # noqa: RUF001 - that is the point
_WIDE = {code: code + 0xFEE0 for code in range(0x21, 0x7F)}


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _base64_twice(text: str) -> str:
    return _base64(_base64(text))


def _base32(text: str) -> str:
    return base64.b32encode(text.encode()).decode()


def _hex(text: str) -> str:
    return text.encode().hex()


def _rot13(text: str) -> str:
    return codecs.encode(text, "rot13")


def _reversed(text: str) -> str:
    return text[::-1]


def _url(text: str) -> str:
    return urllib.parse.quote(text, safe="")


def _entities(text: str) -> str:
    return "".join(f"&#{ord(char)};" for char in html.escape(text))


def _escapes(text: str) -> str:
    return "".join(f"\\u{ord(char):04x}" for char in text)


def _homoglyphs(text: str) -> str:
    return text.translate(_LOOKALIKES)


def _fullwidth(text: str) -> str:
    return text.translate(_WIDE)


def _zero_width(text: str) -> str:
    return "\u200b".join(text)


def _spaced(text: str) -> str:
    return " ".join(text)


ENCODINGS: Mapping[str, Encoding] = MappingProxyType(
    {
        "base32": _base32,
        "base64": _base64,
        "base64-twice": _base64_twice,
        "entities": _entities,
        "escapes": _escapes,
        "fullwidth": _fullwidth,
        "hex": _hex,
        "homoglyphs": _homoglyphs,
        "reversed": _reversed,
        "rot13": _rot13,
        "spaced": _spaced,
        "url": _url,
        "zero-width": _zero_width,
    }
)


def chosen(seed: int, *names: str) -> tuple[str, Encoding]:
    """The encoding, with its name, of the pair that has these names."""
    drawn = hashlib.sha256("\x00".join((str(seed), *names)).encode("utf-8", "surrogatepass")).digest()
    name = sorted(ENCODINGS)[int.from_bytes(drawn[:8]) % len(ENCODINGS)]
    return name, ENCODINGS[name]
