"""Runs the blocks of one page, from top to bottom, in a folder that holds a copy of examples/.

Commands run in bash with the project's own `bailiwick` and `python`; Python blocks of a page share one interpreter, as
if they were typed into it. Nothing is mocked and nothing reaches the network.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.docs.expected import filled, match
from tests.docs.loading import load_block
from tests.docs.markdown import ROOT, Block, Page

__all__ = ["ELSEWHERE", "Runner"]

ELSEWHERE: Mapping[str, str] = {
    "make run": "test_pages.test_make_run_is_the_demo and test_pages.test_the_demo_that_make_run_runs",
    "make test": "what runs this",
    "make setup": "without it nothing here would be installed",
    "bailiwick serve examples/support": "does not end; tests/cli/test_serve.py",
    "bailiwick witness serve --dir w1": "does not end; tests/cli/test_witness.py",
    "bailiwick approvals approve apr-0123456789ab --as lena --edit 'subject=\"Your order\"'": (
        "tests/cli/test_approvals.py"
    ),
    "bailiwick approvals approve apr-0123456789ab --as lena --remember count=5,ttl=2h,open=body": (
        "tests/cli/test_approvals_standing.py"
    ),
    "bailiwick approvals standing --as lena": "tests/cli/test_approvals_standing.py",
    "bailiwick approvals revoke std-0123456789ab --as lena": "tests/cli/test_approvals_standing.py",
    "bailiwick audit export otlp --dir desk --as bob --endpoint http://localhost:4318/v1/traces": (
        "needs a collector; tests/exports"
    ),
    **dict.fromkeys(
        (
            'pip install ".[agent-framework]"',
            'pip install ".[autogen]"',
            'pip install ".[claude-agent-sdk]"',
            'pip install ".[crewai]"',
            'pip install ".[google-adk]"',
            'pip install ".[langchain]"',
            'pip install ".[llama-index]"',
            'pip install ".[openai-agents]"',
            'pip install ".[pydantic-ai]"',
            'pip install ".[smolagents]"',
            'pip install ".[strands]"',
        ),
        "needs a package index; test_pages.test_extras_are_those_that_the_docs_name",
    ),
}
"""Commands that are printed and not run here, with what covers them."""

_MARK = "<<status %s>>"
_INTERPRETER = """
import contextlib, io, json, sys, traceback
namespace = {"__name__": "__main__"}
answers = sys.stdout
for line in sys.stdin:
    block = json.loads(line)
    printed, error = io.StringIO(), ""
    try:
        code = compile("\\n" * (block["line"] - 1) + block["text"], block["page"], "exec")
        with contextlib.redirect_stdout(printed):
            exec(code, namespace)
    except BaseException:
        error = traceback.format_exc()
    print(json.dumps({"printed": printed.getvalue(), "error": error}), file=answers, flush=True)
"""


class Runner:
    """One page at work. `ids` are those that its output named so far."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "work"
        self.ids: dict[str, str] = {}
        scratch = folder / "tmp"
        for each in (self.folder, scratch):
            each.mkdir()
        skip = shutil.ignore_patterns(".bailiwick", "__pycache__")
        shutil.copytree(ROOT / "examples", self.folder / "examples", ignore=skip)
        self._env = {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(folder),
            "TMPDIR": str(scratch),
            "LANG": "C.UTF-8",
            "TERM": "dumb",
        }
        self._python: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._python is not None:
            assert self._python.stdin is not None
            assert self._python.stdout is not None
            self._python.stdin.close()
            self._python.wait(30)
            self._python.stdout.close()

    def page(self, page: Page) -> None:
        """Run everything on a page. Raises AssertionError that names the block."""
        below = (*page.blocks[1:], None)
        for block, after in zip(page.blocks, below, strict=True):
            self._block(block, after)

    def _block(self, block: Block, after: Block | None) -> None:
        name = block.option("file")
        match block.language:
            case _ if name:
                path = self.folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(block.text, encoding="utf-8")
            case "console":
                self._console(block)
            case "python":
                printed = self._run_python(block)
                if after is not None and after.language == "text" and "output" in after.words:
                    self._compare(after, after.text, printed)
                else:
                    assert not printed, f"{block}: prints something that the page does not show:\n{printed}"
            case "toml" | "cedar":
                load_block(block, self.folder.parent)
            case "text":
                pass
            case other:
                raise AssertionError(f"{block}: nobody knows how to run {other!r}")

    def _console(self, block: Block) -> None:
        steps: list[tuple[str, str]] = []
        for line in block.text.splitlines(keepends=True):
            if line.startswith("$ "):
                steps.append((line[2:].strip(), ""))
            elif steps and steps[-1][0].endswith("\\"):
                steps[-1] = (f"{steps[-1][0][:-1].rstrip()} {line.strip()}", "")
            else:
                assert steps, f"{block}: output before the first command"
                steps[-1] = (steps[-1][0], steps[-1][1] + line)
        steps = [step for step in steps if step[0] not in ELSEWHERE]
        if not steps:
            return
        printed, statuses = self._shell([command for command, _ in steps])
        for at, ((command, shown), real) in enumerate(zip(steps, printed, strict=True)):
            asks_for_status = at + 1 < len(steps) and steps[at + 1][0] == "echo $?"
            assert statuses[at] == 0 or asks_for_status, f"{block}: `{command}` ended with {statuses[at]}:\n{real}"
            self._compare(block, shown, real, command)

    def _shell(self, commands: list[str]) -> tuple[list[str], list[int]]:
        """What each command printed (both streams), and how it ended. `$?` is the one before's, as in a terminal."""
        script = "".join(
            f"(exit $__status)\n{filled(command, self.ids)}\n__status=$?\nprintf '{_MARK}\\n' $__status\n"
            for command in commands
        )
        run = subprocess.run(
            ["bash", "-c", f"__status=0\n{script}"],
            cwd=self.folder,
            env=self._env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            timeout=60,
            check=False,
        )
        printed: list[str] = []
        statuses: list[int] = []
        kept = ""
        for line in run.stdout.splitlines(keepends=True):
            if line.startswith("<<status "):
                statuses.append(int(line[len("<<status ") :].strip("<>\n")))
                printed.append(kept)
                kept = ""
            else:
                kept += line
        assert len(printed) == len(commands), run.stdout
        return printed, statuses

    def _compare(self, block: Block, shown: str, real: str, command: str = "") -> None:
        found = match(shown, real)
        where = f"{block}: `{command}`" if command else str(block)
        assert found is not None, f"{where} really prints:\n{real}\nthe page shows:\n{shown}"
        self.ids.update(found)

    def _run_python(self, block: Block) -> str:
        if self._python is None:
            self._python = subprocess.Popen(
                [sys.executable, "-c", _INTERPRETER],
                cwd=self.folder,
                env=self._env,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                encoding="utf-8",
            )
        assert self._python.stdin is not None
        assert self._python.stdout is not None
        asked = {"page": block.page, "line": block.line, "text": filled(block.text, self.ids)}
        print(json.dumps(asked), file=self._python.stdin, flush=True)
        answer = json.loads(self._python.stdout.readline())
        assert not answer["error"], f"{block}: {answer['error']}"
        printed: str = answer["printed"]
        return printed
