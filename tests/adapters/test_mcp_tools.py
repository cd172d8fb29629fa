"""Tools of a real MCP server, called by each framework that has a client of its own: they are decided as others are."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("mcp.server", reason="mcp is not installed")

from bailiwick import Denied, Guard
from tests.worlds import AGENT, FILES, decisions, make_world

RULES = (
    FILES["policies/desk.cedar"]
    + '@id("mask") @redact("pii")\npermit (principal, action == Action::"page.read", resource);'
)
SERVER = str(Path(__file__).with_name("mcp_desk.py"))


def _strands(guard: Guard, runs: Path, calls: list[dict[str, Any]]) -> list[str]:
    pytest.importorskip("strands")
    from mcp import StdioServerParameters, stdio_client
    from strands.tools.mcp import MCPClient

    guard.strands()
    parameters = StdioServerParameters(command=sys.executable, args=[SERVER, str(runs)])
    made: Any = stdio_client  # its type says the streams of another release of mcp
    with MCPClient(lambda: made(parameters)) as client:
        (tool,) = client.list_tools_sync()

        async def run(args: dict[str, Any]) -> str:
            use: Any = {"name": "read_page", "toolUseId": "c1", "input": args}
            return str([event async for event in tool.stream(use, {})])

        return [asyncio.run(run(args)) for args in calls]


def _google_adk(guard: Guard, runs: Path, calls: list[dict[str, Any]]) -> list[str]:
    pytest.importorskip("google.adk")
    from google.adk.agents import LlmAgent
    from google.adk.tools.mcp_tool import McpToolset, StdioConnectionParams
    from google.adk.tools.tool_context import ToolContext
    from mcp import StdioServerParameters

    from tests.adapters.test_thin_adapters import _invocation

    guard.google_adk()
    parameters = StdioServerParameters(command=sys.executable, args=[SERVER, str(runs)])

    async def run() -> list[str]:
        toolset = McpToolset(connection_params=StdioConnectionParams(server_params=parameters))
        try:
            (tool,) = await toolset.get_tools()
            context = ToolContext(_invocation(LlmAgent(name="desk_bot")))
            return [str(await tool.run_async(args=args, tool_context=context)) for args in calls]
        finally:
            await toolset.close()

    return asyncio.run(run())


def _agent_framework(guard: Guard, runs: Path, calls: list[dict[str, Any]]) -> list[str]:
    pytest.importorskip("agent_framework")
    from agent_framework import MCPStdioTool

    guard.agent_framework()

    async def run() -> list[str]:
        async with MCPStdioTool("desk", command=sys.executable, args=[SERVER, str(runs)]) as server:
            (tool,) = server.functions
            return [await _said(tool, args) for args in calls]

    async def _said(tool: Any, args: dict[str, Any]) -> str:
        try:
            return str([getattr(each, "text", each) for each in await tool.invoke(arguments=args)])
        except Denied as error:
            return str(error)

    return asyncio.run(run())


@pytest.mark.parametrize("through", [_strands, _google_adk, _agent_framework], ids=lambda each: each.__name__[1:])
def test_a_tool_of_an_mcp_server_is_decided_and_its_result_redacted(tmp_path: Path, through: Any) -> None:
    runs = tmp_path / "runs"
    with Guard.open(make_world(tmp_path, policies_desk_cedar=RULES)) as guard:
        with guard.session(user="alice", agent=AGENT, task="Work") as session:
            session.prompt("Go.")
            allowed, denied = through(guard, runs, [{"id": "1"}, {"id": "9"}])
            assert session.label.tainted
        (outside,) = through(guard, runs, [{"id": "1"}])
    assert runs.read_text().split() == ["1", "7"]
    assert "page 1" in allowed
    assert "ann@customer.example" not in allowed
    assert "Page 9 is closed." in denied
    assert "outside of a session" in outside
    assert [event.body["outcome"] for event in decisions(tmp_path, "page.read")] == ["allow", "deny"]
