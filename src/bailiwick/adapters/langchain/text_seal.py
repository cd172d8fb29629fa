"""The seal of LangChain's models that complete a text (`BaseLLM`): as that of chat models (`model_seal`)."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from bailiwick.adapters.langchain.finding import afind_session, find_session
from bailiwick.adapters.langchain.model import governed, model_name
from bailiwick.adapters.langchain.model_seal import governed_pieces, wiring_of
from bailiwick.adapters.sealing import Method
from bailiwick.errors import MissingExtra
from bailiwick.guard.model_calls import ModelCall
from bailiwick.guard.session import Session

try:
    from langchain_core.language_models import BaseLLM
except ImportError as error:
    raise MissingExtra(feature="the LangChain adapter", extra="langchain") from error

__all__ = ["text_methods"]

_WHAT = "the model call"


def text_methods() -> tuple[Method, ...]:
    """What is put in the place of LangChain's own methods."""
    return (
        Method(owner=BaseLLM, name="_generate_helper", make=_sealed_generate),
        Method(owner=BaseLLM, name="_agenerate_helper", make=_sealed_agenerate),
        Method(owner=BaseLLM, name="stream", make=_sealed_stream),
        Method(owner=BaseLLM, name="astream", make=_sealed_astream),
    )


def _call(session: Session, model: BaseLLM, texts: list[str], kwargs: dict[str, Any]) -> ModelCall:
    name, provider = model_name(model, kwargs)
    return session.model_call(name, provider=provider, inputs=texts)


def _answers(result: Any) -> Iterator[str]:
    return (each.text for several in result.generations for each in several)


def _sealed_generate(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def generate(self: BaseLLM, prompts: list[str], *args: Any, **kwargs: Any) -> Any:
        wiring = wiring_of(self, kwargs)
        if wiring is None:
            return original(self, prompts, *args, **kwargs)
        with _call(find_session(wiring, _WHAT), self, prompts, kwargs) as call, governed(self, kwargs):
            result = original(self, prompts, *args, **kwargs)
            for text in _answers(result):
                call.output(text)
            return result

    return generate


def _sealed_agenerate(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    async def agenerate(self: BaseLLM, prompts: list[str], *args: Any, **kwargs: Any) -> Any:
        wiring = wiring_of(self, kwargs)
        if wiring is None:
            return await original(self, prompts, *args, **kwargs)
        async with _call(await afind_session(wiring, _WHAT), self, prompts, kwargs) as call:
            with governed(self, kwargs):
                result = await original(self, prompts, *args, **kwargs)
            for text in _answers(result):
                await call.aoutput(text)
            return result

    return agenerate


def _sealed_stream(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def stream(self: BaseLLM, input: Any, *args: Any, **kwargs: Any) -> Iterator[str]:  # noqa: A002  LangChain's
        wiring = wiring_of(self, kwargs)
        if wiring is None:
            yield from original(self, input, *args, **kwargs)
            return
        texts = [self._convert_input(input).to_string()]
        with _call(find_session(wiring, _WHAT), self, texts, kwargs) as call:
            whole = ""
            for piece in governed_pieces(self, kwargs, original(self, input, *args, **kwargs)):
                call.piece(piece)
                whole += piece
                yield piece
            call.output(whole)

    return stream


def _sealed_astream(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    async def astream(self: BaseLLM, input: Any, *args: Any, **kwargs: Any) -> AsyncIterator[str]:  # noqa: A002
        wiring = wiring_of(self, kwargs)
        if wiring is None:
            async for piece in original(self, input, *args, **kwargs):
                yield piece
            return
        texts = [self._convert_input(input).to_string()]
        async with _call(await afind_session(wiring, _WHAT), self, texts, kwargs) as call:
            whole, pieces = "", original(self, input, *args, **kwargs)
            while True:
                try:
                    with governed(self, kwargs):
                        piece = await anext(pieces)
                except StopAsyncIteration:
                    break
                call.piece(piece)
                whole += piece
                yield piece
            await call.aoutput(whole)

    return astream
