"""`/search`: events of all logs by terms, the latest first; by words of their contents, where that was asked for; and
the searches that people keep."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import quote

from bailiwick.audit.search_terms import TERMS, Query, parse_terms
from bailiwick.audit.slices import Entry
from bailiwick.errors import UsageError
from bailiwick.model.decision import Reason
from bailiwick.server.contents import own_label
from bailiwick.server.pages import Shown
from bailiwick.server.records import Records, cursor_of, cursor_text, records
from bailiwick.server.views.sessions import query_of
from bailiwick.server.views.stream import entry_row
from bailiwick.server.visit import Gone, Refused, Visit
from bailiwick.stores.log_index import Cursor
from bailiwick.stores.log_search import search_contents
from bailiwick.stores.saved_filters import SavedFilters

__all__ = ["kept", "revealed", "search"]

PAGE = 100
_WORDS_PAGE = 25


def search(visit: Visit) -> Shown | Refused:
    refused = visit.log.look("search")
    return Refused(reason=refused) if refused is not None else Shown(template="search.html", data=_drawn(visit))


def revealed(visit: Visit) -> Refused | Gone:
    """Somebody wants to look for these words in contents, too: on record with the words, since what is found tells
    what is in them."""
    said = visit.form.get("q", "").strip()
    refused = visit.log.look("search") or visit.log.reveal(_about(said))
    return Refused(reason=refused) if refused is not None else Gone(url=f"/search?q={quote(said)}")


def kept(visit: Visit) -> Shown | Refused | Gone:
    """A search is kept under a name, or forgotten."""
    refused: Reason | None = visit.log.look("search")
    if refused is not None:
        return Refused(reason=refused)
    name, said = visit.form.get("name", "").strip(), visit.form.get("q", "").strip()
    filters = SavedFilters(visit.log.guard.project.state)
    try:
        if visit.form.get("word") == "drop":
            filters.drop(name)
        else:
            parse_terms(said, now_us=visit.log.now_ms * 1000)
            filters.save(name, said)
    except UsageError as error:
        told = {"kind": "refused", "head": "Not kept.", "message": str(error), "hint": error.hint}
        return Shown(template="search.html", data={**_drawn(visit), "told": told}, status=409)
    return Gone(url=f"/search?q={quote(said)}")


def _drawn(visit: Visit) -> dict[str, Any]:
    query, said, wrong = query_of(visit)
    words = query is not None and bool(query.texts)
    until_ms = visit.log.revealed_until(_about(said)) if words else 0
    before = cursor_of(visit.query.get("before", ""))
    items: Sequence[Entry] = ()
    after: Cursor | None = None
    looked_at = None
    with records(visit.log.guard) as found:
        if query is not None and words and until_ms:
            items, after, looked_at = _with_words(visit, found, query, before)
        elif query is not None and said and not words:
            page = found.index.search(query, limit=PAGE, before=before)
            items, after = page.items, page.next
        behind = found.behind
    return {
        "now_ms": visit.log.now_ms,
        "q": said,
        "wrong": wrong,
        "terms": dict(TERMS),
        "before": visit.query.get("before", ""),
        "rows": [entry_row(entry) for entry in items],
        "next": cursor_text(after),
        "behind": behind,
        "words": words,
        "looked_at": looked_at,
        "may_reveal": visit.log.may_reveal,
        "revealed_until_ms": until_ms,
        "filters": [
            {"name": name, "q": terms} for name, terms in SavedFilters(visit.log.guard.project.state).all().items()
        ],
    }


def _with_words(
    visit: Visit, found: Records, query: Query, before: Cursor | None
) -> tuple[Sequence[Entry], Cursor | None, int]:
    """Events with these words in a content that this person may read. INVARIANT: what they may not read is in no list
    and in no count: that a word stands in it is a part of it."""
    eyes = found.eyes(visit.log)
    seen = lru_cache(maxsize=None)(found.seen)

    def readable(entry: Entry) -> bool:
        event = found.index.event(entry.id)
        if event is None:
            return False
        label = own_label(event) or seen(event.session)
        return not any(eyes.refused(role, label) for role in event.commitments)

    result = search_contents(found.index, query, limit=_WORDS_PAGE, before=before)
    return [entry for entry in result.items if readable(entry)], result.next, result.looked_at


def _about(said: str) -> str:
    return f"search {said}"
