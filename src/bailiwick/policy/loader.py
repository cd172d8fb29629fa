"""From files of Cedar text to a `Bundle`: parse, rekey by `@id`, check, validate. DESIGN §3 promise 2, §4, §5.

All findings of all files are collected, each with file and line, and raised together. Cedar numbers rules by their
place in a text (`policy3`) and gives no lines; so each rule is parsed by itself, validated in one text in known order,
and rekeyed through the JSON policy format, so that reasons are the author's ids.
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import version
from types import MappingProxyType

import cedarpy
import orjson
from cedarpy import pst

from bailiwick.errors import Finding, ProjectError, Severity, Where
from bailiwick.model.canonical import digest
from bailiwick.model.decision import Gate
from bailiwick.model.directory import Directory
from bailiwick.model.principal import EntityKind
from bailiwick.policy.administration import ADMINISTRATION_FOLDER
from bailiwick.policy.attributes import near_attribute, near_in_context
from bailiwick.policy.bundle import Bundle, PolicyInfo, PolicySource
from bailiwick.policy.check import UNKNOWN_ENTITY_RULES, check_types
from bailiwick.policy.gates import read_gate
from bailiwick.policy.lint import check_form
from bailiwick.policy.packs import fit_packs
from bailiwick.policy.rulebook import severity_of
from bailiwick.policy.schema import render, render_for
from bailiwick.policy.text import MAX_BRACKETS, MAX_STEPS, Piece, split
from bailiwick.policy.tree import Rule
from bailiwick.policy.world import World

__all__ = ["load_bundle", "rekeyed"]

_ATTRIBUTE = re.compile(r'attribute `(?P<path>[^`]+)` in context for Action::"(?P<action>[^"]+)" not found')
_ON_ENTITY = re.compile(r"attribute `(?P<path>[^`]+)` on entity type `(?P<action>\w+)` not found")
_OPTIONAL = re.compile(r"access to optional attribute `(?P<path>[^`]+)` (?P<of>in context)?")
_QUOTED = re.compile(r"[`'](?P<token>[^`']+)[`']")
_SAID_BETTER = UNKNOWN_ENTITY_RULES | {"never-fires", "reserved-action", "unknown-type"}
_WORTH_A_SCHEMA = 20
"""How many rules of one tool pay for a schema of their own."""

_REPEATS = ("unrecognized action", "unrecognized entity type", "unable to find an applicable action")


def load_bundle(
    sources: Sequence[PolicySource], *, world: World, directory: Directory, schema: cedarpy.Schema | None = None
) -> Bundle:
    """The bundle of `sources`, checked against `world`. Raises ProjectError with every finding. `schema` is that of
    `world`, where it has been made before."""
    findings = list(world.findings)
    schema_text = render(world)
    try:
        schema = schema or _schema_of(schema_text)
    except ValueError as error:
        message = f"the schema of catalog and directory cannot be built: {_first_line(error)}"
        hint = "look for unusual names of tools, arguments and attributes"
        findings.append(Finding(rule="bad-schema", message=message, where=Where(file="tools"), hint=hint))
        raise ProjectError(findings) from error
    rules = [rule for source in sources for rule in _parse(source, findings)]
    findings += _duplicates(rules)
    rules, notices = fit_packs(rules, world)
    findings += notices
    gates: dict[str, Gate] = {}
    for rule in rules:
        found = list(check_form(rule, world))
        gate, complaints = read_gate(rule, world, directory)
        found += [*complaints, *check_types(rule, world)]
        if gate is not None and world.folder == ADMINISTRATION_FOLDER:
            found.append(_gated_administration(rule))
        if gate is not None:
            gates[rule.id] = gate
        findings += found
    findings += _validate(rules, world, schema, findings)
    if not rules and len(findings) == len(notices):
        findings.append(_nothing(sources, world))
    errors = [finding for finding in findings if finding.severity is Severity.ERROR]
    warnings = tuple(finding for finding in findings if finding.severity is not Severity.ERROR)
    if errors:
        raise ProjectError([*sorted(errors, key=lambda finding: (finding.where.file, finding.where.line)), *warnings])
    return _bundle(rules, gates, schema, schema_text, warnings)


@functools.lru_cache(maxsize=4)
def _schema_of(text: str) -> cedarpy.Schema:
    """A schema is immutable, a function of its text, and half of the time that a project takes to load; that of the
    administration is the same for most. Raises ValueError."""
    return cedarpy.Schema.from_str(text)


def rekeyed(rules: Iterable[Rule]) -> str:
    """The JSON policy set of `rules`, keyed by their ids."""
    policies = {rule.id: rule.json for rule in rules}
    document = {"templates": {}, "staticPolicies": policies, "templateLinks": []}
    return orjson.dumps(document, option=orjson.OPT_SORT_KEYS).decode()


def _bundle(
    rules: Sequence[Rule],
    gates: dict[str, Gate],
    schema: cedarpy.Schema,
    schema_text: str,
    warnings: tuple[Finding, ...],
) -> Bundle:
    text = rekeyed(rules)
    infos = {
        rule.id: PolicyInfo(
            id=rule.id,
            effect=rule.effect,
            annotations=MappingProxyType(dict(rule.tree.annotations)),
            gate=gates.get(rule.id),
            reason=rule.tree.annotations.get("reason", "").strip(),
            where=rule.where,
            text=rule.piece.text,
        )
        for rule in rules
    }
    return Bundle(
        policy_set=cedarpy.PolicySet.from_json_str(text),
        policies=MappingProxyType(infos),
        schema=schema,
        schema_text=schema_text,
        digest=digest(
            "bailiwick.policy.v2",
            {"policies": _hashed(text), "schema": _hashed(schema_text), "engine": f"cedarpy {version('cedarpy')}"},
        ),
        warnings=warnings,
    )


def _hashed(text: str) -> str:
    """By its hash, since a canonical value is of limited size and a project may have any number of rules."""
    return hashlib.sha256(text.encode()).hexdigest()


def _parse(source: PolicySource, findings: list[Finding]) -> Iterator[Rule]:
    for piece in split(source.path, source.text):
        if deep := piece.too_deep():
            findings.append(_too_deep(deep))
            continue
        try:
            parsed = cedarpy.policies_to_pst(piece.text)
            document = orjson.loads(cedarpy.policies_to_json_str(piece.text))
        except ValueError as error:
            findings.append(_syntax(piece, error))
            continue
        if parsed.templates:
            findings.append(_template(piece))
        elif len(parsed.static_policies) != 1:
            findings.append(_syntax(piece, ValueError("this is not exactly one rule")))
        else:
            key, tree = next(iter(parsed.static_policies.items()))
            json = document["staticPolicies"][key]
            yield Rule(id=tree.annotations.get("id", ""), piece=piece, tree=tree, json=json)


def _syntax(piece: Piece, error: ValueError) -> Finding:
    message, hint = _first_line(error), ""
    quoted = _QUOTED.search(message)
    where = piece.only(quoted["token"]) if quoted else piece.where
    if unclosed := piece.unclosed_string():
        where, hint = unclosed, "a string starts here that nothing closes"
    elif second := piece.second_rule():
        where, hint = second, "a semicolon is missing before this rule"
    elif not piece.text.endswith(";"):
        where, hint = Where(file=piece.path, line=piece.tokens[-1].line), "a rule ends with a semicolon"
    return Finding(rule="syntax", message=f"this is not Cedar: {message}", where=where, hint=hint)


def _too_deep(where: Where) -> Finding:
    message = f"this rule goes deeper than {MAX_BRACKETS} brackets, or has more than {MAX_STEPS} operators and dots"
    hint = "write several rules, or put lists into one set: [...].contains(...)"
    return Finding(rule="syntax", message=message, where=where, hint=hint)


def _template(piece: Piece) -> Finding:
    return Finding(
        rule="template",
        message="this is a template: slots such as ?principal are never filled here",
        where=piece.find("?", "principal"),
        hint="name a principal, a group or a class, or leave the scope open",
    )


def _duplicates(rules: Sequence[Rule]) -> Iterator[Finding]:
    first: dict[str, Rule] = {}
    for rule in rules:
        if rule.id and first.setdefault(rule.id, rule) is not rule:
            message = f'@id("{rule.id}") is taken by the rule at {first[rule.id].where}'
            yield rule.finding("duplicate-id", message, "id", hint="give each rule an id of its own")


def _gated_administration(rule: Rule) -> Finding:
    message = f"{rule.name()} is a gate, and gates are for calls of tools"
    return rule.finding("gate-on-administration", message, "gate", hint="permit it to fewer people, or forbid it")


def _nothing(sources: Sequence[PolicySource], world: World) -> Finding:
    denied = "every call" if world.folder == "policies" else "reading the log, approving and all other administration"
    message = f"there is no rule at all in {world.folder}/, so {denied} is denied"
    where = Where(file=sources[0].path if sources else world.folder)
    return Finding(
        rule="no-rules", message=message, where=where, hint="write a permit", severity=severity_of("no-rules")
    )


def _validate(
    rules: Sequence[Rule], world: World, schema: cedarpy.Schema, known: Sequence[Finding]
) -> Iterator[Finding]:
    """Cedar's strict validation, one finding for each rule and message."""
    complaints: dict[int, dict[tuple[str, str], list[str]]] = {}
    better = {(finding.where.file, finding.where.line) for finding in known if finding.rule in _SAID_BETTER}
    for batch, fitting in _batches(rules, world, schema):
        result = cedarpy.validate_policies("\n".join(rules[index].piece.text for index in batch), fitting)
        if not result.validation_passed and not result.errors:
            message = "Cedar refuses these rules and does not say why"
            yield Finding(rule="invalid-rule", message=message, where=Where(file=world.folder))
        for error in result.errors:
            index = batch[int(error.policy_id.removeprefix("policy")) if error.policy_id else 0]
            text = error.error.removeprefix(f"for policy `{error.policy_id}`, ")
            key, detail = _grouped(text)
            complaints.setdefault(index, {}).setdefault(key, []).append(detail)
    for index, grouped in sorted(complaints.items()):
        rule = rules[index]
        said = any((rule.where.file, line) in better for line in range(rule.where.line, rule.piece.tokens[-1].line + 1))
        for (kind, text), details in grouped.items():
            if not (said and text.startswith(_REPEATS)):
                yield _complaint(rule, world, kind, text, sorted(detail for detail in details if detail))


def _batches(
    rules: Sequence[Rule], world: World, schema: cedarpy.Schema
) -> Iterator[tuple[Sequence[int], cedarpy.Schema]]:
    """Indices of `rules`, and a schema that says the same of them as the whole. Cedar looks at every rule for every
    action; where many rules are about one tool, they are looked at for that tool alone."""
    of_tool: dict[str, list[int]] = {}
    rest: list[int] = []
    for index, rule in enumerate(rules):
        tool = _only_tool(rule, world)
        (rest if tool is None else of_tool.setdefault(tool, [])).append(index)
    for tool, mine in of_tool.items():
        if len(mine) < _WORTH_A_SCHEMA:
            rest += mine
        else:
            yield mine, cedarpy.Schema.from_str(render_for(world, tool))
    yield sorted(rest), schema


def _only_tool(rule: Rule, world: World) -> str | None:
    """The tool that `rule` is about, if its scope names one and its conditions speak of no action."""
    action = rule.tree.action
    if not isinstance(action, pst.ActionEq) or action.entity.id not in world.actions:
        return None
    speaks = any(isinstance(node, pst.EntityLit) and str(node.value.type) == EntityKind.ACTION for node in rule.nodes())
    return None if speaks else action.entity.id


def _grouped(text: str) -> tuple[tuple[str, str], str]:
    """What to group a message under, and what differs within the group: one finding for fifty tools."""
    if match := _ATTRIBUTE.search(text):
        return ("unknown-attribute", match["path"]), match["action"]
    if match := _ON_ENTITY.search(text):
        return ("unknown-entity-attribute", match["path"]), match["action"]
    if match := _OPTIONAL.search(text):
        return ("optional-attribute", f"context.{match['path']}" if match["of"] else f"….{match['path']}"), ""
    return ("invalid-rule", text), ""


def _complaint(rule: Rule, world: World, kind: str, text: str, details: list[str]) -> Finding:
    last = text.rpartition(".")[2]
    tools = [name for name in details if not name.endswith(":none")]
    match kind:
        case "unknown-attribute":
            of = (
                f"for {', '.join(tools[:3])}{' …' if len(tools) > 3 else ''}" if tools else "on every tool of the group"
            )
            message = f"context.{text} is not there {of}"
            hint = near_in_context(world, text, details)
            if text.startswith("args.") and len(tools) != len(details):
                hint = (
                    "a rule over a group cannot read arguments, which differ from tool to tool: use the effect's "
                    "interface (context.send, context.pay, context.change …), or name the tools in the scope"
                )
            elif text.startswith("args.") and not hint.startswith("did you mean"):
                hint = "look at the tool's arguments in tools/*.toml, or write one rule for each tool"
            return rule.finding("unknown-attribute", message, last, hint=hint)
        case "unknown-entity-attribute":
            message = f'attribute "{text}" does not exist on {", ".join(dict.fromkeys(details))}'
            hint = "say in the scope which kind is meant (`principal is User`), or declare it in directory.toml"
            return rule.finding("unknown-attribute", message, last, hint=near_attribute(world, last) or hint)
        case "optional-attribute":
            message = f"{last} may be missing, and this rule reads it without asking"
            hint = f"test it first: {text.rpartition('.')[0]} has {last} && …"
            return rule.finding("optional-attribute", message, last, hint=hint)
        case _:
            quoted = _QUOTED.search(text)
            hint = "no tool, principal and resource fit this scope together" if text.startswith(_REPEATS[2]) else ""
            near = quoted["token"].rpartition("::")[2].strip('"') if quoted else ""
            return rule.finding("invalid-rule", f"{rule.name()}: {text}", near or rule.id, hint=hint)


def _first_line(error: ValueError) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
