"""Changing what a task may do while its session runs: less by itself, more by leave of a person. DESIGN §5 *Identity*.

Widening is the built-in action `task.widen`. INVARIANT: it takes an approval, whatever the rules say: a rule that would
let it through by itself gives nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

from bailiwick.errors import UsageError, Where
from bailiwick.guard.core import Core, Refusal
from bailiwick.guard.decide import deny
from bailiwick.guard.effects import Append, ChangeScope, DelegatedSessions, Flow, LoadChanges, LoadScope, Now
from bailiwick.guard.names import known_names
from bailiwick.guard.planes import Planes
from bailiwick.guard.record import decision_draft, draft, outcome_draft
from bailiwick.guard.spending import over
from bailiwick.guard.state import Permit, SessionState
from bailiwick.identity.ports import StoredSession
from bailiwick.identity.scope import ScopeChange, asked_grant, narrowed, widened
from bailiwick.model.administration import admin_resource
from bailiwick.model.call import Action, ArgFacts, Authority, Grant, Resource
from bailiwick.model.canonical import canonical
from bailiwick.model.decision import Plane, Reason
from bailiwick.model.event import Draft, EventKind, Receipt
from bailiwick.model.principal import EntityKind, EntityRef, SessionKey
from bailiwick.model.tool import WIDEN_TOOL, Durability, Effect, Idempotency, OutputSpec, Role, ToolSpec

__all__ = ["ScopeRequest", "keep_less", "narrow_flow", "widen_flow"]

_TRIES = 8

WIDEN_SPEC = ToolSpec(
    name=WIDEN_TOOL,
    names=(),
    effects=frozenset({Effect.DELEGATE}),
    resources=("tasks/{task}",),
    args={},
    output=OutputSpec(untrusted=()),
    idempotency=Idempotency.SAFE,
    durability=Durability.SYNC,
    description="Give the running task more than it has.",
    where=Where(file="(built in)"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopeRequest:
    """Tools, zones and time (from now). None: what it has. Narrowing keeps what is named here, widening adds it."""

    tools: Collection[str] | None = None
    zones: Collection[str] | None = None
    ttl_ms: int | None = None


def narrow_flow(core: Core, session: SessionState, request: ScopeRequest) -> Flow[Reason | None]:
    """Keep less of the task, here and in every session that was delegated from this one. → why that cannot be."""
    now_us: int = yield Now()
    named = _named(core.planes, request)
    if isinstance(named, Reason):
        return named
    asked = asked_grant(named.tools, named.zones, named.ttl_ms, now_us // 1000)
    if isinstance(asked, Reason):
        return asked
    yield from keep_less(core, session, asked, now_us)
    key, task, done = session.authority.key, session.authority.task, set[str]()
    while True:
        below: tuple[StoredSession, ...] = yield DelegatedSessions(key)
        # Work may be handed further on meanwhile, by a session that was not narrowed yet: so look again.
        new = [stored.key for stored in below if stored.key.id not in done]
        if not new:
            return None
        for each in new:
            yield from _narrow_stored(each, task, asked)
            done.add(each.id)


def _named(planes: Planes, request: ScopeRequest) -> ScopeRequest | Reason:
    names = known_names(planes.catalog, request.tools, request.zones)
    return names if isinstance(names, Reason) else replace(request, tools=names[0], zones=names[1])


def keep_less(core: Core, session: SessionState, asked: Grant, now_us: int) -> Flow[None]:
    """Keep at most `asked` of this session's own scope."""
    # Recorded first: a crash in between leaves a session that may do more than the log says, never one that may do less
    # without a reason.
    yield Append((_event(core, session, EventKind.TASK_NARROWED, asked, now_us),), Durability.SYNC)
    if not (yield from _change(core, session, lambda authority: narrowed(authority, asked))):
        raise UsageError("the scope of this session changes all the time", hint="narrow it again")


def widen_flow(core: Core, session: SessionState, request: ScopeRequest) -> Flow[Permit | Refusal]:
    """Give the task more, if a person has approved exactly that."""
    now_us: int = yield Now()
    yield from core.refresh(session)
    named = _named(core.planes, request)
    if isinstance(named, Reason):
        return (yield from _refuse(core, session, named, now_us))
    request = named
    asked = asked_grant(request.tools, request.zones, request.ttl_ms, now_us // 1000)
    more = asked if isinstance(asked, Reason) else widened(session.authority, asked)
    if isinstance(asked, Reason) or isinstance(more, Reason):
        reason = asked if isinstance(asked, Reason) else more
        assert isinstance(reason, Reason)
        return (yield from _refuse(core, session, reason, now_us))
    entered = yield from core.enter_action(session, _action(session, request))
    if isinstance(entered, Refusal):
        return entered
    if not entered.decision.approved:
        session.drop(entered)
        yield Append((_outcome(core, session, EventKind.ACTION_EXPIRED, entered, now_us),), Durability.SYNC)
        yield from over(entered, ran=False)
        return (yield from _refuse(core, session, _NEEDS_GATE, now_us))
    # Recorded first: no session may do more than the log says.
    event = _event(core, session, EventKind.TASK_WIDENED, asked, now_us, decision=entered.event_id)
    yield Append((event,), Durability.SYNC)
    # What was approved is added to what there is by now: a narrowing of the same moment stays.
    if not (yield from _change(core, session, lambda authority: _with(authority, asked))):
        session.drop(entered)
        yield Append((_outcome(core, session, EventKind.ACTION_EXPIRED, entered, now_us),), Durability.SYNC)
        yield from over(entered, ran=False)
        return (yield from _refuse(core, session, _CHANGED, now_us))
    yield Append((_outcome(core, session, EventKind.ACTION_COMPLETED, entered, now_us),), Durability.SYNC)
    session.drop(entered)
    yield from over(entered, ran=True)
    return entered


def _with(authority: Authority, asked: Grant) -> Authority:
    more = widened(authority, asked)
    return authority if isinstance(more, Reason) else more


def _change(core: Core, session: SessionState, change: Callable[[Authority], Authority]) -> Flow[bool]:
    """Change the newest scope of the session → False if others change it all the time."""
    for _ in range(_TRIES):
        yield from core.refresh(session)
        authority, opened = session.scope()
        assert opened.authority is not None
        changed = change(authority)
        stored = ScopeChange(base=opened.authority.grant, grant=changed.grant)
        done: bool = yield ChangeScope(changed.key, changed.task, stored, opened.version)
        if done:
            # Where another thread took in a newer scope meanwhile, that one stays.
            session.rescoped(changed, replace(opened, version=opened.version + 1), was=opened)
            return True
    return False


def _narrow_stored(key: SessionKey, task: str, asked: Grant) -> Flow[None]:
    """Narrow a delegated session in this task, whichever process runs it, and whatever else it works on by now."""
    for _ in range(_TRIES):
        # The version first: a change between the two answers makes the step fail, and is never written over.
        _, version = yield LoadChanges(key, 2**53)
        change: ScopeChange | None = yield LoadScope(key, task)
        kept = asked if change is None else change.grant.narrowed(asked)
        done: bool = yield ChangeScope(key, task, ScopeChange(base=kept, grant=kept), version)
        if done:
            return
    raise UsageError(f"the scope of session {key.id} changes all the time", hint="narrow it again")


def _action(session: SessionState, request: ScopeRequest) -> Action:
    tools, zones = tuple(sorted(request.tools or ())), tuple(sorted(request.zones or ()))
    task = admin_resource("tasks", session.authority.task)
    ttl = () if request.ttl_ms is None else (ArgFacts(name="ttl_ms", role=Role.VALUE, facts=request.ttl_ms),)
    return Action(
        tool=WIDEN_SPEC,
        args=canonical({"tools": list(tools), "zones": list(zones), "ttl_ms": request.ttl_ms}),
        arguments=(
            ArgFacts(name="tools", role=Role.QUERY, facts=tools),
            ArgFacts(name="zones", role=Role.QUERY, facts=zones),
            *ttl,
        ),
        resources=(Resource(ref=EntityRef(kind=EntityKind.RESOURCE, id=task)),),
    )


def _event(
    core: Core, session: SessionState, kind: EventKind, asked: Grant, now_us: int, *, decision: str = ""
) -> Draft:
    body: dict[str, object] = {
        "tools": None if asked.tools is None else sorted(asked.tools),
        "zones": sorted(asked.zones),
    }
    if asked.expires_ms is not None:
        body["expires_ms"] = asked.expires_ms
    if decision:
        body["decision"] = decision
    parents = (decision,) if decision else ()
    return draft(core.planes, session, kind, body, event_id=core.new_id(), now_us=now_us, parents=parents)


def _outcome(core: Core, session: SessionState, kind: EventKind, permit: Permit, now_us: int) -> Draft:
    return outcome_draft(core.planes, session, kind, permit, event_id=core.new_id(), now_us=now_us, extra={})


def _refuse(core: Core, session: SessionState, reason: Reason, now_us: int) -> Flow[Refusal]:
    decision = deny(WIDEN_TOOL, reason)
    event_id = core.new_id()
    record = decision_draft(
        core.planes, session, decision, event_id=event_id, now_us=now_us, args=b"", permit=None, latency_us=0
    )
    receipts: Sequence[Receipt] = yield Append((record,), Durability.BUFFERED)
    session.receipts.extend(receipts)
    return Refusal(decision=decision, event_id=event_id, receipt=receipts[0])


_NEEDS_GATE = Reason(
    plane=Plane.IDENTITY,
    code="widen-without-approval",
    message="A task is widened only by leave of a person, and no rule asks one.",
    hint=f'Write a gate: @gate("approval") forbid (principal, action == Action::"{WIDEN_TOOL}", resource) unless …',
)
_CHANGED = Reason(
    plane=Plane.IDENTITY,
    code="scope-changed",
    message="The scope of this session was changed at the same moment.",
    hint="Ask again.",
)
