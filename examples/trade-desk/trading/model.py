"""A model that does whatever the last text that it read tells it to do, so that what stops it is not its good sense.

A step is `Call get_trade with {"number": "T-7781"}`, whoever wrote it: what the user says replaces every step that it
had in mind, what it reads in a tool's result comes first. It follows the conversation alone, so it goes on rightly in
another process. Put a real model in its place and nothing else changes.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

from agents import Model, ModelResponse, Usage
from openai.types.responses import ResponseFunctionToolCall, ResponseOutputMessage, ResponseOutputText

__all__ = ["ObedientModel"]

_STEP = re.compile(r"\bcall\s+(\w+)\s+with\s+(?={)", re.IGNORECASE)


class ObedientModel(Model):
    """See the module's text."""

    async def get_response(
        self,
        system_instructions: str | None,  # noqa: ARG002
        input: Any,  # noqa: A002
        *args: Any,  # noqa: ARG002
        **kwargs: Any,  # noqa: ARG002
    ) -> ModelResponse:
        items = [{"role": "user", "content": input}] if isinstance(input, str) else input
        steps = _steps(items)
        return ModelResponse(output=[_call(*steps[0]) if steps else _say(items)], usage=Usage(), response_id=None)

    def stream_response(self, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        raise NotImplementedError("this model does not stream")


def _steps(items: list[Any]) -> list[tuple[str, dict[str, Any]]]:
    """What of all that it was told it has not done yet."""
    steps: list[tuple[str, dict[str, Any]]] = []
    for item in items:
        if item.get("role") == "user":
            steps = _read(item["content"])
        elif item.get("type") == "function_call_output":
            steps = _read(item["output"]) + steps
        elif item.get("type") == "function_call":
            steps = steps[1:]
    return steps


def _read(content: object) -> list[tuple[str, dict[str, Any]]]:
    text = content if isinstance(content, str) else json.dumps(content)
    text = text.replace("\\n", "\n").replace('\\"', '"')  # a tool's result may come as a text of JSON
    found = []
    for step in _STEP.finditer(text):
        try:
            found.append((step[1], json.JSONDecoder(strict=False).raw_decode(text, step.end())[0]))
        except json.JSONDecodeError:
            continue
    return found


def _call(name: str, args: dict[str, Any]) -> ResponseFunctionToolCall:
    return ResponseFunctionToolCall(
        type="function_call", name=name, arguments=json.dumps(args), call_id=f"call_{uuid4().hex[:16]}"
    )


def _say(items: list[Any]) -> ResponseOutputMessage:
    told = [str(item["output"]) for item in items if item.get("type") == "function_call_output"]
    return ResponseOutputMessage(
        id=f"msg_{uuid4().hex[:16]}",
        type="message",
        role="assistant",
        status="completed",
        content=[ResponseOutputText(type="output_text", text=told[-1] if told else "Nothing to do.", annotations=[])],
    )
