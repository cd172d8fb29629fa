"""The SDK's items as the texts that a session knows: the same text for an item that a model wrote, that a store gave
back, and that a model reads.

INVARIANT: what is not understood is one whole text, which nobody knows and which taints.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel

__all__ = ["is_hosted", "said", "texts_of_input", "texts_of_item", "texts_of_output"]

_OWN = frozenset({"message", "function_call", "function_call_output", "custom_tool_call", "custom_tool_call_output"})
_UNHOSTED = _OWN | {"reasoning", "computer_call", "computer_call_output", "local_shell_call", "apply_patch_call"}
_BEARING = frozenset({"audio", "data", "file", "file_data", "file_id", "file_url", "image_url", "input_audio"})
"""What a part of a content holds beside a text."""

_VOLATILE = ("id", "status", "created_by")
"""Set by whoever sends an item on; no model reads them."""


def texts_of_input(given: str | Sequence[Any]) -> list[str]:
    """What a model reads of its input."""
    if isinstance(given, str):
        return [given]
    return [text for item in given for text in texts_of_item(item)]


def texts_of_item(item: object) -> list[str]:
    """What a model reads of one item, or wrote in it."""
    fields = _fields(item)
    kind = fields.get("type", "message" if "role" in fields else "")
    if kind == "message":
        return list(_parts(fields.get("content")))
    if kind in ("function_call", "custom_tool_call"):
        return [_json({"name": fields.get("name"), "arguments": fields.get("arguments", fields.get("input"))})]
    if kind in ("function_call_output", "custom_tool_call_output"):
        return texts_of_output(fields.get("output"))
    if kind == "reasoning":
        return [text for name in ("summary", "content", "encrypted_content") for text in _parts(fields.get(name))]
    return [_json({name: value for name, value in fields.items() if name not in _VOLATILE})]


def texts_of_output(output: object) -> list[str]:
    """What a model reads of a tool's output."""
    return list(_parts(output))


def is_hosted(item: object) -> bool:
    """Whether an item of a model's answer tells of a tool that its provider ran."""
    return _fields(item).get("type") not in _UNHOSTED


def said(value: object) -> object:
    """What a tool returned, as the catalog speaks of it: without the blocks that texts are wrapped in."""
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json", exclude_none=True)
    if isinstance(value, Mapping) and value.get("type") == "text" and set(value) <= {"type", "text"}:
        return value["text"]
    if isinstance(value, list | tuple) and value and all(map(_is_block, value)):
        return "\n".join(str(said(each)) for each in value)
    return value if value is None or isinstance(value, str | int | bool | list | Mapping) else str(value)


def _is_block(value: object) -> bool:
    kind = value.get("type") if isinstance(value, Mapping) else getattr(value, "type", None)
    return kind in ("text", "image", "file")


def _parts(content: object) -> Iterator[str]:
    """One text for each part of a content."""
    if isinstance(content, str):
        yield content
    elif isinstance(content, Sequence):
        for part in content:
            fields = _fields(part)
            text = fields.get("text", fields.get("refusal"))
            if isinstance(text, str) and not _BEARING & fields.keys():
                yield text
            else:
                yield _json(fields)
    elif content is not None:
        yield _json(content)


def _fields(item: object) -> dict[str, Any]:
    if isinstance(item, BaseModel):
        item = item.model_dump(mode="json", exclude_unset=True)
    if isinstance(item, Mapping):
        return {str(name): value for name, value in item.items() if value is not None}
    return {"": str(item)}


def _json(value: object) -> str:
    return json.dumps(value, sort_keys=True, default=str)
