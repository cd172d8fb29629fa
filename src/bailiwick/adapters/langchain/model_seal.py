"""The seal of LangChain's chat models: a call that no adapter governs, within a session, is decided and recorded here.

INVARIANT: within a session nothing is sent to a model before its call was decided. What is streamed leaves as it comes,
and is content of the session when the stream ends; a stream that was given up is on record as far as it came.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from typing import Any

from bailiwick.adapters import sealing
from bailiwick.adapters.langchain.finding import afind_session, find_session, wiring_here
from bailiwick.adapters.langchain.messages import last_said, text_of
from bailiwick.adapters.langchain.model import (
    arecord_output,
    governed,
    hosted_name,
    is_governed,
    model_name,
    prompts,
    record_output,
    texts,
)
from bailiwick.adapters.sealing import Method
from bailiwick.adapters.wiring import Wiring
from bailiwick.errors import MissingExtra, UsageError
from bailiwick.guard.current import current_session
from bailiwick.guard.model_calls import ModelCall
from bailiwick.guard.session import Session

try:
    from langchain_core.language_models import BaseChatModel, BaseLanguageModel
    from langchain_core.messages import AIMessage, BaseMessage
except ImportError as error:
    raise MissingExtra(feature="the LangChain adapter", extra="langchain") from error

__all__ = ["governed_pieces", "model_methods", "wiring_of"]

_UNSEEN = ("_chat_model_stream_v3", "_achat_model_stream_v3")
"""Ways to stream that the guard does not follow."""


def model_methods() -> tuple[Method, ...]:
    """What is put in the place of LangChain's own methods."""
    return (
        Method(owner=BaseChatModel, name="_generate_with_cache", make=_sealed_generate),
        Method(owner=BaseChatModel, name="_agenerate_with_cache", make=_sealed_agenerate),
        Method(owner=BaseChatModel, name="stream", make=_sealed_stream),
        Method(owner=BaseChatModel, name="astream", make=_sealed_astream),
        *(Method(owner=BaseChatModel, name=name, make=_refusing) for name in _UNSEEN),
    )


def wiring_of(model: BaseLanguageModel[Any], settings: Mapping[str, Any]) -> Wiring | None:
    """None: this call is not to be governed here."""
    session = current_session()
    if is_governed(model, settings) or session is None or session.closed:
        return None
    engine = sealing.sealed_engine("langchain")
    return wiring_here(engine) if session.belongs_to(engine) else None


def _call(
    wiring: Wiring, session: Session, model: BaseChatModel, messages: Sequence[BaseMessage], kwargs: dict[str, Any]
) -> ModelCall:
    offered = _tools(kwargs)
    for prompt in prompts(messages):
        wiring.vouch(session, prompt)
    name, provider = model_name(model, kwargs)
    return session.model_call(
        name,
        provider=provider,
        inputs=texts(messages),
        tools=[_name(tool) for tool in offered if not hosted_name(tool)],
        hosted=[hosted for tool in offered if (hosted := hosted_name(tool))],
    )


def _name(tool: Any) -> str:
    if isinstance(tool, dict):
        inner = tool.get("function") or tool.get("toolSpec")
        return str(tool.get("name") or (inner.get("name") if isinstance(inner, dict) else "") or "unnamed")
    return str(getattr(tool, "name", None) or getattr(tool, "__name__", "unnamed"))


def _offered(call: ModelCall, kwargs: dict[str, Any]) -> dict[str, Any]:
    """The call without the tools of the provider that the model may not be offered."""
    if not call.stripped:
        return kwargs
    return {
        **kwargs,
        "tools": [tool for tool in kwargs["tools"] if not (name := hosted_name(tool)) or name in call.hosted],
    }


def _tools(kwargs: dict[str, Any]) -> Sequence[Any]:
    tools = kwargs.get("tools")
    return tools if isinstance(tools, list | tuple) else ()


def _sealed_generate(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def generate(self: BaseChatModel, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> Any:
        wiring = wiring_of(self, kwargs)
        if wiring is None:
            return original(self, messages, *args, **kwargs)
        session = find_session(wiring, "the model call", message=last_said(messages))
        with _call(wiring, session, self, messages, kwargs) as call, governed(self, kwargs):
            result = original(self, messages, *args, **_offered(call, kwargs))
            for each in result.generations:
                if isinstance(each.message, AIMessage):
                    record_output(call, each.message, text_of(each.message))
            return result

    return generate


def _sealed_agenerate(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    async def agenerate(self: BaseChatModel, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> Any:
        wiring = wiring_of(self, kwargs)
        if wiring is None:
            return await original(self, messages, *args, **kwargs)
        session = await afind_session(wiring, "the model call", message=last_said(messages))
        async with _call(wiring, session, self, messages, kwargs) as call:
            with governed(self, kwargs):
                result = await original(self, messages, *args, **_offered(call, kwargs))
            for each in result.generations:
                if isinstance(each.message, AIMessage):
                    await arecord_output(call, each.message, text_of(each.message))
            return result

    return agenerate


def _sealed_stream(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def stream(self: BaseChatModel, input: Any, *args: Any, **kwargs: Any) -> Iterator[Any]:  # noqa: A002  LangChain's
        wiring = wiring_of(self, kwargs)
        if wiring is None:
            yield from original(self, input, *args, **kwargs)
            return
        messages = self._convert_input(input).to_messages()
        session = find_session(wiring, "the model call", message=last_said(messages))
        with _call(wiring, session, self, messages, kwargs) as call:
            whole: Any = None
            for piece in governed_pieces(self, kwargs, original(self, input, *args, **_offered(call, kwargs))):
                call.piece(piece.text)
                whole = piece if whole is None else whole + piece
                yield piece
            if whole is not None:
                record_output(call, whole, text_of(whole))

    return stream


def _sealed_astream(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    async def astream(self: BaseChatModel, input: Any, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:  # noqa: A002
        wiring = wiring_of(self, kwargs)
        if wiring is None:
            async for piece in original(self, input, *args, **kwargs):
                yield piece
            return
        messages = self._convert_input(input).to_messages()
        session = await afind_session(wiring, "the model call", message=last_said(messages))
        async with _call(wiring, session, self, messages, kwargs) as call:
            whole: Any = None
            pieces = original(self, input, *args, **_offered(call, kwargs))
            while True:
                try:
                    with governed(self, kwargs):
                        piece = await anext(pieces)
                except StopAsyncIteration:
                    break
                call.piece(piece.text)
                whole = piece if whole is None else whole + piece
                yield piece
            if whole is not None:
                await arecord_output(call, whole, text_of(whole))

    return astream


def governed_pieces(model: BaseLanguageModel[Any], settings: Mapping[str, Any], pieces: Iterator[Any]) -> Iterator[Any]:
    """A generator runs in its caller's context: the mark is set for each step alone."""
    while True:
        with governed(model, settings):
            try:
                piece = next(pieces)
            except StopIteration:
                return
        yield piece


def _refusing(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def refuse(self: BaseChatModel, *args: Any, **kwargs: Any) -> Any:
        if wiring_of(self, kwargs) is not None:
            raise UsageError(
                "this way to stream is not one that the guard follows",
                hint="use invoke, stream, or stream_events with version v1 or v2",
            )
        return original(self, *args, **kwargs)

    return refuse
