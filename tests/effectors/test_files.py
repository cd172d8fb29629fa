"""The file effector opens what was decided and nothing else, whatever is swapped in between."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import bailiwick.effectors.files as files
from bailiwick.action.parse import parse_call
from bailiwick.action.types import Surroundings
from bailiwick.effectors.files import FileOpener, JailedFile, OpenMode, open_beneath
from bailiwick.effectors.paths import PathLookups, identity_of
from bailiwick.errors import DidNotRun, UsageError, Where
from bailiwick.guard.effectors import Decided
from bailiwick.model.call import Action, Call
from bailiwick.model.lookup import Lookup, LookupKind
from bailiwick.model.tool import ArgSpec
from tests.action.desk import catalog_of

SOAK = bool(os.environ.get("BAILIWICK_SOAK"))
SECRET = b"the secret"


def _still() -> None:
    """The call is under way."""


def decided(base: Path, path: str, access: str = "read", begin: Callable[[], None] = _still) -> Decided:
    catalog = catalog_of(
        f"""
        [tools."files.get"]
        effects   = ["read", "write", "delete"]
        change    = {{ count = 1 }}
        args.path = {{ type = "path", root = "jail", access = "{access}", role = "selector" }}
        """
    )
    asked = Lookup(kind=LookupKind.PATH, name=path, below="jail")
    found = {asked: PathLookups(base=base).where(path, "jail")}
    action = parse_call(catalog, Call(tool="files.get", args={"path": path}), around=Surroundings(found=found))
    assert isinstance(action, Action), action
    (facts,) = action.arguments
    return Decided(spec=action.tool.args["path"], value=path, facts=facts, found=found, begin=begin)


def opened(base: Path, path: str, access: str = "read") -> JailedFile:
    return FileOpener(base=base).handle(decided(base, path, access))


@pytest.fixture
def base(tmp_path: Path) -> Path:
    (tmp_path / "jail/sub").mkdir(parents=True)
    (tmp_path / "jail/a.txt").write_bytes(b"one")
    (tmp_path / "jail/sub/b.txt").write_bytes(b"two")
    (tmp_path / "jail/link").symlink_to("sub/b.txt")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/b.txt").write_bytes(SECRET)
    return tmp_path


def test_a_path_to_delete_is_not_for_opening(base: Path) -> None:
    spec = decided(base, "a.txt", "delete").spec
    assert "delet" in FileOpener(base=base).problem(spec)
    for access in ("read", "write"):
        assert FileOpener(base=base).problem(decided(base, "a.txt", access).spec) == ""


def test_it_reads_and_writes_what_was_decided(base: Path) -> None:
    with opened(base, "link").open() as file:
        assert file.read() == b"two"
    with opened(base, "a.txt", "write").open("append") as file:
        file.write(b"!")
    assert (base / "jail/a.txt").read_bytes() == b"one!"
    with opened(base, "a.txt", "write").open("write") as file:
        file.write(b"x")
    assert (base / "jail/a.txt").read_bytes() == b"x"
    made = opened(base, "sub/new.txt", "write")
    with made.open("create") as file:
        file.write(b"new")
    with made.open("append") as file:
        file.write(b"er")
    assert (base / "jail/sub/new.txt").read_bytes() == b"newer"
    assert opened(base, ".").entries() == ("a.txt", "link", "sub")
    assert opened(base, "sub").entries() == ("b.txt", "new.txt")


@pytest.mark.parametrize("mode", ["write", "append", "create"])
def test_a_path_to_read_is_not_written(base: Path, mode: str) -> None:
    with pytest.raises(DidNotRun, match="only be read"):
        opened(base, "a.txt").open(mode)
    assert (base / "jail/a.txt").read_bytes() == b"one"


def test_modes_that_do_not_fit(base: Path) -> None:
    with pytest.raises(DidNotRun, match="already"):
        opened(base, "a.txt", "write").open("create")
    with pytest.raises(DidNotRun, match="no file"):
        opened(base, "new.txt", "write").open("read")
    with pytest.raises(DidNotRun, match="is a folder"):
        opened(base, "sub").open()
    with pytest.raises(DidNotRun, match="no folder"):
        opened(base, "a.txt").entries()
    with pytest.raises(ValueError, match="rb"):
        opened(base, "a.txt").open("rb")


def to_link(base: Path) -> None:
    (base / "jail/sub/b.txt").unlink()
    (base / "jail/sub/b.txt").symlink_to(base / "outside/b.txt")


def folder_to_link(base: Path) -> None:
    (base / "jail/sub").rename(base / "jail/old")
    (base / "jail/sub").symlink_to(base / "outside")


def to_other_file(base: Path) -> None:
    (base / "jail/sub/new").write_bytes(SECRET)
    (base / "jail/sub/new").rename(base / "jail/sub/b.txt")


def to_hard_link(base: Path) -> None:
    (base / "jail/sub/b.txt").unlink()
    (base / "jail/sub/b.txt").hardlink_to(base / "outside/b.txt")


def to_pipe(base: Path) -> None:
    (base / "jail/sub/b.txt").unlink()
    os.mkfifo(base / "jail/sub/b.txt")


def to_folder(base: Path) -> None:
    (base / "jail/sub/b.txt").unlink()
    (base / "jail/sub/b.txt").mkdir()


def to_nothing(base: Path) -> None:
    (base / "jail/sub/b.txt").unlink()


SWAPS = [to_link, folder_to_link, to_other_file, to_hard_link, to_pipe, to_folder, to_nothing]


@pytest.mark.parametrize("mode", OpenMode)
@pytest.mark.parametrize("swap", SWAPS)
def test_what_was_swapped_is_refused(base: Path, swap: Callable[[Path], None], mode: OpenMode) -> None:
    handle = opened(base, "sub/b.txt", "write")
    swap(base)
    with pytest.raises(DidNotRun):
        handle.open(mode)
    assert (base / "outside/b.txt").read_bytes() == SECRET


def test_a_new_file_is_not_made_through_a_link(base: Path) -> None:
    handle = opened(base, "sub/new.txt", "write")
    (base / "jail/sub/new.txt").symlink_to(base / "outside/new.txt")
    with pytest.raises(DidNotRun):
        handle.open("write")
    assert not (base / "outside/new.txt").exists()


@pytest.mark.parametrize("way", [open_beneath, files._walked])
def test_no_way_follows_links_or_climbs(base: Path, way: Any) -> None:
    (base / "jail/out").symlink_to("../outside")
    root = os.open(base / "jail", os.O_RDONLY | os.O_DIRECTORY)
    try:
        for path in ("link", "out/b.txt", "../outside/b.txt", "sub/../../outside/b.txt", str(base / "outside/b.txt")):
            with pytest.raises(OSError, match=r"."):
                way(root, path, os.O_RDONLY, 0)
        os.close(way(root, "sub/b.txt", os.O_RDONLY, 0))
    finally:
        os.close(root)


def test_nothing_is_opened_once_the_call_is_over(base: Path) -> None:
    def over() -> None:
        raise UsageError("the call is over")

    handle = FileOpener(base=base).handle(decided(base, "a.txt", begin=over))
    with pytest.raises(UsageError):
        handle.open()
    with pytest.raises(UsageError):
        handle.entries()


def test_it_keeps_to_paths_alone(base: Path) -> None:
    spec = ArgSpec(name="x", type="string", where=Where(file="tools/x.toml"))
    assert "string" in FileOpener(base=base).problem(spec)
    assert FileOpener(base=base).problem(decided(base, "a.txt").spec) == ""


# --- somebody swaps all the time --------------------------------------------------------------------------------------


SWAPPING = """
import os, sys
os.chdir(sys.argv[1])
while True:
    os.rename("sub", "kept")
    os.symlink("../outside", "sub")
    os.unlink("sub")
    os.rename("kept", "sub")
"""
"""Puts a folder and a link that leads out in each other's place, as fast as it can."""


@pytest.mark.soak
def test_nobody_is_fast_enough(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ways: list[Any] = [files._openat2, lambda *_: None]
    other = subprocess.Popen([sys.executable, "-c", SWAPPING, str(base / "jail")])
    read = refused = escaped = 0
    until = time.monotonic() + (60 if SOAK else 2)
    walk = PathLookups(base=base)
    try:
        while time.monotonic() < until:
            monkeypatch.setattr(files, "_openat2", ways[(read + refused) % 2])
            answer = walk.where("sub/b.txt", "jail")
            assert answer[0] in ("file", "outside", "unknown")
            if answer[0] != "file":
                refused += 1
                continue
            assert answer[2] != identity_of((base / "outside/b.txt").stat())
            try:
                with opened(base, "sub/b.txt").open() as file:
                    escaped += file.read() != b"two"
                read += 1
            except (DidNotRun, AssertionError):
                refused += 1
    finally:
        other.kill()
        other.wait()
    assert escaped == 0
    assert read > 0
    assert refused > 0
