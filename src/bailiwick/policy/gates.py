"""Gates: forbids that a person can lift. DESIGN §4 *Policies*.

A gate is `forbid … unless { context.approved.contains("<its id>") }` with `@gate`. INVARIANT: `context.approved` stands
nowhere else, so an approval can lift exactly the gate it names and can never grant anything; and a gate that loses its
annotation still denies.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from cedarpy import pst

from bailiwick.errors import Finding
from bailiwick.model.decision import Gate, GateKind
from bailiwick.model.directory import Directory
from bailiwick.model.principal import EntityKind, EntityRef
from bailiwick.policy.bundle import PolicyEffect
from bailiwick.policy.tree import Rule
from bailiwick.policy.world import World

__all__ = ["approved_id", "read_gate"]

_APPROVER = re.compile(r'\s*(?P<kind>\w+)::(?:"(?P<quoted>[^"]*)"|(?P<plain>[^\s,"]+))\s*(?:,|$|(?<=\s))')
_APPROVER_KINDS = (EntityKind.GROUP, EntityKind.ROLE, EntityKind.USER)
_APPROVED = pst.GetAttr(base=pst.Var(name="context"), attr="approved")
_SYNTAX = 'write @approvers("Group::support-leads"), several separated by commas'


def approved_id(clause: pst.Clause) -> str | None:
    """The id in a clause that is wholly `unless { context.approved.contains("id") }`; None for any other clause."""
    match clause:
        case pst.Unless(expr=pst.BinaryOp(op="contains", left=left, right=pst.StringLit(value=value))):
            return value if left == _APPROVED else None
        case _:
            return None


def read_gate(rule: Rule, world: World, directory: Directory) -> tuple[Gate | None, tuple[Finding, ...]]:
    """The gate that `rule` is (None if it is none), and what is wrong with it as one."""
    kind = rule.tree.annotations.get("gate")
    if kind is None:
        return None, tuple(_stray(rule))
    findings = list(_shape(rule, kind))
    approvers, complaints = _approvers(rule, world)
    findings += complaints
    quorum = _quorum(rule, findings)
    if findings:
        return None, tuple(findings)
    gate = Gate(
        id=rule.id,
        kind=GateKind(kind),
        approvers=approvers,
        quorum=quorum,
        reason=rule.tree.annotations.get("reason", ""),
    )
    return gate, tuple(_reachable(rule, gate, directory))


def _uses(rule: Rule) -> int:
    """How often `context.approved` is read, clauses that are wholly the unless of a gate apart."""
    return sum(node == _APPROVED for node in rule.nodes()) - sum(
        approved_id(clause) is not None for clause in rule.tree.clauses
    )


def _stray(rule: Rule) -> Iterator[Finding]:
    if any(node == _APPROVED for node in rule.nodes()):
        yield rule.finding(
            "approved-outside-gate",
            f"{rule.name()} reads context.approved but is no gate",
            "approved",
            hint='a gate is a forbid with @gate("approval") or @gate("confirm") and '
            f'unless {{ context.approved.contains("{rule.id or "its own id"}") }}',
        )
    for name in ("approvers", "quorum"):
        if name in rule.tree.annotations:
            yield rule.finding(
                "annotation-without-gate",
                f"@{name} has no effect without @gate",
                name,
                hint="add @gate, or remove the annotation",
            )


def _shape(rule: Rule, kind: str) -> Iterator[Finding]:
    unless = f'unless {{ context.approved.contains("{rule.id}") }}'
    if rule.effect is PolicyEffect.PERMIT:
        yield rule.finding("gate-on-permit", "@gate stands on a permit: a gate is a forbid", "gate", hint=unless)
    if kind not in set(GateKind):
        yield rule.finding(
            "bad-gate", f'@gate("{kind}") is unknown', "gate", hint='use @gate("approval") or @gate("confirm")'
        )
    named = [found for found in map(approved_id, rule.tree.clauses) if found is not None]
    if not named and rule.effect is PolicyEffect.FORBID:
        yield rule.finding(
            "gate-without-unless",
            f"{rule.name()} has @gate, but no approval could lift it",
            "gate",
            hint=f"add as a clause of its own: {unless}",
        )
    for other in named:
        if other != rule.id:
            yield rule.finding(
                "gate-of-another",
                f'{rule.name()} would be lifted by an approval of "{other}"',
                other,
                hint=f"a gate is lifted by its own id only: {unless}",
            )
    if _uses(rule) > 0:
        yield rule.finding(
            "approved-outside-gate",
            "context.approved may only be the whole of a gate's unless",
            "approved",
            hint=f"put other conditions into clauses of their own, beside {unless}",
        )


def _approvers(rule: Rule, world: World) -> tuple[tuple[EntityRef, ...], list[Finding]]:
    text = rule.tree.annotations.get("approvers", "").strip()
    if not text:
        if rule.tree.annotations["gate"] == GateKind.CONFIRM and "approvers" not in rule.tree.annotations:
            return (), []
        message = f"{rule.name()} does not say who may approve"
        return (), [rule.finding("bad-approvers", message, "approvers", "gate", hint=_SYNTAX)]
    found: list[EntityRef] = []
    findings: list[Finding] = []
    position = 0
    while position < len(text):
        match = _APPROVER.match(text, position)
        kind = next((kind for kind in _APPROVER_KINDS if match and kind.value == match["kind"]), None)
        if match is None or kind is None:
            message = f'@approvers cannot be read at "{text[position:].strip()}"'
            findings.append(rule.finding("bad-approvers", message, "approvers", hint=f"{_SYNTAX}; Group, Role or User"))
            break
        position = match.end()
        ref = EntityRef(kind=kind, id=match["quoted"] if match["quoted"] is not None else match["plain"])
        if ref.id not in world.entities[kind]:
            message = f"@approvers names {ref}, which the directory does not know"
            findings.append(rule.finding("bad-approvers", message, "approvers", hint="declare it in directory.toml"))
        elif ref not in found:
            found.append(ref)
    return tuple(found), findings


def _quorum(rule: Rule, findings: list[Finding]) -> int:
    text = rule.tree.annotations.get("quorum", "1")
    quorum = int(text) if text.isascii() and text.isdigit() and len(text) < 4 else 0
    if quorum < 1:
        findings.append(
            rule.finding(
                "bad-quorum", f'@quorum("{text}") is not a number of people', "quorum", hint='as in @quorum("2")'
            )
        )
    confirm = rule.tree.annotations["gate"] == GateKind.CONFIRM
    if quorum > 1 and confirm:
        findings.append(
            rule.finding(
                "bad-quorum",
                "a confirmation is given by the chain's own user alone: its quorum is 1",
                "quorum",
                hint='use @gate("approval") for several people',
            )
        )
    return max(quorum, 1)


def _reachable(rule: Rule, gate: Gate, directory: Directory) -> Iterator[Finding]:
    """A warning if fewer users could approve than the quorum asks for."""
    if gate.kind is GateKind.CONFIRM:
        return
    able = sum(
        user.active
        and (
            EntityRef(kind=EntityKind.USER, id=user.id) in gate.approvers
            or not directory.groups_of(user.id).isdisjoint(gate.approvers)
        )
        for user in directory.users.values()
    )
    if able < gate.quorum:
        yield rule.finding(
            "gate-out-of-reach",
            f"{rule.name()} asks for {gate.quorum} approval(s); {able} active user(s) could give one",
            "quorum",
            "approvers",
            hint="add people to the approvers' groups; until then this gate always denies",
        )
