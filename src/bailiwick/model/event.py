"""The audit event: one envelope for everything that is recorded. DESIGN §5 *Audit*.

The envelope's fields and the body of each kind are closed: `bailiwick.audit.schema` holds the fields of every kind
and refuses anything else. All of it is hashed. Contents (arguments, results, prompts) are never in the event; the event
holds a commitment, and the content lies beside the log under that commitment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from bailiwick.model.tool import Durability

__all__ = ["ENVELOPE_VERSION", "PROJECT", "Content", "Draft", "Event", "EventKind", "Receipt"]

ENVELOPE_VERSION = 1

PROJECT = "project"
"""The subject of contents that are about nobody."""


class EventKind(StrEnum):
    """Every kind of event there is. A new kind needs its schema in `bailiwick.audit.schema`."""

    LOG_OPENED = "log.opened"
    LOG_RECOVERED = "log.recovered"
    LOG_BORN = "log.born"
    LOG_COMMITTED = "log.committed"
    POLICY_ACTIVATED = "policy.activated"
    POLICY_REFUSED = "policy.refused"
    SESSION_OPENED = "session.opened"
    SESSION_PROVED = "session.proved"
    SESSION_CLOSED = "session.closed"
    CONTENT_INGESTED = "content.ingested"
    CONTENT_WITHHELD = "content.withheld"
    MODEL_CONTEXT = "model.context"
    MODEL_CALLED = "model.called"
    CONTENT_ERASED = "content.erased"
    CONTENT_DROPPED = "content.dropped"
    HOLD_SET = "hold.set"
    HOLD_LIFTED = "hold.lifted"
    DELEGATION_GRANTED = "delegation.granted"
    DELEGATION_REVOKED = "delegation.revoked"
    TASK_NARROWED = "task.narrowed"
    TASK_WIDENED = "task.widened"
    LABEL_DECLASSIFIED = "label.declassified"
    VALUE_ENDORSED = "value.endorsed"
    HANDLE_INSPECTED = "handle.inspected"
    DECISION = "decision"
    BUDGET_SET = "budget.set"
    BUDGET_REFUSED = "budget.refused"
    APPROVAL_REQUESTED = "approval.requested"
    APPROVAL_GRANTED = "approval.granted"
    APPROVAL_DENIED = "approval.denied"
    APPROVAL_REFUSED = "approval.refused"
    APPROVAL_EXPIRED = "approval.expired"
    APPROVAL_WITHDRAWN = "approval.withdrawn"
    APPROVAL_EDITED = "approval.edited"
    APPROVAL_REMEMBERED = "approval.remembered"
    APPROVAL_FORGOTTEN = "approval.forgotten"
    APPROVAL_PLANTED = "approval.planted"
    APPROVAL_CHECK_PASSED = "approval.check_passed"
    APPROVAL_CHECK_FAILED = "approval.check_failed"
    ACTION_COMPLETED = "action.completed"
    ACTION_FAILED = "action.failed"
    ACTION_CANCELLED = "action.cancelled"
    ACTION_EXPIRED = "action.expired"
    ACTION_RECONCILED = "action.reconciled"
    ADMIN_DECIDED = "admin.decided"
    SWITCH_SUSPENDED = "switch.suspended"
    SWITCH_RESUMED = "switch.resumed"
    SWITCH_REFUSED = "switch.refused"
    ACCOUNT_INVITED = "account.invited"
    ACCOUNT_ENROLLED = "account.enrolled"
    ACCOUNT_SIGNED_IN = "account.signed_in"
    ACCOUNT_SIGNED_OUT = "account.signed_out"
    ACCOUNT_REFUSED = "account.refused"
    ACCOUNT_REVOKED = "account.revoked"
    CHANNEL_FAILED = "channel.failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """Bytes that an event commits to. `role` names them within the event (`args`, `card`, `reasons`, `text`).

    `subjects` are people whom they are about beside the one for whom the event's chain acts, as `person:…`, `user:…`
    or `service:…`: erasing any of them takes the content away."""

    role: str
    data: bytes
    subjects: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """An event before the log gave it its place: what the guard writes. `body` holds the fields of its kind.

    `session` is a SessionKey's id, `actor` the chain as texts, `parents` ids of events that this one follows from."""

    id: str
    kind: EventKind
    ts_us: int
    tenant: str
    env: str
    session: str = ""
    task: str = ""
    actor: tuple[str, ...] = ()
    parents: tuple[str, ...] = ()
    body: Mapping[str, object] = field(default_factory=dict)
    contents: tuple[Content, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """An event as it stands in a log. `seq` counts from 0 in its log, `ord` from 0 in its session and log;
    `commitments` maps a content's role to `hmac-sha256:<hex>`. `v` is the version it was written with."""

    v: int
    id: str
    log: str
    seq: int
    kind: EventKind
    ts_us: int
    tenant: str
    env: str
    session: str
    ord: int
    task: str
    actor: tuple[str, ...]
    parents: tuple[str, ...]
    body: Mapping[str, object]
    commitments: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """Proof for the caller that its event has a place in a log: it must appear there later."""

    log: str
    seq: int
    event_id: str
    leaf: str
    durability: Durability
