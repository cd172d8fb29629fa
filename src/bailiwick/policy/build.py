"""Builds the `World` of a project: an action for each tool, the built-in ones, and a sentinel for each effect group.

What a rule can read is decided here: the attributes of each kind of entity, and the context of each action. DESIGN §4.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import assert_never

from bailiwick.errors import Finding, Where
from bailiwick.model import shape
from bailiwick.model.administration import ADMIN_GROUP, ADMIN_PREFIX
from bailiwick.model.circumstances import Method
from bailiwick.model.directory import Attribute, Directory
from bailiwick.model.principal import EntityKind
from bailiwick.model.tool import (
    BUILT_IN,
    DECLASSIFY_TOOL,
    DELEGATE_TOOL,
    ENDORSE_TOOL,
    INSPECT_TOOL,
    INTERFACE_NAMES,
    INTERFACES,
    MODEL_TOOL,
    WIDEN_TOOL,
    Catalog,
    Effect,
    Role,
    ToolSpec,
)
from bailiwick.policy.bundle import Vocabulary
from bailiwick.policy.world import (
    ANCESTORS,
    GROUPS,
    PRINCIPALS,
    ActionDecl,
    Attr,
    Bool,
    Level,
    Long,
    Ref,
    Str,
    StrSet,
    Struct,
    Type,
    Vocab,
    World,
    group_ancestors,
)

__all__ = ["build_world"]


def build_world(*, catalog: Catalog, directory: Directory, vocabulary: Vocabulary) -> World:
    """The world of one project. `findings` names tools and attributes whose names are taken."""
    findings: list[Finding] = []
    services = bool(directory.services)
    actions: dict[str, ActionDecl] = {}
    for effect in Effect:
        sentinel = _sentinel(effect, services=services, vocabulary=vocabulary)
        actions[sentinel.name] = sentinel
    for tool in catalog.tools.values():
        if tool.name in BUILT_IN:
            continue  # built in: its shape is ours, whatever the catalog lists
        if tool.name in GROUPS or ":" in tool.name or tool.name.startswith(ADMIN_PREFIX):
            findings.append(_reserved(tool))
        actions[tool.name] = _action(tool, services=services, vocabulary=vocabulary)
    actions[DELEGATE_TOOL] = _delegate(catalog, directory, services=services, vocabulary=vocabulary)
    actions[WIDEN_TOOL] = _widen(catalog, services=services, vocabulary=vocabulary)
    for release in _releases(catalog, services=services, vocabulary=vocabulary):
        actions[release.name] = release
    actions[MODEL_TOOL] = _model_call(catalog, services=services, vocabulary=vocabulary)
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
        categories=vocabulary.categories,
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
    given[EntityKind.TASK] = {
        "purpose": Attr(Str()),
        "expires": Attr(Long()),
        "limited": Attr(Bool()),
        "tools": Attr(StrSet()),
        "zones": Attr(StrSet()),
    }
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
    args: Struct,
    roles: Mapping[str, Role],
    interfaces: Mapping[Effect, shape.Record],
    *,
    services: bool,
    vocabulary: Vocabulary,
) -> Struct:
    judged = frozenset(name for name, role in roles.items() if role.needs_endorsement)
    values = frozenset(name for name, role in roles.items() if role is Role.VALUE)
    flow = Struct(
        MappingProxyType(
            {
                "tainted": Attr(Bool()),
                "unendorsed": Attr(StrSet(Vocab("argument", judged))),
                "unendorsed_values": Attr(StrSet(Vocab("argument", values))),
                "by_colleague": Attr(StrSet(Vocab("argument", frozenset(roles)))),
                "unbound": Attr(StrSet(Vocab("argument", frozenset(roles)))),
                "unasked": Attr(Bool()),
                "repeated": Attr(Bool()),
                "undictated": Attr(StrSet(Vocab("argument", frozenset(roles)))),
                "misquoted": Attr(Bool()),
                "sensitivity": Attr(Level()),
                "categories": Attr(StrSet(Vocab("category", vocabulary.categories))),
                "session_sensitivity": Attr(Level()),
                "session_categories": Attr(StrSet(Vocab("category", vocabulary.categories))),
                "recipients_external": Attr(Bool()),
                "recipients_outside_readers": Attr(Bool()),
                "recipients_are_readers": Attr(Bool()),
                "opaque": Attr(Bool()),
            }
        )
    )
    attrs: dict[str, Attr] = {
        INTERFACE_NAMES[effect]: Attr(_of_shape(record)) for effect, record in sorted(interfaces.items())
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
        "enforced": Attr(StrSet(Vocab("argument", frozenset(roles)))),
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
        # For every action, also where a budget does not count it (`after` is `used` then): so a rule over a group reads
        # it without `has`.
        "usage": _record(**{each.name: _record(used=Long(), after=Long()).type for each in vocabulary.budgets}),
    }


def _record(**types: Type) -> Attr:
    return Attr(Struct(MappingProxyType({name: Attr(each) for name, each in types.items()})))


def _sentinel(effect: Effect, *, services: bool, vocabulary: Vocabulary) -> ActionDecl:
    nothing = Struct(MappingProxyType({}))
    interfaces = {effect: INTERFACES[effect]} if effect in INTERFACES else {}
    return ActionDecl(
        name=f"{effect.value}:none",
        groups=(effect.value,),
        ancestors=group_ancestors(effect),
        resource=EntityKind.RESOURCE,
        context=_context(nothing, {}, interfaces, services=services, vocabulary=vocabulary),
        zones=None,
        sentinel=True,
    )


def _action(tool: ToolSpec, *, services: bool, vocabulary: Vocabulary) -> ActionDecl:
    args = Struct(MappingProxyType({arg.name: Attr(_of_shape(arg.shape), arg.optional) for arg in tool.args.values()}))
    roles = {arg.name: arg.role for arg in tool.args.values()}
    interfaces = {effect: tool.interface_shape(effect) for effect in tool.effects & INTERFACES.keys()}
    return ActionDecl(
        name=tool.name,
        groups=tuple(sorted(effect.value for effect in tool.effects)),
        ancestors=frozenset().union(*(group_ancestors(effect) for effect in tool.effects)),
        resource=EntityKind.RESOURCE,
        context=_context(args, roles, interfaces, services=services, vocabulary=vocabulary),
        zones=frozenset(tool.zones),
        templates=tool.resources,
    )


def _widen(catalog: Catalog, *, services: bool, vocabulary: Vocabulary) -> ActionDecl:
    args = {
        "tools": Attr(StrSet(Vocab("tool", frozenset(catalog.tools)))),
        "zones": Attr(StrSet(Vocab("zone", catalog.zones))),
        "ttl_ms": Attr(Long(), optional=True),
    }
    return ActionDecl(
        name=WIDEN_TOOL,
        groups=(Effect.DELEGATE.value,),
        ancestors=group_ancestors(Effect.DELEGATE),
        resource=EntityKind.RESOURCE,
        context=_context(Struct(MappingProxyType(args)), {}, {}, services=services, vocabulary=vocabulary),
        zones=frozenset(),
        templates=("tasks/{task}",),
    )


def _releases(catalog: Catalog, *, services: bool, vocabulary: Vocabulary) -> Iterator[ActionDecl]:
    """What lets data out on purpose. INVARIANT: these lie in no group, so that no rule over one permits them."""
    categories = Vocab("category", vocabulary.categories)
    shapes: dict[str, tuple[str, dict[str, Type]]] = {
        INSPECT_TOOL: (
            "handles/{tool}",
            {"tool": Str(Vocab("tool", frozenset(catalog.tools))), "answer": Str(), "bits": Long()},
        ),
        DECLASSIFY_TOOL: (
            "labels/{source}",
            {
                "of": Str(Vocab("value", frozenset({"content", "handle", "source"}))),
                "source": Str(),
                "recipients": StrSet(),
                "readers": StrSet(),
                "level": Level(),
                "categories": StrSet(categories),
            },
        ),
        ENDORSE_TOOL: ("values/{role}", {"role": Str(Vocab("value", frozenset(Role))), "value": Str()}),
    }
    for name, (template, args) in shapes.items():
        struct = Struct(MappingProxyType({arg: Attr(each) for arg, each in args.items()}))
        yield ActionDecl(
            name=name,
            groups=(),
            ancestors=frozenset(),
            resource=EntityKind.RESOURCE,
            context=_context(struct, {}, {}, services=services, vocabulary=vocabulary),
            zones=frozenset(),
            templates=(template,),
        )


def _model_call(catalog: Catalog, *, services: bool, vocabulary: Vocabulary) -> ActionDecl:
    """INVARIANT: it lies in no group, as what lets data out does: no rule over what tools do is about models."""
    models = catalog.models.values()
    hosted = StrSet(Vocab("value", frozenset(tool for model in models for tool in model.hosted)))
    name = Str(Vocab("model", frozenset(catalog.models)))
    args = Struct(MappingProxyType({"model": Attr(name), "hosted": Attr(hosted)}))
    context = _context(args, {}, {}, services=services, vocabulary=vocabulary)
    model = _record(name=name, provider=Str(), region=Str(), hosted=hosted)
    return ActionDecl(
        name=MODEL_TOOL,
        groups=(),
        ancestors=frozenset(),
        resource=EntityKind.RESOURCE,
        context=Struct(MappingProxyType({"model": model, **context.attrs})),
        zones=frozenset(zone for each in models for zone in each.zones),
        templates=tuple(each.resource for each in models),
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
    roles = {"agent": Role.TARGET, "tools": Role.SELECTOR}
    return ActionDecl(
        name=DELEGATE_TOOL,
        groups=(Effect.DELEGATE.value,),
        ancestors=group_ancestors(Effect.DELEGATE),
        resource=EntityKind.AGENT,
        context=_context(args, roles, {}, services=services, vocabulary=vocabulary),
        zones=frozenset(),
    )
