"""Bytes as the text that they are: unpacked if they are compressed, decoded if they look like text. DESIGN §5 *Flow*,
evidence.

INVARIANT: unpacking stops at the number of bytes that its caller allows: a bomb fills nothing.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable, Sequence

__all__ = ["MAX_PACKED", "as_text", "unpacked"]

MAX_PACKED = 3
"""Packings within one another that are opened."""


def _inflate(bits: int) -> Callable[[bytes, int], bytes]:
    return lambda raw, most: zlib.decompressobj(bits).decompress(raw, most)


def _zip_member(raw: bytes, most: int) -> bytes:
    """The first file of a ZIP archive (APPNOTE 4.3.7), stored or deflated."""
    start = 30 + int.from_bytes(raw[26:28], "little") + int.from_bytes(raw[28:30], "little")
    return raw[start : start + most] if raw[8] == 0 else zlib.decompressobj(-15).decompress(raw[start:], most)


def _raw_deflate(raw: bytes, most: int) -> bytes:
    """Deflate without header has no mark: only what decodes to text and to its end counts."""
    stream = zlib.decompressobj(-15)
    out = stream.decompress(raw, most)
    return out if stream.eof and len(out) > 8 and as_text(out) is not None else b""


_PACKINGS: tuple[tuple[str, Callable[[bytes], bool], Callable[[bytes, int], bytes]], ...] = (
    ("gzip", lambda raw: raw[:2] == b"\x1f\x8b", _inflate(31)),
    (
        "zlib",
        lambda raw: raw[:1] == b"\x78" and len(raw) > 2 and raw[0] * 256 % 31 + raw[1] % 31 in (0, 31),
        _inflate(15),
    ),
    ("bz2", lambda raw: raw[:3] == b"BZh", lambda raw, most: bz2.BZ2Decompressor().decompress(raw, most)),
    (
        "xz",
        lambda raw: raw[:6] == b"\xfd7zXZ\x00",
        lambda raw, most: lzma.LZMADecompressor(memlimit=1 << 26).decompress(raw, most),
    ),
    ("zip", lambda raw: raw[:4] == b"PK\x03\x04" and len(raw) > 30, _zip_member),
    ("deflate", lambda raw: len(raw) > 8 and as_text(raw) is None, _raw_deflate),
)


def as_text(raw: bytes) -> str | None:
    """Bytes as text, if they look like one: UTF-8, UTF-16, or Latin-1 without control characters."""
    for encoding in _encodings(raw):
        try:
            text = raw[: len(raw) // 2 * 2].decode(encoding) if "16" in encoding else raw.decode(encoding)
        except UnicodeDecodeError:
            continue
        # Any bytes are text in cp1252; half of the letters of random ones are none of English.
        foreign = encoding == "cp1252" and sum(char > "\x7f" for char in text) * 4 > len(text)
        if _readable(text) and not foreign:
            return text
    return None


def _encodings(raw: bytes) -> Sequence[str]:
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return ("utf-16",)
    if len(raw) >= 8 and not any(raw[1:16:2]):
        return ("utf-16-le",)
    if len(raw) >= 8 and not any(raw[0:16:2]):
        return ("utf-16-be",)
    return ("utf-8-sig", "cp1252")


def _readable(text: str) -> bool:
    if not text:
        return False
    odd = sum(not (char.isprintable() or char in "\n\r\t\f\v") for char in text)
    if odd * 20 > len(text):
        return False
    return text.isascii() or sum(char.isalnum() or char.isspace() for char in text) * 3 >= len(text) * 2


def unpacked(raw: bytes, most: int) -> tuple[tuple[str, ...], bytes]:
    """(the packings that `raw` was in, outermost first; what was inside), at most `most` bytes of each."""
    steps: tuple[str, ...] = ()
    for _ in range(MAX_PACKED):
        opened = _opened(raw, most)
        if opened is None:
            break
        name, raw = opened
        steps = (*steps, name)
    return steps, raw


def _opened(raw: bytes, most: int) -> tuple[str, bytes] | None:
    for name, fits, unpack in _PACKINGS:
        if not fits(raw):
            continue
        try:
            out = unpack(raw, most)
        except (zlib.error, OSError, ValueError, EOFError, lzma.LZMAError):
            continue
        if out:
            return name, out
    return None
