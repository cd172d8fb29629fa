"""Which tools of a crew the guard reaches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from bailiwick.adapters import sealing
from bailiwick.adapters.coverage import CoveredTool, Reach
from bailiwick.adapters.crewai.desk import FRAMEWORK, role_of
from bailiwick.adapters.crewai.protecting import agents_of, tasks_of
from bailiwick.errors import MissingExtra
from bailiwick.model.tool import DELEGATE_TOOL

try:
    from crewai import Crew, Process
    from crewai.utilities.string_utils import sanitize_tool_name
except ImportError as error:
    raise MissingExtra(feature="the CrewAI adapter", extra="crewai") from error

__all__ = ["covered"]

_UNSEALED = "CrewAI is not sealed in this process: call guard.crewai(...) first"
_CONNECTED = "its tools have names once it is connected; each of their runs is decided"
_ELSEWHERE = "agents elsewhere (A2A) run their own tools"


def covered(agent: object, *, catalog: Callable[[str], str]) -> tuple[CoveredTool, ...]:
    """Every tool of every agent of a crew, or of an agent."""
    found = list(agents_of(agent))
    rows = [row for each in found for row in _rows(each, catalog)]
    roles = {id(each): role_of(each) for each in found}
    for task in tasks_of(agent):
        role = roles.get(id(task.agent), "")
        rows += [_row(role, tool.name, catalog) for tool in task.tools or ()]
    if isinstance(agent, Crew) and agent.process is Process.hierarchical:
        manager = role_of(agent.manager_agent) if agent.manager_agent is not None else "Crew Manager"
        rows += _handing_on(manager)
    return tuple(dict.fromkeys(rows))


def _rows(agent: Any, catalog: Callable[[str], str]) -> Iterator[CoveredTool]:
    role = role_of(agent)
    for tool in getattr(agent, "tools", None) or ():
        yield _row(role, tool.name, catalog)
    if getattr(agent, "allow_delegation", False):
        yield from _handing_on(role)
    for server in (*(getattr(agent, "mcps", None) or ()), *(getattr(agent, "apps", None) or ())):
        yield CoveredTool(agent=role, tool=f"{server}", reach=_reach(), why=_CONNECTED if _sealed() else _UNSEALED)
    for hosted in getattr(getattr(agent, "llm", None), "builtin_tools", None) or ():
        yield CoveredTool(
            agent=role, tool=str(hosted), reach=Reach.OBSERVED, catalog=catalog(str(hosted)), why="the provider runs it"
        )
    if getattr(agent, "a2a", None):
        yield CoveredTool(agent=role, tool="a2a", reach=Reach.UNREACHABLE, why=_ELSEWHERE)


def _row(role: str, tool: str, catalog: Callable[[str], str]) -> CoveredTool:
    name = sanitize_tool_name(tool)
    known = catalog(tool) or catalog(name)
    return CoveredTool(agent=role, tool=name, reach=_reach(), catalog=known, why="" if _sealed() else _UNSEALED)


def _handing_on(role: str) -> list[CoveredTool]:
    why = "" if _sealed() else _UNSEALED
    names = ("delegate_work_to_coworker", "ask_question_to_coworker")
    return [CoveredTool(agent=role, tool=name, reach=_reach(), catalog=DELEGATE_TOOL, why=why) for name in names]


def _sealed() -> bool:
    return sealing.is_sealed(FRAMEWORK)


def _reach() -> Reach:
    return Reach.ENFORCED if _sealed() else Reach.UNREACHABLE
