"""The four planes as one frozen value: what a decision is taken with. Built by the project room, read by the core."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from bailiwick.action.types import STANDARD_TYPES, Organisation, Surroundings, TypeRegistry
from bailiwick.guard.administration.bundles import Activation
from bailiwick.identity.oidc_settings import OidcIssuer
from bailiwick.model.approver import ProofMethod
from bailiwick.model.budget import Budget
from bailiwick.model.canonical import digest
from bailiwick.model.circumstances import FactDecl
from bailiwick.model.directory import Attribute, Directory
from bailiwick.model.lookup import NOTHING_FOUND, Found
from bailiwick.model.principal import EntityKind, EntityRef
from bailiwick.model.suspensions import NOBODY, Suspensions
from bailiwick.model.tool import Catalog
from bailiwick.policy import PolicyEngine

__all__ = ["BundleRules", "Planes", "PolicyMode", "Settings"]


class PolicyMode(StrEnum):
    """What becomes of a denial by the rules: OBSERVE records it and lets the call pass, loudly."""

    ENFORCE = "enforce"
    OBSERVE = "observe"


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleRules:
    """What it takes to activate a bundle, beside the signature of its author. `required`: nothing is decided without a
    bundle; `signatures` of different people, the author's among them; `separation`: one of them is not the author's."""

    required: bool = False
    signatures: int = 1
    separation: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Settings of bailiwick.toml that decisions read. Times are milliseconds."""

    tenant: str
    env: str
    levels: tuple[str, ...]
    categories: frozenset[str]
    approval_ttl_ms: int
    permit_ttl_ms: int
    mode: PolicyMode = PolicyMode.ENFORCE
    environment: tuple[Attribute, ...] = ()
    facts: tuple[FactDecl, ...] = ()
    budgets: tuple[Budget, ...] = ()
    oidc: tuple[OidcIssuer, ...] = ()
    plan_approvers: frozenset[str] = frozenset()
    bundles: BundleRules = BundleRules()
    approval_proof: ProofMethod = ProofMethod.CLAIMED
    approval_readers: frozenset[str] = frozenset()
    approval_longest_ms: int = 86_400_000
    approval_open_limit: int = 20
    standing_ttl_ms: int = 28_800_000
    standing_count: int = 20
    check_rate: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Planes:
    """Catalog, directory, rules and settings of one project, and who or what is suspended. A decision is taken with one
    value of this from its beginning to its end, whatever changes meanwhile."""

    settings: Settings
    organisation: Organisation
    types: TypeRegistry = field(default_factory=lambda: STANDARD_TYPES)
    catalog: Catalog
    directory: Directory
    policy: PolicyEngine
    administration: PolicyEngine
    suspensions: Suspensions = NOBODY
    bundle: Activation | None = None
    """The bundle that all this is from; None: the files of the folder."""

    @property
    def rules_digest(self) -> str:
        """Everything that decisions are taken with: policies, catalog and directory together, and the settings that say
        what rules mean (who is outside, what is counted, when it is working time)."""
        hours = self.policy.world.hours
        return digest(
            "bailiwick.rules.v2",
            [
                *(self.policy.digest, self.administration.digest, self.catalog.digest, self.directory.digest),
                sorted(self.organisation.domains),
                sorted(self.organisation.mailboxes),
                [budget.written for budget in self.settings.budgets],
                hours and [str(hours.zone), sorted(hours.days), hours.begin.isoformat(), hours.end.isoformat()],
            ],
        )

    def surroundings(self, found: Found = NOTHING_FOUND) -> Surroundings:
        """What the types of arguments may know beside a value."""
        return Surroundings(organisation=self.organisation, found=found)

    @property
    def top_sensitivity(self) -> int:
        return len(self.settings.levels) - 1

    def reads(self, address: str, readers: frozenset[str]) -> bool:
        """True iff the person behind a mail address is one of `readers` (`User::alice`, `Group::support`,
        `Role::…`)."""
        user = self.directory.user_by_email(address)
        if user is None or not user.active:
            return False
        if f"{EntityKind.USER.value}::{user.id}" in readers:
            return True
        return any(_reader(ref) in readers for ref in self.directory.groups_of(user.id))


def _reader(ref: EntityRef) -> str:
    return f"{ref.kind.value}::{ref.id}"
