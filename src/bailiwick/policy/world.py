"""What rules can see: every entity, action and attribute that exists in this project, typed.

Built from the tool catalog, the directory and the vocabulary. `schema` renders it for Cedar, `check` reads it to find
rules that Cedar accepts and that can never fire. Both read the same value, so they cannot disagree. DESIGN §4, §5.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import assert_never

from bailiwick.errors import Finding, Where
from bailiwick.model import shape
from bailiwick.model.administration import ADMIN_GROUP, ADMIN_PREFIX
from bailiwick.model.circumstances import Method, WorkingHours
from bailiwick.model.directory import Attribute, Directory
from bailiwick.model.principal import EntityKind
from bailiwick.model.tool import (
    CONSEQUENTIAL,
    DELEGATE_TOOL,
    HIGH_IMPACT,
    INTERFACE_NAMES,
    INTERFACES,
    Catalog,
    Effect,
    Role,
    ToolSpec,
)
from bailiwick.policy.bundle import Vocabulary

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
    "build_world",
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


def build_world(*, catalog: Catalog, directory: Directory, vocabulary: Vocabulary) -> World:
    """The world of one project. `findings` names tools and attributes whose names are taken."""
    findings: list[Finding] = []
    services = bool(directory.services)
    actions: dict[str, ActionDecl] = {}
    for effect in Effect:
        sentinel = _sentinel(effect, services=services, vocabulary=vocabulary)
        actions[sentinel.name] = sentinel
    for tool in catalog.tools.values():
        if tool.name == DELEGATE_TOOL:
            continue  # built in: its shape is ours, whatever the catalog lists
        if tool.name in GROUPS or ":" in tool.name or tool.name.startswith(ADMIN_PREFIX):
            findings.append(_reserved(tool))
        actions[tool.name] = _action(tool, services=services, vocabulary=vocabulary)
    actions[DELEGATE_TOOL] = _delegate(catalog, directory, services=services, vocabulary=vocabulary)
    entities = {
        EntityKind.USER: frozenset(directory.users),
        EntityKind.SERVICE: frozenset(directory.services),
        EntityKind.AGENT: frozenset(directory.agents),
        EntityKind.GROUP: frozenset(directory.groups),
        EntityKind.ROLE: frozenset(directory.roles),
        EntityKind.AGENT_CLASS: frozenset(directory.classes),
        EntityKind.TASK: frozenset(directory.tasks),
        EntityKind.ZONE: catalog.zones,
        EntityKind.ACTION: frozenset(actions) | GROUPS - {ADMIN_GROUP},
    }
    return World(
        entities=MappingProxyType(entities),
        attributes=MappingProxyType(_attributes(directory, findings)),
        actions=MappingProxyType(actions),
        levels=vocabulary.levels,
        hours=vocabulary.hours,
        findings=tuple(findings),
    )


def _reserved(tool: ToolSpec) -> Finding:
    return Finding(
        rule="reserved-tool-name",
        message=f'"{tool.name}" is the name of an effect group or reserved, not a tool\'s',
        where=tool.where,
        hint='a tool\'s name contains a dot and no colon, and does not begin with "admin.", as in "crm.get_customer"',
    )


def _attributes(directory: Directory, findings: list[Finding]) -> dict[EntityKind, Struct]:
    owner = Attr(Str(Vocab("user", frozenset(directory.users) | {""})))
    given: dict[EntityKind, dict[str, Attr]] = {kind: {} for kind in ANCESTORS}
    given[EntityKind.USER] = {"active": Attr(Bool()), "level": Attr(Long()), "clearance": Attr(Level())}
    given[EntityKind.SERVICE] = {
        "owner": owner,
        "purpose": Attr(Str()),
        "active": Attr(Bool()),
        "clearance": Attr(Level()),
    }
    given[EntityKind.AGENT] = {"owner": owner, "active": Attr(Bool()), "clearance": Attr(Level())}
    given[EntityKind.TASK] = {"purpose": Attr(Str()), "expires": Attr(Long())}
    for kind, extra in directory.attributes.items():
        _extend(kind, given.setdefault(kind, {}), extra, findings)
    return {kind: Struct(MappingProxyType(attrs)) for kind, attrs in given.items()}


def _extend(kind: EntityKind, attrs: dict[str, Attr], extra: tuple[Attribute, ...], findings: list[Finding]) -> None:
    for attribute in extra:
        if kind not in PRINCIPALS or attribute.name in attrs:
            what = "exists already" if kind in PRINCIPALS else f"cannot be added to {kind.value}"
            findings.append(
                Finding(
                    rule="reserved-attribute",
                    message=f'attribute "{attribute.name}" of {kind.value} {what}',
                    where=Where(file="directory.toml"),
                    hint="choose another name" if kind in PRINCIPALS else "add it to User, Service or Agent",
                )
            )
        else:
            attrs[attribute.name] = Attr(_of_shape(attribute.shape), attribute.optional)


def _of_shape(given: shape.Shape) -> Type:
    match given:
        case shape.Bool():
            return Bool()
        case shape.Long():
            return Long()
        case shape.String(values):
            return Str(Vocab("value", frozenset(values)) if values else None)
        case shape.StringSet(values):
            return StrSet(Vocab("value", frozenset(values)) if values else None)
        case shape.Record(fields):
            attrs = {field.name: Attr(_of_shape(field.shape), field.optional) for field in fields}
            return Struct(MappingProxyType(attrs))
        case _ as unreachable:
            assert_never(unreachable)


def _context(
    args: Struct, roles: Mapping[str, Role], effects: frozenset[Effect], *, services: bool, vocabulary: Vocabulary
) -> Struct:
    judged = frozenset(name for name, role in roles.items() if role.needs_endorsement)
    values = frozenset(name for name, role in roles.items() if role is Role.VALUE)
    flow = Struct(
        MappingProxyType(
            {
                "tainted": Attr(Bool()),
                "unendorsed": Attr(StrSet(Vocab("argument", judged))),
                "unendorsed_values": Attr(StrSet(Vocab("argument", values))),
                "unbound": Attr(StrSet(Vocab("argument", frozenset(roles)))),
                "unasked": Attr(Bool()),
                "sensitivity": Attr(Level()),
                "categories": Attr(StrSet(Vocab("category", vocabulary.categories))),
                "session_sensitivity": Attr(Level()),
                "recipients_external": Attr(Bool()),
                "recipients_outside_readers": Attr(Bool()),
                "opaque": Attr(Bool()),
            }
        )
    )
    attrs: dict[str, Attr] = {
        INTERFACE_NAMES[effect]: Attr(_of_shape(INTERFACES[effect]))
        for effect in sorted(effects)
        if effect in INTERFACES
    }
    attrs |= {"now": Attr(Long()), "user": Attr(Ref(EntityKind.USER), optional=services)}
    if services:
        # Required would make every request without a person (or without a service) impossible; optional makes a rule
        # that reads `context.user` without `has` fail when it is loaded, with its line.
        attrs["service"] = Attr(Ref(EntityKind.SERVICE), optional=True)
    attrs |= {
        "agent": Attr(Ref(EntityKind.AGENT)),
        "task": Attr(Ref(EntityKind.TASK)),
        "depth": Attr(Long()),
        "args": Attr(args),
        **_circumstances(vocabulary),
        "approved": Attr(StrSet()),
        "usage": Attr(Struct(MappingProxyType({}))),
        "signals": Attr(Struct(MappingProxyType({}))),
        "flow": Attr(flow),
    }
    return Struct(MappingProxyType(attrs))


def _circumstances(vocabulary: Vocabulary) -> dict[str, Attr]:
    """What holds around a call: the same for every action."""
    methods = Vocab("method", frozenset(Method))
    environment = {each.name: Attr(_of_shape(each.shape), each.optional) for each in vocabulary.environment}
    facts = {
        each.name: Attr(Struct(MappingProxyType({"value": Attr(_of_shape(each.shape)), "age_ms": Attr(Long())})))
        for each in vocabulary.facts
    }
    return {
        "evidence": _record(method=Str(methods), age_ms=Long(), strong=Bool()),
        "hours": _record(weekday=Long(), minute=Long(), working=Bool()),
        "environment": Attr(Struct(MappingProxyType(environment))),
        "facts": Attr(Struct(MappingProxyType(facts))),
    }


def _record(**types: Type) -> Attr:
    return Attr(Struct(MappingProxyType({name: Attr(each) for name, each in types.items()})))


def _sentinel(effect: Effect, *, services: bool, vocabulary: Vocabulary) -> ActionDecl:
    nothing = Struct(MappingProxyType({}))
    return ActionDecl(
        name=f"{effect.value}:none",
        groups=(effect.value,),
        ancestors=group_ancestors(effect),
        resource=EntityKind.RESOURCE,
        context=_context(nothing, {}, frozenset({effect}), services=services, vocabulary=vocabulary),
        zones=None,
        sentinel=True,
    )


def _action(tool: ToolSpec, *, services: bool, vocabulary: Vocabulary) -> ActionDecl:
    args = Struct(MappingProxyType({arg.name: Attr(_of_shape(arg.shape), arg.optional) for arg in tool.args.values()}))
    roles = {arg.name: arg.role for arg in tool.args.values()}
    return ActionDecl(
        name=tool.name,
        groups=tuple(sorted(effect.value for effect in tool.effects)),
        ancestors=frozenset().union(*(group_ancestors(effect) for effect in tool.effects)),
        resource=EntityKind.RESOURCE,
        context=_context(args, roles, tool.effects, services=services, vocabulary=vocabulary),
        zones=frozenset(tool.zones),
        templates=tool.resources,
    )


def _delegate(catalog: Catalog, directory: Directory, *, services: bool, vocabulary: Vocabulary) -> ActionDecl:
    args = Struct(
        MappingProxyType(
            {
                "agent": Attr(Str(Vocab("agent", frozenset(directory.agents)))),
                "tools": Attr(StrSet(Vocab("tool", frozenset(catalog.tools)))),
            }
        )
    )
    effects = frozenset({Effect.DELEGATE})
    roles = {"agent": Role.TARGET, "tools": Role.SELECTOR}
    return ActionDecl(
        name=DELEGATE_TOOL,
        groups=(Effect.DELEGATE.value,),
        ancestors=group_ancestors(Effect.DELEGATE),
        resource=EntityKind.AGENT,
        context=_context(args, roles, effects, services=services, vocabulary=vocabulary),
        zones=frozenset(),
    )
