"""`bailiwick audit`: verify, show, why, reconcile."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bailiwick import ApprovalPending, Denied
from tests.cli.terminal import Said
from tests.worlds import LOGS, MAIL, Tool, decisions, make_world, opened

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
    (path,) = (folder / LOGS).glob("*.db")
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
    shown = terminal("audit", "show", "--dir", folder)
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
    listed = terminal("audit", "show", "--dir", folder)
    assert listed.code == 0
    denial = next(event for event in decisions(folder) if event.body["outcome"] == "deny")
    assert denial.id in listed.out
    last = terminal("audit", "show", "--dir", folder, "--last", "2", "--json").json
    assert [event["kind"] for event in last][-1] == "session.closed"
    assert len(last) == 2
    assert terminal("audit", "show", "--dir", folder, "--session", "no such", "--json").json == []
    shown = terminal("audit", "show", denial.id, "--dir", folder)
    assert shown.code == 0
    assert '{"id":"9"}' in shown.out
    told = terminal("audit", "show", denial.id, "--dir", folder, "--json").json
    assert (told["id"], told["contents"]["args"]) == (denial.id, '{"id":"9"}')
    missing = terminal("audit", "show", "no-such-event", "--dir", folder)
    assert (missing.code, missing.out) == (2, "")
    assert "no-such-event" in missing.err


def test_why_says_where_an_argument_came_from(terminal: Terminal, folder: Path) -> None:
    (mail,) = decisions(folder, "mail.send")
    said = terminal("audit", "why", mail.id, "--dir", folder)
    assert said.code == 0
    assert "mail.send: needs_approval" in said.out
    assert "to: nothing endorses it" in said.out
    assert "tool:page.read" in said.out
    told = terminal("audit", "why", mail.id, "--dir", folder, "--json").json
    (to,) = (argument for argument in told["arguments"] if argument["name"] == "to")
    assert to["endorsed"] is False
    (origin, *_) = to["origins"]
    assert origin["source"] == "tool:page.read"
    assert "approval.requested" in said.out, "and what followed"
    assert terminal("audit", "why", "no-such-event", "--dir", folder).code == 2


def test_reconcile_asks_for_all_it_needs(terminal: Terminal, folder: Path) -> None:
    (mail,) = decisions(folder, "mail.send")
    for arguments, part in (
        ([mail.id, "--as", "bob"], "--ran"),
        ([mail.id, "--ran"], "--as"),
        ([mail.id, "--ran", "--as", "nobody"], "nobody"),
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
    done = terminal("audit", "reconcile", put.id, "--did-not-run", "--as", "bob", "--note", "looked", "--dir", folder)
    assert done.code == 0
    assert put.id not in terminal("audit", "verify", folder).out
    assert "action.reconciled" in terminal("audit", "why", put.id, "--dir", folder).out
    with opened(folder, conversation="c-3") as session:
        assert session.check("put.none", {"id": "1"}).allowed
