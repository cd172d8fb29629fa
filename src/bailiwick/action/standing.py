"""Standing grants: what several calls of one task may rest on, because people said so with their yes to the first.

A grant is made from one granted approval, its *source*, whose card, gates, label and votes it keeps resting on.
INVARIANTS, for whoever reads this for holes:

- It covers a call of the same tool, chain and task iff every argument is as on the card but for those that are open,
  and all that the call means is as on the card but for the length of what is open (`covers`). So content that is open
  brings no new address, and an open value that a rule reads through an effect's interface is another call.
- Only arguments that say nothing of where a call goes, on what or with whose leave can be open (`closed_arguments`).
- It lifts the gates that were on the card, with unchanged text, at the label of the card, while enough of those who
  wanted it remembered would still count. Each use is decided anew.
- Of all who try, at most `count` get a use (`StandingGrantStore.take`).

DESIGN §5 *Action*; docs/adr/0021-standing-grants.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Protocol

from bailiwick.action.approval_card import card_arguments, differing
from bailiwick.action.approvals import Approval, ApprovalStatus
from bailiwick.action.asked import Asked
from bailiwick.action.remember import Remember
from bailiwick.model.canonical import Json
from bailiwick.model.decision import Plane, Reason
from bailiwick.model.principal import Chain
from bailiwick.model.tool import Role, ToolSpec

__all__ = [
    "GrantState",
    "StandingGrant",
    "StandingGrantStore",
    "agreed",
    "closed_arguments",
    "covers",
    "made_of",
    "resting_on",
]

_OPEN_ROLES = frozenset({Role.CONTENT, Role.VALUE, Role.QUERY})
_SOURCES = frozenset({ApprovalStatus.GRANTED, ApprovalStatus.CONSUMED, ApprovalStatus.EXPIRED})
"""A source that was denied, withdrawn or edited after all is none."""


class GrantState(StrEnum):
    """ACTIVE until somebody ends it or its time is over; both are for good."""

    ACTIVE = "active"
    REVOKED = "revoked"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingGrant:
    """`session` is the SessionKey id of the conversation that it is for (empty: any of the task). `by` are those whose
    yes it rests on. Times are milliseconds since the epoch. Only `used` and `state` change."""

    id: str
    tenant: str
    env: str
    approval: str
    session: str
    tool: str
    chain: Chain
    task: str
    open: frozenset[str]
    count: int
    since_ms: int
    expires_ms: int
    by: tuple[str, ...]
    used: int = 0
    state: GrantState = GrantState.ACTIVE

    def state_at(self, now_ms: int) -> GrantState:
        """The state with time taken into account."""
        over = self.state is GrantState.ACTIVE and now_ms >= self.expires_ms
        return GrantState.EXPIRED if over else self.state

    @property
    def left(self) -> int:
        return max(0, self.count - self.used)

    @property
    def fixed(self) -> StandingGrant:
        """As it was made."""
        return replace(self, used=0, state=GrantState.ACTIVE)


class StandingGrantStore(Protocol):
    """Standing grants of all tenants. Every method raises StoreError when it cannot do its work; the caller denies.
    Writes are durable (fsynced) when they return: a crash may lose a use, never give one back."""

    def keep(self, grant: StandingGrant) -> None:
        """Store a new one. Raises StoreError if its id is taken."""

    def find(self, tenant: str, env: str, grant_id: str) -> StandingGrant | None:
        """The one with this id."""

    def those_for(self, tenant: str, env: str, *, tool: str, chain: Chain, task: str) -> tuple[StandingGrant, ...]:
        """The active ones for calls of this tool by this chain in this task, oldest first; some may have expired."""

    def newest(self, tenant: str, env: str, most: int) -> tuple[StandingGrant, ...]:
        """The newest `most`, whatever became of them, oldest first."""

    def take(self, grant: StandingGrant, *, most: int) -> bool:
        """Count one use iff it is active, is as it was made, and was used less often than `count` and `most` → whether
        it was counted. Atomic over all processes."""

    def end(self, grant: StandingGrant, state: GrantState) -> bool:
        """End it iff it is active → whether this did it."""


def closed_arguments(tool: ToolSpec, names: frozenset[str]) -> list[str]:
    """Which of these arguments cannot be open: not declared, or their role is not content, a value or a query."""
    return sorted(
        name
        for name in names
        if name not in tool.args
        or tool.args[name].recipients
        or any(each.role not in _OPEN_ROLES for each in tool.args[name].judged())
    )


def agreed(approval: Approval) -> Remember | None:
    """What enough people for every gate of a granted approval want remembered, as one thing: the same constraint, the
    least count and time that any of them said. None if there is no such thing."""
    wanted = [vote.remember for vote in approval.votes if vote.granted and vote.remember is not None]
    for constraint in dict.fromkeys(each.constraint for each in wanted):
        resting = _of(approval, constraint)
        if approval.status in _SOURCES and resting.complete:
            terms = [vote.remember for vote in resting.votes if vote.remember is not None]
            least = min(each.count for each in terms), min(each.ttl_ms for each in terms)
            return Remember(count=least[0], ttl_ms=least[1], open=constraint[0], task_wide=constraint[1])
    return None


def _of(approval: Approval, constraint: tuple[frozenset[str], bool]) -> Approval:
    votes = (
        vote
        for vote in approval.votes
        if not vote.granted or (vote.remember is not None and vote.remember.constraint == constraint)
    )
    return replace(approval, votes=tuple(votes))


def made_of(approval: Approval, grant_id: str) -> StandingGrant | None:
    """The standing grant that this approval gives, if it gives one."""
    terms = agreed(approval)
    if terms is None:
        return None
    resting = _of(approval, terms.constraint)
    since_ms = max(vote.at_ms for vote in resting.votes)
    return StandingGrant(
        id=grant_id,
        tenant=approval.tenant,
        env=approval.env,
        approval=approval.id,
        session="" if terms.task_wide else approval.session,
        tool=approval.tool,
        chain=approval.chain,
        task=approval.task,
        open=terms.open,
        count=terms.count,
        since_ms=since_ms,
        expires_ms=since_ms + terms.ttl_ms,
        by=tuple(sorted({vote.approver for vote in resting.votes})),
    )


def resting_on(grant: StandingGrant, source: Approval) -> Approval | None:
    """The source with those votes alone that wanted the grant. None if the source does not give this grant: only a
    store that was written to by other hands holds such a one."""
    if made_of(source, grant.id) != grant.fixed:
        return None
    terms = agreed(source)
    assert terms is not None
    return _of(source, terms.constraint)


def covers(
    grant: StandingGrant, source: Approval, asked: Asked, args: Mapping[str, Json], *, session: str, now_ms: int
) -> Reason | None:
    """Why this grant is not for what is asked now; None if it is, as far as its votes still count."""
    if grant.session not in ("", session):
        return _reason(
            "standing-for-another-conversation",
            f"Standing grant {grant.id} is for another conversation.",
            "Ask for approval in this one.",
        )
    if now_ms < grant.since_ms:
        return _reason(
            "clock-backwards",
            f"The clock is behind the time at which standing grant {grant.id} was given.",
            "Set this machine's clock right.",
        )
    if grant.state_at(now_ms) is not GrantState.ACTIVE or not grant.left:
        became = "used up" if not grant.left else grant.state_at(now_ms).value
        return _reason("standing-over", f"Standing grant {grant.id} is {became}.", "Ask for approval of this call.")
    changed = [name for name in differing(card_arguments(source.card), args) if name not in grant.open]
    if changed or not asked.parts or asked.parts != source.asked.parts:
        what = ", ".join(changed) or "what the call does"
        return _reason(
            "standing-for-other-calls",
            f"Standing grant {grant.id} is for calls in which {what} is as its approvers saw it.",
            "Ask for approval of this call.",
        )
    label = asked.label
    if label.tainted == source.label.tainted:
        # A card says whether anybody from outside may have had a hand in it, and rules read no more than that. Without
        # this the result of the first call would end it: what any tool returns is less trusted than nothing at all.
        label = replace(label, integrity=source.label.integrity)
    # That such a call ran before is what a standing grant is for; how often it may, `left` says.
    repeated = source.asked.repeated
    # The rest is as for the call that was on the card itself.
    meant = replace(asked, digest=source.digest, meaning=source.asked.meaning, label=label, repeated=repeated)
    return source.fits(meant)


def _reason(code: str, message: str, hint: str) -> Reason:
    return Reason(plane=Plane.ACTION, code=code, message=message, hint=hint)
