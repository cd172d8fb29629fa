"""What one signed-in person may see of the requests, as plain JSON for a page and its twin.

INVARIANT: nothing of a request leaves this module before `guard.approvals.approving.may_look` lets this person see it:
by the rules on administration, or as the user on whose behalf it was made. Who may not gets the same answer as for a
request that does not exist, and is in no count.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bailiwick.action.approval_card import card_arguments
from bailiwick.action.approval_vote import vote
from bailiwick.action.approvals import Approval, ApprovalStatus
from bailiwick.action.grouping import group_of
from bailiwick.action.standing import closed_arguments
from bailiwick.guard.administration.entitled import is_own, may
from bailiwick.guard.approvals.approving import may_look, may_say, pending, seen_by
from bailiwick.model.administration import AdminAction, admin_resource
from bailiwick.model.approver import ProofMethod, Proven
from bailiwick.model.decision import Gate, Reason
from bailiwick.model.duration import duration_text
from bailiwick.project import Guard
from bailiwick.server.cards import editable, shown_card

__all__ = ["Reader"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """One person before one project."""

    guard: Guard
    by: Proven

    @property
    def now_ms(self) -> int:
        return self.guard.engine.ports.clock() // 1000

    def waiting(self) -> tuple[Approval, ...]:
        """The requests that wait and that this person may see, oldest first."""
        return self.guard.engine.administer(lambda core: pending(core, self.by)).visible

    def find(self, approval_id: str) -> Approval | None:
        """The request; None if there is none, or none for this person's eyes."""
        settings = self.guard.project.settings.decisions
        found = self.guard.state.get(settings.tenant, settings.env, approval_id)
        return found if found is not None and self.may_see(found) else None

    def answered(self, most: int) -> tuple[Approval, ...]:
        """What was asked lately, waits no more, and is for this person's eyes: newest first."""
        settings = self.guard.project.settings.decisions
        now_ms = self.now_ms
        over = tuple(
            item
            for item in self.guard.state.history(settings.tenant, settings.env, most)
            if item.status_at(now_ms) is not ApprovalStatus.REQUESTED
        )
        return self.guard.engine.administer(lambda core: seen_by(core, over, self.by))

    def own(self, item: Approval) -> bool:
        """Whether it was asked for on this person's behalf."""
        return is_own(self.guard.engine.ports.holding.latest, self.by.user, (str(link) for link in item.chain.links))

    def may_see(self, asked: Approval) -> bool:
        return self.guard.engine.administer(lambda core: may_look(core, asked, self.by)) is None

    def may_say(self, item: Approval) -> bool:
        """Whether the rules let this person, who sees it, answer it: gates apart."""
        return may_say(self.guard.engine.ports.holding.now(), item, self.by, self.now_ms)

    @property
    def reads_approvers(self) -> bool:
        """Whether there is a page *Answers* for this person."""
        planes = self.guard.engine.ports.holding.latest
        return may(planes, self.by.user, AdminAction.READ_APPROVERS, admin_resource("approvers"), now_ms=self.now_ms)

    def traces_of(self, approval_id: str) -> object:
        """What this request's page is drawn from. As for `traces_of_waiting`."""
        settings = self.guard.project.settings.decisions
        found = self.guard.state.get(settings.tenant, settings.env, approval_id)
        return self._traces(() if found is None else (found,))

    def traces_of_waiting(self) -> object:
        """What the list of requests is drawn from, compared and never shown: nobody was asked whether this person may
        know of it."""
        settings = self.guard.project.settings.decisions
        return self._traces(self.guard.state.pending(settings.tenant, settings.env))

    def _traces(self, approvals: Iterable[Approval]) -> object:
        now_ms = self.now_ms
        planes = self.guard.engine.ports.holding.now()
        rules = (planes.administration.digest, planes.rules_digest, planes.suspensions, planes.bundle)
        return rules, tuple(
            (item.id, item.status_at(now_ms), len(item.votes), _escalated(item, now_ms)) for item in approvals
        )

    def refusal(self, asked: Approval, *, grant: bool, gate: str | None = None) -> Reason | None:
        """Why this person's yes (or no) would not count now; None if it would, as far as can be known before."""
        signed = any(item.phishing_resistant for item in asked.gates)
        # Whether the signature is there is seen when they answer.
        by = dataclasses.replace(self.by, method=ProofMethod.SIGNED) if signed else self.by
        judged = vote(
            asked,
            by=by,
            gates=None if gate is None else (gate,),
            grant=grant,
            directory=self.guard.engine.ports.holding.now().directory,
            now_ms=self.now_ms,
        )
        return judged if isinstance(judged, Reason) else None

    def row(self, item: Approval) -> dict[str, Any]:
        """A request in a list."""
        card = shown_card(item)
        return {
            "id": item.id,
            "status": item.status_at(self.now_ms).value,
            "group": group_of(item),
            "tool": item.tool,
            "chain": [{"kind": link.kind.value, "id": link.id} for link in item.chain.links],
            "task": item.task,
            "purpose": card.parts.get("purpose", "") if card.complete else "",
            "effects": card.parts.get("effects", []) if card.complete else [],
            "resources": card.parts.get("resources", []) if card.complete else [],
            "recipients": card.parts.get("recipients", []) if card.complete else [],
            "tainted": card.tainted,
            "yours": self.refusal(item, grant=True) is None and self.may_say(item),
            "own": self.own(item),
            "requested_ms": item.requested_ms,
            "expires_ms": item.expires_ms,
            "gates": [_gate(item, gate) for gate in item.gates],
            "votes": _votes(item),
            "edited_by": item.edited_by,
        }

    def rememberable(self, item: Approval) -> dict[str, Any] | None:
        """For how much a yes to this request can be remembered, None if it cannot be."""
        planes = self.guard.engine.ports.holding.now()
        tool = planes.catalog.tools.get(item.tool)
        if tool is None or any(gate.no_standing for gate in item.gates):
            return None
        settings = planes.settings
        names = frozenset(card_arguments(item.card))
        return {
            "count": settings.standing_count,
            "ttl": duration_text(min(settings.standing_ttl_ms, 7_200_000)),
            "open": sorted(names - frozenset(closed_arguments(tool, names))),
        }

    def page(self, item: Approval) -> dict[str, Any]:
        """All of a request."""
        card = shown_card(item)
        status = item.status_at(self.now_ms)
        may_say = self.may_say(item)
        no_yes = self.refusal(item, grant=True)
        no_no = self.refusal(item, grant=False)
        # A granted request is over for the page; whoever wants it back says no to it.
        asks = status in (ApprovalStatus.REQUESTED, ApprovalStatus.GRANTED)
        return {
            **self.row(item),
            "digest": item.digest,
            "card_digest": item.card_digest,
            "card": card.data(),
            "raw": item.card.decode("utf-8", "backslashreplace"),
            "may_approve": asks and may_say and no_yes is None and card.complete,
            "may_deny": asks and may_say and no_no is None,
            "may_withdraw": asks and self.own(item),
            "sign": any(gate.phishing_resistant for gate in item.gates),
            "remember": self.rememberable(item),
            "editable": editable(card_arguments(item.card)) if card.complete else "",
            "refusals": [no_yes.message] if asks and no_yes is not None else [],
            "edit_of": item.edit_of,
            "successor": item.successor,
        }


def _gate(item: Approval, gate: Gate) -> Mapping[str, Any]:
    return {
        "id": gate.id,
        "kind": gate.kind.value,
        "reason": gate.reason,
        "quorum": gate.quorum,
        "approvers": [f"{ref.kind.value} {ref.id}" for ref in gate.approvers],
        "phishing_resistant": gate.phishing_resistant,
        "escalate_to": [f"{ref.kind.value} {ref.id}" for ref in gate.escalate_to],
        "escalate_ms": item.requested_ms + gate.escalate_after_ms if gate.escalate_to else None,
        "granted": sorted(item.votes_for(gate.id)),
    }


def _votes(item: Approval) -> list[dict[str, Any]]:
    return [
        {
            "gate": cast.gate,
            "by": cast.approver,
            "granted": cast.granted,
            "at_ms": cast.at_ms,
            "method": cast.method.value,
        }
        for cast in item.votes
    ]


def _escalated(item: Approval, now_ms: int) -> tuple[bool, ...]:
    """For each gate whether more people may answer by now."""
    return tuple(bool(gate.escalate_to) and now_ms >= item.requested_ms + gate.escalate_after_ms for gate in item.gates)
