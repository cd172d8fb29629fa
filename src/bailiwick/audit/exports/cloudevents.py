"""Events as CloudEvents 1.0 in JSON: one envelope for webhooks, queues and buses."""

from __future__ import annotations

from typing import Any

from bailiwick.audit.envelope import plain_of
from bailiwick.audit.exports.fields import moment
from bailiwick.model.event import Event

__all__ = ["cloud_event"]


def cloud_event(event: Event) -> dict[str, Any]:
    """`source` is the log, `sequence` the number in it (so gaps show), `data` the whole event without its contents."""
    return {
        "specversion": "1.0",
        "id": event.id,
        "source": f"/{event.tenant}/{event.env}/{event.log}",
        "type": f"bailiwick.{event.kind.value}",
        "time": moment(event.ts_us),
        "datacontenttype": "application/json",
        **({"subject": event.session} if event.session else {}),
        "sequence": f"{event.seq:020d}",
        "data": plain_of(event),
    }
