"""Kill switches: a person stops an agent, a tool, a user, a service, a session or everything, and another one lets it
go on.

Order: the rules in `administration/` are asked, the order is recorded, then the store changes, from which every process
reads before its next decision. An order that another one overtook changes nothing and is recorded as that.
INVARIANTS: whoever suspended cannot resume, whatever the rules say; the store holds no suspension that no log holds;
a resumption lifts the suspension that it was decided on and no later one. DESIGN §5 *Identity*, §3 promise 5.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import assert_never

from bailiwick.guard.administration.administering import authorise
from bailiwick.guard.administration.entitled import others_who_may, written
from bailiwick.guard.core import Core
from bailiwick.guard.effects import Append, Flow, GetSession, Now, Resume, Suspend
from bailiwick.guard.record import draft
from bailiwick.identity.ports import StoredSession
from bailiwick.model.administration import AdminAction, admin_resource
from bailiwick.model.decision import Plane, Reason
from bailiwick.model.event import EventKind
from bailiwick.model.nearest import did_you_mean
from bailiwick.model.principal import SessionKey
from bailiwick.model.suspensions import Suspension, Target, TargetKind
from bailiwick.model.tool import MODEL_TOOL, Durability

__all__ = ["Order", "resume", "suspend", "who_could_resume"]

LONGEST_NAME = 4000
"""A session's name holds those of its tenant, its agents and its conversation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Who stops what, or lets it go on, and why; `os_user` is the account that it came from. A tool may be named by
    an alias; of a session it is the key's id."""

    target: Target
    by: str
    reason: str
    os_user: str


def suspend(core: Core, order: Order) -> Flow[Suspension | Reason]:
    """The suspension, which holds from the next decision in every process, or why there is none."""
    order = _canonical(core, order)
    refused = yield from authorise(
        core, order.by, action=AdminAction.SUSPEND, resource=_resource(order.target), os_user=order.os_user
    )
    refused = refused or _no_reason(order) or (yield from _unknown(core, order.target))
    held = core.planes.suspensions.by_target.get(order.target)
    if refused is None and held is not None:
        refused = _already(held)
    if refused is not None:
        return (yield from _refuse(core, order, refused))
    now_us: int = yield Now()
    made = Suspension(
        target=order.target, by=order.by, at_ms=now_us // 1000, reason=written(order.reason), event=core.new_id()
    )
    yield from _record(core, order, EventKind.SWITCH_SUSPENDED, made.event, {"reason": made.reason})
    settings = core.planes.settings
    won: bool = yield Suspend(settings.tenant, settings.env, made)
    if won:
        return made
    return (yield from _refuse(core, order, _changed(order.target), event=made.event))


def resume(core: Core, order: Order) -> Flow[Suspension | Reason]:
    """The suspension that was lifted, or why it was not."""
    order = _canonical(core, order)
    held = core.planes.suspensions.by_target.get(order.target)
    own = held is not None and held.by == order.by
    refused = yield from authorise(
        core, order.by, action=AdminAction.RESUME, resource=_resource(order.target), os_user=order.os_user, own=own
    )
    now_us: int = yield Now()
    if refused is None and own:
        refused = _own(core, order, now_us // 1000)
    if refused is not None or held is None:
        return (yield from _refuse(core, order, refused or _not_held(core, order.target)))
    more = {"reason": written(order.reason)} if order.reason else {}
    event = core.new_id()
    yield from _record(
        core, order, EventKind.SWITCH_RESUMED, event, {"suspension": held.event, **more}, parents=(held.event,)
    )
    settings = core.planes.settings
    won: bool = yield Resume(settings.tenant, settings.env, held)
    if won:
        return held
    return (yield from _refuse(core, order, _changed(order.target), event=event))


def who_could_resume(core: Core, suspension: Suspension) -> Flow[tuple[str, ...]]:
    """Some of those who could resume it now; whoever ordered it is never among them."""
    now_us: int = yield Now()
    return others_who_may(
        core.planes,
        AdminAction.RESUME,
        _resource(suspension.target),
        but=suspension.by,
        now_ms=now_us // 1000,
    )


def _canonical(core: Core, order: Order) -> Order:
    """The order with the catalog's name of its tool."""
    target = order.target
    if target.kind is not TargetKind.TOOL:
        return order
    spec = core.planes.catalog.find(target.name)
    return order if spec is None else replace(order, target=Target(TargetKind.TOOL, spec.name))


def _unknown(core: Core, target: Target) -> Flow[Reason | None]:
    """Why there is nothing of that name to suspend: a slip of the pen would leave the real one running."""
    planes = core.planes
    names: Collection[str]
    match target.kind:
        case TargetKind.EVERYTHING:
            names = ("",)
        case TargetKind.AGENT:
            names = planes.directory.agents
        case TargetKind.USER:
            names = planes.directory.users
        case TargetKind.SERVICE:
            names = planes.directory.services
        case TargetKind.TOOL:
            names = (*planes.catalog.tools, *((MODEL_TOOL,) if planes.catalog.models else ()))
        case TargetKind.SESSION:
            key = SessionKey.read(target.name)
            stored: StoredSession | None = (yield GetSession(key)) if key is not None else None
            ours = key is not None and (key.tenant, key.env) == (planes.settings.tenant, planes.settings.env)
            names = (target.name,) if ours and stored is not None else ()
        case _:  # pragma: no cover
            assert_never(target.kind)
    if target.name in names:
        return None
    return Reason(
        plane=Plane.IDENTITY,
        code="unknown-target",
        message=f"There is nothing called {written(str(target))} here, so nothing was suspended.",
        hint=did_you_mean(written(target.name), names)
        if names
        else "Take the id of a session from `bailiwick audit show`.",
    )


def _resource(target: Target) -> str:
    return admin_resource(target.kind.value, target.name.encode("utf-8", "replace").decode("utf-8"))


def _record(
    core: Core,
    order: Order,
    kind: EventKind,
    event: str,
    more: dict[str, object] | dict[str, str],
    *,
    parents: tuple[str, ...] = (),
    durability: Durability = Durability.SYNC,
) -> Flow[None]:
    now_us: int = yield Now()
    body = {
        "target": order.target.kind.value,
        "name": written(order.target.name, LONGEST_NAME),
        "by": written(order.by),
        "os_user": written(order.os_user),
        **more,
    }
    made = draft(core.planes, None, kind, body, event_id=event, now_us=now_us, parents=parents)
    yield Append((made,), durability)


def _refuse(core: Core, order: Order, reason: Reason, event: str = "") -> Flow[Reason]:
    """Record that the order changes nothing; `event` is its own record, if it had one already."""
    more = {"code": reason.code, "message": written(reason.message), **({"order": event} if event else {})}
    durability = Durability.SYNC if event else Durability.BUFFERED
    yield from _record(
        core,
        order,
        EventKind.SWITCH_REFUSED,
        core.new_id(),
        more,
        parents=(event,) if event else (),
        durability=durability,
    )
    return reason


def _no_reason(order: Order) -> Reason | None:
    if order.reason.strip():
        return None
    return Reason(
        plane=Plane.IDENTITY,
        code="no-reason",
        message=f"Nothing says why {order.target} should be suspended.",
        hint='Say it with --reason "…": whoever may resume it has to know.',
    )


def _already(held: Suspension) -> Reason:
    return Reason(
        plane=Plane.IDENTITY,
        code="already-suspended",
        message=f"{held.target} is suspended already, by {held.by}: {held.reason}",
        hint="It stays as it is. See `bailiwick agents list`.",
    )


def _not_held(core: Core, target: Target) -> Reason:
    names = [str(each) for each in core.planes.suspensions.by_target]
    return Reason(
        plane=Plane.IDENTITY,
        code="not-suspended",
        message=f"{written(str(target))} is not suspended.",
        hint=did_you_mean(written(str(target)), names) if names else "Nothing is.",
    )


def _own(core: Core, order: Order, now_ms: int) -> Reason:
    able = others_who_may(core.planes, AdminAction.RESUME, _resource(order.target), but=order.by, now_ms=now_ms)
    others = (
        f"Who may: {', '.join(able)}."
        if able
        else f"Nobody else may at present: let a rule in administration/ permit {AdminAction.RESUME.value} to somebody."
    )
    return Reason(
        plane=Plane.IDENTITY,
        code="own-suspension",
        message=f"{order.by} suspended {order.target}, and it takes another person to resume it.",
        hint=others,
    )


def _changed(target: Target) -> Reason:
    return Reason(
        plane=Plane.IDENTITY,
        code="suspension-changed",
        message=f"Somebody else suspended or resumed {target} at the same moment.",
        hint="Look again with `bailiwick agents list`, and repeat.",
    )
