"""`bailiwick approvals`: a person answers in another process than the one that asks."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bailiwick import ApprovalPending, Denied, Session
from bailiwick.audit.report import State
from bailiwick.model.event import EventKind
from bailiwick.stores.log_verification import verify_folder
from tests.cli.terminal import Said, in_a_process
from tests.worlds import LOGS, MAIL, Tool, asked, edit, events, make_world, opened

Terminal = Callable[..., Said]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_world(tmp_path)


@pytest.fixture
def session(folder: Path) -> Iterator[Session]:
    """It stays open, as an agent's would, while people answer."""
    with opened(folder) as session:
        with pytest.raises(ApprovalPending):
            session.call("mail.send", MAIL, run=Tool().run)
        yield session


def test_the_request_is_listed_and_its_card_shows_what_would_run(
    terminal: Terminal, folder: Path, session: Session
) -> None:
    (request,) = asked(session)
    listed = terminal("approvals", "list", "--as", "bob", "--dir", folder)
    assert listed.code == 0
    for part in (request, "mail.send", "alice", "desk-bot", "external-mail"):
        assert part in listed.out
    (item,) = terminal("approvals", "list", "--as", "bob", "--dir", folder, "--json").json
    assert (item["id"], item["status"], item["tool"], item["gates"]) == (
        request,
        "requested",
        "mail.send",
        ["external-mail"],
    )
    shown = terminal("approvals", "show", request, "--as", "bob", "--dir", folder)
    assert shown.code == 0
    for part in ("ann@customer.example", "Good morning", "Mail to strangers needs a lead."):
        assert part in shown.out
    card = terminal("approvals", "show", request, "--as", "bob", "--dir", folder, "--json").json["card"]
    assert "Good morning" in json.dumps(card)


def test_what_another_process_approved_runs_here_once(folder: Path, session: Session) -> None:
    (request,) = asked(session)
    said = in_a_process("approvals", "approve", request, "--as", "bob", "--dir", folder)
    assert (said.code, said.err) == (0, "")
    assert "granted" in said.out
    tool = Tool()
    session.call("mail.send", MAIL, run=tool.run)
    assert len(tool.runs) == 1
    with pytest.raises(ApprovalPending):
        session.call("mail.send", MAIL, run=tool.run)
    assert len(tool.runs) == 1
    (granted,) = (event for event in events(folder) if event.kind is EventKind.APPROVAL_GRANTED)
    assert granted.body["by"] == "bob"
    assert str(granted.body["os_user"]).split(":")[0].isdigit()
    assert verify_folder(folder / LOGS).state is State.SOUND


@pytest.mark.parametrize(
    ("who", "code"),
    [
        ("alice", "self-approval"),
        ("carol", "owner-approval"),
        ("eve", "not-an-approver"),
        ("nobody", "unknown-person"),
        ("gone", "inactive-person"),
    ],
)
def test_an_answer_that_does_not_count_is_refused_and_recorded(
    terminal: Terminal, folder: Path, session: Session, who: str, code: str
) -> None:
    (request,) = asked(session)
    said = terminal("approvals", "approve", request, "--as", who, "--dir", folder)
    assert said.code == 1
    assert "refused" in said.out
    told = terminal("approvals", "approve", request, "--as", who, "--dir", folder, "--json")
    assert (told.code, told.json["counted"], told.json["code"]) == (1, False, code)
    assert [event.body["code"] for event in events(folder) if event.kind is EventKind.APPROVAL_REFUSED] == [code] * 2
    with pytest.raises(ApprovalPending):
        session.call("mail.send", MAIL, run=Tool().run)


def test_a_denial_ends_the_request(terminal: Terminal, folder: Path, session: Session) -> None:
    (request,) = asked(session)
    assert terminal("approvals", "deny", request, "--as", "dora", "--dir", folder, "--json").json["status"] == "denied"
    assert terminal("approvals", "approve", request, "--as", "bob", "--dir", folder).code == 1
    assert terminal("approvals", "list", "--as", "bob", "--dir", folder).out == "nothing waits for approval\n"
    assert terminal("approvals", "list", "--as", "bob", "--dir", folder, "--json").json == []
    with pytest.raises(ApprovalPending) as again:
        session.call("mail.send", MAIL, run=Tool().run)
    assert again.value.approval_id != request


def test_a_gate_that_the_request_does_not_have_is_refused(terminal: Terminal, folder: Path, session: Session) -> None:
    (request,) = asked(session)
    said = terminal("approvals", "approve", request, "--as", "bob", "--gate", "other", "--dir", folder)
    assert said.code == 1
    assert "external-mail" in said.out


def test_what_is_not_there_is_said(terminal: Terminal, folder: Path) -> None:
    for arguments in (["list"], ["show", "apr-1"]):
        said = terminal("approvals", *arguments, "--as", "bob", "--dir", folder)
        assert (said.code, said.out) == (2, "")
        assert "nothing ran in this project yet" in said.err
        assert "what to do:" in said.err
    with opened(folder):
        said = terminal("approvals", "show", "apr-1", "--as", "bob", "--dir", folder)
        assert said.code == 2
        assert "apr-1" in said.err
        assert terminal("approvals", "approve", "apr-1", "--as", "bob", "--dir", folder).code == 1
    for arguments in (["list"], ["show", "apr-1"], ["approve", "apr-1"]):
        said = terminal("approvals", *arguments, "--dir", folder)
        assert said.code == 2, "who?"
        assert "--as" in said.err


def test_whoever_may_not_answer_sees_no_card(terminal: Terminal, folder: Path, session: Session) -> None:
    edit(folder, "administration/people.cedar", "permit (principal, act", 'permit (principal in Group::"leads", act')
    (request,) = asked(session)
    said = terminal("approvals", "show", request, "--as", "eve", "--dir", folder)
    assert said.code == 1
    assert "admin.approve" in said.out
    assert "Good morning" not in said.out
    told = terminal("approvals", "show", request, "--as", "eve", "--dir", folder, "--json")
    assert (told.code, told.json["code"]) == (1, "not-an-administrator")
    listed = terminal("approvals", "list", "--as", "eve", "--dir", folder)
    assert (listed.code, listed.out) == (0, "nothing waits for approval; 1 that eve may not see\n")
    assert terminal("approvals", "list", "--as", "eve", "--dir", folder, "--json").json == []
    looked = [event.body for event in events(folder) if event.kind is EventKind.ADMIN_DECIDED]
    assert [(body["by"], body["resource"], body["outcome"]) for body in looked] == [
        ("eve", "tools/mail.send", "deny")
    ] * 4
    assert verify_folder(folder / LOGS).state is State.SOUND


def test_who_one_is_may_stand_in_the_environment(
    terminal: Terminal, folder: Path, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    (request,) = asked(session)
    monkeypatch.setenv("BAILIWICK_AS", "bob")
    assert terminal("approvals", "show", request, "--dir", folder).code == 0
    assert terminal("approvals", "approve", request, "--as", "alice", "--dir", folder).code == 1, "--as comes first"
    assert terminal("approvals", "approve", request, "--dir", folder).code == 0


def test_a_request_is_approved_with_other_arguments(terminal: Terminal, folder: Path, session: Session) -> None:
    (request,) = asked(session)
    how = ("--as", "bob", "--dir", folder, "--json")
    told = terminal("approvals", "approve", request, "--edit", 'subject="Good evening"', *how)
    assert (told.code, told.json["status"], told.json["edit_of"]) == (0, "granted", request)
    assert told.json["card"]["edit"]["asked"] == {"subject": "Hello"}
    old = terminal("approvals", "show", request, *how).json
    assert (old["status"], old["successor"], old["edited"]["subject"]) == ("edited", told.json["id"], "Good evening")
    with pytest.raises(Denied) as original:
        session.call("mail.send", MAIL, run=Tool().run)
    assert "Good evening" in str(original.value)
    tool = Tool()
    session.call("mail.send", {**MAIL, "subject": "Good evening"}, run=tool.run)
    assert len(tool.runs) == 1


@pytest.mark.parametrize(
    ("edits", "said"),
    [
        (["subject"], "does not name one argument"),
        (["=1"], "does not name one argument"),
        (["subject=Good evening"], "--edit subject"),
        (['subject="a"', 'subject="b"'], "does not name one argument"),
    ],
)
def test_an_edit_that_cannot_be_read_is_refused(
    terminal: Terminal, folder: Path, session: Session, edits: list[str], said: str
) -> None:
    (request,) = asked(session)
    given = [part for edit in edits for part in ("--edit", edit)]
    told = terminal("approvals", "approve", request, *given, "--as", "bob", "--dir", folder)
    assert told.code == 2
    assert said in told.err
    left_out = terminal(
        "approvals", "approve", request, "--edit", "subject=null", "--as", "bob", "--dir", folder, "--json"
    )
    assert (left_out.code, left_out.json["code"]) == (1, "edit-denied"), "it is no optional argument"


def test_the_user_withdraws_and_history_tells(terminal: Terminal, folder: Path, session: Session) -> None:
    (request,) = asked(session)
    how = ("--dir", folder)
    assert terminal("approvals", "withdraw", request, "--as", "bob", *how).code == 1
    assert terminal("approvals", "withdraw", request, "--as", "alice", *how).out == f"{request} is withdrawn\n"
    (item,) = terminal("approvals", "history", "--as", "bob", *how, "--json").json
    assert (item["id"], item["status"]) == (request, "withdrawn")
    told = terminal("approvals", "history", "--as", "bob", *how)
    assert request in told.out
    assert "withdrawn" in told.out


def test_the_user_sees_and_withdraws_what_was_asked_for_them_and_answers_nothing(
    terminal: Terminal, folder: Path, session: Session
) -> None:
    edit(folder, "administration/people.cedar", "permit (principal, act", 'permit (principal in Group::"leads", act')
    (request,) = asked(session)
    how = ("--as", "alice", "--dir", folder)
    (item,) = terminal("approvals", "list", *how, "--json").json
    assert item["id"] == request
    assert "Good morning" in terminal("approvals", "show", request, *how).out
    for verb in (["approve"], ["deny"], ["approve", "--edit", 'subject="Hi"']):
        told = terminal("approvals", verb[0], request, *verb[1:], *how, "--json")
        assert told.code == 1
    assert terminal("approvals", "show", request, *how, "--json").json["status"] == "requested"
    assert terminal("approvals", "withdraw", request, *how).code == 0


def test_history_says_who_edited(terminal: Terminal, folder: Path, session: Session) -> None:
    (request,) = asked(session)
    how = ("--as", "bob", "--dir", folder)
    terminal("approvals", "approve", request, "--edit", 'subject="Good evening"', *how)
    rows = {row["id"]: row for row in terminal("approvals", "history", *how, "--json").json}
    assert (rows[request]["status"], rows[request]["edited_by"], rows[request]["votes"]) == ("edited", "bob", [])
    assert "edited by bob" in " ".join(terminal("approvals", "history", *how).out.split())
    assert "edited by bob" in terminal("approvals", "show", request, *how).out
