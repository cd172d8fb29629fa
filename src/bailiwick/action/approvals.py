"""The approval of one call by people: a state machine of its own, as pure functions over a frozen value.

    requested ──▶ granted ──▶ consumed
        │  │         │
        │  └─────────┼──▶ denied        one eligible person is enough, also after it was granted, until it is used
        │            ├──▶ withdrawn     by who asked
        │            ├──▶ edited        a person put another call in its place, which has an approval of its own
        └────────────┴──▶ expired

Promise 4 (DESIGN §3): what was approved is what runs. An approval binds to the digest of the exact call, to what the
call means (`action.digest.meaning_digest`), to the text of the gates and to the label that its card showed; it is used
once. INVARIANTS, for whoever reads this for holes:

- Each vote carries the digest of the card it was cast on. Only votes on the present card count towards a quorum.
- Who may vote on what is decided in `bailiwick.action.approval_vote`; a vote counts for its own gate alone.
- Only votes lead to GRANTED and only GRANTED leads to CONSUMED; stores refuse any other step (`is_step`).

DESIGN §4 (gates), §5 *Action*.
"""

from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

from bailiwick.action.asked import Asked
from bailiwick.action.remember import Remember
from bailiwick.model.approver import ProofMethod
from bailiwick.model.call import Authority
from bailiwick.model.decision import Gate, Plane, Reason
from bailiwick.model.label import Label
from bailiwick.model.principal import Chain

__all__ = [
    "Approval",
    "ApprovalStatus",
    "Vote",
    "card_digest",
    "clock_behind",
    "consume",
    "edit",
    "expire",
    "is_step",
    "request",
    "usable",
    "withdraw",
]


class ApprovalStatus(StrEnum):
    """See the picture at the top of this module."""

    REQUESTED = "requested"
    GRANTED = "granted"
    DENIED = "denied"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"
    EDITED = "edited"
    CONSUMED = "consumed"


_OPEN = (ApprovalStatus.REQUESTED, ApprovalStatus.GRANTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote:
    """What one person said on one gate. `os_user` is the account of the operating system that it came from (empty over
    the network), which is evidence beside `approver`, the directory's id; `method` says how it is known that it was
    they, `evidence` is the digest of what proves it (empty where nothing does); `at_ms` is milliseconds since the
    epoch. `remember` is what they want to hold for calls like this one, too (`bailiwick.action.standing`)."""

    gate: str
    approver: str
    granted: bool
    at_ms: int
    os_user: str
    card_digest: str
    method: ProofMethod = ProofMethod.CLAIMED
    evidence: str = ""
    remember: Remember | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """One request with all that was said on it. Times are milliseconds since the epoch, `expires_ms` is the first
    moment at which it is good for nothing. INVARIANT (`is_step`): everything but `status`, `votes`, `edited`,
    `edited_by` and `successor` stays as it was requested.

    `proof` is what a confirmation takes at least. `around` is what held around the session (opaque here), so that an
    edited call can be decided, `scope` what the session might do (opaque too). Of an edited request `edited` are the
    arguments that a person put in the place of its own (canonical bytes), `edited_by` is that person, and
    `successor` the approval of that call (empty: it needs none); `edit_of` says the same from the other end. A
    `planted` one asks for a call that does not exist, to see whether people read what they answer. INVARIANT: it never
    lifts anything."""

    id: str
    tenant: str
    env: str
    session: str
    tool: str
    chain: Chain
    task: str
    asked: Asked
    card: bytes
    card_digest: str
    requested_ms: int
    expires_ms: int
    proof: ProofMethod = ProofMethod.CLAIMED
    around: bytes = b""
    scope: bytes = b""
    planted: bool = False
    edit_of: str = ""
    status: ApprovalStatus = ApprovalStatus.REQUESTED
    votes: tuple[Vote, ...] = ()
    edited: bytes = b""
    edited_by: str = ""
    successor: str = ""

    def __post_init__(self) -> None:
        if not self.gates or len({gate.id for gate in self.gates}) != len(self.gates):
            raise ValueError("an approval is for at least one gate, and for each gate once")
        if any(gate.quorum < 1 for gate in self.gates):
            raise ValueError("a gate needs a quorum of at least one")
        if self.card_digest != card_digest(self.card):
            raise ValueError("the card is not the one that was requested")

    @property
    def digest(self) -> str:
        return self.asked.digest

    @property
    def gates(self) -> tuple[Gate, ...]:
        return self.asked.gates

    @property
    def label(self) -> Label:
        return self.asked.label

    def votes_for(self, gate_id: str) -> frozenset[str]:
        """Who granted this gate on the present card, in a way that counts for it."""
        signed = any(gate.phishing_resistant for gate in self.gates if gate.id == gate_id)
        return frozenset(
            vote.approver
            for vote in self.votes
            if vote.gate == gate_id
            and vote.granted
            and vote.card_digest == self.card_digest
            and (vote.method is ProofMethod.SIGNED or not signed)
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

    def fits(self, asked: Asked) -> Reason | None:
        """Why this is no approval of what is asked now, whoever granted it; None if it is.

        Each gate that denies the call now must be one that was shown, with unchanged text, approvers and quorum (an
        approved gate that no longer denies does no harm); the label may not be higher than the card showed, and what
        the call rests on no weaker."""
        if asked.digest != self.digest:
            return _reason(
                "approval-of-another-call",
                f"Approval {self.id} is for another call.",
                "Make the approved call unchanged, or ask for approval of this one.",
            )
        shown = {gate.id: gate for gate in self.gates}
        missing = sorted({gate.id for gate in asked.gates} - shown.keys())
        if missing or not asked.gates:
            return _reason(
                "approval-of-other-gates",
                f"Approval {self.id} does not cover {', '.join(missing) or 'any gate of this call'}.",
                "Ask for approval of the call as it stands.",
            )
        changed = sorted(gate.id for gate in asked.gates if shown[gate.id] != gate)
        if changed or asked.meaning != self.asked.meaning:
            return _reason(
                "approval-under-other-rules",
                f"{', '.join(changed) or 'What this call does'} changed after approval {self.id} was requested.",
                "Ask for approval again, under the present rules.",
            )
        if not asked.no_worse_than(self.asked):
            return _reason(
                "approval-label-risen",
                f"The session has seen stricter or less trusted data than the card of approval {self.id} showed.",
                "Ask for approval again, so that the approver sees what is at stake now.",
            )
        return None

    def open_for(self, asked: Asked, now_ms: int) -> bool:
        """True iff this request is still waiting and would, once granted, do for what is asked now."""
        waiting = self.status_at(now_ms) is ApprovalStatus.REQUESTED and now_ms >= self.latest_ms
        return waiting and self.fits(asked) is None

    @property
    def latest_ms(self) -> int:
        """When the last thing happened to it: a clock that is behind this cannot be trusted."""
        return max((self.requested_ms, *(vote.at_ms for vote in self.votes)))


def card_digest(card: bytes) -> str:
    """What a vote is bound to."""
    return "sha256:" + hashlib.sha256(b"bailiwick.card\x00" + card).hexdigest()


def request(
    *,
    id: str,  # noqa: A002  (the field's own name)
    authority: Authority,
    tool: str,
    asked: Asked,
    card: bytes,
    now_ms: int,
    expires_ms: int,
    proof: ProofMethod = ProofMethod.CLAIMED,
    around: bytes = b"",
    scope: bytes = b"",
    edit_of: str = "",
) -> Approval:
    """A request for approval. Raises ValueError for no gate, a gate twice, or a quorum below one."""
    return Approval(
        id=id,
        tenant=authority.key.tenant,
        env=authority.key.env,
        session=authority.key.id,
        tool=tool,
        chain=authority.chain,
        task=authority.task,
        asked=asked,
        card=card,
        card_digest=card_digest(card),
        requested_ms=now_ms,
        expires_ms=expires_ms,
        proof=proof,
        around=around,
        scope=scope,
        edit_of=edit_of,
    )


def usable(approval: Approval, asked: Asked, now_ms: int) -> Reason | None:
    """Why this approval does not lift the gates of what is asked now; None if it does, as far as its votes still count
    (`approval_vote.lapsed`)."""
    return _not_granted(approval, now_ms) or approval.fits(asked)


def consume(approval: Approval) -> Approval:
    """The approval as used. Raises ValueError if it is not granted; the use counts only once a store's
    `compare_and_set(approval, consume(approval))` has returned True."""
    if approval.status is not ApprovalStatus.GRANTED or approval.planted:
        raise ValueError(f"approval {approval.id} is {approval.status}, not granted")
    return dataclasses.replace(approval, status=ApprovalStatus.CONSUMED)


def withdraw(approval: Approval) -> Approval:
    """The approval as taken back by who asked. Raises ValueError if it is open no more."""
    if approval.status not in _OPEN:
        raise ValueError(f"approval {approval.id} is {approval.status} already")
    return dataclasses.replace(approval, status=ApprovalStatus.WITHDRAWN)


def edit(approval: Approval, args: bytes, successor: str, *, by: str) -> Approval:
    """The approval with another call in the place of its own, put there by the user `by`. Raises ValueError if
    it is open no more."""
    if approval.status not in _OPEN:
        raise ValueError(f"approval {approval.id} is {approval.status} already")
    return dataclasses.replace(approval, status=ApprovalStatus.EDITED, edited=args, edited_by=by, successor=successor)


def expire(approval: Approval, now_ms: int) -> Approval:
    """The approval as it stands at `now_ms`: expired if it was still open and its time is over, else unchanged."""
    return dataclasses.replace(approval, status=approval.status_at(now_ms))


def is_step(old: Approval, new: Approval) -> bool:
    """True iff `new` may follow `old`: only status and votes differ, votes are only added, the status goes forward. (An
    edit also names what took the place of the call.)"""
    same = dataclasses.replace(new, status=old.status, votes=old.votes, edited=b"", edited_by="", successor="") == old
    added = new.votes[len(old.votes) :]
    if new.status is not ApprovalStatus.EDITED and (new.edited or new.edited_by or new.successor):
        return False
    if not same or new.votes[: len(old.votes)] != old.votes:
        return False
    if new.planted:
        return _ends_check(old, new)
    match new.status:
        case ApprovalStatus.REQUESTED:
            return old.status is ApprovalStatus.REQUESTED and bool(added)
        case ApprovalStatus.GRANTED:
            return old.status is ApprovalStatus.REQUESTED and bool(added) and new.complete
        case ApprovalStatus.CONSUMED:
            return old.status is ApprovalStatus.GRANTED and not added and new.complete
        case ApprovalStatus.DENIED:
            return old.status in _OPEN and any(not vote.granted for vote in added)
        case ApprovalStatus.EXPIRED | ApprovalStatus.WITHDRAWN:
            return old.status in _OPEN and not added
        case ApprovalStatus.EDITED:
            return old.status in _OPEN and not added and bool(new.edited)
        case _:  # pragma: no cover
            assert_never(new.status)


def _ends_check(old: Approval, new: Approval) -> bool:
    """Whatever somebody says to a planted request ends it; nothing else comes of it."""
    added = len(new.votes) > len(old.votes)
    ends = {ApprovalStatus.DENIED: added, ApprovalStatus.EXPIRED: not added, ApprovalStatus.WITHDRAWN: not added}
    return old.status is ApprovalStatus.REQUESTED and ends.get(new.status, False)


def _not_granted(approval: Approval, now_ms: int) -> Reason | None:
    status = ApprovalStatus.DENIED if approval.planted else approval.status_at(now_ms)
    if now_ms < approval.latest_ms:
        return clock_behind(approval)
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
        case ApprovalStatus.WITHDRAWN:
            return _reason("approval-withdrawn", f"Approval {approval.id} was withdrawn.", "Ask for approval again.")
        case ApprovalStatus.EDITED:
            return _reason(
                "approval-edited",
                f"Approval {approval.id} was given to this call with other arguments.",
                "Make the call with those.",
            )
        case ApprovalStatus.CONSUMED:
            return _reason(
                "approval-used",
                f"Approval {approval.id} was used already.",
                "An approval is for one run; ask for another.",
            )
        case _:  # pragma: no cover
            assert_never(status)


def clock_behind(approval: Approval) -> Reason:
    """Why nothing that has to do with time can be said of it."""
    return _reason(
        "clock-backwards",
        f"The clock is behind the time at which approval {approval.id} was requested or voted on.",
        "Set this machine's clock right.",
    )


def _reason(code: str, message: str, hint: str) -> Reason:
    return Reason(plane=Plane.ACTION, code=code, message=message, hint=hint)
