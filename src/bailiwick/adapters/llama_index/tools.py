"""The seal of LlamaIndex's tools: every way into one is a governed call, and a hand-off is a delegation."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from bailiwick.adapters.governing import Told, agovern, govern, refusal_text
from bailiwick.adapters.sealing import passes, sealed_session
from bailiwick.adapters.wiring import Wiring
from bailiwick.errors import MissingExtra, Refused

try:
    from llama_index.core.agent.workflow.multi_agent_workflow import handoff
    from llama_index.core.base.llms.types import TextBlock
    from llama_index.core.tools import BaseTool, FunctionTool, ToolOutput
    from pydantic import BaseModel, ValidationError
    from pydantic_core import PydanticSerializationError
except ImportError as error:
    raise MissingExtra(feature="the LlamaIndex adapter", extra="llama-index") from error

__all__ = ["FRAMEWORK", "looked_up", "name_of", "sealed_call"]

FRAMEWORK = "llama-index"


def name_of(tool: BaseTool) -> str:
    return tool.metadata.name or type(tool).__name__


def looked_up(original: Callable[..., Any]) -> Callable[..., Any]:
    """`BaseTool.__getattribute__`: each class of tools has a `call` and an `acall` of its own."""

    @functools.wraps(original)
    def __getattribute__(self: BaseTool, name: str) -> Any:  # noqa: N807
        value = original(self, name)
        if name == "call":
            return _sealed(self, value)
        return _asealed(self, value) if name == "acall" else value

    return __getattribute__


def sealed_call(original: Callable[..., Any]) -> Callable[..., Any]:
    """`__call__` of a tool that has no `call`."""

    @functools.wraps(original)
    def __call__(self: BaseTool, *args: Any, **kwargs: Any) -> Any:  # noqa: N807
        return _sealed(self, functools.partial(original, self))(*args, **kwargs)

    return __call__


def _sealed(tool: BaseTool, call: Callable[..., ToolOutput]) -> Callable[..., ToolOutput]:
    @functools.wraps(call)
    def sealed(*args: Any, **kwargs: Any) -> ToolOutput:
        name = name_of(tool)
        if _hands_over(tool):
            return _refused(
                name, f"DENIED {name}: a hand-off is made by an agent of a workflow, which is asynchronous."
            )
        kept, given = _named(tool, args, kwargs)
        if passes("call", name, given):
            return call(*args, **kwargs)
        told = govern(
            lambda: sealed_session(FRAMEWORK, name),
            name,
            given,
            lambda decided: call(**decided, **kept),
            plain=functools.partial(_plain, tool),
            failed=_failed,
        )
        return _given(name, told)

    return sealed


def _asealed(tool: BaseTool, call: Callable[..., Awaitable[ToolOutput]]) -> Callable[..., Awaitable[ToolOutput]]:
    @functools.wraps(call)
    async def sealed(*args: Any, **kwargs: Any) -> ToolOutput:
        name = name_of(tool)
        if _hands_over(tool):
            return await _handed_over(call, args, kwargs)
        kept, given = _named(tool, args, kwargs)
        if passes("acall", name, given):
            return await call(*args, **kwargs)
        told = await agovern(
            lambda: sealed_session(FRAMEWORK, name),
            name,
            given,
            lambda decided: _in_context(tool, call, {**decided, **kept}),
            plain=functools.partial(_plain, tool),
            failed=_failed,
        )
        return _given(name, told)

    return sealed


def _in_context(tool: BaseTool, call: Callable[..., Awaitable[ToolOutput]], args: dict[str, Any]) -> Awaitable[Any]:
    """LlamaIndex runs a plain function in a thread that knows nothing of the session: here it takes it along."""
    if type(tool) is FunctionTool and not inspect.iscoroutinefunction(tool.real_fn) and tool._async_callback is None:  # noqa: SLF001
        return asyncio.to_thread(FunctionTool.call, tool, **args)
    return call(**args)


def _hands_over(tool: BaseTool) -> bool:
    return isinstance(tool, FunctionTool) and tool.real_fn is handoff


async def _handed_over(
    call: Callable[..., Awaitable[ToolOutput]], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> ToolOutput:
    """A hand-off is a delegation from the agent that asks for it. INVARIANT: denied, it sets no next agent."""
    to = str(kwargs.get("to_agent", ""))
    try:
        session = sealed_session(FRAMEWORK, "handoff")
    except Refused as refused:
        return _refused("handoff", refusal_text("handoff", refused))
    try:
        agents = await kwargs["ctx"].store.get("agents")
        if to in agents:
            wiring, reason = Wiring.around(session.engine), str(kwargs.get("reason", ""))
            session.vouch(reason)  # the caller's model wrote it, so the label of its output is on it
            await wiring.asession("the hand-off", to, outermost=False, message=reason)
    except Refused as refused:
        session.vouch(text := refusal_text("handoff", refused), event=refused.event_id or "")
        return _refused("handoff", text)
    told = await call(*args, **kwargs)
    # LlamaIndex's words around the model's.
    session.vouch(told.content)
    return told


def _refused(name: str, text: str) -> ToolOutput:
    return ToolOutput(content=text, tool_name=name, raw_input={}, raw_output=text, is_error=True)


def _given(name: str, told: Told[ToolOutput]) -> ToolOutput:
    """What the framework gets. INVARIANT: of a result that is hidden or was redacted nothing but its text."""
    if told.error is not None:
        told.shown_as(f"Observation: {told.error}", f"Encountered error: {told.error}")
        raise told.error
    if told.open and told.value is not None:
        texts = [block.text for block in told.value.blocks if isinstance(block, TextBlock)]
        told.shown_as(*texts, told.value.content, f"Observation: {told.value.content}")
        return told.value
    told.shown_as(f"Observation: {told.text}")
    kept = ToolOutput(content=told.text, tool_name=name, raw_input={}, raw_output=told.text)
    kept.is_error = told.refused or (told.value is not None and told.value.is_error)
    return kept


def _named(
    tool: BaseTool, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, object]]:
    """(the workflow's context, if the tool takes it; the arguments as the tool will get them, by name)."""
    context = getattr(tool, "ctx_param_name", None)
    given: dict[str, object] = {**getattr(tool, "partial_params", {}), **kwargs}
    kept = {context: given.pop(context)} if context in given else {}
    given.update(zip(_order(tool), args, strict=False))
    schema = tool.metadata.fn_schema
    if schema is None or not isinstance(tool, FunctionTool):
        return kept, given
    for name, each in schema.model_fields.items():
        if name not in given and not each.is_required():
            given[name] = each.get_default(call_default_factory=True, validated_data={})
    return kept, {**given, **_coerced(schema, given)}


def _order(tool: BaseTool) -> list[str]:
    return list(tool.metadata.get_parameters_dict()["properties"])


def _coerced(schema: type[BaseModel], args: Mapping[str, object]) -> dict[str, object]:
    """What the schema makes of the arguments; nothing if it takes them not at all. (LlamaIndex asks it never.)"""
    try:
        taken = schema.model_validate(dict(args)).model_dump(mode="json")
    except (ValidationError, PydanticSerializationError):
        return {}
    return {name: taken[name] for name in args.keys() & taken.keys()}


def _plain(tool: BaseTool, value: ToolOutput) -> object:
    """What the catalog speaks of: the fields of a result, where the model is shown it as it is."""
    shown = type(tool) is FunctionTool and tool._callback is None and value.content == str(value.raw_output)  # noqa: SLF001
    return value.raw_output if shown else value.content


def _failed(value: ToolOutput) -> bool:
    return value.is_error
