"""The core needs no package that only an extra brings."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.worlds import make_world

OF_EXTRAS = (
    "jinja2", "langchain", "langchain_core", "langgraph", "llama_index", "markupsafe", "mcp", "numpy", "psycopg",
    "python_multipart", "starlette", "urllib3", "uvicorn", "webauthn", "yaml", "z3",
)  # fmt: skip

WITHOUT = f"import sys\nfor name in {OF_EXTRAS}: sys.modules[name] = None\n"

DECIDES = """
from bailiwick import Guard
from pathlib import Path
with Guard.open(Path(sys.argv[1])) as guard, guard.session(user="alice", agent="desk-bot", task="Help") as session:
    session.prompt("Please")
print("decides")
"""


def test_a_session_runs_without_any_extra(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WITHOUT + DECIDES, str(make_world(tmp_path))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.stderr, done.stdout) == ("", "decides\n")


@pytest.mark.parametrize(
    "words", [("approvals", "list", "--as", "bob"), ("accounts", "list", "--as", "bob"), ("check",)]
)
def test_commands_that_need_no_extra_run_without_any(tmp_path: Path, words: tuple[str, ...]) -> None:
    script = WITHOUT + "from bailiwick.cli import main; main()"
    place = ["--dir", str(make_world(tmp_path))] if len(words) > 1 else [str(make_world(tmp_path))]
    done = subprocess.run([sys.executable, "-c", script, *words, *place], capture_output=True, text=True, timeout=60)
    assert "extra" not in done.stderr
    assert "Traceback" not in done.stderr
