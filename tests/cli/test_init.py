"""`bailiwick init`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from bailiwick import Denied, Guard
from tests.cli.terminal import Said

Terminal = Callable[..., Said]
API = {"info": {"title": "Desk"}, "paths": {"/tickets/{id}": {"get": {"operationId": "getTicket", "parameters": [
    {"name": "id", "in": "path", "schema": {"type": "string"}}]}}}}  # fmt: skip


@pytest.fixture
def project(terminal: Terminal, tmp_path: Path) -> Path:
    assert terminal("init", tmp_path / "new").code == 0
    (tmp_path / "api.json").write_text(json.dumps(API))
    return tmp_path / "new"


def test_a_new_project_loads_and_denies_everything(terminal: Terminal, project: Path) -> None:
    said = terminal("check", project, "--json")
    assert said.code == 0
    assert {finding["rule"] for finding in said.json["findings"]} == {"no-rules"}
    assert said.json["policies"] == 0


def test_what_stands_in_the_comments_of_a_new_project_works(project: Path) -> None:
    for name in ("directory.toml", "tools/tools.toml", "policies/rules.cedar"):
        text = (project / name).read_text()
        example = [line.lstrip("/#").strip() for line in text.partition("As in:\n")[2].splitlines()]
        (project / name).write_text("\n".join(line for line in example if not line.startswith("`")))
    with Guard.open(project) as guard, guard.session(user="alice", agent="helper", task="Look") as session:
        assert session.call("get_customer", {"id": "4711"}, run=lambda id: id) == "4711"  # noqa: A006


@pytest.mark.parametrize("mode", ["enforce", "observe"])
@pytest.mark.parametrize("name", ["Desk.getTicket", "getTicket"])
def test_what_was_guessed_is_denied_by_each_name_whatever_rules_say(
    terminal: Terminal, project: Path, mode: str, name: str
) -> None:
    assert terminal("init", project, "--from-openapi", project.parent / "api.json").code == 0
    with (project / "bailiwick.toml").open("a") as file:
        file.write(f'\n[policies]\nmode = "{mode}"\n')
    (project / "directory.toml").write_text('[users.alice]\nemail = "alice@example.com"\n[agents.helper]\n')
    (project / "policies" / "rules.cedar").write_text('@id("all") permit (principal, action, resource);\n')
    with Guard.open(project) as guard, guard.session(user="alice", agent="helper", task="Look") as session:
        for args in ({"id": "4711"}, {"id": "4711", "more": 1}, {}):
            with pytest.raises(Denied) as raised:
                session.call(name, args, run=lambda **_: pytest.fail("it ran"))
            assert raised.value.decision.reasons[0].code == "unreviewed-tool"
    asked = ("--user", "alice", "--agent", "helper", "--task", "Look", "--tool", name, "--args", '{"id": "4711"}')
    said = terminal("explain", project, *asked)
    assert "deny" in said.out
    assert "unreviewed-tool" in said.out


def test_nothing_is_written_over(terminal: Terminal, project: Path) -> None:
    (project / "directory.toml").write_text("# mine\n")
    said = terminal("init", project)
    assert said.code == 2
    assert "already" in said.err
    assert (project / "directory.toml").read_text() == "# mine\n"


def test_entries_are_added_once_and_what_a_person_reviewed_stays(terminal: Terminal, project: Path) -> None:
    api = project.parent / "api.json"
    said = terminal("init", project, "--from-openapi", api, "--json")
    assert (said.code, said.json["proposed"][0]["tool"]) == (0, "Desk.getTicket")
    file = project / "tools" / "proposed.toml"
    reviewed = file.read_text().replace("proposed = true  # remove when every line is reviewed\n", "")
    file.write_text(reviewed)
    more = {**API, "paths": {**API["paths"], "/close": {"post": {"operationId": "closeTicket"}}}}  # type: ignore[dict-item]
    api.write_text(json.dumps(more))
    said = terminal("init", project, "--from-openapi", api, "--json")
    assert [each["tool"] for each in said.json["proposed"]] == ["Desk.closeTicket"]
    assert said.json["skipped"] == [{"name": "getTicket", "why": "the catalog has it already"}]
    assert file.read_text().startswith(reviewed.rstrip())
    said = terminal("check", project, "--json")
    assert [each["line"] for each in said.json["findings"] if each["rule"] == "unreviewed-tool"] == [
        file.read_text().splitlines().index('[tools."Desk.closeTicket"]') + 1
    ]
    assert terminal("check", project, "--strict").code == 1


def test_other_places_to_write_to(terminal: Terminal, project: Path) -> None:
    api = project.parent / "api.json"
    shown = terminal("init", project, "--from-openapi", api, "-o", "-")
    assert '[tools."Desk.getTicket"]' in shown.out
    assert not (project / "tools" / "proposed.toml").exists()
    place = project.parent / "here.toml"
    assert terminal("init", project.parent, "--from-openapi", api, "-o", place).code == 0
    before = place.read_text()
    assert terminal("init", project.parent, "--from-openapi", api, "-o", place).code == 2
    assert place.read_text() == before


def test_what_does_not_go_together_is_refused(terminal: Terminal, project: Path) -> None:
    api = project.parent / "api.json"
    for args in (
        ("init", project, "--from-openapi", api, "--from-python", "x.py"),
        ("init", project.parent / "empty", "--area", "x"),
        ("init", project.parent, "--from-openapi", api),
        ("init", project, "--from-openapi", api, "-o", "-", "--json"),
        ("init", project, "--from-python", "no_such_module"),
    ):
        assert terminal(*args).code == 2
