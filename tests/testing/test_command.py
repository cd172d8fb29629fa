"""`bailiwick policy test` as a person and a CI system meet it."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.terminal import Said, terminal
from tests.testing.desk import PARTS, write_tests
from tests.worlds import make_world

__all__ = ["terminal"]

Terminal = Callable[..., Said]

RIGHT = (
    PARTS.replace('[contexts.strange]\nunknown = ["put item-9"]\n', "")
    + """
[[matrix]]
name       = "who does what"
principals = ["alice", "eve"]
calls      = ["read", "read-9", "mail", "put"]
expect     = { alice = { read = "allow", mail = "needs_approval", put = "allow" } }
"""
)
WRONG = RIGHT.replace('put = "allow"', 'put = "deny"')


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_world(tmp_path)


def test_all_pass(terminal: Terminal, folder: Path) -> None:
    write_tests(folder, RIGHT)
    said = terminal("policy", "test", folder)
    assert (said.code, said.err) == (0, "")
    assert said.out.splitlines() == ["tests/desk.toml", "  ok who does what (8 cells)", "8 passed, 0 failed"]
    assert not (folder / ".bailiwick").exists(), "nothing is recorded"


def test_a_wrong_expectation_fails_with_what_was_decided_and_why(terminal: Terminal, folder: Path) -> None:
    write_tests(folder, RIGHT.replace('mail = "needs_approval"', 'mail = "allow"'))
    said = terminal("policy", "test", folder)
    assert said.code == 1
    line = next(number for number, text in enumerate(RIGHT.splitlines(), 1) if text.startswith("expect"))
    assert f"    tests/desk.toml:{line}: alice → mail" in said.out
    assert "      expected allow, got needs_approval" in said.out
    assert "      Mail to strangers needs a lead." in said.out
    assert "7 passed, 1 failed" in said.out


def test_as_json(terminal: Terminal, folder: Path) -> None:
    write_tests(folder, WRONG)
    said = terminal("policy", "test", folder, "--json", "--coverage")
    assert (said.code, said.json["ok"], said.json["passed"], said.json["failed"]) == (1, False, 7, 1)
    (failed,) = (one for one in said.json["tests"] if not one["passed"])
    assert (failed["principal"], failed["call"], failed["expected"]) == ("alice", "put", "deny")
    assert failed["decision"]["outcome"] == "allow"
    rules = {rule["id"]: rule["decided"] for rule in said.json["coverage"]["rules"]}
    assert (rules["desk-agents"], rules["scouts-read"]) == (True, False)


def test_junit_is_written_also_where_tests_fail(terminal: Terminal, folder: Path, tmp_path: Path) -> None:
    write_tests(folder, WRONG)
    assert terminal("policy", "test", folder, "--junit", tmp_path / "out.xml").code == 1
    root = ET.parse(tmp_path / "out.xml").getroot()
    assert (root.get("tests"), root.get("failures")) == ("8", "1")


def test_thresholds(terminal: Terminal, folder: Path) -> None:
    write_tests(folder, RIGHT)
    percent = terminal("policy", "test", folder, "--coverage", "--json").json["coverage"]["percent"]
    assert 0 < percent < 100
    assert terminal("policy", "test", folder, "--min-coverage", str(percent - 1)).code == 0
    said = terminal("policy", "test", folder, "--min-coverage", str(percent + 1))
    assert said.code == 1
    assert "is below --min-coverage" in said.out


def test_a_score_below_the_threshold(terminal: Terminal, folder: Path) -> None:
    write_tests(folder, RIGHT)
    said = terminal("policy", "test", folder, "--min-score", "99")
    assert said.code == 1
    assert "is below --min-score 99" in said.out
    assert "missing test, for the end of tests/desk.toml:" in said.out
    assert "    [[case]]" in said.out
    assert said.err == "", "no bar where there is no terminal"


def test_failing_tests_are_not_mutated(terminal: Terminal, folder: Path) -> None:
    write_tests(folder, WRONG)
    said = terminal("policy", "test", folder, "--mutate")
    assert said.code == 1
    assert "no mutants were tried" in said.out
    assert "mutation score" not in said.out


def test_a_filter_and_a_file(terminal: Terminal, folder: Path) -> None:
    write_tests(folder, RIGHT)
    write_tests(folder, WRONG, "wrong.toml")
    assert terminal("policy", "test", folder).code == 1
    assert terminal("policy", "test", folder, "--file", "desk.toml").code == 0
    said = terminal("policy", "test", folder, "--filter", "eve")
    assert (said.code, said.out.splitlines()[-1]) == (0, "8 passed, 0 failed")
    said = terminal("policy", "test", folder, "--filter", "*alice → put", "--file", "wrong.toml")
    assert (said.code, said.out.splitlines()[-1]) == (1, "0 passed, 1 failed")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--filter", "nobody"], "no test has a title like"),
        (["--file", "none.toml"], "tests/ has no file none.toml"),
        (["--filter", "eve", "--mutate"], "leave --filter out"),
        (["--min-score", "101"], "--min-score"),
    ],
)
def test_what_cannot_be_run(terminal: Terminal, folder: Path, arguments: list[str], told: str) -> None:
    write_tests(folder, RIGHT)
    said = terminal("policy", "test", folder, *arguments)
    assert (said.code, said.out) == (2, "")
    assert told in said.err


def test_no_tests_and_bad_tests_cannot_be_run(terminal: Terminal, folder: Path) -> None:
    said = terminal("policy", "test", folder)
    assert (said.code, said.out) == (2, "")
    assert "there is no tests/*.toml" in said.err
    path = write_tests(folder, 'now = "2026-03-02T10:15:00Z"\n')
    said = terminal("policy", "test", folder)
    assert said.code == 2
    assert "this file tests nothing" in said.err
    path.write_bytes(b"\xff")
    said = terminal("policy", "test", folder)
    assert said.code == 2
    assert "not UTF-8" in said.err
