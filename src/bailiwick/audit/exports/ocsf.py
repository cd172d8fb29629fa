"""Decisions as OCSF *API Activity* (class 6003) with the profiles `ai_operation` and `security_control`.

Written against OCSF 1.9.0-dev. A decided call is one activity; its outcome, if it is known, is in the same record.
What OCSF has no place for (labels, gates, the digest of the call) is under `unmapped`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from bailiwick.audit.exports.fields import agent_of, items, labelled, root_of, texts
from bailiwick.audit.relations import ENDS
from bailiwick.model.event import Event, EventKind

__all__ = ["OCSF_VERSION", "activities"]

OCSF_VERSION = "1.9.0-dev"
CATEGORY, CLASS = 6, 6003

_ACTIVITIES = {"draft": 1, "read": 2, "fetch": 2, "write": 3, "delete": 4}
_CAPTIONS = {0: "Unknown", 1: "Create", 2: "Read", 3: "Update", 4: "Delete"}
_OTHER = 99
_SEVERITY = {"allow": (1, "Informational"), "needs_approval": (2, "Low"), "deny": (3, "Medium")}
_STATUS = {
    EventKind.ACTION_COMPLETED: (1, "Success"),
    EventKind.ACTION_FAILED: (2, "Failure"),
    EventKind.ACTION_CANCELLED: (_OTHER, "given up, may have run"),
    EventKind.ACTION_EXPIRED: (2, "Failure"),
}


def activities(
    events: Iterable[Event], effects: Mapping[str, Collection[str]] | None = None, *, version: str
) -> Iterator[dict[str, Any]]:
    """One record for each decision, in the order of the decisions. `events` come by time; `effects` are those of each
    tool by the catalog, `version` is that of bailiwick."""
    decisions: list[Event] = []
    ends: dict[str, Event] = {}
    for event in events:
        if event.kind is EventKind.DECISION:
            decisions.append(event)
        elif event.kind in ENDS:
            ends[str(event.body["decision"])] = event
    for decision in decisions:
        declared = (effects or {}).get(str(decision.body["tool"]), ())
        yield _activity(decision, ends.get(decision.id), sorted(declared), version)


def _activity(decision: Event, end: Event | None, effects: list[str], version: str) -> dict[str, Any]:
    body, outcome = decision.body, str(decision.body["outcome"])
    activity_id, caption = _activity_of(effects)
    severity_id, severity = _SEVERITY[outcome]
    record = {
        "category_uid": CATEGORY,
        "category_name": "Application Activity",
        "class_uid": CLASS,
        "class_name": "API Activity",
        "activity_id": activity_id,
        "activity_name": caption,
        "type_uid": CLASS * 100 + activity_id,
        "severity_id": severity_id,
        "severity": severity,
        "time": decision.ts_us // 1000,
        "metadata": _metadata(decision, version),
        "actor": _actor(decision),
        "api": {"operation": body["tool"], "request": {"uid": decision.id}, "service": {"name": decision.task}},
        "src_endpoint": {"name": agent_of(decision) or "unknown", "type_id": _OTHER, "type": "AI agent"},
        "resources": [{"uid": uid} for uid in dict.fromkeys(str(link["resource"]) for link in items(body["links"]))],
        "ai_agent": {"uid": agent_of(decision), "instance_uid": decision.session},
        "message": "; ".join(str(reason.get("message", reason["code"])) for reason in items(body["reasons"])),
        **_control(decision),
        **_status(end, outcome),
        "unmapped": _unmapped(decision),
    }
    return {name: value for name, value in record.items() if value not in ("", [], {})}


def _activity_of(effects: list[str]) -> tuple[int, str]:
    """The activity of the strongest effect; OCSF knows four, the others go by their own names."""
    if not effects:
        return 0, _CAPTIONS[0]
    known = [_ACTIVITIES[effect] for effect in effects if effect in _ACTIVITIES]
    if len(known) < len(effects):
        return _OTHER, ", ".join(effect for effect in effects if effect not in _ACTIVITIES)
    return max(known), _CAPTIONS[max(known)]


def _metadata(decision: Event, version: str) -> dict[str, Any]:
    return {
        "version": OCSF_VERSION,
        "uid": decision.id,
        "sequence": decision.seq,
        "log_name": decision.log,
        "tenant_uid": decision.tenant,
        "labels": [decision.env],
        "profiles": ["ai_operation", "security_control"],
        "product": {"name": "bailiwick", "vendor_name": "bailiwick", "version": version},
    }


def _actor(decision: Event) -> dict[str, Any]:
    root = root_of(decision)
    kind, _, name = root.partition('::"')
    who = {"name": name.removesuffix('"'), "uid": root}
    session = {"session": {"uid": decision.session}} if decision.session else {}
    if kind == "User":
        return {"user": who, **session}
    return {"app_name": who["name"] or "unknown", "app_uid": root or "unknown", **session}


def _control(decision: Event) -> dict[str, Any]:
    body, outcome = decision.body, decision.body["outcome"]
    allowed = outcome == "allow"
    if allowed:
        disposition = (8, "Approved") if items(body["approved"]) else (1, "Allowed")
    else:
        disposition = (23, "Challenge") if outcome == "needs_approval" else (2, "Blocked")
    return {
        "action_id": 1 if allowed else 2,
        "action": "Allowed" if allowed else "Denied",
        "disposition_id": disposition[0],
        "disposition": disposition[1],
        "is_alert": outcome == "deny",
        "authorizations": list(_authorizations(decision)),
    }


def _authorizations(decision: Event) -> Iterator[dict[str, Any]]:
    """What each rule that decided for a link of the chain said, once; a link without one was denied by default."""
    seen: set[tuple[str, bool]] = set()
    for link in items(decision.body["links"]):
        for policy in texts(link["policies"]):
            if (policy, link["allowed"]) not in seen:
                seen.add((policy, link["allowed"]))
                rule = {"uid": policy, "name": policy, "version": str(decision.body["policy_digest"])}
                yield {"decision": "allow" if link["allowed"] else "deny", "policy": rule}


def _status(end: Event | None, outcome: str) -> dict[str, Any]:
    if end is not None:
        status_id, status = _STATUS[end.kind]
        return {"status_id": status_id, "status": status, "status_code": end.kind.value, "end_time": end.ts_us // 1000}
    if outcome == "allow":
        return {"status_id": 0, "status": "Unknown", "status_detail": "no outcome is recorded: it may have run"}
    return {"status_id": 2, "status": "Failure", "status_code": outcome}


def _unmapped(decision: Event) -> dict[str, Any]:
    body = decision.body
    return {
        "chain": list(decision.actor),
        "task": decision.task,
        "digest": body["digest"],
        "gates": texts(body["gates"]),
        "approvals": [str(lifted["approval"]) for lifted in items(body["approved"])],
        "reasons": [str(reason["code"]) for reason in items(body["reasons"])],
        "flow": dict(labelled(decision)),
    }
