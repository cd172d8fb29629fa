"""Calls of LangChain's chat models: decided and recorded in the session of the agent that makes them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from bailiwick.adapters.langchain.messages import read, text_of
from bailiwick.errors import MissingExtra
from bailiwick.guard.model_calls import ModelCall

try:
    from langchain_core.language_models import BaseLanguageModel
    from langchain_core.messages import AIMessage, BaseMessage, SystemMessage
except ImportError as error:
    raise MissingExtra(feature="the LangChain adapter", extra="langchain") from error

__all__ = [
    "arecord_output",
    "governed",
    "hosted_name",
    "is_governed",
    "model_name",
    "prompts",
    "record_output",
    "texts",
]

_CUT_OFF = frozenset({"length", "max_tokens", "content_filter", "incomplete", "MAX_TOKENS", "SAFETY"})
"""What providers give as the reason that an output ended where the model had more to say."""

_CHOICES = ("model", "model_name", "model_id")
"""Settings of a call that choose the model, by provider."""

_OWN = frozenset({"function", "function_declarations", "input_schema", "parameters", "toolSpec"})
"""Keys of a tool, as providers are given it, that only a tool of the agent's own has."""


def model_name(model: BaseLanguageModel[Any], settings: Mapping[str, Any]) -> tuple[str, str]:
    """(its name, its provider's), as LangChain tells its tracers; its class where it tells no name. `settings` go with
    the call, and may name another model than the object does."""
    chosen = {key: settings[key] for key in _CHOICES if isinstance(settings.get(key), str)}
    made: Any = model  # the one place where LangChain names a provider before it is called is private
    told = made._get_ls_params(**chosen)  # noqa: SLF001
    name = next(iter(chosen.values()), "") or told.get("ls_model_name")
    name = name or getattr(model, "model_name", "") or getattr(model, "model", "")
    return str(name or type(model).__name__), str(told.get("ls_provider") or "")


def texts(messages: Sequence[BaseMessage]) -> list[str]:
    """All that a model reads of them."""
    return [text for message in messages for text in read(message)]


def prompts(messages: Sequence[BaseMessage]) -> Iterator[str]:
    """The system prompts among them."""
    return (text_of(message) for message in messages if isinstance(message, SystemMessage))


def hosted_name(tool: object) -> str:
    """How a tool is called that the model's provider would run; empty for one of the agent's own. What says in no known
    way that it is the agent's own is the provider's."""
    if not isinstance(tool, Mapping) or _OWN & tool.keys():
        return ""
    return str(tool.get("type") or tool.get("name") or next(iter(tool), "") or "unnamed")


def record_output(call: ModelCall, message: AIMessage, text: str) -> None:
    """`text` is what the session is to know of the message. A stream that was read to its end comes as one message."""
    _record_usage(call, message)
    call.output(text, cut_off=_was_cut_off(message.response_metadata))


async def arecord_output(call: ModelCall, message: AIMessage, text: str) -> None:
    """`record_output` without blocking the event loop."""
    _record_usage(call, message)
    await call.aoutput(text, cut_off=_was_cut_off(message.response_metadata))


@contextmanager
def governed(model: BaseLanguageModel[Any], settings: Mapping[str, Any]) -> Iterator[None]:
    """Marks the block in which this model is called, whose call is decided and recorded already. INVARIANT: that holds
    for no other one that it calls, or that is called in its place."""
    token = _governed.set(model_name(model, settings))
    try:
        yield
    finally:
        _governed.reset(token)


def is_governed(model: BaseLanguageModel[Any], settings: Mapping[str, Any]) -> bool:
    """Whether somebody else decides and records the call of this model that is made here."""
    held = _governed.get()
    return held is not None and held == model_name(model, settings)


def _record_usage(call: ModelCall, message: AIMessage) -> None:
    if message.usage_metadata is not None:
        used = message.usage_metadata
        call.usage(input=used["input_tokens"], output=used["output_tokens"], total=used["total_tokens"])


def _was_cut_off(metadata: Mapping[str, Any]) -> bool:
    told = (metadata.get(name) for name in ("finish_reason", "stop_reason", "done_reason", "status"))
    return any(isinstance(reason, str) and reason in _CUT_OFF for reason in told)


_governed: ContextVar[tuple[str, str] | None] = ContextVar("bailiwick_langchain_model", default=None)
