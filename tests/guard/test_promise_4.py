"""Promise 4 (DESIGN §3): what was approved is what runs, once, as the approver saw it."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from bailiwick import ApprovalPending, Denied, Guard, Session
from bailiwick.audit.report import State
from bailiwick.model.event import EventKind
from bailiwick.stores.log_verification import verify_folder
from tests.worlds import (
    AGENT,
    LOGS,
    MAIL,
    Clock,
    Tool,
    abandon,
    approve,
    asked,
    call,
    decisions,
    edit,
    events,
    make_world,
    opened,
    with_ports,
)

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_world(tmp_path)


@pytest.fixture
def session(folder: Path) -> Iterator[Session]:
    with opened(folder) as session:
        yield session


def ask(session: Session, args: dict[str, Any] | None = None) -> ApprovalPending:
    """Make the call; it waits for approval, and the tool does not run."""
    tool = Tool()
    with pytest.raises(ApprovalPending) as pending:
        session.call("mail.send", MAIL if args is None else args, run=tool.run)
    assert tool.runs == []
    return pending.value


def granted(session: Session, args: dict[str, Any] | None = None) -> str:
    approval_id = ask(session, args).approval_id
    assert approve(session, approval_id).code == ""
    return approval_id


def noted(pending: ApprovalPending) -> str:
    """Why the approval that there is was of no use."""
    return pending.decision.reasons[0].code


@pytest.mark.parametrize("use_async", [False, True], ids=["sync", "async"])
def test_promise_4_an_approved_call_runs_once_with_the_approved_bytes(
    folder: Path, session: Session, use_async: bool
) -> None:
    approval_id, tool = granted(session), Tool()
    call(session, "mail.send", MAIL, tool, use_async=use_async)
    assert tool.runs == [MAIL]
    again = ask(session)
    assert noted(again) == "approval-used"
    assert again.approval_id not in ("", approval_id), "a new request"
    (allowed,) = (event for event in decisions(folder, "mail.send") if event.body["outcome"] == "allow")
    assert allowed.body["approved"] == [{"approval": approval_id, "gate": "external-mail"}]
    assert verify_folder(folder / LOGS).state is State.SOUND


def test_promise_4_asking_again_does_not_ask_twice(session: Session) -> None:
    assert ask(session).approval_id == ask(session).approval_id
    assert len(asked(session)) == 1


CHANGES: dict[str, dict[str, Any]] = {
    "body": {**MAIL, "body": "Good morning!"},
    "case of the body": {**MAIL, "body": "good morning"},
    "white space": {**MAIL, "body": "Good morning "},
    "normal form": {**MAIL, "subject": "He\u0301llo"},
    "recipient": {**MAIL, "to": ["ann@customer.example.evil.example"]},
    "recipient more": {**MAIL, "to": [*MAIL["to"], "eve@else.example"]},
    "order of recipients": {**MAIL, "to": ["bob@acme.example", "ann@customer.example"]},
}


@pytest.mark.parametrize("changed", CHANGES.values(), ids=CHANGES.keys())
def test_promise_4_a_changed_call_is_another_call(session: Session, changed: dict[str, Any]) -> None:
    granted(session)
    assert noted(ask(session, changed)) == "approval-of-another-call"
    tool = Tool()
    session.call("mail.send", MAIL, run=tool.run)
    assert tool.runs == [MAIL], "the approved one still runs"


def test_promise_4_an_approval_is_for_one_session_chain_and_task(folder: Path) -> None:
    with opened(folder) as session:
        granted(session)
    tool = Tool()
    with Guard.open(folder) as guard:
        others: tuple[dict[str, Any], ...] = (
            {"user": "alice", "agent": AGENT, "task": "Work", "conversation": "c-2"},
            {"user": "bob", "agent": AGENT, "task": "Work", "conversation": "c-1"},
            {"user": "alice", "agent": "helper", "task": "Work", "conversation": "c-1"},
            {"user": "alice", "agent": AGENT, "task": "Other work", "conversation": "c-1"},
        )
        for other in others:
            with guard.session(**other) as stranger, pytest.raises(ApprovalPending):
                stranger.call("mail.send", MAIL, run=tool.run)
        with guard.session(user="alice", agent=AGENT, task="Work", conversation="c-1") as session:
            helper = session.delegate("helper")
            with pytest.raises(ApprovalPending):
                helper.call("mail.send", MAIL, run=tool.run)
            assert tool.runs == []
            session.call("mail.send", MAIL, run=tool.run)
    assert len(tool.runs) == 1


@pytest.mark.parametrize(
    ("who", "code"),
    [
        ("alice", "self-approval"),
        ("carol", "owner-approval"),
        ("eve", "not-an-approver"),
        ("gone", "inactive-person"),
        ("mallory", "unknown-person"),
        (AGENT, "unknown-person"),
    ],
)
def test_promise_4_only_an_independent_approver_counts(folder: Path, session: Session, who: str, code: str) -> None:
    pending = ask(session)
    assert approve(session, pending.approval_id, who).code == code
    ask(session)
    (refused,) = (event for event in events(folder) if event.kind is EventKind.APPROVAL_REFUSED)
    assert (refused.body["by"], refused.body["code"]) == (who, code), "who tried is on record"


def test_promise_4_a_lead_in_the_chain_does_not_approve_for_herself(folder: Path) -> None:
    with (
        Guard.open(folder) as guard,
        guard.session(user="bob", agent=AGENT, task="Work") as session,
    ):
        pending = ask(session)
        assert approve(session, pending.approval_id, "bob").code == "self-approval"
        assert approve(session, pending.approval_id, "dora").code == ""


def test_promise_4_the_owner_of_the_service_at_the_root_does_not_approve(folder: Path) -> None:
    edit(folder, "policies/desk.cedar", '@id("support-people")', '@id("service") permit (principal is Service, '
         'action == Action::"mail.send", resource);\n@id("support-people")')  # fmt: skip
    edit(folder, "directory.toml", 'owner   = "carol"', 'owner   = "dora"')
    with Guard.open(folder) as guard, guard.session(service="nightly", agent=AGENT, task="Work") as session:
        pending = ask(session)
        assert approve(session, pending.approval_id, "dora").code == "owner-approval"
        assert approve(session, pending.approval_id, "bob").code == ""


def test_promise_4_a_quorum_takes_different_people(folder: Path) -> None:
    edit(folder, "policies/desk.cedar", '@approvers("Group::leads")', '@approvers("Group::leads") @quorum("2")')
    with opened(folder) as session:
        pending = ask(session)
        assert approve(session, pending.approval_id, "bob").code == ""
        assert ask(session).approval_id == pending.approval_id
        assert approve(session, pending.approval_id, "bob").code == "duplicate-approver"
        ask(session)
        assert approve(session, pending.approval_id, "dora").code == ""
        session.call("mail.send", MAIL, run=Tool().run)


def test_promise_4_a_denial_is_final_for_its_request(session: Session) -> None:
    pending = ask(session)
    assert approve(session, pending.approval_id, "dora", grant=False).code == ""
    assert approve(session, pending.approval_id, "bob").code == "approval-denied"
    again = ask(session)
    assert noted(again) == "approval-denied"
    assert again.approval_id != pending.approval_id


@pytest.mark.parametrize("granted_before", [False, True], ids=["request", "grant"])
def test_promise_4_an_approval_expires(session: Session, granted_before: bool) -> None:
    clock = Clock(time.time_ns() // 1000)
    with_ports(session, clock=clock)
    pending = ask(session)
    if granted_before:
        assert approve(session, pending.approval_id).code == ""
    clock.forward(ms=15 * 60_000)
    if not granted_before:
        assert approve(session, pending.approval_id).code == "approval-expired"
    again = ask(session)
    assert again.approval_id != pending.approval_id
    if granted_before:
        assert noted(again) == "approval-expired"
    clock.forward(ms=-1)
    ask(session)
    abandon(session)


@pytest.mark.parametrize("what", ["tainted", "more sensitive"])
def test_promise_4_an_approval_ends_when_the_session_sees_more_than_the_card_showed(
    folder: Path, session: Session, what: str
) -> None:
    granted(session)
    if what == "tainted":
        session.call("page.read", {"id": "1"}, run=Tool("a stranger's page").run)
    else:
        session.call("fact.read", {"id": "1"}, run=Tool({"mail": "x@acme.example"}).run)
    again = ask(session)
    assert noted(again) == "approval-label-risen"
    assert approve(session, again.approval_id).code == ""
    session.call("mail.send", MAIL, run=Tool().run)


def test_promise_4_a_rise_in_another_process_counts_too(folder: Path, session: Session) -> None:
    granted(session)
    with opened(folder) as elsewhere:
        elsewhere.call("page.read", {"id": "1"}, run=Tool("a stranger's page").run)
    assert noted(ask(session)) == "approval-label-risen"


def test_promise_4_a_call_that_is_denied_anyway_is_not_asked_about(folder: Path, session: Session) -> None:
    more = '@id("no-mail-to-evil") forbid (principal, action == Action::"mail.send", resource)\nwhen {{ {} }};\n'
    edit(
        folder,
        "policies/desk.cedar",
        '@id("page-9-is-closed")',
        more.format('context.args.to.domains.contains("evil.example")') + '@id("page-9-is-closed")',
    )
    with opened(folder, conversation="other") as again:
        with pytest.raises(Denied) as refused:
            again.call("mail.send", {**MAIL, "to": ["a@evil.example"]}, run=Tool().run)
        assert refused.value.decision.reasons[0].code == "no-mail-to-evil"
        assert asked(again) == ()


def test_promise_4_of_many_threads_in_many_processes_one_runs(folder: Path) -> None:
    """None of them knows of the others; each waits at the start until all are there."""
    with opened(folder) as session:
        approval_id = granted(session)
    threads = (17, 17, 16)
    racers = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.guard.race", str(folder), str(count), "same"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for count in threads
    ]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    assert sorted(racer.communicate(timeout=60)[0] for racer in racers) == ["0\n", "0\n", "1\n"]
    assert len((folder / "ran").read_text().split()) == 1
    report = verify_folder(folder / LOGS)
    assert report.state is State.SOUND
    assert report.problems == ()
    tried = decisions(folder, "mail.send")
    assert sum(event.body["outcome"] == "allow" for event in tried) == 1
    assert len(tried) == sum(threads) + 1
    assert [event.body["approved"] for event in tried if event.body["approved"]] == [
        [{"approval": approval_id, "gate": "external-mail"}]
    ]


def test_promise_4_a_store_that_other_hands_wrote_a_grant_into_lifts_nothing(folder: Path, session: Session) -> None:
    ask(session)
    forged = "CAST(replace(CAST(body AS TEXT), '\"requested\"', '\"granted\"') AS BLOB)"
    with closing(sqlite3.connect(folder / ".bailiwick/state.db", isolation_level=None)) as other:
        other.execute(f"UPDATE approvals SET status = 'granted', body = {forged}")
        [(written,)] = other.execute("SELECT CAST(body AS TEXT) FROM approvals").fetchall()
    assert '"granted"' in written
    ask(session)


def test_promise_4_a_delegation_is_approved_with_its_zones_and_its_time(folder: Path) -> None:
    edit(
        folder,
        "policies/desk.cedar",
        '@id("page-9-is-closed")',
        '@id("handing-on") @gate("approval") @approvers("Group::leads")\n'
        'forbid (principal, action == Action::"agent.delegate", resource)\n'
        'unless { context.approved.contains("handing-on") };\n@id("page-9-is-closed")',
    )
    with opened(folder) as session:
        narrow: dict[str, Any] = {"tools": ["page.read"], "zones": ["pages"], "ttl_ms": 1000}
        with pytest.raises(ApprovalPending) as pending:
            session.delegate("helper", **narrow)
        assert approve(session, pending.value.approval_id).code == ""
        for wider in ({"zones": None}, {"ttl_ms": None}, {"ttl_ms": 60_000}):
            with pytest.raises(ApprovalPending) as other:
                session.delegate("helper", **{**narrow, **wider})
            assert noted(other.value) == "approval-of-another-call"
        assert session.delegate("helper", **narrow).chain[-1] == 'Agent::"helper"'
