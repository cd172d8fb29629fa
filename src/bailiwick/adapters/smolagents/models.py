"""The seal of smolagents' models: every generation is a model call of the session. Subclasses have `generate` and
`generate_stream` of their own, so both are caught where they are looked up."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from bailiwick.adapters.sealing import sealed_session
from bailiwick.adapters.smolagents.tools import FRAMEWORK
from bailiwick.adapters.wiring import Wiring
from bailiwick.errors import MissingExtra, UsageError
from bailiwick.guard.model_calls import ModelCall
from bailiwick.guard.session import Session

try:
    from smolagents.models import ChatMessage, Model, agglomerate_stream_deltas
except ImportError as error:
    raise MissingExtra(feature="the adapter for smolagents", extra="smolagents") from error

__all__ = ["looked_up", "texts_of"]


def looked_up(original: Callable[..., Any]) -> Callable[..., Any]:
    """`Model.__getattribute__`."""

    @functools.wraps(original)
    def __getattribute__(self: Model, name: str) -> Any:  # noqa: N807
        value = original(self, name)
        if name == "generate":
            return _sealed(self, value)
        return _sealed_stream(self, value) if name == "generate_stream" else value

    return __getattribute__


def texts_of(message: ChatMessage | Mapping[str, Any]) -> list[str]:
    """What a model reads of a message, text by text; what is no text is written out."""
    content = message.get("content") if isinstance(message, Mapping) else message.content
    if content is None or isinstance(content, str):
        return [content] if content else []
    texts = (
        block["text"]
        if isinstance(block, Mapping) and isinstance(block.get("text"), str)
        else json.dumps(block, sort_keys=True, default=str)
        for block in content
    )
    return [text for text in texts if text]


def _sealed(model: Model, generate: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(generate)
    def sealed(messages: Sequence[Any], stop_sequences: list[str] | None = None, *args: Any, **kwargs: Any) -> Any:
        session = sealed_session(FRAMEWORK, "the model call")
        with _call(session, model, messages, args, kwargs) as call:
            said = generate(messages, stop_sequences, *args, **kwargs)
            _record(session, call, said, stop_sequences)
        return said

    return sealed


def _sealed_stream(model: Model, generate: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(generate)
    def sealed(
        messages: Sequence[Any], stop_sequences: list[str] | None = None, *args: Any, **kwargs: Any
    ) -> Iterator[Any]:
        session = sealed_session(FRAMEWORK, "the model call")
        deltas = []
        with _call(session, model, messages, args, kwargs) as call:
            for delta in generate(messages, stop_sequences, *args, **kwargs):
                deltas.append(delta)
                if delta.content:
                    call.piece(delta.content)
                yield delta
            _record(session, call, agglomerate_stream_deltas(deltas), stop_sequences)

    return sealed


def _call(
    session: Session, model: Model, messages: Sequence[Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> ModelCall:
    texts = [text for message in messages for text in texts_of(message)]
    wiring = Wiring.around(session.engine)  # whose instructions these are
    for text in texts:
        wiring.vouch(session, text)
    offered = kwargs.get("tools_to_call_from") or (args[1] if len(args) > 1 else None) or ()
    hosted = tuple(_hosted(model, kwargs))
    call = session.model_call(
        str(model.model_id or type(model).__name__),
        provider=type(model).__name__,
        inputs=texts,
        tools=[tool.name for tool in offered],
        hosted=hosted,
    )
    return _Whole(call) if hosted else call  # type: ignore[return-value]


class _Whole:
    """A call whose tools of the provider are in the model's own settings: it offers all of them, or is not made."""

    def __init__(self, call: ModelCall) -> None:
        self._call = call

    def __enter__(self) -> ModelCall:
        call = self._call.__enter__()
        if call.stripped:
            refused = UsageError(
                f"the model would be offered tools that its provider runs: {', '.join(call.stripped)}",
                hint="permit them on model.call, or take them out of the model's own arguments",
            )
            self._call.__exit__(type(refused), refused, None)
            raise refused
        return call

    def __exit__(self, *over: Any) -> None:
        self._call.__exit__(*over)


def _hosted(model: Model, kwargs: Mapping[str, Any]) -> Iterator[str]:
    """Tools that the provider runs, as they are passed through to it."""
    for tool in [*(kwargs.get("tools") or ()), *(getattr(model, "kwargs", {}).get("tools") or ())]:
        if isinstance(tool, Mapping) and tool.get("type") != "function":
            yield str(tool.get("name") or tool.get("type"))


def _record(session: Session, call: ModelCall, said: ChatMessage, stops: Sequence[str] | None) -> None:
    """What the model wrote, before an agent reads a tool call out of it; and as its memory will show it again."""
    text = "\n".join(texts_of(said))
    calls = [{"name": each.function.name, "args": each.function.arguments} for each in said.tool_calls or ()]
    event = call.output(text + json.dumps(calls, sort_keys=True, default=str) if calls else text)
    # What it tells an agent that it manages is its own word.
    for each in calls:
        if isinstance(each["args"], Mapping) and isinstance(task := each["args"].get("task"), str):
            session.vouch(task, event=event)
    # A CodeAgent writes the closing tag, at which the model was stopped, behind it.
    for shown in (text.strip(), *((text + stop).strip() for stop in stops or ())):
        if shown:
            session.vouch(shown, event=event)
    if said.token_usage is not None:
        call.usage(input=said.token_usage.input_tokens, output=said.token_usage.output_tokens)
