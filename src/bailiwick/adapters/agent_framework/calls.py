"""The seal of Agent Framework: every run of a `FunctionTool` is decided here, whoever asks for it.

INVARIANT: the result leaves here as it may be seen. Above stand the framework's spans and logs, and the middleware of
others.
"""

# ruff: noqa: SLF001  the method that runs a tool's function is private

from __future__ import annotations

import contextvars
import inspect
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from bailiwick.adapters.governing import Ended, Told, agovern, govern
from bailiwick.adapters.sealing import Method, passes, sealed_session
from bailiwick.adapters.settling import settled
from bailiwick.errors import MissingExtra
from bailiwick.guard.current import running_permit
from bailiwick.guard.session import Session

try:
    from agent_framework import Content, FunctionTool
    from pydantic import BaseModel
    from pydantic_core import PydanticSerializationError, to_jsonable_python
except ImportError as error:
    raise MissingExtra(feature="the adapter for Microsoft Agent Framework", extra="agent-framework") from error

__all__ = ["FRAMEWORK", "Asking", "NotRun", "asking", "sealed_methods"]

FRAMEWORK = "agent-framework"
Original = Callable[..., Any]


class NotRun(Exception):
    """A call that an agent's middleware asked for did not run. Its text may be shown."""

    def __init__(self, told: Told[Any]) -> None:
        super().__init__(told.text)
        self.told = told


@dataclass(slots=True, kw_only=True, eq=False)
class Asking:
    """One call of one agent, on its way from the middleware to the tool. It is good for one run."""

    tool: FunctionTool
    find: Callable[[], Awaitable[Session]]
    taken: bool = False
    told: Told[Any] | None = None

    def take(self, tool: FunctionTool) -> bool:
        mine = tool is self.tool and not self.taken
        self.taken = self.taken or mine
        return mine


@dataclass(slots=True, eq=False)
class _Entry:
    """The framework's own way from `invoke` to `tool(...)`: one step of one permitted run."""

    tool: FunctionTool
    taken: bool = False

    def take(self, tool: FunctionTool) -> bool:
        mine = tool is self.tool and not self.taken
        self.taken = self.taken or mine
        return mine


_asking: contextvars.ContextVar[Asking | None] = contextvars.ContextVar("bailiwick_agent_framework", default=None)
_entry: contextvars.ContextVar[_Entry | None] = contextvars.ContextVar("bailiwick_agent_framework_entry", default=None)


@contextmanager
def asking(call: Asking) -> Iterator[None]:
    """The block in which the framework runs the tool."""
    token = _asking.set(call)
    try:
        yield
    finally:
        _asking.reset(token)


def sealed_methods() -> tuple[Method, ...]:
    return (
        Method(owner=FunctionTool, name="_invoke_function", make=_invoke_function),
        Method(owner=FunctionTool, name="__call__", make=_call),
    )


def _invoke_function(original: Original) -> Original:
    async def invoke_function(self: FunctionTool, call_kwargs: Mapping[str, Any]) -> Any:
        args, more = _split(self, call_kwargs)
        if _passes("tool", self, args):
            return await _run(original, self, call_kwargs)
        held = _asking.get()
        asked = held if held is not None and held.take(self) else None
        told = await agovern(
            asked.find if asked is not None else lambda: sealed_session(FRAMEWORK, self.name),
            self.name,
            lambda: _settled(self, args),
            lambda given: _run(original, self, {**self._prepare_arguments(given), **more}),
            plain=_plain,
        )
        if asked is None:
            return _released(told)
        asked.told = told
        if told.refused:
            raise NotRun(told)
        return _released(told)

    return invoke_function


def _call(original: Original) -> Original:
    """`tool(...)`, which is how the framework runs its function, and how a program may."""

    def call(self: FunctionTool, *args: Any, **kwargs: Any) -> Any:
        entry = _entry.get()
        if self.func is None or (entry is not None and entry.take(self)):
            return original(self, *args, **kwargs)  # without a function it says so
        named, more = _split(self, _named(self, args, kwargs))
        if _passes("call", self, named):
            _claim(self)
            return original(self, *args, **kwargs)

        def find() -> Session:
            return sealed_session(FRAMEWORK, self.name)

        if inspect.iscoroutinefunction(self.func):
            return _acall(original, self, find, named, more)

        def run(given: dict[str, Any]) -> Any:
            _claim(self)
            return original(self, **given, **more)

        return _released(govern(find, self.name, lambda: _bound(self, named), run, plain=_plain))

    return call


async def _acall(
    original: Original,
    tool: FunctionTool,
    find: Callable[[], Session],
    named: Mapping[str, Any],
    more: Mapping[str, Any],
) -> Any:
    async def run(given: dict[str, Any]) -> Any:
        _claim(tool)
        return await original(tool, **given, **more)

    return _released(await agovern(find, tool.name, lambda: _bound(tool, named), run, plain=_plain))


async def _run(original: Original, tool: FunctionTool, call_kwargs: Mapping[str, Any]) -> Any:
    _claim(tool)
    token = _entry.set(_Entry(tool))
    try:
        return await original(tool, call_kwargs)
    finally:
        _entry.reset(token)


def _claim(tool: FunctionTool) -> None:
    """This is the one run that the permit is for. INVARIANT: what its function calls, itself too, is another call."""
    for layer in ("tool", "call"):
        passes(layer, tool.name)


def _passes(layer: str, tool: FunctionTool, args: Mapping[str, Any]) -> bool:
    """Whether this is the run, with these arguments, that the live permit is for."""
    if running_permit() is None:
        return False
    try:
        return passes(layer, tool.name, _bound(tool, args))
    except PydanticSerializationError:
        return False


def _split(tool: FunctionTool, given: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """(the arguments, what the framework hands the function beside them)."""
    context = tool._context_parameter_name
    more = {name: value for name, value in given.items() if name == context}
    return {name: value for name, value in given.items() if name not in more}, more


def _named(tool: FunctionTool, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Positional arguments by their names."""
    if not args or tool.func is None:
        return dict(kwargs)
    function = tool.func.func if isinstance(tool.func, FunctionTool) else tool.func
    names = [name for name in inspect.signature(function or tool).parameters if name != "self"]
    return {**dict(zip(names, args, strict=False)), **kwargs}


def _bound(tool: FunctionTool, args: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments as the function gets them, with the tool's own defaults, as JSON values."""
    given = dict(args)
    model = tool.input_model
    if isinstance(model, type) and issubclass(model, BaseModel):
        for name, field in model.model_fields.items():
            if name not in given and not field.is_required():
                given[name] = field.get_default(call_default_factory=True, validated_data={})
    jsonable: dict[str, Any] = to_jsonable_python(given)
    return jsonable


def _settled(tool: FunctionTool, args: Mapping[str, Any]) -> dict[str, Any]:
    """`_bound`, where the tool's schema is asked once more when it runs; as they are, if that will refuse them."""

    def taken(made: dict[str, Any]) -> dict[str, Any]:
        try:
            jsonable: dict[str, Any] = to_jsonable_python(tool._prepare_arguments(made))
        except TypeError:
            return made
        return {**made, **jsonable}

    return settled(tool.name, _bound(tool, args), taken)


def _plain(value: Any) -> object:
    """What the function returned, as JSON values; of the framework's own contents their texts."""
    if isinstance(value, Content):
        return value.text or ""
    if isinstance(value, list) and value and all(isinstance(each, Content) for each in value):
        return "\n".join(each.text or f"[{each.type}]" for each in value)
    try:
        return to_jsonable_python(value)
    except PydanticSerializationError:
        return str(value)


def _released(told: Told[Any]) -> Any:
    """What may be had of a call: the function's own value or error where they may be seen."""
    if told.refusal is not None:
        raise told.refusal
    if told.open and told.error is not None:
        raise told.error
    if told.open:
        return told.value
    if told.ended is not Ended.COMPLETED:
        raise RuntimeError(told.text)
    return told.text
