"""Events as rows of one flat table, for analytics over many of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from bailiwick.audit.exports.fields import agent_of, items, policies_of, root_of, texts
from bailiwick.model.event import Event, EventKind

__all__ = ["COLUMNS", "row"]

COLUMNS: Mapping[str, str] = {
    "ts_us": "int",
    "id": "text",
    "log": "text",
    "seq": "int",
    "kind": "text",
    "tenant": "text",
    "env": "text",
    "session": "text",
    "task": "text",
    "root": "text",
    "agent": "text",
    "tool": "text",
    "outcome": "text",
    "reasons": "texts",
    "policies": "texts",
    "gates": "texts",
    "approvals": "texts",
    "sensitivity": "int",
    "categories": "texts",
    "tainted": "bool",
    "latency_us": "int",
    "policy_digest": "text",
    "decision": "text",
    "body": "text",
}
"""Name → what it holds: `int`, `bool`, `text`, or `texts` (a list). Any may be null but the first nine; `body` is the
whole body as JSON."""


def row(event: Event) -> dict[str, Any]:
    """One row, with every column."""
    body = event.body
    found: dict[str, Any] = dict.fromkeys(COLUMNS)
    found.update(
        ts_us=event.ts_us,
        id=event.id,
        log=event.log,
        seq=event.seq,
        kind=event.kind.value,
        tenant=event.tenant,
        env=event.env,
        session=event.session,
        task=event.task,
        root=root_of(event) or None,
        agent=agent_of(event) or None,
        decision=body.get("decision"),
        tool=body.get("tool"),
        body=orjson.dumps(dict(body)).decode(),
    )
    if event.kind is EventKind.DECISION:
        flow = body.get("flow")
        facts = flow if isinstance(flow, Mapping) else {}
        found.update(
            outcome=body["outcome"],
            reasons=[str(reason["code"]) for reason in items(body["reasons"])],
            policies=policies_of(event),
            gates=texts(body["gates"]),
            approvals=[str(lifted["approval"]) for lifted in items(body["approved"])],
            sensitivity=facts.get("sensitivity"),
            categories=texts(facts.get("categories")) if facts else None,
            tainted=facts.get("tainted"),
            latency_us=body.get("latency_us"),
            policy_digest=body["policy_digest"],
        )
    return found
