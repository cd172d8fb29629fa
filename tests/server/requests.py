"""A world in which two leads have to agree, and agents that ask."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from bailiwick import ApprovalPending, Guard, Session
from bailiwick.action.approvals import Approval, card_digest
from bailiwick.model.canonical import canonical, parse, thaw
from bailiwick.model.label import Integrity, Label
from tests.worlds import AGENT, FILES, MAIL, Tool, make_world

__all__ = ["LEADS_ONLY", "TWO", "ask", "drawn_anew", "stranger", "two_leads"]

TWO = FILES["policies/desk.cedar"].replace('@approvers("Group::leads")', '@approvers("Group::leads") @quorum("2")')

LEADS_ONLY = FILES["administration/people.cedar"].replace(
    'permit (principal, action == Action::"admin.approve", resource);',
    'permit (principal in Group::"leads", action == Action::"admin.approve", resource);',
)


def two_leads(folder: Path, **replaced: str | None) -> Path:
    """Mail to strangers takes two leads."""
    return make_world(folder, **{"policies_desk_cedar": TWO, **replaced})


def ask(
    guard: Guard,
    args: Mapping[str, Any] = MAIL,
    *,
    purpose: str = "Answer ticket 4711",
    conversation: str = "c-1",
    before: Callable[[Session], object] = lambda session: None,
) -> Approval:
    """Alice's agent wants to send a mail. → the request"""
    with guard.session(user="alice", agent=AGENT, task=purpose, conversation=conversation) as session:
        before(session)
        with pytest.raises(ApprovalPending) as pending:
            session.call("mail.send", dict(args), run=Tool().run)
    found = guard.state.get("acme", "test", pending.value.approval_id)
    assert found is not None
    return found


def stranger(session: Session, text: str, source: str = "kb") -> None:
    """The session reads what anybody may have written and anybody may read."""
    label = Label(integrity=Integrity.UNTRUSTED, sources=frozenset({source}))
    session.retrieved(source, [text], label=label)


def drawn_anew(guard: Guard, item: Approval, **parts: Any) -> Approval:
    """The same request under another id, with other parts of its card, as a store in other hands could hold it."""
    card = parse(item.card)
    assert isinstance(card, dict)
    plain = {
        name: value for name, value in {**{k: thaw(v) for k, v in card.items()}, **parts}.items() if value is not ...
    }
    drawn = canonical(plain)
    made = dataclasses.replace(
        item, id=f"apr-{len(guard.state.pending('acme', 'test')):012d}", card=drawn, card_digest=card_digest(drawn)
    )
    guard.state.save(made)
    return made
