"""Which requests a rule's scope can match at all: its principals, actions and resources, from declarations alone.

A request's resources lie in zones of their tool only (`engine` enforces it), so a scope on another zone cannot match.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from cedarpy import pst

from bailiwick.model.principal import EntityKind
from bailiwick.policy.tree import Rule
from bailiwick.policy.world import ANCESTORS, GROUPS, ActionDecl, World

__all__ = [
    "Env",
    "action_fits",
    "can_be_in",
    "entity_fits",
    "environments",
    "names_tools",
    "permits_naming",
    "resource_fits",
    "template_matches",
]

_PLACEHOLDER = re.compile(r"\{\w+\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Env:
    """One combination that a request can have: which kind of principal, and which action."""

    principal: EntityKind
    action: ActionDecl


def environments(rule: Rule, world: World) -> Iterator[Env]:
    """Every combination that the scope of `rule` lets through."""
    for action in world.actions.values():
        if action_fits(rule.tree.action, action) and resource_fits(rule.tree.resource, action):
            for kind in action.principals:
                if entity_fits(rule.tree.principal, kind):
                    yield Env(principal=kind, action=action)


def names_tools(rule: Rule) -> bool:
    """True iff the scope names each of its tools, rather than a group or everything."""
    match rule.tree.action:
        case pst.ActionEq():
            return True
        case pst.ActionIn(entities=entities):
            return all(uid.id not in GROUPS for uid in entities)
        case _:
            return False


def permits_naming(rules: pst.PolicySet, tool: str) -> frozenset[str]:
    """The permits whose scope names `tool` itself, rather than a group or everything."""
    found = set()
    for name, rule in rules.static_policies.items():
        match rule.action:
            case pst.ActionEq(entity=entity) if entity.id == tool:
                found.add(name)
            case pst.ActionIn(entities=entities) if any(uid.id == tool for uid in entities):
                found.add(name)
            case _:
                pass
    return frozenset(name for name in found if rules.static_policies[name].effect == "permit")


def can_be_in(kind: EntityKind, above: str) -> bool:
    """Whether an entity of `kind` can be (in) one of the Cedar type `above`."""
    return above == kind or above in ANCESTORS.get(kind, ())


def resource_fits(constraint: pst.PrincipalOrResourceConstraint, action: ActionDecl) -> bool:
    """Whether a resource of `action` can satisfy `constraint`."""
    if not entity_fits(constraint, action.resource):
        return False
    match constraint:
        case pst.ScopeEq(entity=pst.EntityUid() as uid) | pst.ScopeIn(entity=pst.EntityUid() as uid):
            return _names(uid, action)
        case pst.ScopeIsIn(entity=pst.EntityUid() as uid):
            return _names(uid, action)
        case _:
            return True


def template_matches(template: str, resource_id: str) -> bool:
    """Whether `template` can give `resource_id`: placeholders are percent-encoded: no slash, no brace."""
    parts = (re.escape(part) for part in _PLACEHOLDER.split(template))
    return re.fullmatch("[A-Za-z0-9_.~%-]+".join(parts), resource_id) is not None


def _names(uid: pst.EntityUid, action: ActionDecl) -> bool:
    if action.sentinel:
        return True
    if str(uid.type) == EntityKind.ZONE:
        return action.zones is None or uid.id in action.zones
    if str(uid.type) == EntityKind.RESOURCE:
        return any(template_matches(template, uid.id) for template in action.templates)
    return True


def action_fits(constraint: pst.ActionConstraint, action: ActionDecl) -> bool:
    """Whether a request of `action` satisfies `constraint`: exactly, since it depends on nothing else."""
    match constraint:
        case pst.ActionEq(entity=uid):
            return uid.id == action.name
        case pst.ActionIn(entities=entities):
            return any(uid.id == action.name or uid.id in action.ancestors for uid in entities)
        case _:
            return True


def entity_fits(constraint: pst.PrincipalOrResourceConstraint, kind: EntityKind) -> bool:
    """Whether an entity of `kind` can satisfy `constraint`."""
    match constraint:
        case pst.ScopeEq(entity=pst.EntityUid(type=of)) | pst.ScopeIs(entity_type=of):
            return str(of) == kind
        case pst.ScopeIn(entity=pst.EntityUid(type=of)):
            return can_be_in(kind, str(of))
        case pst.ScopeIsIn(entity_type=of, entity=pst.EntityUid(type=above)):
            return str(of) == kind and can_be_in(kind, str(above))
        case _:
            return True
