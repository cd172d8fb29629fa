"""The enforcement point without I/O: one call's way through the planes as a generator of requests.

`enter` decides, consumes what must be consumed, records the decision and hands out a permit; `check` is the decision
alone; what comes after the tool ran is in `bailiwick.guard.leave`. Order at a permit (DESIGN §5 *Audit*): consume the
approval, note the call as in flight, write the decision, hand out the permit. A crash may lose an approval, never use
one twice.

INVARIANT: every path of `enter` that ends in a Permit has appended the decision with the durability it asks for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from bailiwick.action.approval_card import draw_card
from bailiwick.action.approvals import Approval, ApprovalStatus, consume, differing, request, usable
from bailiwick.action.digest import effect_key
from bailiwick.action.ports import InDoubt
from bailiwick.errors import CanonicalError, FactUnavailable
from bailiwick.guard.circumstances import gather
from bailiwick.guard.credentials import prove_call, revoked
from bailiwick.guard.decide import Judged, check_open, deny, judge_action, rejudge, understand
from bailiwick.guard.effects import (
    Append,
    Begin,
    CompareAndSet,
    FindApprovals,
    FindInDoubt,
    Finish,
    Flow,
    LoadChanges,
    Now,
    SaveApproval,
    SessionApprovals,
)
from bailiwick.guard.looking_up import looked_up
from bailiwick.guard.planes import Planes
from bailiwick.guard.record import approval_draft, decision_draft
from bailiwick.guard.rescoping import refresh_scope
from bailiwick.guard.standing import check_votes
from bailiwick.guard.state import Permit, SessionState
from bailiwick.model.call import Action, Call
from bailiwick.model.decision import Decision, Outcome, Plane, Reason
from bailiwick.model.event import Draft
from bailiwick.model.tool import Durability, Idempotency

__all__ = ["Core", "Entered", "Refusal"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """The call does not run. `approval_id` is set iff a person was asked or is being asked."""

    decision: Decision
    event_id: str
    approval_id: str = ""


Entered = Permit | Refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class Core:
    """Takes calls through the planes of one project. `new_id` gives time-ordered unique ids."""

    planes: Planes
    new_id: Callable[[], str]

    def check(self, session: SessionState, call: Call) -> Flow[Decision]:
        """Steps 1 to 5 alone: what `enter` would decide now. Changes nothing."""
        now_us: int = yield Now()
        yield from self.refresh(session)
        found = yield from looked_up(self.planes, call)
        judged = yield from self._judge(session, understand(self.planes, session, call, now_us, found), now_us)
        if judged.decision.outcome is Outcome.NEEDS_APPROVAL:
            judged, _approval, _open = yield from self._with_approval(session, judged, now_us)
        if judged.decision.allowed:
            judged = yield from self._without_doubt(judged)
        return judged.decision

    def enter(self, session: SessionState, call: Call) -> Flow[Entered]:
        """Decide a call, record the decision, and permit or refuse it."""
        now_us: int = yield Now()
        yield from self.refresh(session)
        found = yield from looked_up(self.planes, call)
        judged = yield from self._judge(session, understand(self.planes, session, call, now_us, found), now_us)
        return (yield from self._enter(session, judged, now_us))

    def enter_action(self, session: SessionState, action: Action) -> Flow[Entered]:
        """As `enter`, for a built-in action that is not a tool of the catalog (delegation, widening)."""
        now_us: int = yield Now()
        yield from self.refresh(session)
        if unusable := check_open(session, now_us):
            judged = Judged(decision=deny(action.tool.name, unusable), args=action.args)
        else:
            now_us = session.last_us = max(now_us, session.last_us)
            judged = yield from self._judge(session, action, now_us)
        return (yield from self._enter(session, judged, now_us))

    def _judge(self, session: SessionState, action: Action | Judged, now_us: int) -> Flow[Judged]:
        """The decision on an action, with the facts that the rules of its tool read. A call that is refused before any
        rule is asked costs no provider a question."""
        if isinstance(action, Judged):
            return action
        if gone := (yield from revoked(self.planes, session.credential)):
            return Judged(decision=deny(action.tool.name, gone), args=action.args)
        try:
            gathered = yield from gather(self.planes, session.authority.chain, action)
            return judge_action(self.planes, session, action, now_us, gathered)
        except FactUnavailable as error:
            return Judged(decision=deny(action.tool.name, _no_fact(error)), args=action.args)

    def refresh(self, session: SessionState) -> Flow[None]:
        """Take in what other processes learned in the same session, so that labels are never older than the store, nor
        its scope wider."""
        rows, version = yield LoadChanges(session.authority.key, session.ledger_ord)
        if rows:
            with session.lock:
                for row in rows:
                    session.ledger.apply(row)
                session.ledger_ord = max(session.ledger_ord, rows[-1].ord)
        yield from refresh_scope(self.planes, session, version)

    def _enter(self, session: SessionState, judged: Judged, now_us: int) -> Flow[Entered]:
        approval: Approval | None = None
        asked: Approval | None = None
        if judged.digest and (
            unproved := (yield from prove_call(self.planes, session.credential, judged.digest, now_us // 1000))
        ):
            judged = judged.refused(unproved)
        if judged.decision.outcome is Outcome.NEEDS_APPROVAL:
            judged, approval, asked = yield from self._with_approval(session, judged, now_us)
        if judged.decision.allowed:
            judged = yield from self._without_doubt(judged)
        if judged.decision.allowed and approval is not None:
            won: bool = yield CompareAndSet(approval, consume(approval))
            if not won:
                judged = judged.refused(_used(approval))
        if judged.decision.allowed:
            permit = yield from self._permit(session, judged, now_us)
            if permit is not None:
                return permit
            judged = judged.refused(_under_way(judged.decision.tool))
        return (yield from self._refuse(session, judged, asked, now_us))

    def _with_approval(
        self, session: SessionState, judged: Judged, now_us: int
    ) -> Flow[tuple[Judged, Approval | None, Approval | None]]:
        """Look for an approval of exactly this call. → (the decision with it, the approval, a request still open)."""
        key = session.authority.key
        # As in `judge`: a clock that moved back a little never brings an expired approval to life again.
        now_us = max(now_us, session.last_us)
        found: Sequence[Approval] = yield FindApprovals(key.tenant, key.env, judged.digest)
        needed = frozenset(gate.id for gate in judged.decision.gates)
        assert judged.flow is not None
        asked: Approval | None = None
        notes: list[Reason] = []
        for approval in found:
            unusable = usable(
                approval,
                digest=judged.digest,
                policy_digest=self.planes.rules_digest,
                gates=needed,
                label=judged.flow.label,
                now_ms=now_us // 1000,
            ) or check_votes(self.planes.suspensions, approval)
            if unusable is None:
                again = rejudge(self.planes, judged, needed)
                if again.decision.allowed:
                    approved = dict.fromkeys(sorted(needed), approval.id)
                    return replace(again, decision=replace(again.decision, approved=approved)), approval, None
            elif approval.status is ApprovalStatus.REQUESTED and approval.open_for(
                gates=needed, policy_digest=self.planes.rules_digest, label=judged.flow.label, now_ms=now_us // 1000
            ):
                asked = approval
            elif approval.status is not ApprovalStatus.REQUESTED:
                notes.append(unusable)
        if not found:
            notes.extend((yield from self._near_miss(session, judged)))
        if notes:
            judged = judged.noted(notes[-1])
        return judged, None, asked

    def _near_miss(self, session: SessionState, judged: Judged) -> Flow[list[Reason]]:
        """Whether this session holds a granted approval of the same tool with other arguments: worth saying."""
        assert judged.action is not None
        others: Sequence[Approval] = yield SessionApprovals(session.authority.key.id)
        for approval in reversed(others):
            if approval.tool == judged.action.tool.name and approval.status is ApprovalStatus.GRANTED:
                names = ", ".join(differing(approval, judged.action.args)) or "its circumstances"
                return [
                    Reason(
                        plane=Plane.ACTION,
                        code="approval-of-another-call",
                        message=f"Approval {approval.id} is for another call: {names} changed since.",
                        hint="Make the approved call unchanged, or ask for approval of this one.",
                    )
                ]
        return []

    def _without_doubt(self, judged: Judged) -> Flow[Judged]:
        """Refuse a call that must not run twice while an earlier one like it may have run (promise 5)."""
        assert judged.action is not None
        tool = judged.action.tool
        if tool.idempotency is not Idempotency.NONE:
            return judged
        settings = self.planes.settings
        rows: Sequence[InDoubt] = yield FindInDoubt(effect_key(judged.action, settings.tenant, settings.env))
        if not rows:
            return judged
        unknown = next((row for row in rows if row.unknown), None)
        return judged.refused(_under_way(tool.name) if unknown is None else _in_doubt(unknown))

    def _permit(self, session: SessionState, judged: Judged, now_us: int) -> Flow[Permit | None]:
        """Record the decision and hand out the permit. → None if the same call was permitted at the same moment."""
        assert judged.action is not None
        action, settings = judged.action, self.planes.settings
        permit = Permit(
            id=f"prm-{self.new_id()}",
            action=action,
            decision=judged.decision,
            event_id=self.new_id(),
            effect_key=effect_key(action, settings.tenant, settings.env),
            expires_us=now_us + settings.permit_ttl_ms * 1000,
        )
        if permit.tracked:
            noted: bool = yield Begin(
                effect_key=permit.effect_key,
                permit_id=permit.id,
                decision_event=permit.event_id,
                tool=action.tool.name,
                idempotency=action.tool.idempotency,
                now_ms=now_us // 1000,
            )
            if not noted:
                return None
        draft = yield from self._draft(session, judged, event_id=permit.event_id, now_us=now_us, permit=permit)
        # Known to the session before it is on record: a caller that goes away in between leaves a permit that the
        # session's end withdraws, not one that hangs in the log for ever.
        with session.lock:
            session.permits[permit.id] = permit
            session.decisions += 1
        try:
            yield Append((draft,), judged.decision.durability)
        except Exception:
            # Not on record: there is no permit. (Not so when the caller goes away: that comes as no Exception.)
            session.drop(permit)
            if permit.tracked:
                yield Finish(permit.id)
            raise
        permit.on_record = True
        return permit

    def _refuse(self, session: SessionState, judged: Judged, asked: Approval | None, now_us: int) -> Flow[Refusal]:
        new = judged.decision.outcome is Outcome.NEEDS_APPROVAL and asked is None
        if new:
            try:
                asked = self._ask(session, judged, now_us)
            except CanonicalError as error:
                judged, new = judged.refused(_too_large(error)), False
        event_id = self.new_id()
        drafts = [(yield from self._draft(session, judged, event_id=event_id, now_us=now_us, permit=None))]
        if new and asked is not None:
            yield SaveApproval(asked)
            drafts.append(
                approval_draft(
                    self.planes, session, asked, event_id=self.new_id(), now_us=now_us, decision_event=event_id
                )
            )
        durability = Durability.SYNC if len(drafts) > 1 else Durability.BUFFERED
        yield Append(drafts, durability)
        with session.lock:
            session.decisions += 1
        return Refusal(decision=judged.decision, event_id=event_id, approval_id=asked.id if asked else "")

    def _ask(self, session: SessionState, judged: Judged, now_us: int) -> Approval:
        assert judged.action is not None
        assert judged.flow is not None
        settings = self.planes.settings
        return request(
            id=f"apr-{self.new_id()[-12:]}",
            authority=session.authority,
            action=judged.action,
            digest=judged.digest,
            policy_digest=self.planes.rules_digest,
            gates=judged.decision.gates,
            label=judged.flow.label,
            card=draw_card(session.authority, judged.action, judged.decision, settings.levels),
            now_ms=now_us // 1000,
            expires_ms=now_us // 1000 + settings.approval_ttl_ms,
        )

    def _draft(
        self, session: SessionState, judged: Judged, *, event_id: str, now_us: int, permit: Permit | None
    ) -> Flow[Draft]:
        done_us: int = yield Now()
        return decision_draft(
            self.planes,
            session,
            judged.decision,
            event_id=event_id,
            now_us=now_us,
            args=judged.args,
            taken_on=judged.taken_on,
            permit=permit,
            latency_us=max(0, done_us - now_us),
        )


def _no_fact(error: FactUnavailable) -> Reason:
    return Reason(plane=Plane.POLICY, code="fact-unavailable", message=f"{error}.", hint=error.hint)


def _too_large(error: CanonicalError) -> Reason:
    return Reason(
        plane=Plane.GUARD,
        code="too-large-to-approve",
        message=f"A person would have to approve this call, and cannot: {error}.",
        hint=error.hint,
    )


def _used(approval: Approval) -> Reason:
    return Reason(
        plane=Plane.ACTION,
        code="approval-used",
        message=f"Approval {approval.id} was used by another call at the same moment.",
        hint="An approval is for one run; ask for another.",
    )


def _under_way(tool: str) -> Reason:
    return Reason(
        plane=Plane.ACTION,
        code="under-way",
        message=f"The same {tool} call is under way already, and must not run twice.",
        hint="Wait for its outcome.",
    )


def _in_doubt(row: InDoubt) -> Reason:
    return Reason(
        plane=Plane.ACTION,
        code="may-have-run",
        message=f"The same {row.tool} call was permitted before and nobody knows whether it ran.",
        hint=f"A person has to look: bailiwick audit reconcile {row.decision_event} --as USER --ran | --did-not-run",
    )
