"""`/rule`: the text of a rule that made a decision, as long as it is of the rules that hold now."""

from __future__ import annotations

from typing import Any

from bailiwick.audit.search_terms import Query
from bailiwick.model.event import Event, EventKind
from bailiwick.policy.bundle import PolicyInfo
from bailiwick.server.pages import Shown
from bailiwick.server.records import Records, records
from bailiwick.server.visit import Missing, Refused, Visit

__all__ = ["rule"]

_MOST_ACTIVATIONS = 50


def rule(visit: Visit) -> Shown | Missing | Refused:
    """`id` is the rule's, `digest` that of the rules that the decision was taken with."""
    refused = visit.log.look("rules")
    if refused is not None:
        return Refused(reason=refused)
    asked, digest = visit.query.get("id", ""), visit.query.get("digest", "")
    planes = visit.log.planes
    engine = planes.administration if digest == planes.administration.digest else planes.policy
    active = digest == engine.digest
    info = engine.policies.get(asked) if active else None
    if not asked or not digest or (active and info is None):
        return Missing()
    with records(visit.log.guard) as found:
        activations = _activations(found, digest)
    return Shown(
        template="rule.html",
        data={
            "now_ms": visit.log.now_ms,
            "id": asked,
            "digest": digest,
            "active": active,
            "active_digest": planes.policy.digest,
            "rule": None if info is None else _rule(info),
            "observed": info is not None and asked in planes.policy.observed,
            "activations": activations,
        },
    )


def _rule(info: PolicyInfo) -> dict[str, Any]:
    return {
        "effect": info.effect.value,
        "reason": info.reason,
        "gate": None if info.gate is None else info.gate.id,
        "where": str(info.where),
        "text": info.text,
    }


def _activations(found: Records, digest: str) -> list[dict[str, Any]]:
    """When rules of this digest came into force, the latest first."""
    page = found.index.search(Query(wanted={"kind": (EventKind.POLICY_ACTIVATED.value,)}), limit=_MOST_ACTIVATIONS)
    events = (found.index.event(entry.id) for entry in page.items)
    return [_activation(event) for event in events if event is not None and event.body["policy_digest"] == digest]


def _activation(event: Event) -> dict[str, Any]:
    return {
        "id": event.id,
        "ts_us": event.ts_us,
        "by": str(event.body.get("by", "")),
        "bundle": str(event.body.get("bundle", "")),
        "sequence": event.body.get("sequence"),
    }
