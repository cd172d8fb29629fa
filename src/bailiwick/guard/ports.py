"""Everything outside that the guard needs: stores, the log, keys, a clock. Built by the project room."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from bailiwick.action.approval_store import ApprovalStore
from bailiwick.action.budgets import BudgetStore
from bailiwick.action.ports import InDoubt, InFlightStore, LookupSource
from bailiwick.action.standing import StandingGrantStore
from bailiwick.audit.log import Clock, EventLog
from bailiwick.flow.ledger import LedgerStore
from bailiwick.flow.release import Detector
from bailiwick.flow.written import WrittenStore
from bailiwick.guard.administration.bundles import BundleStore
from bailiwick.guard.effectors import Effectors
from bailiwick.guard.planes import Planes
from bailiwick.identity.accounts import AccountStore
from bailiwick.identity.jwks import Jwks
from bailiwick.identity.keys import PrivateKey, PublicKey
from bailiwick.identity.oidc_settings import OidcIssuer
from bailiwick.identity.ports import ReplayStore, RevocationStore, SessionStore, SuspensionStore
from bailiwick.policy.information import FactSource

__all__ = ["ContentSource", "Holding", "Inspector", "Issuer", "Keys", "Ports"]


class Holding(Protocol):
    """The planes that hold in this process. Raises StoreError when it cannot be known which do; the caller denies."""

    @property
    def latest(self) -> Planes:
        """What held when it was last asked."""

    def now(self) -> Planes:
        """What holds now."""


class Inspector(Protocol):
    """A quarantined model: it answers questions about contents that the agent's model does not see, and has no tools.
    What it says is checked against `schema`; what it raises ends the inspection."""

    def __call__(self, question: str, content: str, schema: Mapping[str, object], /) -> object:
        """The answer, as the schema has it."""


class ContentSource(Protocol):
    """Contents that events committed to, whichever process wrote them."""

    def content(self, event_id: str, role: str) -> bytes | None:
        """A content of an event, None if it never was there or was erased. Raises StoreError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """Who signs delegations here."""

    name: str
    key: PrivateKey


class Keys(Protocol):
    """The keys of this project and of the identity providers that it trusts. Raises StoreError where one cannot be had;
    the caller denies."""

    def of_provider(self, issuer: OidcIssuer, kid: str | None) -> Jwks:
        """The keys of an identity provider, fetched anew if none of them is called `kid`."""

    def issuer(self) -> Issuer:
        """The project's own key: made when it is first asked for."""

    def verifies(self, key: PublicKey, message: bytes, signature: bytes) -> bool:
        """Whether the signature is valid, with a memory of those that were."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Everything outside. `new_id` gives time-ordered unique ids; `log_alive` says whether a process still holds a
    log; `entropy` gives so many random bytes; `lost` are permits of this process whose outcome could not be
    recorded."""

    clock: Clock
    new_id: Callable[[], str]
    entropy: Callable[[int], bytes]
    log: EventLog
    log_id: str
    log_alive: Callable[[str], bool]
    holding: Holding
    facts: FactSource
    lookups: LookupSource
    effectors: Effectors
    keys: Keys
    replay: ReplayStore
    revocations: RevocationStore
    approvals: ApprovalStore
    remembered: StandingGrantStore
    sessions: SessionStore
    in_flight: InFlightStore
    suspensions: SuspensionStore
    accounts: AccountStore
    bundles: BundleStore
    ledger: LedgerStore
    contents: ContentSource
    written: WrittenStore
    budgets: BudgetStore
    detectors: tuple[Detector, ...] = ()
    inspector: Inspector | None = None
    lost: set[str] = field(default_factory=set)

    def abandoned(self, row: InDoubt) -> bool:
        """True iff nobody will report this call's outcome: marked so, lost, or left by a process that is gone."""
        if row.unknown or row.permit_id in self.lost:
            return True
        return row.log_id != self.log_id and not self.log_alive(row.log_id)
