"""Which tools of an agent of Agent Framework the guard reaches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from bailiwick.adapters.agent_framework.calls import FRAMEWORK
from bailiwick.adapters.agent_framework.middleware import GuardFunctionMiddleware
from bailiwick.adapters.agent_framework.texts import hosted_name
from bailiwick.adapters.coverage import CoveredTool, Reach
from bailiwick.adapters.sealing import is_sealed
from bailiwick.errors import MissingExtra, UsageError

try:
    from agent_framework import Agent, FunctionTool, WorkflowAgent
except ImportError as error:
    raise MissingExtra(feature="the adapter for Microsoft Agent Framework", extra="agent-framework") from error

__all__ = ["covered"]


def covered(agent: object, *, catalog: Callable[[str], str]) -> tuple[CoveredTool, ...]:
    """Every tool of every agent that can be reached: agents that are tools, and agents of a workflow."""
    todo, seen, rows = [agent], set[int](), list[CoveredTool]()
    if not isinstance(agent, Agent | WorkflowAgent) and not _executors(agent):
        raise UsageError(
            f"{type(agent).__name__} is no agent and no workflow of Agent Framework", hint="give an Agent or a Workflow"
        )
    while todo:
        one = todo.pop(0)
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        todo.extend(_executors(one))
        for tool in _tools(one):
            todo.append(_agent_of(tool))
            rows.append(_row(one, tool, catalog))
    return tuple(rows)


def _row(agent: Any, tool: Any, catalog: Callable[[str], str]) -> CoveredTool:
    who = str(getattr(agent, "name", "") or type(agent).__name__)
    if isinstance(tool, FunctionTool):
        sealed = is_sealed(FRAMEWORK)
        why = "" if sealed else "no guard.agent_framework() holds in this process"
        if sealed and not any(
            isinstance(each, GuardFunctionMiddleware) for each in getattr(agent, "middleware", None) or ()
        ):
            why = "the agent has no middleware of the guard: it acts as its caller, and its model is not seen"
        reach = Reach.ENFORCED if sealed else Reach.UNREACHABLE
        return CoveredTool(agent=who, tool=tool.name, reach=reach, catalog=catalog(tool.name), why=why)
    if isinstance(getattr(tool, "functions", None), list):
        why = "the tools that the MCP server lists when it is asked"
        reach = Reach.ENFORCED if is_sealed(FRAMEWORK) else Reach.UNREACHABLE
        return CoveredTool(agent=who, tool=f"{tool.name}/*", reach=reach, catalog=catalog(tool.name), why=why)
    name = hosted_name(tool)
    return CoveredTool(
        agent=who, tool=name, reach=Reach.OBSERVED, catalog=catalog(name), why="the model's provider runs it"
    )


def _tools(agent: Any) -> Iterator[Any]:
    options = getattr(agent, "default_options", None)
    yield from (options.get("tools") or ()) if isinstance(options, Mapping) else ()
    yield from getattr(agent, "mcp_tools", None) or ()


def _agent_of(tool: Any) -> Any:
    """The agent that works as this tool: `as_tool` keeps it in its function's closure alone."""
    function = getattr(tool, "func", None)
    if function is None or getattr(function, "__qualname__", "") != "BaseAgent.as_tool.<locals>._agent_wrapper":
        return None
    cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
    return cells["self"].cell_contents if "self" in cells else None


def _executors(whole: Any) -> list[Any]:
    """The agents of a workflow."""
    workflow = getattr(whole, "workflow", whole)
    executors = getattr(workflow, "executors", None)
    if not isinstance(executors, Mapping):
        return []
    return [getattr(each, "agent", None) or getattr(each, "_agent", None) for each in executors.values()]
