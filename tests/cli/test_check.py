"""`bailiwick check` and `bailiwick explain`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.terminal import Said
from tests.worlds import FILES, MAIL, edit, make_world

Terminal = Callable[..., Said]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_world(tmp_path)


def test_a_project_that_is_right(terminal: Terminal, folder: Path) -> None:
    said = terminal("check", folder)
    assert (said.code, said.err) == (0, "")
    for part in ("ok", "9 policies", "8 tools", "6 users", "4 agents", "embedded"):
        assert part in said.out
    assert not (folder / ".bailiwick").exists(), "nothing is opened or written"
    told = terminal("check", folder, "--json").json
    assert (told["ok"], told["policies"], told["findings"]) == (True, 9, [])


def test_errors_are_told_with_file_line_and_what_to_do(terminal: Terminal, folder: Path) -> None:
    edit(folder, "policies/desk.cedar", 'action == Action::"agent.delegate", resource);\n\n@id("people',
         'action == Action::"agent.delegat", resource);\n\n@id("people')  # fmt: skip
    lines = (folder / "policies/desk.cedar").read_text().splitlines()
    line = next(number for number, text in enumerate(lines, 1) if 'agent.delegat"' in text)
    said = terminal("check", folder)
    assert said.code == 1
    assert f"policies/desk.cedar:{line}: error:" in said.out
    assert "agent.delegate" in said.out.split("what to do:")[1]
    told = terminal("check", folder, "--json")
    assert told.code == 1
    (finding,) = told.json["findings"]
    assert told.json["ok"] is False
    assert (finding["file"], finding["line"], finding["severity"]) == ("policies/desk.cedar", line, "error")
    assert set(finding) == {"rule", "severity", "file", "line", "message", "hint"}


def test_a_warning_does_not_fail_the_check(terminal: Terminal, folder: Path) -> None:
    edit(folder, "policies/desk.cedar", '@approvers("Group::leads")', '@approvers("Group::leads") @quorum("9")')
    said = terminal("check", folder)
    assert said.code == 0
    assert "warning" in said.out
    (finding,) = terminal("check", folder, "--json").json["findings"]
    assert (finding["severity"], finding["rule"]) == ("warning", "gate-out-of-reach")


def test_no_project_and_bad_usage_are_no_findings(terminal: Terminal, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    for arguments in (["check"], ["check", tmp_path], ["check", tmp_path / "none"], ["check", "--jsn"], ["chek"]):
        said = terminal(*arguments)
        assert said.code == 2
        assert said.out == ""
        assert said.err
    said = terminal("check")
    assert "error:" in said.err
    assert "what to do:" in said.err
    assert str(tmp_path) in said.err


# ── explain ────────────────────────────────────────────────────────────────────────────────────────────────────────


def explain(terminal: Terminal, folder: Path, tool: str, args: dict[str, Any] | str, *more: str, **who: str) -> Said:
    given = {"user": "alice", "agent": "desk-bot", "task": "Some work", **who}
    options = [part for name, value in given.items() for part in (f"--{name}", value) if value]
    text = args if isinstance(args, str) else json.dumps(args)
    return terminal("explain", folder, *options, "--tool", tool, "--args", text, *more)


def test_explain_names_the_policies_of_each_link(terminal: Terminal, folder: Path) -> None:
    said = explain(terminal, folder, "read_page", {"id": "1"})
    assert said.code == 0
    assert said.out.startswith("page.read: allow")
    assert 'User::"alice" on Resource::"pages/1" permits: support-people' in said.out
    assert 'Agent::"desk-bot" on Resource::"pages/1" permits: desk-agents' in said.out
    assert not (folder / ".bailiwick").exists(), "nothing is recorded, nobody is asked"


def test_explain_names_the_link_that_lacks_a_permit(terminal: Terminal, folder: Path) -> None:
    said = explain(terminal, folder, "put.nobody", {"id": "1"}, agent="scout")
    assert said.code == 0
    (missing,) = (line for line in said.out.splitlines() if "missing" in line)
    assert 'User::"alice"' in missing
    links = explain(terminal, folder, "put.nobody", {"id": "1"}, "--json", agent="scout").json["links"]
    assert [(link["link"], link["missing_permit"], link["policies"]) for link in links] == [
        ('User::"alice"', True, []),
        ('Agent::"scout"', False, ["scouts-read"]),
    ]


@pytest.mark.parametrize(
    ("tool", "args", "more", "outcome", "code"),
    [
        ("page.read", {"id": "9"}, (), "deny", "page-9-is-closed"),
        ("mail.send", MAIL, (), "needs_approval", "external-mail"),
        ("put.safe", {"id": "item-7"}, ("--unknown", "a stranger's text"), "deny", "chosen-by-others"),
        ("put.safe", {"id": "item-7"}, ("--unknown", "a text", "--prompt", "put item-7"), "allow", "desk-agents"),
        ("no.tool", {}, (), "deny", "unknown-tool"),
        ("page.read", {"id": 1}, (), "deny", "wrong-type"),
    ],
)
def test_explain_as_json(
    terminal: Terminal, folder: Path, tool: str, args: dict[str, Any], more: tuple[str, ...], outcome: str, code: str
) -> None:
    said = explain(terminal, folder, tool, args, "--json", *more)
    assert said.code == 0
    assert said.json["outcome"] == outcome
    assert code in [reason["code"] for reason in said.json["reasons"]]
    assert [gate["id"] for gate in said.json["gates"]] == (["external-mail"] if outcome == "needs_approval" else [])


def test_explain_says_who_may_not_even_open_a_session(terminal: Terminal, folder: Path) -> None:
    for who in ({"user": "mallory"}, {"agent": "off-bot"}, {"task": "read-page"}):
        said = explain(terminal, folder, "page.read", {"id": "1"}, "--json", **who)
        assert (said.code, said.json["outcome"]) == (0, "deny")
    said = explain(terminal, folder, "page.read", {"id": "1"}, "--json", user="", service="nightly")
    assert said.json["links"][0]["link"] == 'Service::"nightly"'


@pytest.mark.parametrize("text", ["", "[]", "1", "{", '{"id": "1", "id": "2"}', "null"])
def test_explain_takes_one_json_object(terminal: Terminal, folder: Path, text: str) -> None:
    said = explain(terminal, folder, "page.read", text)
    assert (said.code, said.out) == (2, "")
    assert "--args" in said.err


def test_explain_needs_one_root_and_a_project_that_loads(terminal: Terminal, folder: Path) -> None:
    assert explain(terminal, folder, "page.read", {"id": "1"}, service="nightly").code == 2
    assert explain(terminal, folder, "page.read", {"id": "1"}, user="").code == 2
    (folder / "directory.toml").write_text(FILES["directory.toml"] + "[users.alice]\n")
    said = explain(terminal, folder, "page.read", {"id": "1"})
    assert (said.code, said.out) == (2, "")
    assert "directory.toml:" in said.err
    assert "what to do:" in said.err
