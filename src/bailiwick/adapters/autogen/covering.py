"""Which tools of an AutoGen agent or team the guard reaches."""

# ruff: noqa: SLF001  AutoGen has no public way to the parts of an agent

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from bailiwick.adapters.autogen.client import GuardClient
from bailiwick.adapters.autogen.executing import EXECUTE, GuardExecutor
from bailiwick.adapters.autogen.parts import Part, inner, parts, tools, workbenches
from bailiwick.adapters.autogen.seals import FRAMEWORK
from bailiwick.adapters.autogen.texts import hosted_by
from bailiwick.adapters.autogen.workbench import GuardWorkbench
from bailiwick.adapters.coverage import CoveredTool, Reach
from bailiwick.adapters.sealing import is_sealed
from bailiwick.errors import MissingExtra, UsageError

try:
    from autogen_agentchat.agents import (
        AssistantAgent,
        CodeExecutorAgent,
        MessageFilterAgent,
        SocietyOfMindAgent,
        UserProxyAgent,
    )
    from autogen_agentchat.base import ChatAgent, Team
    from autogen_core.models import ChatCompletionClient
except ImportError as error:
    raise MissingExtra(feature="the AutoGen adapter", extra="autogen") from error

__all__ = ["covered"]

_HARMLESS = (AssistantAgent, CodeExecutorAgent, MessageFilterAgent, SocietyOfMindAgent, UserProxyAgent)
"""Agents whose every effect goes through a tool, an executor or a model."""


def covered(agent: object, *, catalog: Callable[[str], str]) -> tuple[CoveredTool, ...]:
    """Every tool of every agent that can be reached. Nothing is asked of anybody: the tools behind a workbench that
    lives elsewhere (MCP) stand there as one."""
    if not isinstance(agent, ChatAgent | Team):
        raise UsageError(f"{type(agent).__name__} is no agent and no team of AutoGen", hint="give an agent or a team")
    return tuple(tool for part in parts(agent) for tool in _of(part, catalog))


def _of(part: Part, catalog: Callable[[str], str]) -> Iterator[CoveredTool]:
    if isinstance(part, AssistantAgent):
        yield from _tools(part, catalog)
    if isinstance(part, CodeExecutorAgent):
        guarded = isinstance(part._code_executor, GuardExecutor) or is_sealed(FRAMEWORK)
        yield _row(part, EXECUTE, guarded=guarded, catalog=catalog(EXECUTE), why="code out of messages")
    elif isinstance(part, ChatAgent) and not _plain(part):
        why = f"{type(part).__name__} does what it does by itself: only tools of AutoGen that it runs are decided"
        yield CoveredTool(agent=part.name, tool="*", reach=Reach.UNREACHABLE, why=why)
    client = getattr(part, "_model_client", None)
    if isinstance(client, ChatCompletionClient):
        for name in hosted_by(inner(client), None):
            why = "the model's provider runs it" + ("" if isinstance(client, GuardClient) else ", unseen")
            yield CoveredTool(agent=part.name, tool=name, reach=Reach.OBSERVED, why=why)


def _tools(agent: AssistantAgent, catalog: Callable[[str], str]) -> Iterator[CoveredTool]:
    for held, workbench in zip(agent._workbench, workbenches(agent), strict=True):
        guarded = isinstance(held, GuardWorkbench)
        listed = tools(workbench)
        if not listed and not hasattr(workbench, "_tools"):
            name = type(workbench).__name__
            why = f"the tools that {name} lists when it is asked"
            yield _row(agent, "*", guarded=guarded, catalog=catalog(name), why=why)
        for tool in listed:
            yield _row(agent, tool.name, guarded=guarded or is_sealed(FRAMEWORK), catalog=catalog(tool.name))
    for name in agent._handoffs:
        guarded = isinstance(agent._model_client, GuardClient)
        yield _row(agent, name, guarded=guarded, catalog="agent.delegate", why="hands the conversation on")


def _row(part: Any, tool: str, *, guarded: bool, catalog: str, why: str = "") -> CoveredTool:
    return CoveredTool(
        agent=part.name,
        tool=tool,
        reach=Reach.ENFORCED if guarded else Reach.UNREACHABLE,
        catalog=catalog,
        why=why if guarded else "guard.autogen was not given this agent",
    )


def _plain(agent: ChatAgent) -> bool:
    """Whether the class is AutoGen's own: one that extends it may do anything."""
    return type(agent) in _HARMLESS
