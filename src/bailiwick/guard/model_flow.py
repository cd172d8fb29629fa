"""What happens around one call of a model, without I/O: what it reads is taken in, the call is decided, and when it is
over it goes on record. `bailiwick.guard.model_calls` is the public side. DESIGN §5 *Flow*, *Audit*.

INVARIANT: where the catalog declares models, none is called before its decision is on record. Where it declares none,
calls are recorded and not decided, and no tool that a provider runs is offered.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from bailiwick.audit.events import cut
from bailiwick.audit.model_calls import Given, continued
from bailiwick.errors import CanonicalError
from bailiwick.flow.ledger import ContentOrigin, Seen
from bailiwick.guard.core import Core, Refusal
from bailiwick.guard.decide import deny
from bailiwick.guard.effects import Append, Flow, Now
from bailiwick.guard.leave import ingest, vouch
from bailiwick.guard.model_sink import digest_of, model_action, unknown_model
from bailiwick.guard.record import decision_draft, draft, outcome_draft
from bailiwick.guard.spending import over
from bailiwick.guard.state import Permit, PermitState, SessionState
from bailiwick.model.call import Action
from bailiwick.model.canonical import MAX_INT, canonical
from bailiwick.model.decision import Decision, Outcome, Reason
from bailiwick.model.event import Draft, EventKind, Receipt
from bailiwick.model.models import ModelSpec
from bailiwick.model.tool import MODEL_TOOL, Durability

__all__ = ["Asked", "Decided", "Over", "decided", "heard", "recorded", "taken_in", "wrote"]

MAX_TOOLS = 300
MAX_NAME = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A call as its agent wants it: `texts` are all that the model reads, `tools` those of the agent's own that it is
    offered, `hosted` those that its provider would run."""

    model: str
    provider: str
    texts: tuple[str, ...]
    tools: tuple[str, ...]
    hosted: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """The call may be made, offering `hosted` and no other tool of the provider. `permit` None: nothing was decided,
    since the catalog declares no models."""

    permit: Permit | None
    hosted: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Over:
    """How a call ended. `inputs` and `outputs` are the events that hold them."""

    outcome: str
    error: str
    usage: Mapping[str, int]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


# ── what it reads and writes ─────────────────────────────────────────────────────────────────────────────────────────


def taken_in(core: Core, session: SessionState, texts: Sequence[str]) -> Flow[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Take in what the session does not know of `texts`: as what another agent said, if the session of one at the same
    work knows it, else as what nobody vouches for. → the event of each, and those that nobody knew."""
    events: list[str] = []
    unknown: list[str] = []
    for text in texts:
        with session.lock:
            event = session.ledger.event_of(text)
        if event is None:
            seen = next(_told(session.family, text), None)
            if seen is None:
                seen = Seen(origin=ContentOrigin.UNKNOWN, source="unknown", value=text)
                unknown.append(text)
            event = (yield from ingest(core, session, seen)).event_id
        events.append(event)
    return tuple(events), tuple(unknown)


def _told(family: Iterable[SessionState], text: str) -> Iterator[Seen]:
    """INVARIANT: it has the label of all that the other session has seen, which accounts for this text."""
    for other in family:
        with other.lock:
            said = other.ledger.told(other.authority.chain.actor.id, text)
        if said is not None:
            yield said


def heard(core: Core, session: SessionState, text: str, *, by: SessionState, permit: Permit | None) -> Flow[None]:
    """`session` is told `text` by another one of the same work, or is to hand it on. What `by` says in its call that
    runs now (`permit`) is its own; what neither knows is of unknown origin."""
    if not text:
        return
    with by.lock:
        own = permit is not None and by.permits.get(permit.id) is permit and not by.ledger.knows(text)
    if own and permit is not None and permit.tells(text):
        yield from vouch(by, text, permit.event_id)
    yield from taken_in(core, session, (text,))


def wrote(core: Core, session: SessionState, text: str) -> Flow[str]:
    """The model wrote `text`. → the event that holds it."""
    source = f"agent:{session.authority.chain.actor.id}"
    left = yield from ingest(core, session, Seen(origin=ContentOrigin.MODEL, source=source, value=text))
    return left.event_id


# ── the decision ─────────────────────────────────────────────────────────────────────────────────────────────────────


def decided(core: Core, session: SessionState, asked: Asked) -> Flow[Decided | Refusal]:
    """Whether the model may be called with what the session has seen so far, and with which tools of its provider."""
    if not core.planes.catalog.models:
        return Decided(permit=None, hosted=())
    model = core.planes.catalog.model(asked.model, asked.provider)
    if model is None:
        return (yield from _refuse(core, session, asked, unknown_model(core.planes, asked.model, asked.provider)))
    hosted = yield from _offered(core, session, model, asked)
    entered = yield from core.enter_action(session, _action(model, asked, hosted))
    if isinstance(entered, Refusal):
        return entered
    entered.state = PermitState.STARTED
    return Decided(permit=entered, hosted=hosted)


def _action(model: ModelSpec, asked: Asked, hosted: Sequence[str]) -> Action:
    return model_action(model, provider=asked.provider, hosted=hosted, inputs=digest_of(asked.texts))


def _offered(core: Core, session: SessionState, model: ModelSpec, asked: Asked) -> Flow[tuple[str, ...]]:
    """The tools of its provider that the model may be offered: each is one that its entry lists, and takes nothing away
    from what the rules say without it. INVARIANT: where they are not allowed all together, none is offered."""
    listed = [name for name in dict.fromkeys(asked.hosted) if name in model.hosted]
    if not listed:
        return ()
    bare = yield from _would_be(core, session, _action(model, asked, ()))
    offered: list[str] = []
    for name in listed:
        alone = yield from _would_be(core, session, _action(model, asked, (name,)))
        offered += [name] if _as_good(bare, alone) else []
    if len(offered) > 1:
        together = yield from _would_be(core, session, _action(model, asked, offered))
        offered = offered if _as_good(bare, together) else []
    return tuple(offered)


def _would_be(core: Core, session: SessionState, action: Action) -> Flow[Decision]:
    judged, _ = yield from core.judge_action(session, action)
    return judged.decision


def _as_good(bare: Decision, other: Decision) -> bool:
    """Whether the rules let `other` through as they do `bare`: by themselves, or by the very same gates."""
    same = other.outcome is bare.outcome and {gate.id for gate in other.gates} == {gate.id for gate in bare.gates}
    return same and bare.outcome is not Outcome.DENY


def _refuse(core: Core, session: SessionState, asked: Asked, reason: Reason) -> Flow[Refusal]:
    """Record that a model is not called which the catalog does not know."""
    now_us: int = yield Now()
    decision, event_id = deny(MODEL_TOOL, reason), core.new_id()
    try:
        args = canonical({"model": cut(asked.model, MAX_NAME), "provider": cut(asked.provider, MAX_NAME)})
    except CanonicalError:
        args = b""
    record = decision_draft(
        core.planes, session, decision, event_id=event_id, now_us=now_us, args=args, permit=None, latency_us=0
    )
    receipts: Sequence[Receipt] = yield Append((record,), Durability.BUFFERED)
    session.receipts.extend(receipts)
    return Refusal(decision=decision, event_id=event_id, receipt=receipts[0])


# ── the record ───────────────────────────────────────────────────────────────────────────────────────────────────────


def recorded(core: Core, session: SessionState, asked: Asked, answer: Decided, ended: Over) -> Flow[str]:
    """The call is over. → the event that says so."""
    now_us: int = yield Now()
    with session.lock:
        before = session.given
    *lots, (event_id, own) = continued(before, ended.inputs, core.new_id)
    same_tools = "after" in own and before is not None and not lots and before.tools == asked.tools
    body = {
        **own,
        "model": cut(asked.model, MAX_NAME),
        "provider": cut(asked.provider, MAX_NAME),
        "outputs": list(ended.outputs),
        "outcome": ended.outcome,
        **({} if same_tools else _named(asked.tools)),
        **_hosted(asked, answer),
        **(
            {"usage": [{"of": name, "tokens": ended.usage[name]} for name in sorted(ended.usage)]}
            if ended.usage
            else {}
        ),
        **({"error": cut(ended.error, MAX_NAME)} if ended.error else {}),
    }
    drafts = [
        draft(core.planes, session, EventKind.MODEL_CONTEXT, told, event_id=number, now_us=now_us)
        for number, told in lots
    ]
    permit = answer.permit
    drafts.append(
        draft(
            core.planes,
            session,
            EventKind.MODEL_CALLED,
            body,
            event_id=event_id,
            now_us=now_us,
            parents=(permit.event_id,) if permit else (),
        )
    )
    if permit is not None:
        drafts += _outcome(core, session, permit, ended, now_us)
    yield Append(drafts, Durability.BUFFERED)
    # Only what is on record is built upon.
    with session.lock:
        session.given = Given(event=event_id, inputs=ended.inputs, tools=asked.tools)
    if permit is not None:
        session.drop(permit)
        permit.tokens = _tokens(ended.usage)
        yield from over(permit, ran=True)
    return event_id


def _named(tools: Sequence[str]) -> dict[str, object]:
    body: dict[str, object] = {"tools": [cut(name, MAX_NAME) for name in tools[:MAX_TOOLS]]}
    if len(tools) > MAX_TOOLS:
        body["omitted"] = len(tools) - MAX_TOOLS
    return body


def _hosted(asked: Asked, answer: Decided) -> dict[str, object]:
    stripped = [name for name in dict.fromkeys(asked.hosted) if name not in answer.hosted]
    told = {"hosted": answer.hosted[:MAX_TOOLS], "stripped": stripped[:MAX_TOOLS]}
    return {what: [cut(name, MAX_NAME) for name in names] for what, names in told.items() if names}


def _outcome(core: Core, session: SessionState, permit: Permit, ended: Over, now_us: int) -> Iterator[Draft]:
    """What became of the permit, unless the session's end has said so already."""
    with session.lock:
        out = session.permits.get(permit.id) is permit
    if out:
        failed = ended.outcome == "failed"
        kind = EventKind.ACTION_FAILED if failed else EventKind.ACTION_COMPLETED
        extra = {"error": cut(ended.error, MAX_NAME)} if failed else {}
        yield outcome_draft(core.planes, session, kind, permit, event_id=core.new_id(), now_us=now_us, extra=extra)


def _tokens(usage: Mapping[str, int]) -> int | None:
    """What budgets of tokens that count model calls are settled for; None: the provider did not say."""
    if not usage:
        return None
    return min(usage.get("total", usage.get("input", 0) + usage.get("output", 0)), MAX_INT)
