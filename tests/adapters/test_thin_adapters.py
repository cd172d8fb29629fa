"""What Pydantic AI, Google ADK and Strands have beside tools: output functions, code executors, teams."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from bailiwick import Denied, Guard
from bailiwick.errors import UsageError
from tests.worlds import AGENT, decisions, make_world

pytest.importorskip("pydantic_ai")
pytest.importorskip("google.adk")
pytest.importorskip("strands")

from google.adk.agents import LlmAgent
from google.adk.agents.invocation_context import InvocationContext
from google.adk.code_executors import UnsafeLocalCodeExecutor
from google.adk.code_executors.code_execution_utils import CodeExecutionInput
from google.adk.plugins.plugin_manager import PluginManager
from google.adk.sessions import InMemorySessionService, Session
from google.adk.tools.base_tool import BaseTool
from pydantic_ai import Agent, ToolOutput, UnexpectedModelBehavior
from pydantic_ai.messages import ModelResponse, ToolCallPart
from pydantic_ai.models.function import AgentInfo, FunctionModel
from strands import Agent as StrandsAgent
from strands import ToolContext
from strands import tool as strands_tool
from strands.models.model import Model
from strands.multiagent import GraphBuilder


@pytest.fixture
def guard(tmp_path: Path) -> Iterator[Guard]:
    with_folder = Guard.open(make_world(tmp_path))
    yield with_folder
    with_folder.close()


def _session(guard: Guard) -> Any:
    return guard.session(user="alice", agent=AGENT, task="Work")


def _model(args: dict[str, Any]) -> FunctionModel:
    def answer(messages: Any, info: AgentInfo) -> ModelResponse:
        return ModelResponse(parts=[ToolCallPart(info.output_tools[0].name, args)])

    return FunctionModel(answer)


def test_an_output_function_is_decided_as_a_tool(guard: Guard, tmp_path: Path) -> None:
    ran: list[str] = []

    def read_page(id: str, limit: int = 7) -> str:  # noqa: A002  as the tool calls it
        """Read a page."""
        ran.append(id)
        return f"page {id}"

    for page in ("1", "9"):
        agent = Agent(_model({"id": page}), output_type=ToolOutput(read_page), capabilities=[guard.pydantic_ai()])
        with _session(guard) as session:
            session.prompt("Go.")
            if page == "1":
                assert asyncio.run(agent.run("Go.")).output == "page 1"
            else:
                with pytest.raises(UnexpectedModelBehavior):
                    asyncio.run(agent.run("Go."))
    assert ran == ["1"]
    assert {event.body["outcome"] for event in decisions(tmp_path, "page.read")} == {"allow", "deny"}


def test_a_capability_that_is_not_sealed_is_refused_and_of_a_closed_guard_nothing_runs(tmp_path: Path) -> None:
    ran: list[str] = []

    def read_page(id: str) -> str:  # noqa: A002  as the tool calls it
        """Read a page."""
        ran.append(id)
        return f"page {id}"

    world = make_world(tmp_path)
    with Guard.open(world) as guard:
        with pytest.raises(UsageError, match="the seal is what decides"):
            guard.pydantic_ai(seal=False)
        capability = guard.pydantic_ai()

    def answer(messages: Any, info: AgentInfo) -> ModelResponse:
        return ModelResponse(parts=[ToolCallPart("read_page", {"id": "1"})])

    agent = Agent(FunctionModel(answer), tools=[read_page], capabilities=[capability])
    with Guard.open(world) as other, _session(other) as session:
        session.prompt("Go.")
        with pytest.raises(Denied, match="outside of a session"):
            asyncio.run(agent.run("Go."))
    assert ran == []


def _invocation(agent: LlmAgent) -> InvocationContext:
    return InvocationContext(
        session_service=InMemorySessionService(),
        invocation_id="i",
        agent=agent,
        session=Session(id="s", app_name="desk", user_id="alice"),
        plugin_manager=PluginManager(),
    )


def test_code_that_a_model_wrote_is_a_call_that_somebody_must_permit(guard: Guard, tmp_path: Path) -> None:
    guard.google_adk()
    mark = tmp_path / "ran"
    agent = LlmAgent(name="desk_bot")
    code = CodeExecutionInput(code=f"open({str(mark)!r}, 'w').close()")
    with _session(guard):
        result = UnsafeLocalCodeExecutor().execute_code(_invocation(agent), code)
    assert "DENIED execute_code" in result.stderr
    assert not mark.exists()


def test_a_class_of_tools_that_is_made_later_is_sealed(guard: Guard) -> None:
    from google.adk.tools.tool_context import ToolContext

    guard.google_adk()
    ran: list[str] = []

    class Late(BaseTool):
        async def run_async(self, *, args: dict[str, Any], tool_context: ToolContext) -> Any:
            ran.append(json.dumps(args))
            return "it ran"

    context = ToolContext(_invocation(LlmAgent(name="desk_bot")))
    with _session(guard):
        told = asyncio.run(Late(name="late", description="").run_async(args={"id": "1"}, tool_context=context))
    assert ran == []
    assert "DENIED late" in str(told)


def test_what_a_tool_streams_on_its_way_is_held_back(guard: Guard) -> None:
    guard.strands()

    @strands_tool
    async def look_at(id: str) -> AsyncGenerator[str, None]:  # noqa: A002  as the tool calls it
        """Look at something.

        Args:
            id: what
        """
        yield "raw"
        yield "done"

    async def run() -> list[Any]:
        use: Any = {"name": "look_at", "toolUseId": "c1", "input": {"id": "1"}}
        return [event async for event in look_at.stream(use, {})]

    with _session(guard):
        events = asyncio.run(run())
    assert len(events) == 1
    assert "DENIED look_at" in str(events)
    assert "raw" not in str(events)


def test_a_decorated_function_that_is_called_as_one_is_decided(guard: Guard) -> None:
    guard.strands()
    ran: list[str] = []

    @strands_tool
    def read_page(id: str, limit: int = 7) -> str:  # noqa: A002  as the tool calls it
        """Read a page.

        Args:
            id: which
            limit: how many lines
        """
        ran.append(id)
        return f"page {id}"

    with pytest.raises(Denied):
        read_page(id="1")
    with _session(guard):
        assert "page 1" in str(read_page(id="1"))
        with pytest.raises(Denied):
            read_page(id="9")
    assert ran == ["1"]


class _Calls(Model):
    """Calls one tool with the id 1, and is done."""

    def __init__(self, tool: str) -> None:
        self.tool, self.read = tool, ""

    def update_config(self, **model_config: Any) -> None:
        raise NotImplementedError

    def get_config(self) -> Any:
        return {}

    def structured_output(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError

    async def stream(self, messages: Any, *args: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
        self.read = str(messages[-1]["content"])
        calls = "toolResult" not in self.read
        yield {"messageStart": {"role": "assistant"}}
        if calls:
            yield {"contentBlockStart": {"start": {"toolUse": {"name": self.tool, "toolUseId": "c1"}}}}
            yield {"contentBlockDelta": {"delta": {"toolUse": {"input": '{"id": "1"}'}}}}
        else:
            yield {"contentBlockStart": {"start": {}}}
            yield {"contentBlockDelta": {"delta": {"text": "done"}}}
        yield {"contentBlockStop": {}}
        yield {"messageStop": {"stopReason": "tool_use" if calls else "end_turn"}}


@pytest.mark.parametrize(("name", "ran"), [("put_safe", ["yes"]), ("put_none", [])])
def test_a_tool_that_asks_a_person_itself_runs_again_unless_it_must_not(
    guard: Guard, name: str, ran: list[str]
) -> None:
    came: list[str] = []

    def put(id: str, tool_context: ToolContext) -> str:  # noqa: A002  as the tool calls it
        """Put something back.

        Args:
            id: what
        """
        came.append(tool_context.interrupt("sure"))
        return "it is back"

    model = _Calls(name)
    agent = StrandsAgent(model=model, tools=[strands_tool(context=True, name=name)(put)], hooks=[guard.strands()])
    with _session(guard) as session:
        session.prompt("Go.")
        stopped = agent("Go.")
        assert stopped.stop_reason == "interrupt"
        (asked,) = stopped.interrupts or ()
        answer: list[Any] = [{"interruptResponse": {"interruptId": asked.id, "response": "yes"}}]
        agent(answer)
    assert came == ran
    assert ("nobody knows whether it ran" in model.read) == (not ran)


@pytest.mark.parametrize(("name", "ran"), [("helper", ["1"]), ("nobody", [])])
def test_a_node_of_a_graph_acts_under_its_own_name_or_not_at_all(
    guard: Guard, tmp_path: Path, name: str, ran: list[str]
) -> None:
    came: list[str] = []

    @strands_tool
    def read_page(id: str, limit: int = 7) -> str:  # noqa: A002  as the tool calls it
        """Read a page.

        Args:
            id: which
            limit: how many lines
        """
        came.append(id)
        return f"page {id}"

    hooks: list[Any] = [guard.strands()]
    builder = GraphBuilder()
    builder.add_node(StrandsAgent(model=_Calls("read_page"), name=name, tools=[read_page], hooks=hooks), "node")
    builder.set_max_node_executions(3)
    graph = builder.build()
    with _session(guard) as session:
        session.prompt("Go.")
        with suppress(Denied):
            graph("Go.")
    assert came == ran
    for event in decisions(tmp_path, "page.read"):
        links: Any = event.body["links"]
        assert [link["link"].split('"')[1] for link in links] == ["alice", AGENT, name]
