"""`/sessions`: what the logs hold, session by session, the latest first, found by the terms of a search."""

from __future__ import annotations

from typing import Any

from bailiwick.audit.search_terms import TERMS, Query, parse_terms
from bailiwick.errors import UsageError
from bailiwick.server.pages import Shown
from bailiwick.server.records import cursor_of, cursor_text, records
from bailiwick.server.spans import session_parts
from bailiwick.server.visit import Refused, Visit
from bailiwick.stores.log_index import SessionRow

__all__ = ["query_of", "session_row", "sessions"]

PAGE = 50


def sessions(visit: Visit) -> Shown | Refused:
    refused = visit.log.look("sessions")
    if refused is not None:
        return Refused(reason=refused)
    query, said, wrong = query_of(visit)
    if query is not None and query.texts:
        query, wrong = None, {"message": "Sessions are found by terms.", "hint": "Words are looked for under Search."}
    with records(visit.log.guard) as found:
        page = None
        if query is not None:
            page = found.index.sessions(query, limit=PAGE, before=cursor_of(visit.query.get("before", "")))
        data = {
            "now_ms": visit.log.now_ms,
            "q": said,
            "wrong": wrong,
            "terms": dict(TERMS),
            "before": visit.query.get("before", ""),
            "rows": [session_row(row) for row in page.items] if page else [],
            "next": cursor_text(page.next) if page else "",
            "behind": found.behind,
        }
    return Shown(template="sessions.html", data=data)


def query_of(visit: Visit) -> tuple[Query | None, str, dict[str, str] | None]:
    """What is looked for, as it was typed, and what is wrong with that."""
    said = visit.query.get("q", "").strip()
    try:
        return parse_terms(said, now_us=visit.log.now_ms * 1000), said, None
    except UsageError as error:
        return None, said, {"message": str(error), "hint": error.hint}


def session_row(row: SessionRow) -> dict[str, Any]:
    """A session in a list."""
    return {
        **session_parts(row.session),
        "first_us": row.first_us,
        "last_us": row.last_us,
        "events": row.events,
        "decisions": row.decisions,
        "denied": row.denied,
        "asked": row.asked,
        "task": row.task,
        "purpose": row.purpose,
        "closed": row.closed,
        "parent": row.parent,
    }
