"""A recorded decision as the question that rules were asked: read from its event, its snapshot and its standpoint.

The counterpart of `bailiwick.guard.snapshots`. Raises CanonicalError where a content is not what that room writes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bailiwick.errors import CanonicalError
from bailiwick.guard.snapshots import VERSION
from bailiwick.model.call import Fact, Resource
from bailiwick.model.canonical import parse
from bailiwick.model.circumstances import Circumstances, Evidence, FactReading, Method, Usage
from bailiwick.model.decision import FlowFacts, Outcome
from bailiwick.model.event import Event
from bailiwick.model.label import Label
from bailiwick.model.principal import Chain, EntityKind, EntityRef
from bailiwick.policy import PolicyEngine, PolicyRequest, Subject

__all__ = ["Question", "Taken", "read_question", "read_taken", "subject_for"]

_ODD = (KeyError, TypeError, ValueError, AttributeError, IndexError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A standpoint: on whose behalf calls were decided, and by which rules (`deciding`)."""

    chain: Chain
    task: str
    purpose: str
    expires_ms: int | None
    tools: frozenset[str] | None
    zones: frozenset[str]
    evidence: Evidence
    environment: Mapping[str, Fact]
    deciding: str
    policy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What the rules were asked of one call, and what they answered. `of` is the event that holds the standpoint
    (empty: the decision's own), `approved` each gate that was lifted with the digest of its text."""

    of: str
    tool: str
    now_ms: int
    resources: tuple[Resource, ...]
    args: Mapping[str, Fact]
    interfaces: Mapping[str, Any]
    approved: Mapping[str, str]
    flow: FlowFacts
    around: Circumstances
    answer: Outcome
    gates: tuple[str, ...]

    def asked(self, subject: Subject, taken: Taken, approved: frozenset[str]) -> PolicyRequest:
        """The same for a subject of some engine, with these gates lifted."""
        around = Circumstances(
            evidence=taken.evidence,
            environment=taken.environment,
            facts=self.around.facts,
            usage=self.around.usage,
            enforced=self.around.enforced,
        )
        return PolicyRequest(
            subject=subject,
            tool=self.tool,
            resources=self.resources,
            now_ms=self.now_ms,
            args=self.args,
            interfaces=self.interfaces,
            approved=approved,
            flow=self.flow,
            around=around,
        )


def subject_for(policy: PolicyEngine, taken: Taken) -> Subject:
    return policy.subject(
        chain=taken.chain,
        task=taken.task,
        purpose=taken.purpose,
        expires_ms=taken.expires_ms,
        tools=taken.tools,
        zones=taken.zones,
        groups=taken.evidence.groups,
    )


def read_taken(data: bytes) -> Taken:
    """The standpoint in a content. Raises CanonicalError."""
    told = _versioned(data)
    try:
        return Taken(
            chain=Chain(links=tuple(EntityRef(kind=EntityKind(kind), id=name) for kind, name in told["links"])),
            task=told["task"],
            purpose=told["purpose"],
            expires_ms=told["expires_ms"],
            tools=None if told["tools"] is None else frozenset(told["tools"]),
            zones=frozenset(told["zones"]),
            evidence=_evidence(told["evidence"]),
            environment=told["environment"],
            deciding=told["rules"]["deciding"],
            policy=told["rules"]["policy"],
        )
    except _ODD as error:
        raise _odd(error) from error


def read_question(event: Event, data: bytes) -> Question:
    """The question that the rules were asked before `event`, a decision. `data` is its snapshot. Raises
    CanonicalError."""
    told = _versioned(data)
    try:
        answer, *gates = told["answer"]
        return Question(
            of=told["of"],
            tool=str(event.body["tool"]),
            now_ms=told["now_ms"],
            resources=tuple(
                Resource(ref=EntityRef(kind=EntityKind(kind), id=name), zones=tuple(zones))
                for kind, name, zones in told["resources"]
            ),
            args=told["args"],
            interfaces=told.get("interfaces", {}),
            approved=dict(told.get("approved", ())),
            flow=_flow(event.body["flow"]),
            around=_around(told),
            answer=Outcome(answer),
            gates=tuple(gates),
        )
    except _ODD as error:
        raise _odd(error) from error


def _around(told: Mapping[str, Any]) -> Circumstances:
    facts, usage = told.get("facts", {}), told.get("usage", {})
    return Circumstances(
        facts={name: FactReading(value=each["value"], read_ms=each["read_ms"]) for name, each in facts.items()},
        usage={name: Usage(used=used, after=after) for name, (used, after) in usage.items()},
        enforced=frozenset(told.get("enforced", ())),
    )


def _evidence(told: Mapping[str, Any]) -> Evidence:
    return Evidence(
        method=Method(told["method"]),
        at_ms=told["at_ms"],
        strong=told["strong"],
        issuer=told["issuer"],
        subject=told["subject"],
        actors=tuple(told["actors"]),
        groups=tuple(told["groups"]),
    )


def _flow(told: Any) -> FlowFacts:
    """The labels as rules read them; what else a label holds they cannot."""
    flags: dict[str, Any] = {name: told[name] for name in _FLAGS}
    lists: dict[str, Any] = {name: tuple(told[name]) for name in _LISTS}
    return FlowFacts(
        label=Label(sensitivity=told["sensitivity"], categories=frozenset(told["categories"])),
        session_label=Label(sensitivity=told["session_sensitivity"], categories=frozenset(told["session_categories"])),
        **flags,
        **lists,
    )


_FLAGS = (
    *("tainted", "unasked", "repeated", "misquoted", "opaque"),
    *("recipients_external", "recipients_outside_readers", "recipients_are_readers"),
)
_LISTS = ("unendorsed", "unendorsed_values", "by_colleague", "unbound", "undictated")


def _versioned(data: bytes) -> dict[str, Any]:
    told = parse(data)
    if not isinstance(told, dict) or told.get("v") != VERSION:
        raise CanonicalError(
            "a snapshot is not of the form that this version reads",
            hint="read it with the version of bailiwick that wrote it",
        )
    return told


def _odd(error: Exception) -> CanonicalError:
    return CanonicalError(f"a snapshot is not what was written: {type(error).__name__}")
