"""Reads a project folder into the planes. Nothing is opened, started or written: `check` and `explain` need no more."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from bailiwick.action.budget_amounts import budget_findings
from bailiwick.action.catalog import load_catalog
from bailiwick.action.channel_settings import channel_findings, own_files
from bailiwick.action.types import Address, Organisation, SemanticType, normal_address
from bailiwick.errors import Finding, ProjectError, UsageError, Where
from bailiwick.guard.planes import Planes
from bailiwick.identity.directory import load_directory
from bailiwick.identity.oidc_settings import group_findings
from bailiwick.model.directory import Directory
from bailiwick.policy import PolicyEngine, PolicySource
from bailiwick.policy.administration import ADMINISTRATION_FOLDER
from bailiwick.project.audit_settings import unwitnessed_tools
from bailiwick.project.background import load_background
from bailiwick.project.settings import ProjectSettings, read_settings
from bailiwick.project.texts import FolderTexts, Texts
from bailiwick.project.types import load_types

__all__ = ["PROJECT_FILE", "SCHEMAS_FOLDER", "Project", "find_project", "load_project", "load_settings", "load_texts"]

PROJECT_FILE = "bailiwick.toml"
SCHEMAS_FOLDER = "schemas"
"""Where files lie that arguments of type json name."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A project folder that loaded. `state` is where state and logs are kept; it need not exist yet. `types` were given
    to it, beside those that bailiwick.toml names."""

    folder: Path
    settings: ProjectSettings
    planes: Planes
    state: Path
    types: tuple[SemanticType, ...] = ()
    type_files: frozenset[Path] = frozenset()

    @property
    def own(self) -> tuple[Path, ...]:
        """What no governed tool may reach through a path: rules, catalog, tests, trusted keys, what channels rest on,
        the modules of its own types, state and log."""
        keys = (each.jwks for each in self.settings.decisions.oidc if "://" not in each.jwks)
        channels = own_files(self.settings.sections["channels"], self.settings.sections["smtp"])
        folders = ("policies", ADMINISTRATION_FOLDER, "tools", "tests", SCHEMAS_FOLDER)
        named = (PROJECT_FILE, "directory.toml", *folders, *keys, *channels)
        return (self.state, *(self.folder / name for name in named), *sorted(self.type_files))

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
    return read_settings(PROJECT_FILE, FolderTexts(folder).read(PROJECT_FILE))


def load_project(folder: Path, *, types: Sequence[SemanticType] = ()) -> Project:
    """Read and check everything in a folder. `types` are types of arguments beside those of bailiwick.toml.

    Raises ProjectError with every finding of the first stage that has any."""
    return load_texts(folder, FolderTexts(folder), types=types)


def load_texts(folder: Path, texts: Texts, *, types: Sequence[SemanticType] = ()) -> Project:
    """As `load_project`, from texts that need not lie in the folder: a bundle's.

    Stages build on each other: settings, then catalog and directory, then policies."""
    settings = read_settings(PROJECT_FILE, texts.read(PROJECT_FILE))
    decisions = settings.decisions
    findings: list[Finding] = []
    known = load_types(settings.sections["types"], types)
    tools = tuple((path, texts.read(path)) for path in texts.below("tools", "*.toml"))
    schemas = {path: texts.read(path) for path in texts.below(SCHEMAS_FOLDER, "*.json")}
    catalog = _collect(
        findings,
        lambda: load_catalog(
            tools,
            levels=decisions.levels,
            categories=decisions.categories,
            types=known.registry,
            schemas=schemas,
            sources=known.sources,
        ),
    )
    directory = _collect(
        findings,
        lambda: load_directory(
            "directory.toml",
            texts.read("directory.toml"),
            levels=decisions.levels,
            catalog_tools=frozenset(catalog.tools) if catalog else None,
            zones=catalog.zones if catalog else None,
            budgets=frozenset(budget.name for budget in decisions.budgets),
        ),
    )
    if catalog is None or directory is None:
        raise ProjectError(findings)
    findings += budget_findings(decisions.budgets, catalog)
    findings += group_findings(settings.sections["oidc"], directory)
    findings += unwitnessed_tools(catalog, settings.witnessing)
    words = settings.vocabulary
    policy = _collect(
        findings,
        lambda: PolicyEngine.load(_rules(texts, "policies"), catalog=catalog, directory=directory, vocabulary=words),
    )
    administration = _collect(
        findings,
        lambda: PolicyEngine.load_administration(
            _rules(texts, ADMINISTRATION_FOLDER), directory=directory, vocabulary=words
        ),
    )
    if policy is not None:
        gates = [name for name, rule in policy.bundle.policies.items() if rule.gate is not None]
        findings += channel_findings(settings.sections["channels"], directory, catalog.tools, gates)
    public = _collect(findings, lambda: load_background(texts, decisions.background))
    if policy is None or administration is None or public is None or findings:
        raise ProjectError(findings)
    planes = Planes(
        settings=decisions,
        organisation=Organisation(domains=settings.domains, mailboxes=settings.mailboxes | _mailboxes_of(directory)),
        types=known.registry,
        catalog=catalog,
        directory=directory,
        policy=policy,
        administration=administration,
        background=public[0],
        background_digest=public[1],
    )
    return Project(
        folder=folder,
        settings=settings,
        planes=planes,
        state=folder / settings.state_path,
        types=tuple(types),
        type_files=known.files,
    )


def _mailboxes_of(directory: Directory) -> frozenset[str]:
    """The addresses of all who are active, as arguments name them."""
    found = [normal_address(user.email) for user in directory.users.values() if user.active and user.email]
    return frozenset(address.text for address in found if isinstance(address, Address))


def _collect(findings: list[Finding], load: Callable[[], T]) -> T | None:
    try:
        return load()
    except ProjectError as error:
        findings.extend(error.findings)
        return None


def _rules(texts: Texts, below: str) -> tuple[PolicySource, ...]:
    files = texts.below(below, "*.cedar", deep=True)
    return tuple(PolicySource(path=path, text=texts.read(path)) for path in files)
