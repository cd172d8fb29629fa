"""Who may have a say in a request for approval now: by the gate, by the rules in `administration/`, and as a reader of
what its card shows.

Asked three times of everybody: before anybody is asked at all (nobody is asked in vain), when they answer, and when the
approval is used. INVARIANT: a yes lifts a gate only if it would still count at the moment of use. DESIGN §5 *Action*.
"""

from __future__ import annotations

from collections.abc import Iterable

from bailiwick.action.approval_vote import lapsed, may_lift
from bailiwick.action.approvals import Approval, Vote
from bailiwick.guard.administration.entitled import as_known, is_own, may, unfit, written
from bailiwick.guard.planes import Planes
from bailiwick.identity.suspension import person_suspended
from bailiwick.model.administration import AdminAction, admin_resource
from bailiwick.model.approver import ProofMethod
from bailiwick.model.circumstances import Evidence
from bailiwick.model.decision import Gate, GateKind, Plane, Reason
from bailiwick.model.label import Label, Readers
from bailiwick.model.principal import Chain, EntityKind, EntityRef

__all__ = ["check_votes", "confirms", "could_answer", "nobody_left", "not_reader", "stale"]


def not_reader(planes: Planes, label: Label, person: str) -> Reason | None:
    """Why this person may not read what a card of this label shows; None if they may. (Categories restrict readers
    where the catalog says so, by `readers`: nobody is cleared for a category.)"""
    user = planes.directory.users.get(person)
    hint = "An operator can give approvers the clearance, or name who reads what nobody may (approvals.readers)."
    if user is None or user.clearance < label.sensitivity:
        levels = planes.settings.levels
        level = levels[label.sensitivity] if label.sensitivity < len(levels) else str(label.sensitivity)
        return _reason("not-a-reader", f"The card shows {level} data, which {written(person)} may not read.", hint)
    readers = label.readers
    if not planes.reads.any_reader(readers):
        # Data that has no reader left over was joined of what different people may read, or nobody vouches for it.
        readers = Readers.declared(planes.settings.approval_readers)
    if planes.reads.principal(f"{EntityKind.USER.value}::{person}", readers):
        return None
    return _reason("not-a-reader", f"The card shows data for {label.readers}, not for {written(person)}.", hint)


def confirms(gates: Iterable[Gate], chain: Chain, person: str) -> bool:
    """Whether it is for this person, as the user of the call, to confirm it. That is no administration: it needs no
    rule there."""
    root = EntityRef(kind=EntityKind.USER, id=person)
    return chain.root == root and any(gate.kind is GateKind.CONFIRM for gate in gates)


def check_votes(planes: Planes, approval: Approval, needed: Iterable[Gate], now_ms: int) -> Reason | None:
    """Why the approval has no quorum for a gate that is `needed`, counting those alone who would still count; None if
    it has for each. (A no always counts: it only narrows.)"""
    for gate in needed:
        out: dict[str, Reason] = {}
        counted: set[str] = set()
        for cast in approval.votes:
            if cast.gate != gate.id or cast.approver not in approval.votes_for(gate.id) or not cast.granted:
                continue
            gone = lapsed(approval, cast, planes.directory, planes.settings.approval_proof) or _not_entitled(
                planes, approval, gate, cast, now_ms
            )
            if gone is None:
                counted.add(cast.approver)
            else:
                out[cast.approver] = gone
        if len(counted) < gate.quorum:
            return _lapsed(planes, approval, out)
    return None


def nobody_left(
    planes: Planes, gates: Iterable[Gate], chain: Chain, tool: str, label: Label, now_ms: int
) -> Reason | None:
    """Why asking would be in vain: too few people are left who could lift one of `gates`; None if there are enough."""
    for gate in gates:
        able, why = 0, None
        for person in sorted(planes.directory.users) if gate.kind is GateKind.APPROVAL else (chain.root.id,):
            refused = unfit(planes, person) or may_lift(
                gate, person, chain=chain, directory=planes.directory, escalated=True
            )
            if refused is not None:
                continue
            refused = not_reader(planes, label, person)
            if refused is None and _could_answer(planes, gate, chain, tool, person, now_ms):
                able += 1
            why = why or refused
            if able >= gate.quorum:
                break
        if able < gate.quorum:
            if why is not None:
                return why
            return _reason(
                "nobody-can-approve",
                f"'{gate.id}' takes {gate.quorum} of those who may lift it, and {able} could for this call.",
                "This call stays denied until more people may decide on it.",
            )
    return None


def could_answer(planes: Planes, approval: Approval, person: str, now_ms: int) -> bool:
    """Whether a yes of this person could lift one of its gates by now. Nothing comes of the answer, so it is not on
    record."""
    if unfit(planes, person) is not None or not_reader(planes, approval.label, person) is not None:
        return False
    for gate in approval.gates:
        escalated = bool(gate.escalate_to) and now_ms >= approval.requested_ms + gate.escalate_after_ms
        lifts = may_lift(gate, person, chain=approval.chain, directory=planes.directory, escalated=escalated)
        if lifts is None and _could_answer(planes, gate, approval.chain, approval.tool, person, now_ms):
            return True
    return False


def stale(planes: Planes, approval: Approval) -> Reason | None:
    """Why a yes to this request would be for nothing: one of its gates reads differently by now."""
    for gate in approval.gates:
        rule = planes.policy.bundle.policies.get(gate.id)
        if rule is not None and rule.gate != gate:
            return _reason(
                "approval-under-other-rules",
                f"{gate.id} changed after approval {approval.id} was requested.",
                "The agent has to ask again, under the present rules.",
            )
    return None


def _not_entitled(planes: Planes, approval: Approval, gate: Gate, cast: Vote, now_ms: int) -> Reason | None:
    person = cast.approver
    refused = unfit(planes, person) or not_reader(planes, approval.label, person)
    # How fresh their proof was is judged when they answer; what kind of proof it was still counts.
    known = as_known(cast.method, now_ms)
    if refused is None and not _may_answer(planes, gate, approval.chain, approval.tool, person, now_ms, known):
        return _reason(
            "not-an-administrator", f"{person} may answer requests of {approval.tool} no more.", "Ask again."
        )
    return refused


def _could_answer(planes: Planes, gate: Gate, chain: Chain, tool: str, person: str, now_ms: int) -> bool:
    """Whether they may answer, if they prove who they are in one of the ways that are enough here."""
    least = planes.settings.approval_proof
    return any(
        _may_answer(planes, gate, chain, tool, person, now_ms, as_known(method, now_ms))
        for method in ProofMethod
        if method.rank >= least.rank
    )


def _may_answer(planes: Planes, gate: Gate, chain: Chain, tool: str, person: str, now_ms: int, known: Evidence) -> bool:
    own, resource = is_own(planes, person, (str(link) for link in chain.links)), admin_resource("tools", tool)
    return confirms((gate,), chain, person) or may(
        planes, person, AdminAction.APPROVE, resource, now_ms=now_ms, own=own, evidence=known
    )


def _lapsed(planes: Planes, approval: Approval, out: dict[str, Reason]) -> Reason:
    suspended = sorted(person for person in out if person_suspended(planes.suspensions, person))
    if suspended:
        return _reason(
            "approver-suspended",
            f"Approval {approval.id} does not count while {', '.join(suspended)} is suspended.",
            "Ask for approval again: somebody else has to give it.",
        )
    return _reason(
        "approver-lapsed",
        f"Approval {approval.id} has no quorum any more without {', '.join(sorted(out)) or 'more votes'}.",
        "Ask for approval again.",
    )


def _reason(code: str, message: str, hint: str) -> Reason:
    return Reason(plane=Plane.ACTION, code=code, message=message, hint=hint)
