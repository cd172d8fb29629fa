"""Handing work to another agent: itself a decision (action `agent.delegate`, resource the other agent).

Identity says how far the new authority may reach, policy whether it may be handed on at all, flow what the other agent
starts with: the label of everything that its delegator has seen, and only those endorsements that crossed in the
message.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from bailiwick.audit.events import delegation_body
from bailiwick.errors import Where
from bailiwick.guard.core import Core, Refusal
from bailiwick.guard.decide import deny
from bailiwick.guard.effects import Append, Flow, Now, OpenStored
from bailiwick.guard.handing.credentials import Credential
from bailiwick.guard.names import known_names, unknown_budget
from bailiwick.guard.opening import load_state
from bailiwick.guard.planes import Planes
from bailiwick.guard.record import decision_draft, draft, outcome_draft
from bailiwick.guard.spending import over
from bailiwick.guard.state import Permit, PermitState, SessionState
from bailiwick.identity.authority import check_authority, delegate
from bailiwick.identity.ports import StoredSession
from bailiwick.identity.scope import bounded
from bailiwick.identity.suspension import check_suspended
from bailiwick.model.budget import BudgetShares
from bailiwick.model.call import ALL, Action, ArgFacts, Authority, Grant, Resource
from bailiwick.model.canonical import canonical
from bailiwick.model.decision import Decision, Reason
from bailiwick.model.event import Content, Draft, EventKind, Receipt
from bailiwick.model.principal import EntityKind, EntityRef
from bailiwick.model.tool import DELEGATE_TOOL, Durability, Effect, Idempotency, OutputSpec, Role, ToolSpec

__all__ = [
    "DelegationRequest",
    "delegate_flow",
    "delegation_action",
    "handed_on",
    "in_the_catalogs_words",
    "refuse_delegation",
]

DELEGATE_SPEC = ToolSpec(
    name=DELEGATE_TOOL,
    names=(),
    effects=frozenset({Effect.DELEGATE}),
    resources=(DELEGATE_TOOL,),
    args={},
    output=OutputSpec(untrusted=()),
    idempotency=Idempotency.SAFE,
    durability=Durability.SYNC,
    description="Hand work to another agent.",
    where=Where(file="(built in)"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DelegationRequest:
    """To whom, with which tools and zones (None: one's own), for how long (None: one's own end), what is said, and
    how much of which budgets (not named: all that one has oneself). `at_most` bounds all of it: what the other agent
    was left with when work was handed to it before."""

    to: str
    tools: Collection[str] | None
    zones: Collection[str] | None
    ttl_ms: int | None
    message: str
    budgets: BudgetShares = ()
    at_most: Grant = ALL


def delegate_flow(core: Core, session: SessionState, request: DelegationRequest) -> Flow[SessionState | Refusal]:
    """The other agent's session, narrower than this one, or why there is none."""
    now_us: int = yield Now()
    named = in_the_catalogs_words(core.planes, request)
    if isinstance(named, Reason):
        return (yield from refuse_delegation(core, session, request, named, now_us))
    request = named
    yield from core.refresh(session)
    child = handed_on(core.planes, session, request, now_us)
    action = delegation_action(core.planes, session, request)
    if isinstance(child, Reason):
        return (yield from refuse_delegation(core, session, request, child, now_us))
    suspensions, directory = core.planes.suspensions, core.planes.directory
    if stopped := check_suspended(suspensions, child, DELEGATE_TOOL, directory=directory):
        return (yield from refuse_delegation(core, session, request, stopped, now_us))
    permit = yield from core.enter_action(session, action)
    if isinstance(permit, Refusal):
        return permit
    permit.state = PermitState.STARTED
    stored: StoredSession = yield OpenStored(child.key, child.chain, child.task, child.purpose, now_us // 1000)
    # Whoever narrowed this session meanwhile may not have seen the other one, which is stored only now.
    yield from core.refresh(session)
    child = handed_on(core.planes, session, request, now_us)
    if isinstance(child, Reason):
        session.drop(permit)
        yield Append((_outcome(core, session, EventKind.ACTION_EXPIRED, permit, now_us),), Durability.SYNC)
        yield from over(permit, ran=False)
        return (yield from refuse_delegation(core, session, request, child, now_us))
    event_id = core.new_id()
    with session.lock:
        inherited = session.ledger.child(request.message, content_id=core.new_id(), event_id=event_id)
        origins = session.ledger.origins(request.message)
    above = session.credential or Credential(ids=())
    credential = Credential(ids=(*above.ids, event_id), event=event_id, signer=above.signer)
    opened = yield from load_state(core, child, stored, now_us, session.around, inherited, credential=credential)
    yield Append(
        (
            draft(
                core.planes,
                session,
                EventKind.DELEGATION_GRANTED,
                delegation_body(
                    to=child.chain.actor.id,
                    grant=opened.authority.grant,
                    depth=child.chain.depth,
                    child_session=opened.authority.key.id,
                    origins=origins,
                ),
                event_id=event_id,
                now_us=now_us,
                parents=(permit.event_id,),
                contents=(Content(role="text", data=request.message.encode("utf-8", "surrogatepass")),),
            ),
            _outcome(core, session, EventKind.ACTION_COMPLETED, permit, now_us),
        ),
        Durability.SYNC,
    )
    session.drop(permit)
    yield from over(permit, ran=True)
    opened.above = session
    session.below.append(opened)
    return opened


def in_the_catalogs_words(planes: Planes, request: DelegationRequest) -> DelegationRequest | Reason:
    """The same request with tools by their catalog names, or why it names what does not exist."""
    names = known_names(planes.catalog, request.tools, request.zones)
    if isinstance(names, Reason):
        return names
    unknown = unknown_budget(planes.settings.budgets, request.budgets)
    return unknown or replace(request, tools=names[0], zones=names[1])


def handed_on(planes: Planes, session: SessionState, request: DelegationRequest, now_us: int) -> Authority | Reason:
    """The other agent's authority, or why identity refuses it. The rules are not asked here."""
    # As in `understand`: a clock that moved back never brings an expired grant to life again.
    latest_ms = max(now_us, session.last_us) // 1000
    refused = check_authority(
        planes.directory, session.authority, tool=DELEGATE_TOOL, effects=(), zones=(), now_ms=latest_ms
    )
    if refused is not None:
        return refused
    handed = delegate(
        planes.directory,
        session.authority,
        to=request.to,
        tools=request.tools,
        zones=request.zones,
        ttl_ms=request.ttl_ms,
        now_ms=now_us // 1000,
        conversation=session.authority.key.conversation,
        budgets=request.budgets,
    )
    return handed if isinstance(handed, Reason) else bounded(handed, request.at_most)


def _outcome(core: Core, session: SessionState, kind: EventKind, permit: Permit, now_us: int) -> Draft:
    return outcome_draft(core.planes, session, kind, permit, event_id=core.new_id(), now_us=now_us, extra={})


def delegation_action(planes: Planes, session: SessionState, request: DelegationRequest) -> Action:
    """A delegation as the action that rules decide on."""
    own = session.authority.grant.narrowed(request.at_most)
    # Rules see what is really handed on: asking for nothing in particular hands on all of one's own.
    everything = own.tools if own.tools is not None else planes.catalog.tools
    tools = tuple(sorted(everything if request.tools is None else request.tools))
    # INVARIANT: all that the request asks for is in here, because an approval binds to it and shows nothing else.
    args = {
        "agent": request.to,
        "tools": list(tools),
        "zones": sorted(own.zones if request.zones is None else request.zones),
        "ttl_ms": request.ttl_ms,
        "message": request.message,
        **({"budgets": dict(request.budgets)} if request.budgets else {}),
    }
    return Action(
        tool=DELEGATE_SPEC,
        args=canonical(args),
        arguments=(
            ArgFacts(name="agent", role=Role.TARGET, facts=request.to, values=(request.to,), text=request.to),
            ArgFacts(name="tools", role=Role.QUERY, facts=tools),
        ),
        resources=(Resource(ref=EntityRef(kind=EntityKind.AGENT, id=request.to)),),
    )


def refuse_delegation(
    core: Core, session: SessionState, request: DelegationRequest, reason: Reason, now_us: int
) -> Flow[Refusal]:
    """Record that work is not handed on, and why."""
    decision: Decision = deny(DELEGATE_TOOL, reason)
    event_id = core.new_id()
    record = decision_draft(
        core.planes,
        session,
        decision,
        event_id=event_id,
        now_us=now_us,
        args=delegation_action(core.planes, session, request).args,
        permit=None,
        latency_us=0,
    )
    receipts: Sequence[Receipt] = yield Append((record,), Durability.BUFFERED)
    session.receipts.extend(receipts)
    return Refusal(decision=decision, event_id=event_id, receipt=receipts[0])
