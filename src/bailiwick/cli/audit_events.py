"""An event as a row of a table."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from bailiwick.model.decision import Outcome
from bailiwick.model.event import Event

__all__ = ["at_time", "event_row"]


def event_row(event: Event) -> tuple[str, ...]:
    """Time, id, kind, what it is about, outcome."""
    body = event.body
    what = body.get("tool") or body.get("source") or body.get("approval") or body.get("agent") or _administered(body)
    outcome = body.get("outcome") or body.get("as") or body.get("code") or ""
    observed = body.get("observed")
    if isinstance(observed, dict):
        outcome = f"{outcome}, {'WOULD DENY' if observed['outcome'] == Outcome.DENY else 'WOULD ASK'}"
    return at_time(event.ts_us), event.id, event.kind.value, str(what), str(outcome)


def _administered(body: Mapping[str, object]) -> str:
    """What a record of administration is about, and who did it."""
    if "target" in body:
        name = f"/{body['name']}" if body["name"] else ""
        return f"{body['target']}{name} by {body['by']}"
    return f"{body['action']} on {body['resource']} by {body['by']}" if "action" in body else ""


def at_time(ts_us: int) -> str:
    """Microseconds since the epoch as UTC, to the microsecond."""
    return datetime.fromtimestamp(ts_us / 1_000_000, tz=UTC).strftime("%Y-%m-%d %H:%M:%S.%fZ")
