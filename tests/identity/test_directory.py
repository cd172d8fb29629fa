"""directory.toml: what it means, and that everything wrong in it is found at once and named with its line."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from bailiwick.errors import ProjectError
from bailiwick.identity.directory import load_directory
from bailiwick.model.directory import Attribute, DelegationEdge, Directory
from bailiwick.model.principal import EntityKind, EntityRef
from bailiwick.model.shape import LONG, STRING
from bailiwick.model.tool import Effect

LEVELS = ("public", "internal", "confidential", "restricted")
TOOLS = frozenset({"crm.get_customer", "mail.send"})
ZONES = frozenset({"crm", "mail"})
CASES: list[dict[str, Any]] = tomllib.loads(
    (Path(__file__).parent / "data" / "directory_findings.toml").read_text(encoding="utf-8")
)["case"]

GOOD = """
[attributes.User]
department = "string"
floor = "long?"

[groups.staff]
[groups.support]
parents = ["staff"]
[groups.support-leads]
parents = ["support"]
[roles.approver]

[users.alice]
email = "alice@example.com"
groups = ["support"]
level = 3
clearance = "confidential"
department = "support"
floor = 2
[users.lena]
groups = ["support-leads"]
roles = ["approver"]
clearance = 3
active = false
department = "support"

[services.nightly]
owner = "lena"
purpose = "Close stale tickets"

[classes.support]
[agents.support-bot]
classes = ["support"]
owner = "lena"
keys = ["ed25519:1RBPW0gBvuScB_lZRpCobnkKh_MRzGy8RVAJ2RNRVxY"]
[agents.support-bot.may_delegate_to]
researcher = { effects = ["read", "draft"], max_depth = 2 }
[agents.researcher]

[tasks.answer-ticket]
purpose = "Answer one ticket"
tools = ["crm.get_customer", "agent.delegate"]
zones = ["crm"]
ttl = "1h30m"
[tasks.anything]
purpose = "Help"
"""


def load(text: str) -> Directory:
    return load_directory("directory.toml", text, levels=LEVELS, catalog_tools=TOOLS, zones=ZONES)


def test_a_directory_says_who_is_who() -> None:
    directory = load(GOOD)
    alice = directory.users["alice"]
    assert (alice.groups, alice.level, alice.clearance, alice.active) == (("support",), 3, 2, True)
    assert alice.attributes == {"department": "support", "floor": 2}
    assert str(alice.where) == "directory.toml:13"
    assert directory.users["lena"].clearance == 3
    assert not directory.users["lena"].active
    assert not directory.users["lena"].automated
    assert directory.services["nightly"].owner == "lena"
    assert directory.agents["support-bot"].may_delegate_to == {
        "researcher": DelegationEdge(effects=frozenset({Effect.READ, Effect.DRAFT}), max_depth=2)
    }
    assert directory.agents["support-bot"].keys == ("ed25519:1RBPW0gBvuScB_lZRpCobnkKh_MRzGy8RVAJ2RNRVxY",)
    assert (directory.agents["researcher"].may_delegate_to, directory.agents["researcher"].keys) == ({}, ())
    assert directory.attributes[EntityKind.USER] == (
        Attribute(name="department", shape=STRING),
        Attribute(name="floor", shape=LONG, optional=True),
    )
    assert directory.attributes[EntityKind.AGENT] == ()
    assert directory.groups_of("lena") == {
        EntityRef(kind=EntityKind.GROUP, id="support-leads"),
        EntityRef(kind=EntityKind.GROUP, id="support"),
        EntityRef(kind=EntityKind.GROUP, id="staff"),
        EntityRef(kind=EntityKind.ROLE, id="approver"),
    }


def test_tasks_narrow_only_what_they_name() -> None:
    tasks = load(GOOD).tasks
    assert tasks["answer-ticket"].tools == frozenset({"crm.get_customer", "agent.delegate"})
    assert tasks["answer-ticket"].zones == {"crm"}
    assert tasks["answer-ticket"].ttl_ms == 5_400_000
    assert tasks["anything"].tools is None
    assert tasks["anything"].zones == frozenset()


def test_an_empty_directory_holds_nobody() -> None:
    assert load("").users == {}


def test_without_catalog_and_zones_any_name_will_do() -> None:
    text = '[tasks.a]\npurpose = "a"\ntools = ["x.y"]\nzones = ["z"]\n'
    assert load_directory("d.toml", text, levels=LEVELS).tasks["a"].tools == frozenset({"x.y"})


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("active = false", "active = true"),
        ("active = false", "active = false\nautomated = true"),
        ("level = 3", "level = 4"),
        ('parents = ["staff"]', "parents = []"),
        ('"long?"', '"long"'),
        ('ttl = "1h30m"', 'ttl = "1h31m"'),
        ('zones = ["crm"]', 'zones = ["mail"]'),
        ("floor = 2", "floor = 3"),
        ('tools = ["crm.get_customer", "agent.delegate"]', 'tools = ["crm.get_customer"]'),
        ("max_depth = 2", "max_depth = 1"),
        ('"read", "draft"', '"read"'),
        ("keys = [", "# keys = ["),
        ('purpose = "Close stale tickets"', 'purpose = "Close tickets"'),
    ],
)
def test_the_digest_changes_with_what_the_directory_says(old: str, new: str) -> None:
    text = GOOD.replace("active = false\n", "active = false\nfloor = 1\n")
    assert text.count(old) >= 1
    assert load(text).digest != load(text.replace(old, new)).digest


def test_the_digest_does_not_change_with_layout() -> None:
    assert load(GOOD).digest == load("# a remark\n\n" + GOOD.replace("level = 3", "level    = 3")).digest


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_everything_wrong_is_named_with_its_line(case: dict[str, Any]) -> None:
    with pytest.raises(ProjectError) as caught:
        load(case["text"])
    findings = caught.value.findings
    assert [f"{finding.rule}:{finding.where.line}" for finding in findings] == case["findings"]
    assert all(finding.hint and finding.where.file == "directory.toml" for finding in findings)
    assert case.get("hint", "") in " ".join(finding.hint for finding in findings)
