"""The session that a call is made in, found without plumbing."""

from __future__ import annotations

from bailiwick.errors import Denied
from bailiwick.guard.current import current_session
from bailiwick.guard.decide import deny
from bailiwick.guard.engine import Engine
from bailiwick.guard.session import Session
from bailiwick.model.decision import Plane, Reason

__all__ = ["nobody_answers", "refused", "session_for"]


def session_for(engine: Engine, what: str) -> Session:
    """The session of this engine that the thread or task is in. Raises Denied, and records it, where there is none."""
    session = current_session()
    if session is not None and session.belongs_to(engine):
        return session
    raise refused(
        engine,
        what,
        Reason(
            plane=Plane.IDENTITY,
            code="no-session",
            message=f"{what} was called outside of a session, so nobody answers for it.",
            hint="Call it inside `with guard.session(user=..., agent=..., task=...):`.",
        ),
    )


def refused(engine: Engine, what: str, reason: Reason) -> Denied:
    """The denial of something that no session could be asked about, on record."""
    decision = deny(what, reason)
    refusal = engine.record_refusal(decision)
    return Denied(
        decision.sentence(),
        decision=decision,
        event_id=refusal.event_id,
        hint=reason.hint,
        receipt=refusal.receipt,
    )


def nobody_answers(what: str) -> Denied:
    """The denial of something for which every Guard is closed that could have decided it, or recorded it."""
    reason = Reason(
        plane=Plane.GUARD,
        code="guard-closed",
        message=f"{what} was sealed by a Guard that is closed, so nothing is decided and nothing runs.",
        hint="Keep the Guard open as long as its agents run; guard.unseal() lets them run without it.",
    )
    decision = deny(what, reason)
    return Denied(decision.sentence(), decision=decision, event_id="", hint=reason.hint)
