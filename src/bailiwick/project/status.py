"""What decides in a project just now, a bundle or the folder's files: read from its state, and nothing is changed."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from bailiwick.action.types import SemanticType
from bailiwick.errors import StoreError
from bailiwick.guard.administration.bundles import Activation
from bailiwick.model.bundle import ProjectBundle, read
from bailiwick.project.bundle import differing, load_bundle
from bailiwick.project.load import Project, load_project, load_settings
from bailiwick.project.settings import ProjectSettings
from bailiwick.stores.sqlite_bundles import SqliteBundles
from bailiwick.stores.sqlite_state_file import StateFile
from bailiwick.stores.sqlite_suspensions import SqliteSuspensions

__all__ = [
    "INDEX_FILE",
    "LOG_FOLDER",
    "STATE_FILE",
    "BundleStatus",
    "activated",
    "bundle_status",
    "last_sequence",
    "make_state_folder",
]

LOG_FOLDER = "log"
INDEX_FILE = "index.db"
STATE_FILE = "state.db"
"""Where the state folder holds the logs of all processes, and everything else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleStatus:
    """`project` is what decides; `differing` are the paths at which the folder says something else than the active
    bundle; `pending` is an activation that is under way, or was when its process ended."""

    project: Project
    active: Activation | None = None
    pending: Activation | None = None
    history: tuple[Activation, ...] = ()
    differing: tuple[str, ...] = ()


def make_state_folder(state: Path) -> None:
    """Make the state folder if there is none. Raises StoreError."""
    try:
        state.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise StoreError(
            f"there can be no folder {state}: {error.strerror}",
            hint="name another one as `path` in [stores] of bailiwick.toml, or make room for this one",
        ) from error


def activated(
    folder: Path,
    settings: ProjectSettings,
    active: Activation,
    bundles: SqliteBundles,
    *,
    types: Sequence[SemanticType] = (),
) -> Project:
    """The project that the active bundle holds. Raises StoreError or ProjectError."""
    return load_bundle(folder, _stored(settings, active, bundles), active, types=types)


def bundle_status(folder: Path) -> BundleStatus:
    """What decides in the project in `folder`. Raises ProjectError, StoreError."""
    settings = load_settings(folder)
    decisions = settings.decisions
    state = folder / settings.state_path
    if not (state / STATE_FILE).exists():
        return BundleStatus(project=load_project(folder))
    with ExitStack() as undo:
        file = StateFile.open(state / STATE_FILE)
        undo.callback(file.close)
        bundles = SqliteBundles(file)
        active = bundles.active(decisions.tenant, decisions.env)
        suspensions = SqliteSuspensions(file).suspensions(decisions.tenant, decisions.env)
        bundle = _stored(settings, active, bundles) if active else None
        project = load_bundle(folder, bundle, active) if bundle else load_project(folder)
        return BundleStatus(
            project=replace(project, state=state, planes=replace(project.planes, suspensions=suspensions)),
            active=active,
            pending=bundles.pending(decisions.tenant, decisions.env),
            history=bundles.history(decisions.tenant, decisions.env),
            differing=differing(folder, bundle) if bundle else (),
        )


def last_sequence(folder: Path) -> int:
    """The sequence of the active bundle; 0 if there is none."""
    settings = load_settings(folder)
    path = folder / settings.state_path / STATE_FILE
    if not path.exists():
        return 0
    with ExitStack() as undo:
        file = StateFile.open(path)
        undo.callback(file.close)
        active = SqliteBundles(file).active(settings.decisions.tenant, settings.decisions.env)
        return active.sequence if active else 0


def _stored(settings: ProjectSettings, active: Activation, bundles: SqliteBundles) -> ProjectBundle:
    decisions = settings.decisions
    bundle = read(bundles.data(decisions.tenant, decisions.env, active.sequence))
    if bundle.digest != active.digest:
        raise StoreError(
            f"bundle {active.sequence} in the state store is not the one that was activated",
            hint="find out who wrote to the state store, and restore its newest copy",
        )
    return bundle
