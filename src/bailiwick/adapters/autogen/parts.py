"""What an agent or a team of AutoGen is made of: every agent, team, workbench and tool that can be reached from it."""

# ruff: noqa: SLF001  AutoGen has no public way to the parts of an agent

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from bailiwick.adapters.autogen.seat import Seat
from bailiwick.errors import MissingExtra

try:
    from autogen_agentchat.agents import AssistantAgent
    from autogen_agentchat.base import ChatAgent, Team
    from autogen_agentchat.teams import BaseGroupChat
    from autogen_agentchat.tools import AgentTool, TeamTool
    from autogen_core.tools import BaseTool, Workbench
except ImportError as error:
    raise MissingExtra(feature="the AutoGen adapter", extra="autogen") from error

__all__ = ["Part", "handoffs", "inner", "own_names", "parts", "runner", "seat_of", "tools", "workbenches"]

Part = ChatAgent | Team


def parts(whole: Part) -> tuple[Part, ...]:
    """`whole` and all that works for it: participants, agents that are tools, agents within agents. Each once."""
    found: dict[int, Part] = {}
    todo: list[Part] = [whole]
    while todo:
        part = todo.pop(0)
        if id(part) not in found:
            found[id(part)] = part
            todo.extend(_below(part))
    return tuple(found.values())


def own_names(whole: Part) -> frozenset[str]:
    """How the framework calls the agent that a session is opened for: a team of one is that one."""
    if isinstance(whole, BaseGroupChat) and len(whole._participants) == 1:
        return own_names(whole._participants[0]) | {whole.name}
    return frozenset({whole.name})


def inner(held: Any) -> Any:
    """What stands behind a guard of ours, if one does."""
    return getattr(held, "inner", held) if type(held).__module__.startswith("bailiwick.") else held


def workbenches(agent: AssistantAgent) -> Sequence[Workbench]:
    """The agent's own workbenches, without the guard."""
    return [inner(workbench) for workbench in agent._workbench]


def tools(workbench: Workbench) -> Sequence[BaseTool[Any, Any]]:
    """The tools of this process that a workbench holds."""
    return tuple(getattr(workbench, "_tools", ()))


def handoffs(agent: AssistantAgent) -> dict[str, str]:
    """Its tools that hand the conversation on, with whom to."""
    return {name: handoff.target for name, handoff in agent._handoffs.items()}


def seat_of(part: object) -> Seat | None:
    """For whom a protected agent acts; None for one that is not."""
    held = getattr(getattr(part, "_model_client", None), "seat", None)
    return held if isinstance(held, Seat) else None


def runner(tool: object) -> Part | None:
    """The agent or team that works as this tool."""
    held = getattr(tool, "_task_runner", None) if isinstance(tool, AgentTool | TeamTool) else None
    return held if isinstance(held, ChatAgent | Team) else None


def _below(part: Part) -> Iterator[Part]:
    if isinstance(part, BaseGroupChat):
        yield from part._participants
    elif isinstance(part, AssistantAgent):
        for workbench in workbenches(part):
            yield from filter(None, map(runner, tools(workbench)))
    for name in ("_team", "_wrapped_agent"):
        held = getattr(part, name, None)
        if isinstance(held, ChatAgent | Team):
            yield held
