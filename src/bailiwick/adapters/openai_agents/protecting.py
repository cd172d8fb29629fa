"""The user's one line: which agents a Guard protects, and how the SDK calls them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

from bailiwick.adapters import sealing
from bailiwick.adapters.acting import AgentNames
from bailiwick.adapters.openai_agents.registry import FRAMEWORK, held_for
from bailiwick.adapters.openai_agents.seal import methods
from bailiwick.adapters.wiring import Wiring
from bailiwick.errors import MissingExtra, UsageError

try:
    from agents import AgentBase, FunctionTool, Handoff
except ImportError as error:
    raise MissingExtra(feature="the adapter for the OpenAI Agents SDK", extra="openai-agents") from error

__all__ = ["protect", "reachable"]

A = TypeVar("A")


def protect(agent: A, wiring: Wiring, *, seal: bool = True, suspend: bool = True) -> A:
    """Protect an agent and all that can be reached from it; once more adds to what was said before. → the same agent.
    Raises UsageError for what is none."""
    if not isinstance(agent, AgentBase):
        raise UsageError(
            f"{type(agent).__name__} is no agent of the OpenAI Agents SDK", hint="give the Agent that Runner.run gets"
        )
    engine = wiring.engine
    sealing.seal(FRAMEWORK, engine, methods)
    held = held_for(engine)
    held.names = AgentNames(
        engine=engine, names={**held.names.names, **wiring.agents}, own=held.names.own | {agent.name}
    )
    held.instructions |= wiring.instructions
    held.sealed |= seal
    held.suspends = suspend
    held.agents.extend(reachable(agent))
    return agent


def reachable(agent: AgentBase) -> tuple[AgentBase, ...]:
    """The agent and those that it can hand over to, or call as a tool, as far as that can be seen."""
    found: list[AgentBase] = []
    todo = [agent]
    while todo:
        one = todo.pop(0)
        if all(one is not other for other in found):
            found.append(one)
            todo.extend(_next(one))
    return tuple(found)


def _next(agent: AgentBase) -> Iterator[AgentBase]:
    for handoff in getattr(agent, "handoffs", ()):
        target = handoff
        if isinstance(handoff, Handoff):
            target = handoff._agent_ref() if handoff._agent_ref is not None else None  # noqa: SLF001
        if isinstance(target, AgentBase):
            yield target
    for tool in agent.tools:
        inner = tool._agent_instance if isinstance(tool, FunctionTool) else None  # noqa: SLF001
        if isinstance(inner, AgentBase):
            yield inner
