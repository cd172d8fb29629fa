"""The rulebook, its examples, and what is only seen in all of a project together (DESIGN §3 promise 2, §4)."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bailiwick.errors import Finding, Severity
from bailiwick.policy.rulebook import RULEBOOK, why_command
from tests.docs.source_texts import Kind, collect
from tests.policy.lint_world import EXAMPLES, check_project, check_rules, write_project

DATA = Path(__file__).parent / "data"

ELSEWHERE = frozenset({"bad-schema"})
"""What no project is known to give: a second line behind the names that catalog and directory take."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """`found` are findings as `rule file:line`, all of them; `says` are words that stand in one of their messages."""

    name: str
    parts: Mapping[str, str] = field(default_factory=dict)
    found: tuple[str, ...] = ()
    says: tuple[str, ...] = ()


CASES = [
    Case(**{**case, "found": tuple(case.get("found", ())), "says": tuple(case.get("says", ()))})
    for case in tomllib.loads((DATA / "lint_cases.toml").read_text(encoding="utf-8"))["lint"]
]


def check(example: str | Mapping[str, str], folder: Path) -> tuple[Finding, ...]:
    return check_rules(example) if isinstance(example, str) else check_project(write_project(folder, example))


# ── the rulebook ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_rulebook_has_every_id_that_rules_can_be_found_under_and_no_other() -> None:
    """(`policy.prove` reads properties, which stand in bailiwick.toml.)"""
    emitted = {
        said.id
        for said in collect()
        if said.kind is Kind.FINDING
        and said.module.startswith(("policy.", "project.stray"))
        and not said.module.startswith("policy.prove")
    }
    assert emitted == set(RULEBOOK)


def test_every_entry_has_an_example() -> None:
    assert set(EXAMPLES) == RULEBOOK.keys() - ELSEWHERE
    assert all(example.keys() == {"bad", "good"} for example in EXAMPLES.values())


@pytest.mark.parametrize("rule", EXAMPLES)
def test_the_bad_example_gives_this_finding_and_no_other(rule: str, tmp_path: Path) -> None:
    found = check(EXAMPLES[rule]["bad"], tmp_path)
    assert {finding.rule for finding in found} == {rule}, found
    assert all(finding.severity is RULEBOOK[rule].severity for finding in found)
    assert all(finding.hint or finding.rule in ("syntax", "invalid-rule") for finding in found)
    assert all(finding.where.line for finding in found if rule not in ("no-rules", "file-ignored"))


@pytest.mark.parametrize("rule", EXAMPLES)
def test_the_good_example_gives_none(rule: str, tmp_path: Path) -> None:
    assert check(EXAMPLES[rule]["good"], tmp_path) == ()


def test_entries_are_written_for_people() -> None:
    for lint in RULEBOOK.values():
        assert not lint.title.endswith("."), lint.id
        assert lint.why.endswith("."), lint.id
        assert lint.mend.endswith("."), lint.id
    assert why_command("shadowed") == "bailiwick check --why shadowed"
    assert why_command("setting-value") == ""


# ── a project as a whole ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_is_found_in_a_project(case: Case, tmp_path: Path) -> None:
    found = check_project(write_project(tmp_path, case.parts))
    assert [f"{finding.rule} {finding.where}" for finding in found] == list(case.found), found
    for words in case.says:
        assert any(words in finding.message for finding in found), found
    assert not any(finding.severity is Severity.ERROR for finding in found)


def test_findings_come_in_the_same_order_each_time(tmp_path: Path) -> None:
    parts = {
        "rules": "\n".join(
            f'@id("r{number}") permit (principal in Group::"leads", action == Action::"page.read", resource);'
            for number in range(20)
        ),
        "directory": "[groups.guests]\n[roles.chief]\n[classes.spare]",
    }
    folder = write_project(tmp_path, parts)
    first = check_project(folder)
    assert len(first) == 23
    assert check_project(folder) == first
    assert list(first) == sorted(first, key=lambda finding: (finding.where.file, finding.where.line))
