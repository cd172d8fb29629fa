"""Which frameworks the conformance suite runs, and where their harnesses are."""

from __future__ import annotations

import importlib
import importlib.util
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from bailiwick.adapters.versions import TESTED
from tests.frameworks.harness import Harness

__all__ = ["FRAMEWORKS", "REFERENCE", "Framework", "harness_class", "lacks"]

REFERENCE = "plain"
"""No framework: a loop in Python over the guard's own calls, so that scenarios can be seen to hold by themselves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Framework:
    """One column of the table. `distribution` empty: nothing needs to be installed."""

    title: str
    module: str
    distribution: str = ""


FRAMEWORKS = {
    "langchain": Framework(title="LangChain", module="harness_langchain", distribution="langchain"),
    "langgraph": Framework(title="LangGraph", module="harness_langgraph", distribution="langgraph"),
    "openai-agents": Framework(
        title="OpenAI Agents", module="harness_openai_agents", distribution=TESTED["openai-agents"].distribution
    ),
    "crewai": Framework(title="CrewAI", module="harness_crewai", distribution="crewai"),
    "autogen": Framework(title="AutoGen", module="harness_autogen", distribution=TESTED["autogen"].distribution),
    "agent-framework": Framework(
        title="Agent Framework",
        module="harness_agent_framework",
        distribution=TESTED["agent-framework"].distribution,
    ),
    "pydantic-ai": Framework(
        title="Pydantic AI", module="harness_pydantic_ai", distribution=TESTED["pydantic-ai"].distribution
    ),
    "google-adk": Framework(title="Google ADK", module="harness_google_adk", distribution="google-adk"),
    "claude-agent-sdk": Framework(
        title="Claude Agent SDK", module="harness_claude_agent_sdk", distribution="claude-agent-sdk"
    ),
    "llama-index": Framework(
        title="LlamaIndex", module="harness_llama_index", distribution=TESTED["llama-index"].distribution
    ),
    "smolagents": Framework(title="smolagents", module="harness_smolagents", distribution="smolagents"),
    "strands": Framework(title="Strands", module="harness_strands", distribution=TESTED["strands"].distribution),
    REFERENCE: Framework(title="plain Python", module="harness_plain"),
}


def lacks(framework: str) -> str:
    """Why the framework cannot be run here, or empty."""
    entry = FRAMEWORKS[framework]
    if importlib.util.find_spec(f"{__package__}.{entry.module}") is None:
        return f"tests/frameworks/{entry.module}.py is not written"
    if entry.distribution:
        try:
            version(entry.distribution)
        except PackageNotFoundError:
            return f"{entry.distribution} is not installed here"
    return ""


def harness_class(framework: str) -> type[Harness]:
    """The framework's harness. Raises ImportError where it is not installed."""
    module = importlib.import_module(f"{__package__ or 'tests.frameworks'}.{FRAMEWORKS[framework].module}")
    found: type[Harness] = module.HARNESS
    return found
