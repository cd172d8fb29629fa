"""Which tools of which agents the guard reaches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from bailiwick.adapters.coverage import CoveredTool, Reach
from bailiwick.adapters.openai_agents.model import hosted_name
from bailiwick.adapters.openai_agents.protecting import reachable
from bailiwick.adapters.openai_agents.registry import reaches
from bailiwick.adapters.openai_agents.seal import has_own_executor
from bailiwick.errors import MissingExtra, UsageError

try:
    from agents import AgentBase, CustomTool, FunctionTool, Handoff
except ImportError as error:
    raise MissingExtra(feature="the adapter for the OpenAI Agents SDK", extra="openai-agents") from error

__all__ = ["covered"]

_UNPROTECTED = "guard.openai_agents was not given this agent, and no seal holds"


def covered(agent: object, *, catalog: Callable[[str], str]) -> tuple[CoveredTool, ...]:
    """Every tool of the agent, and of those that it can hand over to or call as a tool. Raises UsageError for what is
    no agent."""
    if not isinstance(agent, AgentBase):
        raise UsageError(
            f"{type(agent).__name__} is no agent of the OpenAI Agents SDK", hint="give the Agent that Runner.run gets"
        )
    return tuple(
        row if reaches(each) else replace(row, reach=Reach.UNREACHABLE, why=_UNPROTECTED)
        for each in reachable(agent)
        for row in _of(each, catalog)
    )


def _of(agent: AgentBase, catalog: Callable[[str], str]) -> Iterator[CoveredTool]:
    for tool in agent.tools:
        yield _tool(agent.name, tool, catalog)
    for server in agent.mcp_servers:
        yield from _server(agent.name, server, catalog)
    for handoff in getattr(agent, "handoffs", ()):
        if isinstance(handoff, Handoff) and handoff._agent_ref is None:  # noqa: SLF001
            yield CoveredTool(
                agent=agent.name,
                tool=handoff.tool_name,
                reach=Reach.ENFORCED,
                why="its target is known when it is called, and what that one does is decided then",
            )


def _tool(agent: str, tool: Any, catalog: Callable[[str], str]) -> CoveredTool:
    if has_own_executor(tool):
        return CoveredTool(
            agent=agent,
            tool=tool.name,
            reach=Reach.UNREACHABLE,
            why="it runs by an executor of its own: while the seal holds it is taken from the agent",
        )
    if isinstance(tool, FunctionTool):
        name = tool.qualified_name
        return CoveredTool(agent=agent, tool=name, reach=Reach.ENFORCED, catalog=catalog(name))
    if isinstance(tool, CustomTool):
        return CoveredTool(agent=agent, tool=tool.name, reach=Reach.ENFORCED, catalog=catalog(tool.name))
    return CoveredTool(agent=agent, tool=hosted_name(tool), reach=Reach.OBSERVED)


def _server(agent: str, server: Any, catalog: Callable[[str], str]) -> Iterator[CoveredTool]:
    listed = getattr(server, "cached_tools", None)
    if not listed:
        yield CoveredTool(
            agent=agent,
            tool=f"{server.name}: its tools",
            reach=Reach.ENFORCED,
            why="an MCP server that has not listed its tools here (connect it, with cache_tools_list=True)",
        )
        return
    for tool in listed:
        yield CoveredTool(agent=agent, tool=tool.name, reach=Reach.ENFORCED, catalog=catalog(tool.name))
