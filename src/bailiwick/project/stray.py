"""Files of a project folder that look as if they were meant to be read, and never are.

A rule in a file that nobody reads forbids nothing (DESIGN §3 promise 2). Notes (.md, .txt) and hidden files may lie
anywhere.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from bailiwick.errors import Finding, Where
from bailiwick.policy.administration import ADMINISTRATION_FOLDER
from bailiwick.policy.rulebook import severity_of

__all__ = ["stray_files"]

_NOTES = frozenset({".md", ".txt"})
_RULE_FOLDERS = ("policies", ADMINISTRATION_FOLDER)
_CEDAR = ".cedar"
_TOML = ".toml"


def stray_files(folder: Path) -> tuple[Finding, ...]:
    """A finding for each, sorted by path. What cannot be looked into is left to loading, which refuses it."""
    return tuple(
        Finding(
            rule="file-ignored",
            message=f"this file is never read: {why}",
            where=Where(file=path.relative_to(folder).as_posix()),
            hint=f"{hint}; notes may lie anywhere as .md or .txt",
            severity=severity_of("file-ignored"),
        )
        for path, why, hint in sorted(_stray(folder))
    )


def _stray(folder: Path) -> Iterator[tuple[Path, str, str]]:
    for path in _below(folder / "tools"):
        if path.suffix != _TOML:
            yield path, "tools are read from files whose name ends in .toml", "rename it, or move it away"
        elif path.parent != folder / "tools":
            yield path, "folders below tools/ are not looked into", "move it into tools/ itself"
    for path in _below(folder / "schemas"):
        if path.suffix != ".json" or path.parent != folder / "schemas":
            yield path, "schemas are read from schemas/*.json", "rename it, or move it into schemas/ itself"
    for name in _RULE_FOLDERS:
        for path in _below(folder / name):
            if path.suffix != _CEDAR:
                yield path, f"rules in {name}/ are read from files whose name ends in .cedar", "rename or move it"
    elsewhere = [path for path in folder.iterdir() if path.is_file()]
    for path in (*elsewhere, *_below(folder / "tests")):
        if path.suffix == _CEDAR:
            yield path, "rules are read from policies/ and administration/", "move it into one of them"


def _below(folder: Path) -> Iterator[Path]:
    """The files in `folder` and in its folders, but for notes and hidden ones."""
    for place, folders, names in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            path = Path(place, name)
            if not name.startswith(".") and path.suffix not in _NOTES:
                yield path
