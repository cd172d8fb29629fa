"""What events of several kinds have in common: labels, reasons, origins of values, what a decision holds.

The parts that `bailiwick.audit.schema` makes the bodies of; its docstring says what the fields mean.
"""

from __future__ import annotations

from collections.abc import Mapping

from bailiwick.audit.shapes import Bool, Choice, Int, Items, Nullable, Rec, Shape, Text
from bailiwick.model.decision import Outcome, Plane
from bailiwick.model.label import Integrity
from bailiwick.model.suspensions import TargetKind
from bailiwick.model.tool import Durability, Idempotency

__all__ = [
    "BOOL",
    "CHECK",
    "DECISION",
    "ENDED",
    "ENFORCED",
    "EVIDENCE",
    "INT",
    "LABEL",
    "ORIGIN",
    "ORIGINS",
    "PARTS",
    "RELEASED",
    "REMEMBER",
    "SAID",
    "SWITCH",
    "TEXT",
    "TEXTS",
    "rec",
    "texts",
]

ORIGINS = frozenset({"prompt", "instructions", "retrieved", "result", "message", "model", "unknown"})
"""How content came into a session."""

TEXT, INT, BOOL = Text(), Int(), Bool()
TEXTS = Items(TEXT)


def rec(required: Mapping[str, Shape], **optional: Shape) -> Rec:
    """An object with these fields, of which `optional` may be left out."""
    return Rec(required, optional)


def texts(*names: str) -> dict[str, Shape]:
    """Fields that are texts."""
    return dict.fromkeys(names, TEXT)


LABEL = rec(
    {
        "sensitivity": INT,
        "categories": TEXTS,
        "readers": Nullable(Items(TEXTS)),
        "integrity": Choice(frozenset(level.name.lower() for level in Integrity)),
        "sources": TEXTS,
        "author": Nullable(TEXT),
    }
)

PARTS = Items(rec({"from": INT, "to": INT}))
_REASON = rec({"plane": Choice(frozenset(Plane)), "code": TEXT}, message=TEXT, hint=TEXT)
_LINK = rec({**texts("link", "resource"), "allowed": BOOL, "policies": TEXTS, "errors": TEXTS})
_FLOW = rec(
    {
        **dict.fromkeys(
            (
                *("tainted", "unasked", "repeated", "misquoted", "opaque"),
                *("recipients_external", "recipients_outside_readers", "recipients_are_readers"),
            ),
            BOOL,
        ),
        **dict.fromkeys(
            (
                *("unendorsed", "unendorsed_values", "by_colleague", "unbound", "undictated"),
                *("categories", "session_categories"),
            ),
            TEXTS,
        ),
        "sensitivity": INT,
        "session_sensitivity": INT,
        "label": LABEL,
    }
)
ORIGIN = rec(texts("content", "event", "source", "path", "how"))
_ARGUMENT = rec({"name": TEXT, "endorsed": BOOL, "endorsed_by": TEXTS, "origins": Items(ORIGIN)})

DECISION = rec(
    {
        **texts("tool", "digest", "policy_digest", "catalog_digest"),
        "outcome": Choice(frozenset(Outcome)),
        "reasons": Items(_REASON),
        "links": Items(_LINK),
        "gates": TEXTS,
        "approved": Items(rec(texts("gate", "approval"))),
        "arguments": Items(_ARGUMENT),
        "durability": Choice(frozenset(Durability)),
    },
    flow=_FLOW,
    effect_key=TEXT,
    permit=TEXT,
    permit_expires_ms=INT,
    idempotency=Choice(frozenset(Idempotency)),
    latency_us=INT,
    obligations=rec(dict.fromkeys(("redact", "mask", "drop"), TEXTS)),
    omitted=INT,
    carried=Items(rec({"content": TEXT, "arguments": TEXTS})),
    observed=rec(
        {
            "outcome": Choice(frozenset({Outcome.DENY, Outcome.NEEDS_APPROVAL})),
            "reasons": Items(_REASON),
            "rules": TEXTS,
        }
    ),
)

SAID: dict[str, Shape] = {"gates": TEXTS, "os_user": TEXT, "evidence": TEXT}
REMEMBER = rec({"count": INT, "ttl_ms": INT, "open": TEXTS, "task_wide": BOOL})
CHECK = rec(texts("approval", "by", "method"), os_user=TEXT, evidence=TEXT)
EVIDENCE = rec({**texts("method", "issuer", "subject"), "strong": BOOL, "actors": TEXTS}, at_ms=INT)
"""How a user is known."""
ENDED = rec(texts("decision", "permit"))
RELEASED = Items(rec({**texts("what", "of"), "count": INT}))
ENFORCED: dict[str, Shape] = {"enforced_used": TEXTS, "enforced_unused": TEXTS}
SWITCH: dict[str, Shape] = {"target": Choice(frozenset(TargetKind)), **texts("name", "by")}
