"""Asking a quarantined model about a hidden content: a decision, then the question, then an answer of a given form.

The answer to a typed question is one of values that were fixed before: it joins the session with the label of the
content, but for its integrity. Free text is the content's in other words, and taints. DESIGN §5 *Flow*.

INVARIANT: a question counts before it is asked, so that no failure makes room for more of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from bailiwick.audit.events import label_body
from bailiwick.flow.answers import MAX_INSPECTIONS, MAX_TOLD, Answer, Schema, answer_of, read_schema
from bailiwick.flow.handles import Handle
from bailiwick.flow.ledger import ContentOrigin, Seen
from bailiwick.flow.releases import Inspected
from bailiwick.guard.core import Core, Refusal
from bailiwick.guard.effects import Append, Flow, Now
from bailiwick.guard.leave import ingest
from bailiwick.guard.ports import Inspector, Ports
from bailiwick.guard.record import draft
from bailiwick.guard.release.built_in import action_of, built_in, ended, named, not_named, refused, undone
from bailiwick.guard.release.lowering import keep_row
from bailiwick.guard.release.substituting import content_of
from bailiwick.guard.spending import over
from bailiwick.guard.state import Permit, PermitState, SessionState
from bailiwick.model.call import Action, ArgFacts, Carried
from bailiwick.model.decision import Plane, Reason
from bailiwick.model.event import EventKind
from bailiwick.model.label import Integrity, Label
from bailiwick.model.tool import INSPECT_TOOL, Durability, Role

__all__ = ["Asked", "FindInspector", "InspectRequest", "ask", "end_inspection", "fail_inspection"]

MAX_QUESTION = 2_000
_INSPECT = built_in(INSPECT_TOOL, "handles/{tool}", "Ask a model without tools about a hidden content.")


@dataclass(frozen=True, slots=True)
class FindInspector:
    """→ the quarantined model that the project's program brought, None if it brought none."""

    def do(self, ports: Ports) -> Inspector | None:
        return ports.inspector


@dataclass(frozen=True, slots=True, kw_only=True)
class InspectRequest:
    """What is asked about which handle, and the form of the answer."""

    handle: str
    question: str
    schema: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A question that may be asked, with the content that it is about."""

    permit: Permit
    handle: Handle
    schema: Schema
    content: str


def ask(core: Core, session: SessionState, request: InspectRequest) -> Flow[Asked | Refusal]:
    """Whether the question may be asked; it counts from here on."""
    now_us: int = yield Now()
    yield from core.refresh(session)
    meant = _meant(session, request)
    if isinstance(meant, Reason):
        return (yield from refused(core, session, INSPECT_TOOL, meant, now_us))
    handle, schema = meant
    content: str | None = yield from content_of(handle)
    if content is None:
        return (yield from refused(core, session, INSPECT_TOOL, _gone(handle), now_us))
    entered = yield from core.enter_action(session, _action(request, handle, schema))
    if isinstance(entered, Refusal):
        return entered
    if not named(core, entered):
        return (yield from undone(core, session, entered, not_named(INSPECT_TOOL), now_us))
    with session.lock:
        spent = _too_much(session, handle, schema)
        counted = Inspected(content=handle.content, millibits=schema.millibits, event=entered.event_id)
        row = None if spent else session.ledger.inspected(counted)
    if row is None:
        assert spent is not None
        return (yield from undone(core, session, entered, spent, now_us))
    yield from keep_row(session, row)
    entered.state = PermitState.STARTED
    return Asked(permit=entered, handle=handle, schema=schema, content=content)


def end_inspection(core: Core, session: SessionState, asked: Asked, value: object) -> Flow[Answer | Refusal]:
    """Take the answer in, with its label, or refuse it: it is recorded that it did not fit, never what it said."""
    answer = answer_of(asked.schema, value)
    if answer is None:
        return (yield from fail_inspection(core, session, asked, _unfit()))
    now_us: int = yield Now()
    label, permit = _label(asked), asked.permit
    event = draft(
        core.planes,
        session,
        EventKind.HANDLE_INSPECTED,
        {
            "decision": permit.event_id,
            "handle": asked.handle.name,
            "answer": asked.schema.kind.value,
            "millibits": asked.schema.millibits,
            "before": label_body(asked.handle.label),
            "after": label_body(label),
        },
        event_id=core.new_id(),
        now_us=now_us,
        parents=(permit.event_id,),
    )
    yield Append((event,), Durability.SYNC)
    seen = Seen(origin=ContentOrigin.MESSAGE, source=f"inspect:{asked.handle.tool}", value=answer.value, label=label)
    if not isinstance(answer.value, str):
        seen = replace(seen, texts=(str(answer.value), str(answer.value).lower()))
    yield from ingest(core, session, seen)
    yield Append((ended(core, session, permit, now_us, kind=EventKind.ACTION_COMPLETED),), Durability.SYNC)
    session.drop(permit)
    yield from over(permit, ran=True)
    return answer


def fail_inspection(core: Core, session: SessionState, asked: Asked, reason: Reason | None = None) -> Flow[Refusal]:
    """The model gave no answer that could be used."""
    now_us: int = yield Now()
    session.drop(asked.permit)
    yield Append((ended(core, session, asked.permit, now_us, kind=EventKind.ACTION_CANCELLED),), Durability.SYNC)
    yield from over(asked.permit, ran=True)
    return (yield from refused(core, session, INSPECT_TOOL, reason or _broke(), now_us))


def _label(asked: Asked) -> Label:
    """Of a typed answer: nobody who wrote the content wrote it, but it says something of what that says."""
    label = asked.handle.label
    if not asked.schema.typed:
        return label
    return replace(label, integrity=max(label.integrity, Integrity.ORGANISATION))


def _meant(session: SessionState, request: InspectRequest) -> tuple[Handle, Schema] | Reason:
    schema = read_schema(request.schema)
    if isinstance(schema, str):
        return _reason(
            "bad-answer-form", f"The form of the answer cannot be used: {schema}.", "See docs/flow.md, Release."
        )
    if not request.question.strip() or len(request.question) > MAX_QUESTION:
        return _reason("no-question", f"A question has 1 to {MAX_QUESTION} characters.", "Ask one thing.")
    with session.lock:
        handle = session.ledger.released.handles.get(request.handle)
        spent = None if handle is None else _too_much(session, handle, schema)
    if handle is None:
        return _reason(
            "unknown-handle",
            f"There is no handle {request.handle!r:.40} in this session.",
            "Use the names that results of this session gave you, exactly; they are not valid elsewhere.",
        )
    return spent or (handle, schema)


def _too_much(session: SessionState, handle: Handle, schema: Schema) -> Reason | None:
    count, millibits = session.ledger.released.asked(handle.content)
    if count < MAX_INSPECTIONS and millibits + schema.millibits <= MAX_TOLD * 1000:
        return None
    return _reason(
        "inspected-enough",
        f"What {handle.name} stands for was asked about {count} times; the answers may tell no more of it.",
        f"At most {MAX_INSPECTIONS} questions and {MAX_TOLD} bits are allowed for each content.",
    )


def _action(request: InspectRequest, handle: Handle, schema: Schema) -> Action:
    bits = -(-schema.millibits // 1000)
    carried = Carried(
        handle=handle.name,
        content=handle.content,
        source=f"tool:{handle.tool}",
        label=handle.label,
        arguments=frozenset({"handle"}),
    )
    return action_of(
        _INSPECT,
        {
            "handle": handle.name,
            "tool": handle.tool,
            "question": request.question,
            "answer": schema.kind.value,
            "values": list(schema.values),
            "bits": bits,
        },
        (
            ArgFacts(name="tool", role=Role.QUERY, facts=handle.tool),
            ArgFacts(name="answer", role=Role.QUERY, facts=schema.kind.value),
            ArgFacts(name="bits", role=Role.QUERY, facts=bits),
        ),
        ("handles", handle.tool),
        (carried,),
    )


def _reason(code: str, message: str, hint: str) -> Reason:
    return Reason(plane=Plane.FLOW, code=code, message=message, hint=hint)


def _gone(handle: Handle) -> Reason:
    return _reason("handle-erased", f"What {handle.name} stood for is not kept any more.", f"Call {handle.tool} again.")


def _unfit() -> Reason:
    return _reason(
        "answer-unfit",
        "The inspector's answer does not have the form that was asked for.",
        "Ask again, or ask something simpler; what it said is kept nowhere.",
    )


def _broke() -> Reason:
    return _reason("inspection-failed", "The inspector failed, and gave no answer.", "Ask again later.")
