"""The byte that scene 6 of the demo flips."""

from __future__ import annotations

from pathlib import Path

from bailiwick.errors import UsageError

__all__ = ["flip_one_byte"]


def flip_one_byte(path: Path) -> str:
    """Change one bit in the middle of a recorded denial, in the file itself. → what was changed, in words."""
    data = bytearray(path.read_bytes())
    mark = b'"outcome":"deny"'
    at = data.find(mark)
    if at < 0:
        raise UsageError(f"{path} holds no denial", hint="run the whole demo")
    at += len(mark) - 2
    data[at] ^= 0x01
    path.write_bytes(data)
    return f"byte {at}, in a denial"
