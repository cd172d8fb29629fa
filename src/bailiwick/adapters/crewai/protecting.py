"""`Guard.crewai`: what a crew is made of, taken in before it runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

from bailiwick.adapters import sealing
from bailiwick.adapters.crewai.desk import FRAMEWORK, Desk, open_desk, role_of
from bailiwick.adapters.crewai.seal import methods
from bailiwick.adapters.wiring import Wiring
from bailiwick.errors import MissingExtra, UsageError

try:
    from crewai import Agent, Crew, Flow, Process, Task
    from crewai.agents.agent_builder.base_agent import BaseAgent
    from crewai.lite_agent import LiteAgent
    from crewai.tools.agent_tools.agent_tools import AgentTools
    from crewai.utilities.i18n import I18N_DEFAULT
    from crewai.utilities.string_utils import sanitize_tool_name
except ImportError as error:
    raise MissingExtra(feature="the CrewAI adapter", extra="crewai") from error

__all__ = ["Protectable", "agents_of", "protect", "tasks_of"]

Protectable = TypeVar("Protectable", bound="Crew | BaseAgent | LiteAgent | Flow[Any]")


def protect(thing: Protectable, wiring: Wiring) -> Protectable:
    """Seal CrewAI for this Guard, and take in what the crew's texts and agents are. → the same object."""
    if not isinstance(thing, Crew | BaseAgent | LiteAgent | Flow):
        raise UsageError(
            f"a {type(thing).__name__} is nothing that CrewAI runs", hint="give guard.crewai a Crew, an Agent or a Flow"
        )
    sealing.seal(FRAMEWORK, wiring.engine, methods)
    desk = open_desk(wiring.engine)
    own = _own(thing)
    with desk.door:
        desk.name(wiring.agents, own=own, others={role_of(each) for each in agents_of(thing)} - own)
        desk.wording.add(*wiring.instructions)
        _take_in(desk, thing)
    return thing


def agents_of(thing: object) -> Iterator[Any]:
    """The agents of it, each once; those that a flow makes as it runs are not known before."""
    if isinstance(thing, BaseAgent | LiteAgent):
        yield thing
    elif isinstance(thing, Crew):
        found = [*thing.agents, thing.manager_agent, *(task.agent for task in thing.tasks)]
        for at, agent in enumerate(found):
            if agent is not None and all(agent is not before for before in found[:at]):
                yield agent


def tasks_of(thing: object) -> Iterator[Task]:
    """The tasks of a crew."""
    if isinstance(thing, Crew):
        yield from thing.tasks


def _own(thing: object) -> set[str]:
    """The roles of the agent that a session is opened for: the only one, or the one that hands out the work."""
    if isinstance(thing, Crew) and thing.process is Process.hierarchical:
        manager = thing.manager_agent
        return {
            role_of(manager) if manager is not None else I18N_DEFAULT.retrieve("hierarchical_manager_agent", "role")
        }
    found = list(agents_of(thing))
    return {role_of(found[0])} if len(found) == 1 else set()


def _take_in(desk: Desk, thing: object) -> None:
    found = list(agents_of(thing))
    wording = desk.wording
    for agent in found:
        for name in ("role", "goal", "backstory", "system_template", "prompt_template", "response_template"):
            wording.add(str(getattr(agent, f"_original_{name}", None) or getattr(agent, name, None) or ""))
        _take_in_tools(desk, getattr(agent, "tools", None) or ())
    team = [each for each in found if isinstance(each, Agent)]
    for left_out in (None, *team):
        _take_in_tools(desk, AgentTools(agents=[each for each in team if each is not left_out]).tools())
    for task in tasks_of(thing):
        for name in ("description", "expected_output"):
            wording.add(str(getattr(task, f"_original_{name}", None) or getattr(task, name, None) or ""))
        _take_in_tools(desk, task.tools or ())


def _take_in_tools(desk: Desk, tools: Any) -> None:
    for tool in tools:
        desk.wording.add_tool(sanitize_tool_name(tool.name), tool.description, tool.formatted_description)
