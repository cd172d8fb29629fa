"""Steps 1 to 4 of the way of one call (DESIGN §2), pure: identity, action, flow, policy.

Nothing here waits, writes or reads a clock. Each plane can only deny; what no plane denied goes to policy, and a call
is allowed iff policy permits it for every link and every resource.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from bailiwick.action.budgets import Draw
from bailiwick.action.digest import action_digest
from bailiwick.action.parse import parse_call
from bailiwick.errors import CanonicalError
from bailiwick.guard.model_sink import refused_to_model
from bailiwick.guard.observing import settled
from bailiwick.guard.planes import Planes
from bailiwick.guard.snapshots import Grounds, grounds_of
from bailiwick.guard.state import SessionState
from bailiwick.identity.authority import check_authority, check_planned, names_call
from bailiwick.identity.suspension import check_suspended
from bailiwick.model.call import Action, Call
from bailiwick.model.canonical import canonical
from bailiwick.model.circumstances import NOTHING_GATHERED, Gathered
from bailiwick.model.decision import Decision, FlowFacts, Outcome, Plane, Reason
from bailiwick.model.lookup import NOTHING_FOUND, Found
from bailiwick.model.tool import MODEL_TOOL, Durability
from bailiwick.policy import PolicyRequest

__all__ = ["Judged", "check_open", "clock_went_back", "deny", "judge", "judge_action", "rejudge", "understand"]

# A clock that steps back by less than this is read as standing still; more denies (promise 1).
CLOCK_TOLERANCE_US = 1_000_000
MAX_KEPT = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A decision with what it was taken on. `action` and `flow` are None where the call did not get that far."""

    decision: Decision
    action: Action | None = None
    flow: FlowFacts | None = None
    digest: str = ""
    args: bytes = b""
    """What was asked for, as far as it has a canonical form: also a call that did not parse is kept for the reader."""
    grounds: Grounds | None = None
    """What its snapshot is made of; None where policy was not asked."""
    request: PolicyRequest | None = None
    """What policy was asked; None where it was not."""
    draws: tuple[Draw, ...] = ()
    """What the call takes of which budgets, by counts as they were when it was decided."""

    def refused(self, reason: Reason) -> Judged:
        """The same, denied after all."""
        decision = replace(
            self.decision,
            outcome=Outcome.DENY,
            reasons=(reason,),
            gates=(),
            approved=None,
            durability=Durability.BUFFERED,
            observed=None,
        )
        return replace(self, decision=decision)

    def told(self, decision: Decision) -> Judged:
        """The same, told in other words."""
        return replace(self, decision=decision)

    def noted(self, reason: Reason) -> Judged:
        """The same, with a reason put first."""
        return replace(self, decision=replace(self.decision, reasons=(reason, *self.decision.reasons)))


def deny(tool: str, *reasons: Reason, digest: str = "") -> Decision:
    """A denial that no policy was asked for."""
    return Decision(outcome=Outcome.DENY, reasons=reasons, tool=tool, digest=digest, durability=Durability.BUFFERED)


_UNDECIDED = deny("")


def judge(
    planes: Planes,
    session: SessionState,
    call: Call,
    now_us: int,
    gathered: Gathered = NOTHING_GATHERED,
    *,
    found: Found = NOTHING_FOUND,
) -> Judged:
    """The decision on `call` now, without any approval. `gathered` is what was asked outside for it, `found` what was
    looked up."""
    action = understand(planes, session, call, now_us, found)
    return action if isinstance(action, Judged) else judge_action(planes, session, action, now_us, gathered)


def understand(
    planes: Planes, session: SessionState, call: Call, now_us: int, found: Found = NOTHING_FOUND
) -> Action | Judged:
    """What the call means, if its session may make it at all; else the denial. `now_us` has passed `clock_went_back`,
    `found` is what was looked up for it."""
    spec = planes.catalog.find(call.tool)
    name = spec.name if spec else call.tool
    if unusable := check_open(session):
        return Judged(decision=deny(name, unusable))
    # INVARIANT: a clock that moved back never brings an expired grant to life again.
    now_us = session.last_us = max(now_us, session.last_us)
    zones = tuple(frozenset(spec.zones) for _ in spec.resources) if spec else ()
    refused = check_authority(
        planes.directory,
        session.authority,
        tool=name,
        effects=spec.effects if spec else (),
        zones=zones,
        now_ms=now_us // 1000,
    )
    if refused:
        return Judged(decision=deny(name, refused), args=_kept(call))
    action = parse_call(planes.catalog, call, around=planes.surroundings(found), types=planes.types)
    if isinstance(action, Reason):
        return Judged(decision=deny(name, action), args=_kept(call))
    return action


def check_open(session: SessionState) -> Reason | None:
    """Why nothing at all is decided in this session any more; None if it is open."""
    return _closed() if session.closed else None


def clock_went_back(known_us: int, now_us: int) -> Reason | None:
    """Why nothing is decided now; None where the clock has not gone back. `known_us` is what the session knew before
    the clock was read: other calls of it may have been decided since, however long this one waited."""
    return _clock_back(known_us - now_us) if now_us < known_us - CLOCK_TOLERANCE_US else None


def judge_action(
    planes: Planes, session: SessionState, action: Action, now_us: int, gathered: Gathered = NOTHING_GATHERED
) -> Judged:
    """The decision on an action that the catalog knows (also the built-in ones), without any approval. Raises
    FactUnavailable where a fact could not be kept with it."""
    name = action.tool.name
    if stopped := check_suspended(planes.suspensions, session.authority, name, directory=planes.directory):
        return Judged(decision=deny(name, stopped), args=action.args)
    reads_all = name == MODEL_TOOL
    if not reads_all and (beyond := check_planned(session.authority, tool=name, args=action.args)):
        return Judged(decision=deny(name, beyond), args=action.args)
    with session.lock:
        if reads_all and (
            kept := refused_to_model(planes, session.authority, session.ledger, action, max(now_us, session.last_us))
        ):
            return Judged(decision=deny(name, kept), args=action.args)
        named = names_call(session.authority, action)
        flow = session.ledger.resolve(action, reads=planes.reads, planned=named, pending=session.pending)
    if reads_all:
        flow = replace(flow, label=flow.session_label)
    standpoint = session.seen_by(planes.policy)
    around = standpoint.around.beside(gathered)
    request = PolicyRequest(
        subject=standpoint.subject,
        tool=name,
        resources=action.resources,
        now_ms=max(now_us, session.last_us) // 1000,
        args={arg.name: arg.facts for arg in action.arguments},
        interfaces=action.interfaces,
        approved=frozenset(),
        flow=flow,
        around=around,
    )
    judged = Judged(
        decision=_UNDECIDED,
        action=action,
        flow=flow,
        digest=action_digest(action, session.authority),
        args=action.args,
        grounds=grounds_of(planes, standpoint, around, action.found),
        request=request,
    )
    return _ask(planes, judged)


def rejudge(planes: Planes, judged: Judged, approved: frozenset[str]) -> Judged:
    """The decision on the same call with some gates approved."""
    assert judged.request is not None
    return _ask(planes, replace(judged, request=replace(judged.request, approved=approved)))


def _ask(planes: Planes, judged: Judged) -> Judged:
    """The answer of the rules to `judged.request`."""
    action, request = judged.action, judged.request
    assert action is not None
    assert request is not None
    verdict, observed = settled(planes, request, planes.policy.decide(request))
    allowed = verdict.outcome is Outcome.ALLOW
    decision = Decision(
        outcome=verdict.outcome,
        reasons=verdict.reasons or (Reason(plane=Plane.POLICY, code="undecided", message="No rule decided."),),
        tool=action.tool.name,
        digest=judged.digest,
        verdict=verdict,
        flow=judged.flow,
        gates=verdict.gates,
        durability=action.tool.durability if allowed else Durability.BUFFERED,
        observed=observed,
        obligations=verdict.obligations,
    )
    return replace(judged, decision=decision)


def _kept(call: Call) -> bytes:
    """The arguments of a call that was refused before it was understood, unless they have no form that can be kept."""
    try:
        encoded = canonical(call.args)
    except CanonicalError:
        return b""
    return encoded if len(encoded) <= MAX_KEPT else b""


def _closed() -> Reason:
    return Reason(
        plane=Plane.GUARD,
        code="session-closed",
        message="This session is closed.",
        hint="Open a new session.",
    )


def _clock_back(by_us: int) -> Reason:
    return Reason(
        plane=Plane.GUARD,
        code="clock-backwards",
        message=f"The clock of this machine went back by {by_us // 1000} ms, so no expiry can be trusted.",
        hint="Calls are decided again once the clock has caught up; check its synchronisation.",
    )
