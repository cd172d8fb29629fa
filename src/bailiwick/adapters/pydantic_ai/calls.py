"""Pydantic AI's tool calls: decided at the one place through which every agent runs every tool, after all hooks.

`ToolManager._raw_execute` is that place: arguments are validated and rewritten, and nothing has seen the result.
Below it, the toolsets that run code pass a run that was decided there, once, and have every other decided on its own.

INVARIANT: a hook, a wrapping toolset or another capability that changes arguments after the decision does not get to
run the tool: what reaches the toolset is compared with what was decided.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from bailiwick.adapters.governing import Ended, Told, agovern
from bailiwick.adapters.sealing import Method, sealed_engine
from bailiwick.adapters.wiring import Wiring
from bailiwick.errors import MissingExtra, Refused
from bailiwick.guard.current import running_permit
from bailiwick.guard.engine import Engine
from bailiwick.guard.session import Session

try:
    from pydantic_ai import ApprovalRequired, ModelRetry, RunContext, ToolFailed, _output, _tool_execution
    from pydantic_ai._function_schema import FunctionSchema
    from pydantic_ai.capabilities.abstract import leaf_capabilities
    from pydantic_ai.exceptions import ToolFailedError, ToolRetryError
    from pydantic_ai.messages import ToolCallPart, ToolReturn, ToolReturnPart
    from pydantic_ai.tool_manager import ToolManager, ValidatedToolCall
    from pydantic_ai.toolsets import FunctionToolset, ToolsetTool
    from pydantic_core import to_jsonable_python
except ImportError as error:
    raise MissingExtra(feature="the adapter for Pydantic AI", extra="pydantic-ai") from error

__all__ = ["FRAMEWORK", "Asked", "acting", "run_decided", "sealed_methods", "wiring_of"]

FRAMEWORK = "pydantic-ai"

_LAYER = "pydantic-ai toolset"

_may_suspend: ContextVar[bool] = ContextVar("bailiwick_pydantic_ai_suspends", default=False)
"""Whether the run whose call this is may end with `DeferredToolRequests`."""

_deciding: ContextVar[tuple[object, str | None]] = ContextVar("bailiwick_pydantic_ai_call", default=(None, None))
"""The permit of the call that was decided, and the call's id."""


def sealed_methods() -> tuple[Method, ...]:
    """What the seal puts in place of the framework's own."""
    leaves = [Method(owner=FunctionToolset, name="call_tool", make=_leaf)]
    try:
        from pydantic_ai.mcp import MCPToolset  # an extra of theirs

        leaves.append(Method(owner=MCPToolset, name="call_tool", make=_leaf))
    except ImportError:
        pass
    return (
        Method(owner=ToolManager, name="_raw_execute", make=_funnel),
        Method(owner=_tool_execution._ToolCallProcessor, name="_execute_tool_call", make=_knowing_suspension),  # noqa: SLF001
        Method(owner=_output, name="execute_output_function", make=_outputs),
        *leaves,
    )


def wiring_of(engine: Engine, ctx: RunContext[Any]) -> Wiring:
    """What was said of the agent that runs: by its own capability, or by the one around it."""
    listed = leaf_capabilities(ctx.root_capability) if ctx.root_capability is not None else ()
    return Wiring.around(engine, *(getattr(each, "wiring", None) for each in listed))


async def acting(wiring: Wiring, ctx: RunContext[Any], what: str) -> Session:
    """The session of the agent that runs. Raises Denied or ApprovalPending."""
    name = ctx.agent.name if ctx.agent is not None else None
    return await wiring.asession(what, name, message=_prompt_of(ctx))


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One call as the framework has it."""

    ctx: RunContext[Any]
    name: str
    args: dict[str, Any]
    tool: ToolsetTool[Any] | FunctionSchema


async def run_decided(
    find: Callable[[], Awaitable[Session]],
    asked: Asked,
    run: Callable[[dict[str, Any]], Awaitable[Any]],
) -> Any:
    """Decide the call and run it. → what the framework may have of its result. Raises ApprovalRequired or ToolFailed
    where the model is to be told that it did not run, or what the tool raised."""
    given = _plain(asked.args)

    async def with_decided(decided: dict[str, Any]) -> Any:
        # Only the framework knows what a date or a model is: it makes them anew from what was decided.
        args = decided if given == asked.args else _validated(asked, decided)
        token = _deciding.set((running_permit(), asked.ctx.tool_call_id))
        try:
            return await run(args)
        finally:
            _deciding.reset(token)

    told = await agovern(find, asked.name, given, with_decided, plain=_content)
    return _given_back(asked, told)


def _given_back(asked: Asked, told: Told[Any]) -> Any:
    if told.open and told.error is None:
        told.shown_as(_rendered(asked.name, told.value))
        return told.value
    if told.open and told.error is not None and not isinstance(told.error, Refused):
        told.shown_as(*_said_of(told.error))
        raise told.error
    if told.ended is Ended.COMPLETED:
        return told.text
    if told.ended is Ended.PENDING and _may_suspend.get():
        raise ApprovalRequired(metadata={"approval_id": told.approval_id, "event_id": told.event_id, "told": told.text})
    told.shown_as(told.text)
    raise ToolFailed(told.text)


# ── what takes the place of the framework's methods ──────────────────────────────────────────────────────────────────


def _funnel(original: Callable[..., Any]) -> Callable[..., Any]:
    async def _raw_execute(
        manager: ToolManager[Any],
        validated: ValidatedToolCall[Any],
        *,
        wrap_validation_errors: bool = True,
        **rest: Any,
    ) -> Any:
        call, tool, args = validated.call, validated.tool, validated.validated_args
        assert tool is not None
        assert args is not None
        wiring = wiring_of(sealed_engine(FRAMEWORK), validated.ctx)

        async def run(decided: dict[str, Any]) -> Any:
            with wiring.current():
                now = _with_args(validated, decided)
                return await original(manager, now, wrap_validation_errors=wrap_validation_errors, **rest)

        asked = Asked(ctx=validated.ctx, name=call.tool_name, args=args, tool=tool)
        try:
            return await run_decided(lambda: acting(wiring, validated.ctx, call.tool_name), asked, run)
        except ToolFailed as failed:
            if not wrap_validation_errors:
                raise
            told = failed
        raise ToolFailedError(_failed_part(call, told.message))

    return _raw_execute


def _knowing_suspension(original: Callable[..., Any]) -> Callable[..., Any]:
    async def _execute_tool_call(processor: Any, validated: ValidatedToolCall[Any]) -> Any:
        token = _may_suspend.set(processor.ctx.deps.output_schema.allows_deferred_tools)
        try:
            return await original(processor, validated)
        finally:
            _may_suspend.reset(token)

    return _execute_tool_call


def _leaf(original: Callable[..., Any]) -> Callable[..., Any]:
    async def call_tool(
        toolset: Any, name: str, tool_args: dict[str, Any], ctx: RunContext[Any], tool: ToolsetTool[Any]
    ) -> Any:
        if _was_decided(ctx, tool_args):
            return await original(toolset, name, tool_args, ctx, tool)

        async def find() -> Session:
            return await acting(wiring_of(sealed_engine(FRAMEWORK), ctx), ctx, name)

        async def run(decided: dict[str, Any]) -> Any:
            return await original(toolset, name, decided, ctx, tool)

        return await run_decided(find, Asked(ctx=ctx, name=name, args=tool_args, tool=tool), run)

    return call_tool


def _outputs(original: Callable[..., Any]) -> Callable[..., Any]:
    """Functions that the model's final output is given to run like tools do, so they are decided like tools."""

    async def execute_output_function(function_schema: Any, *, run_context: RunContext[Any], **rest: Any) -> Any:
        return await original(_DecidedOutput(function_schema), run_context=run_context, **rest)

    return execute_output_function


class _DecidedOutput:
    """An output function that is decided before it runs; what it stands for is the function's schema."""

    def __init__(self, schema: FunctionSchema) -> None:
        self._schema = schema

    async def call(self, args: dict[str, Any], ctx: RunContext[Any]) -> Any:
        schema, wiring = self._schema, wiring_of(sealed_engine(FRAMEWORK), ctx)

        async def run(decided: dict[str, Any]) -> Any:
            return await schema.call(decided, ctx)

        # An output is the end of a run: there is nothing that could be gone on with, so it does not suspend.
        token = _may_suspend.set(False)
        try:
            asked = Asked(ctx=ctx, name=schema.name, args=args, tool=schema)
            return await run_decided(lambda: acting(wiring, ctx, schema.name), asked, run)
        except ToolFailed as failed:
            told = failed.message
        finally:
            _may_suspend.reset(token)
        raise ModelRetry(told)


# ── inside ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _was_decided(ctx: RunContext[Any], args: dict[str, Any]) -> bool:
    """Whether this is the run of the call that was decided above, with the same arguments. Toolsets may rename what
    they hold, so the name is the one that the model knows."""
    permit = running_permit()
    decided, call_id = _deciding.get()
    if permit is None or permit is not decided or call_id != ctx.tool_call_id:
        return False
    return permit.claim(_LAYER, permit.action.tool.name, _plain(args))


def _with_args(validated: ValidatedToolCall[Any], args: dict[str, Any]) -> ValidatedToolCall[Any]:
    return ValidatedToolCall(
        call=validated.call,
        tool=validated.tool,
        ctx=validated.ctx,
        args_valid=True,
        validated_args=args,
    )


def _validated(asked: Asked, args: dict[str, Any]) -> dict[str, Any]:
    tool: Any = asked.tool
    while hasattr(tool, "source_tool"):
        tool = tool.source_tool
    schema = tool if isinstance(tool, FunctionSchema) else getattr(getattr(tool, "call_func", None), "__self__", None)
    if isinstance(schema, FunctionSchema):
        return schema.revalidate(args, context=asked.ctx.validation_context)
    validated: dict[str, Any] = tool.args_validator.validate_python(args, context=asked.ctx.validation_context)
    return validated


def _plain(value: Any) -> Any:
    return to_jsonable_python(value, by_alias=True)


def _content(value: Any) -> object:
    """What the catalog speaks of: a text, or JSON values."""
    if isinstance(value, ToolReturn):
        value = value.return_value if value.content is None else [value.return_value, value.content]
    return to_jsonable_python(value, by_alias=True, serialize_unknown=True, bytes_mode="base64")


def _rendered(name: str, value: Any) -> str:
    """The result as the model reads it."""
    content = value.return_value if isinstance(value, ToolReturn) else value
    return ToolReturnPart(tool_name=name, content=content, tool_call_id="").model_response_str(wrap_if_error=False)


def _failed_part(call: ToolCallPart, text: str) -> ToolReturnPart:
    return ToolReturnPart(
        tool_name=call.tool_name,
        content=text,
        tool_call_id=call.tool_call_id,
        tool_kind=call.tool_kind,
        outcome="failed",
    )


def _said_of(error: Exception) -> tuple[str, ...]:
    """What the model will read of an error that the framework tells it."""
    part = getattr(error, "tool_retry", None) if isinstance(error, ToolRetryError) else None
    part = error.tool_failed if isinstance(error, ToolFailedError) else part
    if isinstance(part, ToolReturnPart):
        return (part.model_response_str(wrap_if_error=False),)
    return (str(part.model_response()),) if part is not None and hasattr(part, "model_response") else ()


def _prompt_of(ctx: RunContext[Any]) -> str:
    """What the agent was told to do."""
    if ctx.prompt is None or isinstance(ctx.prompt, str):
        return ctx.prompt or ""
    return "\n".join(each for each in ctx.prompt if isinstance(each, str))
