"""What a model reads and writes, as texts that are compared with what the session knows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from bailiwick.errors import MissingExtra

try:
    from pydantic_ai.messages import (
        BaseToolCallPart,
        ModelMessage,
        ModelRequestPart,
        ModelResponse,
        ModelResponsePart,
        NativeToolReturnPart,
        SystemPromptPart,
        TextContent,
        TextPart,
        ThinkingPart,
        ToolReturnPart,
        UserContent,
        UserPromptPart,
    )
    from pydantic_ai.models import ModelRequestParameters
    from pydantic_core import to_json
except ImportError as error:
    raise MissingExtra(feature="the adapter for Pydantic AI", extra="pydantic-ai") from error

__all__ = ["said", "texts_of", "unvouched"]


def texts_of(messages: Iterable[ModelMessage], parameters: ModelRequestParameters) -> tuple[list[str], list[str]]:
    """(what may be the developer's: instructions and system prompts, all the rest), in order."""
    own = dict.fromkeys(part.content for part in parameters.instruction_parts or ())
    others: list[str] = []
    for message in messages:
        if isinstance(message, ModelResponse):
            others.append(said(message))
            continue
        if message.instructions and not parameters.instruction_parts:
            own.setdefault(message.instructions)
        for part in message.parts:
            if isinstance(part, SystemPromptPart):
                own.setdefault(part.content)
            else:
                others += _read(part)
    return list(own), [text for text in others if text]


def said(response: ModelResponse) -> str:
    """What the model wrote, its calls included."""
    return "\n".join(filter(None, map(_wrote, response.parts)))


def unvouched(response: ModelResponse) -> list[str]:
    """What tools of the provider brought in while the model wrote: nobody knows whose it is."""
    return [_json(part.content) for part in response.parts if isinstance(part, NativeToolReturnPart)]


def _read(part: ModelRequestPart) -> Iterator[str]:
    if isinstance(part, UserPromptPart):
        for each in [part.content] if isinstance(part.content, str) else part.content:
            yield _content(each)
    elif isinstance(part, ToolReturnPart):
        yield part.model_response_str(wrap_if_error=False)
        yield from map(_json, part.files)
    elif hasattr(part, "model_response"):
        yield str(part.model_response())
    else:
        yield _json(part)


def _content(content: UserContent) -> str:
    if isinstance(content, str):
        return content
    return content.content if isinstance(content, TextContent) else _json(content)


def _wrote(part: ModelResponsePart) -> str:
    if isinstance(part, TextPart | ThinkingPart):
        return part.content
    if isinstance(part, BaseToolCallPart):
        return json.dumps({"name": part.tool_name, "args": part.args_as_json_str()}, sort_keys=True)
    return _json(part)


def _json(value: object) -> str:
    return value if isinstance(value, str) else to_json(value, serialize_unknown=True, bytes_mode="base64").decode()
