"""`bailiwick demo`, once, in a process of its own, as `make run` does it; then the commands that it tells about."""

from __future__ import annotations

import mailbox
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.terminal import Said, in_a_process

Terminal = Callable[..., Said]
SCENES = {1: 3, 2: 5, 3: 9, 4: 4, 5: 1, 6: 2}
"""So many lines at least in each scene of the issue."""


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Said]:
    folder = tmp_path_factory.mktemp("demo") / "desk"
    return folder, in_a_process("demo", "--auto-approve", "--json", "--dir", folder, timeout=120)


def lines(shown: tuple[Path, Said], scene: int) -> list[dict[str, Any]]:
    return [line for line in shown[1].json["lines"] if line["scene"] == scene]


def test_every_line_is_as_expected(shown: tuple[Path, Said]) -> None:
    folder, said = shown
    assert said.code == 0, said.err
    assert said.json["ok"] is True
    assert [line for line in said.json["lines"] if not line["as_expected"]] == []
    assert Path(said.json["dir"]) == folder
    for scene, least in SCENES.items():
        assert len(lines(shown, scene)) >= least, scene


@pytest.mark.parametrize(
    ("scene", "outcomes"),
    [
        (1, ["deny", "allow", "deny"]),
        (2, ["allow", "deny", "allow", "deny", "deny"]),
        (5, ["deny"]),
    ],
)
def test_the_scenes_end_as_the_issue_says(shown: tuple[Path, Said], scene: int, outcomes: list[str]) -> None:
    assert [line["outcome"] for line in lines(shown, scene)] == outcomes


def test_the_record_is_sound_and_a_flipped_byte_shows(shown: tuple[Path, Said]) -> None:
    first, *_, last = lines(shown, 6)
    assert (first["outcome"], last["outcome"]) == ("sound", "tampered")


def test_one_mail_left_and_none_to_the_stranger(shown: tuple[Path, Said]) -> None:
    box = mailbox.mbox(shown[0] / "mailbox.mbox")
    subjects = [mail["Subject"] for mail in box]
    box.close()
    assert subjects == ["Your refund"]
    assert lines(shown, 4)[-1]["outcome"] == "0 mails"


def test_each_line_of_a_decision_can_be_looked_up(shown: tuple[Path, Said], terminal: Terminal) -> None:
    folder, said = shown
    decided = [line for line in said.json["lines"] if line["outcome"] in ("allow", "deny", "needs_approval")]
    assert len(decided) > 12
    for line in decided[:: len(decided) // 4]:
        assert terminal("audit", "show", line["event"], "--as", "bob", "--dir", folder).code == 0


def test_the_commands_that_it_tells_work(shown: tuple[Path, Said], terminal: Terminal) -> None:
    folder, _ = shown
    assert terminal("audit", "verify", folder).code == 0
    assert terminal("audit", "verify", folder / "tampered" / "log").code == 1
    stolen = next(line for line in reversed(lines(shown, 4)) if line["outcome"] == "deny")
    told = terminal("audit", "why", stolen["event"], "--as", "bob", "--reveal", "--dir", folder).out
    assert "kb.search" in told, "the article that named the stranger"
    assert "db.query" in told, "the rows"


def test_a_folder_of_somebody_elses_is_left_alone(tmp_path: Path, terminal: Terminal) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    said = terminal("demo", "--auto-approve", "--dir", tmp_path)
    assert (said.code, said.out) == (2, "")
    assert "what to do:" in said.err
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_folder_is_used_once(shown: tuple[Path, Said], terminal: Terminal) -> None:
    before = (shown[0] / "mailbox.mbox").read_bytes()
    said = terminal("demo", "--auto-approve", "--dir", shown[0])
    assert (said.code, said.out) == (2, "")
    assert "name an empty or a new one" in said.err
    assert (shown[0] / "mailbox.mbox").read_bytes() == before
