"""Opens the very file that was decided: the effector for arguments of type `path`.

INVARIANT: what is opened lies below the root, was reached through no link, and is the file that the decision found (or,
where it found none, a new one): the way is walked from an open root by `openat2` where the system has it, else part by
part, and the open file is compared with the decision before anything is read or written. What was swapped in between is
refused.

An open file outlives the call if the tool keeps it: close it before the tool returns. Who can change the folders
meanwhile can move the opened file elsewhere; its content is what is read or written all the same.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import struct
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO, cast

from bailiwick.action.types.path import path_lookup
from bailiwick.effectors.paths import identity_of, open_root
from bailiwick.errors import DidNotRun
from bailiwick.guard.effectors import Decided
from bailiwick.model.lookup import Lookup
from bailiwick.model.tool import ArgSpec

__all__ = ["FileOpener", "JailedFile", "OpenMode", "open_beneath"]

_OPENAT2 = 437
"""The number of the system call, the same on every processor."""
_NO_MAGIC_LINKS, _NO_LINKS, _BENEATH = 0x02, 0x04, 0x08
_MISSING_CALL = frozenset({errno.ENOSYS, errno.EPERM, errno.EINVAL, errno.E2BIG})
_ALWAYS = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class OpenMode(StrEnum):
    """What an open file is for. WRITE begins with an empty file, which may be new; CREATE takes a new one only."""

    READ = "read"
    WRITE = "write"
    APPEND = "append"
    CREATE = "create"


_FLAGS: Mapping[OpenMode, int] = {
    OpenMode.READ: os.O_RDONLY,
    OpenMode.WRITE: os.O_WRONLY,
    OpenMode.APPEND: os.O_WRONLY | os.O_APPEND,
    OpenMode.CREATE: os.O_WRONLY,
}


class FileOpener:
    """Opens what was decided. `base` is the project's folder, which relative roots lie in; `permissions` are those of
    new files, less the umask."""

    def __init__(self, *, base: str | Path, permissions: int = 0o666) -> None:
        self._base = Path(base).absolute()
        self._permissions = permissions

    def problem(self, spec: ArgSpec) -> str:
        if spec.type != "path":
            return f"is of type {spec.type}, and this effector opens type path"
        if spec.options.get("access") == "delete":
            return "is for deleting, and this effector opens files"
        return ""

    def handle(self, decided: Decided) -> JailedFile:
        return JailedFile(decided=decided, base=self._base, permissions=self._permissions)


@dataclass(slots=True, kw_only=True)
class JailedFile:
    """One decided path."""

    decided: Decided
    base: Path
    permissions: int
    _made: str = ""
    """The identity of the file that was made here."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def open(self, mode: OpenMode | str = OpenMode.READ) -> BinaryIO:
        """The file, open. Raises DidNotRun where it is not the one that was decided, not a file, or not to be written;
        UsageError once the call is over."""
        self.decided.begin()
        chosen = OpenMode(mode)
        if chosen is not OpenMode.READ and self.decided.spec.options.get("access") != "write":
            raise DidNotRun("this path may only be read", hint='the catalog says what it is for: access = "write"')
        with self._lock:
            kind, path, identity = self._answer()
            if kind == "folder":
                raise DidNotRun(f"{path} is a folder")
            try:
                opened = self._opened(chosen, path, identity)
            except OSError as error:
                raise DidNotRun(f"{path} cannot be opened as it was decided: {error.strerror}") from error
        python_mode = {OpenMode.READ: "rb", OpenMode.APPEND: "ab"}.get(chosen, "wb")
        return cast(BinaryIO, os.fdopen(opened, python_mode))

    def entries(self) -> tuple[str, ...]:
        """The names in the folder, sorted. Raises as `open` does."""
        self.decided.begin()
        kind, path, identity = self._answer()
        if kind != "folder":
            raise DidNotRun(f"{path} is no folder")
        try:
            with (
                _Open(open_root(self.base, self._lookup().below)) as root,
                _Open(os.dup(root) if path == "." else open_beneath(root, path, _FOLDER)) as folder,
            ):
                _check_same(os.fstat(folder), identity, path)
                return tuple(sorted(os.listdir(folder)))  # noqa: PTH208 - of an open folder
        except OSError as error:
            raise DidNotRun(f"{path} cannot be opened as it was decided: {error.strerror}") from error

    def _lookup(self) -> Lookup:
        asked = path_lookup(self.decided.value, self.decided.spec)
        assert isinstance(asked, Lookup)  # it was parsed
        return asked

    def _answer(self) -> tuple[str, str, str]:
        answer = self.decided.found.get(self._lookup(), ())
        if len(answer) != 3 or answer[0] not in ("file", "folder", "missing"):
            raise DidNotRun("it was not looked up where this path leads")
        kind, path, identity = answer
        return ("file", path, self._made) if self._made else (kind, path, identity)

    def _opened(self, mode: OpenMode, path: str, identity: str) -> int:
        new = identity == ""
        if new and mode is OpenMode.READ:
            raise DidNotRun(f"there is no file {path}")
        if not new and mode is OpenMode.CREATE:
            raise DidNotRun(f"there is a file {path} already")
        flags = _FLAGS[mode] | _ALWAYS | (os.O_CREAT | os.O_EXCL if new else 0)
        with _Open(open_root(self.base, self._lookup().below)) as root:
            opened = open_beneath(root, path, flags, self.permissions if new else 0)
        with ExitStack() as undo:
            undo.callback(os.close, opened)
            found = os.fstat(opened)
            if new:
                self._made = identity_of(found)
            else:
                _check_same(found, identity, path)
            if not stat.S_ISREG(found.st_mode):
                raise DidNotRun(f"{path} is no file")
            if mode is OpenMode.WRITE:
                os.ftruncate(opened, 0)
            undo.pop_all()
        return opened


def _check_same(found: os.stat_result, identity: str, path: str) -> None:
    if identity_of(found) != identity:
        raise DidNotRun(f"{path} is another file than when this was decided", hint="make the call again")


@dataclass(frozen=True, slots=True)
class _Open:
    """A descriptor that is closed in the end."""

    descriptor: int

    def __enter__(self) -> int:
        return self.descriptor

    def __exit__(self, *_: object) -> None:
        os.close(self.descriptor)


def open_beneath(root: int, path: str, flags: int, permissions: int = 0) -> int:
    """Opens `path` below the open folder `root` without following any link. Raises OSError."""
    opened = _openat2(root, path, flags, permissions)
    return _walked(root, path, flags, permissions) if opened is None else opened


def _openat2(root: int, path: str, flags: int, permissions: int) -> int | None:
    """None where the system has no such call."""
    call = getattr(ctypes.CDLL(None, use_errno=True), "syscall", None)
    if call is None or os.uname().sysname != "Linux":
        return None
    how = struct.pack("=QQQ", flags, permissions, _NO_MAGIC_LINKS | _NO_LINKS | _BENEATH)
    found: int = call(
        ctypes.c_long(_OPENAT2),
        ctypes.c_int(root),
        ctypes.c_char_p(os.fsencode(path)),
        ctypes.c_char_p(how),
        ctypes.c_size_t(len(how)),
    )
    if found >= 0:
        return found
    number = ctypes.get_errno()
    if number in _MISSING_CALL:
        return None
    raise OSError(number, os.strerror(number))


def _walked(root: int, path: str, flags: int, permissions: int) -> int:
    """Part by part, none of which may be a link."""
    *folders, last = path.split("/")
    if any(part in ("", ".", "..") for part in (*folders, last)):
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
    now = os.dup(root)
    try:
        for part in folders:
            inner = os.open(part, _FOLDER, dir_fd=now)
            os.close(now)
            now = inner
        return os.open(last, flags | os.O_NOFOLLOW, permissions, dir_fd=now)
    finally:
        os.close(now)
