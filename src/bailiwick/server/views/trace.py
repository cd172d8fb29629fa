"""`/sessions/{id}`: the trace of one session: who acted through whom, every call with its decision, and all that
happened in order of time. Contents are shown to those alone who asked for them, and for a while."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from bailiwick.model.event import Event
from bailiwick.model.label import Label
from bailiwick.model.principal import SessionKey
from bailiwick.server.contents import contents_of
from bailiwick.server.pages import Shown
from bailiwick.server.records import Records, cursor_of, cursor_text, records
from bailiwick.server.spans import event_row, session_name, session_of, session_parts, span_data, spans_of
from bailiwick.server.views.sessions import session_row
from bailiwick.server.visit import Gone, Missing, Refused, Visit
from bailiwick.stores.log_index import SessionRow

__all__ = ["revealed", "trace"]

PAGE = 300
"""Events of the session on one page; of each session that it delegated to, CHILD_PAGE."""
CHILD_PAGE = 100
REVEALED_PAGE = 60
MOST_CHILDREN = 40
_MOST_OF_ONE = 2_000
"""Characters of each content in a trace; the page of its event has more."""


def trace(visit: Visit) -> Shown | Missing | Refused:
    session = session_of(visit.path["id"])
    refused = visit.log.look("sessions" if session is None else session)
    if refused is not None:
        return Refused(reason=refused)
    if session is None:
        return Missing()
    with records(visit.log.guard) as found:
        row = found.index.session(session)
        if row is None:
            return Missing()
        return Shown(template="trace.html", data=_drawn(visit, found, row))


def revealed(visit: Visit) -> Missing | Refused | Gone:
    """Contents of this session are asked for."""
    session = session_of(visit.path["id"])
    refused = visit.log.look("sessions") if session is None else visit.log.reveal(session)
    if refused is not None:
        return Refused(reason=refused)
    return Missing() if session is None else Gone(url=f"/sessions/{session_name(session)}")


def _drawn(visit: Visit, found: Records, row: SessionRow) -> dict[str, Any]:
    until_ms = visit.log.revealed_until(row.session)
    drawing = _Drawing(visit=visit, found=found, revealed=bool(until_ms), left=[MOST_CHILDREN])
    after = cursor_of(visit.query.get("after", ""))
    page = found.index.timeline(row.session, limit=REVEALED_PAGE if until_ms else PAGE, after=after)
    events = _events(found, [entry.id for entry in page.items])
    node = drawing.node(row, events, more=page.next is not None)
    return {
        "now_ms": visit.log.now_ms,
        **session_row(row),
        "above": _above(row.session),
        "tree": node,
        "timeline": _timeline(row, events),
        "after": cursor_text(after),
        "next": cursor_text(page.next),
        "behind": found.behind,
        "may_reveal": visit.log.may_reveal,
        "revealed_until_ms": until_ms,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class _Drawing:
    visit: Visit
    found: Records
    revealed: bool
    left: list[int]
    """How many more sessions below may be drawn."""

    def node(self, row: SessionRow, events: Sequence[Event], *, more: bool) -> dict[str, Any]:
        """A session with its calls, and those that it delegated to."""
        spans, loose = spans_of(events)
        begin, end = row.first_us, max(row.last_us, row.first_us + 1)
        # INVARIANT: the label is that of the whole session, never of the part of it on this page.
        seen = self.found.seen(row.session) if self.revealed else None
        drawn = []
        for span in spans:
            data = span_data(span, begin_us=begin, end_us=end)
            own = [span.decision, *span.results, *span.approvals]
            data["contents"] = [one for event in own for one in self._contents(event, row.session, seen)]
            drawn.append(data)
        return {
            **session_row(row),
            "spans": drawn,
            "heard": [
                {**event_row(event), "contents": self._contents(event, row.session, seen)}
                for event in loose
                if event.commitments
            ],
            "children": self._children(row),
            "more": more,
        }

    def _children(self, row: SessionRow) -> list[dict[str, Any]]:
        drawn: list[dict[str, Any]] = []
        for child in self.found.index.children(row.session):
            if self.left[0] <= 0:
                break
            self.left[0] -= 1
            page = self.found.index.timeline(child.session, limit=CHILD_PAGE)
            events = _events(self.found, [entry.id for entry in page.items])
            drawn.append(self.node(child, events, more=page.next is not None))
        return drawn

    def _contents(self, event: Event, session: str, seen: Label | None) -> list[dict[str, Any]]:
        if not self.revealed or not event.commitments:
            return []
        # What people said outside of the session is shown on its own page, by its own label.
        known = seen if event.session == session else None
        found = contents_of(self.found.eyes(self.visit.log), event, seen=known, most=_MOST_OF_ONE)
        return [{**one, "event": event.id} for one in found]


def _events(found: Records, ids: Sequence[str]) -> list[Event]:
    return [event for event_id in ids if (event := found.index.event(event_id)) is not None]


def _above(session: str) -> list[dict[str, Any]]:
    """The sessions that this one came from, the first first."""
    key = SessionKey.parse(session)
    if key is None:
        return []
    agents = key.agent.split("/")
    paths = ["/".join(agents[: number + 1]) for number in range(len(agents) - 1)]
    keys = (
        SessionKey(tenant=key.tenant, env=key.env, root=key.root, agent=path, conversation=key.conversation)
        for path in paths
    )
    return [session_parts(each.id) for each in keys]


def _timeline(row: SessionRow, events: Sequence[Event]) -> list[dict[str, Any]]:
    rows = [{**event_row(event), "since_us": event.ts_us - row.first_us} for event in events]
    for before, after in pairwise(rows):
        after["gap_us"] = after["ts_us"] - before["ts_us"]
    return rows
