"""The small project of data/lint.toml, written out with changes, and what `bailiwick check` finds in it."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bailiwick.errors import Finding, ProjectError
from bailiwick.policy import PolicyEngine, PolicySource
from bailiwick.project.lint import lint
from bailiwick.project.load import load_project
from bailiwick.project.stray import stray_files

__all__ = ["EXAMPLES", "SUPPORT", "check_project", "check_rules", "parts_shown", "write_project"]

_DATA: dict[str, Any] = tomllib.loads((Path(__file__).parent / "data/lint.toml").read_text(encoding="utf-8"))
_PROJECT: Mapping[str, str] = _DATA.pop("project")
EXAMPLES: Mapping[str, Mapping[str, str | Mapping[str, str]]] = _DATA
"""Id → `bad` and `good`, each a text of rules or parts of the small project."""

SUPPORT = Path(__file__).parents[2] / "examples" / "support"
_ADDED = {"rules": "policies/example.cedar", "tools": "tools/desk.toml", "directory": "directory.toml"}


def write_project(folder: Path, parts: Mapping[str, str]) -> Path:
    """The small project with `parts`: see data/lint.toml."""
    files = dict(_PROJECT)
    for name, text in parts.items():
        path = _ADDED.get(name, name)
        files[path] = f"{files.get(path, '') if name in _ADDED else ''}\n{text.strip()}\n"
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    return folder


def check_project(folder: Path) -> tuple[Finding, ...]:
    """What `bailiwick check` finds there."""
    try:
        return lint(load_project(folder))
    except ProjectError as error:
        return (*error.findings, *stray_files(folder))


def check_rules(text: str) -> tuple[Finding, ...]:
    """What loading `text` finds, with the tools and the directory of examples/support."""
    project = load_project(SUPPORT)
    planes = project.planes
    source = PolicySource(path="policies/example.cedar", text=text.strip())
    try:
        return PolicyEngine.load(
            [source], catalog=planes.catalog, directory=planes.directory, vocabulary=project.settings.vocabulary
        ).warnings
    except ProjectError as error:
        return error.findings


def parts_shown(example: str | Mapping[str, str]) -> list[tuple[str, str]]:
    """An example as a page shows it: each text with the file that it stands in."""
    if isinstance(example, str):
        return [("policies/example.cedar", example.strip())]
    return [(_ADDED.get(name, name), text.strip()) for name, text in example.items()]
