"""Letting exactly this data go to exactly these people, and taking exactly this value as endorsed. DESIGN §5 *Flow*.

Both are decided by rules that name them, hold in this session alone, and are on record with what was before and after.
INVARIANT: a value is endorsed by a person only: a rule that would let that through by itself gives nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

from bailiwick.audit.events import label_body
from bailiwick.flow.backing import BackingKind
from bailiwick.flow.ledger import Endorsement, LedgerRow
from bailiwick.flow.releases import Data, DataKind, Declassified
from bailiwick.guard.core import Core, Refusal
from bailiwick.guard.effects import Append, Flow, Now, StoreLedger
from bailiwick.guard.record import draft
from bailiwick.guard.release.built_in import action_of, built_in, ended, named, not_named, refused, undone
from bailiwick.guard.spending import over
from bailiwick.guard.state import Permit, SessionState
from bailiwick.model.call import Action, ArgFacts
from bailiwick.model.decision import Plane, Reason
from bailiwick.model.event import Draft, EventKind
from bailiwick.model.label import EVERYONE, Label
from bailiwick.model.tool import DECLASSIFY_TOOL, ENDORSE_TOOL, Durability, Role

__all__ = ["DeclassifyRequest", "EndorseRequest", "declassify_flow", "endorse_flow", "keep_row"]

MAX_VALUE = 1_000
_DECLASSIFY = built_in(DECLASSIFY_TOOL, "labels/{source}", "Let data of this session go to somebody.")
_ENDORSE = built_in(ENDORSE_TOOL, "values/{role}", "Take a value as endorsed for this session.")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclassifyRequest:
    """Which data may go to which mail addresses, and to whoever is one of `readers` (`Group::support`)."""

    data: Data
    recipients: Collection[str]
    readers: Collection[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class EndorseRequest:
    """Which value may stand in arguments of which role."""

    value: str
    role: Role


def declassify_flow(core: Core, session: SessionState, request: DeclassifyRequest) -> Flow[Permit | Refusal]:
    """Let the data go from here on, if rules, or the people whom they ask, permit exactly that."""
    now_us: int = yield Now()
    yield from core.refresh(session)
    found = _meant(session, request.data)
    if isinstance(found, Reason):
        return (yield from refused(core, session, DECLASSIFY_TOOL, found, now_us))
    data, before, source = found
    if unfit := _nobody(request):
        return (yield from refused(core, session, DECLASSIFY_TOOL, unfit, now_us))
    entered = yield from core.enter_action(session, _declassifying(core, request, data, source, before))
    if isinstance(entered, Refusal):
        return entered
    if not named(core, entered):
        return (yield from undone(core, session, entered, not_named(DECLASSIFY_TOOL), now_us))
    event_id = core.new_id()
    after = replace(before, sensitivity=0, categories=frozenset(), readers=EVERYONE)
    given = Declassified(
        data=data,
        recipients=frozenset(request.recipients),
        readers=frozenset(request.readers),
        event=event_id,
    )
    body = {
        "decision": entered.event_id,
        "of": request.data.kind.value,
        "data": request.data.name,
        "recipients": sorted(set(request.recipients)),
        "readers": sorted(set(request.readers)),
        "before": label_body(before),
        "after": label_body(after),
    }
    said = draft(
        core.planes,
        session,
        EventKind.LABEL_DECLASSIFIED,
        body,
        event_id=event_id,
        now_us=now_us,
        parents=(entered.event_id,),
    )
    return (yield from _done(core, session, entered, said, lambda: session.ledger.declassify(given)))


def endorse_flow(core: Core, session: SessionState, request: EndorseRequest) -> Flow[Permit | Refusal]:
    """Take the value as endorsed from here on, if a person has approved exactly that."""
    now_us: int = yield Now()
    if not request.value.strip() or len(request.value) > MAX_VALUE:
        return (yield from refused(core, session, ENDORSE_TOOL, _NO_VALUE, now_us))
    entered = yield from core.enter_action(session, _endorsing(request))
    if isinstance(entered, Refusal):
        return entered
    approved = entered.decision.approved
    if not approved:
        return (yield from undone(core, session, entered, _NEEDS_PERSON, now_us))
    event_id = core.new_id()
    by = f"a person ({', '.join(sorted(approved.values()))})"
    assert entered.decision.flow is not None
    before = next((each.endorsed_by for each in entered.decision.flow.arguments if each.name == "value"), ())
    given = Endorsement(value=request.value, role=request.role, by=by, kind=BackingKind.PERSON, record=event_id)
    body = {
        "decision": entered.event_id,
        "role": request.role.value,
        "before": before[0] if before else "",
        "after": by,
    }
    said = draft(
        core.planes,
        session,
        EventKind.VALUE_ENDORSED,
        body,
        event_id=event_id,
        now_us=now_us,
        parents=(entered.event_id,),
    )
    return (yield from _done(core, session, entered, said, lambda: session.ledger.endorse(given)))


def keep_row(session: SessionState, row: LedgerRow) -> Flow[None]:
    """Store a row of this session's ledger."""
    ords: Sequence[int] = yield StoreLedger(session.authority.key.id, (row,))
    with session.lock:
        session.stored(ords)


def _done(
    core: Core, session: SessionState, permit: Permit, said: Draft, make: Callable[[], LedgerRow]
) -> Flow[Permit]:
    # Recorded first: nothing is let out that the log does not say.
    yield Append((said,), Durability.SYNC)
    now_us: int = yield Now()
    with session.lock:
        row = make()
    yield from keep_row(session, row)
    yield Append((ended(core, session, permit, now_us, kind=EventKind.ACTION_COMPLETED),), Durability.SYNC)
    session.drop(permit)
    yield from over(permit, ran=True)
    return permit


def _meant(session: SessionState, data: Data) -> tuple[Data, Label, str] | Reason:
    """The data with the id of what a handle stands for, the label that it has, and its source."""
    source = data.name
    with session.lock:
        if data.kind is DataKind.HANDLE:
            handle = session.ledger.released.handles.get(data.name)
            if handle is None:
                return _unknown(data)
            source, data = f"tool:{handle.tool}", replace(data, name=handle.content)
        label = session.ledger.released.label_of(data)
        if label is None:
            return _unknown(data)
        if data.kind is DataKind.CONTENT:
            source = session.ledger.released.source_of(data.name)
        data = session.ledger.released.seen_of(data)
    return data, label, source


def _nobody(request: DeclassifyRequest) -> Reason | None:
    lists = (request.recipients, request.readers)
    if any(isinstance(names, str | bytes) for names in lists) or not any(lists):
        return _reason(
            "no-recipients",
            "A declassification names to whom the data may go.",
            'Pass a list: to=["ann@acme.example"], or readers=["Group::support"].',
        )
    return None


def _declassifying(core: Core, request: DeclassifyRequest, data: Data, source: str, before: Label) -> Action:
    recipients, readers = tuple(sorted(set(request.recipients))), tuple(sorted(set(request.readers)))
    categories = tuple(sorted(before.categories))
    levels = core.planes.settings.levels
    facts = (
        ("of", request.data.kind.value),
        ("source", source),
        ("recipients", recipients),
        ("readers", readers),
        ("level", before.sensitivity),
        ("categories", categories),
    )
    args = {
        "data": request.data.name,
        "content": data.name,
        "of": request.data.kind.value,
        "source": source,
        "recipients": list(recipients),
        "readers": list(readers),
        "level": levels[before.sensitivity] if before.sensitivity < len(levels) else str(before.sensitivity),
        "categories": list(categories),
        "read_by": str(before.readers),
    }
    arguments = tuple(ArgFacts(name=name, role=Role.QUERY, facts=fact) for name, fact in facts)
    return action_of(_DECLASSIFY, args, arguments, ("labels", source))


def _endorsing(request: EndorseRequest) -> Action:
    arguments = (
        ArgFacts(name="role", role=Role.QUERY, facts=request.role.value),
        ArgFacts(name="value", role=request.role, facts=request.value, values=(request.value,)),
    )
    args = {"value": request.value, "role": request.role.value}
    return action_of(_ENDORSE, args, arguments, ("values", request.role.value))


def _unknown(data: Data) -> Reason:
    return _reason(
        "unknown-data",
        f"This session has seen no {data.kind.value} {data.name!r:.100}.",
        "Name a content's id, a handle, or a source, as `bailiwick audit why` shows them.",
    )


def _reason(code: str, message: str, hint: str) -> Reason:
    return Reason(plane=Plane.FLOW, code=code, message=message, hint=hint)


_NO_VALUE = Reason(
    plane=Plane.FLOW,
    code="no-value",
    message=f"What is endorsed is one whole value of at most {MAX_VALUE} characters.",
    hint="Pass the value as it is to stand in the call.",
)
_NEEDS_PERSON = Reason(
    plane=Plane.FLOW,
    code="endorse-without-approval",
    message="A value is endorsed only by a person, and no rule asks one.",
    hint=f'Write a gate: @gate("approval") forbid (principal, action == Action::"{ENDORSE_TOOL}", resource) unless …',
)
