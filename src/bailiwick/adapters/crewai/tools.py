"""Tool calls of CrewAI, decided where they run: in the classes of the tools themselves.

CrewAI's hooks fail open (what they raise is swallowed, and the tool runs) and anybody may clear them, so nothing here
relies on one. Its caches, hooks, events and traces all stand above these methods: they get what the model gets.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, TypeAlias

from bailiwick.adapters import sealing
from bailiwick.adapters.crewai.delegating import delegated
from bailiwick.adapters.crewai.desk import FRAMEWORK, desk_of, session_here
from bailiwick.adapters.crewai.refusing import GuardRefusal
from bailiwick.adapters.families import in_family
from bailiwick.adapters.governing import Ended, Told, agovern, govern
from bailiwick.adapters.settling import settled
from bailiwick.errors import MissingExtra
from bailiwick.guard.current import current_session, running_permit
from bailiwick.guard.session import Session

try:
    from crewai.tools.agent_tools.base_agent_tools import BaseAgentTool
    from crewai.tools.base_tool import BaseTool
    from crewai.tools.structured_tool import CrewStructuredTool
    from crewai.tools.tool_failure import ToolFailure
    from crewai.utilities.string_utils import sanitize_tool_name
    from pydantic import BaseModel, ValidationError
    from pydantic_core import PydanticSerializationError
except ImportError as error:
    raise MissingExtra(feature="the CrewAI adapter", extra="crewai") from error

__all__ = ["catalog_name", "function", "inner", "legacy", "outer", "structured"]

_OUTER, _INNER = "crewai.run", "crewai._run"
AnyTool: TypeAlias = BaseTool | CrewStructuredTool


def catalog_name(tool: str, session: Session) -> str:
    """What a call of this tool is decided as: its own name if the catalog knows it, else as models are told it."""
    desk = desk_of(session)
    known = desk is not None and desk.engine.core.planes.catalog.find(tool) is not None
    return tool if known else sanitize_tool_name(tool)


# ── what takes the place of the methods ──────────────────────────────────────────────────────────────────────────────


def outer(original: Callable[..., Any]) -> Callable[..., Any]:
    """`BaseTool.run` or `arun`: the arguments come as the model gave them."""
    return _governed(original, _OUTER)


def inner(original: Callable[..., Any]) -> Callable[..., Any]:
    """`_run` or `_arun` of a tool: below `run`, and below the structured tool that CrewAI makes of a tool."""
    return _governed(original, _INNER)


def _governed(original: Callable[..., Any], layer: str) -> Callable[..., Any]:
    @functools.wraps(original)
    def run(self: BaseTool, *args: Any, **kwargs: Any) -> Any:
        if not sealing.is_sealed(FRAMEWORK) or _passes(self, layer, args, kwargs):
            return original(self, *args, **kwargs)
        return _run(self, _named(self, args, kwargs), lambda given: original(self, **given), layer)

    @functools.wraps(original)
    async def arun(self: BaseTool, *args: Any, **kwargs: Any) -> Any:
        if not sealing.is_sealed(FRAMEWORK) or _passes(self, layer, args, kwargs):
            return await original(self, *args, **kwargs)
        return await _arun(self, _named(self, args, kwargs), lambda given: original(self, **given), layer)

    return arun if inspect.iscoroutinefunction(original) else run


def structured(original: Callable[..., Any]) -> Callable[..., Any]:
    """`CrewStructuredTool.invoke` or `ainvoke`."""

    @functools.wraps(original)
    def invoke(
        self: CrewStructuredTool,
        input: str | dict[str, Any],  # noqa: A002  as CrewAI names it
        config: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> Any:
        args = {**_parsed(input), **kwargs}
        if not sealing.is_sealed(FRAMEWORK) or sealing.passes(_OUTER, _name(self), args):
            return original(self, input, config, **kwargs)

        def run(given: dict[str, Any]) -> Any:
            beside = _beside(given, kwargs)
            return original(self, _without(given, beside), config, **beside)

        return _run(self, args, run, _OUTER)

    @functools.wraps(original)
    async def ainvoke(
        self: CrewStructuredTool,
        input: str | dict[str, Any],  # noqa: A002  as CrewAI names it
        config: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> Any:
        if not sealing.is_sealed(FRAMEWORK):
            return await original(self, input, config, **kwargs)
        if not inspect.iscoroutinefunction(self.func):
            # CrewAI would run it in a thread that knows neither the session nor the permit.
            return await asyncio.to_thread(self.invoke, input, config, **kwargs)
        args = {**_parsed(input), **kwargs}
        if sealing.passes(_OUTER, _name(self), args):
            return await original(self, input, config, **kwargs)

        async def run(given: dict[str, Any]) -> Any:
            beside = _beside(given, kwargs)
            return await original(self, _without(given, beside), config, **beside)

        return await _arun(self, args, run, _OUTER)

    return ainvoke if inspect.iscoroutinefunction(original) else invoke


def legacy(original: Callable[..., Any]) -> Callable[..., Any]:
    """`CrewStructuredTool._run`: without a schema it would call the bare function."""

    @functools.wraps(original)
    def run(self: CrewStructuredTool, *args: Any, **kwargs: Any) -> Any:
        if not sealing.is_sealed(FRAMEWORK) or self.args_schema is not None:
            return original(self, *args, **kwargs)
        names = tuple(inspect.signature(self.func).parameters)
        names += tuple(f"argument {at}" for at in range(len(names), len(args)))
        return self.invoke({**dict(zip(names, args, strict=False)), **kwargs})

    return run


def function(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
    """A bare function that a model call was given to run by itself (`LLM.call(available_functions=)`); a method of a
    tool that is sealed stays as it is."""
    if isinstance(getattr(original, "__self__", None), AnyTool) and in_family(original):
        return original

    @functools.wraps(original)
    def run(**kwargs: Any) -> Any:
        def go(given: dict[str, Any]) -> Any:
            value = original(**given)
            return asyncio.run(value) if inspect.iscoroutine(value) else value

        return _given(None, govern(lambda: session_here(name), name, kwargs, go, plain=_plain))

    return run


# ── one call ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _run(tool: AnyTool, args: dict[str, Any], run: Callable[[dict[str, Any]], Any], layer: str) -> Any:
    if isinstance(team := _agent_tool(tool), BaseAgentTool):
        return delegated(team, args, run)
    name = _name(tool)

    def go(given: dict[str, Any]) -> Any:
        sealing.passes(layer, name)  # this is the one run that the permit is for
        return run(given)

    find = functools.partial(session_here, name)
    return _given(tool, govern(find, name, lambda: _bound(tool, args), go, plain=_plain, failed=_failed))


async def _arun(tool: AnyTool, args: dict[str, Any], run: Callable[[dict[str, Any]], Any], layer: str) -> Any:
    name = _name(tool)

    async def go(given: dict[str, Any]) -> Any:
        sealing.passes(layer, name)
        return await run(given)

    find = functools.partial(session_here, name)
    return _given(tool, await agovern(find, name, lambda: _bound(tool, args), go, plain=_plain, failed=_failed))


def _given(tool: AnyTool | None, told: Told[Any]) -> Any:
    """What CrewAI gets. INVARIANT: nothing but the text, where the result is not open."""
    if told.refused:
        return GuardRefusal(message=told.text, retryable=told.ended is Ended.PENDING)
    if not told.open:
        told.shown_as(told.text)
        return ToolFailure(message=told.text) if told.ended is Ended.FAILED else told.text
    if told.error is not None:
        told.shown_as(str(told.error), f"Error executing tool: {told.error}")
        raise told.error
    shown = str(told.value) if tool is None else tool.format_output_for_agent(told.value)
    told.shown_as(shown, str(told.value))
    return told.value


def _agent_tool(tool: AnyTool) -> object:
    return tool if isinstance(tool, BaseTool) else tool._original_tool  # noqa: SLF001  what it was made of


def _name(tool: AnyTool) -> str:
    session = current_session()
    return sanitize_tool_name(tool.name) if session is None else catalog_name(tool.name, session)


def _plain(value: Any) -> object:
    if isinstance(value, ToolFailure):
        return value.as_agent_message()
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    return value if value is None or isinstance(value, str | int | float | bool | list | tuple | dict) else str(value)


def _failed(value: Any) -> bool:
    return isinstance(value, ToolFailure)


# ── arguments ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _parsed(given: object) -> dict[str, Any]:
    """What `invoke` was given; a text that is no JSON object becomes an argument that no tool has."""
    found = given
    if isinstance(given, str):
        with suppress(ValueError):
            found = json.loads(given)
    return dict(found) if isinstance(found, Mapping) else {"input": given}


def _named(tool: BaseTool, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Positional arguments under the names of the schema's fields; those too many under names that no tool has."""
    fields = tuple(tool.args_schema.model_fields)
    names = (*fields, *(f"argument {at}" for at in range(len(fields), len(args))))
    return {**dict(zip(names, args, strict=False)), **kwargs}


def _passes(tool: BaseTool, layer: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
    """Whether this is the run that the live permit is for. Below `run` the schema has made other objects of the
    arguments: there they are not compared."""
    if running_permit() is None:
        return False
    compared = _bound(tool, _named(tool, args, kwargs)) if layer == _OUTER else None
    return sealing.passes(layer, _name(tool), compared)


def _beside(given: Mapping[str, Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the decided arguments that the function is handed beside the tool's own."""
    return {name: value for name, value in given.items() if name in kwargs}


def _without(given: Mapping[str, Any], beside: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if name not in beside}


def _bound(tool: AnyTool, args: Mapping[str, Any]) -> dict[str, object]:
    """The arguments as the tool will get them: with its defaults, and what its schema makes of each. As they are, if it
    will refuse them."""
    schema = tool.args_schema
    if schema is None or not schema.model_fields:
        return dict(args)

    def taken(made: dict[str, Any]) -> dict[str, Any]:
        try:
            return {**made, **schema.model_validate(made).model_dump(mode="json")}
        except (ValidationError, PydanticSerializationError):
            return made

    return settled(tool.name, args, taken)
