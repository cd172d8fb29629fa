"""Which tools of which agents the guard reaches: `Guard.coverage` and `bailiwick check --app`.

Each adapter says it of its own framework's agents, in a function `covered`; what an object belongs to is told by the
packages of its classes.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

from bailiwick.adapters import versions
from bailiwick.errors import UsageError
from bailiwick.model.tool import Catalog

__all__ = ["FRAMEWORKS", "Coverage", "CoveredTool", "Reach", "coverage_of"]

FRAMEWORKS = {
    "langchain": "langchain",
    "langgraph": "langchain",
    "langchain_core": "langchain",
    "agents": "openai-agents",
    "crewai": "crewai",
    "autogen_agentchat": "autogen",
    "autogen_core": "autogen",
    "agent_framework": "agent-framework",
    "pydantic_ai": "pydantic-ai",
    "google.adk": "google-adk",
    "claude_agent_sdk": "claude-agent-sdk",
    "llama_index": "llama-index",
    "workflows": "llama-index",
    "smolagents": "smolagents",
    "strands": "strands",
}
"""A package of a framework's classes → the framework, as in `versions.TESTED`."""


class Reach(StrEnum):
    """How far the guard reaches a tool."""

    ENFORCED = "enforced"
    """Every run is decided first."""
    OBSERVED = "observed only"
    """The model's provider runs it: it can be taken from the model, and what came of it is on record, no more."""
    UNREACHABLE = "unreachable"
    """It can run without the guard."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CoveredTool:
    """One tool of one agent, both as the framework calls them. `catalog` is its name in the catalog; empty: it is in
    none, so every call that reaches the guard is denied. `why` says what keeps the guard from it, or who is asked.
    `models` are the entries that permit a tool which the provider runs."""

    agent: str
    tool: str
    reach: Reach
    catalog: str = ""
    why: str = ""
    models: tuple[str, ...] = ()

    @property
    def gap(self) -> bool:
        """Whether somebody should look at it before the agent is let loose."""
        if self.reach is Reach.OBSERVED:
            return not self.models
        return self.reach is Reach.UNREACHABLE or not self.catalog

    @property
    def note(self) -> str:
        """What there is to say of it, for people."""
        if self.reach is Reach.OBSERVED:
            allowed = f"permitted for {', '.join(self.models)}" if self.models else "no entry of a model permits it"
            return "; ".join(filter(None, (self.why, allowed)))
        if self.reach is Reach.ENFORCED and not self.catalog:
            return "; ".join(filter(None, (self.why, "not in the catalog: every call of it is denied")))
        return self.why


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """Every tool of every agent that can be reached from one."""

    framework: str
    tools: tuple[CoveredTool, ...]

    @property
    def gaps(self) -> tuple[CoveredTool, ...]:
        return tuple(tool for tool in self.tools if tool.gap)

    def as_json(self) -> dict[str, Any]:
        """For scripts: the framework, and each tool with whether it is a gap."""
        return {
            "framework": self.framework,
            "tools": [{**asdict(tool), "reach": tool.reach.value, "gap": tool.gap} for tool in self.tools],
        }

    def __str__(self) -> str:
        """A table, a line for each tool."""
        rows = [(tool.agent, tool.tool, tool.reach.value, tool.catalog or "-", tool.note) for tool in self.tools]
        rows.insert(0, ("agent", "tool", "reach", "catalog", "note"))
        widths = [max(len(row[column]) for row in rows) for column in range(4)]
        lines = ("  ".join((*map(str.ljust, row[:4], widths), row[4])).rstrip() for row in rows)
        return "\n".join(lines)


def coverage_of(agent: object, catalog: Catalog) -> Coverage:
    """How far the guard reaches the tools of a framework's agent, and of those that it works through. Raises UsageError
    for what is no agent of a known framework, or of a version that was never tested."""
    framework = _framework(agent)
    versions.require(framework)
    adapter: Any = importlib.import_module(f"bailiwick.adapters.{framework.replace('-', '_')}")

    def entry(name: str) -> str:
        spec = catalog.find(name)
        return spec.name if spec is not None else ""

    found: tuple[CoveredTool, ...] = adapter.covered(agent, catalog=entry)
    return Coverage(framework=framework, tools=tuple(_permitted(tool, catalog) for tool in found))


def _permitted(tool: CoveredTool, catalog: Catalog) -> CoveredTool:
    if tool.reach is not Reach.OBSERVED:
        return tool
    models = tuple(sorted(model.name for model in catalog.models.values() if tool.tool in model.hosted))
    return replace(tool, models=models)


def _framework(agent: object) -> str:
    for package in _packages(type(agent)):
        if package in FRAMEWORKS:
            return FRAMEWORKS[package]
    known = ", ".join(sorted({versions.TESTED[name].title for name in FRAMEWORKS.values()}))
    raise UsageError(
        f"{type(agent).__module__}.{type(agent).__qualname__} is no agent of a framework that the guard knows",
        hint=f"give an agent, a team, a crew or a graph of {known}",
    )


def _packages(made: type) -> Iterator[str]:
    """The packages that an object's classes stand in, its own first: `google.adk` for `google.adk.agents.LlmAgent`."""
    for each in made.__mro__:
        parts = each.__module__.split(".")
        yield ".".join(parts[:2])
        yield parts[0]
