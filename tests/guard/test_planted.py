"""Planted requests: they look like any other, and nothing ever comes of a yes to one."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from bailiwick import Session
from bailiwick.action.approval_card import card_arguments
from bailiwick.action.approval_store import ApprovalStore
from bailiwick.action.approvals import Approval, ApprovalStatus, consume, usable
from bailiwick.action.notices import News, happened
from bailiwick.errors import StoreError
from bailiwick.guard.approvals.approvers import approvers
from bailiwick.guard.approvals.approving import Answer, answer, pending
from bailiwick.model.canonical import parse
from bailiwick.model.decision import Reason
from bailiwick.model.event import EventKind
from tests.guard.standing_world import ask, make_quiet_world, remembered, send
from tests.worlds import MAIL, approve, claimed, edit, events, opened, with_ports

ALWAYS = bytes(40)
NEVER = b"\xff" * 40


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    folder = make_quiet_world(tmp_path)
    edit(folder, "bailiwick.toml", "[permits]", "[approvals]\ncheck_rate = 0.25\n\n[permits]")
    edit(
        folder,
        "administration/people.cedar",
        '@id("leads-read")',
        '@id("dora-reads-of-approvers")\n'
        'permit (principal == User::"dora", action == Action::"admin.read_approvers", resource);\n\n@id("leads-read")',
    )
    with opened(folder) as session:
        with_ports(session, entropy=lambda count: ALWAYS[:count])
        assert approve(session, ask(session).approval_id).code == ""
        send(session)
        yield session


def look(session: Session, by: str = "bob") -> tuple[Approval, ...]:
    return session._engine.administer(lambda core: pending(core, claimed(by))).visible


def planted(session: Session) -> Approval:
    (found,) = look(session)
    assert found.planted
    return found


def store(session: Session) -> ApprovalStore:
    return session._engine.ports.approvals


def kinds(session: Session, folder: Path) -> list[EventKind]:
    return [event.kind for event in events(folder)]


def test_it_is_the_card_of_a_real_one_with_a_recipient_that_looks_alike(session: Session, tmp_path: Path) -> None:
    found = planted(session)
    assert card_arguments(found.card) == {**MAIL, "to": ["ann@customer-example.net"]}
    card = parse(found.card)
    assert isinstance(card, dict)
    real = parse(store(session).by_session(session.id)[0].card)
    assert isinstance(real, dict)
    assert card["recipients"] == ["ann@customer-example.net"]
    same = ("v", "tool", "effects", "resources", "chain", "task", "purpose", "reasons", "label")
    assert {name: card[name] for name in same} == {name: real[name] for name in same}
    assert card["digest"] == found.digest != real["digest"]
    assert card.keys() - {"before"} == real.keys()
    (event,) = (event for event in events(tmp_path) if event.kind is EventKind.APPROVAL_PLANTED)
    assert (event.body["approval"], event.body["for"]) == (found.id, "bob"), "an auditor knows from the start"


def test_it_is_planted_by_chance_one_at_a_time_and_for_those_alone_who_could_answer(session: Session) -> None:
    with_ports(session, entropy=lambda count: NEVER[:count])
    assert look(session) == ()
    with_ports(session, entropy=lambda count: ALWAYS[:count])
    assert look(session, "carol") == (), "she owns the agent"
    assert look(session, "alice") == (), "it would be her own"
    first = planted(session)
    assert look(session) == (first,)
    assert look(session, "dora") == (first,), "whoever else looks sees the same"


def test_of_many_who_look_at_once_one_plants(session: Session) -> None:
    ready = threading.Barrier(6)

    def run(by: str) -> None:
        ready.wait()
        look(session, by)

    threads = [threading.Thread(target=run, args=(by,)) for by in ("bob", "dora") * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [item.planted for item in store(session).pending("acme", "test")] == [True]


def test_without_the_setting_nothing_is_planted(tmp_path: Path) -> None:
    with opened(make_quiet_world(tmp_path)) as session:
        with_ports(session, entropy=lambda count: ALWAYS[:count])
        assert approve(session, ask(session).approval_id).code == ""
        send(session)
        assert look(session) == ()


def test_who_approves_it_is_told_at_once_and_it_lifts_nothing(session: Session, tmp_path: Path) -> None:
    found = planted(session)
    assert approve(session, found.id).code == "check-failed"
    assert approve(session, found.id, "dora").code == "approval-denied", "it is over"
    kept = store(session).get("acme", "test", found.id)
    assert kept is not None
    assert kept.status is ApprovalStatus.DENIED
    assert EventKind.APPROVAL_CHECK_FAILED in kinds(session, tmp_path)
    assert EventKind.APPROVAL_GRANTED in kinds(session, tmp_path), "that of the real one"
    ask(session, {**MAIL, "to": ["ann@customer-example.net"]})


@pytest.mark.parametrize(
    ("args", "said", "votes"),
    [
        ({**MAIL, "to": ["ann@customer-example.net"], "body": "Shorter"}, "check-failed", [True]),
        ({**MAIL, "to": ["ben@CUSTOMER-example.net"]}, "check-failed", [True]),
        (MAIL, "check-passed", [False]),
        ({**MAIL, "to": ["ann@customer-example.net"]}, "edit-changes-nothing", []),
    ],
)
def test_an_edit_counts_as_what_it_makes_of_the_recipient(
    session: Session, tmp_path: Path, args: dict[str, object], said: str, votes: list[bool]
) -> None:
    found = planted(session)
    given = Answer(approval_id=found.id, by=claimed("bob"), grant=True, edited=args)
    told = session._engine.administer(lambda core: answer(core, given))
    assert isinstance(told, Reason)
    assert told.code == said
    kept = store(session).get("acme", "test", found.id)
    assert kept is not None
    assert [vote.granted for vote in kept.votes] == votes
    assert kept.status is (ApprovalStatus.DENIED if votes else ApprovalStatus.REQUESTED)
    assert (EventKind.APPROVAL_CHECK_FAILED in kinds(session, tmp_path)) is (said == "check-failed")
    assert (EventKind.APPROVAL_CHECK_PASSED in kinds(session, tmp_path)) is (said == "check-passed")
    assert EventKind.APPROVAL_EDITED not in kinds(session, tmp_path)


@pytest.mark.parametrize("grant", [True, False])
def test_no_channel_tells_that_it_was_granted(session: Session, grant: bool) -> None:
    found = planted(session)
    approve(session, found.id, grant=grant)
    kept = store(session).get("acme", "test", found.id)
    assert kept is not None
    later = found.requested_ms + 5000
    assert happened(kept, later) == ((News.REQUESTED, found.requested_ms), (News.DENIED, kept.latest_ms))


def test_a_yes_to_it_is_not_remembered(session: Session) -> None:
    assert remembered(session, planted(session).id) == "check-failed"
    assert session._engine.ports.remembered.newest("acme", "test", 10) == ()


def test_who_denies_it_has_passed(session: Session, tmp_path: Path) -> None:
    answered = approve(session, planted(session).id, grant=False)
    assert answered.code == ""
    assert answered.approval is not None
    assert answered.approval.status is ApprovalStatus.DENIED
    assert EventKind.APPROVAL_CHECK_PASSED in kinds(session, tmp_path)


@pytest.mark.parametrize("status", [ApprovalStatus.GRANTED, ApprovalStatus.CONSUMED, ApprovalStatus.EDITED])
def test_no_store_lets_it_become_anything_that_lifts_a_gate(session: Session, status: ApprovalStatus) -> None:
    found = planted(session)
    (real,) = (item for item in store(session).by_session(session.id) if item.id != found.id)
    votes = tuple(dataclasses.replace(vote, card_digest=found.card_digest) for vote in real.votes)
    forged = dataclasses.replace(found, votes=votes, status=status, edited=b"{}" if status == "edited" else b"")
    assert forged.complete
    with pytest.raises(StoreError):
        store(session).compare_and_set(found, forged)
    with pytest.raises(ValueError, match="not granted"):
        consume(forged)
    refused = usable(forged, found.asked, found.requested_ms)
    assert isinstance(refused, Reason)


def test_the_agent_s_session_knows_nothing_of_it(session: Session) -> None:
    found = planted(session)
    assert found.id not in {item.id for item in store(session).by_session(session.id)}
    assert ask(session, {**MAIL, "body": "More"}).approval_id != found.id


def test_statistics_are_facts_for_whoever_may_know_them(session: Session) -> None:
    assert approve(session, planted(session).id).code == "check-failed"
    assert approve(session, planted(session).id, grant=False).code == ""
    assert approve(session, ask(session, {**MAIL, "body": "No"}).approval_id, "dora", grant=False).code == ""
    refused = session._engine.administer(lambda core: approvers(core, claimed("bob")))
    assert isinstance(refused, Reason)
    assert refused.code == "not-an-administrator"
    told = session._engine.administer(lambda core: approvers(core, claimed("dora")))
    assert not isinstance(told, Reason)
    found = {each.person: (each.answers, each.yes, each.checks, each.checks_failed) for each in told}
    assert found == {"bob": (1, 1, 2, 1), "dora": (1, 0, 0, 0)}
    assert all(each.median_ms is not None and each.p90_ms is not None for each in told)
