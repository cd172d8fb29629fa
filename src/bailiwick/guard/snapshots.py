"""All that a rule's answer was taken on, kept with the decision so that it can be taken again. DESIGN §5 *Audit*.

Two contents. The *standpoint* is what calls of a session share: the chain with what the directory said of it, task and
scope, evidence, environment, and which rules, catalog and directory there were. It lies with one decision, and later
ones name that decision (`of`; empty: this very one). The *snapshot* is what differs: when, on which resources, the
facts of the arguments and of providers, the counts of budgets, the gates that approvals lifted, and what the rules
answered. The labels stand in the event's body already (`flow`).

INVARIANT: a decision that permits a call and was put to the rules has a snapshot, and its standpoint is on record
before it or with it. Nothing in here is read when a call is decided.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from bailiwick.guard.circumstances import checked, written_evidence, written_gathered
from bailiwick.guard.planes import Planes
from bailiwick.guard.state import OnRecord, Standpoint
from bailiwick.model.call import Fact, Resource
from bailiwick.model.canonical import Json
from bailiwick.model.circumstances import Circumstances
from bailiwick.model.decision import Decision
from bailiwick.model.event import Content, Draft
from bailiwick.model.lookup import Found
from bailiwick.policy import PolicyRequest, Subject

__all__ = ["SNAPSHOT", "STANDPOINT", "VERSION", "Grounds", "grounds_of", "now_on_record", "snapshot_contents"]

SNAPSHOT, STANDPOINT = "snapshot", "standpoint"
"""Roles of contents of a decision."""
VERSION = 1
KEPT_ANEW_US = 86_400_000_000
"""A standpoint is kept again after a day, so that a long session does not hang on contents that are due for removal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grounds:
    """What a decision's snapshot is made of, beside the request: its standpoint, and what was asked outside."""

    standpoint: OnRecord
    gathered: Mapping[str, Json]


def grounds_of(planes: Planes, standpoint: Standpoint, around: Circumstances, found: Found) -> Grounds:
    """Raises FactUnavailable for what has no canonical form."""
    record = standpoint.record
    if not record.data:
        record.data = orjson.dumps(_standpoint(planes, standpoint), option=orjson.OPT_SORT_KEYS)
    return Grounds(standpoint=record, gathered=written_gathered(around, found))


def snapshot_contents(
    planes: Planes,
    request: PolicyRequest | None,
    decision: Decision,
    grounds: Grounds | None,
    now_us: int,
) -> tuple[Content, ...]:
    """The contents of a decision at `now_us`; none where policy was not asked."""
    if request is None or grounds is None or decision.verdict is None:
        return ()
    held = grounds.standpoint.at
    if held is not None and now_us - held[1] > KEPT_ANEW_US:
        held = None
    rules, answer = planes.policy.policies, decision.verdict
    told: dict[str, object] = {
        "v": VERSION,
        "of": "" if held is None else held[0],
        "now_ms": request.now_ms,
        "resources": [_resource(each) for each in request.resources],
        "args": request.args,
        "answer": [answer.outcome.value, *(gate.id for gate in answer.gates)],
        **grounds.gathered,
    }
    if request.interfaces:
        told["interfaces"] = request.interfaces
    if request.approved:
        told["approved"] = [[name, _text(rules[name].gate)] for name in sorted(request.approved & rules.keys())]
    try:
        data = orjson.dumps(told, default=_plain, option=orjson.OPT_SORT_KEYS)
    except (TypeError, ValueError, RecursionError):
        # INVARIANT: this call was denied: what cannot be encoded is not put to the rules either.
        return ()
    made = Content(role=SNAPSHOT, data=data)
    return (made,) if held is not None else (made, Content(role=STANDPOINT, data=grounds.standpoint.data))


def now_on_record(grounds: Grounds | None, draft: Draft) -> None:
    """`draft` is in the log: if it holds the standpoint, later decisions may name it."""
    if grounds is not None and any(content.role == STANDPOINT for content in draft.contents):
        grounds.standpoint.at = draft.id, draft.ts_us


def _standpoint(planes: Planes, standpoint: Standpoint) -> Mapping[str, Json]:
    authority, around, subject = standpoint.authority, standpoint.around, standpoint.subject
    reachable = authority.grant.reachable
    return checked(
        {
            "v": VERSION,
            "links": [[link.kind.value, link.id] for link in authority.chain.links],
            "task": authority.task,
            "purpose": authority.purpose,
            "expires_ms": authority.grant.expires_ms,
            "tools": None if reachable is None else sorted(reachable),
            "zones": sorted(authority.grant.zones),
            "evidence": written_evidence(around.evidence),
            "environment": {name: _sorted(value) for name, value in around.environment.items()},
            "known": _known(subject),
            "rules": {
                "deciding": planes.deciding_digest,
                "policy": planes.policy.digest,
                "catalog": planes.catalog.digest,
                "directory": planes.directory.digest,
                "bundle": planes.bundle.digest if planes.bundle else "",
            },
        }
    )


def _known(subject: Subject) -> list[object]:
    """What the directory said of the links: their attributes, and what they are in."""
    return [[each["uid"], each["attrs"], each["parents"]] for each in subject.entities]


def _resource(resource: Resource) -> list[object]:
    return [resource.ref.kind.value, resource.ref.id, list(resource.zones)]


def _text(gate: object) -> str:
    return str(getattr(gate, "text", ""))


def _sorted(value: Fact) -> object:
    return sorted(value) if isinstance(value, tuple) else value


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, frozenset):
        return sorted(value)
    raise TypeError(f"facts cannot hold a {type(value).__name__}")
