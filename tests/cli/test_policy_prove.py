"""`bailiwick policy diff` and `policy prove`: what they print, and how they end."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.terminal import Said

EXAMPLE = Path(__file__).parents[2] / "examples/support"
STRANGERS = """
[[properties]]
name  = "no mail to strangers without an approval"
never = "allowed"
when  = 'action in Action::"send" && context.flow.recipients_external && context.approved.isEmpty()'
"""
SIGN_IN = """
[oidc.corp]
issuer   = "https://login.example.com"
audience = "bailiwick"
jwks     = "https://login.example.com/keys"
groups   = { claim = "groups", map = { everybody = "support-leads" } }
"""
FEWER = """
[[properties]]
name  = "no more than {most} mails"
never = "allowed"
when  = 'action in Action::"send" && context.usage.mails_per_day.after > {most}'
"""
ALL_MAIL = """
[[properties]]
name  = "no mail at all"
never = "allowed"
tools = ["mail.send"]
when  = 'true'
"""


@pytest.fixture
def project(tmp_path: Path) -> Callable[[str], Path]:
    """A copy of the example, under a name."""

    def copy(name: str) -> Path:
        return shutil.copytree(EXAMPLE, tmp_path / name, ignore=shutil.ignore_patterns(".bailiwick"))

    return copy


def change(folder: Path, before: str, after: str) -> None:
    rules = folder / "policies/data.cedar"
    text = rules.read_text(encoding="utf-8")
    assert before in text
    rules.write_text(text.replace(before, after), encoding="utf-8")


def declare(folder: Path, properties: str) -> None:
    settings = folder / "bailiwick.toml"
    settings.write_text(settings.read_text(encoding="utf-8") + properties, encoding="utf-8")


def test_the_same_rules_grant_nothing_new(terminal: Callable[..., Said], project: Callable[[str], Path]) -> None:
    said = terminal("policy", "diff", project("old"), project("new"))
    assert said.code == 0, said.err
    assert said.out.startswith("nothing new is granted: 0 tool(s) compared")


def test_a_wider_rule_is_shown_with_a_call(terminal: Callable[..., Said], project: Callable[[str], Path]) -> None:
    old, new = project("old"), project("new")
    change(new, "containsAll(context", "containsAny(context")
    said = terminal("policy", "diff", old, new)
    assert said.code == 1
    assert 'before  denied by "desk-tables-only"' in said.out
    assert 'after   allowed by "support-agents"' in said.out
    found = terminal("policy", "diff", old, new, "--json").json
    assert found["ok"] is False
    assert {(each["kind"], each["tool"], each["whole_call"]) for each in found["findings"]} == {
        ("newly-allowed", "db.query", True)
    }
    example = found["findings"][0]["example"]
    assert "customers" in example["facts"]["context.args.sql.tables"] or "tickets" in str(example["facts"])
    assert found["findings"][0]["after"]["level"] == "allowed"


@pytest.mark.parametrize(
    ("file", "before", "after", "says"),
    [
        ("bailiwick.toml", '["northwind.example"]', '["northwind.example", "mail.example"]', "mail.example"),
        (
            "bailiwick.toml",
            '"internal", "confidential", "restricted"',
            '"restricted", "internal", "confidential"',
            "levels",
        ),
        ("bailiwick.toml", "[stores]", '[policies]\nmode = "observe"\n[stores]', "policies.mode is observe"),
        ("bailiwick.toml", "[stores]", f"{SIGN_IN}\n[stores]", "oidc changed"),
        (
            "tools/crm.toml",
            '"confidential", categories = ["pii"], untrusted',
            '"public", untrusted',
            "its output changed",
        ),
        ("tools/mail.toml", 'sink         = "external"', 'sink         = "internal"', "its sink changed"),
        ("tools/crm.toml", 'role = "content" }', 'role = "value" }', "its argument value changed"),
    ],
)
def test_what_no_rule_shows_needs_review(
    terminal: Callable[..., Said], project: Callable[[str], Path], file: str, before: str, after: str, says: str
) -> None:
    """Facts that come out otherwise are as good as another rule."""
    old, new = project("old"), project("new")
    text = (new / file).read_text(encoding="utf-8")
    assert before in text
    (new / file).write_text(text.replace(before, after), encoding="utf-8")
    said = terminal("policy", "diff", old, new)
    assert said.code == 1, said.out + said.err
    assert "nothing new is granted" not in said.out
    assert "also changed: " in said.out
    assert says in " ".join(said.out.split())


def test_what_is_taken_away_is_no_reason_to_say_no(
    terminal: Callable[..., Said], project: Callable[[str], Path]
) -> None:
    old, new = project("old"), project("new")
    change(new, "containsAll(context", "containsAny(context")
    change(new, '@quorum("1")', '@quorum("2")')
    said = terminal("policy", "diff", new, old, "--json")
    kinds = {each["kind"] for each in said.json["findings"]}
    assert kinds == {"approval-weaker", "newly-denied"}
    assert any("asked for 2 approval(s)" in each["what"] for each in said.json["changes"])


def test_properties(terminal: Callable[..., Said], project: Callable[[str], Path]) -> None:
    folder = project("one")
    settings = folder / "bailiwick.toml"
    settings.write_text(settings.read_text(encoding="utf-8").split("[[properties]]")[0], encoding="utf-8")
    said = terminal("policy", "prove", folder)
    assert (said.code, "no properties are declared" in said.out) == (0, True)
    declare(folder, STRANGERS)
    said = terminal("policy", "prove", folder)
    assert said.code == 0, said.out
    assert said.out.startswith("proved: no mail to strangers without an approval")
    declare(folder, ALL_MAIL)
    said = terminal("policy", "prove", folder, "--json")
    assert said.code == 1
    results = {each["name"]: each["result"] for each in said.json["properties"]}
    assert results == {"no mail to strangers without an approval": "proved", "no mail at all": "refuted"}


def test_a_condition_that_cannot_be_read_has_no_answer(
    terminal: Callable[..., Said], project: Callable[[str], Path]
) -> None:
    folder = project("one")
    declare(folder, STRANGERS.replace("context.flow.recipients_external", "context.flow.recipients"))
    said = terminal("policy", "prove", folder)
    assert said.code == 2
    assert "bailiwick.toml:" in said.err
    assert "bad-property" in said.err


def test_no_project_has_no_answer(
    terminal: Callable[..., Said], project: Callable[[str], Path], tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    assert terminal("policy", "diff", tmp_path / "empty", project("new")).code == 2


def test_without_the_extra_it_says_which_one_to_install(project: Callable[[str], Path]) -> None:
    folder = project("one")
    script = "import sys; sys.modules['z3'] = None; from bailiwick.cli import main; main()"
    for verb in (["prove", str(folder)], ["diff", str(folder), str(folder)]):
        command = [sys.executable, "-c", script, "policy", *verb]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 2
        assert "needs the extra 'prove'" in done.stderr
    checked = subprocess.run(
        [sys.executable, "-c", script, "check", str(folder)], capture_output=True, text=True, timeout=60, check=False
    )
    assert checked.returncode == 0


HOURS = '[hours]\ndays = ["monday", "tuesday"]\nbegin = "09:00"\nend = "%s"\n'
BY_DAY = '@id("by-day") forbid (principal, action == Action::"db.query", resource) unless { context.hours.working };\n'


def test_a_change_of_the_hours_alone_is_shown_with_its_time(
    terminal: Callable[..., Said], project: Callable[[str], Path]
) -> None:
    old, new = project("old"), project("new")
    for folder, end in ((old, "17:00"), (new, "18:00")):
        change(folder, '@id("desk-tables-only")', BY_DAY + '@id("desk-tables-only")')
        declare(folder, HOURS % end)
    declare(new, '[environment]\nnetwork = "string?"\n[facts.calm]\ntype = "bool"\nabout = "global"\n')
    said = terminal("policy", "diff", old, new)
    assert said.code == 1, said.out + said.err
    text = " ".join(said.out.split())
    assert "newly allowed: db.query" in text
    assert "time before: Monday 17:" in text or "time before: Tuesday 17:" in text
    assert "not working time time after:" in text
    assert "also changed: [hours] were Mon Tue 09:00 to 17:00 UTC and are Mon Tue 09:00 to 18:00 UTC" in text
    assert "[environment] declares network too" in text
    assert "[facts] declares calm too" in text


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ('@quorum("2")', '@quorum("1")', "weaker it took 2 people and takes 1"),
        (
            '@approvers("Group::support-leads")',
            '@approvers("Group::support")',
            "could approve now, and could not before",
        ),
    ],
)
def test_a_weaker_approval_says_what_is_weaker(
    terminal: Callable[..., Said], project: Callable[[str], Path], before: str, after: str, says: str
) -> None:
    old, new = project("old"), project("new")
    for folder in (old, new):
        change(folder, '@quorum("1")', '@quorum("2")')
    change(new, before, after)
    said = terminal("policy", "diff", old, new)
    assert says in " ".join(said.out.split()), said.out + said.err


def test_rules_over_budgets_are_compared_and_proved(
    terminal: Callable[..., Said], project: Callable[[str], Path]
) -> None:
    old, new = project("old"), project("new")
    change(new, "context.usage.mails_per_day.after > 50", "context.usage.mails_per_day.after > 60")
    wider = terminal("policy", "diff", old, new, "--json").json
    assert {
        (each["tool"], each["example"]["facts"]["context.usage.mails_per_day.after"]) for each in wider["findings"]
    } == {("mail.send", 51)}
    assert terminal("policy", "diff", new, old).code == 0, "what is taken back grants nothing"
    for most, verdict in ((50, "proved"), (49, "refuted")):
        declare(old, FEWER.format(most=most))
        assert f"{verdict}: no more than {most} mails" in terminal("policy", "prove", old).out
