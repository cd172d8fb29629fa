"""What holds for the project as a whole: its dependencies are explained, pinned and free to use."""

from __future__ import annotations

import re
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
