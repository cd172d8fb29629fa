"""Promise 2 (DESIGN §3): no silent rule. A rule that cannot fire as written does not load; file and line are named."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

from bailiwick import Guard, ProjectError
from bailiwick.errors import Severity
from tests.worlds import FILES, make_world


@dataclass(frozen=True, kw_only=True)
class Case:
    """`text` is put at the end of `file`; the finding must name line `line` of it."""

    name: str
    file: str
    rule: str
    text: str
    line: int = 1
    also: tuple[str, ...] | list[str] = ()


CASES = [Case(**case) for case in tomllib.loads((Path(__file__).parent / "data/rejected.toml").read_text())["case"]]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_promise_2_a_project_that_says_what_cannot_hold_does_not_open(tmp_path: Path, case: Case) -> None:
    folder = make_world(tmp_path)
    if case.also:
        path, more = case.also
        (folder / path).write_text(FILES[path] + more)
    (folder / case.file).write_text(FILES[case.file] + case.text.lstrip("\n"))
    with pytest.raises(ProjectError) as refused:
        Guard.open(folder)
    found = [
        (finding.rule, str(finding.where)) for finding in refused.value.findings if finding.severity is Severity.ERROR
    ]
    assert found == [(case.rule, f"{case.file}:{FILES[case.file].count(chr(10)) + case.line}")]
    assert refused.value.findings[0].hint or case.rule == "invalid-rule", "what Cedar itself says comes without a hint"
    assert not (folder / ".bailiwick").exists(), "nothing is opened for a project that does not load"


def test_promise_2_every_finding_is_told_at_once(tmp_path: Path) -> None:
    rules = '@id("a") permit (principal, action == Action::"x.y", resource);\npermit (principal, action, resource);\n'
    folder = make_world(tmp_path, policies_desk_cedar=rules)
    with pytest.raises(ProjectError) as refused:
        Guard.open(folder)
    assert {finding.where.line for finding in refused.value.findings} == {1, 2}
    assert "more)" in str(refused.value)
