"""The type `path` says where a path leads, or refuses it. Looked up in a real folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bailiwick.action.parse import parse_call
from bailiwick.action.types import STANDARD_TYPES, Parsed, Surroundings, Unparsable
from bailiwick.action.types.path import MAX_PATH, plain_path
from bailiwick.effectors.lookups import SystemLookups
from bailiwick.effectors.paths import PathLookups
from bailiwick.errors import ProjectError, Where
from bailiwick.model.call import Action, Call
from bailiwick.model.decision import Reason
from bailiwick.model.lookup import Lookup, LookupKind
from bailiwick.model.tool import ArgSpec, Effect, Role
from tests.action.desk import cases, catalog_of

PATH = STANDARD_TYPES["path"]


def ids(case: dict[str, Any]) -> str:
    return str(case["name"])


def spec(root: str = "jail", **options: str) -> ArgSpec:
    where = Where(file="tools/x.toml")
    return ArgSpec(name="x", type="path", role=Role.SELECTOR, options={"root": root, **options}, where=where)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What data/path.toml describes."""
    base = tmp_path_factory.mktemp("base")
    for folder in ("jail/sub", "policies", ".state"):
        (base / folder).mkdir(parents=True)
    for file in ("outside.txt", "jail/a.txt", "jail/.hidden", "jail/sub/b.TXT", "policies/rules.cedar", ".state/log"):
        (base / file).write_text(file)
    jail = base / "jail"
    links = {
        "inner": "sub",
        "inner_file": "sub/b.TXT",
        "up": "../outside.txt",
        "round": "round",
        "all": "/",
        "back": "sub/../a.txt",
        "state": "../.state",
        "out": "../jail/../outside.txt",
    }
    for name, to in links.items():
        (jail / name).symlink_to(to)
    (jail / "hard").hardlink_to(base / "policies/rules.cedar")
    os.mkfifo(jail / "pipe")
    return base


def lookups(base: Path) -> SystemLookups:
    return SystemLookups(paths=PathLookups(base=base, own=(base / ".state", base / "policies", base / "later")))


def read(base: Path, path: object, given: ArgSpec) -> Parsed | Unparsable:
    found = lookups(base).look_up(PATH.asks(path, given))
    return PATH.parse(path, given, Surroundings(found=found))


@pytest.mark.parametrize("case", cases("path.toml"), ids=ids)
def test_where_a_path_leads(case: dict[str, Any], base: Path) -> None:
    found = read(base, case["path"], spec())
    if "leads" in case:
        assert isinstance(found, Parsed), found
        assert isinstance(found.facts, dict)
        assert (found.facts["path"], found.facts["kind"]) == (case["leads"], case["kind"])
        assert found.facts["inside"] is True
        assert found.values == (case["leads"],)
    else:
        assert isinstance(found, Unparsable), found
        assert found.code == case["refused"]


def test_what_else_is_said_of_a_file(base: Path) -> None:
    found = read(base, "inner/b.TXT", spec())
    assert isinstance(found, Parsed)
    assert found.facts == {
        "path": "sub/b.TXT",
        "root": "jail",
        "inside": True,
        "kind": "file",
        "suffix": "txt",
        "hidden": False,
    }
    found = read(base, ".hidden", spec())
    assert isinstance(found, Parsed)
    assert isinstance(found.facts, dict)
    assert (found.facts["suffix"], found.facts["hidden"]) == ("", True)


def test_an_absolute_root_takes_absolute_paths(base: Path) -> None:
    root = str(base / "jail")
    for path in (f"{root}/a.txt", "a.txt"):
        found = read(base, path, spec(root))
        assert isinstance(found, Parsed), found
        assert found.values == ("a.txt",)
    for path in (f"{root}x/a.txt", str(base / "outside.txt"), f"{root}/../a"):
        refused = read(base, path, spec(root))
        assert isinstance(refused, Unparsable)
        assert refused.code == ("not-plain" if ".." in path else "outside-root")


def test_without_an_answer_it_refuses() -> None:
    for found in ({}, {Lookup(kind=LookupKind.PATH, name="a.txt", below="jail"): ("file",)}):
        refused = PATH.parse("a.txt", spec(), Surroundings(found=found))
        assert isinstance(refused, Unparsable)
        assert refused.code == "unresolvable-path"


def test_writing_takes_a_new_name_and_the_effect(base: Path) -> None:
    found = read(base, "sub/new.txt", spec(access="write"))
    assert isinstance(found, Parsed)
    assert isinstance(found.facts, dict)
    assert found.facts["kind"] == "missing"
    assert [each.effect for each in found.beyond] == [Effect.WRITE]
    assert isinstance(read(base, "sub/new/new.txt", spec(access="write")), Unparsable)
    assert isinstance(read(base, "sub/new.txt", spec(access="delete")), Unparsable)


def test_a_tool_that_reads_cannot_take_a_path_to_write(base: Path) -> None:
    text = """
        [tools."files.get"]
        effects   = ["read"]
        resource  = "files/{path}"
        args.path = { type = "path", root = "jail", access = "ACCESS", role = "selector" }
        """
    found = lookups(base).look_up((Lookup(kind=LookupKind.PATH, name="inner/b.TXT", below="jail"),))
    around = Surroundings(found=found)
    call = Call(tool="files.get", args={"path": "inner/b.TXT"})
    good = parse_call(catalog_of(text.replace("ACCESS", "read")), call, around=around)
    assert isinstance(good, Action)
    assert [each.ref.id for each in good.resources] == ["files/sub%2Fb.TXT"]
    refused = parse_call(catalog_of(text.replace("ACCESS", "delete")), call, around=around)
    assert isinstance(refused, Reason)
    assert refused.code == "exceeds-effects"


@pytest.mark.parametrize("root", ["", "/", "..", "a/../b", "~", "/proc/self", "/dev", "a/", "a//b", "C:/x"])
def test_a_root_that_is_no_plain_folder_does_not_load(root: str) -> None:
    with pytest.raises(ProjectError) as raised:
        catalog_of(
            f"""
            [tools."files.get"]
            effects   = ["read"]
            args.path = {{ type = "path", root = "{root}", role = "selector" }}
            """
        )
    assert raised.value.findings[0].rule == "bad-option"


# --- the project's own files ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("root", "path"),
    [
        ("policies", "rules.cedar"),
        ("policies", "."),
        (".state", "log"),
        (".state", "new"),
        ("later", "x"),
        ("ABSOLUTE", "jail/a.txt"),
        ("ABSOLUTE", "policies/rules.cedar"),
        ("ABSOLUTE", "."),
        ("PARENT", "BASE/policies/rules.cedar"),
        ("PARENT", "BASE"),
        ("PARENT", "."),
        ("PARENT", "BASE/anything"),
    ],
)
def test_no_path_leads_to_the_project_itself(root: str, path: str, base: Path) -> None:
    given = spec(root.replace("ABSOLUTE", str(base)).replace("PARENT", str(base.parent)), access="write")
    refused = read(base, path.replace("BASE", base.name), given)
    assert isinstance(refused, Unparsable), refused
    assert refused.code in ("own-files", "unresolvable-path")
    if root != "later":  # it does not exist
        assert refused.code == "own-files"


def test_a_folder_that_is_linked_into_the_jail_stays_the_projects_own(base: Path, tmp_path: Path) -> None:
    """By another way than its name: the root itself is a link."""
    (tmp_path / "way").symlink_to(base / "policies")
    refused = read(base, "rules.cedar", spec(str(tmp_path / "way")))
    assert isinstance(refused, Unparsable)
    assert refused.code == "own-files"


def test_a_root_that_does_not_exist_refuses(base: Path) -> None:
    refused = read(base, "x", spec("nowhere", access="write"))
    assert isinstance(refused, Unparsable)
    assert refused.code == "unresolvable-path"


@settings(max_examples=300, deadline=None)
@given(
    text=st.text(alphabet=st.sampled_from("a./\\~%2e\u2025\uff0e \u200b:-_B"), max_size=12) | st.text(max_size=MAX_PATH)
)
def test_a_plain_path_never_climbs(text: str) -> None:
    if not plain_path(text):
        assert ".." not in text.split("/")
        assert "\\" not in text
        assert os.path.normpath(text) == text
