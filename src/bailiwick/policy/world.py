"""What rules can see: every entity, action and attribute that exists in this project, typed.

`build` makes it from the tool catalog, the directory and the vocabulary. `schema` renders it for Cedar, `check` reads
it to find rules that Cedar accepts and that can never fire. Both read the same value, so they cannot disagree. DESIGN
§4, §5.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from bailiwick.errors import Finding
from bailiwick.model.administration import ADMIN_GROUP
from bailiwick.model.circumstances import WorkingHours
from bailiwick.model.principal import EntityKind
from bailiwick.model.tool import (
    CONSEQUENTIAL,
    HIGH_IMPACT,
    Effect,
)

__all__ = [
    "ANCESTORS",
    "CONSEQUENTIAL_GROUP",
    "GROUPS",
    "HIGH_IMPACT_GROUP",
    "NO_END",
    "PRINCIPALS",
    "ActionDecl",
    "Attr",
    "Bool",
    "Level",
    "Long",
    "Ref",
    "Str",
    "StrSet",
    "Struct",
    "Type",
    "Vocab",
    "World",
    "group_ancestors",
]

NO_END = 2**53 - 1
"""Task.expires of a task that has no end: epoch milliseconds."""

HIGH_IMPACT_GROUP = "high-impact"
CONSEQUENTIAL_GROUP = "consequential"
GROUPS = frozenset({*(effect.value for effect in Effect), HIGH_IMPACT_GROUP, CONSEQUENTIAL_GROUP, ADMIN_GROUP})
"""Names of all action groups."""

PRINCIPALS = (EntityKind.USER, EntityKind.SERVICE, EntityKind.AGENT)
ANCESTORS: Mapping[EntityKind, tuple[EntityKind, ...]] = MappingProxyType(
    {
        EntityKind.USER: (EntityKind.GROUP, EntityKind.ROLE),
        EntityKind.SERVICE: (),
        EntityKind.AGENT: (EntityKind.AGENT_CLASS,),
        EntityKind.GROUP: (EntityKind.GROUP,),
        EntityKind.ROLE: (EntityKind.ROLE,),
        EntityKind.AGENT_CLASS: (EntityKind.AGENT_CLASS,),
        EntityKind.TASK: (),
        EntityKind.RESOURCE: (EntityKind.ZONE,),
        EntityKind.ZONE: (EntityKind.ZONE,),
    }
)
"""Which kinds an entity of a kind can be `in`, beside itself."""


@dataclass(frozen=True, slots=True)
class Vocab:
    """The only strings that a value can be. `what` says what they are, for messages: category, argument, tool ..."""

    what: str
    values: frozenset[str]


@dataclass(frozen=True, slots=True)
class Bool:
    """true or false."""


@dataclass(frozen=True, slots=True)
class Long:
    """An integer."""


@dataclass(frozen=True, slots=True)
class Level:
    """An integer that is the index of a sensitivity level."""


@dataclass(frozen=True, slots=True)
class Str:
    vocab: Vocab | None = None


@dataclass(frozen=True, slots=True)
class StrSet:
    vocab: Vocab | None = None


@dataclass(frozen=True, slots=True)
class Ref:
    """An entity."""

    kind: EntityKind


@dataclass(frozen=True, slots=True)
class Attr:
    type: Type
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Struct:
    """A closed record."""

    attrs: Mapping[str, Attr]


Type = Bool | Long | Level | Str | StrSet | Ref | Struct


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionDecl:
    """One action that requests (or, for a sentinel, only the validator) can name.

    `groups` are its effects, `ancestors` all groups above it; `zones` None means any zone. `templates` are the resource
    templates, `{arg}` for placeholders."""

    name: str
    groups: tuple[str, ...]
    ancestors: frozenset[str]
    resource: EntityKind
    context: Struct
    zones: frozenset[str] | None
    templates: tuple[str, ...] = ()
    principals: tuple[EntityKind, ...] = PRINCIPALS
    sentinel: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """`entities` holds the declared ids per kind (resources are checked against templates instead); `folder` is where
    the rules that see this world are written."""

    entities: Mapping[EntityKind, frozenset[str]]
    attributes: Mapping[EntityKind, Struct]
    actions: Mapping[str, ActionDecl]
    levels: tuple[str, ...]
    categories: frozenset[str] = frozenset()
    hours: WorkingHours | None = None
    folder: str = "policies"
    findings: tuple[Finding, ...] = ()


def group_ancestors(effect: Effect) -> frozenset[str]:
    """The groups that `effect`'s group lies in, with itself."""
    found = {effect.value}
    if effect in HIGH_IMPACT:
        found.add(HIGH_IMPACT_GROUP)
    if effect in CONSEQUENTIAL:
        found.add(CONSEQUENTIAL_GROUP)
    return frozenset(found)
