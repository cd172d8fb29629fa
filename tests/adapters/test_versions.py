"""Versions of frameworks that nobody tested are refused."""

from __future__ import annotations

import importlib.metadata
import tomllib
from pathlib import Path

import pytest

from bailiwick import MissingExtra, UsageError
from bailiwick.adapters.versions import TESTED, require

EXTRAS = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))["project"][
    "optional-dependencies"
]


@pytest.mark.parametrize("framework", TESTED)
def test_the_extra_installs_what_was_tested(framework: str) -> None:
    tested = TESTED[framework]
    assert f"{tested.distribution}>={tested.at_least},<{tested.below}" in EXTRAS[tested.extra]


def test_there_is_no_extra_that_brings_all_frameworks() -> None:
    assert "all" not in EXTRAS


@pytest.mark.parametrize(
    ("installed", "taken"),
    [
        ("1.4", True),
        ("1.4.7", True),
        ("1.99.1", True),
        ("1.3.9", False),
        ("2", False),
        ("2.0.0", False),
        ("1.5.0rc1", False),
        ("1.5.dev3", False),
        ("", False),
    ],
)
def test_a_version_outside_the_tested_ones_is_refused(
    monkeypatch: pytest.MonkeyPatch, installed: str, taken: bool
) -> None:
    monkeypatch.setattr("bailiwick.adapters.versions.version", lambda _name: installed)
    if taken:
        require("langchain")
        return
    with pytest.raises(UsageError, match=r"tested with 1\.4 up to, not including, 2") as told:
        require("langchain")
    assert '".[langchain]"' in told.value.hint


def test_a_framework_that_is_missing_says_which_extra_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr("bailiwick.adapters.versions.version", missing)
    with pytest.raises(MissingExtra, match="LangChain"):
        require("langchain")
