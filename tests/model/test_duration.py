"""Durations mean the same wherever a person writes one."""

from __future__ import annotations

import pytest

from bailiwick.model.duration import duration_ms, duration_text


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("500ms", 500),
        ("30s", 30_000),
        ("15m", 900_000),
        ("1h", 3_600_000),
        ("1h30m", 5_400_000),
        ("7d", 604_800_000),
        ("1d2h3m4s5ms", 93_784_005),
        ("90s", 90_000),
        ("5m5ms", 300_005),
    ],
)
def test_a_duration_in_milliseconds(text: str, ms: int) -> None:
    assert duration_ms(text) == ms


@pytest.mark.parametrize(
    "text", ["", "0s", "5", "5 m", "m", "1m1h", "1h1h", "-5s", "1.5h", "٣s", "5min", 5, None, "1H"]
)
def test_what_is_no_duration(text: object) -> None:
    assert duration_ms(text) is None


@pytest.mark.parametrize(
    ("ms", "text"), [(0, "0s"), (28_800_000, "8h"), (5_400_000, "1h30m"), (90_061_001, "1d1h1m1s1ms"), (60_000, "1m")]
)
def test_a_duration_is_written_as_it_is_read(ms: int, text: str) -> None:
    assert duration_text(ms) == text
    assert duration_ms(text) == (ms or None)
