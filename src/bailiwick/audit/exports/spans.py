"""Sessions as OpenTelemetry spans with the GenAI conventions (`gen_ai.*`, status Development), as plain values.

| span | GenAI operation | from | to |
|---|---|---|---|
| `invoke_agent AGENT` | invoke_agent | the first event of the session | its last one |
| `execute_tool TOOL` | execute_tool | the decision | the outcome, or the decision where nothing ran |
| `retrieval SOURCE` | retrieval | `content.ingested` of a retriever | the same |
| `chat MODEL` | chat | `model.called` | the same |

There is no convention for authorization decisions: they are attributes under `bailiwick.*`. Every other event of a
session is an event of its `invoke_agent` span. Ids are made from the ids of sessions and events, so an export that is
made again gives the same spans. A delegated session is in the trace of the one that delegated it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256

from bailiwick.audit.exports.fields import agent_of, items, labelled, policies_of, root_of, texts
from bailiwick.audit.relations import ENDS
from bailiwick.model.event import Event, EventKind

__all__ = ["AttributeValue", "Span", "SpanEvent", "spans"]

AttributeValue = str | bool | int | tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanEvent:
    """Something that happened within a span."""

    name: str
    time_us: int
    attributes: Mapping[str, AttributeValue]


@dataclass(slots=True, kw_only=True)
class Span:
    """A span. `trace` has 16 bytes, `id` and `parent` 8 (`parent` may be empty); `error` is its `error.type`."""

    trace: bytes
    id: bytes
    parent: bytes
    name: str
    start_us: int
    end_us: int
    attributes: dict[str, AttributeValue]
    events: list[SpanEvent] = field(default_factory=list)
    error: str = ""


def spans(events: Iterable[Event]) -> Iterator[Span]:
    """The spans of these events, which come by time; events outside of sessions give none."""
    made = _Spans()
    for event in events:
        if event.session:
            made.add(event)
    yield from made.sessions.values()
    yield from made.within


class _Spans:
    def __init__(self) -> None:
        self.sessions: dict[str, Span] = {}
        self.within: list[Span] = []
        self._calls: dict[str, Span] = {}
        self._delegated: dict[str, tuple[bytes, bytes]] = {}
        """Session → the trace that it is in, and the span that it was delegated in."""

    def add(self, event: Event) -> None:
        session = self._session(event)
        session.end_us = max(session.end_us, event.ts_us)
        if event.kind is EventKind.DECISION:
            self._decision(session, event)
        elif event.kind in ENDS:
            self._ended(event)
        elif event.kind is EventKind.CONTENT_INGESTED and event.body["origin"] == "retrieved":
            source = str(event.body["source"])
            self._momentary(session, event, "retrieval", source, {"gen_ai.data_source.id": source})
        elif event.kind.value == "model.called":
            model = str(event.body["model"])
            self._momentary(session, event, "chat", model, {"gen_ai.request.model": model})
        else:
            session.events.append(_happened(event))
        if event.kind is EventKind.DELEGATION_GRANTED:
            self._delegated[str(event.body["child_session"])] = (session.trace, session.id)

    def _session(self, event: Event) -> Span:
        found = self.sessions.get(event.session)
        if found is None:
            trace, parent = self._delegated.get(event.session, (_id("trace", event.session, 16), b""))
            agent = agent_of(event)
            found = self.sessions[event.session] = Span(
                trace=trace,
                id=_id("session", event.session, 8),
                parent=parent,
                name=f"invoke_agent {agent}",
                start_us=event.ts_us,
                end_us=event.ts_us,
                attributes={
                    "gen_ai.operation.name": "invoke_agent",
                    "gen_ai.agent.id": agent,
                    "gen_ai.agent.name": agent,
                    "gen_ai.conversation.id": event.session,
                    "enduser.id": root_of(event),
                    "bailiwick.tenant": event.tenant,
                    "bailiwick.env": event.env,
                    "bailiwick.task": event.task,
                    "bailiwick.chain": event.actor,
                },
            )
        return found

    def _decision(self, session: Span, event: Event) -> None:
        body = event.body
        outcome, tool = str(body["outcome"]), str(body["tool"])
        attributes: dict[str, AttributeValue] = {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": tool,
            "gen_ai.tool.call.id": event.id,
            "gen_ai.agent.id": agent_of(event),
            "gen_ai.conversation.id": event.session,
            "bailiwick.event.id": event.id,
            "bailiwick.log.id": event.log,
            "bailiwick.log.seq": event.seq,
            "bailiwick.decision.outcome": outcome,
            "bailiwick.decision.reasons": tuple(str(reason["code"]) for reason in items(body["reasons"])),
            "bailiwick.decision.policies": tuple(policies_of(event)),
            "bailiwick.decision.policy_digest": str(body["policy_digest"]),
            "bailiwick.decision.gates": tuple(texts(body["gates"])),
            "bailiwick.decision.approvals": tuple(str(lifted["approval"]) for lifted in items(body["approved"])),
            "bailiwick.durability": str(body["durability"]),
        }
        for name, value in labelled(event):
            attributes[f"bailiwick.flow.{name}"] = tuple(value) if isinstance(value, list) else value
        latency = body.get("latency_us")
        if isinstance(latency, int):
            attributes["bailiwick.decision.latency_us"] = latency
        span = self._span(session, event, f"execute_tool {tool}", attributes)
        if outcome == "deny":
            span.error = "denied"
        elif outcome == "needs_approval":
            span.error = "needs_approval"
        self._calls[event.id] = span

    def _ended(self, event: Event) -> None:
        call = self._calls.get(str(event.body["decision"]))
        if call is None:  # decided before this export begins
            return
        call.end_us = max(call.end_us, event.ts_us)
        call.attributes["bailiwick.outcome"] = event.kind.value
        if event.kind is not EventKind.ACTION_COMPLETED:
            call.error = str(event.body.get("error", event.kind.value))

    def _momentary(
        self, session: Span, event: Event, operation: str, what: str, more: Mapping[str, AttributeValue]
    ) -> None:
        attributes: dict[str, AttributeValue] = {
            "gen_ai.operation.name": operation,
            "gen_ai.conversation.id": event.session,
            "bailiwick.event.id": event.id,
            **more,
        }
        self._span(session, event, f"{operation} {what}", attributes)

    def _span(self, session: Span, event: Event, name: str, attributes: dict[str, AttributeValue]) -> Span:
        span = Span(
            trace=session.trace,
            id=_id("event", event.id, 8),
            parent=session.id,
            name=name,
            start_us=event.ts_us,
            end_us=event.ts_us,
            attributes=attributes,
        )
        self.within.append(span)
        return span


def _happened(event: Event) -> SpanEvent:
    attributes: dict[str, AttributeValue] = {"bailiwick.event.id": event.id}
    for name in ("source", "origin", "approval", "to", "code", "by"):
        value = event.body.get(name)
        if isinstance(value, str) and value:
            attributes[f"bailiwick.{name}"] = value
    return SpanEvent(name=f"bailiwick.{event.kind.value}", time_us=event.ts_us, attributes=attributes)


def _id(kind: str, text: str, size: int) -> bytes:
    """Never all zeros, which would be no id."""
    return sha256(f"{kind}\n{text}".encode("utf-8", "surrogatepass")).digest()[:size]
