"""What LangChain's messages say: to the catalog, to the session, to the model."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from bailiwick.errors import MissingExtra

try:
    from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
    from langgraph.types import Command
except ImportError as error:
    raise MissingExtra(feature="the LangChain adapter", extra="langchain") from error

__all__ = ["Result", "ToolResult", "failed", "last_said", "messages_of", "read", "said", "text_of"]

ToolResult = ToolMessage | Command[Any]
"""What a tool call gives back in LangChain; a tool may also return a list of them."""
Result = ToolResult | list[ToolResult]


def messages_of(result: Result) -> list[BaseMessage]:
    """The messages of a result that reach the model."""
    if isinstance(result, list):
        return [message for each in result for message in messages_of(each)]
    if isinstance(result, ToolMessage):
        return [result]
    update = result.update
    messages = update.get("messages", []) if isinstance(update, Mapping) else update
    if not isinstance(messages, list | tuple):
        messages = [messages]
    return [message for message in messages if isinstance(message, BaseMessage)]


def said(result: Result) -> str:
    """What a tool says in its messages, without the blocks that it is wrapped in: the catalog speaks of the fields of a
    result. What is no text (an image, a file) is written so that it is no field of anything."""
    return "\n".join(map(_content, messages_of(result)))


def failed(result: Result) -> bool:
    """Whether the tool answered with an error."""
    return any(isinstance(message, ToolMessage) and message.status == "error" for message in messages_of(result))


def read(message: BaseMessage) -> list[str]:
    """What a model reads of a message: its text, and the name of whoever is said to speak (a person may choose hers).
    The agent's own name is the developer's."""
    named = message.name if message.name and not isinstance(message, AIMessage) else None
    return [text_of(message)] if named is None else [text_of(message), named]


def text_of(message: BaseMessage) -> str:
    """What is compared with what the session knows: the content, and for the model's own messages the calls it makes
    and what else providers read back from them."""
    content = message.content if isinstance(message.content, str) else json.dumps(message.content, sort_keys=True)
    if not isinstance(message, AIMessage):
        return content
    if message.tool_calls:
        calls = [{"name": call["name"], "args": call["args"]} for call in message.tool_calls]
        content += json.dumps(calls, sort_keys=True, default=str)
    more: list[object] = [dict(call) for call in message.invalid_tool_calls]
    more += [{name: value} for name, value in sorted(message.additional_kwargs.items()) if value]
    return content + json.dumps(more, sort_keys=True, default=str) if more else content


def last_said(messages: Sequence[object]) -> str:
    """What an agent was told last, by a person or by the agent that called it."""
    return next((text_of(each) for each in reversed(messages) if isinstance(each, HumanMessage)), "")


def _content(message: BaseMessage) -> str:
    return message.content if isinstance(message.content, str) else "\n".join(map(_block, message.content))


def _block(block: str | dict[str, Any]) -> str:
    if isinstance(block, str):
        return block
    if block.get("type") == "text" and isinstance(block.get("text"), str):
        return str(block["text"])
    return f"[{block.get('type')}] {json.dumps(block, sort_keys=True, default=str)}"
