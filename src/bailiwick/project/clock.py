"""The time and the ids of a running project: what the pure rooms are passed in, they have no clock of their own."""

from __future__ import annotations

import secrets
import time

from bailiwick.audit.events import new_id

__all__ = ["fresh_id", "now_us"]


def now_us() -> int:
    """Wall clock, microseconds since the epoch."""
    return time.time_ns() // 1000


def fresh_id() -> str:
    """A new time-ordered id (UUIDv7)."""
    return new_id(now_us(), secrets.token_bytes(10))
