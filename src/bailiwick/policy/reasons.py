"""From Cedar's answers to sentences: one reason for each rule that decided, most useful first. DESIGN §3 promise 9.

Sentences may be shown to the model: they name only rules that decided, and hold no text of a rule but its `@reason`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

from bailiwick.model.decision import Gate, GateKind, LinkVerdict, Plane, Reason
from bailiwick.model.principal import EntityKind, EntityRef
from bailiwick.policy.bundle import PolicyInfo

__all__ = [
    "POLICY_ERROR",
    "allow_reasons",
    "approval_reasons",
    "deny_reasons",
    "error_reason",
    "rule_reasons",
    "unknown_tool",
]

POLICY_ERROR = "policy-error"


def rule_reasons(policies: Mapping[str, PolicyInfo]) -> Mapping[str, Reason]:
    """What each rule has to say when it decides, by its id."""
    return MappingProxyType(
        {
            name: Reason(plane=Plane.POLICY, code=name, message=info.reason or f'Rule "{name}" {info.effect}s this.')
            for name, info in policies.items()
        }
    )


def allow_reasons(links: Sequence[LinkVerdict], rules: Mapping[str, Reason]) -> tuple[Reason, ...]:
    """The permits of an allow."""
    return tuple([rules[name] for name in _deciding(links)])


def approval_reasons(gates: Sequence[Gate], root: EntityRef) -> tuple[Reason, ...]:
    """The gates that approval would lift, and by whom."""
    return tuple(
        Reason(
            plane=Plane.POLICY,
            code=gate.id,
            message=gate.reason or f'Rule "{gate.id}" asks for a person\'s approval.',
            hint=_who(gate, root),
        )
        for gate in gates
    )


def deny_reasons(
    tool: str, links: Sequence[LinkVerdict], rules: Mapping[str, Reason], gates: Mapping[str, Gate]
) -> tuple[Reason, ...]:
    """Why a call is denied: forbids that nobody can lift, then missing permits, then gates, then errors."""
    denied = [link for link in links if not link.allowed]
    named = _deciding(denied)
    hard = [rules[name] for name in named if name not in gates]
    liftable = [rules[name] for name in named if name in gates]
    errors = [error_reason()] if any(link.errors for link in denied) else []
    return (*hard, *_no_permits(tool, denied), *liftable, *errors)


def error_reason() -> Reason:
    """For calls that could not be judged. What went wrong stands in the verdict, for the record, not for the model."""
    return Reason(
        plane=Plane.POLICY,
        code=POLICY_ERROR,
        message="This call could not be judged by the rules, so it is refused.",
        hint="Tell whoever keeps the rules; the record of this decision says what went wrong.",
    )


def unknown_tool(tool: str) -> Reason:
    """For a tool that the catalog does not know."""
    return Reason(
        plane=Plane.POLICY,
        code="unknown-tool",
        message=f'There is no tool "{tool}" that could be called.',
        hint="Use a tool of the catalog.",
    )


def _deciding(links: Sequence[LinkVerdict]) -> tuple[str, ...]:
    return tuple(dict.fromkeys([name for link in links for name in link.policies]))


def _no_permits(tool: str, denied: Sequence[LinkVerdict]) -> Iterator[Reason]:
    lacking = [link for link in denied if not link.policies and not link.errors]
    for link in dict.fromkeys((one.link, _target(tool, one.resource)) for one in lacking):
        who, target = _who_is(link[0]), link[1]
        yield Reason(
            plane=Plane.POLICY,
            code="no-permit",
            message=f"No policy lets {who} use {target}.",
            hint=f"Go on without it, or ask for a policy that permits it to {who}.",
        )


def _target(tool: str, resource: EntityRef) -> str:
    return tool if resource.id == tool else f"{tool} on {resource.id}"


def _who_is(link: EntityRef) -> str:
    return f"{link.kind.value.lower()} {link.id}"


def _who(gate: Gate, root: EntityRef) -> str:
    if gate.kind is GateKind.CONFIRM:
        who = root.id if root.kind is EntityKind.USER else "the user"
        return f"It can run once {who} has confirmed it."
    names = " or ".join(f"{ref.kind.value.lower()} {ref.id}" for ref in gate.approvers)
    many = f"{gate.quorum} approvals" if gate.quorum > 1 else "an approval"
    return f"It can run after {many} by {names}."
