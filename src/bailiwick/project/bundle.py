"""From a project folder to a bundle and back: what is taken, how it loads, and how the folder differs from it.

INVARIANT: a bundle holds the texts that loading the folder would read, and loads without being unpacked, by the same
code and with the same findings as the folder. DESIGN §4, §5.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bailiwick.action.types import SemanticType
from bailiwick.errors import ProjectError
from bailiwick.guard.administration.bundles import Activation
from bailiwick.model.bundle import ProjectBundle, SourceFile, build
from bailiwick.policy.administration import ADMINISTRATION_FOLDER
from bailiwick.project.background import background_files
from bailiwick.project.load import PROJECT_FILE, SCHEMAS_FOLDER, Project, load_settings, load_texts
from bailiwick.project.texts import BundleTexts, FolderTexts

__all__ = ["TESTS_FOLDER", "build_bundle", "differing", "gather", "load_bundle"]

TESTS_FOLDER = "tests"


def gather(folder: Path) -> tuple[SourceFile, ...]:
    """Every text that decides, and the tests of the rules. Raises ProjectError if one cannot be read."""
    texts = FolderTexts(folder)
    paths = [PROJECT_FILE, "directory.toml"]
    for name in ("tools", TESTS_FOLDER):
        paths += texts.below(name, "*.toml")
    paths += texts.below(SCHEMAS_FOLDER, "*.json")
    for name in ("policies", ADMINISTRATION_FOLDER):
        paths += texts.below(name, "*.cedar", deep=True)
    paths += background_files(texts, load_settings(folder).decisions.background)
    return tuple(SourceFile(path=path, text=texts.read(path)) for path in paths)


def build_bundle(folder: Path, *, sequence: int, author: str, note: str = "") -> ProjectBundle:
    """An unsigned bundle of a folder that loads. Raises ProjectError with everything that is wrong in it."""
    settings = load_settings(folder).decisions
    made = build(gather(folder), tenant=settings.tenant, env=settings.env, sequence=sequence, author=author, note=note)
    load_bundle(folder, made)
    return made


def load_bundle(
    folder: Path, bundle: ProjectBundle, activation: Activation | None = None, *, types: Sequence[SemanticType] = ()
) -> Project:
    """The project that the bundle holds; `folder` is where its state lies. Types of arguments that are the project's
    own are named in it, and are the code that is installed here. Raises ProjectError."""
    project = load_texts(folder, BundleTexts(bundle.texts), types=types)
    return replace(project, planes=replace(project.planes, bundle=activation))


def differing(folder: Path, bundle: ProjectBundle) -> tuple[str, ...]:
    """The paths at which the folder says something else than the bundle; a file that cannot be read does so too."""
    try:
        here = {file.path: file.text for file in gather(folder)}
    except ProjectError as error:
        return tuple(sorted({finding.where.file for finding in error.findings}))
    there = bundle.texts
    return tuple(sorted(path for path in here.keys() | there.keys() if here.get(path) != there.get(path)))
