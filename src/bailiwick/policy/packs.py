"""Packs: rules in `policies/packs/<name>/`, which came with something else and know nothing of this project's tools.

A rule of a pack is fitted to the catalog before it is checked. Where its scope names tools that do not exist, they are
taken out of the scope; where none is left, or where the resources of its scope are in no tool's reach, the rule is left
out. Both are reported. Nothing else of a pack is forgiven: an unknown effect group, person, group or class stays an
error, since a `forbid` over a misspelt one would protect nothing. DESIGN §3 promise 2.

INVARIANT: for every call that this catalog can make, the fitted rules decide as the written ones do: an action that
does not exist is never asked for, so a scope without it holds for the same requests.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import PurePosixPath

import cedarpy
import orjson
from cedarpy import pst

from bailiwick.errors import Finding
from bailiwick.model.nearest import did_you_mean
from bailiwick.model.principal import EntityKind
from bailiwick.policy.lint import check_form
from bailiwick.policy.scope import template_matches
from bailiwick.policy.tree import Rule
from bailiwick.policy.world import World

__all__ = ["PACKS_FOLDER", "fit_packs", "pack_of"]

PACKS_FOLDER = "policies/packs"

_IDENTITY = frozenset({"missing-id", "bad-id"})
"""What is wrong with a rule whether or not anything of it is used."""


def pack_of(path: str) -> str:
    """The name of the pack that the file `path` belongs to; empty if it belongs to none."""
    folder = PurePosixPath(PACKS_FOLDER)
    inside = PurePosixPath(path)
    return inside.relative_to(folder).parts[0] if folder in inside.parent.parents else ""


def fit_packs(rules: Iterable[Rule], world: World) -> tuple[list[Rule], list[Finding]]:
    """`rules` with those of packs fitted to `world`, and what to tell of them."""
    kept: list[Rule] = []
    findings: list[Finding] = []
    for rule in rules:
        fitted: Rule | None = rule
        if pack_of(rule.piece.path):
            fitted, notices = _fitted(rule, world)
            findings += notices
        if fitted is not None:
            kept.append(fitted)
        else:
            findings += [finding for finding in check_form(rule, world) if finding.rule in _IDENTITY]
    return kept, findings


def _fitted(rule: Rule, world: World) -> tuple[Rule | None, list[Finding]]:
    named = _actions(rule)
    missing = [name for name in named if _is_tool(name) and name not in world.entities[EntityKind.ACTION]]
    if missing and len(missing) == len(named):
        return None, [_skipped(rule, missing, world)]
    if missing:
        left = tuple(name for name in named if name not in missing)
        return _narrowed(rule, left), [_told_narrowed(rule, missing, world)]
    where = _nowhere(rule, world)
    if where is not None and not any(map(_is_tool, named)):
        return None, [_told_nowhere(rule, where)]
    return rule, []


def _actions(rule: Rule) -> tuple[str, ...]:
    match rule.tree.action:
        case pst.ActionEq(entity=uid):
            return (uid.id,)
        case pst.ActionIn(entities=entities):
            return tuple(dict.fromkeys(uid.id for uid in entities))
        case _:
            return ()


def _is_tool(name: str) -> bool:
    """Whether an action of this name can only be a tool: groups have no dot, and tools no colon."""
    return "." in name and ":" not in name


def _nowhere(rule: Rule, world: World) -> pst.EntityUid | None:
    """The zone or resource of the scope, if no tool of the catalog has it."""
    match rule.tree.resource:
        case pst.ScopeEq(entity=pst.EntityUid() as uid) | pst.ScopeIn(entity=pst.EntityUid() as uid):
            pass
        case pst.ScopeIsIn(entity=pst.EntityUid() as uid):
            pass
        case _:
            return None
    if str(uid.type) == EntityKind.ZONE:
        return None if uid.id in world.entities[EntityKind.ZONE] else uid
    if str(uid.type) == EntityKind.RESOURCE:
        templates = (template for action in world.actions.values() for template in action.templates)
        return None if any(template_matches(template, uid.id) for template in templates) else uid
    return None


def _narrowed(rule: Rule, names: tuple[str, ...]) -> Rule:
    """`rule` with `action in [names]` for its action scope, and all else as it was."""
    entities = [{"type": str(EntityKind.ACTION), "id": name} for name in names]
    json = {**rule.json, "action": {"op": "in", "entities": entities}}
    document = {"templates": {}, "staticPolicies": {"policy0": json}, "templateLinks": []}
    text = cedarpy.policies_from_json_str(orjson.dumps(document).decode()).strip()
    (tree,) = cedarpy.policies_to_pst(text).static_policies.values()
    return Rule(id=rule.id, piece=dataclasses.replace(rule.piece, text=text), tree=tree, json=json)


def _skipped(rule: Rule, missing: list[str], world: World) -> Finding:
    message = f"{rule.name()} of pack {pack_of(rule.piece.path)} is left out: this project has no {_listed(missing)}"
    return rule.finding("pack-rule-skipped", message, *missing, hint=_hint(missing, world))


def _told_nowhere(rule: Rule, where: pst.EntityUid) -> Finding:
    what = f'{str(where.type).lower()} "{where.id}"'
    message = f"{rule.name()} of pack {pack_of(rule.piece.path)} is left out: no tool of this project has the {what}"
    hint = "nothing to do, unless the catalog gives that name to something else"
    return rule.finding("pack-rule-skipped", message, where.id, hint=hint)


def _told_narrowed(rule: Rule, missing: list[str], world: World) -> Finding:
    message = (
        f"{rule.name()} of pack {pack_of(rule.piece.path)} holds for its other tools: this project has no "
        f"{_listed(missing)}"
    )
    return rule.finding("pack-rule-narrowed", message, *missing, hint=_hint(missing, world))


def _listed(names: list[str]) -> str:
    return ", ".join(f'tool "{name}"' for name in names)


def _hint(missing: list[str], world: World) -> str:
    """What may have been meant, if a tool has nearly the same name; tools of packs are often just not there."""
    tools = [name for name in world.actions if _is_tool(name)]
    near = (did_you_mean(name, tools) for name in missing)
    close = next((hint for hint in near if hint.startswith("did you mean")), "")
    return close or "nothing to do, unless the tool is there under another name: then copy the rule and name it"
