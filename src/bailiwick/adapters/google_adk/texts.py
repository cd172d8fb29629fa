"""What a model of an ADK agent reads and writes, as texts that are compared with what the session knows."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from bailiwick.errors import MissingExtra

try:
    from google.adk.agents.llm_agent import LlmAgent
    from google.adk.flows.llm_flows.context._fencing import (
        OTHER_AGENT_CONTEXT_PREAMBLE,
        QUOTED_CONTENT_BEGIN,
        QUOTED_CONTENT_END,
    )
    from google.adk.flows.llm_flows.extensions._agent_transfer import (
        _build_transfer_instructions,
        _get_transfer_targets,
    )
    from google.adk.models.llm_request import LlmRequest
    from google.genai import types
    from pydantic_core import to_json
except ImportError as error:
    raise MissingExtra(feature="the adapter for Google ADK", extra="google-adk") from error

__all__ = ["contents_of", "instructions_of", "message_of", "response_text", "said"]

_QUOTED = re.compile(
    r"\[[\w-]+\] (?:said|thought|called tool `[\w.-]+` with parameters|`[\w.-]+` tool returned result):\n"
    + re.escape(QUOTED_CONTENT_BEGIN)
    + "\n(.*)\n"
    + re.escape(QUOTED_CONTENT_END),
    re.DOTALL,
)
"""How ADK shows an agent what another one did; what is quoted is that agent's text."""


def message_of(content: types.Content | None) -> str:
    """What somebody was told."""
    parts = content.parts if content is not None else None
    return "\n".join(part.text for part in parts or () if part.text)


def response_text(response: object) -> str:
    """What a tool answered, as the model reads it: one text where there is but one."""
    if isinstance(response, dict) and len(response) == 1 and next(iter(response)) in ("result", "error"):
        response = next(iter(response.values()))
    return response if isinstance(response, str) else _json(response)


def said(content: types.Content | None) -> str:
    """What the model wrote, its calls included."""
    return "\n".join(text for part in (content.parts if content else None) or () if (text := _part(part)))


def contents_of(request: LlmRequest) -> list[str]:
    """What the model reads beside its instructions."""
    return [text for content in request.contents for text in _content(content) if text.strip()]


def instructions_of(request: LlmRequest, agent: object, vouched: frozenset[str]) -> tuple[list[str], str]:
    """(the parts of the system prompt that the developer vouches for, what is left of it). What ADK itself writes, from
    names and descriptions of agents, is the developer's."""
    written = request.config.system_instruction
    rest = written if isinstance(written, str) else "" if written is None else _json(written)
    found: list[str] = []
    for text in sorted(filter(None, vouched), key=len, reverse=True):
        if text in rest:
            found.append(text)
            rest = rest.replace(text, "", 1)
    for text in _framework_texts(agent):
        rest = rest.replace(text, "", 1)
    return found, rest.strip()


def _framework_texts(agent: object) -> Iterator[str]:
    if not isinstance(agent, LlmAgent):
        return
    identity = f'You are an agent. Your internal name is "{agent.name}".'
    if agent.description:
        yield f'{identity} The description about you is "{agent.description}".'
    yield identity
    targets = _get_transfer_targets(agent)
    if targets:
        yield _build_transfer_instructions("transfer_to_agent", agent, targets)


def _content(content: types.Content) -> Iterator[str]:
    parts = content.parts or []
    if content.role == "model":
        yield said(content)
        return
    quoted = bool(parts) and parts[0].text == OTHER_AGENT_CONTEXT_PREAMBLE
    for part in parts[1:] if quoted else parts:
        inside = _QUOTED.fullmatch(part.text) if quoted and part.text else None
        yield inside.group(1) if inside else _part(part)


def _part(part: types.Part) -> str:
    if part.text is not None:
        return part.text
    if part.function_call is not None:
        call = part.function_call
        return json.dumps({"name": call.name, "args": call.args or {}}, sort_keys=True, default=str)
    if part.function_response is not None:
        return response_text(part.function_response.response)
    return _json(part)


def _json(value: Any) -> str:
    return to_json(value, serialize_unknown=True, bytes_mode="base64").decode()
