"""Searching texts in contents, which the index does not hold. Whoever calls this has asked for `admin.reveal`."""

from __future__ import annotations

from dataclasses import dataclass

from bailiwick.audit.search_terms import Query
from bailiwick.audit.slices import Entry
from bailiwick.stores.log_index import Cursor, LogIndex

__all__ = ["MAX_LOOKED_AT", "Found", "search_contents"]

MAX_LOOKED_AT = 5_000
"""Events whose contents one search reads; it says where it stopped."""
_PAGE = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """`looked_at` events were read; `gone` contents of them are no longer there. `next`: go on from here; None where
    everything was looked at."""

    items: tuple[Entry, ...]
    looked_at: int
    gone: int
    next: Cursor | None


def search_contents(index: LogIndex, query: Query, *, limit: int = 50, before: Cursor | None = None) -> Found:
    """Events that `query` finds and whose contents hold all of its texts, without regard to case; the latest first.
    Raises StoreError at a content that is not the one committed to."""
    wanted = [text.casefold() for text in query.texts]
    items: list[Entry] = []
    looked_at = gone = 0
    while looked_at < MAX_LOOKED_AT:
        page = index.search(query, limit=1, before=before) if len(items) == limit else None
        if page is not None:
            return Found(items=tuple(items), looked_at=looked_at, gone=gone, next=before if page.items else None)
        part = index.search(query, limit=min(_PAGE, MAX_LOOKED_AT - looked_at), before=before)
        for number, entry in enumerate(part.items):
            looked_at += 1
            text, missing = _text(index, entry)
            gone += missing
            if all(each in text for each in wanted):
                items.append(entry)
            if len(items) == limit:
                before = index.cursor(entry.id)
                if number + 1 == len(part.items) and part.next is None:
                    return Found(items=tuple(items), looked_at=looked_at, gone=gone, next=None)
                break
        else:
            before = part.next
            if before is None:
                return Found(items=tuple(items), looked_at=looked_at, gone=gone, next=None)
    return Found(items=tuple(items), looked_at=looked_at, gone=gone, next=before)


def _text(index: LogIndex, entry: Entry) -> tuple[str, int]:
    """All contents of an event as one text to search, and how many of them are gone."""
    event = index.event(entry.id)
    assert event is not None
    found = [index.content(entry.id, role) for role in sorted(event.commitments)]
    texts = [data.decode("utf-8", "replace").casefold() for data in found if data is not None]
    return "\n".join(texts), len(found) - len(texts)
