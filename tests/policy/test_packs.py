"""Packs: rules for tools that a project may not have are fitted to the catalog, and that is said. docs/policies.md."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from bailiwick.errors import Finding, ProjectError, Severity
from bailiwick.model.decision import Outcome, Verdict
from bailiwick.policy import PolicyEngine, PolicySource
from bailiwick.policy.packs import pack_of
from tests.cli.terminal import Said, terminal
from tests.policy.desk import CATALOG, DIRECTORY, VOCABULARY, decide, flow, load
from tests.worlds import make_world

__all__ = ["terminal"]

OFFICE = sorted((Path(__file__).parent / "data/packs/office").glob("*.cedar"))
PATH = "policies/packs/office/mail.cedar"
PERMIT = '@id("people") permit (principal is User, action == Action::"mail.send", resource);\n'


def pack() -> PolicyEngine:
    sources = [PolicySource(path=f"policies/packs/office/{path.name}", text=path.read_text()) for path in OFFICE]
    return PolicyEngine.load(sources, catalog=CATALOG, directory=DIRECTORY, vocabulary=VOCABULARY)


def refused(text: str, path: str = PATH) -> dict[str, Finding]:
    with pytest.raises(ProjectError) as caught:
        load(text, path=path)
    return {finding.rule: finding for finding in caught.value.findings}


def test_a_pack_for_tools_that_are_not_there_loads_with_a_notice_for_each_rule() -> None:
    engine = pack()
    told = {(each.rule, str(each.where)) for each in engine.warnings}
    assert told == {
        ("pack-rule-narrowed", "policies/packs/office/mail.cedar:13"),
        ("pack-rule-narrowed", "policies/packs/office/mail.cedar:19"),
        ("pack-rule-narrowed", "policies/packs/office/mail.cedar:22"),
        ("pack-rule-skipped", "policies/packs/office/chat.cedar:4"),
        ("pack-rule-skipped", "policies/packs/office/chat.cedar:8"),
        ("pack-rule-skipped", "policies/packs/office/chat.cedar:10"),
        ("pack-rule-skipped", "policies/packs/office/chat.cedar:12"),
    }
    assert {each.severity for each in engine.warnings} == {Severity.WARNING}
    assert set(engine.policies) == {
        "office.mail-stays-inside",
        "office.one-recipient",
        "office.assistants-write",
        "office.staff-write",
    }


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("office.one-recipient", ('tool "calendar.invite"', 'tool "chat.post"', "holds for its other tools")),
        ("office.files", ('tool "drive.read"', 'tool "drive.list"', "is left out")),
        ("office.chat-is-internal", ('tool "chat.post"', "is left out")),
        ("office.vault", ('zone "vault"', "is left out")),
        ("office.payroll", ('resource "payroll/all"', "is left out")),
    ],
)
def test_a_notice_names_rule_pack_and_what_is_missing(rule: str, words: tuple[str, ...]) -> None:
    (found,) = (each for each in pack().warnings if f'"{rule}"' in each.message)
    assert "pack office" in found.message
    assert all(word in found.message for word in words)
    assert found.hint


def test_a_forbid_loses_no_force_for_the_tools_that_exist() -> None:
    engine = pack()
    assert decide(engine, "mail.send").outcome is Outcome.ALLOW
    verdict = decide(engine, "mail.send", flow=flow(tainted=True))
    assert verdict.outcome is Outcome.DENY
    assert [link.policies for link in verdict.links] == [("office.staff-write",), ("office.one-recipient",)]


def test_a_permit_gains_none() -> None:
    engine = pack()
    assert decide(engine, "mail.draft").outcome is Outcome.DENY  # for staff only, not for assistants
    assert decide(engine, "kb.search").outcome is Outcome.DENY


@pytest.mark.parametrize("tool", ["mail.send", "mail.draft", "kb.search", "crm.get_customer"])
@pytest.mark.parametrize("tainted", [False, True])
def test_a_fitted_rule_decides_as_it_would_without_the_missing_tools(tool: str, tainted: bool) -> None:
    by_hand = (
        PERMIT + '@id("x") forbid (principal, action in [Action::"mail.send"], resource) when { context.flow.tainted };'
    )
    written = by_hand.replace('[Action::"mail.send"]', '[Action::"no.such", Action::"mail.send", Action::"nor.this"]')
    one, other = load(by_hand, path="policies/a.cedar"), load(written, path=PATH)
    assert said(decide(one, tool, flow=flow(tainted=tainted))) == said(decide(other, tool, flow=flow(tainted=tainted)))


def said(verdict: Verdict) -> tuple[object, ...]:
    return verdict.outcome, verdict.links, verdict.reasons


BOTH = '(principal, action in [Action::"mail.send", Action::"chat.post"], resource)'

STILL_WRONG: Mapping[str, tuple[str, str]] = {
    "a misspelt effect group": ("unknown-tool", 'forbid (principal, action in Action::"snd", resource);'),
    "a sentinel": ("reserved-action", 'forbid (principal, action == Action::"send:none", resource);'),
    "a class that nobody declared": (
        "unknown-class",
        'forbid (principal in AgentClass::"untrusted", action in Action::"send", resource);',
    ),
    "a group that nobody declared": (
        "unknown-group",
        'permit (principal in Group::"writers", action in [Action::"mail.send", Action::"chat.post"], resource);',
    ),
    "a tool in a condition": (
        "unknown-tool",
        'forbid (principal, action, resource) when { action == Action::"chat.post" };',
    ),
    "a tool that is there, in a zone that is not": (
        "unknown-zone",
        'forbid (principal, action == Action::"mail.send", resource in Zone::"vault");',
    ),
    "an argument that is not there": (
        "unknown-attribute",
        f"forbid {BOTH} when {{ context.args.urgent }};",
    ),
    "arithmetic": (
        "arithmetic-in-forbid",
        f"forbid {BOTH} when {{ context.now + 1 > context.task.expires }};",
    ),
}


@pytest.mark.parametrize("name", STILL_WRONG)
def test_all_else_that_is_wrong_with_a_pack_stays_an_error(name: str) -> None:
    rule, text = STILL_WRONG[name]
    assert rule in refused(f'{PERMIT}@id("it") {text}')


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ("missing-id", 'permit (principal is User, action == Action::"chat.post", resource);'),
        ("bad-id", '@id("no permit") permit (principal is User, action == Action::"chat.post", resource);'),
        ("duplicate-id", '@id("people") permit (principal is User, action == Action::"chat.post", resource);'),
        ("syntax", '@id("x") permit (principal is User, action == Action::"chat.post", resource)'),
    ],
)
def test_a_rule_that_is_left_out_still_needs_a_name_of_its_own(rule: str, text: str) -> None:
    assert rule in refused(PERMIT + text)


@pytest.mark.parametrize("path", ["policies/desk.cedar", "policies/packs/loose.cedar", "packs/office/a.cedar"])
def test_outside_of_a_pack_a_missing_tool_is_an_error(path: str) -> None:
    rule = '@id("x") forbid (principal, action in [Action::"mail.send", Action::"chat.post"], resource);'
    assert "unknown-tool" in refused(PERMIT + rule, path=path)


def test_a_name_that_is_nearly_a_tools_is_suggested() -> None:
    engine = load(PERMIT + '@id("x") forbid (principal, action == Action::"mail.sendd", resource);', path=PATH)
    assert [each.hint for each in engine.warnings] == ["did you mean 'mail.send'?"]


def test_a_pack_of_which_nothing_is_left_says_that_there_are_no_rules() -> None:
    engine = load('@id("x") forbid (principal, action == Action::"chat.post", resource);', path=PATH)
    assert [each.rule for each in engine.warnings] == ["pack-rule-skipped", "no-rules"]
    assert decide(engine, "mail.send").outcome is Outcome.DENY


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("policies/packs/office/a.cedar", "office"),
        ("policies/packs/office/deep/a.cedar", "office"),
        ("policies/packs/a.cedar", ""),
        ("policies/a.cedar", ""),
        ("policies/packages/office/a.cedar", ""),
        ("administration/packs/office/a.cedar", ""),
    ],
)
def test_a_pack_is_a_folder_below_packs(path: str, name: str) -> None:
    assert pack_of(path) == name


def test_check_tells_of_what_was_left_out(terminal: Callable[..., Said], tmp_path: Path) -> None:
    folder = make_world(tmp_path)
    pack = folder / "policies" / "packs" / "office"
    pack.mkdir(parents=True)
    (pack / "chat.cedar").write_text(
        '@id("office.chat") forbid (principal is Agent, action == Action::"chat.post", resource);\n'
        f'@id("office.write") forbid {BOTH}\nwhen {{ context.depth > 5 }};\n'
    )
    told = terminal("check", folder, "--json")
    assert told.code == 0
    found = [each for each in told.json["findings"] if each["rule"].startswith("pack-")]
    assert [(each["rule"], each["severity"], each["file"], each["line"]) for each in found] == [
        ("pack-rule-skipped", "warning", "policies/packs/office/chat.cedar", 1),
        ("pack-rule-narrowed", "warning", "policies/packs/office/chat.cedar", 2),
    ]
    assert 'tool "chat.post"' in terminal("check", folder).out
