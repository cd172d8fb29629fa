"""The one line of AutoGen: an agent or a team, and every agent that can be reached from it, under the guard."""

# ruff: noqa: SLF001  AutoGen has no public way to the parts of an agent

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any, TypeVar

from bailiwick.adapters.acting import AgentNames
from bailiwick.adapters.autogen.client import GuardClient
from bailiwick.adapters.autogen.executing import GuardExecutor
from bailiwick.adapters.autogen.memory import GuardMemory
from bailiwick.adapters.autogen.parts import Part, handoffs, inner, own_names, parts, workbenches
from bailiwick.adapters.autogen.seat import House, Seat
from bailiwick.adapters.autogen.workbench import GuardWorkbench
from bailiwick.adapters.wiring import Wiring
from bailiwick.errors import MissingExtra, UsageError

try:
    from autogen_agentchat.agents import AssistantAgent, CodeExecutorAgent
    from autogen_agentchat.base import ChatAgent, Team
    from autogen_agentchat.teams import BaseGroupChat
    from autogen_core.models import ChatCompletionClient
    from autogen_core.tools import StaticWorkbench
except ImportError as error:
    raise MissingExtra(feature="the AutoGen adapter", extra="autogen") from error

__all__ = ["protect"]

W = TypeVar("W")


def protect(whole: W, wiring: Wiring) -> W:
    """Put the guard into `whole` and into all that works for it. → the same object. Raises UsageError for what is
    neither an agent nor a team, and for a team that ran already: its manager holds the model client that it had."""
    if not isinstance(whole, ChatAgent | Team):
        raise UsageError(
            f"{type(whole).__name__} is no agent and no team of AutoGen AgentChat",
            hint="give guard.autogen an AssistantAgent, another agent, or a team",
        )
    all_of_it = parts(whole)
    for part in all_of_it:
        if isinstance(part, BaseGroupChat) and part._initialized and _client(part) is not None:
            raise UsageError(
                f"the team {part.name} ran already, so its manager calls the model without the guard",
                hint="protect a team before it runs for the first time",
            )
    house = House(
        engine=wiring.engine,
        names=AgentNames(engine=wiring.engine, names=wiring.agents, own=own_names(whole)),
        agents={part.name for part in all_of_it},
        known={*wiring.instructions, _DEFAULT_INSTRUCTIONS, *_handoff_messages(all_of_it)},
    )
    for part in all_of_it:
        _protect(part, house)
    return whole


def _protect(part: Part, house: House) -> None:
    seat = Seat(house=house, name=part.name)
    if isinstance(part, AssistantAgent):
        seat.handoffs.update(handoffs(part))
        part._workbench = [GuardWorkbench(workbench, seat) for workbench in workbenches(part) or [StaticWorkbench([])]]
        if part._memory:
            part._memory = [GuardMemory(inner(memory), seat) for memory in part._memory]
    client = _client(part)
    if client is not None:
        part._model_client = GuardClient(inner(client), seat)  # type: ignore[union-attr]
    if isinstance(part, CodeExecutorAgent):
        part._code_executor = GuardExecutor.of(inner(part._code_executor), seat)


def _client(part: Any) -> ChatCompletionClient | None:
    held = getattr(part, "_model_client", None)
    return held if isinstance(held, ChatCompletionClient) else None


def _handoff_messages(all_of_it: tuple[Part, ...]) -> Iterator[str]:
    """What is said when the conversation is handed on: the developer's words."""
    for part in all_of_it:
        if isinstance(part, AssistantAgent):
            yield from (handoff.message for handoff in part._handoffs.values())


_DEFAULT_INSTRUCTIONS: str = inspect.signature(AssistantAgent.__init__).parameters["system_message"].default
"""AutoGen's own, where the developer gave none."""
