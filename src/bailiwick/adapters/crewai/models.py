"""Model calls of CrewAI, in the classes of its models: decided, and recorded with what each read and wrote.

The tools that a model call runs by itself (`available_functions`) are governed like every other; those of the provider
(`builtin_tools`, entries of `tools` that are no functions) are offered as far as the decision says.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeAlias

from bailiwick.adapters import sealing
from bailiwick.adapters.crewai import tools
from bailiwick.adapters.crewai.desk import FRAMEWORK, desk_of, family, session_here
from bailiwick.adapters.crewai.prompts import CUT, called, read
from bailiwick.errors import MissingExtra, Refused
from bailiwick.guard.current import running_permit
from bailiwick.guard.model_calls import ModelCall
from bailiwick.guard.session import Session
from bailiwick.guard.state import Permit

try:
    from crewai.hooks.dispatch import HookAborted
    from crewai.llms.base_llm import BaseLLM
    from crewai.utilities.internal_instructor import InternalInstructor
    from pydantic import BaseModel
except ImportError as error:
    raise MissingExtra(feature="the CrewAI adapter", extra="crewai") from error

__all__ = ["chunk", "instructor", "model"]

_Within: TypeAlias = tuple[int, ModelCall, Permit | None]
_within: ContextVar[tuple[_Within, ...]] = ContextVar("bailiwick_crewai_models", default=())
"""The models that this thread or task is calling: a call that one makes of itself is the same call, unless a tool that
runs in between makes it."""
_USED = {"prompt_tokens": "input", "completion_tokens": "output", "total_tokens": "total"}


def model(original: Callable[..., Any]) -> Callable[..., Any]:
    """`BaseLLM.call` or `acall`. Where the call is refused it raises HookAborted: CrewAI ends the run, and tries
    nothing again."""
    signature = inspect.signature(original)

    @functools.wraps(original)
    def call(self: BaseLLM, *args: Any, **kwargs: Any) -> Any:
        if _passes(self):
            return original(self, *args, **kwargs)
        given = _Given(self, signature, args, kwargs)
        try:
            session = session_here("the model call")
            with given.call(session) as running, given.offering(running) as (llm, arguments):
                before = _used(llm)
                value = original(llm, **arguments)
                for text in _texts(value):
                    running.output(text)
                _finish(session, running, value, llm, before)
        except Refused as refused:
            raise HookAborted(str(refused), source="bailiwick") from refused
        return value

    @functools.wraps(original)
    async def acall(self: BaseLLM, *args: Any, **kwargs: Any) -> Any:
        if _passes(self):
            return await original(self, *args, **kwargs)
        given = _Given(self, signature, args, kwargs)
        try:
            session = session_here("the model call")
            async with given.call(session) as running:
                with given.offering(running) as (llm, arguments):
                    before = _used(llm)
                    value = await original(llm, **arguments)
                for text in _texts(value):
                    await running.aoutput(text)
                _finish(session, running, value, llm, before)
        except Refused as refused:
            raise HookAborted(str(refused), source="bailiwick") from refused
        return value

    return acall if inspect.iscoroutinefunction(original) else call


def chunk(original: Callable[..., Any]) -> Callable[..., Any]:
    """`BaseLLM._emit_stream_chunk_event`: a piece is the call's before anybody hears of it."""

    @functools.wraps(original)
    def emit(self: BaseLLM, chunk: str, *args: Any, **kwargs: Any) -> Any:
        running = next((call for llm, call, _ in reversed(_within.get()) if llm == id(self)), None)
        if running is not None and chunk:
            running.piece(chunk)
        return original(self, chunk, *args, **kwargs)

    return emit


def instructor(original: Callable[..., Any]) -> Callable[..., Any]:
    """`InternalInstructor.to_pydantic`, which goes to the provider past the model's own class."""

    @functools.wraps(original)
    def to_pydantic(self: InternalInstructor[Any]) -> Any:
        permit = running_permit()
        if not sealing.is_sealed(FRAMEWORK) or any(under is permit for _, _, under in _within.get()):
            return original(self)
        try:
            session = session_here("the model call")
            name, provider = str(getattr(self.llm, "model", self.llm)), str(getattr(self.llm, "provider", "") or "")
            with session.model_call(name, provider=provider, inputs=[self.content]) as running:
                value = original(self)
                for text in _texts(value):
                    running.output(text)
                session.vouch(str(value))
        except Refused as refused:
            raise HookAborted(str(refused), source="bailiwick") from refused
        return value

    return to_pydantic


class _Given:
    """What a model call was given, and what of it the model may be offered."""

    def __init__(
        self, llm: BaseLLM, signature: inspect.Signature, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> None:
        bound = signature.bind(llm, *args, **kwargs)
        self._llm = llm
        self._arguments = dict(bound.arguments)
        self._arguments.pop(next(iter(signature.parameters)))
        more = next((p.name for p in signature.parameters.values() if p.kind is p.VAR_KEYWORD), None)
        self._arguments.update(self._arguments.pop(more, {}) if more is not None else {})
        self._tools: list[Any] = list(self._arguments.get("tools") or [])
        self._builtin: tuple[str, ...] = tuple(getattr(llm, "builtin_tools", None) or ())

    def call(self, session: Session) -> ModelCall:
        hosted = [*self._builtin, *(name for tool in self._tools if (name := _hosted(tool)))]
        return session.model_call(
            str(self._llm.model),
            provider=str(getattr(self._llm, "provider", None) or ""),
            inputs=self._inputs(session),
            tools=[_offered_name(tool) for tool in self._tools if not _hosted(tool)],
            hosted=hosted,
        )

    @contextmanager
    def offering(self, running: ModelCall) -> Iterator[tuple[BaseLLM, dict[str, Any]]]:
        """The model, and the arguments to call it with."""
        llm = self._llm
        if self._builtin:
            llm = llm.model_copy(update={"builtin_tools": [n for n in self._builtin if n in running.hosted] or None})
        if self._tools:
            self._arguments["tools"] = [t for t in self._tools if not (n := _hosted(t)) or n in running.hosted]
        if functions := self._arguments.get("available_functions"):
            self._arguments["available_functions"] = {
                name: tools.function(name, function) for name, function in functions.items()
            }
        token = _within.set((*_within.get(), (id(llm), running, running_permit())))
        try:
            yield llm, self._arguments
        finally:
            _within.reset(token)

    def _inputs(self, session: Session) -> list[str]:
        """What the model reads, in order and in pieces, so that each is to the session what it is."""
        messages = self._arguments.get("messages") or []
        texts = [messages] if isinstance(messages, str) else [read(message) for message in messages]
        desk = desk_of(session)
        if desk is None:
            return texts
        values = _values(self._arguments.get("from_agent"))
        inputs: list[str] = []
        for text in texts:
            for piece in desk.wording.pieces(text, values, lambda part: _known(session, part)):
                if piece.vouched:
                    session.instructions_once(piece.text)
                inputs.append(piece.text)
        return inputs


def _passes(llm: BaseLLM) -> bool:
    permit = running_permit()
    return not sealing.is_sealed(FRAMEWORK) or any(
        each == id(llm) and under is permit for each, _, under in _within.get()
    )


def _known(session: Session, text: str) -> bool:
    return any(each.knows(text) for each in family(session))


def _values(agent: Any) -> list[str]:
    """The texts that a kickoff put into the crew's own."""
    given = getattr(getattr(agent, "crew", None), "_inputs", None)
    return [str(value) for value in given.values()] if isinstance(given, Mapping) else []


def _hosted(tool: Any) -> str:
    """The name of a tool that the provider runs; empty for a function."""
    if not isinstance(tool, Mapping) or "function" in tool or "parameters" in tool or "input_schema" in tool:
        return ""
    return str(tool.get("type") or tool.get("name") or "unknown")


def _offered_name(tool: Any) -> str:
    if not isinstance(tool, Mapping):
        return str(getattr(tool, "name", "") or type(tool).__name__)
    function = tool.get("function")
    return str(function.get("name", "") if isinstance(function, Mapping) else tool.get("name", ""))


def _texts(value: Any) -> Sequence[str]:
    """What the model wrote."""
    if value is None:
        return ()
    if isinstance(value, str):
        return (value,)
    if isinstance(value, BaseModel):
        return (value.model_dump_json(),)
    return (called(value),) if isinstance(value, list) else (str(value),)


def _finish(session: Session, running: ModelCall, value: Any, llm: BaseLLM, before: Mapping[str, int]) -> None:
    """What CrewAI makes of an output is the output; and what it took."""
    if isinstance(value, str):
        session.vouch(value.split(CUT)[0].strip())
        session.vouch(value.rpartition("Final Answer:")[2].strip())
    elif isinstance(value, BaseModel):
        session.vouch(str(value))
    after = _used(llm)
    used = {name: after[name] - before[name] for name in after if after[name] > before[name]}
    if used:
        running.usage(**used)


def _used(llm: BaseLLM) -> dict[str, int]:
    """What CrewAI counted for this model so far. Calls of one model object at once may count each other's."""
    summary = llm.get_token_usage_summary()
    return {name: int(getattr(summary, counted, 0) or 0) for counted, name in _USED.items()}
