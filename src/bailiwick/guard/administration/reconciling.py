"""A person says what became of a call that may have run (promise 5): recorded first, then taken off the list.

The rules in `administration/` say who may (`admin.reconcile`): it lifts the block on a call that must not run twice."""

from __future__ import annotations

from dataclasses import dataclass

from bailiwick.action.ports import Resolution
from bailiwick.guard.administration.administering import authorise
from bailiwick.guard.administration.entitled import is_own
from bailiwick.guard.core import Core
from bailiwick.guard.effects import Append, Flow, Now, Resolve
from bailiwick.guard.record import draft
from bailiwick.model.administration import AdminAction, admin_resource
from bailiwick.model.decision import Reason
from bailiwick.model.event import Event, EventKind
from bailiwick.model.tool import Durability

__all__ = ["Finding", "reconcile"]

_WORDS = {Resolution.RAN: "ran", Resolution.DID_NOT_RUN: "did-not-run"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What somebody who looked found out about the call of `decision`."""

    decision: Event
    resolution: Resolution
    by: str
    os_user: str
    note: str = ""


def reconcile(core: Core, found: Finding) -> Flow[str | Reason]:
    """Record it and lift the block. → the id of the event, or why the person may not say so."""
    refused = yield from authorise(
        core,
        found.by,
        action=AdminAction.RECONCILE,
        resource=admin_resource("tools", str(found.decision.body["tool"])),
        own=is_own(core.planes, found.by, found.decision.actor),
        os_user=found.os_user,
    )
    if refused is not None:
        return refused
    now_us: int = yield Now()
    permit = str(found.decision.body["permit"])
    body: dict[str, object] = {
        "decision": found.decision.id,
        "by": found.by,
        "as": _WORDS[found.resolution],
        "permit": permit,
        "os_user": found.os_user,
    }
    if found.note:
        body["note"] = found.note
    event_id = core.new_id()
    event = draft(
        core.planes,
        None,
        EventKind.ACTION_RECONCILED,
        body,
        event_id=event_id,
        now_us=now_us,
        parents=(found.decision.id,),
    )
    yield Append((event,), Durability.SYNC)
    yield Resolve(permit, found.resolution)
    return event_id
