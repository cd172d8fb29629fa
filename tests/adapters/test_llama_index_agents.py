"""LlamaIndex agents under the guard: what the suite of all frameworks does not ask."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("llama_index.core", reason="the extra llama-index is not installed")

from llama_index.core.agent import ReActAgent
from llama_index.core.base.llms.types import ChatMessage, ChatResponse, MessageRole
from llama_index.core.tools import FunctionTool
from llama_index.core.tools.calling import acall_tool, call_tool

from bailiwick import Guard
from bailiwick.errors import Denied, UsageError
from tests.frameworks.harness import Say
from tests.frameworks.harness_llama_index import ScriptedLLM
from tests.worlds import make_world

pytestmark = [
    # LlamaIndex looks for steps among all attributes of an agent, and its ReActAgent asks what it need not.
    pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecationWarning"),
    pytest.mark.filterwarnings("ignore:is_running called from within a step:DeprecationWarning"),
]

RUNS: list[str] = []


def read_page(id: str, limit: int = 3) -> str:  # noqa: A002  as the catalog calls it
    """Read a page."""
    RUNS.append(id)
    return f"page {id}"


@pytest.fixture(autouse=True)
def _no_runs() -> None:
    RUNS.clear()


@pytest.mark.parametrize("way", ["call", "acall", "tool"])
def test_a_tool_that_calls_itself_is_decided_again(tmp_path: Path, way: str) -> None:
    """One permit is for one run with its own arguments."""

    async def read_page(id: str) -> str:  # noqa: A002
        """Read a page."""
        RUNS.append(id)
        if id == "9":
            return "page 9"
        ways: dict[str, Any] = {"call": tool.call, "acall": tool.acall, "tool": tool}
        came = await asyncio.to_thread(ways[way], id="9") if way != "acall" else await tool.acall(id="9")
        return str(came)

    tool = FunctionTool.from_defaults(async_fn=read_page)
    with Guard.open(make_world(tmp_path)) as guard:
        guard.llama_index([tool])
        with guard.session(user="alice", agent="desk-bot", task="Work"):
            assert "Page 9 is closed." in asyncio.run(tool.acall(id="1")).content
            assert "Page 9 is closed." in tool.call(id="1").content
    assert RUNS == ["1", "1"]


@pytest.mark.parametrize("way", ["call", "acall", "tool", "helper", "ahelper"])
def test_a_tool_that_is_called_past_its_agent_is_decided(tmp_path: Path, way: str) -> None:
    tool = FunctionTool.from_defaults(read_page)
    ways: dict[str, Any] = {
        "call": lambda which: tool.call(id=which),
        "acall": lambda which: asyncio.run(tool.acall(id=which)),
        "tool": lambda which: tool(id=which),
        "helper": lambda which: call_tool(tool, {"id": which}),
        "ahelper": lambda which: asyncio.run(acall_tool(tool, {"id": which})),
    }
    with Guard.open(make_world(tmp_path)) as guard:
        assert guard.llama_index([tool]) == [tool]
        assert "outside of a session" in ways[way]("1").content
        with guard.session(user="alice", agent="desk-bot", task="Work"):
            assert ways[way]("1").content == "page 1"
            refused = ways[way]("9")
            assert refused.is_error
            assert "Page 9 is closed." in refused.content
        assert RUNS == ["1"]
    assert "is closed" in tool.call(id="9").content
    guard.unseal()
    assert tool.call(id="9").content == "page 9"


class Reasons(ScriptedLLM):
    """Writes what a ReActAgent reads."""

    def _respond(self, messages: Any, kwargs: dict[str, Any]) -> ChatResponse:
        step = self._script.pop(0)
        assert isinstance(step, Say)
        return ChatResponse(message=ChatMessage(role=MessageRole.ASSISTANT, content=step.text))


def test_a_react_agent_reads_nothing_unknown(tmp_path: Path) -> None:
    model = Reasons.of(
        "x",
        (
            Say('Thought: I look.\nAction: read_page\nAction Input: {"id": "9"}'),
            Say("Thought: I can answer.\nAnswer: It is closed."),
        ),
    )
    with Guard.open(make_world(tmp_path)) as guard:
        agent = ReActAgent(
            tools=[FunctionTool.from_defaults(read_page)], llm=model, system_prompt="Be kind.", streaming=False
        )
        guard.llama_index(agent, instructions="Be kind.")

        async def run() -> str:
            return str(await agent.run("Read page 9"))

        with guard.session(user="alice", agent="desk-bot", task="Work") as session:
            session.prompt("Read page 9")
            assert "It is closed." in asyncio.run(run())
            assert "unknown" not in session.label.sources
    assert RUNS == []


def test_a_model_is_called_in_a_session_alone(tmp_path: Path) -> None:
    model = ScriptedLLM.of("x", (Say("hello"),) * 2)
    with Guard.open(make_world(tmp_path)) as guard:
        guard.llama_index([])
        with pytest.raises(Denied, match="outside of a session"):
            model.chat([ChatMessage(content="hi")])
        assert model._calls == 0
        with guard.session(user="alice", agent="desk-bot", task="Work") as session:
            session.prompt("hi")
            assert model.chat(messages=[ChatMessage(content="hi")]).message.content == "hello"
            assert session.knows("hello")


@pytest.mark.parametrize(
    "more",
    [{"built_in_tools": [{"type": "web_search_preview"}]}, {"additional_kwargs": {"tools": [{"type": "web_search"}]}}],
)
def test_tools_of_the_provider_in_a_models_own_settings_are_refused(tmp_path: Path, more: dict[str, Any]) -> None:
    class Hosting(ScriptedLLM):
        built_in_tools: list[dict[str, Any]] = []  # noqa: RUF012  pydantic copies it
        additional_kwargs: dict[str, Any] = {}  # noqa: RUF012

    model = Hosting.of("x", (Say("hello"),))
    for name, value in more.items():
        setattr(model, name, value)
    with Guard.open(make_world(tmp_path)) as guard:
        guard.llama_index([])
        with guard.session(user="alice", agent="desk-bot", task="Work") as session:
            session.prompt("hi")
            with pytest.raises(UsageError, match="tools that the provider runs"):
                model.chat(messages=[ChatMessage(content="hi")])
    assert model._calls == 0


def test_what_cannot_be_governed_is_refused(tmp_path: Path) -> None:
    with Guard.open(make_world(tmp_path)) as guard:
        with pytest.raises(UsageError, match="neither an agent"):
            guard.llama_index(read_page)
        with pytest.raises(UsageError, match="no hook"):
            guard.llama_index([], seal=False)
