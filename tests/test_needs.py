"""Tests that lack a server are counted and told of, never passed in silence."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests import needs

ROOT = Path(__file__).parent.parent
LACKING = """
import pytest
from tests import needs

@pytest.mark.parametrize("what", ["PostgreSQL", "Chromium", "Chromium"])
def test_that_needs(what):
    needs._lack(what)

def test_that_is_skipped_for_another_reason():
    pytest.skip("another reason")
"""


def test_the_summary_says_what_did_not_run_and_why(tmp_path: Path) -> None:
    (tmp_path / "test_lacking.py").write_text(LACKING, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-p", "tests.needs", "-p", "no:cacheprovider", "-c", "pyproject.toml"]
    ran = subprocess.run([*command, "--rootdir", ".", tmp_path], cwd=ROOT, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout
    assert "3 tests did not run: no Chromium (2), no PostgreSQL (1). See scripts/ensure." in ran.stdout


def test_what_cannot_be_brought_is_told_loudly_and_fails_nothing(tmp_path: Path) -> None:
    script = (ROOT / "scripts" / "ensure").read_text(encoding="utf-8").replace("/usr/bin/chromium", "/usr/bin/no-such")
    bare = {"PATH": str(tmp_path)}
    for name in ("id", "bash", "mktemp", "rm", "tail"):
        (tmp_path / name).symlink_to(f"/usr/bin/{name}")
    ran = subprocess.run(
        ["/usr/bin/bash", "-c", script, "ensure", "chromium"], env=bare, capture_output=True, text=True
    )
    assert (ran.returncode, ran.stdout) == (0, "")
    assert "NO CHROMIUM: there is no apt-get here" in ran.stderr
    assert "will NOT run" in ran.stderr


def test_a_server_is_private_and_its_databases_are_new(postgres_server: needs.PostgresServer, postgres: str) -> None:
    assert postgres_server.directory.stat().st_mode & 0o077 == 0
    assert postgres.startswith(f"host={postgres_server.directory} ")


def test_a_browser_that_is_there_is_given() -> None:
    assert Path(needs.chromium()).exists()
