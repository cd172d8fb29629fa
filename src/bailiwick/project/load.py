"""Reads a project folder into the planes. Nothing is opened, started or written: `check` and `explain` need no more."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TypeVar

from bailiwick.action.catalog import load_catalog
from bailiwick.action.types import Organisation
from bailiwick.errors import Finding, ProjectError, UsageError, Where
from bailiwick.guard.planes import Planes
from bailiwick.identity.directory import load_directory
from bailiwick.policy import PolicyEngine, PolicySource
from bailiwick.policy.administration import ADMINISTRATION_FOLDER
from bailiwick.project.settings import ProjectSettings, read_settings

__all__ = ["PROJECT_FILE", "Project", "find_project", "load_project", "load_settings"]

PROJECT_FILE = "bailiwick.toml"
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A project folder that loaded. `state` is where state and logs are kept; it need not exist yet."""

    folder: Path
    settings: ProjectSettings
    planes: Planes
    state: Path

    @property
    def warnings(self) -> tuple[Finding, ...]:
        return (*self.planes.policy.warnings, *self.planes.administration.warnings)


def find_project(start: Path | None) -> Path:
    """The project folder: `start` itself, or, if None, the nearest folder upwards that holds bailiwick.toml."""
    if start is not None:
        if not (start / PROJECT_FILE).is_file():
            raise UsageError(
                f"{start} is not a project folder: it holds no {PROJECT_FILE}",
                hint="name the folder that holds it",
                where=Where(file=str(start)),
            )
        return start
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / PROJECT_FILE).is_file():
            return folder
    raise UsageError(
        f"no {PROJECT_FILE} in {here} or any folder above it",
        hint="name the project folder",
        where=Where(file=str(here)),
    )


def load_settings(folder: Path) -> ProjectSettings:
    """What bailiwick.toml alone says. Raises ProjectError."""
    return read_settings(PROJECT_FILE, _read(folder, folder / PROJECT_FILE))


def load_project(folder: Path) -> Project:
    """Read and check everything. Raises ProjectError with every finding of the first stage that has any.

    Stages build on each other: settings, then catalog and directory, then policies."""
    settings = load_settings(folder)
    decisions = settings.decisions
    findings: list[Finding] = []
    tools = tuple((_name(folder, path), _read(folder, path)) for path in _files(folder, "tools", "*.toml"))
    catalog = _collect(findings, lambda: load_catalog(tools, levels=decisions.levels, categories=decisions.categories))
    directory = _collect(
        findings,
        lambda: load_directory(
            "directory.toml",
            _read(folder, folder / "directory.toml"),
            levels=decisions.levels,
            catalog_tools=frozenset(catalog.tools) if catalog else None,
            zones=catalog.zones if catalog else None,
        ),
    )
    if catalog is None or directory is None:
        raise ProjectError(findings)
    words = settings.vocabulary
    policy = _collect(
        findings,
        lambda: PolicyEngine.load(_sources(folder, "policies"), catalog=catalog, directory=directory, vocabulary=words),
    )
    administration = _collect(
        findings,
        lambda: PolicyEngine.load_administration(
            _sources(folder, ADMINISTRATION_FOLDER), directory=directory, vocabulary=words
        ),
    )
    if policy is None or administration is None:
        raise ProjectError(findings)
    planes = Planes(
        settings=decisions,
        organisation=Organisation(domains=settings.domains),
        catalog=catalog,
        directory=directory,
        policy=policy,
        administration=administration,
    )
    return Project(folder=folder, settings=settings, planes=planes, state=folder / settings.state_path)


def _collect(findings: list[Finding], load: Callable[[], T]) -> T | None:
    try:
        return load()
    except ProjectError as error:
        findings.extend(error.findings)
        return None


def _sources(folder: Path, below: str) -> tuple[PolicySource, ...]:
    files = _files(folder, below, "*.cedar", deep=True)
    return tuple(PolicySource(path=_name(folder, path), text=_read(folder, path)) for path in files)


def _name(folder: Path, path: Path) -> str:
    return path.relative_to(folder).as_posix()


def _files(folder: Path, below: str, pattern: str, *, deep: bool = False) -> list[Path]:
    """The files in a folder of the project, sorted; `deep`: also in its folders.

    INVARIANT: what cannot be looked into is an error. (`Path.glob` passes over it, and over links to folders: a rule in
    there would vanish without a word, promise 2.)"""

    def refuse(error: OSError) -> None:
        path = Path(os.fsdecode(error.filename))
        if path == folder / below and isinstance(error, FileNotFoundError):
            return
        finding = Finding(
            rule="unreadable",
            message=f"the folder cannot be looked into: {error.strerror}",
            where=Where(file=_name(folder, path)),
            hint="check its permissions",
        )
        raise ProjectError([finding])

    found: list[Path] = []
    for place, folders, names in os.walk(folder / below, onerror=refuse, followlinks=True):
        found += (Path(place, name) for name in (*names, *folders) if fnmatchcase(name, pattern))
        if not deep:
            folders.clear()
    return sorted(found)


def _read(folder: Path, path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ProjectError(
            [
                Finding(
                    rule="missing-file",
                    message=f"the project has no {_name(folder, path)}",
                    where=Where(file=_name(folder, path)),
                    hint="create it; examples/support shows a whole project",
                )
            ]
        ) from None
    except UnicodeDecodeError as error:
        finding = Finding(
            rule="not-utf8",
            message=f"the file is not UTF-8 (byte {error.start})",
            where=Where(file=_name(folder, path), line=error.object[: error.start].count(b"\n") + 1),
            hint="save it as UTF-8",
        )
        raise ProjectError([finding]) from None
    except OSError as error:
        finding = Finding(
            rule="unreadable",
            message=f"the file cannot be read: {error.strerror}",
            where=Where(file=_name(folder, path)),
            hint="check its permissions",
        )
        raise ProjectError([finding]) from None
