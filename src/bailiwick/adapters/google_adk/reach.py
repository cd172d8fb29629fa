"""What the guard reaches of an ADK agent or app, and of the agents below it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from bailiwick.adapters.coverage import CoveredTool, Reach
from bailiwick.adapters.google_adk.calls import CODE_TOOL, FRAMEWORK
from bailiwick.adapters.sealing import is_sealed
from bailiwick.errors import MissingExtra

try:
    from google.adk.agents.base_agent import BaseAgent
    from google.adk.agents.llm_agent import LlmAgent
    from google.adk.apps import App
    from google.adk.code_executors import BuiltInCodeExecutor
    from google.adk.tools.agent_tool import AgentTool
    from google.adk.tools.base_tool import BaseTool
    from google.adk.tools.base_toolset import BaseToolset
except ImportError as error:
    raise MissingExtra(feature="the adapter for Google ADK", extra="google-adk") from error

__all__ = ["covered"]

_HOSTED = "the provider runs it; taken from the model unless permitted"


def covered(agent: object, *, catalog: Callable[[str], str]) -> tuple[CoveredTool, ...]:
    """Each tool of the agent (or of the app's), of its sub-agents and of the agents that are its tools."""
    found: list[CoveredTool] = []
    waiting: list[Any] = [agent.root_agent if isinstance(agent, App) else getattr(agent, "agent", agent)]
    seen: list[Any] = []
    while waiting:
        each = waiting.pop()
        if not isinstance(each, BaseAgent) or any(each is before for before in seen):
            continue
        seen.append(each)
        waiting += each.sub_agents
        if isinstance(each, LlmAgent):
            waiting += [tool.agent for tool in each.tools if isinstance(tool, AgentTool)]
            found += _own(each, catalog)
        elif type(each).__module__.split(".")[0] != "google":
            why = "it is an agent of your own class: what it does without tools is not seen"
            found.append(CoveredTool(agent=each.name, tool=type(each).__name__, reach=Reach.UNREACHABLE, why=why))
    return tuple(found)


def _own(agent: LlmAgent, catalog: Callable[[str], str]) -> Iterator[CoveredTool]:
    sealed = is_sealed(FRAMEWORK)
    reach = Reach.ENFORCED if sealed else Reach.UNREACHABLE
    why = "" if sealed else "no seal holds: guard.google_adk() was not called, or it was unsealed"
    for tool in agent.tools:
        if isinstance(tool, BaseToolset):
            told = why or "what it offers is known once an agent runs; each call is decided"
            yield CoveredTool(agent=agent.name, tool=f"{type(tool).__name__} (toolset)", reach=reach, why=told)
            continue
        name = tool.name if isinstance(tool, BaseTool) else getattr(tool, "__name__", str(tool))
        if isinstance(tool, BaseTool) and type(tool).run_async is BaseTool.run_async:
            yield CoveredTool(agent=agent.name, tool=name, reach=Reach.OBSERVED, catalog=catalog(name), why=_HOSTED)
            continue
        yield CoveredTool(agent=agent.name, tool=name, reach=reach, catalog=catalog(name), why=why)
    executor = agent.code_executor
    if isinstance(executor, BuiltInCodeExecutor):
        yield CoveredTool(agent=agent.name, tool="code_execution", reach=Reach.OBSERVED, why=_HOSTED)
    elif executor is not None:
        yield CoveredTool(agent=agent.name, tool=CODE_TOOL, reach=reach, catalog=catalog(CODE_TOOL), why=why)
