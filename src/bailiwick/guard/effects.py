"""What the sans-I/O core asks the outside world for, one class a request.

The core (`bailiwick.guard.core`) is a generator: it yields a request and is sent its answer. A request is a value that
knows which port it is for (`do`); both drivers do nothing else with it, so sync and async cannot differ.
Requests for tokens, revocations and bundles are defined beside the flows that need them.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Protocol, TypeVar

from bailiwick.action.approvals import Approval
from bailiwick.action.ports import InDoubt, Resolution
from bailiwick.flow.ledger import LedgerRow
from bailiwick.guard.planes import Planes
from bailiwick.guard.ports import Ports
from bailiwick.identity.ports import StoredSession
from bailiwick.identity.scope import ScopeChange
from bailiwick.model.circumstances import FactReading
from bailiwick.model.event import Draft, Receipt
from bailiwick.model.principal import Chain, SessionKey
from bailiwick.model.suspensions import Suspension
from bailiwick.model.tool import Durability, Idempotency
from bailiwick.policy.information import FactQuestion

__all__ = [
    "Append",
    "Begin",
    "ChangeScope",
    "CompareAndSet",
    "DelegatedSessions",
    "Effect",
    "FindApprovals",
    "FindInDoubt",
    "Finish",
    "Flow",
    "GetApproval",
    "GetSession",
    "LastApproved",
    "LoadChanges",
    "LoadScope",
    "MarkUnknown",
    "Now",
    "OpenStored",
    "PendingApprovals",
    "ReadFact",
    "Recorded",
    "Resolve",
    "Resume",
    "SaveApproval",
    "SessionApprovals",
    "StoreLedger",
    "Suspend",
    "WhatHolds",
]

T = TypeVar("T")


class Effect(Protocol):
    """A request to the outside world. One that says of itself that it is answered `at_once` waits for nothing."""

    def do(self, ports: Ports) -> object:
        """The answer. Raises StoreError (or LogUnavailable) when a store cannot give it."""
        ...


Flow = Generator[Effect, Any, T]
"""A generator of the core that ends in a T."""


@dataclass(frozen=True, slots=True)
class WhatHolds:
    """→ the planes as they are now, also where another process changed them: rules, suspensions."""

    def do(self, ports: Ports) -> Planes:
        return ports.holding.now()


@dataclass(frozen=True, slots=True)
class ReadFact:
    """→ the value of a fact that a rule reads."""

    question: FactQuestion

    def do(self, ports: Ports) -> FactReading:
        return ports.facts.read(self.question)


@dataclass(frozen=True, slots=True)
class Now:
    """→ microseconds since the epoch."""

    at_once: ClassVar[bool] = True

    def do(self, ports: Ports) -> int:
        return ports.clock()


@dataclass(frozen=True, slots=True)
class OpenStored:
    """Open or restore the session under a key."""

    key: SessionKey
    chain: Chain
    task: str
    purpose: str
    now_ms: int

    def do(self, ports: Ports) -> StoredSession:
        return ports.sessions.open_session(
            self.key, chain=self.chain, task=self.task, purpose=self.purpose, now_ms=self.now_ms
        )


@dataclass(frozen=True, slots=True)
class GetSession:
    """→ the session under a key, None if it was never opened."""

    key: SessionKey

    def do(self, ports: Ports) -> StoredSession | None:
        return ports.sessions.get_session(self.key)


@dataclass(frozen=True, slots=True)
class LoadScope:
    """→ what the scope of a session's task was changed to, None if it never was."""

    key: SessionKey
    task: str

    def do(self, ports: Ports) -> ScopeChange | None:
        return ports.sessions.scope(self.key, self.task)


@dataclass(frozen=True, slots=True)
class DelegatedSessions:
    """→ the stored sessions that were delegated from this one, directly or further."""

    key: SessionKey

    def do(self, ports: Ports) -> tuple[StoredSession, ...]:
        return ports.sessions.delegated(self.key)


@dataclass(frozen=True, slots=True)
class ChangeScope:
    """Store what a session's scope was changed to → whether nobody else changed it meanwhile."""

    key: SessionKey
    task: str
    change: ScopeChange
    version: int

    def do(self, ports: Ports) -> bool:
        return ports.sessions.change_scope(self.key, self.task, self.change, version=self.version)


@dataclass(frozen=True, slots=True)
class LoadChanges:
    """→ what other processes did to a session: rows of its ledger that were stored after `after_ord`, and its version,
    which grows when its scope changes."""

    key: SessionKey
    after_ord: int

    def do(self, ports: Ports) -> tuple[Sequence[LedgerRow], int]:
        return ports.ledger.load(self.key.id, self.after_ord), ports.sessions.version(self.key)


@dataclass(frozen=True, slots=True)
class StoreLedger:
    """Store rows → their ords, in order."""

    session: str
    rows: Sequence[LedgerRow]

    def do(self, ports: Ports) -> Sequence[int]:
        return ports.ledger.append(self.session, self.rows)


@dataclass(frozen=True, slots=True)
class GetApproval:
    """→ the approval with this id, or None."""

    tenant: str
    env: str
    id: str

    def do(self, ports: Ports) -> Approval | None:
        return ports.approvals.get(self.tenant, self.env, self.id)


@dataclass(frozen=True, slots=True)
class FindApprovals:
    """→ approvals of exactly this action, oldest first."""

    tenant: str
    env: str
    digest: str

    def do(self, ports: Ports) -> Sequence[Approval]:
        return ports.approvals.by_digest(self.tenant, self.env, self.digest)


@dataclass(frozen=True, slots=True)
class SessionApprovals:
    """→ approvals that this session asked for, oldest first."""

    session: str

    def do(self, ports: Ports) -> Sequence[Approval]:
        return ports.approvals.by_session(self.session)


@dataclass(frozen=True, slots=True)
class PendingApprovals:
    """→ requests for approval that wait for an answer, oldest first; some may have expired."""

    tenant: str
    env: str

    def do(self, ports: Ports) -> Sequence[Approval]:
        return ports.approvals.pending(self.tenant, self.env)


@dataclass(frozen=True, slots=True, kw_only=True)
class LastApproved:
    """→ the approval that a chain used last for a tool, or None."""

    tenant: str
    env: str
    tool: str
    chain: Chain

    def do(self, ports: Ports) -> Approval | None:
        return ports.approvals.last_used(self.tenant, self.env, tool=self.tool, chain=self.chain)


@dataclass(frozen=True, slots=True)
class SaveApproval:
    """Store a new approval request, unless `most_open` like it wait by then (`ApprovalStore.save`) → whether it is
    stored."""

    approval: Approval
    most_open: int | None = None

    def do(self, ports: Ports) -> bool:
        return ports.approvals.save(self.approval, most_open=self.most_open)


@dataclass(frozen=True, slots=True)
class CompareAndSet:
    """Replace `old` by `new` iff the store still holds `old` → whether it did. Durable when it returns."""

    old: Approval
    new: Approval

    def do(self, ports: Ports) -> bool:
        return ports.approvals.compare_and_set(self.old, self.new)


@dataclass(frozen=True, slots=True)
class FindInDoubt:
    """→ earlier calls with the same effect that may have run. Those whose outcome nobody will report are `unknown`; the
    others are under way just now."""

    effect_key: str

    def do(self, ports: Ports) -> tuple[InDoubt, ...]:
        rows = ports.in_flight.in_doubt(self.effect_key)
        return tuple(replace(row, unknown=True) if ports.abandoned(row) else row for row in rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class Begin:
    """Note that a call is about to be permitted → whether it may be: one that must not run twice is noted only if none
    with the same effect is."""

    effect_key: str
    permit_id: str
    decision_event: str
    tool: str
    idempotency: Idempotency
    now_ms: int

    def do(self, ports: Ports) -> bool:
        return ports.in_flight.begin(
            self.effect_key,
            permit_id=self.permit_id,
            decision_event=self.decision_event,
            log_id=ports.log_id,
            tool=self.tool,
            idempotency=self.idempotency,
            now_ms=self.now_ms,
            exclusive=self.idempotency is Idempotency.NONE,
        )


@dataclass(frozen=True, slots=True)
class Finish:
    """The call's outcome is known."""

    permit_id: str

    def do(self, ports: Ports) -> None:
        ports.in_flight.finish(self.permit_id)


@dataclass(frozen=True, slots=True)
class MarkUnknown:
    """The call may have run → whether it was under way."""

    permit_id: str

    def do(self, ports: Ports) -> bool:
        return ports.in_flight.mark_unknown(self.permit_id)


@dataclass(frozen=True, slots=True)
class Resolve:
    """Somebody found out what became of the call → whether it was still in doubt."""

    permit_id: str
    resolution: Resolution

    def do(self, ports: Ports) -> bool:
        return ports.in_flight.resolve(self.permit_id, self.resolution)


@dataclass(frozen=True, slots=True)
class Suspend:
    """Suspend a target → whether it was not suspended before. Durable when it returns."""

    tenant: str
    env: str
    suspension: Suspension

    def do(self, ports: Ports) -> bool:
        return ports.suspensions.suspend(self.tenant, self.env, self.suspension)


@dataclass(frozen=True, slots=True)
class Resume:
    """Lift exactly this suspension → whether it still held. Durable when it returns."""

    tenant: str
    env: str
    suspension: Suspension

    def do(self, ports: Ports) -> bool:
        return ports.suspensions.resume(self.tenant, self.env, self.suspension)


@dataclass(frozen=True, slots=True)
class Recorded:
    """→ whether the log holds this event."""

    event_id: str

    def do(self, ports: Ports) -> bool:
        return ports.log.event(self.event_id) is not None


@dataclass(frozen=True, slots=True)
class Append:
    """Write events → receipts, once they are as durable as asked."""

    drafts: Sequence[Draft]
    durability: Durability

    def do(self, ports: Ports) -> tuple[Receipt, ...]:
        return ports.log.append(self.drafts, self.durability)
