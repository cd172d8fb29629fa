"""Agents of each framework that no Guard was told of: `python -m tests.frameworks.unprotected <folder>` prints, as
JSON, what `guard.coverage` of that project says of their tools, in a process in which nothing is sealed."""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Callable
from typing import Any

from bailiwick import Guard
from tests.frameworks.frameworks import lacks

__all__ = ["UNPROTECTED"]


def read_page(id: str) -> str:  # noqa: A002
    """Read a page.

    Args:
        id: Which one.
    """
    return id


def _langchain() -> Any:
    from langchain.agents import create_agent
    from langchain_core.language_models import FakeListChatModel
    from langchain_core.tools import tool

    return create_agent(FakeListChatModel(responses=[]), [tool(read_page)], name="desk-bot")


def _openai_agents() -> Any:
    from agents import Agent, WebSearchTool, function_tool

    inner: Agent[Any] = Agent(name="helper", tools=[function_tool(read_page)])
    return Agent(name="desk-bot", tools=[function_tool(read_page), WebSearchTool()], handoffs=[inner])


def _pydantic_ai() -> Any:
    from pydantic_ai import Agent
    from pydantic_ai.models.test import TestModel

    return Agent(TestModel(), name="desk-bot", tools=[read_page])


def _google_adk() -> Any:
    from google.adk.agents import LlmAgent

    return LlmAgent(name="desk_bot", model="a-model", tools=[read_page])


def _llama_index() -> Any:
    from llama_index.core.agent import ReActAgent
    from llama_index.core.llms.mock import MockLLM
    from llama_index.core.tools import FunctionTool

    return ReActAgent(name="desk-bot", tools=[FunctionTool.from_defaults(read_page)], llm=MockLLM())


def _smolagents() -> Any:
    from smolagents import Model, ToolCallingAgent, tool

    return ToolCallingAgent(tools=[tool(read_page)], model=Model())


def _strands() -> Any:
    from strands import Agent, tool

    return Agent(name="desk-bot", tools=[tool(read_page)])


def _claude_agent_sdk() -> Any:
    from claude_agent_sdk import ClaudeAgentOptions

    return ClaudeAgentOptions(allowed_tools=["Bash"])


UNPROTECTED: dict[str, Callable[[], Any]] = {
    "langchain": _langchain,
    "openai-agents": _openai_agents,
    "pydantic-ai": _pydantic_ai,
    "google-adk": _google_adk,
    "llama-index": _llama_index,
    "smolagents": _smolagents,
    "strands": _strands,
    "claude-agent-sdk": _claude_agent_sdk,
}


def main() -> None:
    warnings.simplefilter("ignore")  # what frameworks say when they are imported is not asked here
    with Guard.open(sys.argv[1]) as guard:
        said = {
            name: sorted({tool.reach.value for tool in guard.coverage(make()).tools})
            for name, make in UNPROTECTED.items()
            if not lacks(name)
        }
    print(json.dumps(said))


if __name__ == "__main__":
    main()
