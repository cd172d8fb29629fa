"""What a call was decided on, in words and as JSON: which rules, and which article, row or field each argument's values
came from (`bailiwick.audit.trace`)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any

import orjson

from bailiwick.audit.envelope import plain_of
from bailiwick.audit.trace import ArgumentTrace, OriginTrace, Why
from bailiwick.cli.audit_events import at_time
from bailiwick.model.decision import Outcome
from bailiwick.model.event import Event

__all__ = ["Content", "decision_lines", "why_json", "why_lines", "without_contents"]

Content = Callable[[str], bytes | None]
"""Event id → the text of the content that it recorded; None if it is no longer there."""

_ROW = re.compile(r"\[(\d+)\]")
_NAMES = ("id", "title", "name", "email")


def without_contents(decision: Event) -> Iterator[dict[str, str]]:
    """The reasons of a decision for whoever may not see its contents: without the words that quote the call."""
    for reason in _items(decision.body["reasons"]):
        message = reason.get("message", "(its words quote the call; --reveal shows them)")
        yield {"plane": reason["plane"], "code": reason["code"], "message": message}


def decision_lines(event: Event, reasons: Iterable[Mapping[str, str]]) -> Iterator[str]:
    """The decision, its reasons, and the answer for each link of the chain."""
    body = event.body
    who = " → ".join(event.actor) or "outside of a session"
    yield f"{body['tool']}: {body['outcome']} ({at_time(event.ts_us)}, {who})"
    for reason in reasons:
        yield f"  {reason['plane']}/{reason['code']}: {reason['message'] or '(its words are no longer there)'}"
    observed = body.get("observed")
    if isinstance(observed, dict):
        word = "WOULD DENY" if observed["outcome"] == Outcome.DENY else "WOULD ASK"
        rules = ", ".join(observed["rules"]) or "no permit"
        yield f"  {word} if its rules were enforced: {rules}"
        yield from (f"    {reason['plane']}/{reason['code']}: {reason['message']}" for reason in observed["reasons"])
    for link in _items(body["links"]):
        policies = ", ".join(link["policies"]) or ("could not be evaluated" if link["errors"] else "no permit")
        yield f"  {link['link']} on {link['resource']} {'permits' if link['allowed'] else 'forbids'}: {policies}"


def why_lines(trace: Why, content: Content) -> Iterator[str]:
    """Who endorses each argument, and where its values were seen, one line for each content."""
    for argument in trace.arguments:
        if not argument.endorsed:
            yield f"{argument.name}: nothing endorses it"
        for by in dict.fromkeys(argument.endorsed_by):
            if by:
                yield f"{argument.name}: endorsed by {by}"
        yield from _origin_lines(argument, content)


def _origin_lines(argument: ArgumentTrace, content: Content) -> Iterator[str]:
    for event_id, group in groupby(argument.origins, key=lambda origin: origin.event.id if origin.event else ""):
        origins = list(group)
        event, first = origins[0].event, origins[0]
        if event is None:
            yield f"{argument.name}: seen in {first.source} {first.path}, which these logs do not hold"
            continue
        yield f"{argument.name}: seen in {first.source}, {_label(event)}, event {event_id}"
        value = _json(content(event_id))
        names = dict.fromkeys(_place(origin, value) for origin in origins)
        yield from (f"  {name}" for name in names)


def _place(origin: OriginTrace, value: object) -> str:
    """`row 3 (kb-12, Refund to a closed card) .text@702`, or the bare path where content names nothing."""
    row = _ROW.match(origin.path)
    record = value
    if row is not None and isinstance(value, list) and int(row.group(1)) < len(value):
        record = value[int(row.group(1))]
    named = [str(record[name]) for name in _NAMES if name in record][:2] if isinstance(record, dict) else []
    rest = origin.path[row.end() :] if row else origin.path
    where = f"row {row.group(1)}" if row else ""
    return (
        " ".join(part for part in (where, f"({', '.join(named)})" if named else "", rest) if part) or "the whole text"
    )


def _json(data: bytes | None) -> object:
    try:
        return orjson.loads(data) if data is not None else None
    except orjson.JSONDecodeError:
        return None


def why_json(trace: Why) -> dict[str, Any]:
    """The same for --json."""
    return {
        "decision": plain_of(trace.decision),
        "arguments": [
            {
                "name": argument.name,
                "endorsed": argument.endorsed,
                "endorsed_by": list(argument.endorsed_by),
                "origins": [
                    {
                        "source": origin.source,
                        "path": origin.path,
                        "how": origin.how,
                        "content": origin.content,
                        "event": origin.event.id if origin.event else None,
                        "label": origin.event.body.get("label") if origin.event else None,
                    }
                    for origin in argument.origins
                ],
            }
            for argument in trace.arguments
        ],
        "heard": [event.id for event in trace.heard],
        "related": [plain_of(event) for event in trace.related],
    }


def _items(value: object) -> list[dict[str, Any]]:
    return value if isinstance(value, list) else []


def _label(event: Event) -> str:
    label = event.body.get("label")
    if not isinstance(label, dict):
        return "no label"
    return ", ".join((str(label["integrity"]), f"sensitivity {label['sensitivity']}", *label["categories"]))
