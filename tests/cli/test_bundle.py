"""`bailiwick policy key|build|sign|verify|activate|status`: what scripts rely on. docs/bundles.md is for people."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bailiwick import Guard
from bailiwick.cli import main
from bailiwick.identity.keys import PrivateKey
from tests.project.bundles import key_of, project, put
from tests.worlds import AGENT, FILES, Tool, events

Run = Callable[..., tuple[int, Any]]
TESTS = """
now = "2026-03-02T10:15:00Z"
[principals.alice]
user  = "alice"
agent = "desk-bot"
task  = "Work"
[calls.read]
tool = "fact.read"
args = { id = "1" }
[[case]]
principal = "alice"
call      = "read"
name      = "facts"
outcome   = "OUTCOME"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = project(tmp_path / "desk")
    (tmp_path / "new.pem").write_text(PrivateKey(bytes(range(32))).pem, encoding="utf-8")
    for name in ("alice", "bob"):
        (tmp_path / f"{name}.pem").write_text(key_of(name).pem, encoding="utf-8")
    return folder


@pytest.fixture
def policy(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    def run(verb: str, *arguments: str, where: str = "--dir") -> tuple[int, Any]:
        place = [where, str(folder)] if where else [str(folder)]
        monkeypatch.chdir(folder.parent)
        monkeypatch.setattr(sys, "argv", ["bailiwick", "policy", verb, *arguments, *place, "--json"])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), json.loads(said.out) if said.out else said.err

    return run


def ready(policy: Run, *signers: str) -> None:
    assert policy("build", "--as", "alice", "--out", "b", where="")[0] == 0
    for name in signers:
        assert policy("sign", "b", "--as", name, "--key", f"{name}.pem")[0] == 0


def test_from_a_folder_to_rules_that_hold(policy: Run) -> None:
    assert policy("status")[1]["decides"] == "folder"
    ready(policy)
    code, told = policy("verify", "b")
    assert (code, told["ok"], told["code"], told["tests"]) == (1, False, "bundle-author", "none")
    ready(policy, "alice", "bob")
    code, told = policy("verify", "b")
    assert (code, told["ok"], told["signed"]) == (0, True, ["alice", "bob"])
    code, told = policy("activate", "b", "--as", "alice")
    assert (code, told["activated"], told["code"]) == (1, False, "not-an-administrator")
    code, told = policy("activate", "b", "--as", "bob")
    assert (code, told["activated"], told["sequence"], told["tests"]) == (0, True, 1, "none")
    status = policy("status")[1]
    assert (status["decides"], status["active"]["event"], status["differing"]) == ("bundle", told["event"], [])
    assert policy("build", "--as", "alice", "--out", "b", where="")[1]["sequence"] == 2


def test_rules_that_fail_their_tests_are_not_activated_unless_one_says_so(policy: Run, folder: Path) -> None:
    put(folder, "tests/desk.toml", TESTS.replace("OUTCOME", "deny"))
    ready(policy, "alice")
    code, told = policy("verify", "b")
    assert (code, told["ok"], len(told["failed"])) == (1, False, 1)
    code, told = policy("activate", "b", "--as", "bob")
    assert (code, told["activated"], told["code"]) == (1, False, "tests-fail")
    code, told = policy("activate", "b", "--as", "bob", "--no-tests")
    assert (code, told["tests"]) == (0, "skipped")
    assert [event.body["tests"] for event in events(folder) if "tests" in event.body] == ["skipped"]


def test_tests_are_about_rules_that_are_enforced(policy: Run, folder: Path) -> None:
    put(folder, "tests/desk.toml", TESTS.replace("OUTCOME", "deny"))
    closed = '\n@id("closed") forbid (principal, action == Action::"fact.read", resource);'
    put(folder, "policies/desk.cedar", FILES["policies/desk.cedar"] + closed)
    put(folder, "bailiwick.toml", FILES["bailiwick.toml"] + '[policies]\nmode = "observe"\n')
    ready(policy, "alice")
    code, told = policy("activate", "b", "--as", "bob")
    assert (code, told["tests"], told["mode"]) == (0, "passed", "observe")
    with Guard.open(folder) as guard, guard.session(user="alice", agent=AGENT, task="Work") as session:
        session.call("fact.read", {"id": "1"}, run=Tool({}).run)
        session.call("put.safe", {"id": "1"}, run=Tool().run)
    shown = subprocess.run(
        [
            sys.executable,
            "-m",
            "bailiwick",
            "audit",
            "show",
            "--would-deny",
            "--as",
            "bob",
            "--dir",
            str(folder),
            "--json",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    (event,) = json.loads(shown.stdout)
    assert event["body"]["observed"]["rules"] == ["closed"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("verify", "bailiwick.toml"),
        ("verify", "nothing"),
        ("activate", "desk/bailiwick.toml", "--as", "bob"),
        ("sign", "b", "--as", "bob", "--key", "alice.pem"),
        ("sign", "b", "--as", "mallory", "--key", "alice.pem"),
        ("sign", "b", "--as", "alice", "--key", "b"),
    ],
)
def test_what_cannot_be_done_ends_with_2(policy: Run, arguments: tuple[str, ...]) -> None:
    ready(policy)
    code, told = policy(*arguments)
    assert code == 2
    assert "what to do" in told


def test_whose_key_it_is_is_said(policy: Run) -> None:
    ready(policy)
    told = policy("sign", "b", "--as", "bob", "--key", "alice.pem")[1]
    assert "this is the key of alice, not of bob" in told
    assert "keys = [" not in told, "nobody is told to enter another person's key"
    assert "directory that holds does not know this key" in policy("sign", "b", "--as", "bob", "--key", "new.pem")[1]


def test_an_explanation_says_that_a_bundle_decides(policy: Run, folder: Path) -> None:
    def explained(*more: str) -> str:
        call = ("--user", "alice", "--agent", AGENT, "--task", "Work", "--tool", "put.safe", "--args", '{"id": "1"}')
        asked = [sys.executable, "-m", "bailiwick", "explain", str(folder), *call, *more]
        return subprocess.run(asked, capture_output=True, text=True, check=True).stdout

    assert explained().startswith("put.safe: ")
    assert json.loads(explained("--json"))["not_what_decides"] == ""
    ready(policy, "alice")
    assert policy("activate", "b", "--as", "bob")[0] == 0
    assert explained().startswith("NOT WHAT DECIDES: bundle 1 decides")
    put(folder, "policies/desk.cedar", FILES["policies/desk.cedar"] + "// more\n")
    assert "differs from it in policies/desk.cedar" in json.loads(explained("--json"))["not_what_decides"]


def test_a_folder_that_does_not_load_gives_no_bundle(policy: Run, folder: Path) -> None:
    put(folder, "policies/more.cedar", "permit (")
    assert policy("build", "--as", "alice", "--out", "b", where="")[0] == 2
    assert not (folder.parent / "b").exists()


def test_a_key_is_made_once_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    def key() -> str:
        command = [sys.executable, "-m", "bailiwick", "policy", "key", str(tmp_path / "k.pem")]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    first = key()
    assert first.startswith('keys = ["ed25519:')
    assert key() == first
    assert (tmp_path / "k.pem").stat().st_mode & 0o777 == 0o600


def test_a_guard_denies_by_the_bundle(policy: Run, folder: Path) -> None:
    closed = '\n@id("closed") forbid (principal, action == Action::"fact.read", resource);'
    put(folder, "policies/desk.cedar", FILES["policies/desk.cedar"] + closed)
    ready(policy, "alice")
    assert policy("activate", "b", "--as", "bob")[0] == 0
    put(folder, "policies/desk.cedar", FILES["policies/desk.cedar"])
    with Guard.open(folder) as guard, guard.session(user="alice", agent=AGENT, task="Work") as session:
        assert session.check("fact.read", {"id": "1"}).reasons[0].code == "closed"
