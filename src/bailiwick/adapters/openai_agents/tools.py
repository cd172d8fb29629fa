"""Tools with a function of the application's: each run is decided, whoever makes it.

The SDK keeps what a tool does in a field of the object (`on_invoke_tool`), which it copies from tool to tool. A
descriptor in the class stands before that field: whoever reads it gets the governed call, and nothing in the object
changes. Copies, tools of MCP servers, agents as tools and direct calls all read it.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, cast

from bailiwick.adapters.governing import Told, agovern, known
from bailiwick.adapters.openai_agents.arguments import bound, written
from bailiwick.adapters.openai_agents.registry import passes_by, session_of
from bailiwick.adapters.openai_agents.texts import said, texts_of_output
from bailiwick.errors import MissingExtra
from bailiwick.guard.current import acting_in
from bailiwick.guard.session import Session

try:
    from agents import CustomTool, FunctionTool, ItemHelpers, UserError
    from agents.tool import (
        _DEFAULT_FAILURE_HANDLED_ATTR,
        _MISSING_FUNCTION_TOOL_WRAPPED_CALLABLE,
        _SYNC_FUNCTION_TOOL_MARKER,
        _FailureHandlingFunctionToolInvoker,
        _get_function_tool_invoke_context,
        default_tool_timeout_error_message,
    )
    from agents.tool_context import ToolContext
    from agents.tracing import get_current_span
except ImportError as error:
    raise MissingExtra(feature="the adapter for the OpenAI Agents SDK", extra="openai-agents") from error

__all__ = ["Governed", "GovernedCustom", "Invoker", "is_shadowed"]

Invoke = Callable[[Any, str], Awaitable[Any]]


class Governed:
    """Stands in `FunctionTool` before the field `on_invoke_tool`."""

    def __get__(self, tool: FunctionTool | None, owner: type | None = None) -> Any:
        if tool is None:
            raise AttributeError("on_invoke_tool")
        kept = vars(tool)
        if "on_invoke_tool" not in kept:
            raise AttributeError("on_invoke_tool")
        inner, invoker = kept["on_invoke_tool"], kept.get(_KEPT)
        # A copied tool has its own function, and brings the other's invoker along.
        if not isinstance(invoker, Invoker) or invoker.tool is not tool or invoker.inner is not inner:
            # The same one each time: the SDK refuses a tool whose function changed while it was being approved.
            invoker = kept[_KEPT] = Invoker(tool, inner)
        return invoker

    def __set__(self, tool: FunctionTool, value: Any) -> None:
        vars(tool)["on_invoke_tool"] = value.inner if isinstance(value, Invoker) else value


class Invoker(_FailureHandlingFunctionToolInvoker):
    """What a tool does, under the guard; to the SDK it looks like one of its own."""

    def __init__(self, tool: FunctionTool, inner: Invoke) -> None:
        self.tool, self.inner = tool, inner
        if getattr(inner, _SYNC_FUNCTION_TOOL_MARKER, False):
            setattr(self, _SYNC_FUNCTION_TOOL_MARKER, True)

    def _get_wrapped_callable(self) -> object:
        found = getattr(self.inner, "_get_wrapped_callable", None)
        return found() if callable(found) else _MISSING_FUNCTION_TOOL_WRAPPED_CALLABLE

    def __agents_bind_function_tool__(self, function_tool: FunctionTool) -> Any:
        bind = getattr(self.inner, "__agents_bind_function_tool__", None)
        return bind(function_tool) if callable(bind) else self.inner

    def prepare_arguments(self, input: str, tool_name: str) -> Any:  # noqa: A002  as the SDK calls it
        prepare = getattr(self.inner, "prepare_arguments", None)
        return prepare(input, tool_name) if callable(prepare) else None

    async def __call__(self, ctx: ToolContext[Any], input: str) -> Any:  # noqa: A002  as the SDK calls it
        agent = getattr(ctx, "agent", None)
        if passes_by(agent):
            return await self.inner(_context_for(self.inner, ctx), input)
        return await _Call(self.tool, self.inner, ctx).run(agent, input)


class _Call:
    """One call of a function tool."""

    def __init__(self, tool: FunctionTool, inner: Invoke, ctx: Any) -> None:
        self.tool, self.inner, self.ctx = tool, inner, ctx
        self.name = tool.qualified_name
        self.session: Session | None = None
        self.data = getattr(ctx, "_custom_data", None)

    async def run(self, agent: object, text: str) -> Any:
        async def find() -> Session:
            self.session = await session_of(self.name, agent)
            return self.session

        try:
            told = await agovern(find, self.name, lambda: bound(self.tool, self.inner, text), self._invoke, plain=said)
        except asyncio.CancelledError:
            self._timed_out()
            raise
        if not told.open:
            return self._sealed(told)
        if told.error is not None:
            return await self._failed(told, told.error)
        return self._open(told)

    async def _invoke(self, given: dict[str, Any]) -> Any:
        """Run it with the decided arguments, an agent in the session that is delegated to it."""
        text = written(given)
        with self._deciding(text):
            agent = self.tool._agent_instance if self.tool._is_agent_tool else None  # noqa: SLF001
            if agent is None:
                return await self._raw(text)
            told = given.get("input")
            with acting_in(await session_of(self.name, agent, message=told if isinstance(told, str) else "")):
                return await self._raw(text)

    @contextmanager
    def _deciding(self, text: str) -> Iterator[None]:
        """The tool finds what was decided in its context, and nobody else does: hooks read the same context later, and
        the tool's arguments may hold what a handle stands for."""
        if not isinstance(self.ctx, ToolContext):
            yield
            return
        before, call = self.ctx.tool_arguments, self.ctx.tool_call
        self.ctx.tool_arguments = text
        if call is not None and not self.tool._is_agent_tool:  # noqa: SLF001  (of an agent's, the SDK keeps runs by it)
            self.ctx.tool_call = call.model_copy(update={"arguments": text})
        # What was prepared of the model's own arguments is not what was decided.
        self.ctx._function_tool_arguments = None  # noqa: SLF001
        try:
            yield
        finally:
            self.ctx.tool_arguments, self.ctx.tool_call = before, call

    async def _raw(self, text: str) -> Any:
        """The tool itself, so that what it raises is seen before the SDK makes a text of it."""
        ctx = _context_for(self.inner, self.ctx)
        if isinstance(self.inner, _FailureHandlingFunctionToolInvoker):
            return await self.inner._invoke_tool_impl(ctx, text)  # noqa: SLF001
        return await self.inner(ctx, text)

    def _open(self, told: Told[Any]) -> Any:
        try:
            item = ItemHelpers.tool_call_output_item(
                cast("Any", SimpleNamespace(call_id="", caller=None)),
                told.value,
                output_json_schema=self.tool.output_json_schema,
                output_type_adapter=self.tool._output_type_adapter,  # noqa: SLF001
            )
        except UserError:
            return told.value  # the SDK ends the run over it
        told.shown_as(*texts_of_output(item["output"]))
        return told.value

    async def _failed(self, told: Told[Any], error: Exception) -> Any:
        """The tool's own error, as the tool's own error function shows it."""
        if not isinstance(self.inner, _FailureHandlingFunctionToolInvoker):
            raise error

        async def failing(_ctx: object, _input: str) -> Any:
            raise error

        showing = _FailureHandlingFunctionToolInvoker(
            failing,
            self.inner._on_handled_error,  # noqa: SLF001
            function_tool=self.tool,
        )
        shown = await showing(self.ctx, "")
        told.shown_as(*texts_of_output(shown))
        return shown

    def _sealed(self, told: Told[Any]) -> str:
        """INVARIANT: nothing of what the tool gave is left in the trace, nor in what goes with the item."""
        span = get_current_span()
        if span is not None and hasattr(span.span_data, "output"):
            span.span_data.output = told.text
        if isinstance(self.ctx, ToolContext):
            self.ctx._custom_data = self.data  # noqa: SLF001
            setattr(self.ctx, _DEFAULT_FAILURE_HANDLED_ATTR, True)  # a refusal fits no schema of results
        return told.text

    def _timed_out(self) -> None:
        """The SDK says so to the model, in its own words."""
        if self.session is not None and self.tool.timeout_seconds is not None:
            known(
                self.session,
                default_tool_timeout_error_message(tool_name=self.tool.name, timeout_seconds=self.tool.timeout_seconds),
            )


class GovernedCustom:
    """Stands in `CustomTool` before the field `on_invoke_tool`. The catalog has its one text as `input`."""

    def __get__(self, tool: CustomTool | None, owner: type | None = None) -> Any:
        if tool is None or "on_invoke_tool" not in vars(tool):
            raise AttributeError("on_invoke_tool")
        inner = vars(tool)["on_invoke_tool"]

        async def invoke(ctx: ToolContext[Any], input: str) -> Any:  # noqa: A002  as the SDK calls it
            agent = getattr(ctx, "agent", None)

            async def run(given: dict[str, Any]) -> Any:
                value = inner(ctx, given["input"])
                return await value if inspect.isawaitable(value) else value

            if passes_by(agent):
                return await run({"input": input})
            told = await agovern(lambda: session_of(tool.name, agent), tool.name, {"input": input}, run, plain=said)
            if told.open and told.error is not None:
                raise told.error
            if told.open:
                told.shown_as(*texts_of_output(str(told.value)))
                return told.value
            return told.text

        return invoke

    def __set__(self, tool: CustomTool, value: Any) -> None:
        vars(tool)["on_invoke_tool"] = value


def is_shadowed(tool: object) -> bool:
    """Whether the class of a tool has an `on_invoke_tool` of its own, so that the guard does not stand before it."""
    for base in (FunctionTool, CustomTool):
        if isinstance(tool, base):
            before = type(tool).__mro__[: type(tool).__mro__.index(base)]
            return any("on_invoke_tool" in vars(each) for each in before)
    return False


_KEPT = "_bailiwick_invoker"


def _context_for(inner: Invoke, ctx: Any) -> Any:
    """The context as the tool's own function wants it: some serialise it, and ask for no more than the base."""
    if not isinstance(ctx, ToolContext):
        return ctx
    return _get_function_tool_invoke_context(cast("Any", SimpleNamespace(on_invoke_tool=inner)), ctx)
