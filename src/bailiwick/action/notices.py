"""Which news of a request for approval there are, who is told, and when it is tried again. Pure.

News are read off a request as it is stored, so whoever looks sees the same ones: that the agent's process is gone, or
that nobody looked for an hour, loses none. INVARIANT: the id of a notice depends on nothing but the request, the news,
the channel and the person, so it is queued once and is the same at every attempt.

A channel is no permitted reader (DESIGN §5 *Flow*): what a notice says is in `bailiwick.channels.words`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from bailiwick.action.approvals import Approval, ApprovalStatus
from bailiwick.model.canonical import canonical

__all__ = [
    "LEASE_MS",
    "ChannelState",
    "Claim",
    "News",
    "Notice",
    "Outbox",
    "Told",
    "happened",
    "is_over",
    "is_waiting",
    "retry_at",
]

LEASE_MS = 120_000
"""For so long a notice that somebody has begun to send is theirs. Longer than any attempt may take."""
_FIRST_DELAY_MS = 5_000
_LONGEST_DELAY_MS = 3_600_000


class News(StrEnum):
    """What can be told of a request."""

    REQUESTED = "requested"
    ESCALATED = "escalated"
    GRANTED = "granted"
    DENIED = "denied"
    EDITED = "edited"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One piece of news for one channel and, where it writes to people one by one, for one `recipient`: the id of a
    user, or an address. `at_ms` is when it happened, or when it was first seen where nothing says more."""

    tenant: str
    env: str
    approval: str
    news: News
    channel: str
    recipient: str
    at_ms: int

    @property
    def id(self) -> str:
        """The key by which a receiver knows what it got before. It holds no full stop, as Standard Webhooks asks."""
        parts = [self.tenant, self.env, self.approval, self.news.value, self.channel, self.recipient]
        return "msg_" + hashlib.sha256(b"bailiwick.notice\x00" + canonical(parts)).hexdigest()[:40]


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A notice that is ours to send until the lease ends. `attempt` counts from 1, this one included."""

    notice: Notice
    lease: str
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What became of an attempt. `error` is empty where it arrived; it is a text of ours, never of the receiver's, and
    holds no address. `final`: another attempt would not help. `gone`: the receiver wants nothing more from us."""

    error: str = ""
    retry_after_ms: int = 0
    final: bool = False
    gone: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelState:
    """How a channel does. `failing_ms` is since when it fails (None: it does not), `gone_ms` since when its receiver
    wants nothing more."""

    queued: int = 0
    sent: int = 0
    given_up: int = 0
    failing_ms: int | None = None
    last_error: str = ""
    gone_ms: int | None = None


class Outbox(Protocol):
    """Notices that wait to be sent, and which requests may still make news. Raises StoreError where it cannot do its
    work. Every change is durable when its method returns."""

    def watched(self, tenant: str, env: str) -> tuple[str, ...]:
        """Ids of requests that may make news: those that were made since somebody looked for the first time, or were
        open then, and that are not over and told."""

    def queue(self, tenant: str, env: str, notices: Sequence[Notice], *, over: str | None, now_ms: int) -> None:
        """Take in notices; those that are known change nothing. The request `over` makes no news any more."""

    def claim(self, tenant: str, env: str, channel: str, *, lease: str, now_ms: int) -> Claim | None:
        """The next notice of a channel that is due and nobody's: of all who try, one gets it. None if there is none."""

    def sent(self, claim: Claim, *, now_ms: int) -> bool:
        """It arrived. False if the claim was somebody else's by now; so with the next two."""

    def later(self, claim: Claim, *, due_ms: int, error: str, now_ms: int) -> bool:
        """It did not: not before `due_ms` again."""

    def give_up(self, claim: Claim, *, error: str, now_ms: int) -> bool:
        """It will not."""

    def gone(self, tenant: str, env: str, channel: str, *, now_ms: int) -> int:
        """The channel's receiver wants nothing more → how many notices were given up for it."""

    def open_again(self, tenant: str, env: str, channel: str) -> None:
        """It takes notices again. Those that were given up stay so."""

    def state(self, tenant: str, env: str, channel: str) -> ChannelState:
        """How the channel does."""


def happened(approval: Approval, now_ms: int) -> tuple[tuple[News, int], ...]:
    """All the news that there were of a request until now, each with its time, in order."""
    status = approval.status_at(now_ms)
    end = _end(approval, status, now_ms)
    granted_ms = None
    if status in (ApprovalStatus.GRANTED, ApprovalStatus.CONSUMED) or _was_granted(approval):
        granted_ms = max((vote.at_ms for vote in approval.votes if vote.granted), default=now_ms)
    found = [(News.REQUESTED, approval.requested_ms)]
    if status in (ApprovalStatus.WITHDRAWN, ApprovalStatus.EDITED):
        waited_ms = approval.latest_ms  # when it ended is not kept
    else:
        waited_ms = now_ms if end is None else end[1]
    after = [gate.escalate_after_ms for gate in approval.gates if gate.escalate_to]
    escalated_ms = approval.requested_ms + min(after, default=0)
    if after and escalated_ms <= (waited_ms if granted_ms is None else granted_ms):
        found.append((News.ESCALATED, escalated_ms))
    if granted_ms is not None:
        found.append((News.GRANTED, granted_ms))
    return (*found, end) if end is not None else tuple(found)


def is_over(approval: Approval, now_ms: int) -> bool:
    """Whether nothing more can be told of it. (A granted one may still be denied, and expire.)"""
    return approval.status_at(now_ms) not in (ApprovalStatus.REQUESTED, ApprovalStatus.GRANTED)


def is_waiting(approval: Approval, now_ms: int) -> bool:
    """Whether somebody is still asked."""
    return approval.status_at(now_ms) is ApprovalStatus.REQUESTED


def retry_at(attempt: int, told: Told, *, now_ms: int, chance: float) -> int:
    """When to try again after this many attempts: exponential, half of it by chance (from 0 to 1), and not before the
    receiver asked for, within an hour."""
    delay = min((_FIRST_DELAY_MS << min(attempt - 1, 20)), _LONGEST_DELAY_MS)
    spread = delay // 2 + int(delay / 2 * min(max(chance, 0.0), 1.0))
    return now_ms + max(spread, min(told.retry_after_ms, _LONGEST_DELAY_MS))


def _end(approval: Approval, status: ApprovalStatus, now_ms: int) -> tuple[News, int] | None:
    match status:
        case ApprovalStatus.DENIED:
            # A planted request ends with whatever is said to it.
            no = (vote.at_ms for vote in approval.votes if approval.planted or not vote.granted)
            return News.DENIED, max(no, default=now_ms)
        case ApprovalStatus.EXPIRED:
            return News.EXPIRED, approval.expires_ms
        case ApprovalStatus.WITHDRAWN:
            return News.WITHDRAWN, now_ms
        case ApprovalStatus.EDITED:
            return News.EDITED, now_ms
        case _:
            return None


def _was_granted(approval: Approval) -> bool:
    """Whether every gate had its quorum once, whatever came after. INVARIANT: never so of a planted request, which a
    yes ends too."""
    return not approval.planted and all(len(approval.votes_for(gate.id)) >= gate.quorum for gate in approval.gates)
