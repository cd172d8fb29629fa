"""The approval of one call by people: a state machine of its own, as pure functions over a frozen value.

    requested ──▶ granted ──▶ consumed
        │  │         │
        │  └─────────┼──▶ denied        one eligible person is enough, also after it was granted, until it is used
        └────────────┴──▶ expired

Promise 4 (DESIGN §3): what was approved is what runs. An approval binds to the digest of the exact call, to the rules
and to the label that its card showed; it is used once. INVARIANTS, for whoever reads this for holes:

- Each vote carries the digest of the card it was cast on. Only votes on the present card count towards a quorum.
- Who may vote on what is decided in `bailiwick.action.approval_vote`; a vote counts for its own gate alone.
- Only votes lead to GRANTED and only GRANTED leads to CONSUMED; stores refuse any other step (`is_step`).

DESIGN §4 (gates), §5 *Action*.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Set
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, assert_never

from bailiwick.action.approval_card import card_arguments
from bailiwick.model.call import Action, Authority
from bailiwick.model.canonical import parse
from bailiwick.model.decision import Gate, Plane, Reason
from bailiwick.model.label import Label
from bailiwick.model.principal import Chain

__all__ = [
    "Approval",
    "ApprovalStatus",
    "ApprovalStore",
    "Vote",
    "card_digest",
    "consume",
    "differing",
    "expire",
    "is_step",
    "request",
    "usable",
]


class ApprovalStatus(StrEnum):
    """See the picture at the top of this module."""

    REQUESTED = "requested"
    GRANTED = "granted"
    DENIED = "denied"
    EXPIRED = "expired"
    CONSUMED = "consumed"


_OPEN = (ApprovalStatus.REQUESTED, ApprovalStatus.GRANTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote:
    """What one person said on one gate. `os_user` is the account of the operating system that it came from, which
    is evidence beside `approver`, the directory's id; `at_ms` is milliseconds since the epoch."""

    gate: str
    approver: str
    granted: bool
    at_ms: int
    os_user: str
    card_digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """One request for approval and what became of it. Times are milliseconds since the epoch.

    `digest` is the action digest, `session` a SessionKey's id, `label` the label of the call when its card was drawn,
    `card` the canonical JSON that approvers see (see `bailiwick.action.approval_card`). Everything but `status` and
    `votes` stays as it was requested."""

    id: str
    tenant: str
    env: str
    session: str
    digest: str
    tool: str
    chain: Chain
    task: str
    policy_digest: str
    gates: tuple[Gate, ...]
    label: Label
    card: bytes
    card_digest: str
    requested_ms: int
    expires_ms: int
    status: ApprovalStatus = ApprovalStatus.REQUESTED
    votes: tuple[Vote, ...] = ()

    def __post_init__(self) -> None:
        if not self.gates or len({gate.id for gate in self.gates}) != len(self.gates):
            raise ValueError("an approval is for at least one gate, and for each gate once")
        if any(gate.quorum < 1 for gate in self.gates):
            raise ValueError("a gate needs a quorum of at least one")
        if self.card_digest != card_digest(self.card):
            raise ValueError("the card is not the one that was requested")

    def votes_for(self, gate_id: str) -> frozenset[str]:
        """Who granted this gate on the present card."""
        return frozenset(
            vote.approver
            for vote in self.votes
            if vote.gate == gate_id and vote.granted and vote.card_digest == self.card_digest
        )

    @property
    def complete(self) -> bool:
        """True iff every gate has its quorum and nobody said no."""
        return all(vote.granted for vote in self.votes) and all(
            len(self.votes_for(gate.id)) >= gate.quorum for gate in self.gates
        )

    def status_at(self, now_ms: int) -> ApprovalStatus:
        """The status with time taken into account: what is still open but past its end has expired."""
        still_open = self.status in _OPEN
        return ApprovalStatus.EXPIRED if still_open and now_ms >= self.expires_ms else self.status

    def open_for(self, *, gates: Set[str], policy_digest: str, label: Label, now_ms: int) -> bool:
        """True iff this request is still waiting and would, once granted, do for these gates, rules and label."""
        return (
            self.status_at(now_ms) is ApprovalStatus.REQUESTED
            and now_ms >= self.requested_ms
            and gates <= {gate.id for gate in self.gates}
            and self.policy_digest == policy_digest
            and label.flows_to(self.label)
        )


class ApprovalStore(Protocol):
    """Approvals of all tenants. Every method raises StoreError when it cannot do its work; the caller denies.

    `save` and `compare_and_set` are durable (fsynced) when they return: a crash may lose an approval, never use one
    twice. Lists are ordered from the oldest request to the newest."""

    def save(self, approval: Approval) -> None:
        """Store a new request. Raises StoreError if its id is taken."""

    def get(self, tenant: str, env: str, approval_id: str) -> Approval | None:
        """The approval with this id, None if this tenant's environment has none."""

    def by_digest(self, tenant: str, env: str, digest: str) -> tuple[Approval, ...]:
        """Approvals of exactly this action."""

    def by_session(self, session: str) -> tuple[Approval, ...]:
        """Approvals that the session with this SessionKey id asked for."""

    def pending(self, tenant: str, env: str) -> tuple[Approval, ...]:
        """Requests that wait for votes; some may have expired (`status_at`)."""

    def compare_and_set(self, old: Approval, new: Approval) -> bool:
        """Replace `old` by `new` iff the store still holds exactly `old`: of all who try, one gets True.

        Raises StoreError if `new` is no step from `old` (`is_step`)."""


def card_digest(card: bytes) -> str:
    """What a vote is bound to."""
    return "sha256:" + hashlib.sha256(b"bailiwick.card\x00" + card).hexdigest()


def request(
    *,
    id: str,  # noqa: A002  (the field's own name)
    authority: Authority,
    action: Action,
    digest: str,
    policy_digest: str,
    gates: tuple[Gate, ...],
    label: Label,
    card: bytes,
    now_ms: int,
    expires_ms: int,
) -> Approval:
    """A request for approval of `action`. Raises ValueError for no gate, a gate twice, or a quorum below one."""
    return Approval(
        id=id,
        tenant=authority.key.tenant,
        env=authority.key.env,
        session=authority.key.id,
        digest=digest,
        tool=action.tool.name,
        chain=authority.chain,
        task=authority.task,
        policy_digest=policy_digest,
        gates=gates,
        label=label,
        card=card,
        card_digest=card_digest(card),
        requested_ms=now_ms,
        expires_ms=expires_ms,
    )


def usable(
    approval: Approval, *, digest: str, policy_digest: str, gates: Set[str], label: Label, now_ms: int
) -> Reason | None:
    """Why this approval does not lift `gates` for the call with `digest` now; None if it does.

    `gates` are those that deny the call as it is decided now: each must be one that was approved (an approved gate that
    no longer denies does no harm). `label` is the call's label now: it may not be higher than the card showed.
    """
    refused = _not_granted(approval, now_ms)
    if refused is not None:
        return refused
    if digest != approval.digest:
        return _reason(
            "approval-of-another-call",
            f"Approval {approval.id} is for another call.",
            "Make the approved call unchanged, or ask for approval of this one.",
        )
    if policy_digest != approval.policy_digest:
        return _reason(
            "approval-under-other-rules",
            f"The rules changed after approval {approval.id} was requested.",
            "Ask for approval again, under the present rules.",
        )
    missing = sorted(gates - {gate.id for gate in approval.gates})
    if missing or not gates:
        return _reason(
            "approval-of-other-gates",
            f"Approval {approval.id} does not cover {', '.join(missing) or 'any gate of this call'}.",
            "Ask for approval of the call as it stands.",
        )
    if not label.flows_to(approval.label):
        return _reason(
            "approval-label-risen",
            f"The session has seen stricter or less trusted data than the card of approval {approval.id} showed.",
            "Ask for approval again, so that the approver sees what is at stake now.",
        )
    return None


def consume(approval: Approval) -> Approval:
    """The approval as used. Raises ValueError if it is not granted; the use counts only once a store's
    `compare_and_set(approval, consume(approval))` has returned True."""
    if approval.status is not ApprovalStatus.GRANTED:
        raise ValueError(f"approval {approval.id} is {approval.status}, not granted")
    return dataclasses.replace(approval, status=ApprovalStatus.CONSUMED)


def expire(approval: Approval, now_ms: int) -> Approval:
    """The approval as it stands at `now_ms`: expired if it was still open and its time is over, else unchanged."""
    return dataclasses.replace(approval, status=approval.status_at(now_ms))


def is_step(old: Approval, new: Approval) -> bool:
    """True iff `new` may follow `old`: only status and votes differ, votes are only added, the status goes forward."""
    same = dataclasses.replace(new, status=old.status, votes=old.votes) == old
    added = new.votes[len(old.votes) :]
    if not same or new.votes[: len(old.votes)] != old.votes:
        return False
    match new.status:
        case ApprovalStatus.REQUESTED:
            return old.status is ApprovalStatus.REQUESTED and bool(added)
        case ApprovalStatus.GRANTED:
            return old.status is ApprovalStatus.REQUESTED and bool(added) and new.complete
        case ApprovalStatus.CONSUMED:
            return old.status is ApprovalStatus.GRANTED and not added and new.complete
        case ApprovalStatus.DENIED:
            return old.status in _OPEN and any(not vote.granted for vote in added)
        case ApprovalStatus.EXPIRED:
            return old.status in _OPEN and not added
        case _:  # pragma: no cover
            assert_never(new.status)


def differing(approval: Approval, args: bytes) -> tuple[str, ...]:
    """Names of the arguments in `args` (canonical bytes) that are not as the card showed them, sorted: what changed
    between approval and call."""
    shown, asked = card_arguments(approval.card), parse(args)
    if not isinstance(asked, dict):
        return tuple(sorted(shown))
    names = shown.keys() | asked.keys()
    return tuple(sorted(name for name in names if name not in shown or name not in asked or shown[name] != asked[name]))


def _not_granted(approval: Approval, now_ms: int) -> Reason | None:
    status = approval.status_at(now_ms)
    if now_ms < approval.requested_ms:
        return _clock(approval)
    match status:
        case ApprovalStatus.GRANTED:
            if approval.complete:
                return None
            # Only a store that was written to by other hands holds this.
            return _reason(
                "approval-incomplete",
                f"Approval {approval.id} says granted, but its votes do not.",
                "Ask for approval again, and look at who wrote to the state store.",
            )
        case ApprovalStatus.REQUESTED:
            return _reason("approval-requested", f"Approval {approval.id} waits for a person.", "Try again later.")
        case ApprovalStatus.DENIED:
            return _reason("approval-denied", f"Approval {approval.id} was denied.", "Do not make this call.")
        case ApprovalStatus.EXPIRED:
            return _reason("approval-expired", f"Approval {approval.id} has expired.", "Ask for approval again.")
        case ApprovalStatus.CONSUMED:
            return _reason(
                "approval-used",
                f"Approval {approval.id} was used already.",
                "An approval is for one run; ask for another.",
            )
        case _:  # pragma: no cover
            assert_never(status)


def _clock(approval: Approval) -> Reason:
    return _reason(
        "clock-backwards",
        f"The clock is behind the time at which approval {approval.id} was requested.",
        "Set this machine's clock right.",
    )


def _reason(code: str, message: str, hint: str) -> Reason:
    return Reason(plane=Plane.ACTION, code=code, message=message, hint=hint)
