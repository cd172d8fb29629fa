"""What is said to somebody who wires an agent wrongly, and names what to do."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.tools import tool

from bailiwick import Guard
from bailiwick.errors import UsageError
from desk.model import ObedientModel
from tests.cli.terminal import in_a_process
from tests.docs.markdown import ROOT
from tests.worlds import decisions

ASKED = 'Call get_order with id=1\nCall send_email with {"to": ["zoe@mail.example"], "body": "On its way."}'


@pytest.fixture
def guard(tmp_path: Path) -> Iterator[Guard]:
    folder = tmp_path / "project"
    shutil.copytree(ROOT / "examples/langchain", folder, ignore=shutil.ignore_patterns(".*", "__pycache__"))
    with Guard.open(folder) as opened:
        yield opened
        opened.unseal()


@tool
def get_order(id: str) -> dict[str, str]:  # noqa: A002
    """Look up an order."""
    return {"id": id, "email": "zoe@mail.example", "note": ""}


@tool
def send_email(to: list[str], body: str) -> str:
    """Send a mail."""
    raise AssertionError("nobody permitted this")


@pytest.mark.parametrize(
    ("told", "vouched"),
    [("", "You help."), ("Something else.", "You help."), (ASKED, "")],
    ids=["no prompt", "another prompt", "a system prompt that nobody vouched for"],
)
def test_why_says_what_to_tell_the_session(guard: Guard, tmp_path: Path, told: str, vouched: str) -> None:
    agent: Any = create_agent(
        ObedientModel(),
        [get_order, send_email],
        system_prompt="You help.",
        middleware=[guard.langchain(instructions=vouched)],
    )
    with guard.session(user="ana", agent="helper", task="Write to a customer") as session:
        if told:
            session.prompt(told)
        agent.invoke({"messages": [("user", ASKED)]})
    (mail,) = decisions(tmp_path / "project", "mail.send")
    assert mail.body["outcome"] == "deny"
    why = in_a_process("audit", "why", mail.id, "--as", "ben", "--dir", tmp_path / "project")
    said = " ".join(why.out.split())
    assert "nobody said whose it is: session.prompt(text) takes in what the user typed, instructions=... what" in said


NAMED: dict[str, Callable[[Guard], object]] = {
    "agent_framework": lambda guard: guard.agent_framework(agents={"Clerk": "halper"}),
    "google_adk": lambda guard: guard.google_adk(agents={"Clerk": "halper"}),
    "langchain": lambda guard: guard.langchain(agents={"Clerk": "halper"}),
    "langchain, its own": lambda guard: guard.langchain(agent="halper"),
    "pydantic_ai": lambda guard: guard.pydantic_ai(agents={"Clerk": "halper"}),
    "strands": lambda guard: guard.strands(agents={"Clerk": "halper"}),
}


@pytest.mark.parametrize("named", NAMED.values(), ids=NAMED)
def test_an_agent_that_the_directory_does_not_have_is_refused_at_once(
    guard: Guard, named: Callable[[Guard], object]
) -> None:
    with pytest.raises(UsageError, match=r"directory\.toml has no agent 'halper'") as refused:
        named(guard)
    assert refused.value.hint == "did you mean 'helper'?"
