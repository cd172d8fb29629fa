"""Steps 7 and 8 of the way of one call: what came of it is labelled, stored and recorded before the model may see it.

INVARIANT: the label of a result is stored before the result leaves the guard, so a restored session never knows less
than the model does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from bailiwick.audit.events import label_body
from bailiwick.errors import DidNotRun, UsageError
from bailiwick.flow.labelling import arguments_of, label_result
from bailiwick.flow.ledger import ContentOrigin, LedgerRow, Seen
from bailiwick.flow.subjects import subjects_of_result
from bailiwick.flow.written import NOTHING_WRITTEN, WrittenBefore
from bailiwick.guard.circumstances import EffectorsOf
from bailiwick.guard.colleagues import colleagues_of
from bailiwick.guard.core import Core
from bailiwick.guard.effectors import Effector, handles_of
from bailiwick.guard.effects import Append, Finish, Flow, MarkUnknown, Now, Recorded, StoreLedger
from bailiwick.guard.plain import plain
from bailiwick.guard.record import content_draft, draft, outcome_draft, render
from bailiwick.guard.release.holding_back import FAILED_HIDDEN, hides, released_body, taken_out
from bailiwick.guard.release.substituting import FreshName
from bailiwick.guard.round_trips import came_back, came_from, hands_over, learnt_within, runs_now
from bailiwick.guard.spending import left_over, over, settled
from bailiwick.guard.state import Permit, PermitState, SessionState
from bailiwick.identity.suspension import check_suspended
from bailiwick.model.decision import Plane, Reason
from bailiwick.model.event import Draft, EventKind
from bailiwick.model.label import Integrity, Label
from bailiwick.model.tool import Durability, Idempotency

__all__ = ["Left", "cancelled", "close", "completed", "failed", "ingest", "start", "vouch"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """What became of a result: the text that a model may be shown, and the id that `why` knows it by. `value` is what
    the caller may have: the result itself, what obligations left of it, or the handle of one that is hidden. Where it
    is `sealed`, `text` and `value` are all that anybody may see."""

    text: str
    content_id: str
    event_id: str
    value: object = None
    sealed: bool = False


def start(core: Core, session: SessionState, permit: Permit) -> Flow[Reason | None]:
    """Claim the permit for its one run. → why it may not be used, if it may not."""
    now_us: int = yield Now()
    planes, tool = core.planes, permit.action.tool.name
    bound: Mapping[str, Effector] = yield EffectorsOf(tool)
    stopped = check_suspended(planes.suspensions, session.authority, tool, directory=planes.directory)
    fresh = now_us < permit.expires_us
    if fresh and stopped is None and permit.state is PermitState.ISSUED:
        yield from hands_over(core, session, permit)
        yield from runs_now(session, permit)
    with session.lock:
        # A copy of a permit, or one of another session, is none.
        free = permit.state is PermitState.ISSUED and session.permits.get(permit.id) is permit
        if free:
            permit.state = PermitState.STARTED if fresh and stopped is None else PermitState.CLOSED
        if permit.state is PermitState.STARTED and free:
            permit.handles = handles_of(permit.action, bound)
    if not free:
        return _spent(permit)
    if fresh and stopped is None:
        return None
    yield from _expire(core, session, permit, now_us)
    return stopped or Reason(
        plane=Plane.GUARD,
        code="permit-expired",
        message=f"The permit for this {permit.action.tool.name} call expired before the tool was started.",
        hint="Make the call again.",
    )


def completed(core: Core, session: SessionState, permit: Permit, value: object) -> Flow[Left]:
    """The tool returned `value`: label it, remember where its values came from, record it."""
    _must_be_running(session, permit)
    now_us: int = yield Now()
    yield from learnt_within(core, session, permit)
    given, whole = value, plain(value)
    value, done = yield from taken_out(permit, whole)
    text = render(value)
    back = yield from came_back(core, permit, whole)
    name: str = (yield FreshName()) if hides(permit) else ""
    content_id, event_id = core.new_id(), core.new_id()
    flow = permit.decision.flow
    assert flow is not None
    with session.lock:
        record = session.ledger.result(
            permit.action.tool,
            permit.action,
            flow,
            value,
            text=text,
            content_id=content_id,
            event_id=event_id,
            back=back,
            hide_as=name,
            unreleased=whole,
            colleagues=colleagues_of(core.planes, session),
            naming=core.planes.naming,
            within=permit.label_within(),
        )
    yield from _store(session, record.row)
    drafts = (
        content_draft(
            core.planes,
            session,
            event_id=event_id,
            now_us=now_us,
            content_id=content_id,
            source=record.source,
            origin="result",
            label=record.label,
            data=text.encode("utf-8", "surrogatepass"),
            decision_event=permit.event_id,
            about=(*permit.action.subjects, *subjects_of_result(permit.action.tool.output, whole)),
            read_back=back.events,
        ),
        outcome_draft(
            core.planes,
            session,
            EventKind.ACTION_COMPLETED,
            permit,
            event_id=core.new_id(),
            now_us=now_us,
            extra={
                "result_content": content_id,
                "label": label_body(record.label),
                **released_body(done),
                **({"handle": name} if name else {}),
            },
        ),
    )
    # Before the record: a crash in between leaves too much counted, or what was really used, never less.
    yield from settled(permit, whole, text, now_us // 1000)
    yield from _finish(session, permit, drafts)
    if record.hidden:
        (handle,) = record.handles
        return Left(text=handle.shown, content_id=content_id, event_id=event_id, value=handle, sealed=True)
    due = bool(permit.decision.obligations)
    return Left(text=text, content_id=content_id, event_id=event_id, value=value if due else given, sealed=due)


def failed(core: Core, session: SessionState, permit: Permit, error: BaseException | str) -> Flow[Left]:
    """The tool answered with an error, or raised.

    An answer, or DidNotRun, says what became of the call. Any other exception says only where the tool's code stopped,
    perhaps after the effect (a timeout, an answer that it could not read ...): where the tool must not run twice, the
    call stays in doubt.

    Anybody may have written what an error says, so its text is labelled as untrusted content."""
    _must_be_running(session, permit)
    now_us: int = yield Now()
    text, done = yield from taken_out(permit, error if isinstance(error, str) else str(error))
    text = str(text)
    source = f"tool:{permit.action.tool.name}"
    own = _own_label(core, permit, text)
    seen = Seen(origin=ContentOrigin.MESSAGE, source=source, value=text, label=_called(permit, own), own=own)
    yield from _note_written(session, permit)
    yield from learnt_within(core, session, permit)
    back = yield from came_back(core, permit, text)
    if hides(permit):
        left = yield from _keep_back(core, session, permit, text, now_us)
    else:
        left = yield from _take_in(
            core, session, seen, now_us, decision_event=permit.event_id, back=back, about=permit.action.subjects
        )
        left = replace(left, sealed=bool(permit.decision.obligations))
    if permit.action.tool.idempotency is Idempotency.NONE and not isinstance(error, str | DidNotRun):
        yield from _give_up(core, session, permit, now_us, error=type(error).__name__)
        return left
    ended = outcome_draft(
        core.planes,
        session,
        EventKind.ACTION_FAILED,
        permit,
        event_id=core.new_id(),
        now_us=now_us,
        extra={"error": "reported" if isinstance(error, str) else type(error).__name__, **released_body(done)},
    )
    yield from _finish(session, permit, (ended,))
    yield from over(permit, ran=not isinstance(error, DidNotRun))
    return left


def _keep_back(core: Core, session: SessionState, permit: Permit, text: str, now_us: int) -> Flow[Left]:
    """What a tool said that failed, on record and nowhere else: the model never saw what it is about."""
    content_id, event_id = core.new_id(), core.new_id()
    kept = content_draft(
        core.planes,
        session,
        event_id=event_id,
        now_us=now_us,
        content_id=content_id,
        source=f"tool:{permit.action.tool.name}",
        origin=ContentOrigin.MESSAGE.value,
        label=_called(permit, _own_label(core, permit, text)),
        data=text.encode("utf-8", "surrogatepass"),
        decision_event=permit.event_id,
        about=permit.action.subjects,
    )
    yield Append((kept,), Durability.BUFFERED)
    yield from vouch(session, FAILED_HIDDEN)
    return Left(text=FAILED_HIDDEN, content_id=content_id, event_id=event_id, value=FAILED_HIDDEN, sealed=True)


def _own_label(core: Core, permit: Permit, text: str) -> Label:
    """The label of what a tool says that failed. It may quote any record that the tool could have returned, so it is
    labelled as a result that holds no record: whatever the catalog says of some of them holds of it."""
    tool, args = permit.action.tool, arguments_of(permit.action)
    said = label_result(tool, args, text, core.planes.naming).label.join(permit.label_within())
    return replace(said, integrity=Integrity.UNTRUSTED)


def _called(permit: Permit, own: Label) -> Label:
    flow = permit.decision.flow
    return own if flow is None else own.join(flow.label)


def cancelled(core: Core, session: SessionState, permit: Permit) -> Flow[None]:
    """The run was given up while the tool may still be at it: the call may have run, and stays in doubt."""
    _must_be_running(session, permit)
    now_us: int = yield Now()
    yield from _note_written(session, permit)
    yield from learnt_within(core, session, permit)
    yield from _give_up(core, session, permit, now_us)


def _give_up(core: Core, session: SessionState, permit: Permit, now_us: int, error: str = "") -> Flow[None]:
    """Nobody knows whether it ran: off the session, on the list of calls in doubt, on record."""
    extra = {"error": error} if error else {}
    session.drop(permit)
    if permit.tracked:
        yield MarkUnknown(permit.id)
    yield from over(permit, ran=True)
    ended = outcome_draft(
        core.planes, session, EventKind.ACTION_CANCELLED, permit, event_id=core.new_id(), now_us=now_us, extra=extra
    )
    yield Append((ended,), Durability.SYNC)


def ingest(core: Core, session: SessionState, seen: Seen, about: tuple[str, ...] = ()) -> Flow[Left]:
    """Something came into the session's sight that is not the result of a governed call. `about` are people whom it is
    about, beside the session's own."""
    now_us: int = yield Now()
    back = NOTHING_WRITTEN
    if seen.origin in (ContentOrigin.RETRIEVED, ContentOrigin.MESSAGE):
        back = yield from came_from(core, seen.source.partition("#")[0], seen.value)
    return (yield from _take_in(core, session, seen, now_us, back=back, about=about))


def _take_in(
    core: Core,
    session: SessionState,
    seen: Seen,
    now_us: int,
    decision_event: str = "",
    back: WrittenBefore = NOTHING_WRITTEN,
    about: tuple[str, ...] = (),
) -> Flow[Left]:
    content_id, event_id = core.new_id(), core.new_id()
    with session.lock:
        record = session.ledger.ingest(seen, content_id=content_id, event_id=event_id, back=back)
    yield from _store(session, record.row)
    text = render(seen.value)
    seen_draft = content_draft(
        core.planes,
        session,
        event_id=event_id,
        now_us=now_us,
        content_id=content_id,
        source=record.source,
        origin=seen.origin.value,
        label=record.label,
        data=text.encode("utf-8", "surrogatepass"),
        decision_event=decision_event,
        about=about,
        read_back=back.events,
        said_in=seen.said_in,
    )
    yield Append((seen_draft,), Durability.BUFFERED)
    return Left(text=text, content_id=content_id, event_id=event_id)


def close(core: Core, session: SessionState) -> Flow[None]:
    """End the session: permits that nobody started expire; runs that nobody reported stay in doubt."""
    with session.lock:
        session.closed = True
        left = tuple(session.permits.values())
    for permit in left:
        with session.lock:
            state = permit.state
            if state is PermitState.ISSUED:
                permit.state = PermitState.CLOSED
        if state is PermitState.ISSUED:
            yield from _withdraw(core, session, permit)
        elif state is PermitState.STARTED:
            yield from cancelled(core, session, permit)
    yield from left_over(session)
    ended_us: int = yield Now()
    body = {"decisions": session.decisions}
    closed = draft(core.planes, session, EventKind.SESSION_CLOSED, body, event_id=core.new_id(), now_us=ended_us)
    yield Append((closed,), Durability.BUFFERED)


def _withdraw(core: Core, session: SessionState, permit: Permit) -> Flow[None]:
    """Nobody started it. It expires if its decision is on record; else it was never handed out, and there is nothing of
    which an outcome could be recorded."""
    recorded: bool = permit.on_record or (yield Recorded(permit.event_id))
    if recorded:
        now_us: int = yield Now()
        yield from _expire(core, session, permit, now_us)
        return
    session.drop(permit)
    if permit.tracked:
        yield Finish(permit.id)
    yield from over(permit, ran=False)


def _expire(core: Core, session: SessionState, permit: Permit, now_us: int) -> Flow[None]:
    ended = outcome_draft(
        core.planes, session, EventKind.ACTION_EXPIRED, permit, event_id=core.new_id(), now_us=now_us, extra={}
    )
    yield from _finish(session, permit, (ended,))
    yield from over(permit, ran=False)


def _finish(session: SessionState, permit: Permit, drafts: Sequence[Draft]) -> Flow[None]:
    # Taken off the session first: whatever fails from here on, the session's end must not report a second outcome.
    session.drop(permit)
    # The record comes before the store: a crash in between leaves the call in doubt, which is the careful side.
    yield Append(drafts, Durability.BUFFERED)
    if permit.tracked:
        yield Finish(permit.id)


def vouch(session: SessionState, text: str, event: str = "") -> Flow[None]:
    """A text that the model may be shown without further label: made by bailiwick, or of content that is labelled.
    `event` is what it tells of."""
    with session.lock:
        row = None if session.ledger.knows(text) else session.ledger.know(text, event=event)
    if row is not None:
        yield from _store(session, row)


def _note_written(session: SessionState, permit: Permit) -> Flow[None]:
    """What the call handed to its tool may be stored there now, although no result says so."""
    flow = permit.decision.flow
    assert flow is not None
    with session.lock:
        row = session.ledger.wrote(permit.action, flow)
    yield from _store(session, row)


def _store(session: SessionState, row: LedgerRow) -> Flow[None]:
    ords: Sequence[int] = yield StoreLedger(session.authority.key.id, (row,))
    with session.lock:
        session.stored(ords)


def _must_be_running(session: SessionState, permit: Permit) -> None:
    with session.lock:
        runs = permit.state is PermitState.STARTED and session.permits.get(permit.id) is permit
    if not runs:
        raise UsageError(
            f"no {permit.action.tool.name} call runs under permit {permit.id}: it was not started, or is over already",
            hint="start the permit, run the tool, report once; a session's end reports what still runs",
        )
    permit.handles.close()


def _spent(permit: Permit) -> Reason:
    return Reason(
        plane=Plane.GUARD,
        code="permit-spent",
        message=f"The permit for this {permit.action.tool.name} call was used already or withdrawn.",
        hint="A permit is for one run; make the call again.",
    )
