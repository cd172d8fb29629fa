"""What holds for the project as a whole: its dependencies are explained, pinned and free to use."""

from __future__ import annotations

import re
import subprocess
import tomllib
from importlib.metadata import distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def declared() -> set[str]:
    """The names of all direct dependencies: core, extras, development, building."""
    lists = [
        PROJECT["project"]["dependencies"],
        *PROJECT["project"]["optional-dependencies"].values(),
        *PROJECT["dependency-groups"].values(),
    ]
    names = {re.split(r"[\[<>=~! ]", requirement)[0] for each in lists for requirement in each}
    return names - {"bailiwick"}


def test_each_dependency_has_its_line_of_reason_and_no_other_has_one() -> None:
    text = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    rows = set(re.findall(r"^\| ([a-z][a-z0-9-]*) \|", text, re.MULTILINE)) - {"package"}
    assert rows == declared()


@pytest.mark.parametrize("path", sorted((ROOT / "requirements").glob("*.txt")), ids=lambda path: path.name)
def test_each_pin_has_hashes_and_names_no_place(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    pins = re.findall(r"^[a-z0-9]\S*==\S+.*$", text, re.MULTILINE)
    assert pins
    assert all(pin.endswith("\\") for pin in pins)
    assert "://" not in text
    assert "--index-url" not in text


def test_nothing_installed_is_under_the_gpl() -> None:
    for distribution in distributions():
        metadata = distribution.metadata
        stated = [*(metadata.get_all("License-Expression") or []), *(metadata.get_all("Classifier") or [])]
        assert not re.search(r"\bA?GPL|GNU (Affero )?General Public", " ".join(stated)), metadata["Name"]


def test_what_needs_crewai_is_tested_and_checked_where_crewai_is() -> None:
    """tests/conftest.py leaves tests/crewai out where CrewAI is not installed, so something else has to run them."""
    assert run_by("test", "pytest") == [".venv-crewai/bin/pytest tests/crewai", ".venv/bin/pytest"]
    _, checked = run_by("check", "mypy")
    assert checked.startswith(".venv-crewai/bin/mypy")
    for folder in ("src/bailiwick/adapters/crewai", "tests/crewai", "examples/crewai"):
        for path in (ROOT / folder).glob("*.py"):
            assert str(path.relative_to(ROOT)) in checked.split()


def run_by(goal: str, program: str) -> list[str]:
    """The commands of a goal of the Makefile that run this program."""
    told = subprocess.run(
        ["make", "--dry-run", "--no-print-directory", "--assume-old=.venv/.installed", goal],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [line for line in told.stdout.splitlines() if line.split()[0].endswith(f"bin/{program}")]
