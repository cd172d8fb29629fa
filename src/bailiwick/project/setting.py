"""One key of bailiwick.toml that has a single value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["Setting"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One key. `check` turns what TOML gave into the value, or returns a sentence on what is wrong with it."""

    key: str
    default: object
    meaning: str
    check: Callable[[object], tuple[Any, str]]
