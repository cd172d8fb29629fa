"""Who may vote on an approval, and what a vote does to it. Pure; a refused vote is a `Reason`.

- A gate of kind APPROVAL needs independent people whom the gate names (by user, group or role): nobody from the chain,
  nobody who owns a link of it, nobody twice. After the time that the gate says, those count too to whom it is
  escalated.
- A gate of kind CONFIRM takes its vote from the chain's root user alone, and where the user signed in to the session,
  only from somebody who signed in. INVARIANT: that vote is for that gate; it never counts as an approval.
- INVARIANT: `may_lift` says yes both when a vote is cast and when the approval is used (`lapsed`), or it counts not.
- One denial by somebody who may vote on a gate denies the approval.

DESIGN §4 (gates), §5 *Action* (separation of duties).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from typing import assert_never

from bailiwick.action.approvals import Approval, ApprovalStatus, Vote, clock_behind
from bailiwick.action.remember import Remember
from bailiwick.model.approver import ProofMethod, Proven
from bailiwick.model.decision import Gate, GateKind, Plane, Reason
from bailiwick.model.directory import AgentEntry, Directory, ServiceEntry
from bailiwick.model.duration import duration_text
from bailiwick.model.principal import Chain, EntityKind, EntityRef

__all__ = ["lapsed", "may_edit", "may_lift", "vote"]


def vote(
    approval: Approval,
    *,
    by: Proven,
    gates: Collection[str] | None = None,
    grant: bool,
    directory: Directory,
    now_ms: int,
    remember: Remember | None = None,
) -> Approval | Reason:
    """The approval with one person's vote on `gates` (None: on each gate that is theirs to vote on), or why not.

    A named gate on which the person may not vote refuses the whole vote. One denial denies the approval.
    """
    refused = _not_votable(approval, grant=grant, now_ms=now_ms) or _not_a_person(directory, by.user)
    if refused is not None:
        return refused
    by_id = {gate.id: gate for gate in approval.gates}
    for name in gates or ():
        if name not in by_id:
            return _reason(
                "unknown-gate",
                f"Approval {approval.id} has no gate '{name}'.",
                f"Its gates: {', '.join(sorted(by_id))}.",
            )
    asked = [by_id[name] for name in sorted(set(gates))] if gates is not None else list(approval.gates)
    verdicts = [
        (
            gate,
            _no_say(approval, gate, by, grant=grant, directory=directory, now_ms=now_ms)
            or (_twice(approval, gate, by) if grant else None),
        )
        for gate in asked
    ]
    open_gates = [gate for gate, reason in verdicts if reason is None]
    reasons = [reason for _, reason in verdicts if reason is not None]
    if reasons and (gates is not None or not open_gates):
        return reasons[0]
    if not open_gates:
        return _reason("no-gate", "The vote names no gate.", f"Its gates: {', '.join(sorted(by_id))}.")
    cast = tuple(
        Vote(
            gate=gate.id,
            approver=by.user,
            granted=grant,
            at_ms=now_ms,
            os_user=by.os_user,
            card_digest=approval.card_digest,
            method=by.method,
            evidence=by.evidence_digest,
            remember=remember,
        )
        for gate in open_gates
    )
    voted = dataclasses.replace(approval, votes=(*approval.votes, *cast))
    if not grant:
        return dataclasses.replace(voted, status=ApprovalStatus.DENIED)
    return dataclasses.replace(voted, status=ApprovalStatus.GRANTED) if voted.complete else voted


def may_edit(
    approval: Approval, *, by: Proven, gates: Collection[str] | None, directory: Directory, now_ms: int
) -> Reason | None:
    """Why this person may not put another call in the place of the one that was asked for, whatever that call needs;
    None if they may: whoever could say yes to it, or has."""
    if now_ms < approval.latest_ms:
        return clock_behind(approval)
    if refused := _not_a_person(directory, by.user):
        return refused
    asked = [gate for gate in approval.gates if gates is None or gate.id in gates]
    verdicts = [_no_say(approval, gate, by, grant=True, directory=directory, now_ms=now_ms) for gate in asked]
    return (
        None
        if None in verdicts
        else next(iter(verdicts), None)
        or _reason(
            "no-gate", "The vote names no gate.", f"Its gates: {', '.join(sorted(gate.id for gate in approval.gates))}."
        )
    )


def lapsed(approval: Approval, cast: Vote, directory: Directory, least: ProofMethod) -> Reason | None:
    """Why a yes that counted when it was given counts no more: who gave it has left the gate's groups, was switched off
    or takes part in the call by now, or `least` is the least proof that an answer needs by now. None if it counts."""
    gate = next(gate for gate in approval.gates if gate.id == cast.gate)
    if cast.method.rank < least.rank:
        return _reason(
            "proof-too-weak",
            f"{cast.approver} was only {cast.method.value} to be who they are.",
            "Ask for approval again.",
        )
    return _not_a_person(directory, cast.approver) or may_lift(
        gate, cast.approver, chain=approval.chain, directory=directory, escalated=_escalated(approval, gate, cast.at_ms)
    )


def may_lift(
    gate: Gate, person: str, *, chain: Chain, directory: Directory, escalated: bool, grant: bool = True
) -> Reason | None:
    """Why this known, active person has no say in whether calls of this chain pass `gate`. `escalated`: so much time
    has passed that those to whom the gate is escalated have one too."""
    match gate.kind:
        case GateKind.CONFIRM:
            if chain.root != EntityRef(kind=EntityKind.USER, id=person):
                return _reason(
                    "not-the-user",
                    f"'{gate.id}' is for the user to confirm on whose behalf the call is made, not for {person}.",
                    f"{chain.root.id} has to confirm it.",
                )
            return None
        case GateKind.APPROVAL:
            # To say no needs no independence: it only ever narrows.
            return (_involved(chain, gate, person, directory) if grant else None) or _not_named(
                gate, person, directory, escalated=escalated
            )
        case _:  # pragma: no cover
            assert_never(gate.kind)


def _not_named(gate: Gate, person: str, directory: Directory, *, escalated: bool) -> Reason | None:
    mine = directory.groups_of(person) | {EntityRef(kind=EntityKind.USER, id=person)}
    if not mine.isdisjoint(gate.approvers) or (escalated and not mine.isdisjoint(gate.escalate_to)):
        return None
    if not mine.isdisjoint(gate.escalate_to):
        return _reason(
            "not-yet-escalated",
            f"{person} may decide on '{gate.id}' only if it waits for more than "
            f"{duration_text(gate.escalate_after_ms)}.",
            "Until then it is for others.",
        )
    named = ", ".join(f"{ref.kind.value} {ref.id}" for ref in gate.approvers) or "nobody"
    return _reason("not-an-approver", f"{person} may not decide on '{gate.id}'.", f"Who may: {named}.")


def _escalated(approval: Approval, gate: Gate, at_ms: int) -> bool:
    return bool(gate.escalate_to) and at_ms >= approval.requested_ms + gate.escalate_after_ms


def _not_votable(approval: Approval, *, grant: bool, now_ms: int) -> Reason | None:
    status = approval.status_at(now_ms)
    if now_ms < approval.latest_ms:
        return clock_behind(approval)
    if status is ApprovalStatus.REQUESTED or (status is ApprovalStatus.GRANTED and not grant):
        return None
    return _reason(
        f"approval-{status.value}", f"Approval {approval.id} is {status.value} already.", "There is nothing to vote on."
    )


def _not_a_person(directory: Directory, approver: str) -> Reason | None:
    user = directory.users.get(approver)
    if user is None:
        return _reason(
            "unknown-approver",
            f"There is no user '{approver}' in the directory.",
            "Approve as a user of directory.toml.",
        )
    if not user.active:
        return _reason("inactive-approver", f"The user '{approver}' is switched off.", "Another person has to decide.")
    return None


def _no_say(
    approval: Approval, gate: Gate, by: Proven, *, grant: bool, directory: Directory, now_ms: int
) -> Reason | None:
    """Why this known, active person has no say on `gate`, whether or not they voted before."""
    escalated = _escalated(approval, gate, now_ms)
    refused = may_lift(gate, by.user, chain=approval.chain, directory=directory, escalated=escalated, grant=grant)
    if refused is not None or not grant:
        return refused
    if gate.phishing_resistant and by.method is not ProofMethod.SIGNED:
        return _reason(
            "answer-not-signed",
            f"'{gate.id}' takes only an answer that a passkey signs.",
            "Answer in the console, with a passkey.",
        )
    if gate.kind is GateKind.CONFIRM and by.method.rank < approval.proof.rank:
        return _reason(
            "confirm-not-proven",
            f"{by.user} signed in to this session, so a confirmation takes more than that somebody claims to be them.",
            "Confirm in the console, after signing in.",
        )
    return None


def _twice(approval: Approval, gate: Gate, by: Proven) -> Reason | None:
    if by.user in approval.votes_for(gate.id):
        return _reason("duplicate-approver", f"{by.user} voted on '{gate.id}' before.", "Another person has to vote.")
    return None


def _involved(chain: Chain, gate: Gate, approver: str, directory: Directory) -> Reason | None:
    """Separation of duties: who takes part in a call, or answers for one of its links, does not approve it."""
    hint = f"'{gate.id}' needs an independent person."
    for link in chain.links:
        if link.kind is EntityKind.USER:
            if link.id == approver:
                return _reason("self-approval", f"{approver} is in the chain that asks ({chain}).", hint)
            continue
        entries: Mapping[str, AgentEntry | ServiceEntry] = (
            directory.services if link.kind is EntityKind.SERVICE else directory.agents
        )
        entry = entries.get(link.id)
        if entry is None:
            # Nobody can be shown to be independent of a link whose owner is not known any more.
            return _reason(
                "unknown-link", f"{link.id} is in the directory no more.", "Deny this request, or put the entry back."
            )
        if entry.owner == approver:
            return _reason("owner-approval", f"{approver} owns {link.id}, which takes part in the call.", hint)
    return None


def _reason(code: str, message: str, hint: str) -> Reason:
    return Reason(plane=Plane.ACTION, code=code, message=message, hint=hint)
