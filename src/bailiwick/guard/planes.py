"""The four planes as one frozen value: what a decision is taken with. Built by the project room, read by the core."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from bailiwick.action.types import STANDARD_TYPES, Organisation, Surroundings, TypeRegistry
from bailiwick.flow.ledger import Ledger
from bailiwick.flow.naming import Naming
from bailiwick.flow.runs import Background
from bailiwick.guard.administration.bundles import Activation
from bailiwick.guard.readership import Readership
from bailiwick.identity.oidc_settings import OidcIssuer
from bailiwick.model.approver import ProofMethod
from bailiwick.model.budget import Budget
from bailiwick.model.canonical import digest
from bailiwick.model.circumstances import FactDecl
from bailiwick.model.directory import Attribute, Directory
from bailiwick.model.label import ALL_STRICT, NamedLabel, Strictness
from bailiwick.model.lookup import NOTHING_FOUND, Found
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
    strictness: Strictness = ALL_STRICT
    free_text: int = 0
    background: tuple[str, ...] = ()
    label_names: Mapping[str, NamedLabel] = field(default_factory=dict)
    unlabelled: int | None = None


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
    background: Background = frozenset()
    """Blocks of what everybody may know: evidence of nothing."""
    background_digest: str = ""
    bundle: Activation | None = None
    """The bundle that all this is from; None: the files of the folder."""
    reads: Readership = field(init=False, compare=False, repr=False)
    """What the directory says on who reads."""
    naming: Naming = field(init=False, compare=False, repr=False)
    """What names of levels, categories and readers mean in results and documents."""

    def __post_init__(self) -> None:
        settings, reads = self.settings, Readership(self.directory, self.organisation.domains)
        naming = Naming(
            top=self.top_sensitivity,
            levels=settings.levels,
            categories=settings.categories,
            names=settings.label_names,
            unlabelled=settings.unlabelled,
            who=reads.who,
            outsider=reads.outsider,
        )
        object.__setattr__(self, "reads", reads)
        object.__setattr__(self, "naming", naming)

    def ledger(self, task: str = "") -> Ledger:
        """An empty ledger of a session that was opened for `task`."""
        return Ledger(
            top_sensitivity=self.top_sensitivity,
            task=task,
            strictness=self.settings.strictness,
            free_text=self.settings.free_text,
            background=self.background,
        )

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
                [self.settings.strictness.name, self.settings.free_text, self.settings.unlabelled],
                self.background_digest,
                [[name, label.level, sorted(label.categories)] for name, label in self.settings.label_names.items()],
                hours and [str(hours.zone), sorted(hours.days), hours.begin.isoformat(), hours.end.isoformat()],
            ],
        )

    @property
    def deciding_digest(self) -> str:
        """What the rules' answer to one and the same question rests on: with equal ones it is the same answer."""
        hours = self.policy.world.hours
        return digest(
            "bailiwick.deciding.v1",
            [
                *(self.policy.digest, self.catalog.digest, self.directory.digest, self.settings.mode.value),
                hours and [str(hours.zone), sorted(hours.days), hours.begin.isoformat(), hours.end.isoformat()],
            ],
        )

    def surroundings(self, found: Found = NOTHING_FOUND) -> Surroundings:
        """What the types of arguments may know beside a value."""
        return Surroundings(organisation=self.organisation, found=found)

    @property
    def top_sensitivity(self) -> int:
        return len(self.settings.levels) - 1
