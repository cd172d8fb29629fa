"""What messages of Agent Framework say, as a session knows them, and what its clients say of their models."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bailiwick.errors import MissingExtra

try:
    from agent_framework import ChatResponse, Content, FunctionTool, Message
except ImportError as error:
    raise MissingExtra(feature="the adapter for Microsoft Agent Framework", extra="agent-framework") from error

__all__ = ["FIXED", "hosted_name", "last_said", "model_name", "offered", "read", "result_text", "usage", "written"]

FIXED = frozenset({"Error: Function failed.", "Error: Argument parsing failed."})
"""What the framework itself tells a model of a call that went wrong."""


def read(messages: Sequence[Message], options: Mapping[str, Any]) -> list[str]:
    """The texts that a model reads, in order: one for each part of a message, and each name that a person chose."""
    instructions = options.get("instructions")
    texts = [instructions] if isinstance(instructions, str) and instructions else []
    for message in messages:
        texts.extend(text for content in message.contents if (text := _text(content)))
        if message.author_name and str(message.role) == "user":
            texts.append(message.author_name)
    return texts


def written(response: ChatResponse[Any]) -> Iterator[str]:
    """What a model wrote, part by part."""
    for message in response.messages:
        yield from (text for content in message.contents if (text := _text(content)))


def last_said(messages: Sequence[Message]) -> str:
    """The last that the agent was told."""
    return messages[-1].text if messages else ""


def result_text(result: Any) -> str:
    """What a model reads of a tool's result."""
    if isinstance(result, list) and all(isinstance(each, Content) for each in result):
        return "\n".join(each.text for each in result if each.type == "text" and each.text)
    return result if isinstance(result, str) else ""


def offered(tools: Sequence[Any]) -> tuple[list[FunctionTool], dict[str, list[Any]]]:
    """(tools of this process, those that the provider runs by name)."""
    own = [tool for tool in tools if isinstance(tool, FunctionTool)]
    hosted: dict[str, list[Any]] = {}
    for tool in tools:
        if not isinstance(tool, FunctionTool):
            hosted.setdefault(hosted_name(tool), []).append(tool)
    return own, hosted


def hosted_name(tool: Any) -> str:
    if isinstance(tool, Mapping):
        return str(tool.get("name") or tool.get("type") or "tool")
    return str(getattr(tool, "name", "") or getattr(tool, "type", "") or type(tool).__name__)


def model_name(client: Any, options: Mapping[str, Any]) -> tuple[str, str]:
    """(the model, its provider); the client's class where it names no model."""
    provider = getattr(client, "OTEL_PROVIDER_NAME", "")
    for told in (options.get("model"), getattr(client, "model", None), getattr(client, "model_id", None)):
        if isinstance(told, str) and told:
            return told, "" if provider == "unknown" else str(provider)
    return type(client).__name__, "" if provider == "unknown" else str(provider)


def usage(response: ChatResponse[Any]) -> dict[str, int]:
    told: Mapping[str, Any] = response.usage_details or {}
    names = {"input_token_count": "input", "output_token_count": "output", "total_token_count": "total"}
    return {short: told[name] for name, short in names.items() if isinstance(told.get(name), int)}


def _text(content: Content) -> str:
    match content.type:
        case "text" | "text_reasoning":
            return content.text or ""
        case "function_call":
            return json.dumps(
                {"name": content.name, "arguments": content.parse_arguments()}, sort_keys=True, default=str
            )
        case "function_result":
            return str(content.result or "")
        case "usage":
            return ""
        case _:
            return json.dumps(content.to_dict(), sort_keys=True, default=str)
