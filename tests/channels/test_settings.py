"""Channels that could leak, or stay silent, do not load."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from bailiwick.errors import ProjectError
from bailiwick.project import load_project
from tests.channels.world import project

CASES = tomllib.loads((Path(__file__).parent / "data" / "settings.toml").read_text(encoding="utf-8"))["case"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_it_does_not_load(tmp_path: Path, case: dict[str, Any]) -> None:
    project(tmp_path, case["text"].replace("\nBcc", "\\nBcc"))
    with pytest.raises(ProjectError) as refused:
        load_project(tmp_path)
    found = refused.value.findings
    assert case["rule"] in {finding.rule for finding in found}
    assert all(finding.where.file == "bailiwick.toml" and finding.where.line for finding in found)


def test_a_wrong_kind_is_the_only_finding(tmp_path: Path) -> None:
    project(tmp_path, '[channels.a]\nkind = "mail"\nto = ["approvers"]\n')
    with pytest.raises(ProjectError) as refused:
        load_project(tmp_path)
    assert [finding.rule for finding in refused.value.findings] == ["unknown-choice"]


def test_a_missing_server_is_said_at_the_channel_of_mail(tmp_path: Path) -> None:
    first = '[channels.a]\nkind = "slack"\nurl_env = "S"\n'
    project(tmp_path, first + '[channels.b]\nkind = "email"\nto = ["approvers"]\n')
    with pytest.raises(ProjectError) as refused:
        load_project(tmp_path)
    (found,) = refused.value.findings
    line = (tmp_path / "bailiwick.toml").read_text(encoding="utf-8").splitlines()[(found.where.line or 0) - 1]
    assert (found.rule, line) == ("missing-key", 'kind = "email"')


def test_what_the_documentation_shows_loads(tmp_path: Path) -> None:
    project(
        tmp_path,
        '[smtp]\nhost = "mail.example.com"\nfrom = "b@example.com"\n'
        '[channels.a]\nkind = "webhook"\nurl = "https://hooks.example.com/x"\nsecret_env = "S"\n'
        'previous_secret_file = "old.txt"\n'
        '[channels.b]\nkind = "slack"\nurl_file = "slack.txt"\ngates = ["external-mail"]\n'
        '[channels.c]\nkind = "email"\nto = ["approvers", "Group::leads", "x@example.com"]\ndetail = "card"\n',
    )
    loaded = load_project(tmp_path)
    assert [channel.name for channel in loaded.settings.sections["channels"]] == ["a", "b", "c"]
    assert {tmp_path / "old.txt", tmp_path / "slack.txt"} <= set(loaded.own)
