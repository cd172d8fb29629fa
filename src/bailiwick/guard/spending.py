"""Budgets on the way of one call: looked up before the decision, counted with the permit, settled on the outcome.

Counted first of all that a permit takes (`bailiwick.guard.core` has the order): by compare-and-set on the counts that
the decision read, all of them or none; where one has changed, the call is decided again. INVARIANT: what a permit takes
is counted before the permit exists, and given back only where it is certain that the call did not run: a crash in
between leaves too much counted until recovery, never too little.
DESIGN §5 *Action*, *Audit*; docs/adr/0016-budgets.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from types import MappingProxyType

from bailiwick.action.budget_amounts import rows_in
from bailiwick.action.budgets import Account, Draw, Hold, Tally, draws_of, uses_of
from bailiwick.errors import StoreError, UsageError
from bailiwick.guard.decide import Judged
from bailiwick.guard.effects import Flow, Now, Recorded
from bailiwick.guard.planes import Planes
from bailiwick.guard.ports import Ports
from bailiwick.guard.state import Permit, PermitState, SessionState
from bailiwick.model.budget import BudgetUnit
from bailiwick.model.call import Action, Authority
from bailiwick.model.canonical import MAX_INT
from bailiwick.model.circumstances import Usage
from bailiwick.model.decision import Outcome, Plane, Reason
from bailiwick.model.tool import Durability

__all__ = [
    "AddUse",
    "ReadTallies",
    "Release",
    "Reserve",
    "Settle",
    "Spending",
    "carried_over",
    "contended",
    "given_back",
    "left_over",
    "over",
    "report",
    "reserved",
    "settled",
    "spending_of",
    "supposed_spending",
    "within_budget",
]

TRIES = 64
"""So often a call is decided again because others used the same budgets up meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """What one call takes, by counts as they were when it was decided. `refused`: why it cannot be counted."""

    draws: tuple[Draw, ...] = ()
    refused: Reason | None = None

    def usage(self, names: frozenset[str], now_ms: int) -> Mapping[str, Usage]:
        """`context.usage` for those budgets that rules read: of several counts (each agent of a chain has its own) the
        one that is used up most. Shares are nothing that a rule reads."""
        found: dict[str, Usage] = {}
        for draw in self.draws:
            name = draw.budget.name
            if name in names and not draw.share:
                used = min(draw.used(now_ms), MAX_INT)
                if name not in found or used > found[name].used:
                    found[name] = Usage(used=used, after=min(used + draw.amount, MAX_INT))
        return MappingProxyType(found)


NOTHING = Spending()


# ── requests ────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class ReadTallies:
    """→ the tally of each account, in order."""

    tenant: str
    env: str
    accounts: tuple[Account, ...]

    def do(self, ports: Ports) -> tuple[Tally, ...]:
        return ports.budgets.read(self.tenant, self.env, self.accounts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserve:
    """Count what a permit takes → whether every count was still the one that the decision read."""

    tenant: str
    env: str
    permit_id: str
    decision_event: str
    draws: tuple[Draw, ...]
    now_ms: int
    durable: bool

    def do(self, ports: Ports) -> bool:
        hold = Hold(permit_id=self.permit_id, decision_event=self.decision_event, log_id=ports.log_id)
        return ports.budgets.reserve(self.tenant, self.env, hold, self.draws, now_ms=self.now_ms, durable=self.durable)


@dataclass(frozen=True, slots=True)
class Settle:
    """The permit's call is over: so much it really used of each budget."""

    permit_id: str
    really: Mapping[str, int]
    now_ms: int

    def do(self, ports: Ports) -> None:
        ports.budgets.settle(self.permit_id, self.really, now_ms=self.now_ms)


@dataclass(frozen=True, slots=True)
class Release:
    """The permit's call did not run."""

    permit_id: str

    def do(self, ports: Ports) -> None:
        ports.budgets.release(self.permit_id)


@dataclass(frozen=True, slots=True)
class AddUse:
    """Count what needed no permit."""

    tenant: str
    env: str
    draws: tuple[Draw, ...]
    now_ms: int

    def do(self, ports: Ports) -> None:
        ports.budgets.add(self.tenant, self.env, self.draws, now_ms=self.now_ms)


# ── before the decision ─────────────────────────────────────────────────────────────────────────────────────────────


def spending_of(planes: Planes, authority: Authority, action: Action) -> Flow[Spending]:
    """What the call takes, with the counts as they are."""
    settings = planes.settings
    if not settings.budgets:
        return NOTHING
    read = planes.policy.names_read("usage", action.tool.name)
    draws = draws_of(settings.budgets, authority, action, read)
    if isinstance(draws, Reason):
        return Spending(refused=draws)
    if not draws:
        return NOTHING
    tallies: Sequence[Tally] = yield ReadTallies(settings.tenant, settings.env, tuple(draw.account for draw in draws))
    return Spending(draws=tuple(replace(draw, tally=tally) for draw, tally in zip(draws, tallies, strict=True)))


def supposed_spending(
    planes: Planes, authority: Authority, action: Action, used: Mapping[str, int], now_ms: int
) -> Spending:
    """As `spending_of` where so much of each budget had been used before, of shares nothing; no store is asked."""
    draws = draws_of(planes.settings.budgets, authority, action, planes.policy.names_read("usage", action.tool.name))
    if isinstance(draws, Reason):
        return Spending(refused=draws)
    amounts = [0 if draw.share else used.get(draw.budget.name, 0) for draw in draws]
    return Spending(
        draws=tuple(
            replace(draw, tally=draw.tally.added(draw.account.window_ms, now_ms, amount))
            for draw, amount in zip(draws, amounts, strict=True)
        )
    )


def within_budget(judged: Judged, spending: Spending, now_ms: int) -> Judged:
    """The same decision, or a denial if a limit would be exceeded: nobody is asked to approve what would be denied."""
    judged = replace(judged, draws=spending.draws)
    if judged.decision.outcome is Outcome.DENY:
        return judged
    exceeded = next((draw for draw in spending.draws if draw.exceeds(now_ms)), None)
    return judged if exceeded is None else judged.refused(used_up(exceeded, now_ms))


def used_up(draw: Draw, now_ms: int) -> Reason:
    """Why the call is over the limit, what is left and when there will be more."""
    assert draw.limit is not None
    name, unit = draw.budget.name, draw.budget.currency or draw.budget.counts.value
    used = draw.used(now_ms)
    whose = f"the share of {name} that was given" if draw.share else f"the budget {name}"
    left = max(0, draw.limit - used)
    if draw.amount > draw.limit:
        hint = f"At most {draw.limit} {unit} can be used at all: make a smaller call."
    else:
        frees = draw.tally.frees_ms(draw.account.window_ms, now_ms, used + draw.amount - draw.limit)
        when = "None of it frees by itself." if frees is None else f"Enough frees at {_time(frees)}."
        hint = f"{left} {unit} are left. {when}"
    return Reason(
        plane=Plane.ACTION,
        code="budget-exhausted",
        message=f"This call takes {draw.amount} {unit}, which is more than {whose} has left: {used} of {draw.limit} "
        "are used.",
        hint=hint,
    )


def _time(ms: int) -> str:
    try:
        return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    except (OverflowError, ValueError, OSError):  # the clock is further away than a calendar reaches
        return f"{ms} ms"


# ── with the permit ─────────────────────────────────────────────────────────────────────────────────────────────────


def reserved(planes: Planes, session: SessionState, judged: Judged, ids: tuple[str, str]) -> Flow[bool]:
    """Count what an allowed call takes, for the permit and the decision with these ids → False if a count changed since
    it was decided. It counts from now on: deciding may have taken a while."""
    if not judged.draws:
        return True
    now_us: int = yield Now()
    settings, (permit_id, event_id) = planes.settings, ids
    with session.lock:
        session.holding[permit_id] = event_id
    done: bool = yield Reserve(
        tenant=settings.tenant,
        env=settings.env,
        permit_id=permit_id,
        decision_event=event_id,
        draws=judged.draws,
        now_ms=max(now_us, session.last_us) // 1000,
        durable=judged.decision.durability is not Durability.BUFFERED,
    )
    if not done:
        session.holding.pop(permit_id, None)
    return done


def given_back(session: SessionState, permit_id: str, judged: Judged) -> Flow[None]:
    """There is no permit after all. Where that cannot be stored it stays counted, until the session's end or
    recovery."""
    if judged.draws:
        try:
            yield Release(permit_id)
        except StoreError:
            return
        session.holding.pop(permit_id, None)


def contended(tool: str) -> Reason:
    return Reason(
        plane=Plane.ACTION,
        code="budget-contended",
        message=f"Other calls used the budgets of {tool} up at the same moment, {TRIES} times in a row.",
        hint="Make the call again.",
    )


# ── on the outcome ──────────────────────────────────────────────────────────────────────────────────────────────────


def over(permit: Permit, *, ran: bool) -> Flow[None]:
    """The outcome of a permit is known, and says nothing of how much it used."""
    if not permit.counted:
        return
    if not ran:
        yield Release(permit.id)
        return
    told = permit.tokens or 0
    tokens = (draw for draw in permit.draws if draw.budget.counts is BudgetUnit.TOKENS)
    now_us: int = yield Now()
    yield Settle(permit.id, {draw.budget.name: max(told, draw.amount) for draw in tokens}, now_us // 1000)


def settled(permit: Permit, value: object, text: str, now_ms: int) -> Flow[None]:
    """A call returned `value`, which the model reads as `text`."""
    if permit.counted:
        yield Settle(permit.id, really_used(permit, value, text), now_ms)


def left_over(session: SessionState) -> Flow[None]:
    """At a session's end: what was counted for permits that never came to be, because their caller went away."""
    with session.lock:
        held = tuple(session.holding.items())
    for permit_id, event_id in held:
        recorded: bool = yield Recorded(event_id)
        if not recorded:
            yield Release(permit_id)
        session.holding.pop(permit_id, None)


def really_used(permit: Permit, value: object, text: str) -> Mapping[str, int]:
    """How much a call used that returned `value`, by budget, as far as anybody can say."""
    found: dict[str, int] = {}
    for draw in permit.draws:
        match draw.budget.counts:
            case BudgetUnit.ROWS:
                rows = rows_in(value)
                if rows is not None:
                    found[draw.budget.name] = rows
            case BudgetUnit.BYTES:
                found[draw.budget.name] = len(text.encode("utf-8", "surrogatepass"))
            case BudgetUnit.TOKENS if permit.tokens is not None:
                found[draw.budget.name] = permit.tokens
            case _:
                pass
    return found


def report(planes: Planes, session: SessionState, running: Permit | None, tokens: int) -> Flow[None]:
    """Tokens were used, while the call under `running` ran, if any. Budgets of tokens that count this call are settled
    for them with its outcome. On every other one that this session falls under, and on the shares of it, they count at
    once: also for another session's call, which does not know what this one used. Nothing is denied: they are used."""
    if type(tokens) is not int or not 0 <= tokens <= MAX_INT:
        raise UsageError(f"{tokens!r} is no number of tokens", hint="report a whole number, 0 or more")
    now_us: int = yield Now()
    settings, later = planes.settings, _noted(session, running, tokens)
    budgets = (each for each in settings.budgets if each.counts is BudgetUnit.TOKENS and each.name not in later)
    draws = tuple(draw for budget in budgets for draw in uses_of(budget, session.authority, tokens))
    if draws and tokens:
        yield AddUse(settings.tenant, settings.env, draws, now_us // 1000)


def _noted(session: SessionState, running: Permit | None, tokens: int) -> frozenset[str]:
    """The budgets that will be settled for these tokens when the call is over."""
    with session.lock:
        if (
            running is None
            or running.state is not PermitState.STARTED
            or session.permits.get(running.id) is not running
        ):
            return frozenset()
        later = {draw.budget.name for draw in running.draws if draw.budget.counts is BudgetUnit.TOKENS and draw.counted}
        running.tokens = min((running.tokens or 0) + tokens, MAX_INT)
        return frozenset(later)


def carried_over(planes: Planes, old: Authority, new: Authority) -> Flow[None]:
    """The work under `old` goes on under `new`: counts of the session and of the task that would begin anew there begin
    with what was used."""
    settings = planes.settings
    pairs = [
        (draw, replace(other, amount=0))
        for budget in settings.budgets
        for draw, other in zip(uses_of(budget, old, 0), uses_of(budget, new, 0), strict=False)
        if draw.account != other.account
    ]
    if not pairs:
        return
    now_us: int = yield Now()
    tallies: Sequence[Tally] = yield ReadTallies(
        settings.tenant, settings.env, tuple(draw.account for draw, _ in pairs)
    )
    draws = tuple(
        replace(other, amount=used)
        for (_, other), tally in zip(pairs, tallies, strict=True)
        if (used := tally.used(other.account.window_ms, now_us // 1000))
    )
    if draws:
        yield AddUse(settings.tenant, settings.env, draws, now_us // 1000)
