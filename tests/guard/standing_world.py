"""The world of `tests.worlds` with people who say that calls like one may run without them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bailiwick import ApprovalPending, Session
from bailiwick.action.remember import Remember
from bailiwick.action.standing import StandingGrant
from bailiwick.guard.approvals.approving import Answer, answer
from bailiwick.guard.approvals.forgetting import revoke_standing
from bailiwick.model.decision import Reason
from tests.worlds import MAIL, Tool, claimed, edit, make_world

HOUR = 3_600_000


def make_quiet_world(folder: Path) -> Path:
    """In which sending a mail shows the session nothing that it may not know: else the first use would be the last."""
    make_world(folder)
    old, new = (
        '"none"\noutput       = { untrusted = [] }',
        '"none"\noutput       = { untrusted = [], sensitivity = "public" }',
    )
    edit(folder, "tools/desk.toml", old, new)
    return folder


def ask(session: Session, args: dict[str, Any] | None = None) -> ApprovalPending:
    """Make the call; it waits for people, and the tool does not run."""
    tool = Tool()
    with pytest.raises(ApprovalPending) as pending:
        session.call("mail.send", MAIL if args is None else args, run=tool.run)
    assert tool.runs == []
    return pending.value


def remembered(
    session: Session, approval_id: str, *, by: str = "bob", count: int = 5, ttl_ms: int = HOUR, **more: Any
) -> str:
    """A yes that is to hold for calls like this one. → the code of the refusal, or ""."""
    more["open"] = frozenset(more.get("open", ()))
    terms = Remember(count=count, ttl_ms=ttl_ms, **more)
    given = Answer(approval_id=approval_id, by=claimed(by), grant=True, remember=terms)
    told = session._engine.administer(lambda core: answer(core, given))
    return told.code if isinstance(told, Reason) else ""


def standing(session: Session, args: dict[str, Any] | None = None, **terms: Any) -> StandingGrant:
    """A standing grant for calls like this one, whose own single yes was used already."""
    args = MAIL if args is None else args
    assert remembered(session, ask(session, args).approval_id, **terms) == ""
    send(session, args)
    return grants(session)[-1]


def grants(session: Session) -> tuple[StandingGrant, ...]:
    return session._engine.ports.remembered.newest("acme", "test", 100)


def revoke(session: Session, grant_id: str, by: str = "bob") -> str:
    told = session._engine.administer(lambda core: revoke_standing(core, grant_id, claimed(by)))
    return told.code if isinstance(told, Reason) else ""


def send(session: Session, args: dict[str, Any] | None = None) -> None:
    """Make the call; it runs once, with these arguments."""
    tool = Tool()
    session.call("mail.send", MAIL if args is None else args, run=tool.run)
    assert tool.runs == [MAIL if args is None else args]


def why(session: Session, args: dict[str, Any] | None = None) -> str:
    """Why people are asked, although something is remembered."""
    return ask(session, args).decision.reasons[0].code
