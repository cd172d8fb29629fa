"""Durations as people write them in TOML: `500ms`, `30s`, `15m`, `1h30m`, `7d`."""

from __future__ import annotations

import re

__all__ = ["duration_ms", "duration_text"]

_FORM = re.compile(r"(?:(\d{1,9})d)?(?:(\d{1,9})h)?(?:(\d{1,9})m(?!s))?(?:(\d{1,9})s)?(?:(\d{1,9})ms)?", re.ASCII)
_UNITS_MS = (86_400_000, 3_600_000, 60_000, 1000, 1)


def duration_ms(text: object) -> int | None:
    """Milliseconds of a duration, largest unit first, each unit once; None if it is not of that form, or zero."""
    found = _FORM.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        return None
    return sum(int(part or 0) * unit for part, unit in zip(found.groups(), _UNITS_MS, strict=True)) or None


def duration_text(ms: int) -> str:
    """The same the other way round: `8h`, `1h30m`; `0s` for nothing."""
    parts: list[str] = []
    for name, unit in zip(("d", "h", "m", "s", "ms"), _UNITS_MS, strict=True):
        number, ms = divmod(ms, unit)
        if number:
            parts.append(f"{number}{name}")
    return "".join(parts) or "0s"
