"""What a model of a Strands agent reads and writes, as texts that are compared with what the session knows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

__all__ = ["Writing", "contents_of", "message_of", "result_text", "said"]


def message_of(agent: Any) -> str:
    """What the agent was told last."""
    for message in reversed(getattr(agent, "messages", None) or []):
        texts = [block["text"] for block in message["content"] if "text" in block]
        if message["role"] == "user" and texts:
            return "\n".join(texts)
    return ""


def result_text(result: Mapping[str, Any]) -> str:
    """What a tool answered, as the model reads it."""
    return "\n".join(map(_block, result.get("content", [])))


def contents_of(messages: Iterable[Mapping[str, Any]]) -> list[str]:
    """What the model reads beside its system prompt."""
    return [text for message in messages for text in _message(message) if text.strip()]


def said(blocks: Iterable[Mapping[str, Any]]) -> str:
    """What the model wrote, its calls included; what it thought aside is its own."""
    return "\n".join(_block(block) for block in blocks if "reasoningContent" not in block)


class Writing:
    """An output while it streams, block by block."""

    def __init__(self) -> None:
        self.usage: Mapping[str, int] = {}
        self.stop = ""
        self._blocks: list[dict[str, Any]] = []
        self._text: list[str] = []
        self._call: dict[str, Any] | None = None

    @property
    def text(self) -> str:
        """All that was written so far."""
        self._end()
        return said(self._blocks)

    def take(self, event: Mapping[str, Any]) -> str:
        """One event of the stream. → the piece of text in it."""
        piece = ""
        if "contentBlockStart" in event:
            self._end()
            self._call = event["contentBlockStart"].get("start", {}).get("toolUse")
        elif "contentBlockDelta" in event:
            delta = event["contentBlockDelta"]["delta"]
            piece = delta.get("text", "") or delta.get("toolUse", {}).get("input", "")
            self._text.append(piece)
        elif "contentBlockStop" in event:
            self._end()
        elif "messageStop" in event:
            self.stop = event["messageStop"].get("stopReason", "")
        elif "metadata" in event:
            self.usage = event["metadata"].get("usage", {})
        return piece

    def _end(self) -> None:
        text, self._text = "".join(self._text), []
        call, self._call = self._call, None
        if call is not None:
            self._blocks.append({"toolUse": {"name": call.get("name"), "input": _arguments(text)}})
        elif text:
            self._blocks.append({"text": text})


def _arguments(text: str) -> Any:
    try:
        return json.loads(text or "{}")
    except ValueError:
        return text


def _message(message: Mapping[str, Any]) -> Iterator[str]:
    if message["role"] == "assistant":
        yield said(message["content"])
        return
    for block in message["content"]:
        yield result_text(block["toolResult"]) if "toolResult" in block else _block(block)


def _block(block: Mapping[str, Any]) -> str:
    if isinstance(block.get("text"), str):
        return str(block["text"])
    if "toolUse" in block:
        call = block["toolUse"]
        return json.dumps({"name": call.get("name"), "args": call.get("input")}, sort_keys=True, default=str)
    return json.dumps(block, sort_keys=True, default=str)
