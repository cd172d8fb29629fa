"""What LangChain says of a model and of what it wrote, for the record of the call."""

from __future__ import annotations

from collections.abc import Mapping

from bailiwick.errors import MissingExtra
from bailiwick.guard.model_calls import ModelCall

try:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import AIMessage
except ImportError as error:
    raise MissingExtra(feature="the LangChain adapter", extra="langchain") from error

__all__ = ["model_name", "record_output"]

_CUT_OFF = frozenset({"length", "max_tokens", "content_filter", "incomplete", "MAX_TOKENS", "SAFETY"})
"""What providers give as the reason that an output ended where the model had more to say."""


def model_name(model: BaseChatModel) -> tuple[str, str]:
    """(its name, its provider's), as LangChain tells its tracers; its class where it tells no name."""
    told = model._get_ls_params()  # noqa: SLF001  the one place where LangChain names a provider before it is called
    name = told.get("ls_model_name") or getattr(model, "model_name", "") or getattr(model, "model", "")
    return str(name or type(model).__name__), str(told.get("ls_provider") or "")


def record_output(call: ModelCall, message: AIMessage, text: str) -> None:
    """`text` is what the session is to know of the message. A stream that was read to its end comes as one message."""
    if message.usage_metadata is not None:
        used = message.usage_metadata
        call.usage(input=used["input_tokens"], output=used["output_tokens"], total=used["total_tokens"])
    call.output(text, cut_off=_was_cut_off(message.response_metadata))


def _was_cut_off(metadata: Mapping[str, object]) -> bool:
    told = (metadata.get(name) for name in ("finish_reason", "stop_reason", "done_reason", "status"))
    return any(isinstance(reason, str) and reason in _CUT_OFF for reason in told)
