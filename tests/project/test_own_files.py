"""No governed tool reaches the project's own files through a path, whatever its root; beside them it does its work."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import bailiwick
from bailiwick.effectors.files import FileOpener
from bailiwick.project import load_project

EXAMPLES = Path(__file__).parents[2] / "examples"

TOOLS = """
[tools."files.put"]
effects      = ["write"]
args.path    = { type = "path", root = "ROOT", access = "write", role = "selector" }
args.text    = { type = "string", role = "content" }
"""
DIRECTORY = """
[users.alice]
[classes.desk]
[agents.desk-bot]
classes = ["desk"]
owner   = "alice"
"""
POLICY = """
@id("put")
permit (principal, action == Action::"files.put", resource);

@id("kept-to") @reason("Files are written through the opener alone.")
forbid (principal, action == Action::"files.put", resource)
unless { context.enforced.contains("path") && context.args.path.inside };
"""


def project(folder: Path, root: str) -> Path:
    for each in ("tools", "policies", "data"):
        (folder / each).mkdir(parents=True)
    (folder / "bailiwick.toml").write_text('tenant = "acme"\n')
    (folder / "directory.toml").write_text(DIRECTORY)
    (folder / "tools/files.toml").write_text(TOOLS.replace("ROOT", root))
    (folder / "policies/files.cedar").write_text(POLICY)
    return folder


def put(folder: Path, path: str) -> None:
    """Through the real guard and the opener."""
    with bailiwick.Guard.open(folder) as guard:

        @guard.tool("files.put", effectors={"path": FileOpener(base=folder)})
        def tool(path: str, text: str) -> str:
            with bailiwick.effector("path").open("write") as file:
                file.write(text.encode())
            return "written"

        with guard.session(user="alice", agent="desk-bot", task="Write it"):
            tool(path=path, text="permit (principal, action, resource);")


def test_beside_them_it_writes(tmp_path: Path) -> None:
    folder = project(tmp_path / "desk", "data")
    put(folder, "x.txt")
    assert (folder / "data/x.txt").read_text().startswith("permit")


@pytest.mark.parametrize(
    ("root", "path"),
    [
        (".", "policies/files.cedar"),
        (".", "policies/more.cedar"),
        (".", "tools/more.toml"),
        (".", "bailiwick.toml"),
        (".", "directory.toml"),
        (".", ".bailiwick/x"),
        (".", "data/x.txt"),
        ("policies", "more.cedar"),
        ("ABOVE", "desk/policies/files.cedar"),
        ("ABOVE", "desk/anything"),
    ],
)
def test_they_are_out_of_reach(tmp_path: Path, root: str, path: str) -> None:
    folder = project(tmp_path / "desk", root.replace("ABOVE", str(tmp_path)))
    with pytest.raises(bailiwick.Denied) as denied:
        put(folder, path)
    assert {reason.code for reason in denied.value.decision.reasons} == {"own-files"}
    assert (folder / "policies/files.cedar").read_text() == POLICY


def test_the_state_is_out_of_reach_under_its_real_name(tmp_path: Path) -> None:
    folder = project(tmp_path / "desk", "data")
    with bailiwick.Guard.open(folder) as guard:
        state = guard.project.state
    (folder / "tools/files.toml").write_text(TOOLS.replace("ROOT", state.relative_to(folder).as_posix()))
    for name in ("x", *(each.name for each in state.iterdir())):
        with pytest.raises(bailiwick.Denied) as denied:
            put(folder, name)
        assert {reason.code for reason in denied.value.decision.reasons} == {"own-files"}


def own_files(folder: Path, path: str) -> None:
    with pytest.raises(bailiwick.Denied) as denied:
        put(folder, path)
    assert {reason.code for reason in denied.value.decision.reasons} == {"own-files"}


@pytest.mark.parametrize(
    ("own", "link_to", "path"),
    [
        ("policies/more.cedar", "../data/more.cedar", "more.cedar"),
        ("policies/sub", "../data/sub", "sub/more.cedar"),
        ("policies/sub", "../data/sub", "sub/new.cedar"),
        ("tools/more.toml", "../data/more.toml", "more.toml"),
    ],
)
def test_what_the_project_reads_through_a_link_is_out_of_reach(
    tmp_path: Path, own: str, link_to: str, path: str
) -> None:
    folder = project(tmp_path / "desk", "data")
    (folder / "data/sub").mkdir()
    for name in ("more.cedar", "more.toml", "sub/more.cedar"):
        (folder / "data" / name).write_text("")
    (folder / own).symlink_to(link_to)
    own_files(folder, path)
    put(folder, "beside.txt")


@pytest.fixture
def mounts() -> Iterator[list[Path]]:
    made: list[Path] = []
    yield made
    for each in reversed(made):
        subprocess.run(["umount", each], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts")
@pytest.mark.parametrize(
    ("what", "where", "path"),
    [
        ("policies", "data/mount", "mount/files.cedar"),
        ("policies/sub", "data/mount", "mount/more.cedar"),
        ("policies/sub", "data/mount", "mount/new.cedar"),
        ("policies/files.cedar", "data/file", "file"),
        ("policies/sub/more.cedar", "data/file", "file"),
        (".", "data/mount", "mount/bailiwick.toml"),
        (".", "data/mount", "mount/policies/sub/more.cedar"),
        (".", "data/mount", "mount"),
    ],
)
def test_a_mount_gives_own_files_no_second_name(
    tmp_path: Path, mounts: list[Path], what: str, where: str, path: str
) -> None:
    folder = project(tmp_path / "desk", "data")
    (folder / "policies/sub").mkdir()
    (folder / "policies/sub/more.cedar").write_text("")
    (folder / "data/mount").mkdir()
    (folder / "data/file").touch()
    mounted = subprocess.run(["mount", "--bind", folder / what, folder / where], check=False)
    if mounted.returncode:
        pytest.skip("nothing may be mounted here")
    mounts.append(folder / where)
    own_files(folder, path)


@pytest.mark.parametrize("path", ["ID.py", "ID/__init__.py", "ID.abi3.so", "__pycache__/ID.cpython-311.pyc"])
def test_the_code_of_its_types_is_out_of_reach(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    folder = project(tmp_path / "desk", "data")
    (folder / "data/__pycache__").mkdir()
    shutil.copy(EXAMPLES / "own_type/acme_types.py", folder / "data/own_files_types.py")
    with (folder / "bailiwick.toml").open("a") as settings:
        settings.write('[types]\norder_id = "own_files_types:OrderId"\n')
    monkeypatch.syspath_prepend(str(folder / "data"))
    if path.startswith("ID/"):
        load_project(folder)  # before a folder stands in the module's place
        (folder / "data/own_files_types").mkdir()
    try:
        own_files(folder, path.replace("ID", "own_files_types"))
        put(folder, "beside.txt")
    finally:
        sys.modules.pop("own_files_types", None)
