"""A project folder becomes a Guard, or says everything that is wrong with it: file, line, what to do."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

import bailiwick
from bailiwick import BailiwickError, Guard, ProjectError, StoreError, UsageError
from bailiwick.project.load import find_project, load_project
from bailiwick.project.settings import SETTINGS, Setting, read_settings
from tests.worlds import AGENT, FILES, Tool, decisions, kinds, make_world, opened

ROOT = Path(__file__).parents[2]
OPEN_FILES = Path("/dev/fd")


def spoil(path: str, how: Callable[[Path], object]) -> Callable[[Path], object]:
    return lambda folder: how(folder / path)


def as_bytes(data: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(data)


def as_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def deep(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("\npermit (")


def more(text: str) -> Callable[[Path], object]:
    return lambda path: path.write_text(path.read_text() + text)


WRONG: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "settings that are no TOML": (spoil("bailiwick.toml", more("x = = 1\n")), "toml-syntax", "bailiwick.toml:13"),
    "catalog that is no TOML": (spoil("tools/desk.toml", as_bytes(b"[a\n")), "toml-syntax", "tools/desk.toml:1"),
    "directory that is no TOML": (
        spoil("directory.toml", as_bytes(b'a = 1\nb = "\n')),
        "toml-syntax",
        "directory.toml:2",
    ),
    "a key twice": (spoil("bailiwick.toml", more('[permits]\nttl = "1s"\n')), "toml-syntax", "bailiwick.toml:13"),
    "settings that are not UTF-8": (spoil("bailiwick.toml", as_bytes(b"#\n#\xff")), "not-utf8", "bailiwick.toml:2"),
    "rules that are not UTF-8": (
        spoil("policies/desk.cedar", as_bytes(b"\n\n\xfe")),
        "not-utf8",
        "policies/desk.cedar:3",
    ),
    "catalog that is not UTF-8": (spoil("tools/desk.toml", as_bytes(b"\xff")), "not-utf8", "tools/desk.toml:1"),
    "settings that cannot be read": (spoil("tools/desk.toml", as_folder), "unreadable", "tools/desk.toml"),
    "no directory": (spoil("directory.toml", Path.unlink), "missing-file", "directory.toml"),
    "unknown setting": (spoil("bailiwick.toml", more("[approval]\nttl = 1\n")), "unknown-setting", "bailiwick.toml:14"),
    "unknown setting at the top": (
        spoil("bailiwick.toml", lambda path: path.write_text('tenent = "x"\n')),
        "unknown-setting",
        "bailiwick.toml:1",
    ),
    "setting of another type": (
        spoil("bailiwick.toml", more('[approvals]\nttl = "soon"\n')),
        "setting-value",
        "bailiwick.toml:14",
    ),
    "rule that is no Cedar": (spoil("policies/desk.cedar", more("permit (")), "syntax", "policies/desk.cedar:36"),
    "rules in a folder below": (
        spoil("policies/more/x.cedar", deep),
        "syntax",
        "policies/more/x.cedar:2",
    ),
}


@pytest.mark.parametrize("case", WRONG.values(), ids=WRONG.keys())
def test_what_is_wrong_is_told_with_file_line_and_what_to_do(
    tmp_path: Path, case: tuple[Callable[[Path], object], str, str]
) -> None:
    how, rule, where = case
    folder = make_world(tmp_path)
    how(folder)
    with pytest.raises(ProjectError) as refused:
        Guard.open(folder)
    (finding,) = refused.value.findings
    assert (finding.rule, str(finding.where)) == (rule, where)
    assert finding.hint
    assert str(refused.value).startswith(where)
    assert str(tmp_path) not in str(refused.value), "files are named as their author knows them"
    assert not (folder / ".bailiwick").exists()


@pytest.mark.parametrize("hidden", ["tools", "policies", "policies/strict"])
def test_promise_2_a_folder_that_cannot_be_looked_into_hides_no_rule(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hidden: str
) -> None:
    folder = make_world(tmp_path)
    (folder / "policies/strict").mkdir()
    (folder / "policies/strict/none.cedar").write_text('@id("none") forbid (principal, action, resource);')
    listed = os.scandir

    def scandir(path: str | Path) -> object:
        if Path(path) == folder / hidden:
            raise PermissionError(13, "Permission denied", str(path))
        return listed(path)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(ProjectError) as refused:
        load_project(folder)
    (finding,) = refused.value.findings
    assert (finding.rule, str(finding.where)) == ("unreadable", hidden)


def test_promise_2_rules_behind_a_link_count(tmp_path: Path) -> None:
    folder = make_world(tmp_path / "world")
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared/none.cedar").write_text('@id("none") forbid (principal, action, resource);')
    (folder / "policies/shared").symlink_to(tmp_path / "shared")
    with opened(folder) as session:
        assert not session.check("page.read", {"id": "5"}).allowed


def test_findings_of_one_stage_are_told_together(tmp_path: Path) -> None:
    folder = make_world(tmp_path)
    more("[nonsense]\nx = 1\n")(folder / "tools/desk.toml")
    more("[nonsense]\nx = 1\n")(folder / "directory.toml")
    with pytest.raises(ProjectError) as refused:
        load_project(folder)
    assert {finding.where.file for finding in refused.value.findings} == {"tools/desk.toml", "directory.toml"}


@pytest.mark.parametrize("text", ["[colour]\n", "colour = {}\n", "[stores.path]\n", "labels = 1\n"])
def test_a_setting_that_says_nothing_is_refused_too(text: str) -> None:
    with pytest.raises(ProjectError) as refused:
        read_settings("bailiwick.toml", text)
    assert refused.value.where is not None
    assert refused.value.where.line == 1


def test_a_project_without_tools_or_rules_loads_and_permits_nothing(tmp_path: Path) -> None:
    folder = make_world(tmp_path, tools_desk_toml=None, policies_desk_cedar=None)
    text = FILES["directory.toml"].replace('tools   = ["page.read", "agent.delegate"]\nzones   = ["pages"]\n', "")
    (folder / "directory.toml").write_text(text)
    with opened(folder) as session:
        assert not session.check("page.read", {"id": "1"}).allowed


def test_the_nearest_project_upwards_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_world(tmp_path)
    monkeypatch.chdir(folder / "policies")
    assert find_project(None) == folder
    with Guard.open() as guard:
        assert guard.project.folder == folder
    with pytest.raises(UsageError, match="is not a project folder") as refused:
        Guard.open(folder / "policies")
    assert refused.value.hint
    assert refused.value.where is not None


def as_file(state: Path) -> None:
    state.rmdir()
    state.write_text("")


BROKEN: dict[str, Callable[[Path], object]] = {
    "a file where the folder should be": as_file,
    "state that is no database": lambda state: (state / "state.db").write_bytes(
        b"no database at all, but long enough" * 99
    ),
    "state of another program": lambda state: sqlite3.connect(state / "state.db").execute("CREATE TABLE x (y)"),
    "state that is a folder": lambda state: (state / "state.db").mkdir(),
    "logs that are a file": lambda state: (state / "log").write_text(""),
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN.keys())
def test_stores_that_cannot_be_opened_say_so_and_leave_nothing_open(
    tmp_path: Path, broken: Callable[[Path], object]
) -> None:
    folder = make_world(tmp_path)
    (folder / ".bailiwick").mkdir()
    held = broken(folder / ".bailiwick")
    before = list(OPEN_FILES.iterdir())
    with pytest.raises(StoreError) as refused:
        Guard.open(folder)
    assert refused.value.hint
    assert str(folder / ".bailiwick") in str(refused.value)
    assert len(list(OPEN_FILES.iterdir())) <= len(before)
    del held


def test_tenants_and_environments_in_one_folder_do_not_see_each_other(tmp_path: Path) -> None:
    folder = make_world(tmp_path)
    with opened(folder) as session:
        session.message("crm", "hello")
    for old, new in (('"acme"', '"other"'), ('"test"', '"prod"')):
        (folder / "bailiwick.toml").write_text(FILES["bailiwick.toml"].replace(old, new, 1))
        with opened(folder) as session:
            assert not session.label.tainted
    assert len(list((folder / ".bailiwick/log").glob("log-*.db"))) == 3


# ── settings ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_setting_says_what_it_means_and_its_default_is_one_that_it_takes() -> None:
    for setting in SETTINGS:
        assert len(setting.meaning.split()) > 3
        assert setting.meaning.endswith((".", "one."))
        assert setting.check(setting.default)[1] == ""
    assert len({setting.key for setting in SETTINGS}) == len(SETTINGS)


def test_every_setting_is_documented_and_no_other() -> None:
    text = (ROOT / "docs/settings.md").read_text(encoding="utf-8")
    for setting in SETTINGS:
        assert f"`{setting.key}`" in text, setting.key
        assert setting.meaning in text, setting.key


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.key)
@pytest.mark.parametrize("value", ["[]", "{}", "1979-05-27", "-1", "true", '""', '" "', "1.5", '["x", 1]', '"\\u0000"'])
def test_a_setting_takes_what_it_can_use_or_says_where_it_is_wrong(setting: Setting, value: str) -> None:
    table, _, key = setting.key.rpartition(".")
    text = f"[{table}]\n{key} = {value}\n" if table else f"{key} = {value}\n"
    try:
        read_settings("bailiwick.toml", text)
    except ProjectError as refused:
        (finding,) = refused.findings
        assert finding.where.line == (2 if table else 1)
        assert finding.hint
    else:
        assert (setting.key, value) in {
            ("audit.origin", '""'),
            ("org.domains", "[]"),
            ("org.mailboxes", "[]"),
            ("labels.categories", "[]"),
            ("labels.strict", "[]"),
            ("labels.background", "[]"),
            ("labels.names", "{}"),
            ("labels.default", '""'),
            ("hours.days", "[]"),
            ("plans.approvers", "[]"),
            ("approvals.readers", "[]"),
            ("bundles.required", "true"),
            ("bundles.separation", "true"),
            ("stores.path", '" "'),
        }


@pytest.mark.parametrize(
    ("text", "ms"),
    [("500ms", 500), ("30s", 30_000), ("15m", 900_000), ("7d", 604_800_000), ("0s", None), ("1w", None), (30, None)],
)
def test_durations(text: object, ms: int | None) -> None:
    (setting,) = (setting for setting in SETTINGS if setting.key == "permits.ttl")
    value, wrong = setting.check(text)
    assert value == ms
    assert (wrong == "") is (ms is not None)


# ── the public package ─────────────────────────────────────────────────────────────────────────────────────────────


def test_the_public_names_are_these() -> None:
    assert bailiwick.__all__ == [
        "ApprovalPending",
        "BailiwickError",
        "Decision",
        "Denied",
        "DidNotRun",
        "Document",
        "Guard",
        "Integrity",
        "Label",
        "MissingExtra",
        "Outcome",
        "OutcomeUnrecorded",
        "Permit",
        "ProjectError",
        "Refused",
        "Session",
        "StoreError",
        "UsageError",
        "current_session",
        "effector",
        "running_permit",
    ]
    assert all(hasattr(bailiwick, name) for name in bailiwick.__all__)


def test_a_closed_guard_closes_again_and_denies(tmp_path: Path) -> None:
    guard = Guard.open(make_world(tmp_path))
    guard.close()
    guard.close()
    with pytest.raises(BailiwickError):
        guard.session(user="alice", agent=AGENT, task="Work").__enter__()
    assert "decision" not in kinds(tmp_path)


def test_two_guards_of_one_project_write_two_logs(tmp_path: Path) -> None:
    folder = make_world(tmp_path)
    with opened(folder, conversation="one") as one, opened(folder, conversation="two") as two:
        one.call("page.read", {"id": "1"}, run=Tool().run)
        two.call("page.read", {"id": "2"}, run=Tool().run)
    assert sorted({event.log for event in decisions(folder)}) == sorted(
        path.stem for path in (folder / ".bailiwick/log").glob("log-*.db")
    )
    assert len(decisions(folder)) == 2
