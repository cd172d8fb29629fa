"""The seal of LangChain: `run` and `arun` of every tool, and every model that a session's agent calls.

A tool that runs for a call that was decided above is given the decided arguments here, and what it gives is labelled
here, below LangChain's callbacks: no tracer hears of more than may be seen. Every other run is decided here as a call
of its own: `tool.invoke`, agents that work as tools, whatever else calls a tool. Outside of a session it is refused.

A model is called within a session under a decision of its own, and outside of one as ever: nothing that the guard
knows of reaches it there.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from bailiwick.adapters import sealing
from bailiwick.adapters.governing import Told
from bailiwick.adapters.langchain.arguments import injected
from bailiwick.adapters.langchain.calls import Asked, Call, abegin_call, begin_call, refusal, under_way
from bailiwick.adapters.langchain.finding import afind_session, find_session, wiring_here
from bailiwick.adapters.langchain.messages import messages_of, read
from bailiwick.adapters.langchain.model_seal import model_methods
from bailiwick.adapters.langchain.suspending import current_config
from bailiwick.adapters.langchain.text_seal import text_methods
from bailiwick.adapters.sealing import Method
from bailiwick.errors import MissingExtra

try:
    from langchain_core.messages import ToolMessage
    from langchain_core.tools import BaseTool, StructuredTool, Tool, ToolException
    from langgraph.errors import GraphBubbleUp
    from langgraph.types import Command
except ImportError as error:
    raise MissingExtra(feature="the LangChain adapter", extra="langchain") from error

__all__ = ["FRAMEWORK", "reaches", "sealed_methods"]

FRAMEWORK = "langchain"

_ENTRANCES = ("run", "arun")
_CALLED = ("invoke", "ainvoke")


def sealed_methods() -> tuple[Method, ...]:
    """What is put in the place of LangChain's own methods."""
    return (
        Method(owner=BaseTool, name="run", make=_sealed_run),
        Method(owner=BaseTool, name="arun", make=_sealed_arun),
        *model_methods(),
        *text_methods(),
    )


def reaches(tool: BaseTool | None) -> bool:
    """Whether each run of the tool comes through the seal: it holds, and the tool's class runs it as LangChain does."""
    if tool is None or not sealing.is_sealed(FRAMEWORK):
        return False
    kind = type(tool)
    return all(getattr(kind, name) is getattr(BaseTool, name) for name in _ENTRANCES) and all(
        getattr(kind, name) in [getattr(known, name) for known in (BaseTool, StructuredTool, Tool)] for name in _CALLED
    )


class _Standing:
    """Stands for a tool while `BaseTool.run` runs it: the same in all but what its function gets and gives."""

    def __init__(self, tool: BaseTool, call: Call) -> None:
        self._bailiwick_tool, self._bailiwick_call = tool, call

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bailiwick_tool, name)

    @property  # type: ignore[misc]  # LangChain asks it whether the tool has an `_arun` of its own
    def __class__(self) -> type:
        return type(self._bailiwick_tool)

    def _to_args_and_kwargs(self, tool_input: Any, tool_call_id: str | None) -> Any:
        given = self._bailiwick_call.input(tool_input)
        return self._bailiwick_tool._to_args_and_kwargs(given, tool_call_id)  # noqa: SLF001

    @property
    def _run(self) -> Callable[..., Any]:
        call, run = self._bailiwick_call, self._bailiwick_tool._run  # noqa: SLF001

        @functools.wraps(run)
        def shown(*args: Any, **kwargs: Any) -> Any:
            with _closed(call):
                try:
                    given = run(*args, **kwargs)
                except GraphBubbleUp:
                    raise
                except Exception as error:
                    told = call.raised(error)
                    if told.open:
                        raise
                    raise ToolException(told.text) from None
                return call.value(given)

        return shown

    @property
    def _arun(self) -> Callable[..., Any]:
        call, run = self._bailiwick_call, self._bailiwick_tool._arun  # noqa: SLF001

        @functools.wraps(run)
        async def shown(*args: Any, **kwargs: Any) -> Any:
            with _closed(call):
                try:
                    given = await run(*args, **kwargs)
                except GraphBubbleUp:
                    raise
                except Exception as error:
                    told = await call.araised(error)
                    if told.open:
                        raise
                    raise ToolException(told.text) from None
                return await call.avalue(given)

        return shown


@contextmanager
def _closed(call: Call) -> Iterator[None]:
    """INVARIANT: an exception that leaves here carries no hidden one with it."""
    try:
        yield
    except ToolException as error:
        if call.told is not None and not call.told.open:
            error.__context__ = None
        raise


def _sealed_run(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def run(self: BaseTool, tool_input: Any, *args: Any, **kwargs: Any) -> Any:
        call = under_way()
        if call is not None and call.take(self, tool_input):
            return original(_Standing(self, call), tool_input, *args, **kwargs)
        wiring = wiring_here(sealing.sealed_engine(FRAMEWORK))
        asked = _asked(self, tool_input, kwargs)
        begun = begin_call(wiring, functools.partial(find_session, wiring, self.name), asked)
        if isinstance(begun, Told):
            return _refused(asked, begun)
        begun.taken = True
        try:
            with begun.running():
                result = original(_Standing(self, begun), tool_input, *args, **kwargs)
        except Exception as error:
            if isinstance(error, GraphBubbleUp):
                begun.broken_off()
            else:
                begun.raised(error)
            raise
        except BaseException:
            begun.broken_off()
            raise
        return _vouched(begun, begun.result(result) if _is_message(result) and begun.told is None else result)

    return run


def _sealed_arun(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    async def arun(self: BaseTool, tool_input: Any, *args: Any, **kwargs: Any) -> Any:
        call = under_way()
        if call is not None and call.take(self, tool_input):
            return await original(_Standing(self, call), tool_input, *args, **kwargs)
        wiring = wiring_here(sealing.sealed_engine(FRAMEWORK))
        asked = _asked(self, tool_input, kwargs)
        begun = await abegin_call(wiring, functools.partial(afind_session, wiring, self.name), asked)
        if isinstance(begun, Told):
            return _refused(asked, begun)
        begun.taken = True
        try:
            with begun.running():
                result = await original(_Standing(self, begun), tool_input, *args, **kwargs)
        except Exception as error:
            if isinstance(error, GraphBubbleUp):
                await begun.abroken_off()
            else:
                await begun.araised(error)
            raise
        except BaseException:
            await begun.abroken_off()
            raise
        if _is_message(result) and begun.told is None:
            result = await begun.aresult(result)
        return _vouched(begun, result)

    return arun


def _asked(tool: BaseTool, tool_input: Any, more: dict[str, Any]) -> Asked:
    """A run that nobody decided, as a call of its own. It never suspends: what runs around it is not known."""
    given: dict[str, Any]
    if isinstance(tool_input, dict):
        own = injected(tool, tool_input)
        given = {name: value for name, value in tool_input.items() if name not in own}
    else:
        given = {next(iter(tool.args), "input"): tool_input}
    return Asked(name=tool.name, tool=tool, given=given, call_id=more.get("tool_call_id"), config=current_config())


def _refused(asked: Asked, told: Told[Any]) -> Any:
    """A model reads it; a program that called the tool itself gets the exception."""
    if asked.call_id is not None:
        return refusal(asked, told)
    raise told.refusal if told.refusal is not None else ToolException(told.text)


def _vouched(call: Call, result: Any) -> Any:
    """The model may read what the tool gave: it is labelled already."""
    if call.told is not None:
        found = messages_of(result) if _is_message(result) else ()
        call.told.shown_as(*(text for message in found for text in read(message)))
    if call.told is not None and call.told.refused and call.asked.call_id is not None:
        return refusal(call.asked, call.told)
    return result


def _is_message(result: object) -> bool:
    whole: Iterable[object] = result if isinstance(result, list) and result else (result,)
    return all(isinstance(each, ToolMessage | Command) for each in whole)
