"""Who may vote on an approval, and what a vote does to it. Pure; a refused vote is a `Reason`.

- A gate of kind APPROVAL needs independent people whom the gate names (by user, group or role): nobody from the chain,
  nobody who owns a link of it, nobody twice.
- A gate of kind CONFIRM takes its vote from the chain's root user alone. INVARIANT: that vote is for that gate; it
  never counts as an approval.
- One denial by somebody who may vote on a gate denies the approval.

DESIGN §4 (gates), §5 *Action* (separation of duties).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from typing import assert_never

from bailiwick.action.approvals import Approval, ApprovalStatus, Vote
from bailiwick.model.decision import Gate, GateKind, Plane, Reason
from bailiwick.model.directory import AgentEntry, Directory, ServiceEntry
from bailiwick.model.principal import EntityKind, EntityRef

__all__ = ["vote"]


def vote(
    approval: Approval,
    *,
    approver: str,
    gates: Collection[str] | None = None,
    grant: bool,
    directory: Directory,
    now_ms: int,
    os_user: str,
) -> Approval | Reason:
    """The approval with one person's vote on `gates` (None: on each gate that is theirs to vote on), or why not.

    A named gate on which the person may not vote refuses the whole vote. One denial denies the approval.
    """
    refused = _not_votable(approval, grant=grant, now_ms=now_ms) or _not_a_person(directory, approver)
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
    verdicts = [(gate, _may_not_vote(approval, gate, approver, grant=grant, directory=directory)) for gate in asked]
    open_gates = [gate for gate, reason in verdicts if reason is None]
    reasons = [reason for _, reason in verdicts if reason is not None]
    if reasons and (gates is not None or not open_gates):
        return reasons[0]
    if not open_gates:
        return _reason("no-gate", "The vote names no gate.", f"Its gates: {', '.join(sorted(by_id))}.")
    cast = tuple(
        Vote(
            gate=gate.id,
            approver=approver,
            granted=grant,
            at_ms=now_ms,
            os_user=os_user,
            card_digest=approval.card_digest,
        )
        for gate in open_gates
    )
    voted = dataclasses.replace(approval, votes=(*approval.votes, *cast))
    if not grant:
        return dataclasses.replace(voted, status=ApprovalStatus.DENIED)
    return dataclasses.replace(voted, status=ApprovalStatus.GRANTED) if voted.complete else voted


def _not_votable(approval: Approval, *, grant: bool, now_ms: int) -> Reason | None:
    status = approval.status_at(now_ms)
    if now_ms < approval.requested_ms:
        return _reason(
            "clock-backwards",
            f"The clock is behind the time at which approval {approval.id} was requested.",
            "Set this machine's clock right.",
        )
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


def _may_not_vote(approval: Approval, gate: Gate, approver: str, *, grant: bool, directory: Directory) -> Reason | None:
    """Why this known, active person has no vote on `gate`."""
    match gate.kind:
        case GateKind.CONFIRM:
            if approval.chain.root != EntityRef(kind=EntityKind.USER, id=approver):
                return _reason(
                    "not-the-user",
                    f"'{gate.id}' is for the user to confirm on whose behalf the call is made, not for {approver}.",
                    f"{approval.chain.root.id} has to confirm it.",
                )
        case GateKind.APPROVAL:
            # To say no needs no independence: it only ever narrows.
            refused = _involved(approval, gate, approver, directory) if grant else None
            if refused is not None:
                return refused
            mine = directory.groups_of(approver) | {EntityRef(kind=EntityKind.USER, id=approver)}
            if mine.isdisjoint(gate.approvers):
                named = ", ".join(f"{ref.kind.value} {ref.id}" for ref in gate.approvers) or "nobody"
                return _reason("not-an-approver", f"{approver} may not decide on '{gate.id}'.", f"Who may: {named}.")
        case _:  # pragma: no cover
            assert_never(gate.kind)
    if grant and approver in approval.votes_for(gate.id):
        return _reason("duplicate-approver", f"{approver} voted on '{gate.id}' before.", "Another person has to vote.")
    return None


def _involved(approval: Approval, gate: Gate, approver: str, directory: Directory) -> Reason | None:
    """Separation of duties: who takes part in a call, or answers for one of its links, does not approve it."""
    hint = f"'{gate.id}' needs an independent person."
    for link in approval.chain.links:
        if link.kind is EntityKind.USER:
            if link.id == approver:
                return _reason("self-approval", f"{approver} is in the chain that asks ({approval.chain}).", hint)
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
