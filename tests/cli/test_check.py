"""`bailiwick check` and `bailiwick explain`."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from bailiwick.policy.rulebook import RULEBOOK
from tests.cli.sarif_shape import breaches
from tests.cli.terminal import Said
from tests.policy.lint_world import write_project
from tests.worlds import FILES, MAIL, edit, make_world

Terminal = Callable[..., Said]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_world(tmp_path)


NOTED = [
    ("note", "unused-entity", "directory.toml"),
    ("note", "readers-unsaid", "tools/desk.toml"),
    ("warning", "tool-out-of-reach", "tools/desk.toml"),
]
"""What is found in the world of these tests as it stands: a service without a permit, a tool whose results
everybody may read, and `put.nobody`."""


def kinds(said: Said) -> list[tuple[str, str, str]]:
    return [(finding["severity"], finding["rule"], finding["file"]) for finding in said.json["findings"]]


def test_a_project_that_is_right(terminal: Terminal, folder: Path) -> None:
    said = terminal("check", folder)
    assert (said.code, said.err) == (0, "")
    for part in ("ok", "9 policies", "8 tools", "6 users", "4 agents", "embedded"):
        assert part in said.out
    assert not (folder / ".bailiwick").exists(), "nothing is opened or written"
    told = terminal("check", folder, "--json")
    assert (told.json["ok"], told.json["policies"], kinds(told)) == (True, 9, NOTED)


def test_a_project_in_which_nothing_is_found(terminal: Terminal, tmp_path: Path) -> None:
    said = terminal("check", write_project(tmp_path, {}), "--strict")
    assert said.code == 0
    assert said.out.startswith("ok: 2 policies, 2 tools, 4 users, 1 agent; nothing found")


def test_errors_are_told_with_file_line_and_what_to_do(terminal: Terminal, folder: Path) -> None:
    edit(folder, "policies/desk.cedar", 'action == Action::"agent.delegate", resource);\n\n@id("people',
         'action == Action::"agent.delegat", resource);\n\n@id("people')  # fmt: skip
    lines = (folder / "policies/desk.cedar").read_text().splitlines()
    line = next(number for number, text in enumerate(lines, 1) if 'agent.delegat"' in text)
    said = terminal("check", folder)
    assert said.code == 1
    assert f"policies/desk.cedar:{line}: error:" in said.out
    assert "agent.delegate" in said.out.split("what to do:")[1]
    assert "why: bailiwick check --why unknown-tool" in said.out
    assert f"1 error in {folder}" in said.out.replace("\n", "")
    told = terminal("check", folder, "--json")
    assert told.code == 1
    (finding,) = told.json["findings"]
    assert told.json["ok"] is False
    assert (finding["file"], finding["line"], finding["severity"]) == ("policies/desk.cedar", line, "error")
    assert set(finding) == {"rule", "severity", "file", "line", "message", "hint", "why"}
    assert finding["why"] == "bailiwick check --why unknown-tool"


def test_what_has_no_entry_names_none(terminal: Terminal, folder: Path) -> None:
    edit(folder, "bailiwick.toml", 'tenant = "acme"', 'tenant = "Acme"')
    (finding,) = terminal("check", folder, "--json").json["findings"]
    assert (finding["rule"], finding["why"]) == ("setting-value", "")
    assert "why:" not in terminal("check", folder).out


def test_a_warning_does_not_fail_the_check(terminal: Terminal, folder: Path) -> None:
    edit(folder, "policies/desk.cedar", '@approvers("Group::leads")', '@approvers("Group::leads") @quorum("9")')
    said = terminal("check", folder)
    assert said.code == 0
    assert "warning" in said.out
    told = terminal("check", folder, "--json")
    assert kinds(told) == [NOTED[0], ("warning", "gate-out-of-reach", "policies/desk.cedar"), *NOTED[1:]]


def test_strict_fails_on_warnings_and_not_on_notes(terminal: Terminal, folder: Path) -> None:
    said = terminal("check", folder, "--strict")
    assert said.code == 1
    assert "failed: 9 policies" in said.out
    told = terminal("check", folder, "--strict", "--json")
    assert (told.code, told.json["ok"]) == (1, False)
    edit(folder, "policies/desk.cedar", 'Action::"page.read", Action::"put.nobody"], resource);',
         'Action::"page.read"], resource);')  # fmt: skip
    told = terminal("check", folder, "--strict", "--json")
    assert (told.code, told.json["ok"]) == (0, True)
    assert {finding["severity"] for finding in told.json["findings"]} == {"note"}


def test_files_that_nobody_reads_are_told_beside_errors(terminal: Terminal, folder: Path) -> None:
    (folder / "policies/more.cedr").write_text("", encoding="utf-8")
    (folder / "directory.toml").write_text("[users.alice]\nage = 3\n", encoding="utf-8")
    told = terminal("check", folder, "--json")
    assert told.code == 1
    assert kinds(told)[-1] == ("warning", "file-ignored", "policies/more.cedr")
    assert kinds(told)[0][0] == "error"


TESTS = """
now = "2026-03-02T10:15:00Z"
[principals.alice]
user  = "alice"
agent = "desk-bot"
task  = "Work"
[calls.read]
tool = "page.read"
args = { id = "1" }
[contexts.quiet]
facts = { frozn = true }
[[case]]
principal = "alice"
call      = "read"
context   = "quiet"
outcome   = "allow"
"""
PROPERTY = """
[[properties]]
name  = "a"
never = "allowed"
when  = '''CONDITION'''
"""


def test_tests_that_do_not_load_are_errors(terminal: Terminal, folder: Path) -> None:
    (folder / "tests").mkdir(exist_ok=True)
    (folder / "tests/desk.toml").write_text(TESTS, encoding="utf-8")
    (folder / "tests/more.toml").write_bytes(b'now = "\xff"')
    found = terminal("check", folder, "--json")
    assert found.code == 1
    assert ("error", "not-utf8", "tests/more.toml") in kinds(found)
    (folder / "tests/more.toml").unlink()
    found = terminal("check", folder, "--json")
    (wrong,) = (each for each in found.json["findings"] if each["file"] == "tests/desk.toml")
    assert (found.code, wrong["severity"], "frozn" in wrong["message"]) == (1, "error", True)
    sound = TESTS.replace("facts = { frozn = true }", "").replace('context   = "quiet"', "")
    (folder / "tests/desk.toml").write_text(sound.replace("[contexts.quiet]", ""), encoding="utf-8")
    assert terminal("check", folder).code == 0


@pytest.mark.parametrize(
    ("condition", "rule"),
    [
        ("principal is", "bad-property"),
        ("context.flow.taintd", "bad-property"),
        ('principal in Group::"suport"', "unknown-group"),
        ("principal is Agent && context.flow.tainted", None),
    ],
)
def test_conditions_of_properties_are_read(
    folder: Path, condition: str, rule: str | None, capfd: pytest.CaptureFixture[str]
) -> None:
    """In a process that has no solver."""
    with (folder / "bailiwick.toml").open("a", encoding="utf-8") as settings:
        settings.write(PROPERTY.replace("CONDITION", condition))
    script = "import sys; sys.modules['z3'] = None; from bailiwick.cli import main; main()"
    ran = subprocess.run([sys.executable, "-c", script, "check", str(folder), "--json"], check=False)
    found = [each for each in json.loads(capfd.readouterr().out)["findings"] if each["file"] == "bailiwick.toml"]
    assert {(each["severity"], each["rule"]) for each in found} == ({("error", rule)} if rule else set())
    assert ran.returncode == (1 if rule else 0)


def test_an_entry_of_the_rulebook_is_printed_without_any_project(
    terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for rule, entry in RULEBOOK.items():
        said = terminal("check", "--why", rule)
        assert said.code == 0
        assert all(part in said.out for part in (rule, entry.severity.value, entry.title, entry.why, entry.mend)), rule
    assert terminal("check", "--why", "shadowed", "--json").json["severity"] == RULEBOOK["shadowed"].severity.value
    said = terminal("check", "--why", "unknown-gruop")
    assert (said.code, said.out) == (2, "")
    assert "did you mean 'unknown-group'?" in " ".join(said.err.split())
    said = terminal("check", "--why", "nope")
    assert (said.code, said.out) == (2, "")
    assert "'nope'; did you mean '" in " ".join(said.err.split())


# ── SARIF ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_sarif_is_as_the_published_schema_has_it(terminal: Terminal, folder: Path) -> None:
    (folder / "policies/räksmörgås 1.cedr").write_text("", encoding="utf-8")
    said = terminal("check", folder, "--sarif", "-")
    assert (said.code, said.err) == (0, "")
    assert breaches(said.json) == []
    assert terminal("check", folder, "--sarif", "-").out == said.out
    assert str(folder) not in said.out
    (run,) = said.json["runs"]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert rules == sorted(rules) == ["file-ignored", "readers-unsaid", "tool-out-of-reach", "unused-entity"]
    found = terminal("check", folder, "--json").json["findings"]
    assert len(run["results"]) == len(found) == 4
    for result, finding in zip(run["results"], found, strict=True):
        place = result["locations"][0]["physicalLocation"]
        assert (result["ruleId"], result["level"]) == (finding["rule"], finding["severity"])
        assert rules[result["ruleIndex"]] == finding["rule"]
        assert unquote(place["artifactLocation"]["uri"]) == finding["file"]
        assert place["artifactLocation"]["uriBaseId"] in run["originalUriBaseIds"]
        assert place.get("region", {}).get("startLine", 0) == finding["line"]
        assert result["message"]["text"].startswith(finding["message"])


def test_sarif_of_a_project_that_does_not_load(terminal: Terminal, folder: Path) -> None:
    edit(folder, "bailiwick.toml", 'tenant = "acme"', 'tenant = "Acme"')
    said = terminal("check", folder, "--sarif", "-")
    assert said.code == 1
    assert breaches(said.json) == []
    assert [result["level"] for result in said.json["runs"][0]["results"]] == ["error"]


def test_sarif_goes_to_a_file_beside_what_is_printed(terminal: Terminal, folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.sarif"
    plain = terminal("check", folder).out
    assert terminal("check", folder, "--sarif", target).out == plain
    assert breaches(json.loads(target.read_text(encoding="utf-8"))) == []
    assert terminal("check", folder, "--json", "--sarif", target).json["ok"] is True
    both = terminal("check", folder, "--json", "--sarif", "-")
    assert (both.code, both.out) == (2, "")


def place_of(log: Any) -> Any:
    return log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]


@pytest.mark.parametrize(
    "change",
    [
        lambda log: log.update(version="2.0.0"),
        lambda log: log["runs"][0].pop("tool"),
        lambda log: log["runs"][0]["results"][0].update(level="fatal"),
        lambda log: log["runs"][0]["results"][0].pop("message"),
        lambda log: log["runs"][0]["results"][0].update(severity="error"),
        lambda log: log["runs"][0]["tool"]["driver"].pop("name"),
        lambda log: place_of(log).update(region={"startLine": 0}),
        lambda log: place_of(log)["artifactLocation"].update(uri="a b"),
    ],
)
def test_the_check_of_sarif_sees_what_is_wrong(terminal: Terminal, folder: Path, change: Any) -> None:
    log = terminal("check", folder, "--sarif", "-").json
    change(log)
    assert breaches(log)


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


@pytest.mark.parametrize("host", ["api.example.com", "API.example.com=10.0.0.1", "a.example=elsewhere", "=10.0.0.1"])
def test_explain_takes_hosts_in_their_one_form(terminal: Terminal, folder: Path, host: str) -> None:
    said = explain(terminal, folder, "page.read", {"id": "1"}, "--host", host)
    assert (said.code, said.out) == (2, "")
    assert "api.example.com=192.0.2.1" in said.err
    assert explain(terminal, folder, "page.read", {"id": "1"}, "--host", "a.example=10.0.0.1").code == 0


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
