"""`bailiwick agents`: who there is, who is suspended, and stopping what has to stop."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bailiwick import Denied
from bailiwick.audit.report import State
from bailiwick.stores.log_verification import verify_folder
from tests.cli.terminal import Said
from tests.worlds import LOGS, Tool, make_world, opened

Terminal = Callable[..., Said]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_world(tmp_path)


def suspend(terminal: Terminal, folder: Path, *what: str, by: str = "carol") -> Said:
    return terminal("agents", "suspend", *what, "--as", by, "--reason", "odd mails", "--dir", folder)


def test_agents_are_listed_also_where_nothing_ran_yet(terminal: Terminal, folder: Path) -> None:
    said = terminal("agents", "list", "--dir", folder)
    assert (said.code, said.err) == (0, "")
    told = terminal("agents", "list", "--dir", folder, "--json").json
    assert [one["agent"] for one in told["agents"]] == ["desk-bot", "helper", "off-bot", "scout"]
    assert [one["active"] for one in told["agents"]] == [True, True, False, True]
    assert told["suspended"] == []
    assert not (folder / ".bailiwick").exists(), "looking makes nothing"


def test_a_suspension_is_shown_with_who_when_and_why(terminal: Terminal, folder: Path) -> None:
    said = suspend(terminal, folder, "desk-bot")
    assert said.code == 0
    assert said.out == "agents/desk-bot is suspended\nwho may resume it: bob, dora\n"
    suspend(terminal, folder, "--tool", "read_page")
    listed = terminal("agents", "list", "--dir", folder).out
    assert listed.count("by carol: odd mails") == 2
    assert "tools/page.read" in listed, "by the catalog's own name"
    told = terminal("agents", "list", "--dir", folder, "--json").json
    assert [(one["kind"], one["name"], one["by"]) for one in told["suspended"]] == [
        ("agents", "desk-bot", "carol"),
        ("tools", "page.read", "carol"),
    ]
    refused = terminal("agents", "resume", "desk-bot", "--as", "carol", "--dir", folder)
    assert refused.code == 1
    assert "Who may: bob, dora." in refused.out
    lifted = terminal("agents", "resume", "desk-bot", "--as", "bob", "--dir", folder)
    assert (lifted.code, lifted.out) == (0, "agents/desk-bot may go on\n")
    again = terminal("agents", "resume", "desk-bot", "--as", "bob", "--dir", folder, "--json")
    assert (again.code, again.json["code"]) == (1, "not-suspended")
    assert verify_folder(folder / LOGS).state is State.SOUND


@pytest.mark.parametrize(
    "what",
    [["--user", "alice"], ["--tool", "page.read"], ["--session", "c-1"], ["--everything"], ["desk-bot"]],
    ids=lambda what: what[0],
)
def test_each_kind_of_switch_stops_and_lets_go(terminal: Terminal, folder: Path, what: list[str]) -> None:
    with opened(folder) as session:
        told = terminal("agents", "suspend", *what, "--as", "carol", "--reason", "x", "--dir", folder, "--json").json
        assert told["done"] is True
        assert told["may_resume"] == ["bob", "dora"]
        with pytest.raises(Denied, match="suspended"):
            session.call("page.read", {"id": "1"}, run=Tool().run)
        assert terminal("agents", "resume", *what, "--as", "bob", "--dir", folder).code == 0
        session.call("page.read", {"id": "1"}, run=Tool().run)


def test_a_conversation_names_its_session_and_with_it_those_of_sub_agents(terminal: Terminal, folder: Path) -> None:
    with opened(folder) as session, session.delegate("helper") as child:
        assert suspend(terminal, folder, "--session", "c-1").code == 0
        for one in (session, child):
            assert one.check("page.read", {"id": "1"}).reasons[0].code == "suspended"
        assert terminal("agents", "resume", "--session", "c-1", "--as", "bob", "--dir", folder).code == 0
        assert suspend(terminal, folder, "--session", child.id).code == 0
        assert session.check("page.read", {"id": "1"}).allowed
        assert not child.check("page.read", {"id": "1"}).allowed


def test_a_conversation_of_several_sessions_has_to_be_told_apart(terminal: Terminal, folder: Path) -> None:
    with opened(folder), opened(folder, agent="helper") as other:
        said = suspend(terminal, folder, "--session", "c-1")
        assert (said.code, said.out) == (2, "")
        assert other.id in said.err
        assert suspend(terminal, folder, "--session", "no-such").code == 2
        assert suspend(terminal, folder, "--session", other.id).code == 0


def test_what_is_not_one_known_thing_is_refused(terminal: Terminal, folder: Path) -> None:
    for what in ([], ["desk-bot", "--everything"], ["--tool", "page.read", "--user", "alice"]):
        said = suspend(terminal, folder, *what)
        assert (said.code, said.out) == (2, ""), what
    said = suspend(terminal, folder, "desk-bt")
    assert said.code == 1
    assert "did you mean 'desk-bot'?" in said.out
    assert terminal("agents", "suspend", "desk-bot", "--reason", "x", "--dir", folder).code == 2, "who?"
    assert terminal("agents", "suspend", "desk-bot", "--as", "carol", "--dir", folder).code == 2, "why?"
    assert suspend(terminal, folder, "desk-bot", by="eve").code == 1
    assert terminal("agents", "list", "--dir", folder, "--json").json["suspended"] == []


def test_what_left_the_directory_can_still_be_resumed(terminal: Terminal, folder: Path) -> None:
    suspend(terminal, folder, "--tool", "put.nobody")
    catalog = (folder / "tools/desk.toml").read_text()
    (folder / "tools/desk.toml").write_text(catalog.partition('[tools."put.nobody"]')[0])
    rules = folder / "policies/desk.cedar"
    rules.write_text(rules.read_text().replace('[Action::"page.read", Action::"put.nobody"]', 'Action::"page.read"'))
    rules.write_text(rules.read_text().replace('action in Action::"page.read"', 'action == Action::"page.read"'))
    assert "tools/put.nobody" in terminal("agents", "list", "--dir", folder).out
    assert terminal("agents", "resume", "--tool", "put.nobody", "--as", "bob", "--dir", folder).code == 0
