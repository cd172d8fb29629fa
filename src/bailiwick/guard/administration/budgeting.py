"""People and budgets: seeing how much is used, and setting a count.

Order as for suspensions: the rules in `administration/`, the record, the store. INVARIANT: no count changes that no log
says, and what stands in the record as `before` is what was changed: a count that changed meanwhile stays as it is.
DESIGN §5 *Action*, *State and scale*.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bailiwick.action.budgets import Account, Tally, owner_named
from bailiwick.guard.administration.administering import authorise
from bailiwick.guard.administration.entitled import written
from bailiwick.guard.core import Core
from bailiwick.guard.effects import Append, Flow, Now
from bailiwick.guard.ports import Ports
from bailiwick.guard.record import draft
from bailiwick.model.administration import AdminAction, admin_resource
from bailiwick.model.budget import Budget
from bailiwick.model.canonical import MAX_INT
from bailiwick.model.decision import Plane, Reason
from bailiwick.model.event import EventKind
from bailiwick.model.nearest import did_you_mean
from bailiwick.model.tool import Durability

__all__ = ["Counted", "Setting", "Viewer", "counts", "set_count"]

_LONGEST_OWNER = 4000
"""A session's name holds those of its tenant, its agents and its conversation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewer:
    """Who wants to see; `os_user` is the account that the order came from."""

    by: str
    os_user: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """Who sets whose count of which budget, to how much (0: as if nothing had been used), and why."""

    budget: str
    owner: str
    to: int
    by: str
    reason: str
    os_user: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """How much of a budget somebody used. `frees_ms` is when some of it no longer counts; None: not by itself."""

    budget: Budget
    owner: str
    used: int
    frees_ms: int | None


@dataclass(frozen=True, slots=True)
class _Tallies:
    """→ every count of a budget."""

    tenant: str
    env: str
    budget: str

    def do(self, ports: Ports) -> tuple[tuple[Account, Tally], ...]:
        return ports.budgets.tallies(self.tenant, self.env, self.budget)


@dataclass(frozen=True, slots=True, kw_only=True)
class _SetTo:
    """Set a count → whether it was still the old one."""

    tenant: str
    env: str
    account: Account
    old: Tally
    amount: int
    now_ms: int

    def do(self, ports: Ports) -> bool:
        return ports.budgets.set_to(
            self.tenant, self.env, self.account, self.old, amount=self.amount, now_ms=self.now_ms
        )


def counts(core: Core, budget: Budget, viewer: Viewer) -> Flow[tuple[Counted, ...] | Reason]:
    """How much of a budget is used by whom, or why this person may not know."""
    resource = admin_resource("budgets", budget.name)
    refused = yield from authorise(
        core, viewer.by, action=AdminAction.READ_USAGE, resource=resource, os_user=viewer.os_user
    )
    if refused is not None:
        return refused
    now_us: int = yield Now()
    found = yield from _tallies(core, budget)
    return tuple(_counted(budget, account, tally, now_us // 1000) for account, tally in found)


def set_count(core: Core, order: Setting) -> Flow[Counted | Reason]:
    """The count as it is from here on, or why it stays as it was."""
    refused = yield from authorise(
        core,
        order.by,
        action=AdminAction.SET_USAGE,
        resource=admin_resource("budgets", order.budget),
        os_user=order.os_user,
    )
    budgets = {budget.name: budget for budget in core.planes.settings.budgets}
    budget = budgets.get(order.budget)
    if refused is None and budget is None:
        refused = _reason(
            "unknown-budget",
            f"There is no budget '{written(order.budget)}' here, so nothing was set.",
            _near(order.budget, list(budgets)),
        )
    if refused is None and not 0 <= order.to <= MAX_INT:
        refused = _reason("bad-count", f"A count cannot be {order.to}.", "Give a whole number, 0 or more.")
    if refused is not None or budget is None:
        assert refused is not None
        return (yield from _refuse(core, order, refused))
    now_us: int = yield Now()
    found = {account.owner: (account, tally) for account, tally in (yield from _tallies(core, budget))}
    owner = owner_named(order.owner, found)
    if owner is None:
        missing = _reason(
            "unknown-count",
            f"Nothing of {budget.name} is counted for '{written(order.owner)}', so nothing was set.",
            _near(order.owner, list(found)),
        )
        return (yield from _refuse(core, order, missing))
    account, tally = found[owner]
    event, settings, now_ms = core.new_id(), core.planes.settings, now_us // 1000
    more = {"reason": written(order.reason), "before": tally.used(account.window_ms, now_ms), "after": order.to}
    yield from _record(core, order, EventKind.BUDGET_SET, event, more)
    done: bool = yield _SetTo(
        tenant=settings.tenant, env=settings.env, account=account, old=tally, amount=order.to, now_ms=now_ms
    )
    if not done:
        return (yield from _refuse(core, order, _CHANGED, event))
    return _counted(budget, account, tally.set_to(account.window_ms, now_ms, order.to), now_ms)


def _tallies(core: Core, budget: Budget) -> Flow[list[tuple[Account, Tally]]]:
    """Counts of the budget as it is declared now."""
    settings = core.planes.settings
    found: Sequence[tuple[Account, Tally]] = yield _Tallies(settings.tenant, settings.env, budget.name)
    return [(account, tally) for account, tally in found if account.terms == budget.terms]


def _counted(budget: Budget, account: Account, tally: Tally, now_ms: int) -> Counted:
    used = tally.used(account.window_ms, now_ms)
    frees = tally.frees_ms(account.window_ms, now_ms, 1) if used else None
    return Counted(budget=budget, owner=account.owner, used=used, frees_ms=frees)


def _record(
    core: Core,
    order: Setting,
    kind: EventKind,
    event: str,
    more: dict[str, object] | dict[str, str],
    *,
    parents: tuple[str, ...] = (),
) -> Flow[None]:
    now_us: int = yield Now()
    body = {
        "budget": written(order.budget),
        "owner": written(order.owner, _LONGEST_OWNER),
        "by": written(order.by),
        "os_user": written(order.os_user),
        **more,
    }
    made = draft(core.planes, None, kind, body, event_id=event, now_us=now_us, parents=parents)
    yield Append((made,), Durability.SYNC)


def _refuse(core: Core, order: Setting, reason: Reason, event: str = "") -> Flow[Reason]:
    more = {"code": reason.code, "message": written(reason.message), **({"order": event} if event else {})}
    yield from _record(core, order, EventKind.BUDGET_REFUSED, core.new_id(), more, parents=(event,) if event else ())
    return reason


def _near(name: str, known: list[str]) -> str:
    return did_you_mean(written(name), known) if known else "Nothing was counted yet."


_CHANGED = Reason(
    plane=Plane.ACTION,
    code="budget-changed",
    message="Something was counted at the same moment, so the count stays as it is.",
    hint="Look again with `bailiwick budgets list`, and repeat.",
)


def _reason(code: str, message: str, hint: str) -> Reason:
    return Reason(plane=Plane.ACTION, code=code, message=message, hint=hint)
