"""What the loader refuses or warns of (DESIGN §3 promise 2, §4): the cases are in data/rejections.toml."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

from bailiwick.errors import Finding, ProjectError, Severity
from bailiwick.policy import PolicyEngine, PolicySource
from tests.policy.desk import CATALOG, DIRECTORY, NIGHTLY, VOCABULARY, directory, load


@dataclass(frozen=True, kw_only=True)
class Case:
    name: str
    rule: str
    text: str
    line: int
    hint: str = ""
    near: str = ""
    warning: bool = False


CASES = [Case(**case) for case in tomllib.loads((Path(__file__).parent / "data/rejections.toml").read_text())["case"]]


def findings(text: str) -> tuple[Finding, ...]:
    try:
        return load(text).warnings
    except ProjectError as error:
        return error.findings


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_loader_names_rule_and_line(case: Case) -> None:
    found = [finding for finding in findings(case.text) if finding.rule == case.rule]
    assert found, findings(case.text)
    assert found[0].where.line == case.line
    assert found[0].where.file == "policies/desk.cedar"
    assert (found[0].severity is not Severity.ERROR) is case.warning
    assert case.hint in found[0].hint


@pytest.mark.parametrize("case", [case for case in CASES if case.warning], ids=lambda case: case.name)
def test_a_warning_does_not_keep_a_rule_from_loading(case: Case) -> None:
    assert load(case.text).warnings


@pytest.mark.parametrize("case", [case for case in CASES if not case.warning], ids=lambda case: case.name)
def test_an_error_names_one_thing_once(case: Case) -> None:
    """No error is drowned in what follows from it."""
    errors = [finding for finding in findings(case.text) if finding.severity is Severity.ERROR]
    assert len({(finding.rule, finding.message) for finding in errors}) == len(errors)
    assert len(errors) <= 2


@pytest.mark.parametrize("case", [case for case in CASES if case.near], ids=lambda case: case.name)
def test_the_nearest_right_rule_loads_without_a_finding(case: Case) -> None:
    assert findings(case.near) == ()


def test_every_error_of_every_file_is_reported() -> None:
    texts = {
        "policies/a.cedar": 'permit (principal, action == Action::"kb.search", resource);\n\nfoo;',
        "policies/b.cedar": '@id("x") forbid (principal, action == Action::"kb.nope", resource);',
    }
    with pytest.raises(ProjectError) as raised:
        PolicyEngine.load(
            [PolicySource(path=path, text=text) for path, text in texts.items()],
            catalog=CATALOG,
            directory=DIRECTORY,
            vocabulary=VOCABULARY,
        )
    assert [(str(finding.where), finding.rule) for finding in raised.value.findings] == [
        ("policies/a.cedar:1", "missing-id"),
        ("policies/a.cedar:3", "syntax"),
        ("policies/b.cedar:1", "unknown-tool"),
    ]
    assert all(finding.hint or finding.rule == "syntax" for finding in raised.value.findings)


def test_a_broken_rule_does_not_hide_its_neighbours() -> None:
    text = """@id("a") permit (principal, action, resource) when { 1 = 2 };
        @id("a;//") forbid (principal, action, resource);"""
    assert [finding.rule for finding in findings(text) if finding.severity is Severity.ERROR] == ["syntax", "bad-id"]


def test_semicolons_in_strings_and_comments_end_no_rule() -> None:
    text = """// a; comment; "with; quotes
    @id("a") @reason("one; \\"two\\"; // three")
    permit (principal in Group::"support", action == Action::"kb.search", resource) // end; of
    when { context.args.query != "a;b // c" };
    @id("b") permit (principal is User, action == Action::"db.query", resource);"""
    engine = load(text)
    assert list(engine.policies) == ["a", "b"]
    assert engine.policies["a"].reason == 'one; "two"; // three'
    assert engine.policies["a"].where.line == 2
    assert engine.policies["b"].text.startswith('@id("b")')


def test_user_must_be_asked_for_where_services_exist() -> None:
    text = '@id("a") forbid (principal, action == Action::"kb.search", resource)\nwhen { context.user.level < 3 };'
    assert load(text).warnings == ()
    with pytest.raises(ProjectError) as raised:
        load(text, people=directory(services=(NIGHTLY,)))
    assert [(finding.rule, finding.where.line) for finding in raised.value.findings] == [("optional-attribute", 2)]
    asked = text.replace("context.user.level", "context has user && context.user.level")
    assert load(asked, people=directory(services=(NIGHTLY,))).warnings == ()


def test_expressions_nested_too_deep_are_refused() -> None:
    deep = "!" * 400 + "true"
    text = f'@id("a") forbid (principal, action, resource) when {{ {deep} }};'
    assert {finding.rule for finding in findings(text)} == {"syntax"}
