"""A decision that was written and did not become as durable as it had to be: nothing runs for it, and the log says so.

Without that it would stand there as a call that may have run, and block the same call until a person looks (promise 5).
"""

from __future__ import annotations

from bailiwick.errors import StoreError
from bailiwick.guard.effects import Append, Flow, Recorded
from bailiwick.guard.planes import Planes
from bailiwick.guard.record import outcome_draft
from bailiwick.guard.state import Permit, SessionState
from bailiwick.model.event import EventKind
from bailiwick.model.tool import Durability

__all__ = ["withdrawn"]


def withdrawn(planes: Planes, session: SessionState, permit: Permit, *, event_id: str, now_us: int) -> Flow[None]:
    """Record that this permit was never handed out, if its decision is on record. Where that cannot be recorded, the
    call counts as one that may have run."""
    try:
        recorded: bool = yield Recorded(permit.event_id)
        if recorded:
            ended = outcome_draft(
                planes, session, EventKind.ACTION_EXPIRED, permit, event_id=event_id, now_us=now_us, extra={}
            )
            yield Append((ended,), Durability.SYNC)
    except StoreError:
        return
