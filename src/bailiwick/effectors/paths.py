"""Looks up where paths lead: `(kind, path, identity)`, as `bailiwick.action.types.path` says.

The walk goes from the root down, one part at a time, each opened relative to the folder before it and never through a
link: a link's text is read and walked in its place. INVARIANT: whatever is changed meanwhile, the walk never leaves the
root: `..` in a link goes back to a folder that is already open, and there is none above the root.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["PathLookups", "identity_of", "open_root"]

MAX_LINKS = 40
MAX_OWN = 10_000
"""Files that what was found is compared with, whatever it is called. Where there are more, nothing is said of it."""

_OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
Answer = tuple[str, str, str]


def identity_of(found: os.stat_result) -> str:
    """The device and the number of a file: the same as long as it is the same file."""
    return f"{found.st_dev}:{found.st_ino}"


def open_root(base: Path, root: str) -> int:
    """A descriptor of the folder `root` (relative: below `base`). The way to the root is the operator's own, links in
    it are followed. Raises OSError."""
    return os.open(base / root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


class _Leaves(Exception):
    """The walk ended in what is refused; the message is the kind."""


@dataclass(slots=True)
class _Walk:
    """From the root down. `folders` are open descriptors, the root first; `parts` how they are called."""

    folders: list[int]
    own: frozenset[str]
    parts: list[str] = field(default_factory=list)
    links: int = 0

    def to(self, name: str) -> Answer:
        todo = [] if name == "." else name.split("/")[::-1]
        while todo:
            part = todo.pop()
            if part in ("", "."):
                continue
            if part == "..":
                self._back()
                continue
            try:
                found = os.stat(part, dir_fd=self.folders[-1], follow_symlinks=False)
            except FileNotFoundError:
                return self._missing(part, todo)
            if stat.S_ISLNK(found.st_mode):
                todo += self._link(part)
                continue
            self._check_spelling(part, found)
            if identity_of(found) in self.own:
                raise _Leaves("own")
            if not stat.S_ISDIR(found.st_mode):
                return self._file(part, found, todo)
            self._into(part, found)
        return "folder", "/".join(self.parts) or ".", identity_of(os.fstat(self.folders[-1]))

    def _back(self) -> None:
        if not self.parts:
            raise _Leaves("outside")
        os.close(self.folders.pop())
        self.parts.pop()

    def _link(self, part: str) -> list[str]:
        self.links += 1
        text = os.readlink(part, dir_fd=self.folders[-1])
        if self.links > MAX_LINKS or text.startswith("/"):
            raise _Leaves("outside")
        return text.split("/")[::-1]

    def _into(self, part: str, found: os.stat_result) -> None:
        opened = os.open(part, _OPEN_FOLDER, dir_fd=self.folders[-1])
        self.folders.append(opened)
        self.parts.append(part)
        if identity_of(os.fstat(opened)) != identity_of(found):
            raise _Leaves("unknown")

    def _missing(self, part: str, todo: list[str]) -> Answer:
        """Nothing of that name: it may be made, if it is the last part and no link leads to it."""
        if todo or self.links:
            raise _Leaves("unknown")
        return "missing", "/".join([*self.parts, part]), ""

    def _file(self, part: str, found: os.stat_result, todo: list[str]) -> Answer:
        if not stat.S_ISREG(found.st_mode):
            raise _Leaves("special")
        if todo:
            raise _Leaves("unknown")
        return "file", "/".join([*self.parts, part]), identity_of(found)

    def _check_spelling(self, part: str, found: os.stat_result) -> None:
        """Where upper and lower case are the same to the file system, a name is taken as it stands in its folder."""
        other = part.swapcase()
        if other == part and part.isascii():
            return
        if part.isascii():
            try:
                same = os.stat(other, dir_fd=self.folders[-1], follow_symlinks=False)
            except OSError:
                return
            if identity_of(same) != identity_of(found):
                return
        if part not in os.listdir(self.folders[-1]):  # noqa: PTH208 - of an open folder
            raise _Leaves("respelled")


class PathLookups:
    """Asks the file system. `base` is the project's folder; `own` are the files and folders in it, or elsewhere, that
    no path may lead to. Below a root that is not itself a folder in the project, no path leads into the project."""

    def __init__(self, *, base: Path, own: Sequence[Path] = ()) -> None:
        self._base = base
        self._own = tuple(own)

    def where(self, name: str, below: str) -> Answer:
        """Where `name` leads below the folder `below`. Never raises."""
        try:
            return self._walked(name, below)
        except _Leaves as refused:
            return str(refused), "", ""
        except (OSError, ValueError):
            return "unknown", "", ""

    def _walked(self, name: str, below: str) -> Answer:
        root, project = (Path(os.path.realpath(each)) for each in (self._base / below, self._base))
        inner = root != project and root.is_relative_to(project)
        own = _Own.of(self._own, () if inner else (project,))
        walk = _Walk([open_root(self._base, below)], own.identities)
        try:
            if identity_of(os.fstat(walk.folders[0])) in walk.own:
                raise _Leaves("own")
            answer = walk.to(name)
            own.check(root / answer[1], answer)
            if not inner and answer[0] == "file" and _is_hard_link(project, walk.folders[-1], answer):
                raise _Leaves("own")
            return answer
        finally:
            for folder in walk.folders:
                os.close(folder)


@dataclass(frozen=True, slots=True)
class _Own:
    """What no path may lead to. `names` are real paths, also of what does not exist yet; `identities` are of all that
    lies there, since a mount, a hard link or a link among the own files gives one file two names; `above` are of the
    folders that hold some."""

    names: frozenset[Path]
    identities: frozenset[str]
    above: frozenset[str]

    @classmethod
    def of(cls, own: Sequence[Path], closed: Sequence[Path]) -> _Own:
        """`own` with all that is in them, and the folders `closed` as such."""
        names = {Path(os.path.realpath(each)) for each in (*own, *closed)}
        seen: set[str] = set()
        todo = list(own)
        for count, path in enumerate(todo):
            if count > MAX_OWN:
                raise _Leaves("unknown")
            with contextlib.suppress(FileNotFoundError):
                found = path.stat()
                if identity_of(found) in seen:
                    continue
                seen.add(identity_of(found))
                if stat.S_ISDIR(found.st_mode):
                    with os.scandir(path) as inside:
                        for each in inside:
                            todo.append(Path(each.path))
                            if each.is_symlink():
                                names.add(Path(os.path.realpath(each.path)))
        above = _identities({up for each in names for up in each.parents})
        return cls(frozenset(names), _identities(closed) | seen, above)

    def check(self, found: Path, answer: Answer) -> None:
        """By name, also for what does not exist yet; a folder must not hold own files either."""
        folder = answer[0] == "folder"
        if folder and answer[2] in self.above:
            raise _Leaves("own")
        for real in self.names:
            if found.is_relative_to(real) or (folder and real.is_relative_to(found)):
                raise _Leaves("own")


def _identities(paths: Iterable[Path]) -> frozenset[str]:
    """Of those that exist."""
    found: set[str] = set()
    for path in paths:
        with contextlib.suppress(FileNotFoundError):
            found.add(identity_of(path.stat()))
    return frozenset(found)


def _is_hard_link(project: Path, folder: int, answer: Answer) -> bool:
    """Whether a file outside of the project is one of its files under another name."""
    found = os.stat(answer[1].rpartition("/")[2], dir_fd=folder, follow_symlinks=False)
    if found.st_nlink < 2:
        return False
    for count, path in enumerate(_files(project)):
        if count > MAX_OWN:
            return True
        with contextlib.suppress(FileNotFoundError):
            if identity_of(path.lstat()) == answer[2]:
                return True
    return False


def _files(folder: Path) -> Iterator[Path]:
    for place, _, names in os.walk(folder):
        yield from (Path(place) / name for name in names)
