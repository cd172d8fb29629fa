"""What AutoGen's messages say, as a session knows them, and what its clients say of their models."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import Any

from bailiwick.errors import MissingExtra

try:
    from autogen_core import FunctionCall
    from autogen_core.models import (
        AssistantMessage,
        ChatCompletionClient,
        CreateResult,
        FunctionExecutionResultMessage,
        LLMMessage,
        SystemMessage,
        UserMessage,
    )
except ImportError as error:
    raise MissingExtra(feature="the AutoGen adapter", extra="autogen") from error

__all__ = ["hosted_by", "model_name", "offered", "read", "said", "was_cut_off", "written"]

_HOSTED = {"web_search_options": "web_search", "web_search": "web_search"}
"""Options of a call under which the provider runs a tool of its own."""


def read(messages: Sequence[LLMMessage], agents: Collection[str]) -> list[str]:
    """The texts that a model reads, in order: one for each message, each result of a tool, and each name of somebody
    who is no agent (a person may choose hers)."""
    return [text for message in messages for text in _texts(message, agents)]


def said(messages: Sequence[LLMMessage]) -> list[str]:
    """What it is told to do: what users and other agents say."""
    return [text for message in messages if isinstance(message, UserMessage) for text in _parts(message)]


def written(content: str | Sequence[FunctionCall]) -> str:
    """What a model wrote: its text, or the calls that it makes."""
    if isinstance(content, str):
        return content
    return json.dumps([{"name": call.name, "arguments": call.arguments} for call in content], sort_keys=True)


def was_cut_off(result: CreateResult) -> bool:
    return result.finish_reason in ("length", "content_filter")


def model_name(client: ChatCompletionClient) -> tuple[str, str]:
    """(the model, its provider), as far as the client says: its class where it names no model."""
    for held in (getattr(client, "_create_args", None), getattr(client, "_raw_config", None)):
        if isinstance(held, dict) and isinstance(held.get("model"), str):
            return held["model"], _provider(client)
    for name in ("model", "model_name", "_model_name"):
        told = getattr(client, name, None)
        if isinstance(told, str) and told:
            return told, _provider(client)
    return type(client).__name__, _provider(client)


def hosted_by(client: ChatCompletionClient, extra: Any) -> tuple[str, ...]:
    """The provider's own tools that a call would offer, by options of the client or of the call."""
    held = getattr(client, "_create_args", None)
    options = {**(held if isinstance(held, dict) else {}), **(extra if isinstance(extra, dict) else {})}
    return tuple(sorted({name for option, name in _HOSTED.items() if options.get(option) is not None}))


def offered(tools: Sequence[Any]) -> list[str]:
    """The names of the tools that a model is offered."""
    return [str(tool["name"]) if isinstance(tool, dict) else str(tool.name) for tool in tools]


def _texts(message: LLMMessage, agents: Collection[str]) -> list[str]:
    match message:
        case SystemMessage():
            return [message.content]
        case UserMessage():
            named = [] if message.source in agents or message.source == "user" else [message.source]
            return [*_parts(message), *named]
        case AssistantMessage():
            return [*([message.thought] if message.thought else []), written(message.content)]
        case FunctionExecutionResultMessage():
            return [result.content for result in message.content]


def _parts(message: UserMessage) -> list[str]:
    if isinstance(message.content, str):
        return [message.content]
    return [part if isinstance(part, str) else f"[image] {part.to_base64()}" for part in message.content]


def _provider(client: ChatCompletionClient) -> str:
    place = type(client).__module__.split(".")
    return place[2] if place[:2] == ["autogen_ext", "models"] else ""
