"""What `Guard.smolagents` does with an agent, and which of its tools the guard reaches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from bailiwick.adapters.coverage import CoveredTool, Reach
from bailiwick.adapters.sealing import Method, is_sealed
from bailiwick.adapters.smolagents import agents, code, models, tools
from bailiwick.adapters.smolagents.code import INTERPRETER
from bailiwick.adapters.smolagents.tools import FRAMEWORK, ends_run
from bailiwick.adapters.wiring import Wiring
from bailiwick.errors import MissingExtra, UsageError
from bailiwick.model.tool import DELEGATE_TOOL

try:
    from smolagents import CodeAgent, Model, Tool, ToolCallingAgent
    from smolagents.agents import MultiStepAgent
    from smolagents.local_python_executor import LocalPythonExecutor
    from smolagents.remote_executors import RemotePythonExecutor
except ImportError as error:
    raise MissingExtra(feature="the adapter for smolagents", extra="smolagents") from error

__all__ = ["covered", "protect", "sealed_methods"]

A = TypeVar("A")


def sealed_methods() -> tuple[Method, ...]:
    """Every way into a tool, an agent, an interpreter or a model."""
    return (
        Method(owner=Tool, name="__call__", make=tools.sealed_call),
        Method(owner=Tool, name="__getattribute__", make=tools.looked_up),
        Method(owner=Model, name="__getattribute__", make=models.looked_up),
        Method(owner=LocalPythonExecutor, name="__call__", make=code.sealed_executor),
        Method(owner=RemotePythonExecutor, name="__call__", make=code.sealed_executor),
        Method(owner=MultiStepAgent, name="run", make=agents.sealed_run),
        Method(owner=MultiStepAgent, name="__call__", make=agents.sealed_call),
        Method(owner=MultiStepAgent, name="_finalize_step", make=agents.sealed_finalize),
        Method(owner=ToolCallingAgent, name="process_tool_calls", make=agents.sealed_process),
    )


def protect(agent: A, wiring: Wiring) -> A:
    """The same agent, which from here on acts with every agent that it manages under `wiring`. Raises UsageError for
    one whose tools or code the guard could not decide."""
    if not isinstance(agent, MultiStepAgent):
        raise UsageError(
            f"{type(agent).__name__} is no agent of smolagents", hint="give a ToolCallingAgent or a CodeAgent"
        )
    reachable = tuple(_reachable(agent))
    for each in reachable:
        _must_be_governable(each, wiring)
    for each in reachable:
        wiring.keep_in(each)
    return agent


def covered(agent: object, *, catalog: Callable[[str], str]) -> tuple[CoveredTool, ...]:
    """Every tool of every agent that can be reached from this one. `catalog` gives a name's entry, or nothing."""
    if not isinstance(agent, MultiStepAgent):
        return ()
    return tuple(row for each in _reachable(agent) for row in _rows(each, catalog))


def _rows(agent: MultiStepAgent, catalog: Callable[[str], str]) -> Iterator[CoveredTool]:
    name = agent.name or type(agent).__name__
    sealed, elsewhere = is_sealed(FRAMEWORK), _runs_elsewhere(agent)
    for tool in agent.tools.values():
        if not ends_run(tool):
            why = _why_not(tool) or elsewhere or ("" if sealed else "guard.smolagents was given no agent yet")
            reach = Reach.UNREACHABLE if why else Reach.ENFORCED
            yield CoveredTool(agent=name, tool=tool.name, reach=reach, catalog=catalog(tool.name), why=why)
    for managed in agent.managed_agents.values():
        entry = catalog(managed.name) or DELEGATE_TOOL
        reach = Reach.ENFORCED if sealed else Reach.UNREACHABLE
        yield CoveredTool(agent=name, tool=managed.name, reach=reach, catalog=entry)
    if isinstance(agent, CodeAgent):
        why = "each piece of code is decided as a whole; what it does beside calling tools is not" + (
            "" if elsewhere else f", and it runs in this process with {', '.join(agent.authorized_imports)}"
        )
        yield CoveredTool(agent=name, tool=INTERPRETER, reach=Reach.UNREACHABLE, catalog=catalog(INTERPRETER), why=why)


def _reachable(agent: MultiStepAgent, seen: set[int] | None = None) -> Iterator[MultiStepAgent]:
    seen = set() if seen is None else seen
    if id(agent) in seen:
        return
    seen.add(id(agent))
    yield agent
    for managed in agent.managed_agents.values():
        yield from _reachable(managed, seen)


def _must_be_governable(agent: MultiStepAgent, wiring: Wiring) -> None:
    name = agent.name or type(agent).__name__
    for tool in agent.tools.values():
        if why := _why_not(tool):
            raise UsageError(f"tool {tool.name} of {name} cannot be governed: {why}", hint="make it a smolagents Tool")
    if not isinstance(agent.model, Model):
        raise UsageError(
            f"the model of {name} is no smolagents Model, so what it reads cannot be governed",
            hint=f"derive {type(agent.model).__name__} from smolagents.Model",
        )
    if not isinstance(agent, CodeAgent):
        return
    if where := _runs_elsewhere(agent):
        raise UsageError(f"{name} cannot be governed: {where}", hint='use executor_type="local", or a ToolCallingAgent')
    if wiring.engine.core.planes.catalog.find(INTERPRETER) is None:
        raise UsageError(
            f"{name} writes and runs Python, and the catalog has no entry for that",
            hint=f'declare a tool with names = ["{INTERPRETER}"], effects = ["execute"] and the argument "code", '
            "or use a ToolCallingAgent",
        )


def _why_not(tool: object) -> str:
    return "" if isinstance(tool, Tool) else f"{type(tool).__name__} is called in a way of its own"


def _runs_elsewhere(agent: MultiStepAgent) -> str:
    """Why the tools of a CodeAgent run where no guard is."""
    if not isinstance(agent, CodeAgent) or isinstance(agent.python_executor, LocalPythonExecutor):
        return ""
    return f"{type(agent.python_executor).__name__} runs its code, and copies of its tools, in another place"
