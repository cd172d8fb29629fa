"""What the guard answers at its public edge: a permit with what its tool receives, or the exception of a refusal."""

from __future__ import annotations

import logging
from typing import Any

from bailiwick.errors import ApprovalPending, BailiwickError, Denied
from bailiwick.guard.core import Refusal
from bailiwick.guard.state import Permit, PermitState, SessionState
from bailiwick.model.canonical import parse, thaw
from bailiwick.model.decision import Reason

__all__ = ["arguments", "claimed", "opened", "permitted", "refusal_error", "warn_of_unused"]

_LOG = logging.getLogger("bailiwick")


def permitted(answer: Permit | Refusal) -> Permit:
    """The permit; raises where there is none."""
    if isinstance(answer, Refusal):
        raise refusal_error(answer)
    if answer.decision.observed is not None:
        # Not what would have been said to the model: rules may quote what nobody should read in a log.
        what, rules = answer.decision.observed.word, ", ".join(answer.decision.observed.rules) or "no permit"
        _LOG.warning("%s %s (%s), see event %s", what, answer.action.tool.name, rules, answer.event_id)
    return answer


def claimed(permit: Permit, reason: Reason | Refusal | None) -> None:
    """Raises why the permit could not be started, if it could not."""
    if isinstance(reason, Refusal):
        raise refusal_error(reason)
    if reason is not None:
        raise Denied(
            reason.message,
            decision=permit.decision,
            event_id=permit.event_id,
            hint=reason.hint,
            receipt=permit.receipt,
        )


def opened(answer: SessionState | Refusal) -> SessionState:
    """The state of the session; raises why it could not be opened."""
    if isinstance(answer, SessionState):
        return answer
    reason = answer.decision.reasons[0]
    raise Denied(
        reason.message,
        decision=answer.decision,
        event_id=answer.event_id,
        hint=reason.hint,
        receipt=answer.receipt,
    )


def arguments(permit: Permit) -> dict[str, Any]:
    """What the tool receives: rebuilt from the canonical bytes that were digested, not from what the framework
    holds."""
    rebuilt = thaw(parse(permit.action.args))
    assert isinstance(rebuilt, dict)
    assert permit.state is PermitState.STARTED
    return rebuilt


def warn_of_unused(permit: Permit) -> None:
    """The rules were told that these arguments are enforced, and the tool went another way."""
    if permit.handles.unused:
        names = ", ".join(permit.handles.unused)
        _LOG.warning("%s did not use the effector of %s, see event %s", permit.action.tool.name, names, permit.event_id)


def refusal_error(refusal: Refusal) -> BailiwickError:
    """The exception of the public edge for a refusal."""
    decision = refusal.decision
    if refusal.approval_id:
        return ApprovalPending(
            f"{decision.sentence()} (approval {refusal.approval_id})",
            decision=decision,
            event_id=refusal.event_id,
            approval_id=refusal.approval_id,
            receipt=refusal.receipt,
            hint=f"bailiwick approvals show {refusal.approval_id}; make the same call again once it is granted",
        )
    return Denied(
        decision.sentence(),
        decision=decision,
        event_id=refusal.event_id,
        receipt=refusal.receipt,
        hint=f"bailiwick audit why {refusal.event_id}" if refusal.event_id else "It could not be recorded either.",
    )
