"""The values of the policy room: rule files as read, rules as loaded, and the words that rules may use.

INVARIANT: a `Bundle` holds only rules that passed Cedar's strict validation and the checks of our own (`loader`), keyed
by the author's `@id`. Tests may build one by hand to show that evaluation denies by itself where checks were bypassed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import cedarpy

from bailiwick.errors import Finding, Where
from bailiwick.model.budget import Budget
from bailiwick.model.circumstances import FactDecl, WorkingHours
from bailiwick.model.decision import Gate
from bailiwick.model.directory import Attribute

__all__ = ["Bundle", "PolicyEffect", "PolicyInfo", "PolicySource", "Vocabulary"]


class PolicyEffect(StrEnum):
    """What a rule does when it fires."""

    PERMIT = "permit"
    FORBID = "forbid"


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicySource:
    """One file of rules, read by somebody else. `path` is what findings name."""

    path: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyInfo:
    """One rule as loaded. `gate` is set iff a person can lift it; `reason` is its `@reason` or empty; `text` is the
    rule as its author wrote it, from its first annotation to its semicolon; of a pack's rule that was narrowed, what is
    left of it."""

    id: str
    effect: PolicyEffect
    annotations: Mapping[str, str]
    gate: Gate | None
    reason: str
    where: Where
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """The words of bailiwick.toml: categories, sensitivity levels from lowest to highest (a level's number is its
    index), attributes of the environment, facts that providers know, budgets, and working hours (None: none, and
    nobody is ever working)."""

    levels: tuple[str, ...]
    categories: frozenset[str]
    environment: tuple[Attribute, ...] = ()
    facts: tuple[FactDecl, ...] = ()
    budgets: tuple[Budget, ...] = ()
    hours: WorkingHours | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """Everything that evaluation needs of the rules. `schema` is always given: Cedar without one skips what it does not
    understand. `digest` covers rules, schema and the engine's version."""

    policy_set: cedarpy.PolicySet
    policies: Mapping[str, PolicyInfo]
    schema: cedarpy.Schema
    schema_text: str
    digest: str
    warnings: tuple[Finding, ...] = ()
