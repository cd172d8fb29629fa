"""What a ledger has taken in: its rows, each once, and the digests of the texts that its labels account for."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from bailiwick.flow.records import LedgerRow, text_digest

__all__ = ["KnownTexts", "Rows"]


@dataclass(slots=True)
class Rows:
    """Rows in the order in which they were taken in, numbered from 0."""

    all: list[LedgerRow] = field(default_factory=list, compare=False)
    _marks: set[bytes] = field(default_factory=set)

    def add(self, row: LedgerRow) -> bool:
        """Whether the row was new; then it is there now."""
        mark = hashlib.sha256(row.kind.value.encode() + b"\x00" + row.payload).digest()
        if mark in self._marks:
            return False
        self._marks.add(mark)
        self.all.append(replace(row, ord=len(self.all)))
        return True


@dataclass(slots=True)
class KnownTexts:
    """Digests of texts, and for each the event that holds it, where one does."""

    _digests: set[str] = field(default_factory=set)
    _events: dict[str, str] = field(default_factory=dict, compare=False)

    def add(self, digests: Iterable[str], event: str | None) -> None:
        """`event` holds them or tells of them; None: there is none."""
        for digest in digests:
            self._digests.add(digest)
            if event is not None:
                self._events.setdefault(digest, event)

    def __contains__(self, text: str) -> bool:
        return text_digest(text) in self._digests

    def event_of(self, text: str) -> str | None:
        """The event of exactly this text, empty where it has none; None if it is not known."""
        digest = text_digest(text)
        return self._events.get(digest, "") if digest in self._digests else None
