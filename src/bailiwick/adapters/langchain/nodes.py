"""What a compiled graph is made of: its nodes, those of the graphs inside, and the tools that they run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bailiwick.errors import MissingExtra

try:
    from langchain_core.runnables import RunnableBinding, RunnableSequence
    from langgraph.prebuilt import ToolNode
    from langgraph.pregel import Pregel
except ImportError as error:
    raise MissingExtra(feature="the LangGraph adapter", extra="langchain") from error

__all__ = ["Node", "closure_of", "held_by", "nodes_of", "parts_of"]

_FUNCTIONS = ("func", "afunc", "coroutine", "_wrap_tool_call", "_awrap_tool_call")
_MOST = 200
"""Functions that are looked into for one node: what a function uses may be a whole library."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One node: `agent` is the name of its graph, `part` what runs in it."""

    agent: str
    name: str
    graph: Pregel[Any, Any, Any, Any]
    part: object


def nodes_of(graph: object) -> tuple[Node, ...]:
    """Every node of a graph and of those that run inside of it, also of those that its functions only name: an agent
    that a tool calls."""
    found: list[Node] = []
    waiting: list[object] = [graph]
    seen: list[object] = []
    while waiting:
        each = waiting.pop(0)
        if any(each is before for before in seen):
            continue
        seen.append(each)
        if isinstance(each, Pregel):
            agent = _name(each)
            for name, node in each.nodes.items():
                for part in parts_of(node.bound):
                    found.append(Node(agent=agent, name=str(name), graph=each, part=part))
                    waiting.append(part)
        elif isinstance(each, ToolNode):
            waiting += each.tools_by_name.values()
        elif isinstance(each, RunnableBinding):
            waiting.append(each.bound)
        else:
            waiting += closure_of(each)
    return tuple(found)


def parts_of(bound: object) -> Iterator[object]:
    """What a runnable is made of."""
    if isinstance(bound, RunnableSequence):
        for step in bound.steps:
            yield from parts_of(step)
    elif isinstance(bound, RunnableBinding):
        yield from parts_of(bound.bound)
    else:
        yield bound


def closure_of(thing: object) -> list[object]:
    """Graphs that a function, or the function of a tool or a node, has at hand by name."""
    return [each for each in held_by(thing) if isinstance(each, Pregel | RunnableBinding | ToolNode)]


def held_by(thing: object) -> list[Any]:
    """What a function, or the function of a tool or a node, has at hand by name, and what is in the lists of it and in
    the functions that it wraps."""
    held: list[Any] = []
    waiting: list[Any] = [thing, *(getattr(thing, name, None) for name in _FUNCTIONS)]
    seen: list[Any] = []
    while waiting and len(seen) < _MOST:
        function = waiting.pop(0)
        inner = getattr(function, "__wrapped__", function)
        if hasattr(inner, "__self__"):
            held.append(inner.__self__)
        inner = getattr(inner, "__func__", inner)
        code = getattr(inner, "__code__", None)
        if code is None or any(inner is before for before in seen):
            continue
        seen.append(inner)
        around = getattr(inner, "__globals__", {})
        cells = getattr(inner, "__closure__", None) or ()
        filled = [(name, cell) for name, cell in zip(code.co_freevars, cells, strict=False) if _filled(cell)]
        named = [(name, cell.cell_contents) for name, cell in filled]
        named += [(name, around[name]) for name in code.co_names if name in around]
        own = [each for _, each in named if not isinstance(each, Mapping)]  # dictionaries are no tools by themselves
        for name, each in named:
            if isinstance(each, RunnableBinding):
                own += each.kwargs.get("tools", ())
            elif isinstance(each, list | tuple):
                own += [one for one in each if name.endswith("tools") or not isinstance(one, Mapping)]
        held += own
        waiting += [each for each in own if callable(each) and not isinstance(each, type)]
    return held


def _filled(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018  that is how one asks
    except ValueError:
        return False
    return True


def _name(graph: Pregel[Any, Any, Any, Any]) -> str:
    named = ((graph.config or {}).get("metadata") or {}).get("lc_agent_name")
    return str(named or graph.name or "graph")
