"""A property's `when` as a rule that Cedar has parsed and validated, though it is never among the rules that decide."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import cedarpy
import orjson
from cedarpy import pst

from bailiwick.errors import Finding, Severity
from bailiwick.policy.bundle import Bundle, PolicyEffect, PolicyInfo
from bailiwick.policy.check import check_types
from bailiwick.policy.engine import PolicyEngine
from bailiwick.policy.loader import rekeyed
from bailiwick.policy.prove.properties import Property
from bailiwick.policy.schema import quote
from bailiwick.policy.text import split
from bailiwick.policy.tree import Rule

if TYPE_CHECKING:
    from bailiwick.policy.prove.witness import Side  # needs the solver, which whoever only reads may not have

__all__ = ["Condition", "condition_rule", "read_condition"]

_ID = "property:"
"""No rule of a project can have a colon in its id."""

_HEAD_LINES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """`tree` fires iff the property's condition holds; `side` decides by it alone, with the project's gates."""

    property: Property
    tree: pst.Template
    side: Side


def read_condition(given: Property, side: Side) -> Condition | tuple[Finding, ...]:
    """The condition of `given` in the world of `side`, or what is wrong with it."""
    rule = condition_rule(given, side.engine)
    if isinstance(rule, tuple):
        return rule
    return Condition(property=given, tree=rule.tree, side=_deciding(rule, side))


def condition_rule(given: Property, engine: PolicyEngine) -> Rule | tuple[Finding, ...]:
    """The condition of `given` as a rule that is sound in the world of `engine`, or what is wrong with it. Needs no
    solver."""
    rule = _parse(given)
    if isinstance(rule, Finding):
        return (rule,)
    findings = [each for each in check_types(rule, engine.world) if each.severity is Severity.ERROR]
    findings = findings or list(_validate(rule, engine.bundle.schema))
    if findings:
        return tuple(replace(each, message=each.message.replace(rule.name(), "this condition")) for each in findings)
    return rule


def _parse(given: Property) -> Rule | Finding:
    named = ", ".join(f"Action::{quote(tool)}" for tool in given.tools)
    action = f"action in [{named}]" if given.tools else "action"
    text = f"@id({quote(_ID)})\npermit (principal, {action}, resource)\nwhen {{\n{given.when}\n}};"
    try:
        pieces = split(given.where.file, text)
        parsed = cedarpy.policies_to_pst(text)
        json = orjson.loads(cedarpy.policies_to_json_str(text))
        if len(pieces) != 1 or len(parsed.static_policies) != 1 or parsed.templates:
            raise ValueError("it ends before its last line")
        key, tree = next(iter(parsed.static_policies.items()))
        if len(tree.clauses) != 1:
            raise ValueError("it ends before its last line")
    except ValueError as error:
        message = f"the condition of '{given.name}' is not Cedar: {str(error).splitlines()[0]}"
        hint = "write one condition, as it would stand between `when {` and `}`"
        return Finding(rule="bad-property", message=message, where=given.where, hint=hint)
    moved = tuple(
        replace(each, line=max(0, each.line - 1 - _HEAD_LINES) + given.where.line) for each in pieces[0].tokens
    )
    return Rule(id=_ID, piece=replace(pieces[0], tokens=moved), tree=tree, json=json["staticPolicies"][key])


def _validate(rule: Rule, schema: cedarpy.Schema) -> Iterator[Finding]:
    result = cedarpy.validate_policies(rule.piece.text, schema)
    said = dict.fromkeys(error.error.split(", ", 1)[-1] for error in result.errors)
    hint = "what only some tools have needs a test before it: `context has pay && …`, or tools = [...]"
    for message in list(said)[:3] if said else [] if result.validation_passed else ["Cedar refuses it"]:
        where = rule.piece.where
        yield Finding(rule="bad-property", message=f"this condition cannot be read: {message}", where=where, hint=hint)


def _deciding(rule: Rule, side: Side) -> Side:
    bundle = side.engine.bundle
    info = PolicyInfo(
        id=rule.id,
        effect=PolicyEffect.PERMIT,
        annotations={},
        gate=None,
        reason="",
        where=rule.where,
        text=rule.piece.text,
    )
    alone = Bundle(
        policy_set=cedarpy.PolicySet.from_json_str(rekeyed([rule])),
        policies={**bundle.policies, rule.id: info},
        schema=bundle.schema,
        schema_text=bundle.schema_text,
        digest=bundle.digest,
    )
    engine = PolicyEngine(alone, world=side.world, directory=side.directory)
    return replace(side, engine=engine)
