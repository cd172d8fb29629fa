"""Which methods of CrewAI are sealed: every one through which a tool runs, a model is called or an agent begins to act.

Subclasses bring their own (`_run` of a tool, `call` of a model), also those that are defined later.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from bailiwick.adapters import sealing
from bailiwick.adapters.crewai import models, tools
from bailiwick.adapters.crewai.desk import FRAMEWORK, acting_as
from bailiwick.adapters.crewai.refusing import GuardRefusal
from bailiwick.adapters.families import family
from bailiwick.adapters.sealing import Make, Method
from bailiwick.errors import MissingExtra
from bailiwick.guard.current import acting_in

try:
    from crewai.agent import Agent
    from crewai.agents.agent_builder.base_agent import BaseAgent
    from crewai.agents.cache.cache_handler import CacheHandler
    from crewai.agents.tools_handler import ToolsHandler
    from crewai.lite_agent import LiteAgent
    from crewai.llms.base_llm import BaseLLM
    from crewai.tools.base_tool import BaseTool
    from crewai.tools.structured_tool import CrewStructuredTool
    from crewai.utilities.internal_instructor import InternalInstructor
except ImportError as error:
    raise MissingExtra(feature="the CrewAI adapter", extra="crewai") from error

__all__ = ["methods"]


def methods() -> tuple[Method, ...]:
    """All of them, as the classes are now."""
    return tuple(_methods())


def _methods() -> Iterator[Method]:
    for base, makes in _FAMILIES.items():
        yield from family(base, makes)
    yield Method(owner=ToolsHandler, name="on_tool_use", make=_unless_refused)


# ── agents ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _acts(original: Callable[..., Any]) -> Callable[..., Any]:
    """An agent begins to act: in its own session, below the one around it. Raises Denied or ApprovalPending."""

    @functools.wraps(original)
    def act(self: Any, *args: Any, **kwargs: Any) -> Any:
        if not sealing.is_sealed(FRAMEWORK):
            return original(self, *args, **kwargs)
        with acting_in(acting_as(self, message=_told(args, kwargs))):
            return original(self, *args, **kwargs)

    @functools.wraps(original)
    async def aact(self: Any, *args: Any, **kwargs: Any) -> Any:
        if not sealing.is_sealed(FRAMEWORK):
            return await original(self, *args, **kwargs)
        with acting_in(acting_as(self, message=_told(args, kwargs))):
            return await original(self, *args, **kwargs)

    return aact if inspect.iscoroutinefunction(original) else act


def _told(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
    """What an agent is told to do: its task, or what its kickoff says."""
    first = args[0] if args else kwargs.get("task", kwargs.get("messages"))
    if isinstance(first, str):
        return first
    if isinstance(first, list):
        return "\n".join(str(message.get("content", "")) for message in first if isinstance(message, Mapping))
    return str(getattr(first, "description", "") or "")


# ── caches ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _does_nothing(original: Callable[..., Any]) -> Callable[..., Any]:
    """INVARIANT: no result is shown but to the call that it came of. A crew outlives a session, and so would what its
    cache holds."""

    @functools.wraps(original)
    def nothing(*_args: Any, **_kwargs: Any) -> None:
        return None

    return nothing


def _unless_refused(original: Callable[..., Any]) -> Callable[..., Any]:
    """A call that did not run was not made: CrewAI forbids to make the same one twice, and an approval wants it."""

    @functools.wraps(original)
    def on_tool_use(self: ToolsHandler, calling: Any, output: Any, should_cache: bool = True) -> Any:
        return None if isinstance(output, GuardRefusal) else original(self, calling, output, should_cache)

    return on_tool_use


_ACTING: Mapping[str, Make] = dict.fromkeys(
    ("execute_task", "aexecute_task", "kickoff", "kickoff_async", "akickoff"), _acts
)
_FAMILIES: Mapping[type, Mapping[str, Make]] = {
    BaseTool: {"run": tools.outer, "arun": tools.outer, "_run": tools.inner, "_arun": tools.inner},
    CrewStructuredTool: {"invoke": tools.structured, "ainvoke": tools.structured, "_run": tools.legacy},
    BaseLLM: {"call": models.model, "acall": models.model, "_emit_stream_chunk_event": models.chunk},
    BaseAgent: _ACTING,
    LiteAgent: _ACTING,
    InternalInstructor: {"to_pydantic": models.instructor},
    CacheHandler: {"read": _does_nothing, "add": _does_nothing},
}
assert issubclass(Agent, BaseAgent)
