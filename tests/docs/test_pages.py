"""Every command and every snippet that the documentation prints is run, and prints what the page shows."""

from __future__ import annotations

import subprocess
import tomllib
from pathlib import Path

import pytest

from tests.docs.markdown import ROOT, Page, pages
from tests.docs.runner import ELSEWHERE, Runner

NEEDS_CREWAI = ("docs/quickstart-crewai.md", "examples/crewai/README.md")
"""Run where CrewAI is installed, by tests/crewai/test_pages.py."""

PAGES = [
    page for page in pages() if page.blocks and not page.name.startswith("examples/") and page.name not in NEEDS_CREWAI
]
"""The example's own README is run by tests/examples."""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_prints_is_so(page: Page, tmp_path: Path) -> None:
    with Runner(tmp_path) as runner:
        runner.page(page)


def test_every_command_that_is_not_run_is_still_printed() -> None:
    printed = {
        line[2:]
        for page in pages()
        for block in page.blocks
        if block.language == "console"
        for line in block.text.splitlines()
    }
    assert ELSEWHERE.keys() <= printed


def test_make_run_is_the_demo() -> None:
    told = subprocess.run(
        ["make", "--dry-run", "--no-print-directory", "--assume-old=setup", "run"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.splitlines()[-1].endswith("bin/bailiwick demo")


def test_the_demo_that_make_run_runs(tmp_path: Path) -> None:
    """As `make run` where there is no terminal: it approves by itself, and ends with 0 if every scene came out."""
    with Runner(tmp_path) as runner:
        (printed,), (status,) = runner._shell(["bailiwick demo"])
    assert status == 0, printed
    assert "as expected" in printed


def test_extras_are_those_that_the_docs_name() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    assert extras.keys() == {
        "agent-framework",
        "agentdojo",
        "autogen",
        "claude-agent-sdk",
        "crewai",
        "google-adk",
        "langchain",
        "llama-index",
        "openai-agents",
        "pydantic-ai",
        "smolagents",
        "strands",
        "prove",
        "http",
        "otel",
        "parquet",
        "postgres",
        "server",
        "mcp",
        "openapi",
        "demo",
    }
