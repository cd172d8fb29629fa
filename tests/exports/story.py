"""A small session as events: what every export is made from here. Written out, so that no other test changes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bailiwick.model.event import Event, EventKind

START_US = 1_790_000_000_000_000
LOG = "log-019a0000-0000-7000-8000-000000000001"
SESSION = "4:acme|4:prod|4:User|5:alice|11:support-bot|2:c1"
CHILD = "4:acme|4:prod|4:User|5:alice|10:researcher|2:c2"
ALICE, BOT, SCOUT = 'User::"alice"', 'Agent::"support-bot"', 'Agent::"researcher"'

LABEL: dict[str, Any] = {
    "sensitivity": 2,
    "categories": ["pii"],
    "readers": [["Group::support"]],
    "integrity": "untrusted",
    "sources": ["kb"],
    "author": None,
}
FLOW: dict[str, Any] = {
    "tainted": True,
    "unendorsed": ["to"],
    "unendorsed_values": ["to"],
    "by_colleague": [],
    "unbound": [],
    "unasked": False,
    "repeated": False,
    "undictated": [],
    "misquoted": False,
    "sensitivity": 2,
    "session_sensitivity": 2,
    "session_categories": ["pii"],
    "categories": ["pii"],
    "recipients_external": True,
    "recipients_outside_readers": True,
    "recipients_are_readers": False,
    "opaque": False,
    "label": LABEL,
}


def story() -> list[Event]:
    """The events, by time."""
    return [
        _event(0, EventKind.LOG_OPENED, {"log": LOG, "build": "bailiwick 0"}, session="", actor=()),
        _event(
            1,
            EventKind.SESSION_OPENED,
            {
                "agent": "support-bot",
                "root": ALICE,
                "conversation": "c1",
                "purpose": "Answer ticket 4711",
                "restored": False,
            },
        ),
        _event(2, EventKind.CONTENT_INGESTED, _content("c-1", "user", "prompt")),
        _event(3, EventKind.CONTENT_INGESTED, _content("c-2", "kb", "retrieved")),
        _decision(4, "crm.get_customer", "allow", arguments=[_argument("id", "e-2", "c-1", "user")], permit="prm-1"),
        _event(5, EventKind.ACTION_COMPLETED, {"decision": "e-4", "permit": "prm-1", "result_content": "c-3"}),
        _event(6, EventKind.CONTENT_INGESTED, _content("c-3", "crm.get_customer", "result", decision="e-4")),
        _decision(
            7,
            "mail.send",
            "needs_approval",
            arguments=[_argument("to", "e-3", "c-2", "kb"), _argument("body", "e-6", "c-3", "crm.get_customer")],
            flow=FLOW,
            links=[_link(ALICE, "forbids", "external-mail"), _link(BOT, "permits", "support-agents")],
            gates=["external-mail"],
            reasons=[{"plane": "policy", "code": "needs-approval", "message": "Mail to strangers needs a lead."}],
        ),
        _event(
            8,
            EventKind.APPROVAL_REQUESTED,
            {
                "approval": "apr-1",
                "digest": "sha256:d",
                "tool": "mail.send",
                "decision": "e-7",
                "gates": ["external-mail"],
                "expires_ms": START_US // 1000 + 900_000,
            },
        ),
        _event(
            9,
            EventKind.APPROVAL_GRANTED,
            {"approval": "apr-1", "by": 'User::"bob"', "method": "passkey"},
            session="",
            actor=(),
        ),
        _decision(
            10,
            "mail.send",
            "allow",
            flow=FLOW,
            approved=[{"gate": "external-mail", "approval": "apr-1"}],
            permit="prm-2",
            links=[_link(ALICE, "permits", "support-staff"), _link(BOT, "permits", "support-agents")],
        ),
        _event(11, EventKind.ACTION_FAILED, {"decision": "e-10", "permit": "prm-2", "error": "SMTPException"}),
        _event(
            12,
            EventKind.DELEGATION_GRANTED,
            {"to": "researcher", "child_session": CHILD, "tools": ["web.search"], "zones": [], "depth": 1},
        ),
        _decision(
            13,
            "web.search",
            "deny",
            session=CHILD,
            actor=(ALICE, BOT, SCOUT),
            links=[_link(ALICE, "forbids", "no-search")],
            reasons=[{"plane": "policy", "code": "forbidden", "message": "Nobody searches today."}],
        ),
        _event(14, EventKind.SESSION_CLOSED, {"decisions": 3}),
    ]


def _event(
    seq: int,
    kind: EventKind,
    body: Mapping[str, Any],
    *,
    session: str = SESSION,
    actor: tuple[str, ...] = (ALICE, BOT),
) -> Event:
    return Event(
        v=1,
        id=f"e-{seq}",
        log=LOG,
        seq=seq,
        kind=kind,
        ts_us=START_US + seq * 1_000_000,
        tenant="acme",
        env="prod",
        session=session,
        ord=seq,
        task="Answer ticket 4711" if session else "",
        actor=actor,
        parents=(),
        body=body,
        commitments={},
    )


def _content(content: str, source: str, origin: str, **more: str) -> dict[str, Any]:
    return {"content": content, "source": source, "label": LABEL, "origin": origin, **more}


def _argument(name: str, event: str, content: str, source: str) -> dict[str, Any]:
    origin = {"content": content, "event": event, "source": source, "path": "", "how": "exact"}
    return {"name": name, "endorsed": False, "endorsed_by": [], "origins": [origin]}


def _link(link: str, allowed: str, *policies: str) -> dict[str, Any]:
    return {
        "link": link,
        "resource": 'Resource::"mail"',
        "allowed": allowed == "permits",
        "policies": list(policies),
        "errors": [],
    }


def _decision(
    seq: int, tool: str, outcome: str, *, session: str = SESSION, actor: tuple[str, ...] = (ALICE, BOT), **more: Any
) -> Event:
    body = {
        "tool": tool,
        "outcome": outcome,
        "digest": "sha256:d",
        "reasons": [],
        "links": [],
        "gates": [],
        "approved": [],
        "arguments": [],
        "policy_digest": "sha256:p",
        "catalog_digest": "sha256:c",
        "durability": "sync",
        "latency_us": 512,
        **more,
    }
    return _event(seq, EventKind.DECISION, body, session=session, actor=actor)
