"""Which tools of a LangChain agent, or of a LangGraph graph, the guard reaches: `Guard.coverage`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from bailiwick.adapters.coverage import CoveredTool, Reach
from bailiwick.adapters.langchain.graph import guarded
from bailiwick.adapters.langchain.middleware import GuardMiddleware
from bailiwick.adapters.langchain.model import hosted_name
from bailiwick.adapters.langchain.nodes import Node, held_by, nodes_of
from bailiwick.adapters.langchain.seal import FRAMEWORK, reaches
from bailiwick.adapters.sealing import is_sealed
from bailiwick.errors import MissingExtra, UsageError

try:
    from langchain_core.tools import BaseTool
    from langgraph.prebuilt import ToolNode
    from langgraph.pregel import Pregel
except ImportError as error:
    raise MissingExtra(feature="the LangChain adapter", extra="langchain") from error

__all__ = ["covered"]

_UNSEEN = "decided by the seal alone: this agent has no guard.langchain(), so it cannot suspend"
_OWN_RUN = "its class has a {} of its own, which LangChain's callbacks, and callers other than the agent, go through"


def covered(agent: object, *, catalog: Callable[[str], str]) -> tuple[CoveredTool, ...]:
    """Each tool of the graph, of the graphs inside of it and of those that its tools name. Of nodes that are functions,
    those tools that they have at hand by name: what else they run cannot be told by looking."""
    if not isinstance(agent, Pregel):
        raise UsageError(
            f"{type(agent).__name__} is no agent or graph", hint="give what create_agent or builder.compile() returns"
        )
    found: dict[tuple[str, str], CoveredTool] = {}
    for node in sorted(nodes_of(agent), key=lambda node: not isinstance(node.part, ToolNode)):
        for tool in _of(node, catalog):
            found.setdefault((tool.agent, tool.tool), tool)
    return tuple(found.values())


def _of(node: Node, catalog: Callable[[str], str]) -> Iterator[CoveredTool]:
    part = node.part
    if isinstance(part, ToolNode):
        inside = guarded(part) or any(isinstance(each, GuardMiddleware) for each in held_by(part))
        for name, tool in part.tools_by_name.items():
            reach, why = _reach(tool, inside=inside)
            yield CoveredTool(agent=node.agent, tool=name, reach=reach, catalog=catalog(name), why=why)
    elif isinstance(part, Pregel):
        return
    else:
        for each in held_by(part):
            if isinstance(each, Mapping) and (name := hosted_name(each)):
                yield CoveredTool(agent=node.agent, tool=name, reach=Reach.OBSERVED)
            elif isinstance(each, BaseTool):
                reach, why = _reach(each, inside=False)
                yield CoveredTool(agent=node.agent, tool=each.name, reach=reach, catalog=catalog(each.name), why=why)


def _reach(tool: BaseTool, *, inside: bool) -> tuple[Reach, str]:
    if reaches(tool):
        return Reach.ENFORCED, "" if inside else _UNSEEN
    if inside:
        own = ", ".join(name for name in ("invoke", "ainvoke", "run", "arun") if _overrides(tool, name))
        return Reach.ENFORCED, _OWN_RUN.format(own) if own and is_sealed(FRAMEWORK) else "no seal holds below the agent"
    return Reach.UNREACHABLE, "the agent has no guard.langchain(), and no seal reaches the tool"


def _overrides(tool: Any, name: str) -> bool:
    return name in {
        key for kind in type(tool).__mro__ for key in vars(kind) if not kind.__module__.startswith("langchain")
    }
