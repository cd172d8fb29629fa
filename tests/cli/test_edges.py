"""What a person can do wrong with the command line is answered in words, whatever the shell, the terminal and the disk
are like."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.worlds import Tool, make_world, opened

RUN = (sys.executable, "-m", "bailiwick")


def run(*arguments: str | bytes | Path, **settings: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of the command in a process of its own."""
    env = {**os.environ, **settings}
    done = subprocess.run([*RUN, *arguments], env=env, capture_output=True, timeout=60, check=False)
    return done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")


@pytest.fixture
def world(tmp_path: Path) -> Path:
    folder = make_world(tmp_path / "a world, [bold] für alle")
    with opened(folder) as session:
        session.call("page.read", {"id": "5"}, Tool().run)
    return folder


NOT_TEXT = {
    "audit show": ["audit", "show", b"a\xff"],
    "audit why": ["audit", "why", b"\xff"],
    "explain": ["explain", "--user", b"\xff", "--agent", "desk-bot", "--task", "t", "--tool", "page.read", "--json"],
    "approvals approve": ["approvals", "approve", b"\xff", "--as", "bob"],
}


@pytest.mark.parametrize("arguments", NOT_TEXT.values(), ids=NOT_TEXT.keys())
def test_an_argument_that_is_no_text_is_refused_in_words(arguments: list[str | bytes]) -> None:
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert "not UTF-8" in err
    assert "Traceback" not in err


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    code, _, err = run("demo", "--dir", tmp_path / "file" / "below")
    assert code == 2
    assert str(tmp_path / "file") in err
    assert "Traceback" not in err


def test_a_state_folder_that_cannot_be_made_is_named(world: Path) -> None:
    for path in sorted((world / ".bailiwick").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    (world / ".bailiwick").rmdir()
    (world / ".bailiwick").touch()
    code, _, err = run("approvals", "approve", "apr-1", "--as", "bob", "--dir", world)
    assert code == 2
    assert ".bailiwick" in err
    assert "Traceback" not in err


def test_a_full_disk_under_stdout_is_said(world: Path) -> None:
    for how in ([], ["--json"]):
        with Path("/dev/full").open("w") as full:
            command = [*RUN, "audit", "verify", str(world), *how]
            done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
        assert done.returncode == 2, "2: the question was not answered, however sound the log is"
        assert "No space left" in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_terminal_without_the_letters_gets_the_rest(world: Path, encoding: str) -> None:
    code, out, err = run("audit", "show", "--as", "bob", "--reveal", "--dir", world, PYTHONIOENCODING=encoding)
    assert code == 0, err
    event = next(line.split()[2] for line in out.splitlines() if " decision " in line)
    code, out, err = run("audit", "why", event, "--as", "bob", "--reveal", "--dir", world, PYTHONIOENCODING=encoding)
    assert code == 0, err
    assert "\\u2192" in out


@pytest.mark.parametrize("last", ["0", "-5", "many"])
def test_last_is_a_count(world: Path, last: str) -> None:
    assert run("audit", "show", "--dir", world, "--last", last)[0] == 2


def test_settings_that_are_no_text_are_named_by_every_verb(world: Path) -> None:
    (world / "bailiwick.toml").write_bytes(b"#\n\xff")
    for verb in (["check"], ["audit", "verify"]):
        code, out, err = run(*verb, world)
        assert code == (1 if verb == ["check"] else 2)
        assert "bailiwick.toml:2" in out + err
        assert "Traceback" not in err
