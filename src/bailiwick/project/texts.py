"""Where the texts of a project come from: a folder, or a bundle that was never unpacked. Same names, same findings."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Protocol

from bailiwick.errors import Finding, ProjectError, Where

__all__ = ["BundleTexts", "FolderTexts", "Texts"]


class Texts(Protocol):
    """The files of a project by their path below it, with `/`."""

    def read(self, path: str) -> str:
        """The text of a file. Raises ProjectError if there is none, or if it cannot be read."""

    def below(self, folder: str, pattern: str, *, deep: bool = False) -> list[str]:
        """The files in a folder of the project, sorted; `deep`: also in its folders."""


@dataclass(frozen=True, slots=True)
class BundleTexts:
    """The texts of a bundle, by path."""

    texts: Mapping[str, str]

    def read(self, path: str) -> str:
        text = self.texts.get(path)
        if text is None:
            raise _missing(path)
        return text

    def below(self, folder: str, pattern: str, *, deep: bool = False) -> list[str]:
        within = f"{folder}/"
        return sorted(
            path
            for path in self.texts
            if path.startswith(within)
            and fnmatchcase(path.rpartition("/")[2], pattern)
            and (deep or "/" not in path[len(within) :])
        )


@dataclass(frozen=True, slots=True)
class FolderTexts:
    """The files of a folder, as they are when they are read."""

    folder: Path

    def read(self, path: str) -> str:
        try:
            return (self.folder / path).read_text(encoding="utf-8")
        except FileNotFoundError:
            raise _missing(path) from None
        except UnicodeDecodeError as error:
            finding = Finding(
                rule="not-utf8",
                message=f"the file is not UTF-8 (byte {error.start})",
                where=Where(file=path, line=error.object[: error.start].count(b"\n") + 1),
                hint="save it as UTF-8",
            )
            raise ProjectError([finding]) from None
        except OSError as error:
            raise _unreadable(path, f"the file cannot be read: {error.strerror}") from None

    def below(self, folder: str, pattern: str, *, deep: bool = False) -> list[str]:
        """INVARIANT: what cannot be looked into is an error. (`Path.glob` passes over it, and over links to folders: a
        rule in there would vanish without a word, promise 2.)"""

        def refuse(error: OSError) -> None:
            path = Path(os.fsdecode(error.filename))
            if path == self.folder / folder and isinstance(error, FileNotFoundError):
                return
            raise _unreadable(self._name(path), f"the folder cannot be looked into: {error.strerror}")

        found: list[Path] = []
        for place, folders, names in os.walk(self.folder / folder, onerror=refuse, followlinks=True):
            found += (Path(place, name) for name in (*names, *folders) if fnmatchcase(name, pattern))
            if not deep:
                folders.clear()
        return [self._name(path) for path in sorted(found)]

    def _name(self, path: Path) -> str:
        return path.relative_to(self.folder).as_posix()


def _missing(path: str) -> ProjectError:
    finding = Finding(
        rule="missing-file",
        message=f"the project has no {path}",
        where=Where(file=path),
        hint="create it; examples/support shows a whole project",
    )
    return ProjectError([finding])


def _unreadable(path: str, message: str) -> ProjectError:
    return ProjectError(
        [Finding(rule="unreadable", message=message, where=Where(file=path), hint="check its permissions")]
    )
