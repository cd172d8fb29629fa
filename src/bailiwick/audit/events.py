"""Bodies of events, built from values: the counterpart of `bailiwick.audit.schema`.

INVARIANT: nothing here copies an argument's value, a result or a prompt into a body; those are contents of the event.
Texts that somebody else chose (a tool's name, a reason) are cut and made encodable, so that a hostile call cannot keep
its own denial from being recorded; long lists are cut too, and `omitted` says by how many entries.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from bailiwick.model.call import Carried, Grant
from bailiwick.model.canonical import canonical
from bailiwick.model.circumstances import Evidence
from bailiwick.model.decision import ArgFlow, Decision, FlowFacts, LinkVerdict, Observed, Origin, Plane, Reason
from bailiwick.model.event import Content
from bailiwick.model.label import Label
from bailiwick.model.tool import Idempotency

__all__ = [
    "content_body",
    "cut",
    "decision_body",
    "delegation_body",
    "evidence_body",
    "label_body",
    "new_id",
    "reasons_content",
]

T = TypeVar("T")

MAX_TEXT = 500
BODY_BYTES = 24_000
ENTRY_BYTES = 80


def new_id(ts_us: int, randomness: bytes) -> str:
    """An RFC 9562 UUIDv7 as text: sorts by time. `ts_us` is microseconds since the epoch, `randomness` 10 bytes."""
    if len(randomness) != 10:
        raise ValueError("a UUIDv7 takes 10 random bytes")
    raw = bytearray((ts_us // 1000).to_bytes(6, "big") + randomness)
    raw[6] = 0x70 | raw[6] & 0x0F
    raw[8] = 0x80 | raw[8] & 0x3F
    text = raw.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def evidence_body(evidence: Evidence) -> dict[str, object]:
    """How a user is known: by whose word, as whom, and when. Claims of a token are cut as other people's texts are."""
    budget = _Budget()
    body: dict[str, object] = {
        "method": evidence.method.value,
        "issuer": budget.text(evidence.issuer),
        "subject": budget.text(evidence.subject),
        "strong": evidence.strong,
        "actors": [budget.text(actor) for actor in evidence.actors],
    }
    if evidence.at_ms is not None:
        body["at_ms"] = evidence.at_ms
    return body


def label_body(label: Label) -> dict[str, object]:
    """A label as the schema's LABEL."""
    return {
        "sensitivity": label.sensitivity,
        "categories": sorted(label.categories),
        "readers": label.readers.lists,
        "integrity": label.integrity.name.lower(),
        "sources": sorted(label.sources),
        "author": label.author,
    }


def content_body(
    *,
    content: str,
    source: str,
    label: Label,
    origin: str,
    decision: str = "",
    fields: Mapping[str, Label] | None = None,
    read_back: Sequence[str] = (),
    said_in: str = "",
) -> dict[str, object]:
    """`content.ingested`. `decision` is the event id of the call whose result it is; `fields` labels of paths in it;
    `read_back` are the decisions of calls that wrote some of it, `said_in` the event of another session that holds it.
    """
    body: dict[str, object] = {"content": content, "source": source, "label": label_body(label), "origin": origin}
    if decision:
        body["decision"] = decision
    if read_back:
        body["read_back"] = list(read_back)
    if said_in:
        body["said_in"] = said_in
    if fields:
        body["fields"] = [{"path": path, "label": label_body(fields[path])} for path in sorted(fields)]
    return body


def delegation_body(
    *, to: str, grant: Grant, depth: int, child_session: str, origins: Iterable[Origin] = ()
) -> dict[str, object]:
    """`delegation.granted`: to which agent, and the area that it may act in; `depth` is 0 for the root's own agent.
    `origins` is where values of the message were seen that hands the work on."""
    budget = _Budget()
    body: dict[str, object] = {
        "to": to,
        "tools": None if grant.tools is None else sorted(grant.tools),
        "zones": sorted(grant.zones),
        "depth": depth,
        "child_session": child_session,
    }
    if told := [_origin(origin, budget) for origin in budget.entries(origins)]:
        body["origins"] = told
    if grant.expires_ms is not None:
        body["expires_ms"] = grant.expires_ms
    if grant.budgets:
        body["budgets"] = [{"budget": name, "share": share} for name, share in grant.budgets]
    return body


def decision_body(
    decision: Decision,
    *,
    permit_id: str | None,
    permit_expires_ms: int | None,
    catalog_digest: str,
    latency_us: int | None,
    idempotency: Idempotency | None,
    effect_key: str | None,
    carried: Iterable[Carried] = (),
) -> dict[str, object]:
    """`decision`. The permit, latency, idempotency and key are left out where they are None. `carried` are contents
    that the model never saw and that stand in arguments."""
    budget = _Budget()
    verdict, flow = decision.verdict, decision.flow
    body: dict[str, object] = {
        "tool": budget.text(decision.tool),
        "outcome": decision.outcome.value,
        "digest": decision.digest,
        "reasons": [_reason(reason, budget) for reason in budget.entries(decision.reasons)],
        "links": [_link(link, budget) for link in budget.entries(verdict.links)] if verdict else [],
        "gates": [gate.id for gate in decision.gates],
        "approved": [{"gate": gate, "approval": used} for gate, used in sorted((decision.approved or {}).items())],
        "arguments": [_argument(argument, budget) for argument in budget.entries(flow.arguments)] if flow else [],
        "policy_digest": verdict.policy_digest if verdict else "",
        "catalog_digest": catalog_digest,
        "durability": decision.durability.value,
    }
    if flow is not None:
        body["flow"] = _flow(flow)
    if hidden := [_carried(each, budget) for each in budget.entries(carried)]:
        body["carried"] = hidden
    if due := decision.obligations:
        body["obligations"] = {name: sorted(getattr(due, name)) for name in ("redact", "mask", "drop")}
    if decision.observed is not None:
        body["observed"] = _observed(decision.observed, budget)
    optional = {
        "permit": permit_id,
        "permit_expires_ms": permit_expires_ms,
        "latency_us": latency_us,
        "idempotency": idempotency.value if idempotency else None,
        "effect_key": effect_key,
        "omitted": budget.omitted or None,
    }
    body.update((name, value) for name, value in optional.items() if value is not None)
    return body


def reasons_content(decision: Decision) -> Content | None:
    """What a decision's body leaves out of its reasons, as the content `reasons`: [{code, message, hint}], all of them;
    None if the body holds every word."""
    if not any(map(_quotes_the_call, decision.reasons)):
        return None
    budget = _Budget()
    told = [
        {
            "code": budget.text(reason.code),
            "message": budget.text(reason.message),
            "hint": budget.text(reason.hint),
        }
        for reason in decision.reasons
    ]
    return Content(role="reasons", data=canonical(told))


def cut(text: str, most: int = MAX_TEXT) -> str:
    """At most so many characters of what somebody else chose, without lone surrogates."""
    return text[:most].encode("utf-8", "replace").decode("utf-8")


class _Budget:
    """Keeps a body below what an event may hold: cuts texts, and lists once their texts have used up BODY_BYTES."""

    def __init__(self) -> None:
        self.left = BODY_BYTES
        self.omitted = 0

    def text(self, text: str) -> str:
        """At most MAX_TEXT characters, without lone surrogates."""
        if len(text) <= MAX_TEXT and text.isascii() and text.isprintable():  # nearly all of them
            self.left -= len(text)
            return text
        encoded = text[:MAX_TEXT].encode("utf-8", "replace")
        self.left -= len(encoded) if text.isprintable() else 6 * len(encoded)
        return encoded.decode("utf-8")

    def entries(self, items: Iterable[T]) -> Iterator[T]:
        for item in items:
            if self.left > 0:
                self.left -= ENTRY_BYTES
                yield item
            else:
                self.omitted += 1


def _reason(reason: Reason, budget: _Budget) -> dict[str, object]:
    body: dict[str, object] = {"plane": reason.plane.value, "code": budget.text(reason.code)}
    if _quotes_the_call(reason):
        return body
    body["message"] = budget.text(reason.message)
    if reason.hint:
        body["hint"] = budget.text(reason.hint)
    return body


def _quotes_the_call(reason: Reason) -> bool:
    """The action plane says what is wrong with an argument by quoting it, so its words are a content."""
    return reason.plane is Plane.ACTION


def _link(verdict: LinkVerdict, budget: _Budget) -> dict[str, object]:
    return {
        "link": budget.text(str(verdict.link)),
        "resource": budget.text(str(verdict.resource)),
        "allowed": verdict.allowed,
        "policies": [budget.text(policy) for policy in budget.entries(verdict.policies)],
        "errors": [budget.text(error) for error in budget.entries(verdict.errors)],
    }


def _argument(argument: ArgFlow, budget: _Budget) -> dict[str, object]:
    return {
        "name": budget.text(argument.name),
        "endorsed": argument.endorsed,
        "endorsed_by": [budget.text(by) for by in budget.entries(argument.endorsed_by)],
        "origins": [_origin(origin, budget) for origin in budget.entries(argument.origins)],
    }


def _origin(origin: Origin, budget: _Budget) -> dict[str, object]:
    return {
        "content": budget.text(origin.content),
        "event": budget.text(origin.event),
        "source": budget.text(origin.source),
        "path": budget.text(origin.path),
        "how": budget.text(origin.how),
    }


def _carried(carried: Carried, budget: _Budget) -> dict[str, object]:
    return {"content": carried.content, "arguments": [budget.text(name) for name in sorted(carried.arguments)]}


def _observed(observed: Observed, budget: _Budget) -> dict[str, object]:
    return {
        "outcome": observed.outcome.value,
        "reasons": [_reason(reason, budget) for reason in budget.entries(observed.reasons)],
        "rules": [budget.text(rule) for rule in budget.entries(observed.rules)],
    }


def _flow(flow: FlowFacts) -> dict[str, object]:
    return {
        "tainted": flow.tainted,
        "unendorsed": list(flow.unendorsed),
        "unendorsed_values": list(flow.unendorsed_values),
        "by_colleague": list(flow.by_colleague),
        "unbound": list(flow.unbound),
        "unasked": flow.unasked,
        "repeated": flow.repeated,
        "undictated": list(flow.undictated),
        "misquoted": flow.misquoted,
        "sensitivity": flow.label.sensitivity,
        "session_sensitivity": flow.session_label.sensitivity,
        "session_categories": sorted(flow.session_label.categories),
        "categories": sorted(flow.label.categories),
        "recipients_external": flow.recipients_external,
        "recipients_outside_readers": flow.recipients_outside_readers,
        "recipients_are_readers": flow.recipients_are_readers,
        "opaque": flow.opaque,
        "label": label_body(flow.label),
    }
