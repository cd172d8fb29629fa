"""What the guard reaches of a Strands agent, graph or swarm, and of the agents that are its tools."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from bailiwick.adapters.coverage import CoveredTool, Reach
from bailiwick.adapters.sealing import is_sealed
from bailiwick.adapters.strands.calls import FRAMEWORK
from bailiwick.errors import MissingExtra

try:
    from strands import Agent
    from strands.agent._agent_as_tool import _AgentAsTool
    from strands.multiagent.base import MultiAgentBase
except ImportError as error:
    raise MissingExtra(feature="the adapter for Strands Agents", extra="strands") from error

__all__ = ["covered"]


def covered(agent: object, *, catalog: Callable[[str], str]) -> tuple[CoveredTool, ...]:
    """Each tool of the agent (or of the nodes of a team), and of the agents that are its tools."""
    found: list[CoveredTool] = []
    waiting: list[Any] = [agent]
    seen: list[Any] = []
    while waiting:
        each = waiting.pop()
        if any(each is before for before in seen):
            continue
        seen.append(each)
        if isinstance(each, MultiAgentBase):
            waiting += [getattr(node, "executor", node) for node in getattr(each, "nodes", {}).values()]
        elif isinstance(each, Agent):
            tools = each.tool_registry.registry.values()
            waiting += [tool._agent for tool in tools if isinstance(tool, _AgentAsTool)]  # noqa: SLF001
            found += _own(each, catalog)
        else:
            why = "it is no agent of this process: what it does is not seen"
            found.append(CoveredTool(agent=type(each).__name__, tool="-", reach=Reach.UNREACHABLE, why=why))
    return tuple(found)


def _own(agent: Agent, catalog: Callable[[str], str]) -> Iterator[CoveredTool]:
    sealed = is_sealed(FRAMEWORK)
    reach = Reach.ENFORCED if sealed else Reach.UNREACHABLE
    why = "" if sealed else "no seal holds: guard.strands() was not called, or it was unsealed"
    for name in agent.tool_registry.registry:
        yield CoveredTool(agent=agent.name, tool=name, reach=reach, catalog=catalog(name), why=why)
