"""What the engine is asked, and the context that Cedar gets for it, built here and nowhere else. DESIGN §4."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from bailiwick.model.administration import AdminAction
from bailiwick.model.call import Facts, Resource
from bailiwick.model.circumstances import CLAIMED, Circumstances, Evidence, WorkingHours
from bailiwick.model.decision import FlowFacts
from bailiwick.model.principal import EntityKind, EntityRef
from bailiwick.policy.entities import Subject
from bailiwick.policy.world import NO_END

__all__ = ["AdminRequest", "PolicyRequest", "context_of"]

_ALONE = Circumstances()
_NEVER: Mapping[str, object] = MappingProxyType({"weekday": 0, "minute": 0, "working": False})
"""`context.hours` of a project that declares none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyRequest:
    """One question. `args` and `interfaces` are facts from parsers, `approved` the gates that approvals lift, `now_ms`
    epoch milliseconds. `tool` is the catalog's name, `resources` all that the call touches (at least one)."""

    subject: Subject
    tool: str
    resources: tuple[Resource, ...]
    now_ms: int
    args: Facts
    interfaces: Mapping[str, Facts]
    approved: frozenset[str]
    flow: FlowFacts
    around: Circumstances = _ALONE


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminRequest:
    """May this person do this to bailiwick itself? `resource` is as `admin_resource` gives it. `own`: what it is done
    to was made by the same person (a bundle that they wrote, a suspension that they ordered)."""

    subject: Subject
    action: AdminAction
    resource: str
    now_ms: int
    evidence: Evidence = CLAIMED
    own: bool = False

    @property
    def tool(self) -> str:
        return self.action.value

    @property
    def resources(self) -> tuple[Resource, ...]:
        return (Resource(ref=EntityRef(kind=EntityKind.RESOURCE, id=self.resource)),)

    @property
    def approved(self) -> frozenset[str]:
        return frozenset()


def context_of(request: PolicyRequest | AdminRequest, hours: WorkingHours | None) -> dict[str, object]:
    """The context of `request` but for `approved`. What we say stands last: no interface can overwrite it."""
    now_ms = request.now_ms
    when = {"now": now_ms, "hours": _NEVER if hours is None else hours.facts(now_ms)}
    if isinstance(request, AdminRequest):
        return {**request.subject.context, **when, "own": request.own, "evidence": _evidence(request.evidence, now_ms)}
    flow, around = request.flow, request.around
    return {
        **request.interfaces,
        **request.subject.context,
        **when,
        "args": request.args,
        "evidence": _evidence(around.evidence, now_ms),
        "environment": around.environment,
        "facts": {
            name: {"value": reading.value, "age_ms": max(0, now_ms - reading.read_ms)}
            for name, reading in around.facts.items()
        },
        "enforced": sorted(around.enforced),
        "usage": {name: {"used": usage.used, "after": usage.after} for name, usage in around.usage.items()},
        "signals": {},
        "flow": {
            "tainted": flow.tainted,
            "unendorsed": flow.unendorsed,
            "unendorsed_values": flow.unendorsed_values,
            "by_colleague": flow.by_colleague,
            "unbound": flow.unbound,
            "unasked": flow.unasked,
            "repeated": flow.repeated,
            "undictated": flow.undictated,
            "misquoted": flow.misquoted,
            "sensitivity": flow.label.sensitivity,
            "categories": sorted(flow.label.categories),
            "session_sensitivity": flow.session_label.sensitivity,
            "session_categories": sorted(flow.session_label.categories),
            "recipients_external": flow.recipients_external,
            "recipients_outside_readers": flow.recipients_outside_readers,
            "recipients_are_readers": flow.recipients_are_readers,
            "opaque": flow.opaque,
        },
    }


def _evidence(evidence: Evidence, now_ms: int) -> dict[str, object]:
    """A user who never proved who they are did so an eternity ago, so that every demand for freshness fails."""
    age_ms = NO_END if evidence.at_ms is None else max(0, now_ms - evidence.at_ms)
    return {"method": evidence.method.value, "age_ms": age_ms, "strong": evidence.strong}
