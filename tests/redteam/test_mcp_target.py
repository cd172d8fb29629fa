"""An MCP endpoint as the target: real servers, over stdio and HTTP."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.cli.terminal import Said, terminal
from tests.inventory.test_propose import served
from tests.redteam import bank_server
from tests.redteam.test_agent_target import MULE, folder_with
from tests.redteam.test_packs import ALL, NOTHING_AFTER_A_STRANGER

__all__ = ["terminal"]

Terminal = Callable[..., Said]


def command(file: Path, *more: str) -> str:
    return shlex.join([sys.executable, str(Path(bank_server.__file__)), str(file), *more])


@contextmanager
def at(file: Path, kind: str = "") -> Iterator[str]:
    """The server over HTTP: its URL."""
    with served(bank_server.bank(file, kind).streamable_http_app()) as address:
        yield f"{address}/mcp"


def attack(terminal: Terminal, folder: Path, server: str, *more: str) -> tuple[Said, dict[str, Any]]:
    file = folder.parent / "out.json"
    said = terminal(
        "redteam", "run", folder, "--mcp", server, "--pack", "injection", "--json", file,
        *(more if "--attack-id" in more else ("--attack-id", "injection/another-payee", *more)),
    )  # fmt: skip
    return said, json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}


def calls(file: Path) -> list[str]:
    return file.read_text(encoding="utf-8").splitlines() if file.exists() else []


@pytest.mark.parametrize("over_http", [False, True], ids=["stdio", "streamable HTTP"])
def test_what_the_guard_lets_through_really_runs_there(terminal: Terminal, tmp_path: Path, over_http: bool) -> None:
    seen, folder = tmp_path / "calls", folder_with(tmp_path / "p")
    if over_http:
        with at(seen) as url:
            said, told = attack(terminal, folder, url)
    else:
        said, told = attack(terminal, folder, command(seen))
    assert said.code == 1, said
    assert (told["sound"], told["attack_success"], told["benign_utility"]) == (True, 1.0, 1.0)
    assert any(line.startswith(f"bank.pay {MULE}") for line in calls(seen))
    assert "are real" in said.err
    assert "every call of them is denied: moon_phase" in said.err
    assert "moon.phase" not in calls(seen)


def test_what_the_guard_refuses_is_never_called(terminal: Terminal, tmp_path: Path) -> None:
    seen = tmp_path / "calls"
    folder = folder_with(tmp_path / "p", ALL + NOTHING_AFTER_A_STRANGER)
    with at(seen) as url:
        said, told = attack(terminal, folder, url)
    assert told["sound"], said
    assert (said.code, told["pairs"], told["attack_success"]) == (0, 1, 0.0)
    assert "inbox.read orion-4711" in calls(seen)
    assert not any(MULE in line for line in calls(seen))


def test_a_server_whose_tools_all_fail_was_not_reached(terminal: Terminal, tmp_path: Path) -> None:
    with at(tmp_path / "calls", "down") as url:
        said, told = attack(terminal, folder_with(tmp_path / "p"), url)
    assert said.code == 2, said
    assert "not reached" in told["why_not"]


def test_a_server_that_dies_ends_the_run(terminal: Terminal, tmp_path: Path) -> None:
    said, _ = attack(terminal, folder_with(tmp_path / "p"), command(tmp_path / "calls", "dies"))
    assert said.code == 2, said
    assert "is gone" in said.err


def test_a_run_without_an_attack_fails(terminal: Terminal, tmp_path: Path) -> None:
    with at(tmp_path / "calls") as url:
        said, told = attack(terminal, folder_with(tmp_path / "p"), url, "--attack-id", "none")
    assert said.code == 2, said
    assert "no attack was executed" in told["why_not"]


@pytest.mark.parametrize(
    "server", ["no-such-command-anywhere", f"{shlex.quote(sys.executable)} -c pass", "http://127.0.0.1:9/mcp"]
)
def test_a_server_that_is_not_there_is_said(terminal: Terminal, tmp_path: Path, server: str) -> None:
    said, _ = attack(terminal, folder_with(tmp_path / "p"), server)
    assert said.code == 2, said
    assert "the MCP server" in said.err


def test_a_server_without_a_governed_tool_is_no_target(terminal: Terminal, tmp_path: Path) -> None:
    seen = tmp_path / "calls"
    with at(seen, "strange") as url:
        said, _ = attack(terminal, folder_with(tmp_path / "p"), url)
    assert said.code == 2, said
    assert "no governed tool" in said.err
    assert calls(seen) == []


@pytest.mark.parametrize(
    ("settings", "more", "code"),
    [
        ('tenant = "small"', (), 2),
        ('tenant = "small"\nenv = "prod"', ("--yes",), 2),
    ],
)
def test_no_server_is_started_before_somebody_said_so(
    terminal: Terminal, tmp_path: Path, settings: str, more: tuple[str, ...], code: int
) -> None:
    touched = tmp_path / "touched"
    said, _ = attack(
        terminal, folder_with(tmp_path / "p", settings=f"{settings}\n"), f"touch {shlex.quote(str(touched))}", *more
    )
    assert said.code == code, said
    assert not touched.exists()


def test_an_agent_and_a_server_are_two_runs(terminal: Terminal, tmp_path: Path) -> None:
    said, _ = attack(terminal, folder_with(tmp_path / "p"), "x", "--agent", "tests.redteam.bank_agent:governed")
    assert said.code == 2
    assert "do not go together" in said.err
