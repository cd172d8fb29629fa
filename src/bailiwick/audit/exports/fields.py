"""What several exports take from an event."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from bailiwick.model.event import Event

__all__ = ["agent_of", "items", "labelled", "moment", "policies_of", "root_of", "texts"]


def moment(ts_us: int) -> str:
    """Microseconds since the epoch as RFC 3339, in UTC."""
    return datetime.fromtimestamp(ts_us / 1_000_000, tz=UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def items(value: object) -> Sequence[Mapping[str, Any]]:
    """A list of records in a body; empty where it is left out."""
    return value if isinstance(value, list) else ()


def texts(value: object) -> list[str]:
    """A list of texts in a body; empty where it is left out."""
    return [str(text) for text in value] if isinstance(value, list) else []


def root_of(event: Event) -> str:
    """For whom the chain acts: `User::"alice"`; empty outside of a session."""
    return event.actor[0] if event.actor else ""


def agent_of(event: Event) -> str:
    """The id of the agent that acts; empty outside of a session."""
    return event.actor[-1].partition('::"')[2].removesuffix('"') if len(event.actor) > 1 else ""


def policies_of(decision: Event) -> list[str]:
    """The rules that decided, over all links, each once."""
    return list(dict.fromkeys(policy for link in items(decision.body["links"]) for policy in texts(link["policies"])))


def labelled(event: Event) -> Iterator[tuple[str, Any]]:
    """What the data-flow plane said of a decision, as far as it was asked: (name, value)."""
    flow = event.body.get("flow")
    if isinstance(flow, Mapping):
        for name in ("tainted", "sensitivity", "session_sensitivity", "opaque", "recipients_external"):
            yield name, flow[name]
        yield "categories", texts(flow["categories"])
        yield "unendorsed", texts(flow["unendorsed"])
