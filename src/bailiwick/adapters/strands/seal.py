"""What the seal puts in place of Strands' own methods."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from bailiwick.adapters.families import family
from bailiwick.adapters.sealing import Method, is_sealed, sealed_session
from bailiwick.adapters.strands.calls import FRAMEWORK, decided_tool, in_team
from bailiwick.adapters.strands.models import decided_model
from bailiwick.adapters.strands.swarms import known_input
from bailiwick.errors import MissingExtra

try:
    import strands.tools.mcp.mcp_agent_tool  # noqa: F401  it is found by its base class
    from strands.models.model import Model
    from strands.multiagent.graph import Graph
    from strands.multiagent.swarm import Swarm
    from strands.tools.decorator import DecoratedFunctionTool
    from strands.types.tools import AgentTool
except ImportError as error:
    raise MissingExtra(feature="the adapter for Strands Agents", extra="strands") from error

__all__ = ["sealed_methods"]


def sealed_methods() -> tuple[Method, ...]:
    """Every class of tools and of models that says how it streams, and what surrounds them."""
    return (
        *family(AgentTool, {"stream": decided_tool}),
        *family(Model, {"stream": decided_model}),
        Method(owner=DecoratedFunctionTool, name="__call__", make=_called),
        Method(owner=Graph, name="_stream_node_to_queue", make=_in_team),
        Method(owner=Swarm, name="_build_node_input", make=known_input),
    )


def _called(original: Callable[..., Any]) -> Callable[..., Any]:
    """A decorated function that is called as one: it is decided as the tool."""

    def __call__(tool: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N807  it takes the place of that
        if not is_sealed(FRAMEWORK):
            return original(tool, *args, **kwargs)
        name, function = tool.tool_name, tool._tool_func  # noqa: SLF001
        bound = inspect.signature(function).bind(*args, **kwargs)
        bound.apply_defaults()
        session = sealed_session(FRAMEWORK, name)
        if inspect.iscoroutinefunction(function):
            return session.acall(name, bound.arguments, function)
        return session.call(name, bound.arguments, function)

    return __call__


def _in_team(original: Callable[..., Any]) -> Callable[..., Any]:
    async def _stream_node_to_queue(*args: Any, **kwargs: Any) -> Any:
        token = in_team.set(True)
        try:
            return await original(*args, **kwargs)
        finally:
            in_team.reset(token)

    return _stream_node_to_queue
