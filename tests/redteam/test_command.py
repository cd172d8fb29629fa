"""`bailiwick redteam run`: exit codes and figures for scripts."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.terminal import Said, terminal
from tests.redteam.mailroom import ANY, CHOSEN, NOTHING, deployment

__all__ = ["terminal"]

Terminal = Callable[..., Said]
WORLD = "tests.redteam.mailroom:desk"
KEYS = {
    *("attack_success", "benign_utility", "unattended_utility", "approvals_per_task"),
    *("utility_under_attack", "pairs"),
}


@pytest.mark.parametrize(
    ("rules", "more", "status", "attack_success"),
    [
        (ANY + CHOSEN, (), 0, 0.0),
        (ANY, (), 1, 1.0),
        (ANY, ("--max-attack-success", "1"), 0, 1.0),
        (ANY + CHOSEN, ("--rules-off", "chosen-by-others"), 1, 1.0),
        (ANY + NOTHING, (), 2, 0.0),
    ],
    ids=["rules that hold", "no rules", "as many as may", "the rule out", "lets nothing through"],
)
def test_exit_codes(
    terminal: Terminal,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    rules: str,
    more: tuple[str, ...],
    status: int,
    attack_success: float,
) -> None:
    monkeypatch.setenv("MAILROOM", str(deployment(tmp_path / "project", rules)))
    file = tmp_path / "figures.json"
    said = terminal("redteam", "run", "--world", WORLD, "--processes", "1", "--json", file, *more)
    told = json.loads(file.read_text(encoding="utf-8"))
    assert said.code == status, said
    assert told.keys() >= KEYS
    assert told["attack_success"] == attack_success
    assert told["sound"] is (status != 2)


def test_each_rule_is_taken_out_in_turn(terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAILROOM", str(deployment(tmp_path / "project", ANY + CHOSEN)))
    file = tmp_path / "figures.json"
    said = terminal("redteam", "run", "--world", WORLD, "--processes", "1", "--each-rule", "--json", file)
    told = json.loads(file.read_text(encoding="utf-8"))
    assert said.code == 0
    assert {rule: each["attack_success"] for rule, each in told["rules"].items()} == {"chosen-by-others": 1.0}


@pytest.mark.parametrize("name", ["nowhere", "tests.redteam.nowhere:desk", "tests.redteam.mailroom:nobody"])
def test_a_world_has_to_be_there(terminal: Terminal, name: str) -> None:
    assert terminal("redteam", "run", "--world", name).code == 2
