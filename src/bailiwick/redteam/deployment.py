"""A private copy of a project folder, in which every trial finds everything new: no session, label, budget, approval or
stored text of one trial is there in the next.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bailiwick.effectors.hosts import HostLookups
from bailiwick.errors import UsageError
from bailiwick.model.nearest import did_you_mean
from bailiwick.policy.text import Piece, split
from bailiwick.project import Guard
from bailiwick.project.load import Project, find_project, load_project

__all__ = ["PROFILES", "Deployment", "forbids_of"]

_SOMEWHERE = ("2d00::2",)
"""Where every host is in a trial: a public address that nobody has. Nobody is asked, so that a run is the same
everywhere, and no name of an attacker's reaches a resolver. Tools do not connect to it."""

_MEMORY = Path("/dev/shm")  # noqa: S108  the folder within it is made by tempfile, for this user alone
PROFILES = "profiles"
"""A folder of the project whose folders are laid over it: `profiles/strict/policies/strict.cedar`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """A copy of a project folder."""

    project: Project

    @classmethod
    @contextmanager
    def copied(cls, folder: Path, *, profile: str = "", rules_off: Collection[str] = ()) -> Iterator[Deployment]:
        """Copy the project in `folder`, lay a profile over it, take out rules. Raises UsageError for a profile or a
        rule that is not there, ProjectError if what is left does not load."""
        find_project(folder)
        with tempfile.TemporaryDirectory(prefix="bailiwick-redteam-", dir=_in_memory()) as made:
            target = Path(made) / "project"
            shutil.copytree(folder, target, ignore=shutil.ignore_patterns("__pycache__", ".bailiwick", PROFILES))
            if profile:
                _overlay(folder, profile, target)
            _take_out(target, frozenset(rules_off))
            yield cls(project=load_project(target))

    @contextmanager
    def fresh(self) -> Iterator[Guard]:
        """The guard of the project with a state that has seen nothing."""
        if self.project.state.exists():
            shutil.rmtree(self.project.state)
        hosts = HostLookups(resolve=lambda _: _SOMEWHERE)
        with Guard.for_activation(self.project.folder, loaded=self.project, hosts=hosts) as guard:
            yield guard

    def keep(self, where: Path) -> None:
        """Copy state and log of the last trial to `where`."""
        shutil.copytree(self.project.state, where, dirs_exist_ok=True)


def _in_memory() -> str | None:
    """A folder in memory, where the system has one: a trial's log is durable, and nobody needs it after the trial."""
    return str(_MEMORY) if os.access(_MEMORY, os.W_OK | os.X_OK) else None


def forbids_of(folder: Path, profile: str = "") -> tuple[str, ...]:
    """The ids of all rules of a project that only ever refuse, in order."""
    with Deployment.copied(folder, profile=profile) as deployment:
        policies = deployment.project.planes.policy.policies
        return tuple(sorted(name for name, info in policies.items() if info.effect == "forbid"))


def _overlay(folder: Path, profile: str, target: Path) -> None:
    known = sorted(each.name for each in (folder / PROFILES).glob("*") if each.is_dir())
    if profile not in known:
        hint = did_you_mean(profile, known, f"make a folder {PROFILES}/{profile} in the project")
        raise UsageError(f"{folder} has no profile {profile!r}", hint=hint)
    shutil.copytree(folder / PROFILES / profile, target, dirs_exist_ok=True)


def _take_out(target: Path, rules: frozenset[str]) -> None:
    known: set[str] = set()
    for path in sorted((target / "policies").glob("**/*.cedar")):
        text = path.read_text(encoding="utf-8")
        pieces = split(path.name, text)
        known.update(_id(piece) for piece in pieces)
        for piece in reversed(pieces):
            if _id(piece) in rules:
                text = text[: piece.tokens[0].start] + text[piece.tokens[-1].end :]
        path.write_text(text, encoding="utf-8")
    for missing in sorted(rules - known):
        raise UsageError(f"the project has no rule {missing!r}", hint=did_you_mean(missing, sorted(known)))


def _id(piece: Piece) -> str:
    texts = [token.text for token in piece.tokens]
    for at in range(len(texts) - 3):
        if texts[at : at + 3] == ["@", "id", "("]:
            return texts[at + 3].strip('"')
    return ""
