"""The directory as values: people, services, agents and tasks.

Written in `directory.toml`, parsed by `bailiwick.identity.directory`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bailiwick.errors import Where
from bailiwick.model.budget import BudgetShares
from bailiwick.model.principal import EntityKind, EntityRef
from bailiwick.model.shape import Shape
from bailiwick.model.tool import Effect

__all__ = ["AgentEntry", "Attribute", "DelegationEdge", "Directory", "Scalar", "ServiceEntry", "TaskEntry", "UserEntry"]

Scalar = str | int | bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute:
    """An attribute that directory.toml adds to User, Service or Agent. Required ones are set on every entry."""

    name: str
    shape: Shape
    optional: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class UserEntry:
    """`groups` and `roles` are the direct ones; `level` is a seniority of the organisation's own; `clearance` an index
    of a sensitivity level; `keys` are the public keys that this person signs plans with (`ed25519:…`). `automated`:
    programs post through this account, so that what is in its name is not this person's word."""

    id: str
    email: str = ""
    groups: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    active: bool = True
    automated: bool = False
    level: int = 0
    clearance: int = 0
    keys: tuple[str, ...] = ()
    attributes: Mapping[str, Scalar] = field(default_factory=dict)
    where: Where


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceEntry:
    """The root of an unattended agent: a user answers for it."""

    id: str
    owner: str
    purpose: str
    active: bool = True
    clearance: int = 0
    attributes: Mapping[str, Scalar] = field(default_factory=dict)
    where: Where


@dataclass(frozen=True, slots=True, kw_only=True)
class DelegationEdge:
    """How far one agent trusts another one: work that goes over this edge may call tools with these `effects` alone,
    and the other agent may hand it on over `max_depth` further hops."""

    effects: frozenset[Effect]
    max_depth: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentEntry:
    """`may_delegate_to` says to whom this agent may hand its work: to nobody else. `keys` are the public keys that it
    holds in a process of its own (`ed25519:…`)."""

    id: str
    classes: tuple[str, ...] = ()
    owner: str = ""
    active: bool = True
    clearance: int = 0
    may_delegate_to: Mapping[str, DelegationEdge] = field(default_factory=dict)
    keys: tuple[str, ...] = ()
    attributes: Mapping[str, Scalar] = field(default_factory=dict)
    where: Where


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskEntry:
    """A named task: it narrows tools (None: all), zones (empty: all), time (`ttl_ms`), `budgets` (not named: all)."""

    id: str
    purpose: str
    tools: frozenset[str] | None = None
    zones: frozenset[str] = frozenset()
    ttl_ms: int = 3_600_000
    budgets: BudgetShares = ()
    where: Where


@dataclass(frozen=True, slots=True, kw_only=True)
class Directory:
    """Everything that directory.toml says. `groups`, `roles` and `classes` map a name to its direct parents."""

    users: Mapping[str, UserEntry]
    services: Mapping[str, ServiceEntry]
    agents: Mapping[str, AgentEntry]
    tasks: Mapping[str, TaskEntry]
    groups: Mapping[str, tuple[str, ...]]
    roles: Mapping[str, tuple[str, ...]]
    classes: Mapping[str, tuple[str, ...]]
    attributes: Mapping[EntityKind, tuple[Attribute, ...]]
    digest: str

    def groups_of(self, user_id: str) -> frozenset[EntityRef]:
        """Every Group and Role that the user is in, directly or through parents. Unknown users are in none."""
        user = self.users.get(user_id)
        if user is None:
            return frozenset()
        found: set[EntityRef] = set()
        for kind, start, parents in (
            (EntityKind.GROUP, user.groups, self.groups),
            (EntityKind.ROLE, user.roles, self.roles),
        ):
            todo = list(start)
            while todo:
                name = todo.pop()
                ref = EntityRef(kind=kind, id=name)
                if ref not in found:
                    found.add(ref)
                    todo.extend(parents.get(name, ()))
        return frozenset(found)

    def user_by_email(self, address: str) -> UserEntry | None:
        """The user with this mail address, compared without case; None if there is none."""
        wanted = address.casefold()
        return next((user for user in self.users.values() if user.email and user.email.casefold() == wanted), None)
