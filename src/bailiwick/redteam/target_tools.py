"""The tools of a LangChain agent, and a wrapper around a tool's own function: it tells when that runs, and puts an
attacker's text into what it returns.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from langchain_core.tools import BaseTool, StructuredTool, Tool

from bailiwick.redteam.pack_world import PackTrial
from bailiwick.redteam.real import placed

__all__ = ["Script", "Watch", "is_sync", "tools_of"]


class Script(Protocol):
    """Who is told."""

    trial: PackTrial

    def began(self, tool: str) -> None:
        """A tool's own function runs."""


def tools_of(agent: Any) -> tuple[BaseTool, ...]:
    """Those of what `create_agent` returns."""
    node = agent.nodes.get("tools")
    return tuple(getattr(getattr(node, "bound", None), "tools_by_name", {}).values())


def is_sync(tool: BaseTool) -> bool:
    """Whether it can be run without an event loop."""
    return not isinstance(tool, StructuredTool | Tool) or tool.func is not None


class Watch:
    """Wraps a tool's own function for as long as the block runs; tools may outlive the agent."""

    def __init__(self, tool: BaseTool, script: Script) -> None:
        self._tool, self._script = tool, script
        plain = isinstance(tool, StructuredTool | Tool)
        self._slots = ("func", "coroutine") if plain else ("_run", "_arun")
        self._own = vars(tool)
        self._before: dict[str, Any] = {}

    def __enter__(self) -> None:
        for name in self._slots:
            function = getattr(self._tool, name, None)
            inherited = name == "_arun" and getattr(type(self._tool), name) is getattr(BaseTool, name)
            if function is None or inherited:  # the inherited one calls `_run`
                continue
            self._before[name] = self._own.get(name, self)
            wrap = self._awaited if inspect.iscoroutinefunction(function) else self._called
            self._own[name] = wrap(function)

    def __exit__(self, *_: object) -> None:
        for name, before in self._before.items():
            if before is self:
                del self._own[name]
            else:
                self._own[name] = before

    def _called(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def run(*args: Any, **kwargs: Any) -> Any:
            self._script.began(self._tool.name)
            try:
                value = function(*args, **kwargs)
            except Exception as error:
                self._failed(error)
                raise
            return self._placed(value)

        return run

    def _awaited(self, function: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        @functools.wraps(function)
        async def run(*args: Any, **kwargs: Any) -> Any:
            self._script.began(self._tool.name)
            try:
                value = await function(*args, **kwargs)
            except Exception as error:
                self._failed(error)
                raise
            return self._placed(value)

        return run

    def _placed(self, value: Any) -> Any:
        spec = self._script.trial.world.catalog.find(self._tool.name)
        if spec is None or not isinstance(value, str | dict | list):
            return value
        return placed(spec, value, self._script.trial.planted)

    def _failed(self, error: Exception) -> None:
        """What a tool says of its failure is read as well, so an attacker's text may stand there."""
        spec = self._script.trial.world.catalog.find(self._tool.name)
        if spec is not None and self._script.trial.planted:
            error.args = (str(placed(spec, str(error), self._script.trial.planted)),)
