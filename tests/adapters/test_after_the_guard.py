"""What was protected does not run unguarded once the Guard is closed (promise 1)."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from agents import Agent, Runner, function_tool
from agents.testing import ScriptedModel, assistant_message, function_call
from langchain_core.tools import tool

from bailiwick import BailiwickError, Guard
from tests.worlds import make_world


def test_promise_1_an_agent_of_openai_runs_nothing_after_its_guard(tmp_path: Path) -> None:
    ran: list[str] = []

    @function_tool
    def read_page(id: str) -> str:  # noqa: A002
        """Read a page."""
        ran.append(id)
        return f"page {id}"

    def agent() -> Agent[Any]:
        model = ScriptedModel([[function_call("read_page", {"id": "7"}, call_id="c1")], [assistant_message("done")]])
        return Agent(name="desk-bot", model=model, tools=[read_page])

    with Guard.open(make_world(tmp_path)) as guard:
        protected = guard.openai_agents(agent())
    with pytest.raises(BailiwickError, match="is closed"):
        asyncio.run(Runner.run(protected, "Read page 7"))
    assert ran == []
    guard.unseal()
    asyncio.run(Runner.run(agent(), "Read page 7"))  # run_sync leaves its event loop open
    assert ran == ["7"]


def test_promise_1_a_tool_of_langchain_runs_nothing_after_its_guard(tmp_path: Path) -> None:
    ran: list[str] = []

    @tool
    def read_page(id: str) -> str:  # noqa: A002
        """Read a page."""
        ran.append(id)
        return f"page {id}"

    with Guard.open(make_world(tmp_path)) as guard:
        guard.langchain()
    with pytest.raises(BailiwickError, match="is closed"):
        read_page.invoke({"id": "7"})
    assert ran == []
    guard.unseal()
    assert read_page.invoke({"id": "7"}) == "page 7"
