"""The support desk's agent: LangChain's `create_agent` with the desk's tools, a model, and any middleware."""

from __future__ import annotations

import functools
import json
import os
import smtplib
import sqlite3
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any

from langchain.agents import create_agent
from langchain.agents.middleware import AgentMiddleware
from langchain_core.language_models import BaseChatModel
from langchain_core.tools import BaseTool, StructuredTool, ToolException

from desk.data import Desk
from desk.tools import Tools

if TYPE_CHECKING:
    from langgraph.checkpoint.base import BaseCheckpointSaver
    from langgraph.graph.state import CompiledStateGraph

__all__ = ["build_agent", "build_tools", "openai_compatible_model"]

PROMPT = (
    "You work at the support desk of Northwind. Use the tools to do what the user asks. "
    "{{tool}} in a request stands for what that tool last returned."
)


def build_tools(desk: Desk, *, only: Collection[str] | None = None) -> list[BaseTool]:
    """The desk's tools for LangChain, each under its function's name; `only` picks some. Results are JSON text."""
    return [
        StructuredTool.from_function(_as_json(tool), handle_tool_error=True)
        for tool in Tools(desk).all()
        if only is None or tool.__name__ in only
    ]


def build_agent(
    desk: Desk,
    model: BaseChatModel,
    middleware: Sequence[AgentMiddleware[Any, Any]] = (),
    *,
    checkpointer: BaseCheckpointSaver[Any] | None = None,
    name: str = "support-bot",
    only: Collection[str] | None = None,
) -> CompiledStateGraph[Any, Any, Any, Any]:
    """An agent that works at `desk`. Give the guard's middleware last: it has to be the innermost."""
    return create_agent(
        model,
        build_tools(desk, only=only),
        system_prompt=PROMPT,
        middleware=middleware,
        checkpointer=checkpointer,
        name=name,
    )


def openai_compatible_model(spec: str) -> BaseChatModel:
    """A real model behind any OpenAI-compatible endpoint.

    `spec` is a model's name (`gpt-…`; endpoint from OPENAI_BASE_URL if that is set), an endpoint
    (`http://127.0.0.1:11434/v1`), or an endpoint and a name joined by `#`. The key comes from OPENAI_API_KEY; an
    endpoint given by its URL may need none. Raises ImportError if langchain-openai is not installed.
    """
    try:
        from langchain_openai import ChatOpenAI
    except ImportError as error:
        raise ImportError(
            "a model behind an OpenAI-compatible endpoint needs langchain-openai: pip install 'bailiwick[demo]'"
        ) from error
    if not spec.startswith(("http://", "https://")):
        return ChatOpenAI(model=spec, temperature=0)
    url, _, name = spec.partition("#")
    return ChatOpenAI(model=name or "default", base_url=url, api_key=_key, temperature=0)


def _key() -> str:
    return os.environ.get("OPENAI_API_KEY", "none")


def _as_json(tool: Callable[..., object]) -> Callable[..., str]:
    """The tool with its result as JSON text, and its failure as a tool error that the model reads."""

    @functools.wraps(tool)
    def run(*args: object, **kwargs: object) -> str:
        try:
            return json.dumps(tool(*args, **kwargs), ensure_ascii=False)
        except (LookupError, ValueError, OSError, sqlite3.Error, smtplib.SMTPException) as error:
            raise ToolException(f"{tool.__name__} failed: {error}") from error

    return run
