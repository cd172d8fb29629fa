"""The enforcement point without I/O: one call's way through the planes as a generator of requests.

`enter` decides, consumes what must be consumed, records the decision and hands out a permit; `check` is the decision
alone; what comes after the tool ran is in `bailiwick.guard.leave`. Order at a permit (DESIGN §5 *Audit*): count the
budgets, consume the approval, note the call as in flight, write the decision, hand out the permit. A crash may lose an
approval, never use one twice, and leaves no budget less used than it was.

INVARIANT: every path of `enter` that ends in a Permit has appended the decision with the durability it asks for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bailiwick.action.approvals import Approval, consume
from bailiwick.action.digest import effect_key
from bailiwick.action.ports import InDoubt
from bailiwick.action.standing import StandingGrant
from bailiwick.errors import CanonicalError, FactUnavailable, Unwitnessed
from bailiwick.guard.approvals.asking import make_request, too_large, too_many, used_meanwhile, with_approval
from bailiwick.guard.approvals.remembering import take_use, used_up_meanwhile
from bailiwick.guard.circumstances import gather
from bailiwick.guard.decide import Judged, check_open, clock_went_back, deny, judge_action, understand
from bailiwick.guard.effects import (
    Append,
    Begin,
    CompareAndSet,
    FindInDoubt,
    Finish,
    Flow,
    LoadChanges,
    Now,
    SaveApproval,
)
from bailiwick.guard.handing.credentials import prove_call, revoked
from bailiwick.guard.handing.rescoping import refresh_scope
from bailiwick.guard.looking_up import decided, unanswered
from bailiwick.guard.planes import Planes
from bailiwick.guard.record import approval_draft, decision_draft
from bailiwick.guard.release.substituting import discreet, with_values
from bailiwick.guard.rereading import read_again
from bailiwick.guard.snapshots import now_on_record, snapshot_contents
from bailiwick.guard.spending import TRIES, contended, given_back, reserved, spending_of, within_budget
from bailiwick.guard.state import Permit, SessionState
from bailiwick.guard.withdrawing import withdrawn
from bailiwick.model.call import Action, Call
from bailiwick.model.decision import Decision, Outcome, Plane, Reason
from bailiwick.model.event import Draft, Receipt
from bailiwick.model.lookup import Found
from bailiwick.model.tool import Durability, Idempotency

__all__ = ["Core", "Entered", "Refusal"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """The call does not run. `approval_id` is set iff a person was asked or is being asked; `receipt` iff the decision
    is on record."""

    decision: Decision
    event_id: str
    approval_id: str = ""
    receipt: Receipt | None = None


Entered = Permit | Refusal


def _clock(session: SessionState) -> Flow[tuple[int, Reason | None]]:
    """The time now in microseconds, and why it cannot be trusted."""
    known_us = session.last_us
    now_us: int = yield Now()
    return now_us, clock_went_back(known_us, now_us)


@dataclass(frozen=True, slots=True, kw_only=True)
class Core:
    """Takes calls through the planes of one project. `new_id` gives time-ordered unique ids."""

    planes: Planes
    new_id: Callable[[], str]

    def check(self, session: SessionState, call: Call) -> Flow[Decision]:
        """Steps 1 to 5 alone: what `enter` would decide now. Changes nothing."""
        judged, now_us = yield from self._decided_now(session, call)
        if judged.decision.outcome is Outcome.NEEDS_APPROVAL:
            judged = (yield from with_approval(self.planes, session, judged, now_us)).judged
        if judged.decision.allowed:
            judged = yield from self._without_doubt(judged)
        return judged.decision

    def enter(self, session: SessionState, call: Call) -> Flow[Entered]:
        """Decide a call, record the decision, and permit or refuse it."""
        judged, now_us = yield from self._decided_now(session, call)
        return (yield from self._enter(session, judged, now_us))

    def enter_action(self, session: SessionState, action: Action) -> Flow[Entered]:
        """As `enter`, for a built-in action that is not a tool of the catalog (delegation, widening)."""
        judged, now_us = yield from self.judge_action(session, action)
        return (yield from self._enter(session, judged, now_us))

    def judge_action(self, session: SessionState, action: Action) -> Flow[tuple[Judged, int]]:
        """The decision on a built-in action, without any approval, and when it was taken, in microseconds. Records
        nothing."""
        now_us, back = yield from _clock(session)
        yield from self.refresh(session)
        if unusable := check_open(session) or back:
            judged = Judged(decision=deny(action.tool.name, unusable), args=action.args)
        else:
            now_us = session.last_us = max(now_us, session.last_us)
            judged = yield from self._judge(session, action, now_us)
        return judged, now_us

    def _decided_now(self, session: SessionState, call: Call) -> Flow[tuple[Judged, int]]:
        """The decision on a call, and the time that it was taken at in microseconds."""
        now_us, back = yield from _clock(session)
        yield from self.refresh(session)
        if back:
            spec = self.planes.catalog.find(call.tool)
            return Judged(decision=deny(spec.name if spec else call.tool, back)), now_us
        return (yield from self.decide(session, call, now_us)), now_us

    def decide(self, session: SessionState, call: Call, now_us: int) -> Flow[Judged]:
        """The decision on a call, with what has to be looked up for it."""

        filled = yield from with_values(self.planes, session, call)
        if isinstance(filled, Judged):
            return filled
        call = filled

        def judge(found: Found) -> Flow[Judged]:
            return self._judge(session, understand(self.planes, session, call, now_us, found), now_us)

        def could_run(judged: Judged) -> Flow[bool]:
            if judged.decision.outcome is Outcome.NEEDS_APPROVAL:
                judged = (yield from with_approval(self.planes, session, judged, now_us)).judged
            return judged.decision.allowed

        judged = yield from decided(self.planes, call, judge, could_run)
        return judged if not call.carried else judged.told(discreet(judged.decision, call.carried))

    def _judge(self, session: SessionState, action: Action | Judged, now_us: int) -> Flow[Judged]:
        """The decision on an action, with the facts that the rules of its tool read. A call that is refused before any
        rule is asked costs no provider a question."""
        if isinstance(action, Judged):
            return action
        if gone := (yield from revoked(self.planes, session.credential)):
            return Judged(decision=deny(action.tool.name, gone), args=action.args)
        try:
            authority, now_ms = session.authority, max(now_us, session.last_us) // 1000
            spending = yield from spending_of(self.planes, authority, action)
            if spending.refused is not None:
                return Judged(decision=deny(action.tool.name, spending.refused), args=action.args)
            usage = spending.usage(self.planes.policy.names_read("usage", action.tool.name), now_ms)
            gathered = yield from gather(self.planes, authority.chain, action, usage)
            yield from read_again(session, action)
            return within_budget(judge_action(self.planes, session, action, now_us, gathered), spending, now_ms)
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
        approval: Approval | StandingGrant | None = None
        asked: Approval | None = None
        permit_id, event_id = f"prm-{self.new_id()}", self.new_id()
        if judged.digest and (
            unproved := (yield from prove_call(self.planes, session.credential, judged.digest, now_us // 1000))
        ):
            judged = judged.refused(unproved)
        for _ in range(TRIES):
            approval = None
            if judged.decision.outcome is Outcome.NEEDS_APPROVAL:
                found = yield from with_approval(self.planes, session, judged, now_us, recording=self.new_id)
                judged, approval, asked = found.judged, found.approval, found.waiting
            if judged.decision.allowed:
                judged = yield from self._without_doubt(judged)
            if not judged.decision.allowed or (
                yield from reserved(self.planes, session, judged, (permit_id, event_id))
            ):
                break
            # Others used of the same budgets meanwhile: what was decided rests on counts that hold no longer.
            assert judged.action is not None
            judged = yield from self._judge(session, judged.action, now_us)
        else:
            judged = judged.refused(contended(judged.decision.tool))
        if judged.decision.allowed:
            try:
                entered = yield from self._issue(session, judged, approval, (permit_id, event_id), now_us)
            except Exception:
                yield from given_back(session, permit_id, judged)
                raise
            if isinstance(entered, Permit):
                return entered
            yield from given_back(session, permit_id, judged)
            judged = judged.refused(entered)
        return (yield from self._refuse(session, judged, asked, now_us))

    def _issue(
        self,
        session: SessionState,
        judged: Judged,
        approval: Approval | StandingGrant | None,
        ids: tuple[str, str],
        now_us: int,
    ) -> Flow[Permit | Reason]:
        """The permit of an allowed call whose budgets are counted already, or why there can be none now."""
        if early := unanswered(judged):
            return early
        if isinstance(approval, StandingGrant):
            if not (yield from take_use(self.planes, approval)):
                return used_up_meanwhile(approval)
        elif approval is not None:
            won: bool = yield CompareAndSet(approval, consume(approval))
            if not won:
                return used_meanwhile(approval)
        permit = yield from self._permit(session, judged, ids, now_us)
        return permit or _under_way(judged.decision.tool)

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

    def _permit(self, session: SessionState, judged: Judged, ids: tuple[str, str], now_us: int) -> Flow[Permit | None]:
        """Record the decision and hand out the permit. → None if the same call was permitted at the same moment."""
        assert judged.action is not None
        action, settings = judged.action, self.planes.settings
        permit = Permit(
            id=ids[0],
            action=action,
            decision=judged.decision,
            event_id=ids[1],
            draws=judged.draws,
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
            session.holding.pop(permit.id, None)
            session.decisions += 1
        try:
            receipts: Sequence[Receipt] = yield Append((draft,), judged.decision.durability)
        except Exception as error:
            # Not on record: there is no permit. (Not so when the caller goes away: that comes as no Exception.)
            session.drop(permit)
            if isinstance(error, Unwitnessed):
                yield from withdrawn(self.planes, session, permit, event_id=self.new_id(), now_us=now_us)
            if permit.tracked:
                yield Finish(permit.id)
            raise
        permit.on_record, permit.receipt = True, receipts[0]
        session.receipts.append(receipts[0])
        now_on_record(judged.grounds, draft)
        return permit

    def _refuse(self, session: SessionState, judged: Judged, asked: Approval | None, now_us: int) -> Flow[Refusal]:
        new: Approval | None = None
        if judged.decision.outcome is Outcome.NEEDS_APPROVAL and asked is None:
            made = yield from self._ask(session, judged, now_us)
            if isinstance(made, Reason):
                judged = judged.refused(made)
            else:
                asked = new = made
        if judged.action is not None and judged.action.carried:
            judged = judged.told(discreet(judged.decision, judged.action.carried))
        event_id = self.new_id()
        drafts = [(yield from self._draft(session, judged, event_id=event_id, now_us=now_us, permit=None))]
        if new is not None:
            drafts.append(
                approval_draft(
                    self.planes,
                    session,
                    new,
                    event_id=self.new_id(),
                    now_us=now_us,
                    decision_event=event_id,
                )
            )
        durability = Durability.SYNC if len(drafts) > 1 else Durability.BUFFERED
        receipts: Sequence[Receipt] = yield Append(drafts, durability)
        now_on_record(judged.grounds, drafts[0])
        with session.lock:
            session.decisions += 1
            session.receipts.append(receipts[0])
        approval_id = asked.id if asked else ""
        return Refusal(decision=judged.decision, event_id=event_id, approval_id=approval_id, receipt=receipts[0])

    def _ask(self, session: SessionState, judged: Judged, now_us: int) -> Flow[Approval | Reason]:
        """A request for approval, stored, or why nobody is asked."""
        try:
            asked = yield from make_request(
                self.planes,
                authority=session.authority,
                around=session.around,
                judged=judged,
                now_ms=now_us // 1000,
                id=f"apr-{self.new_id()[-12:]}",
            )
        except CanonicalError as error:
            return too_large(error)
        most = self.planes.settings.approval_open_limit
        stored: bool = yield SaveApproval(asked, most)
        return asked if stored else too_many(most)

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
            taken_on=snapshot_contents(self.planes, judged.request, judged.decision, judged.grounds, now_us),
            about=judged.action.subjects if judged.action else (),
            carried=judged.action.carried if judged.action else (),
            permit=permit,
            latency_us=max(0, done_us - now_us),
        )


def _no_fact(error: FactUnavailable) -> Reason:
    return Reason(plane=Plane.POLICY, code="fact-unavailable", message=f"{error}.", hint=error.hint)


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
