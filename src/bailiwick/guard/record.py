"""Turns what happened into drafts of audit events. The audit room says which fields each kind has; this says when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import orjson

from bailiwick.action.approval_card import card_about
from bailiwick.action.approvals import Approval
from bailiwick.audit.events import content_body, decision_body, reasons_content
from bailiwick.audit.sealing import subject_of_link
from bailiwick.guard.planes import Planes
from bailiwick.guard.state import Permit, SessionState
from bailiwick.model.call import Carried
from bailiwick.model.decision import Decision
from bailiwick.model.event import Content, Draft, EventKind
from bailiwick.model.label import Label

__all__ = [
    "approval_draft",
    "card_content",
    "content_draft",
    "decision_draft",
    "draft",
    "outcome_draft",
    "refusal_draft",
    "render",
]


def draft(
    planes: Planes,
    session: SessionState | None,
    kind: EventKind,
    body: Mapping[str, object],
    *,
    event_id: str,
    now_us: int,
    parents: Sequence[str] = (),
    contents: Sequence[Content] = (),
) -> Draft:
    """An event of this tenant, and of this session if there is one."""
    authority = session.authority if session else None
    return Draft(
        id=event_id,
        kind=kind,
        ts_us=now_us,
        tenant=planes.settings.tenant,
        env=planes.settings.env,
        session=authority.key.id if authority else "",
        task=authority.task if authority else "",
        actor=tuple(str(link) for link in authority.chain.links) if authority else (),
        parents=tuple(parents),
        body=body,
        contents=tuple(contents),
    )


def decision_draft(
    planes: Planes,
    session: SessionState | None,
    decision: Decision,
    *,
    event_id: str,
    now_us: int,
    args: bytes,
    permit: Permit | None,
    latency_us: int,
    taken_on: Sequence[Content] = (),
    about: tuple[str, ...] = (),
    carried: Sequence[Carried] = (),
) -> Draft:
    """The record that must be durable before the tool may run. `taken_on` is its snapshot, `about` are people whom the
    call is about, `carried` what handles in it stand for. It follows from what the model was given before it."""
    body = decision_body(
        decision,
        permit_id=permit.id if permit else None,
        permit_expires_ms=permit.expires_us // 1000 if permit else None,
        catalog_digest=planes.catalog.digest,
        latency_us=latency_us,
        idempotency=permit.action.tool.idempotency if permit else None,
        effect_key=permit.effect_key if permit else None,
        carried=carried,
    )
    told = session.told if session else ""
    words = reasons_content(decision)
    contents = (
        *((Content(role="args", data=args, subjects=about),) if args else ()),
        *(replace(each, subjects=about) for each in ((words,) if words else ())),
        *(replace(each, subjects=about) for each in taken_on),
    )
    return draft(
        planes,
        session,
        EventKind.DECISION,
        body,
        event_id=event_id,
        now_us=now_us,
        parents=(told,) if told else (),
        contents=contents,
    )


def refusal_draft(planes: Planes, decision: Decision, *, event_id: str, now_us: int) -> Draft:
    """A denial outside of any session: one could not be opened, or a governed tool was called without one."""
    return decision_draft(planes, None, decision, event_id=event_id, now_us=now_us, args=b"", permit=None, latency_us=0)


def content_draft(
    planes: Planes,
    session: SessionState,
    *,
    event_id: str,
    now_us: int,
    content_id: str,
    source: str,
    origin: str,
    label: Label,
    data: bytes,
    decision_event: str = "",
    about: tuple[str, ...] = (),
    read_back: Sequence[str] = (),
    said_in: str = "",
) -> Draft:
    """Something that the session has seen, with its label; the text itself lies beside the log."""
    return draft(
        planes,
        session,
        EventKind.CONTENT_INGESTED,
        content_body(
            content=content_id,
            source=source,
            label=label,
            origin=origin,
            decision=decision_event,
            read_back=read_back,
            said_in=said_in,
        ),
        event_id=event_id,
        now_us=now_us,
        parents=(decision_event,) if decision_event else (),
        contents=(Content(role="text", data=data, subjects=about),),
    )


def outcome_draft(
    planes: Planes,
    session: SessionState,
    kind: EventKind,
    permit: Permit,
    *,
    event_id: str,
    now_us: int,
    extra: Mapping[str, object],
) -> Draft:
    """What became of a permitted call, and of the handles that its tool was given."""
    used, unused = permit.handles.used, permit.handles.unused
    enforced = {"enforced_used": list(used), "enforced_unused": list(unused)} if used or unused else {}
    return draft(
        planes,
        session,
        kind,
        {"decision": permit.event_id, "permit": permit.id, **enforced, **extra},
        event_id=event_id,
        now_us=now_us,
        parents=(permit.event_id,),
    )


def card_content(approval: Approval) -> Content:
    """The card of a request: about those for whom its chain acts, whoever answers it, and whom the card is about."""
    root = subject_of_link(str(approval.chain.root))
    return Content(role="card", data=approval.card, subjects=(root, *card_about(approval.card)))


def approval_draft(
    planes: Planes,
    session: SessionState,
    approval: Approval,
    *,
    event_id: str,
    now_us: int,
    decision_event: str,
) -> Draft:
    """That a person is asked."""
    return draft(
        planes,
        session,
        EventKind.APPROVAL_REQUESTED,
        {
            "approval": approval.id,
            "digest": approval.digest,
            "tool": approval.tool,
            "gates": [gate.id for gate in approval.gates],
            "expires_ms": approval.expires_ms,
            "decision": decision_event,
        },
        event_id=event_id,
        now_us=now_us,
        parents=(decision_event,),
        contents=(card_content(approval),),
    )


def render(value: object) -> str:
    """A tool's result as the text that a model reads: a string as it is, anything else as JSON, or as Python shows it.
    Never raises: what a tool returned must be labelled whatever it is."""
    if isinstance(value, str):
        return value
    try:
        return orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS | orjson.OPT_INDENT_2).decode("utf-8")
    except orjson.JSONEncodeError:
        return repr(value)
