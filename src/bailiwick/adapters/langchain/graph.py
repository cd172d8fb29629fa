"""LangGraph: a compiled graph of one's own, its tool nodes under the guard.

    graph = guard.langgraph(builder.compile(checkpointer=saver))

- Each `ToolNode`, also those of graphs inside, gets the guard as its innermost wrapper; a wrapper that it has already
  runs before. The node is changed itself: it is guarded wherever else it stands.
- Models that its nodes call, and tools that other nodes call, meet the seal.
- INVARIANT: where one task runs several calls, it is suspended before the first of them runs, or not at all: LangGraph
  runs the whole task again when it is resumed.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from bailiwick.adapters.governing import Ended, Told, attempt
from bailiwick.adapters.langchain.calls import Asked, Call, begin_call, together
from bailiwick.adapters.langchain.finding import WIRING, find_session
from bailiwick.adapters.langchain.middleware import GuardMiddleware
from bailiwick.adapters.langchain.nodes import nodes_of
from bailiwick.adapters.langchain.suspending import can_suspend, current_config, suspend
from bailiwick.adapters.wiring import Wiring
from bailiwick.errors import DidNotRun, MissingExtra, UsageError
from bailiwick.guard.session import Session
from bailiwick.model.decision import Outcome

try:
    from langchain_core.runnables import RunnableConfig
    from langchain_core.runnables.config import merge_configs
    from langgraph.prebuilt import ToolNode
    from langgraph.pregel import Pregel
except ImportError as error:
    raise MissingExtra(feature="the LangGraph adapter", extra="langchain") from error

__all__ = ["guarded", "protect"]

Graph = TypeVar("Graph")
_MARK = "_bailiwick_guard"


def protect(graph: Graph, wiring: Wiring, *, agent: str = "", suspend: bool = True) -> Graph:
    """Puts the guard into every tool node that can be reached. → the same graph. Raises UsageError for what is none."""
    if not isinstance(graph, Pregel):
        raise UsageError(
            f"{type(graph).__name__} is no compiled graph",
            hint="guard.langgraph(builder.compile(...)); a node alone is guarded by the graph that it stands in",
        )
    # Not only its tool nodes have to know it, but its models too.
    told = RunnableConfig(configurable={WIRING: wiring}, metadata={"lc_agent_name": agent} if agent else {})
    graph.config = merge_configs(graph.config, told)
    for node in nodes_of(graph):
        if isinstance(node.part, ToolNode) and not guarded(node.part):
            _Guarding(node.part, GuardMiddleware(wiring, suspend=suspend), wiring).put()
    return graph


def guarded(node: ToolNode) -> bool:
    """Whether the guard stands in this node: put there by `protect`, or as a middleware of its agent."""
    return hasattr(node, _MARK)


class _Guarding:
    """The guard in one tool node."""

    def __init__(self, node: ToolNode, middleware: GuardMiddleware, wiring: Wiring) -> None:
        self._node, self._guard, self._wiring = node, middleware, wiring

    def put(self) -> None:
        """INVARIANT: the guard is the innermost wrapper, so that nothing changes what was decided."""
        node: Any = self._node
        outer, aouter = node._wrap_tool_call, node._awrap_tool_call  # noqa: SLF001  there is no other way in
        guard = self._guard
        if outer is None:
            node._wrap_tool_call = guard.wrap_tool_call  # noqa: SLF001
        else:
            node._wrap_tool_call = _around(outer, guard)  # noqa: SLF001
        if aouter is None and outer is None:
            node._awrap_tool_call = guard.awrap_tool_call  # noqa: SLF001
        elif aouter is not None:
            node._awrap_tool_call = _aaround(aouter, guard)  # noqa: SLF001
        node.func, node.afunc = self._task(node.func), self._atask(node.afunc)
        setattr(node, _MARK, guard)

    def _task(self, func: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(func)
        def task(given: Any, *args: Any, **kwargs: Any) -> Any:
            calls = self._calls(given)
            with self._wiring.current():
                if len(calls) < 2:
                    return func(given, *args, **kwargs)
                self._wait(calls)
                with together():
                    return func(given, *args, **kwargs)

        return task

    def _atask(self, func: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(func)
        async def task(given: Any, *args: Any, **kwargs: Any) -> Any:
            calls = self._calls(given)
            with self._wiring.current():
                if len(calls) < 2:
                    return await func(given, *args, **kwargs)
                self._wait(calls)
                with together():
                    return await func(given, *args, **kwargs)

        return task

    def _calls(self, given: Any) -> list[Any]:
        calls, _ = self._node._parse_input(given)  # noqa: SLF001  as the node itself reads it
        return list(calls)

    def _wait(self, calls: list[Any]) -> None:
        """Wait until no call of this task waits for a person any more."""
        config = current_config()
        if not (self._guard.suspends and can_suspend(config)):
            return
        while waiting := [told for call in calls if (told := self._pending(call)) is not None]:
            suspend(*waiting)

    def _pending(self, call: Mapping[str, Any]) -> Told[Any] | None:
        """That a person is asked for this call; None if nobody is, or it cannot be told."""
        name = call["name"]
        asked = Asked(name=name, tool=self._node.tools_by_name.get(name), given=call["args"])
        find: Callable[[], Session] = functools.partial(find_session, self._wiring, name)
        checked = attempt(find, name, lambda session: session.check(name, asked.bind()))
        if isinstance(checked, Told) or checked.outcome is not Outcome.NEEDS_APPROVAL:
            return None  # it runs, or is denied, by itself
        begun = begin_call(self._wiring, find, asked)
        if isinstance(begun, Call):  # answered between the two: it did not run, and may
            begun.raised(DidNotRun("it waits for the other calls of its step"))
            return None
        return begun if begun.ended is Ended.PENDING else None


def _around(outer: Callable[..., Any], guard: GuardMiddleware) -> Callable[..., Any]:
    return lambda request, execute: outer(request, lambda inner: guard.wrap_tool_call(inner, execute))


def _aaround(outer: Callable[..., Any], guard: GuardMiddleware) -> Callable[..., Any]:
    async def wrapped(request: Any, execute: Any) -> Any:
        async def inner(changed: Any) -> Any:
            return await guard.awrap_tool_call(changed, execute)

        return await outer(request, inner)

    return wrapped
