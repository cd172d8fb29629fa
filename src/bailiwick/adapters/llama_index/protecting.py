"""What `Guard.llama_index` does with an agent or its tools, and which tools the guard reaches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from bailiwick.adapters.coverage import CoveredTool, Reach
from bailiwick.adapters.llama_index import agents, models, tools
from bailiwick.adapters.llama_index.tools import FRAMEWORK, name_of
from bailiwick.adapters.sealing import Method, is_sealed
from bailiwick.adapters.wiring import Wiring
from bailiwick.errors import MissingExtra, UsageError
from bailiwick.model.tool import DELEGATE_TOOL

try:
    from llama_index.core.agent import AgentWorkflow, CodeActAgent
    from llama_index.core.agent.workflow.base_agent import BaseWorkflowAgent
    from llama_index.core.base.llms.base import BaseLLM
    from llama_index.core.tools import BaseTool
    from llama_index.core.tools.query_plan import QueryPlanTool
except ImportError as error:
    raise MissingExtra(feature="the LlamaIndex adapter", extra="llama-index") from error

__all__ = ["covered", "protect", "sealed_methods"]

A = TypeVar("A")

_CODE = "execute"
"""What a CodeActAgent calls its code step."""


def sealed_methods() -> tuple[Method, ...]:
    """Every way into a tool, an agent or a model."""
    return (
        Method(owner=BaseTool, name="__getattribute__", make=tools.looked_up),
        Method(owner=QueryPlanTool, name="__call__", make=tools.sealed_call),
        Method(owner=BaseLLM, name="__getattribute__", make=models.looked_up),
        Method(owner=BaseWorkflowAgent, name="__getattribute__", make=agents.looked_up),
        Method(owner=BaseWorkflowAgent, name="run", make=agents.sealed_run),
        Method(owner=AgentWorkflow, name="run", make=agents.sealed_run),
        Method(owner=AgentWorkflow, name="_call_tool", make=agents.sealed_workflow_call),
    )


def protect(what: A, wiring: Wiring) -> A:
    """The same object: an agent, a workflow of agents, or tools. Raises UsageError for anything else."""
    if isinstance(what, BaseTool) or (isinstance(what, Sequence) and all(isinstance(each, BaseTool) for each in what)):
        return what
    if not isinstance(what, BaseWorkflowAgent | AgentWorkflow):
        raise UsageError(
            f"{type(what).__name__} is neither an agent of LlamaIndex nor tools",
            hint="give a FunctionAgent, a ReActAgent, an AgentWorkflow, or a list of tools",
        )
    for each in (what, *_agents(what)):
        wiring.keep_in(each)
    return what


def covered(agent: object, *, catalog: Callable[[str], str]) -> tuple[CoveredTool, ...]:
    """Every tool of every agent of a workflow. `catalog` gives a name's entry, or nothing."""
    if not isinstance(agent, BaseWorkflowAgent | AgentWorkflow):
        return ()
    return tuple(row for each in _agents(agent) for row in _rows(agent, each, catalog))


def _rows(top: Any, agent: BaseWorkflowAgent, catalog: Callable[[str], str]) -> Iterator[CoveredTool]:
    sealed = is_sealed(FRAMEWORK)
    why = "" if sealed else "guard.llama_index was given nothing yet"
    reach = Reach.ENFORCED if sealed else Reach.UNREACHABLE
    for tool in agent.tools or ():
        name = name_of(tool) if isinstance(tool, BaseTool) else getattr(tool, "__name__", "")
        yield CoveredTool(agent=agent.name, tool=name, reach=reach, catalog=catalog(name), why=why)
    if agent.tool_retriever is not None:
        yield CoveredTool(
            agent=agent.name,
            tool="(tools that are retrieved)",
            reach=reach,
            why=why or "which they are shows when the agent runs; each call is decided all the same",
        )
    if isinstance(top, AgentWorkflow) and len(top.agents) > 1 and agent.can_handoff_to != []:
        yield CoveredTool(agent=agent.name, tool="handoff", reach=reach, catalog=DELEGATE_TOOL, why=why)
    if isinstance(agent, CodeActAgent):
        yield CoveredTool(
            agent=agent.name,
            tool=_CODE,
            reach=Reach.UNREACHABLE,
            catalog=catalog(_CODE),
            why="each piece of code is decided as a whole; what it does, calls of the agent's functions too, is not",
        )


def _agents(what: BaseWorkflowAgent | AgentWorkflow) -> tuple[BaseWorkflowAgent, ...]:
    return tuple(what.agents.values()) if isinstance(what, AgentWorkflow) else (what,)
