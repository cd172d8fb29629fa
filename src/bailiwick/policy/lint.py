"""What the loader rejects, or warns of, beyond Cedar's own validation: checks on one rule's form.

DESIGN §4, last paragraph. Cedar accepts everything that is found here. `check` does the checks that need types, `gates`
those on gates.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from cedarpy import pst

from bailiwick.errors import Finding
from bailiwick.model.principal import EntityKind
from bailiwick.policy.bundle import PolicyEffect
from bailiwick.policy.gates import GATE_ANNOTATIONS
from bailiwick.policy.obligations import OBLIGATIONS, check_obligations
from bailiwick.policy.observed import check_observe
from bailiwick.policy.scope import names_tools, resource_fits
from bailiwick.policy.tree import Rule, literals, walk
from bailiwick.policy.world import GROUPS, World

__all__ = ["RESERVED_IDS", "check_form"]

RESERVED_IDS = frozenset({"no-permit", "observed", "policy-error", "unknown-tool"})
"""Codes of reasons that are not rules."""

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z")
_ANNOTATIONS = GATE_ANNOTATIONS | {"id", "reason", "observe", *OBLIGATIONS}
_ARITHMETIC = {
    "add": "+",
    "sub": "-",
    "mul": "*",
    "neg": "-",
    "offset": "offset",
    "duration_since": "durationSince",
    "to_date": "toDate",
}
_CONTEXT = pst.Var(name="context")
_ACTION = pst.Var(name="action")


def check_form(rule: Rule, world: World) -> tuple[Finding, ...]:
    """Everything that is wrong or doubtful in the form of `rule`."""
    return (
        *_identity(rule),
        *_annotations(rule),
        *check_observe(rule, world),
        *check_obligations(rule, world),
        *_arithmetic(rule),
        *_values(rule),
        *_beyond_group(rule, world),
        *_empty_sets(rule),
        *_scope(rule),
    )


def _identity(rule: Rule) -> Iterator[Finding]:
    if not rule.id:
        yield rule.finding("missing-id", "a rule has no @id", hint='give it one: @id("short-name")')
    elif not _ID.match(rule.id) or rule.id in RESERVED_IDS:
        taken = rule.id in RESERVED_IDS
        message = f'@id("{rule.id}") is {"the code of a reason that is no rule" if taken else "not usable"}'
        hint = "choose another" if taken else "letters, digits, dots, dashes and underscores, at most 100"
        yield rule.finding("bad-id", message, "id", hint=hint)


def _annotations(rule: Rule) -> Iterator[Finding]:
    for name, value in rule.tree.annotations.items():
        if name not in _ANNOTATIONS:
            known = ", ".join(f"@{known}" for known in sorted(_ANNOTATIONS))
            message = f"@{name} is unknown and has no effect"
            if rule.effect is PolicyEffect.PERMIT:
                message = f"@{name} is unknown: {rule.name()} permits as if it were not there"
                hint = f"take it out, make it a comment, or delete the permit; known: {known}"
                yield rule.finding("annotation-on-permit", message, name, hint=hint)
            else:
                yield rule.finding("unknown-annotation", message, name, hint=f"known: {known}")
        elif name == "reason" and not value.strip():
            yield rule.finding("empty-reason", "@reason is empty", name, hint="say why in one sentence")


def _arithmetic(rule: Rule) -> Iterator[Finding]:
    if rule.effect is PolicyEffect.PERMIT:
        return
    for node in rule.nodes():
        if isinstance(node, pst.BinaryOp | pst.UnaryOp) and node.op in _ARITHMETIC:
            sign = _ARITHMETIC[node.op]
            yield rule.finding(
                "arithmetic-in-forbid",
                f"{rule.name()} computes with `{sign}`: where that overflows, Cedar would skip the forbid",
                sign,
                hint="compare facts with constants; a sum or a difference has to be a fact of its own",
            )
            return


def _values(rule: Rule) -> Iterator[Finding]:
    """Uses of `context` and of action literals that the other checks could not see through."""
    for clause in rule.tree.clauses:
        for node in walk(clause.expr):
            if _bare_context(node) or clause.expr == _CONTEXT:
                message = "`context` is used as a value"
                yield rule.finding("context-as-value", message, "context", hint="read its attributes one by one")
                return
            if isinstance(node, pst.BinaryOp) and node.op == "in" and _is_action(node.left):
                message = "the left side of this `in` is an action written out, not the call's"
                hint = 'write `action in Action::"…"`'
                yield rule.finding("action-literal", message, hint=hint)
                return
            if (named := _asked_about(node)) is not None:
                who = f'{named.type}::"{named.id}"'
                message = f"this asks about {who}, whom a call brings along only where it is one of its links"
                hint = f"ask about the call's own: principal, resource, context.user …; `principal == {who}` is fine"
                yield rule.finding("entity-literal", message, named.id, hint=hint)
                return


def _bare_context(node: pst.Expr) -> bool:
    match node:
        case pst.GetAttr() | pst.HasAttr():
            return False
        case pst.UnaryOp(arg=arg):
            return arg == _CONTEXT
        case pst.BinaryOp(left=left, right=right):
            return _CONTEXT in (left, right)
        case pst.IfThenElse(cond=cond, then_expr=then_expr, else_expr=else_expr):
            return _CONTEXT in (cond, then_expr, else_expr)
        case pst.Set(elements=elements):
            return _CONTEXT in elements
        case pst.Record(fields=fields):
            return _CONTEXT in fields.values()
        case pst.Like(base=base) | pst.Is(base=base):
            return base == _CONTEXT
        case _:
            return False


def _is_action(expr: pst.Expr) -> bool:
    return isinstance(expr, pst.EntityLit) and str(expr.value.type) == EntityKind.ACTION


def _asked_about(node: pst.Expr) -> pst.EntityUid | None:
    """The entity written out of which `node` asks more than whether it is the same as another."""
    match node:
        case pst.BinaryOp(op="in", left=base) | pst.Is(base=base) | pst.GetAttr(base=base) | pst.HasAttr(base=base):
            return next((each.value for each in _results(base) if isinstance(each, pst.EntityLit)), None)
        case _:
            return None


def _results(expr: pst.Expr) -> Iterator[pst.Expr]:
    """What the value of `expr` may be taken from."""
    match expr:
        case pst.IfThenElse(then_expr=then_expr, else_expr=else_expr):
            yield from _results(then_expr)
            yield from _results(else_expr)
        case pst.GetAttr(base=pst.Record(fields=fields), attr=attr) if attr in fields:
            yield from _results(fields[attr])
        case _:
            yield expr


def _beyond_group(rule: Rule, world: World) -> Iterator[Finding]:
    """A permit by effect group must not reach a tool that has further effects, which its author did not think of."""
    if rule.effect is PolicyEffect.FORBID:
        return
    scopes: list[tuple[str, ...]] = []
    if isinstance(rule.tree.action, pst.ActionIn):
        scopes.append(tuple(uid.id for uid in rule.tree.action.entities))
    for clause in rule.tree.clauses:
        if isinstance(clause, pst.When):
            scopes.extend(_action_tests(clause.expr))
    for names in scopes:
        groups = GROUPS & set(names)
        for action in world.actions.values():
            if action.name in names or not groups & action.ancestors or not resource_fits(rule.tree.resource, action):
                continue
            covered = {effect for effect in action.groups if groups & _above(effect, world)}
            if further := sorted(set(action.groups) - covered):
                yield rule.finding(
                    "permit-beyond-group",
                    f'{rule.name()} permits {_listed(groups)}, which reaches "{action.name}": that tool also has the '
                    f"effect {', '.join(further)}",
                    *sorted(groups),
                    hint=f'name the tools instead: action in [Action::"{action.name}", …]',
                )


def _action_tests(expr: pst.Expr) -> Iterator[tuple[str, ...]]:
    for node in walk(expr):
        if isinstance(node, pst.BinaryOp) and node.op == "in" and node.left == _ACTION:
            yield tuple(item.value.id for item in literals(node.right) if isinstance(item, pst.EntityLit))


def _above(effect: str, world: World) -> frozenset[str]:
    sentinel = world.actions.get(f"{effect}:none")
    return frozenset({effect}) if sentinel is None else sentinel.ancestors


def _listed(names: frozenset[str]) -> str:
    return ", ".join(f'Action::"{name}"' for name in sorted(names))


def _empty_sets(rule: Rule) -> Iterator[Finding]:
    """`[…].containsAll(facts)` is true of the empty set: facts that were not found would pass."""
    tested = [node.arg for node in rule.nodes() if isinstance(node, pst.UnaryOp) and node.op == "is_empty"]
    for node in rule.nodes():
        match node:
            case pst.BinaryOp(op="contains_all", right=pst.GetAttr(attr=attr) as facts) if facts not in tested:
                message = f"containsAll is true when {attr} is empty"
                hint = f"test it too: !….{attr}.isEmpty() && …"
                yield rule.finding("empty-set", message, "containsAll", hint=hint)
            case _:
                pass


def _scope(rule: Rule) -> Iterator[Finding]:
    if rule.effect is PolicyEffect.FORBID:
        return
    action = rule.tree.action
    if isinstance(action, pst.ScopeAny):
        message = f"{rule.name()} permits every tool, also those that are added later"
        yield rule.finding("unscoped-permit", message, hint="say which tools: action in [...]")
    elif isinstance(rule.tree.principal, pst.ScopeAny) and not names_tools(rule):
        message = f"{rule.name()} permits a group of tools to everybody"
        hint = "say to whom: principal in Group::…, in AgentClass::…, is User …"
        yield rule.finding("unscoped-permit", message, hint=hint)
