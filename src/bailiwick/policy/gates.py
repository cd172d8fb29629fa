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
from bailiwick.model.canonical import digest
from bailiwick.model.decision import Gate, GateKind
from bailiwick.model.directory import Directory
from bailiwick.model.duration import duration_ms
from bailiwick.model.principal import EntityKind, EntityRef
from bailiwick.policy.bundle import PolicyEffect
from bailiwick.policy.tree import Rule
from bailiwick.policy.world import World

__all__ = ["GATE_ANNOTATIONS", "approved_id", "read_gate"]

GATE_ANNOTATIONS = frozenset(
    {"gate", "approvers", "quorum", "escalate_to", "escalate_after", "ttl", "phishing_resistant", "no_standing"}
)
"""All that says something of a gate, and of nothing else."""

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
    escalate_to, escalate_after_ms = _escalation(rule, world, findings)
    ttl_ms = _duration(rule, "ttl", findings)
    signed = _switch(rule, "phishing_resistant", findings)
    no_standing = _switch(rule, "no_standing", findings)
    if findings:
        return None, tuple(findings)
    gate = Gate(
        id=rule.id,
        kind=GateKind(kind),
        approvers=approvers,
        quorum=quorum,
        reason=rule.tree.annotations.get("reason", ""),
        text=digest("bailiwick.gate.v1", [token.text for token in rule.piece.tokens]),
        phishing_resistant=signed,
        escalate_to=escalate_to,
        escalate_after_ms=escalate_after_ms,
        ttl_ms=ttl_ms,
        no_standing=no_standing,
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
    for name in sorted(GATE_ANNOTATIONS - {"gate"}):
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
    if rule.tree.annotations["gate"] == GateKind.CONFIRM:
        if "approvers" not in rule.tree.annotations:
            return (), []
        message = f"{rule.name()} is for the chain's own user to confirm, so @approvers says nothing"
        hint = 'leave it out, or use @gate("approval")'
        return (), [rule.finding("bad-approvers", message, "approvers", hint=hint)]
    if not text:
        message = f"{rule.name()} does not say who may approve"
        return (), [rule.finding("bad-approvers", message, "approvers", "gate", hint=_SYNTAX)]
    return _people(rule, world, "approvers", text)


def _people(rule: Rule, world: World, annotation: str, text: str) -> tuple[tuple[EntityRef, ...], list[Finding]]:
    """The groups, roles and users that an annotation names."""
    syntax = f'write @{annotation}("Group::support-leads"), several separated by commas'
    found: list[EntityRef] = []
    findings: list[Finding] = []
    position = 0
    while position < len(text):
        match = _APPROVER.match(text, position)
        kind = next((kind for kind in _APPROVER_KINDS if match and kind.value == match["kind"]), None)
        if match is None or kind is None:
            message = f'@{annotation} cannot be read at "{text[position:].strip()}"'
            findings.append(rule.finding("bad-approvers", message, annotation, hint=f"{syntax}; Group, Role or User"))
            break
        position = match.end()
        ref = EntityRef(kind=kind, id=match["quoted"] if match["quoted"] is not None else match["plain"])
        if ref.id not in world.entities[kind]:
            message = f"@{annotation} names {ref}, which the directory does not know"
            findings.append(rule.finding("bad-approvers", message, annotation, hint="declare it in directory.toml"))
        elif ref not in found:
            found.append(ref)
    return tuple(found), findings


def _escalation(rule: Rule, world: World, findings: list[Finding]) -> tuple[tuple[EntityRef, ...], int]:
    """Who may answer too, and how long after the request."""
    said = [name for name in ("escalate_to", "escalate_after") if name in rule.tree.annotations]
    if not said:
        return (), 0
    hint = 'as in @escalate_to("Group::directors") @escalate_after("10m"), on gates of kind approval'
    if len(said) < 2 or rule.tree.annotations["gate"] == GateKind.CONFIRM:
        message = f"{rule.name()} does not say both to whom and when it is escalated"
        if len(said) == 2:
            message = f"{rule.name()} is for the chain's own user alone to confirm, and is escalated"
        findings.append(rule.finding("bad-escalation", message, said[0], hint=hint))
        return (), 0
    text = rule.tree.annotations["escalate_to"].strip()
    people, complaints = _people(rule, world, "escalate_to", text)
    findings += complaints
    if not text:
        message = f"{rule.name()} does not say to whom it is escalated"
        findings.append(rule.finding("bad-escalation", message, "escalate_to", hint=hint))
    return people, _duration(rule, "escalate_after", findings) or 0


def _duration(rule: Rule, annotation: str, findings: list[Finding]) -> int | None:
    text = rule.tree.annotations.get(annotation)
    if text is None:
        return None
    found = duration_ms(text)
    if found is None:
        message = f'@{annotation}("{text}") is no duration'
        findings.append(rule.finding("bad-duration", message, annotation, hint=f'as in @{annotation}("10m")'))
    return found


def _switch(rule: Rule, name: str, findings: list[Finding]) -> bool:
    """Whether the rule carries an annotation that says nothing but that it is there."""
    value = rule.tree.annotations.get(name)
    if value not in (None, "", "true"):
        message, hint = f'@{name}("{value}") says nothing that is understood', f"write @{name}, or leave it out"
        if name == "no_standing":
            findings.append(rule.finding("bad-no-standing", message, name, hint=hint))
        else:
            findings.append(rule.finding("bad-phishing-resistant", message, name, hint=hint))
    return value is not None


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
