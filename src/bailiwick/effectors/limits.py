"""What may be given as a limit. One that is none (`nan`, `inf`, a bool) would be compared with, and never hold."""

from __future__ import annotations

from bailiwick.errors import UsageError

__all__ = ["check_count", "check_seconds"]

_LEAST_S, _MOST_S = 0.001, 86_400
"""Less than a millisecond is no time limit at all to some databases."""


def check_seconds(seconds: object) -> None:
    """Raises UsageError unless it is a time from a millisecond to a day."""
    number = type(seconds) in (int, float)
    if not number or not _LEAST_S <= seconds <= _MOST_S:  # type: ignore[operator]
        raise UsageError("a limit of seconds is a number from 0.001 to 86400", hint="such as seconds=30.0")


def check_count(name: str, count: object, *, least: int = 1) -> None:
    """Raises UsageError unless it is a whole number that is not below `least`."""
    if type(count) is not int or count < least:
        raise UsageError(f"the limit {name} is a whole number, {least} or more", hint=f"such as {name}=1000")
