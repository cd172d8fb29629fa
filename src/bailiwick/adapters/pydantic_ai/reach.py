"""What the guard reaches of a Pydantic AI agent, and of the agents that its tools run."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

from bailiwick.adapters.coverage import CoveredTool, Reach
from bailiwick.adapters.pydantic_ai.calls import FRAMEWORK
from bailiwick.adapters.pydantic_ai.capability import GuardCapability
from bailiwick.adapters.sealing import is_sealed
from bailiwick.errors import MissingExtra

try:
    from pydantic_ai import Agent
    from pydantic_ai.agent import AbstractAgent, WrapperAgent
    from pydantic_ai.capabilities.abstract import leaf_capabilities
    from pydantic_ai.toolsets import AbstractToolset, ExternalToolset, FunctionToolset
except ImportError as error:
    raise MissingExtra(feature="the adapter for Pydantic AI", extra="pydantic-ai") from error

__all__ = ["covered"]

_UNSEEN = "this agent has no guard.pydantic_ai(), so its model calls are not seen"


def covered(agent: object, *, catalog: Callable[[str], str]) -> tuple[CoveredTool, ...]:
    """Each tool of the agent, and of the agents that the functions of its tools name."""
    found: list[CoveredTool] = []
    waiting: list[Any] = [agent]
    seen: list[Any] = []
    while waiting:
        each = waiting.pop()
        while isinstance(each, WrapperAgent):
            each = each.wrapped
        if not isinstance(each, Agent) or any(each is before for before in seen):
            continue
        seen.append(each)
        found += _own(each, catalog)
        waiting += [inner for function in _functions(each) for inner in _agents_in(function)]
    return tuple(found)


def _own(agent: Agent[Any, Any], catalog: Callable[[str], str]) -> Iterator[CoveredTool]:
    name = agent.name or "agent"
    leaves = leaf_capabilities(agent.root_capability)
    guarded = any(isinstance(each, GuardCapability) for each in leaves)
    sealed = is_sealed(FRAMEWORK)
    reach = Reach.ENFORCED if guarded or sealed else Reach.UNREACHABLE
    why = "" if guarded else _UNSEEN if sealed else "the agent has no guard.pydantic_ai(), and no seal holds"
    for toolset in _leaves(agent):
        if isinstance(toolset, FunctionToolset):
            for tool in toolset.tools:
                yield CoveredTool(agent=name, tool=tool, reach=reach, catalog=catalog(tool), why=why)
        elif isinstance(toolset, ExternalToolset):
            for each in toolset.tool_defs:
                told = "your own code runs it, after the run has ended with DeferredToolRequests"
                yield CoveredTool(
                    agent=name, tool=each.name, reach=Reach.UNREACHABLE, catalog=catalog(each.name), why=told
                )
        else:
            told = why or "what it offers is known once an agent runs; each call is decided"
            yield CoveredTool(agent=name, tool=f"{toolset.label} (toolset)", reach=reach, why=told)
    for native in (tool for each in leaves for tool in each.get_native_tools()):
        kind = getattr(native, "kind", "a tool of the provider")
        if kind == "tool_search":  # it looks through the agent's own tools: nothing runs
            continue
        told = "the provider runs it; taken from the model unless permitted" if guarded else _UNSEEN
        found = Reach.OBSERVED if guarded else Reach.UNREACHABLE
        yield CoveredTool(agent=name, tool=str(kind), reach=found, catalog=catalog(str(kind)), why=told)


def _leaves(agent: Agent[Any, Any]) -> list[AbstractToolset[Any]]:
    leaves: list[AbstractToolset[Any]] = []
    for toolset in agent.toolsets:
        toolset.apply(leaves.append)
    return leaves


def _functions(agent: Agent[Any, Any]) -> Iterator[Callable[..., Any]]:
    for toolset in _leaves(agent):
        if isinstance(toolset, FunctionToolset):
            for tool in toolset.tools.values():
                yield tool.function


def _agents_in(function: Callable[..., Any]) -> Iterator[object]:
    """The agents that a tool's function names. One that it finds in another way is not found here."""
    try:
        named = inspect.getclosurevars(inspect.unwrap(function))
    except (TypeError, ValueError):
        return
    for value in (*named.nonlocals.values(), *named.globals.values()):
        if isinstance(value, AbstractAgent):
            yield value
