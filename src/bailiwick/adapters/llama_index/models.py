"""The seal of LlamaIndex's models: every completion and chat is a model call of the session. Each class of models has
methods of its own, so they are caught where they are looked up."""

from __future__ import annotations

import functools
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from bailiwick.adapters.llama_index.tools import FRAMEWORK
from bailiwick.adapters.sealing import sealed_session
from bailiwick.adapters.wiring import Wiring
from bailiwick.errors import MissingExtra, UsageError
from bailiwick.guard.model_calls import ModelCall
from bailiwick.guard.session import Session

try:
    from llama_index.core.base.llms.base import BaseLLM
    from llama_index.core.base.llms.types import ChatMessage, ChatResponse, CompletionResponse, TextBlock
except ImportError as error:
    raise MissingExtra(feature="the LlamaIndex adapter", extra="llama-index") from error

__all__ = ["looked_up", "texts_of"]

_inside: ContextVar[frozenset[int]] = ContextVar("bailiwick_llama_index_models", default=frozenset())
"""Models that are at work: one that is built on its own other methods makes one call, not several."""


def looked_up(original: Callable[..., Any]) -> Callable[..., Any]:
    """`BaseLLM.__getattribute__`."""

    @functools.wraps(original)
    def __getattribute__(self: BaseLLM, name: str) -> Any:  # noqa: N807
        value = original(self, name)
        make = _MADE.get(name)
        return value if make is None or id(self) in _inside.get() else make(self, value)

    return __getattribute__


def texts_of(message: ChatMessage) -> list[str]:
    """What a model reads of a message, text by text; calls, and what is no text, are written out."""
    texts = [
        block.text if isinstance(block, TextBlock) else json.dumps(block.model_dump(mode="json"), sort_keys=True)
        for block in message.blocks
    ]
    calls = message.additional_kwargs.get("tool_calls")
    return [text for text in (*texts, json.dumps(calls, sort_keys=True, default=str) if calls else "") if text]


def _sync(model: BaseLLM, call: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(call)
    def sealed(*args: Any, **kwargs: Any) -> Any:
        session = sealed_session(FRAMEWORK, "the model call")
        with _call(session, model, args, kwargs) as made, _at_work(model):
            said = call(*args, **kwargs)
            _vouch(session, said, made.output(_written(said)))
        return said

    return sealed


def _async(model: BaseLLM, call: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(call)
    async def sealed(*args: Any, **kwargs: Any) -> Any:
        session = sealed_session(FRAMEWORK, "the model call")
        async with _call(session, model, args, kwargs) as made:
            with _at_work(model):
                said = await call(*args, **kwargs)
            _vouch(session, said, await made.aoutput(_written(said)))
        return said

    return sealed


def _stream(model: BaseLLM, call: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(call)
    def sealed(*args: Any, **kwargs: Any) -> Iterator[Any]:
        session = sealed_session(FRAMEWORK, "the model call")
        last = None
        with _call(session, model, args, kwargs) as made:
            with _at_work(model):
                pieces = call(*args, **kwargs)
            for last in pieces:
                made.piece(last.delta or "")
                yield last
            if last is not None:
                _vouch(session, last, made.output(_written(last)))

    return sealed


def _astream(model: BaseLLM, call: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(call)
    async def sealed(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        session = sealed_session(FRAMEWORK, "the model call")

        async def pieces() -> AsyncIterator[Any]:
            last = None
            async with _call(session, model, args, kwargs) as made:
                with _at_work(model):
                    came = await call(*args, **kwargs)
                async for last in came:
                    made.piece(last.delta or "")
                    yield last
                if last is not None:
                    _vouch(session, last, await made.aoutput(_written(last)))

        return pieces()

    return sealed


_MADE = {
    "chat": _sync,
    "complete": _sync,
    "achat": _async,
    "acomplete": _async,
    "stream_chat": _stream,
    "stream_complete": _stream,
    "astream_chat": _astream,
    "astream_complete": _astream,
}


def _call(session: Session, model: BaseLLM, args: tuple[Any, ...], kwargs: dict[str, Any]) -> ModelCall:
    asked = args[0] if args else kwargs.get("messages", kwargs.get("prompt", ()))
    texts = [asked] if isinstance(asked, str) else [text for message in asked for text in texts_of(message)]
    wiring = Wiring.around(session.engine)  # whose instructions these are
    for text in texts:
        wiring.vouch(session, text)
    offered = [_name(tool) for tool in kwargs.get("tools") or () if _is_ours(tool)]
    hosted = [*(_name(tool) for tool in kwargs.get("tools") or () if not _is_ours(tool)), *_built_in(model)]
    if hosted:
        raise UsageError(
            f"tools that the provider runs cannot be governed: {', '.join(hosted)}",
            hint="remove them from the model's arguments, or offer them as tools of your own",
        )
    return session.model_call(model.metadata.model_name, provider=type(model).__name__, inputs=texts, tools=offered)


def _built_in(model: BaseLLM) -> Iterator[str]:
    """Tools of the provider in the model's own settings, as integrations call them."""
    more = getattr(model, "additional_kwargs", None) or {}
    settings = (getattr(model, "built_in_tools", None), getattr(model, "built_in_tool", None), more.get("tools"))
    for each in settings:
        for tool in each if isinstance(each, list | tuple) else [each] if each else ():
            if each is not more.get("tools") or not _is_ours(tool):
                yield _name(tool)


def _is_ours(tool: object) -> bool:
    """Integrations hand their models tools as their providers' interfaces have them."""
    return not isinstance(tool, dict) or "function" in tool or "input_schema" in tool or tool.get("type") == "function"


def _name(tool: Any) -> str:
    if isinstance(tool, dict):
        inner = tool.get("function")
        return str((inner if isinstance(inner, dict) else tool).get("name") or tool.get("type"))
    metadata = getattr(tool, "metadata", None)
    return str(getattr(metadata, "name", None) or getattr(tool, "name", type(tool).__name__))


def _written(said: ChatResponse | CompletionResponse) -> str:
    return "\n".join(texts_of(said.message)) if isinstance(said, ChatResponse) else said.text


def _vouch(session: Session, said: ChatResponse | CompletionResponse, event: str) -> None:
    """The parts of what the model wrote, as it will read them again."""
    for text in texts_of(said.message) if isinstance(said, ChatResponse) else ():
        session.vouch(text, event=event)


@contextmanager
def _at_work(model: BaseLLM) -> Iterator[None]:
    token = _inside.set(_inside.get() | {id(model)})
    try:
        yield
    finally:
        _inside.reset(token)
