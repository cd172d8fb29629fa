"""Events of the log as plain JSON for a page: one line each, and the calls of a session as spans.

Nothing in here is a content: bodies hold none (`bailiwick.audit.events`), and what quotes one is left out by them.
"""

from __future__ import annotations

import base64
import binascii
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bailiwick.model.event import Event, EventKind
from bailiwick.model.principal import SessionKey

__all__ = ["Span", "event_row", "name_of", "session_name", "session_of", "session_parts", "span_data", "spans_of"]

_ENDS = {
    EventKind.ACTION_COMPLETED: "completed",
    EventKind.ACTION_FAILED: "failed",
    EventKind.ACTION_CANCELLED: "may have run",
    EventKind.ACTION_EXPIRED: "never started",
    EventKind.ACTION_RECONCILED: "reconciled",
}
_WHAT = ("tool", "source", "to", "approval", "agent", "budget", "user", "target", "data", "handle", "log", "channel")
_OUTCOME = ("outcome", "as", "code", "error", "origin", "method", "result")


@dataclass(slots=True, kw_only=True)
class Span:
    """A decided call and what belongs to it, in order of time."""

    decision: Event
    end: Event | None = None
    approvals: list[Event] = field(default_factory=list)
    results: list[Event] = field(default_factory=list)
    others: list[Event] = field(default_factory=list)


def session_name(session: str) -> str:
    """A session's id as it stands in addresses."""
    return base64.urlsafe_b64encode(session.encode("utf-8")).decode("ascii").rstrip("=")


def session_of(name: str) -> str | None:
    """The session that an address names; None if it names none."""
    try:
        text = base64.urlsafe_b64decode((name + "=" * (-len(name) % 4)).encode("ascii")).decode("utf-8")
    except (binascii.Error, ValueError):
        return None
    # One address for each session: what decodes to it and is written otherwise is none.
    return text if SessionKey.parse(text) is not None and session_name(text) == name else None


def session_parts(session: str) -> dict[str, Any]:
    """Whose session it is, by its id."""
    key = SessionKey.parse(session)
    if key is None:
        return {"id": session, "name": session_name(session), "root": "", "agents": [], "conversation": "", "chain": []}
    agents = key.agent.split("/")
    links = [{"kind": key.root.kind.value, "id": key.root.id}, *({"kind": "Agent", "id": name} for name in agents)]
    return {
        "id": session,
        "name": session_name(session),
        "root": str(key.root),
        "agents": agents,
        "conversation": key.conversation,
        "chain": links,
    }


def name_of(session: str) -> str:
    """A session in one line: its last agent, for whom, in which conversation."""
    key = SessionKey.parse(session)
    return session if key is None else f"{key.agent.rpartition('/')[2]} for {key.root.id}, {key.conversation}"


def spans_of(events: Iterable[Event]) -> tuple[list[Span], list[Event]]:
    """The calls among these events, in order, and the events that belong to none of them."""
    ordered = list(events)
    spans = {event.id: Span(decision=event) for event in ordered if event.kind is EventKind.DECISION}
    asked = {
        str(event.body["approval"]): spans[str(event.body["decision"])]
        for event in ordered
        if event.kind is EventKind.APPROVAL_REQUESTED and str(event.body["decision"]) in spans
    }
    used: defaultdict[str, list[Span]] = defaultdict(list)
    for span in spans.values():
        for record in _records(span.decision.body.get("approved")):
            used[str(record["approval"])].append(span)
    loose: list[Event] = []
    for event in ordered:
        if event.kind is EventKind.DECISION:
            continue
        named = str(event.body.get("decision", ""))
        if named in spans:
            _put(spans[named], event)
            continue
        approval = str(event.body.get("approval", ""))
        mine = ([asked[approval]] if approval in asked else []) + used.get(approval, [])
        for one in {id(each): each for each in mine}.values():
            one.approvals.append(event)
        if not mine:
            loose.append(event)
    return list(spans.values()), loose


def _put(span: Span, event: Event) -> None:
    if event.kind in _ENDS:
        # What somebody found out later stands beside what was recorded then.
        if span.end is None:
            span.end = event
        else:
            span.others.append(event)
    elif event.kind is EventKind.CONTENT_INGESTED:
        span.results.append(event)
    elif event.kind.value.startswith("approval."):
        span.approvals.append(event)
    else:
        span.others.append(event)


def span_data(span: Span, *, begin_us: int, end_us: int) -> dict[str, Any]:
    """A call for a page. `bar` is where it lies between the two moments, in thousandths, and how long it is."""
    decision, body = span.decision, span.decision.body
    last = span.end.ts_us if span.end is not None else decision.ts_us
    whole = max(1, end_us - begin_us)
    left = min(1000, max(0, 1000 * (decision.ts_us - begin_us) // whole))
    return {
        **event_row(decision),
        "outcome": body["outcome"],
        "ended": _ended(span),
        "took_us": last - decision.ts_us if span.end is not None else None,
        "bar": {"left": left, "length": min(1000 - left, max(4, 1000 * (last - decision.ts_us) // whole))},
        "reasons": [{"message": "", "hint": "", **reason} for reason in _records(body["reasons"])],
        "links": [dict(link) for link in _records(body["links"])],
        "gates": body["gates"],
        "approved": [dict(record) for record in _records(body["approved"])],
        "arguments": [_argument(argument) for argument in _records(body["arguments"])],
        "flow": body.get("flow"),
        "observed": body.get("observed"),
        "policy_digest": body["policy_digest"],
        "latency_us": body.get("latency_us"),
        "durability": body["durability"],
        "end": None if span.end is None else event_row(span.end),
        "end_label": None if span.end is None else span.end.body.get("label"),
        "approvals": [event_row(event) for event in span.approvals],
        "results": [{**event_row(event), "label": event.body.get("label")} for event in span.results],
        "others": [event_row(event) for event in span.others],
        "contents": [],
    }


def _ended(span: Span) -> str:
    if span.end is not None:
        return _ENDS[span.end.kind]
    return "no outcome is recorded" if "permit" in span.decision.body else ""


def _argument(record: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": record["name"],
        "endorsed": record["endorsed"],
        "endorsed_by": list(dict.fromkeys(by for by in record["endorsed_by"] if by)),
        "origins": [dict(origin) for origin in _records(record["origins"])],
    }


def event_row(event: Event) -> dict[str, Any]:
    """An event in one line."""
    body = event.body
    return {
        "id": event.id,
        "kind": event.kind.value,
        "ts_us": event.ts_us,
        "log": event.log,
        "seq": event.seq,
        "session": event.session,
        "session_name": session_name(event.session) if event.session else "",
        "actor": list(event.actor),
        "what": _what(body),
        "result": next((str(body[name]) for name in _OUTCOME if isinstance(body.get(name), str) and body[name]), ""),
        "by": str(body["by"]) if isinstance(body.get("by"), str) else "",
        "tainted": _tainted(body),
        "observed": _observed(body),
        "roles": sorted(event.commitments),
    }


def _what(body: Mapping[str, Any]) -> str:
    if isinstance(body.get("action"), str):
        return f"{body['action']} on {body.get('resource', '')}"
    return next((str(body[name]) for name in _WHAT if isinstance(body.get(name), str) and body[name]), "")


def _tainted(body: Mapping[str, Any]) -> bool:
    flow, label = body.get("flow"), body.get("label")
    if isinstance(flow, Mapping):
        return flow["tainted"] is True
    return isinstance(label, Mapping) and label["integrity"] == "untrusted"


def _observed(body: Mapping[str, Any]) -> str:
    found = body.get("observed")
    return str(found["outcome"]) if isinstance(found, Mapping) else ""


def _records(value: object) -> Sequence[Mapping[str, Any]]:
    return value if isinstance(value, Sequence) and not isinstance(value, str) else ()
