"""`bailiwick audit`: verify, show, why, reconcile."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from bailiwick import ApprovalPending, Denied
from bailiwick.model.event import EventKind
from tests.cli.terminal import Said
from tests.worlds import LOGS, MAIL, Tool, decisions, events, make_world, opened

Terminal = Callable[..., Said]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project in which something happened: a stranger's page named whom to mail."""
    folder = make_world(tmp_path)
    with opened(folder) as session:
        session.prompt("Please tell Ann")
        session.call("page.read", {"id": "1"}, run=Tool({"write to": "ann@customer.example"}).run)
        with pytest.raises(ApprovalPending):
            session.call("mail.send", MAIL, run=Tool().run)
        with pytest.raises(Denied):
            session.call("page.read", {"id": "9"}, run=Tool().run)
    return folder


def the_log(folder: Path) -> Path:
    (path,) = (folder / LOGS).glob("log-*.db")
    return path


def test_a_sound_log(terminal: Terminal, folder: Path) -> None:
    said = terminal("audit", "verify", folder)
    assert (said.code, said.err) == (0, "")
    assert "sound" in said.out
    told = terminal("audit", "verify", folder, "--json").json
    assert (told["state"], told["unknown"], told["problems"]) == ("sound", [], [])
    assert terminal("audit", "verify", folder / LOGS).code == 0, "a folder of logs, without its project"
    (log,) = told["logs"]
    head = f"{log['log']}={log['records']}:{log['root']}"
    assert head in said.out
    assert terminal("audit", "verify", folder, "--expect", head).code == 0


def test_a_flipped_bit_is_named(terminal: Terminal, folder: Path) -> None:
    data = bytearray(the_log(folder).read_bytes())
    data[data.index(b'"outcome":"deny"') + 13] ^= 1
    the_log(folder).write_bytes(data)
    said = terminal("audit", "verify", folder)
    assert said.code == 1
    assert "tampered" in said.out
    (problem, *_) = terminal("audit", "verify", folder, "--json").json["logs"][0]["problems"]
    assert problem["event"] in said.out
    assert problem["seq"] is not None
    shown = terminal("audit", "show", "--as", "bob", "--dir", folder)
    assert (shown.code, shown.out) == (2, ""), "nothing is shown as if it were what was written"
    assert "is not what was written" in shown.err


def test_a_log_that_was_cut_off_against_a_head_kept_elsewhere(terminal: Terminal, folder: Path) -> None:
    name = the_log(folder).stem
    said = terminal("audit", "verify", folder, "--expect", f"{name}=9999:sha256:{'0' * 64}")
    assert said.code == 1
    gone = terminal("audit", "verify", folder, "--expect", f"log-gone=1:sha256:{'0' * 64}")
    assert gone.code == 1
    assert "log-gone" in gone.out
    assert terminal("audit", "verify", folder, "--expect", "nonsense").code == 2


def test_what_cannot_be_read_is_no_verdict(terminal: Terminal, folder: Path, tmp_path: Path) -> None:
    the_log(folder).write_bytes(b"not a database" * 400)
    said = terminal("audit", "verify", folder)
    assert said.code == 2
    assert "unreadable" in said.out
    empty = make_world(tmp_path / "empty")
    said = terminal("audit", "verify", empty)
    assert (said.code, said.out) == (2, "")
    assert "no log" in said.err
    assert "what to do:" in said.err


def test_events_are_listed_and_shown_with_their_contents(terminal: Terminal, folder: Path) -> None:
    listed = terminal("audit", "show", "--as", "bob", "--dir", folder)
    assert listed.code == 0
    denial = next(event for event in decisions(folder) if event.body["outcome"] == "deny")
    assert denial.id in listed.out
    last = terminal("audit", "show", "--as", "bob", "--dir", folder, "--last", "2", "--json").json
    assert [event["kind"] for event in last] == ["policy.activated", "admin.decided"], "this very look"
    missing = terminal("audit", "show", "--as", "bob", "--dir", folder, "--session", "no such", "--json")
    assert (missing.code, missing.out) == (2, "")
    theirs = terminal("audit", "show", "--as", "bob", "--dir", folder, "--session", "c-1", "--json").json
    assert "decision" in {event["kind"] for event in theirs}
    assert len({event["session"] for event in theirs if event["session"]}) == 1
    shown = terminal("audit", "show", "--as", "bob", denial.id, "--dir", folder)
    assert shown.code == 0
    assert '{"id":"9"}' not in shown.out
    assert "args: (withheld; --reveal shows it)" in shown.out
    told = terminal("audit", "show", "--as", "bob", denial.id, "--dir", folder, "--json").json
    assert (told["id"], told["contents"], told["withheld"]) == (denial.id, {}, ["args", "snapshot"])
    shown = terminal("audit", "show", "--as", "bob", "--reveal", denial.id, "--dir", folder)
    assert shown.code == 0
    assert '{"id":"9"}' in shown.out
    told = terminal("audit", "show", "--as", "bob", "--reveal", denial.id, "--dir", folder, "--json").json
    assert (told["id"], told["contents"]["args"]) == (denial.id, '{"id":"9"}')
    missing = terminal("audit", "show", "--as", "bob", "no-such-event", "--dir", folder)
    assert (missing.code, missing.out) == (2, "")
    assert "no-such-event" in missing.err


def test_why_says_where_an_argument_came_from(terminal: Terminal, folder: Path) -> None:
    (mail,) = decisions(folder, "mail.send")
    said = terminal("audit", "why", "--as", "bob", mail.id, "--dir", folder)
    assert said.code == 0
    assert "mail.send: needs_approval" in said.out
    assert "to: nothing endorses it" in said.out
    assert "tool:page.read" in said.out
    told = terminal("audit", "why", "--as", "bob", mail.id, "--dir", folder, "--json").json
    (to,) = (argument for argument in told["arguments"] if argument["name"] == "to")
    assert to["endorsed"] is False
    (origin, *_) = to["origins"]
    assert origin["source"] == "tool:page.read"
    assert "approval.requested" in said.out, "and what followed"
    assert terminal("audit", "why", "--as", "bob", "no-such-event", "--dir", folder).code == 2


@pytest.mark.parametrize("verb", ["show", "why"])
def test_reading_is_governed_and_recorded_before_it_happens(terminal: Terminal, folder: Path, verb: str) -> None:
    (mail,) = decisions(folder, "mail.send")
    nobody = terminal("audit", verb, mail.id, "--dir", folder)
    assert (nobody.code, nobody.out) == (2, "")
    assert "BAILIWICK_AS" in nobody.err
    for person, flags, code in (
        ("alice", [], 1),
        ("nobody", [], 1),
        ("dora", [], 0),
        ("dora", ["--reveal"], 1),
        ("bob", ["--reveal"], 0),
    ):
        said = terminal("audit", verb, mail.id, "--as", person, *flags, "--dir", folder)
        assert (said.code, said.err) == (code, ""), person
        assert ("refused" in said.out) is (code == 1)
        assert ("mail.send" in said.out) is (code == 0), "nothing is shown to who is refused"
    assert [
        (event.body["by"], event.body["action"], event.body["outcome"])
        for event in events(folder)
        if event.kind is EventKind.ADMIN_DECIDED
    ] == [
        ("alice", "admin.read_log", "deny"),
        ("nobody", "admin.read_log", "deny"),
        ("dora", "admin.read_log", "allow"),
        ("dora", "admin.read_log", "allow"),
        ("dora", "admin.reveal", "deny"),
        ("bob", "admin.read_log", "allow"),
        ("bob", "admin.reveal", "allow"),
    ]
    assert terminal("audit", "verify", folder).code == 0
    refused = terminal("audit", verb, mail.id, "--as", "alice", "--dir", folder, "--json")
    assert (refused.code, refused.json["code"]) == (1, "not-an-administrator")


def test_a_projects_log_is_governed_by_whatever_way_it_is_named_and_a_copy_is_not(
    terminal: Terminal, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    for way in (folder / LOGS, LOGS, Path(".bailiwick/../.bailiwick/log/")):
        assert terminal("audit", "show", "--dir", way).code == 2
        assert terminal("audit", "show", "--dir", way, "--as", "alice").code == 1
    copy = tmp_path / "copy"
    shutil.copytree(folder / LOGS, copy)
    said = terminal("audit", "show", "--dir", copy)
    assert said.code == 0
    assert "mail.send" in said.out
    assert "no rules say who may read it" in said.err


def test_a_project_without_rules_on_administration_says_what_to_write(terminal: Terminal, folder: Path) -> None:
    (folder / "administration/people.cedar").unlink()
    said = terminal("audit", "show", "--as", "bob", "--dir", folder)
    assert said.code == 1
    rule = 'permit (principal == User::"bob", action == Action::"admin.read_log", resource);'
    assert rule in said.out
    (folder / "administration/people.cedar").write_text(f'@id("bob") {rule}')
    assert terminal("audit", "show", "--as", "bob", "--dir", folder).code == 0


def test_reconcile_asks_for_all_it_needs(terminal: Terminal, folder: Path) -> None:
    (mail,) = decisions(folder, "mail.send")
    for arguments, part in (
        ([mail.id, "--as", "bob"], "--ran"),
        ([mail.id, "--ran"], "--as"),
        ([mail.id, "--ran", "--as", "bob"], "not in doubt"),
        (["no-such-event", "--ran", "--as", "bob"], "no-such-event"),
    ):
        said = terminal("audit", "reconcile", *arguments, "--dir", folder)
        assert (said.code, said.out) == (2, "")
        assert part in said.err


def test_a_call_that_may_have_run_is_listed_until_somebody_says_what_became_of_it(
    terminal: Terminal, folder: Path
) -> None:
    class Stop(BaseException):
        pass

    def stop(**args: object) -> None:
        raise Stop

    with opened(folder, conversation="c-2") as session, pytest.raises(Stop):
        session.call("put.none", {"id": "1"}, run=stop)
    (put,) = decisions(folder, "put.none")
    said = terminal("audit", "verify", folder)
    assert said.code == 0, "it is accounted for"
    assert put.id in said.out
    for person in ("eve", "nobody"):
        refused = terminal("audit", "reconcile", put.id, "--did-not-run", "--as", person, "--dir", folder, "--json")
        assert (refused.code, refused.json["done"]) == (1, False)
    assert put.id in terminal("audit", "verify", folder).out
    done = terminal("audit", "reconcile", put.id, "--did-not-run", "--as", "bob", "--note", "looked", "--dir", folder)
    assert done.code == 0
    assert put.id not in terminal("audit", "verify", folder).out
    assert "action.reconciled" in terminal("audit", "why", "--as", "bob", put.id, "--dir", folder).out
    with opened(folder, conversation="c-3") as session:
        assert session.check("put.none", {"id": "1"}).allowed
