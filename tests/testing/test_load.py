"""What a file of tests is refused for, with its line; and what the values hold where it is right."""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bailiwick.errors import ProjectError
from bailiwick.guard.planes import Planes
from bailiwick.model.circumstances import Method
from bailiwick.model.decision import Outcome
from bailiwick.testing import load_tests
from tests.testing.desk import PARTS, planes_of, read
from tests.worlds import FILES

CASES = tomllib.loads((Path(__file__).parent / "data" / "findings.toml").read_text(encoding="utf-8"))["case"]
EVERY = 'principals = ["alice", "eve"]\ncalls = ["read", "read-9", "mail", "put"]\n'
ALL = f'[[matrix]]\nname = "all"\n{EVERY}[[matrix]]\nname = "after a stranger\'s text"\ncontext = "strange"\n{EVERY}'


@pytest.fixture(scope="module")
def planes(tmp_path_factory: pytest.TempPathFactory) -> Planes:
    return planes_of(tmp_path_factory.mktemp("desk"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_what_a_file_is_refused_for(planes: Planes, case: dict[str, Any]) -> None:
    text = case["text"] if "text" in case else PARTS + case["more"]
    with pytest.raises(ProjectError) as refused:
        read(planes, text)
    found = [finding for finding in refused.value.findings if finding.rule == case["rule"]]
    assert found, refused.value.findings
    assert all(finding.where.file == "tests/desk.toml" and finding.hint for finding in refused.value.findings)
    lines = text.splitlines()
    assert any(
        (finding.where.line == 0) if not case["near"] else case["near"] in lines[finding.where.line - 1]
        for finding in found
    ), found


def test_findings_of_all_files_are_told_together(planes: Planes) -> None:
    with pytest.raises(ProjectError) as refused:
        load_tests([("tests/a.toml", ""), ("tests/b.toml", PARTS + ALL), ("tests/c.toml", "")], planes=planes)
    assert {finding.where.file for finding in refused.value.findings} == {"tests/a.toml", "tests/c.toml"}


def test_an_unlisted_cell_is_expected_to_be_denied(planes: Planes) -> None:
    text = PARTS + ALL + '[matrix.expect.alice]\nread = "allow"\n'
    cases = read(planes, text).cases
    assert len(cases) == 2 * 2 * 4
    listed = {case.asked.key for case in cases if case.expected.outcome is not Outcome.DENY}
    assert listed == {("alice", "read", "strange")}
    (cell,) = (case for case in cases if case.asked.key in listed)
    assert text.splitlines()[cell.where.line - 1] == 'read = "allow"'


def test_a_context_has_its_own_clock_and_circumstances(tmp_path: Path) -> None:
    settings = FILES["bailiwick.toml"] + '\n[environment]\nnetwork = "string"\n'
    planes = planes_of(tmp_path, bailiwick_toml=settings)
    text = PARTS + (
        '[contexts.late]\nnow = 2026-03-02T23:00:00+01:00\nenvironment = { network = "home" }\n'
        'evidence = { method = "oidc", age = "5m", strong = true }\n'
    )
    for context in ("strange", "late"):
        text += f'[[matrix]]\nname = "{context}"\ncontext = "{context}"\n{EVERY}'
    if context_needs := text.find('unknown = ["put item-9"]'):
        text = text[:context_needs] + 'environment = { network = "office" }\n' + text[context_needs:]
    file = read(planes, text)
    late = next(case.asked for case in file.cases if case.asked.context.name == "late")
    assert late.now_us == int(datetime(2026, 3, 2, 22, tzinfo=UTC).timestamp()) * 1_000_000
    request = late.rehearsal().request
    assert (request.evidence.method, request.evidence.strong) == (Method.OIDC, True)
    assert request.evidence.at_ms == late.now_us // 1000 - 300_000
    assert dict(request.environment) == {"network": "home"}
    assert file.cases[0].asked.now_us == int(datetime(2026, 3, 2, 10, 15, tzinfo=UTC).timestamp()) * 1_000_000
