"""A person orders that what is kept about somebody is erased, or that it must not be. DESIGN §5 *Audit*.

Order as for suspensions: the rules in `administration/`, then the deed, each step on record. The deed itself is the
project's (`bailiwick.project.erasing`), since keys, logs and state are files of its own; what is here decides and
records. A hold beats an erasure and the retention, whoever ordered them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bailiwick.guard.administration.administering import authorise
from bailiwick.guard.administration.entitled import written
from bailiwick.guard.core import Core
from bailiwick.guard.effects import Append, Flow, Now
from bailiwick.guard.record import draft
from bailiwick.model.administration import AdminAction, admin_resource
from bailiwick.model.decision import Plane, Reason
from bailiwick.model.event import EventKind
from bailiwick.model.tool import Durability

__all__ = [
    "DropOrder",
    "SubjectOrder",
    "held_back",
    "may_drop",
    "may_erase",
    "may_hold",
    "no_such_hold",
    "nothing_kept",
    "record_drop",
    "record_erasure",
    "record_hold",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectOrder:
    """Who orders what about a subject, and why; `os_user` is the account that it came from. The subject is as
    `audit.sealing` names it, empty for everything."""

    subject: str
    by: str
    reason: str
    os_user: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DropOrder:
    """Who has contents of events before this moment dropped."""

    before_ms: int
    by: str
    os_user: str


def may_erase(core: Core, order: SubjectOrder) -> Flow[Reason | None]:
    """Whether it may be erased, on record before anything is."""
    refused = yield from authorise(
        core,
        order.by,
        action=AdminAction.ERASE,
        resource=admin_resource("subjects", order.subject),
        os_user=order.os_user,
        own=order.subject == f"user:{order.by}",
    )
    return refused or _no_reason(order)


def may_hold(core: Core, order: SubjectOrder) -> Flow[Reason | None]:
    """Whether a hold may be set or lifted."""
    resource = admin_resource("subjects", order.subject) if order.subject else admin_resource("everything")
    refused = yield from authorise(
        core,
        order.by,
        action=AdminAction.HOLD,
        resource=resource,
        os_user=order.os_user,
        own=order.subject == f"user:{order.by}",
    )
    return refused or _no_reason(order)


def may_drop(core: Core, order: DropOrder) -> Flow[Reason | None]:
    """Whether contents may be dropped for their age."""
    return (
        yield from authorise(
            core, order.by, action=AdminAction.ERASE, resource=admin_resource("expired"), os_user=order.os_user
        )
    )


def record_erasure(core: Core, order: SubjectOrder, *, keys: Sequence[str], contents: int, rows: int) -> Flow[str]:
    """The keys of a subject were destroyed, and with them so many contents and rows of the state go. → the event."""
    body = {**_about(order), "keys": list(keys), "contents": contents, "rows": rows}
    return (yield from _record(core, EventKind.CONTENT_ERASED, body))


def record_drop(core: Core, order: DropOrder, *, contents: int) -> Flow[str]:
    """So many contents are dropped. → the event."""
    body = {
        "by": written(order.by),
        "before_ms": order.before_ms,
        "contents": contents,
        "os_user": written(order.os_user),
    }
    return (yield from _record(core, EventKind.CONTENT_DROPPED, body))


def record_hold(core: Core, order: SubjectOrder, *, hold: str, lifted: bool) -> Flow[str]:
    """A hold is set or was lifted. → the event."""
    kind = EventKind.HOLD_LIFTED if lifted else EventKind.HOLD_SET
    return (yield from _record(core, kind, {**_about(order), "hold": hold}))


def held_back(subject: str, held: str, by: str, reason: str) -> Reason:
    """A hold stands against it, on `held`: the subject, somebody whom some of its contents are about as well, or
    everything."""
    what = "it" if held == subject else written(held)
    return Reason(
        plane=Plane.IDENTITY,
        code="on-hold",
        message=f"Nothing of {written(subject)} may be erased: {by} put a legal hold on {what} ({reason}).",
        hint="See `bailiwick audit hold list`; whoever may lift it has to, first.",
    )


def nothing_kept(subject: str) -> Reason:
    """There was never anything kept about this subject."""
    return Reason(
        plane=Plane.IDENTITY,
        code="unknown-subject",
        message=f"Nothing was ever kept about {written(subject)}.",
        hint="Subjects are user:ID, service:ID, or what the catalog calls somebody, exactly.",
    )


def no_such_hold(hold: str) -> Reason:
    """There is no hold of that id."""
    return Reason(
        plane=Plane.IDENTITY,
        code="no-hold",
        message=f"There is no hold {written(hold)}.",
        hint="See `bailiwick audit hold list`.",
    )


def _about(order: SubjectOrder) -> dict[str, object]:
    return {
        "subject": written(order.subject) or "everything",
        "by": written(order.by),
        "reason": written(order.reason),
        "os_user": written(order.os_user),
    }


def _record(core: Core, kind: EventKind, body: dict[str, object]) -> Flow[str]:
    now_us: int = yield Now()
    event = draft(core.planes, None, kind, body, event_id=core.new_id(), now_us=now_us)
    yield Append((event,), Durability.SYNC)
    return event.id


def _no_reason(order: SubjectOrder) -> Reason | None:
    if order.reason.strip():
        return None
    return Reason(
        plane=Plane.IDENTITY,
        code="no-reason-given",
        message="Nothing says why.",
        hint='Say it with --reason "…": it is what the record keeps of this.',
    )
