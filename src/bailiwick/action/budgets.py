"""Budgets: what a call draws on, how much, and how use is added up over a sliding window. Pure arithmetic.

A window is kept as buckets of a sixtieth of its length. INVARIANT: a bucket counts until all of it has left the window,
so what is counted is never less than what was used within any true window, and more by at most one bucket's span. Time
never runs backwards for a count: a clock that steps back frees nothing. DESIGN §5 *Action*; docs/adr/0016-budgets.md.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, assert_never

from bailiwick.action.budget_amounts import charge
from bailiwick.model.budget import Budget, Per
from bailiwick.model.call import Action, Authority
from bailiwick.model.canonical import MAX_INT
from bailiwick.model.decision import Reason
from bailiwick.model.principal import EntityKind, EntityRef, SessionKey

__all__ = [
    "BUCKETS",
    "NOTHING_USED",
    "Account",
    "BudgetStore",
    "Draw",
    "Hold",
    "Tally",
    "draws_of",
    "owner_named",
    "uses_of",
]

BUCKETS = 60
"""So many in a window."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One count: of which budget, for whom. `terms` say what is counted and in which window: a budget that is declared
    otherwise begins a new count."""

    budget: str
    terms: str
    owner: str
    window_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What was used, in buckets `(start_ms, amount)`, the oldest first; without a window there is one bucket. `version`
    changes with every change (0: nothing was ever counted), `epoch` whenever a person sets the count anew.
    `latest_ms` is the latest time at which something was counted."""

    version: int = 0
    epoch: int = 0
    latest_ms: int = 0
    buckets: tuple[tuple[int, int], ...] = ()

    def used(self, window_ms: int | None, now_ms: int) -> int:
        """What counts now; of more than a number can say, the largest."""
        return min(sum(amount for _, amount in self._counting(window_ms, now_ms)), MAX_INT)

    def added(self, window_ms: int | None, now_ms: int, amount: int) -> Tally:
        """With so much more, and without what counts no longer."""
        now_ms = max(now_ms, self.latest_ms)
        start = start_of(window_ms, now_ms)
        kept = dict(self._counting(window_ms, now_ms))
        kept[start] = min(kept.get(start, 0) + amount, MAX_INT)
        return replace(self, latest_ms=now_ms, buckets=tuple(sorted(kept.items())))

    def returned(self, start_ms: int, amount: int) -> Tally:
        """Without so much of what was counted then; never less than nothing. Of a bucket that is full nobody knows how
        much more was counted, so it stays."""
        return replace(
            self,
            buckets=tuple(
                (start, max(0, held - amount) if start == start_ms and held < MAX_INT else held)
                for start, held in self.buckets
            ),
        )

    def set_to(self, window_ms: int | None, now_ms: int, amount: int) -> Tally:
        """As a person sets it, whatever was counted before; also the time."""
        start = start_of(window_ms, now_ms)
        return replace(self, epoch=self.epoch + 1, latest_ms=now_ms, buckets=((start, amount),))

    def frees_ms(self, window_ms: int | None, now_ms: int, needed: int) -> int | None:
        """When at least `needed` of it no longer counts; None: never by itself."""
        if window_ms is None:
            return None
        freed = 0
        for start, amount in self._counting(window_ms, now_ms):
            freed += amount
            if freed >= needed:
                return start + span_of(window_ms) + window_ms
        return None

    def ends_ms(self, window_ms: int | None) -> int | None:
        """When nothing of it counts any more; None: never."""
        if window_ms is None:
            return None
        return max((start for start, _ in self.buckets), default=0) + span_of(window_ms) + window_ms

    def _counting(self, window_ms: int | None, now_ms: int) -> Iterator[tuple[int, int]]:
        now_ms = max(now_ms, self.latest_ms)
        for start, amount in self.buckets:
            if window_ms is None or start + span_of(window_ms) > now_ms - window_ms:
                yield start, amount


NOTHING_USED = Tally()


def span_of(window_ms: int) -> int:
    """How long a bucket is."""
    return -(-window_ms // BUCKETS)


def start_of(window_ms: int | None, now_ms: int) -> int:
    """When the bucket begins that this moment lies in."""
    return 0 if window_ms is None else now_ms - now_ms % span_of(window_ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """What one call takes from one account: at most `limit` may be used in all (None: no limit of its own). Where it is
    not `counted`, a rule reads the count alone, which must not have changed until the permit is issued."""

    budget: Budget
    account: Account
    amount: int
    counted: bool = True
    limit: int | None = None
    share: bool = False
    """Whether it is a share of the budget, which a task or a delegation gave."""
    tally: Tally = NOTHING_USED

    def used(self, now_ms: int) -> int:
        return self.tally.used(self.account.window_ms, now_ms)

    def exceeds(self, now_ms: int) -> bool:
        return self.counted and self.limit is not None and self.used(now_ms) + self.amount > self.limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """A permit whose calls are counted and not settled. `log_id` is the log that its decision belongs in."""

    permit_id: str
    decision_event: str
    log_id: str


class BudgetStore(Protocol):
    """Counts, and what permits that are out have taken from them. Every method raises StoreError when it cannot do its
    work; the caller denies."""

    def read(self, tenant: str, env: str, accounts: Sequence[Account]) -> tuple[Tally, ...]:
        """The tally of each, in order. Costs the same however much was counted before."""

    def reserve(self, tenant: str, env: str, hold: Hold, draws: Sequence[Draw], *, now_ms: int, durable: bool) -> bool:
        """Count all draws of a permit, or none → whether it did: only if every tally is still the one that was read.
        Survives `kill -9` when it returns, and with `durable` a loss of power."""

    def settle(self, permit_id: str, really: Mapping[str, int], *, now_ms: int) -> None:
        """The outcome of a permit is known: `really` says how much it used of a budget; where it does not say, what was
        reserved stays counted. Does nothing for a permit that holds nothing."""

    def release(self, permit_id: str) -> None:
        """The permit's call did not run: nothing of it counts. Does nothing for a permit that holds nothing."""

    def add(self, tenant: str, env: str, draws: Sequence[Draw], *, now_ms: int) -> None:
        """Count something that no permit was needed for, whatever was counted meanwhile."""

    def holds(self, tenant: str, env: str) -> tuple[Hold, ...]:
        """Every permit that is not settled."""

    def set_to(self, tenant: str, env: str, account: Account, old: Tally, *, amount: int, now_ms: int) -> bool:
        """Set a count, as a person orders → whether it was still `old`. Durable when it returns."""

    def tallies(self, tenant: str, env: str, budget: str) -> tuple[tuple[Account, Tally], ...]:
        """Every count of a budget, by owner."""


# ── whose count ──────────────────────────────────────────────────────────────────────────────────────────────────────


def accounts_of(budget: Budget, authority: Authority) -> tuple[Account, ...]:
    """The counts that a call under this authority falls under."""
    return tuple(_account(budget, owner) for owner in _owners(budget.per, authority))


def _owners(per: Per, authority: Authority) -> list[str]:
    match per:
        case Per.SESSION:
            return [f"session {_session(authority, 0).id}"]
        case Per.TASK:
            return [f"task {_session(authority, 0).id} {authority.task}"]
        case Per.AGENT:
            return [_owner(link) for link in authority.chain.links[1:]]
        case Per.USER:
            return [_owner(authority.chain.root)]
        case Per.TENANT:
            return ["tenant"]
        case _ as unreachable:
            assert_never(unreachable)


def _account(budget: Budget, owner: str) -> Account:
    return Account(budget=budget.name, terms=budget.terms, owner=owner, window_ms=budget.window_ms)


def owner_named(name: str, owners: Collection[str]) -> str | None:
    """The owner that a person means: as it is listed, or the only one of this conversation."""
    if name in owners:
        return name
    meant = [each for each in owners if (key := _key_in(each)) is not None and key.conversation == name]
    return meant[0] if len(meant) == 1 else None


def _key_in(owner: str) -> SessionKey | None:
    """The session in `session …`."""
    kind, _, text = owner.partition(" ")
    return SessionKey.read(text) if kind == Per.SESSION.value else None


def _owner(ref: EntityRef) -> str:
    return f"{ref.kind.value}::{ref.id}"


def _session(authority: Authority, step: int) -> SessionKey:
    """The session in which agent `step` of the chain works; the first one is that of the whole conversation. It does
    not hang on the conversation that a token names for its last agent: that one is chosen by its holder."""
    agents = [link.id for link in authority.chain.links if link.kind is EntityKind.AGENT]
    return replace(
        authority.key,
        agent="/".join(agents[: step + 1]),
        conversation=authority.began_in or authority.key.conversation,
    )


def _shares(budget: Budget, authority: Authority) -> Iterator[tuple[Account, int]]:
    """What the task, and each delegation, leaves of a budget, with the count that it is measured by."""
    for step, grant in enumerate(authority.steps or (authority.grant,)):
        share = dict(grant.budgets).get(budget.name)
        if share is not None:
            yield _account(budget, f"share {_session(authority, step).id} {authority.task}"), share


# ── what a call takes ────────────────────────────────────────────────────────────────────────────────────────────────


def draws_of(
    budgets: Iterable[Budget], authority: Authority, action: Action, read: frozenset[str]
) -> tuple[Draw, ...] | Reason:
    """What the call takes from which count, not looked up yet, or why it cannot be counted. Budgets in `read` are those
    that its rules ask about, also where they do not count it."""
    found: list[Draw] = []
    for budget in budgets:
        counted = budget.counts_calls_of(action.tool)
        if not counted and budget.name not in read:
            continue
        amount = charge(budget, action) if counted else 0
        if isinstance(amount, Reason):
            return amount
        uses = uses_of(budget, authority, amount)
        found += uses if counted else [replace(use, counted=False) for use in uses if not use.share]
    return tuple(found)


def uses_of(budget: Budget, authority: Authority, amount: int) -> Iterator[Draw]:
    """Every count that a use of so much falls under, with its limit."""
    for account in accounts_of(budget, authority):
        yield Draw(budget=budget, account=account, amount=amount, limit=budget.limit)
    for account, share in _shares(budget, authority):
        yield Draw(budget=budget, account=account, amount=amount, limit=share, share=True)
