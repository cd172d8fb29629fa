"""The middleware of an agent: who asks, what the model reads of a refusal, and calls of the model."""

from __future__ import annotations

import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from typing import Any

from bailiwick.adapters.agent_framework.calls import Asking, NotRun, asking
from bailiwick.adapters.agent_framework.texts import (
    FIXED,
    last_said,
    model_name,
    offered,
    read,
    result_text,
    usage,
    written,
)
from bailiwick.adapters.governing import Ended, Told
from bailiwick.adapters.wiring import Wiring
from bailiwick.errors import MissingExtra, UsageError
from bailiwick.guard.current import running_permit
from bailiwick.guard.model_calls import ModelCall
from bailiwick.guard.session import Session

try:
    from agent_framework import (
        AgentContext,
        AgentMiddleware,
        ChatContext,
        ChatMiddleware,
        ChatResponse,
        ChatResponseUpdate,
        Content,
        FunctionInvocationContext,
        FunctionMiddleware,
        ResponseStream,
    )
    from pydantic_core import to_jsonable_python
except ImportError as error:
    raise MissingExtra(feature="the adapter for Microsoft Agent Framework", extra="agent-framework") from error

__all__ = ["GuardAgentMiddleware", "GuardChatMiddleware", "GuardFunctionMiddleware", "middleware"]

_AGENT = "bailiwick_agent"
"""Under which the agent's name goes from its run to its calls: a stream is read in another context than it began in."""
_REQUEST_ID = "_approval_request_id"

Next = Callable[[], Awaitable[None]]
Parts = list["GuardAgentMiddleware | GuardFunctionMiddleware | GuardChatMiddleware"]


def middleware(wiring: Wiring) -> Parts:
    """All three, for `Agent(middleware=...)`."""
    return [GuardAgentMiddleware(wiring), GuardFunctionMiddleware(wiring), GuardChatMiddleware(wiring)]


class GuardAgentMiddleware(AgentMiddleware):
    """Finds the session in which an agent works; an agent that works as a tool is told its task by delegation. What
    cannot be decided raises: the framework ends the run with it."""

    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring

    async def process(self, context: AgentContext, call_next: Next) -> None:
        name = getattr(context.agent, "name", None)
        nested = running_permit() is not None
        message = last_said(context.messages) if nested else ""
        session = await self._wiring.asession(f"agent {name}", name, message=message)
        if context.session is not None and not nested and session.above is None:
            with suppress(UsageError):  # it belongs to another conversation: what it does not know taints
                session.rebind(context.session.session_id)
        context.client_kwargs = {**context.client_kwargs, _AGENT: name or ""}
        context.function_invocation_kwargs = {**context.function_invocation_kwargs, _AGENT: name or ""}
        await call_next()


class GuardFunctionMiddleware(FunctionMiddleware):
    """Says for whom a tool is called. The tool itself decides, below all middleware."""

    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring

    async def process(self, context: FunctionInvocationContext, call_next: Next) -> None:
        name = context.kwargs.pop(_AGENT, None)
        tool = context.function

        async def find() -> Session:
            return await self._wiring.asession(tool.name, name)

        call = Asking(tool=tool, find=find)
        try:
            with asking(call):
                await call_next()
        except NotRun as not_run:
            context.result = _refusal(context, not_run.told)
            return
        if call.told is not None and (text := result_text(context.result)):
            call.told.shown_as(text)


class GuardChatMiddleware(ChatMiddleware):
    """Decides and records each call of the model. One that is denied raises: the framework ends the run with it."""

    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring

    async def process(self, context: ChatContext, call_next: Next) -> None:
        name = context.kwargs.pop(_AGENT, None)
        session = await self._wiring.asession("the model call", name)
        options = dict(context.options or {})
        texts = read(context.messages, options)
        for text in texts:
            self._wiring.vouch(session, text)
            if text in FIXED:
                session.vouch(text)
        own, hosted = offered(options.get("tools") or ())
        model, provider = model_name(context.client, options)
        call = session.model_call(
            model, provider=provider, inputs=texts, tools=[tool.name for tool in own], hosted=tuple(hosted)
        )
        if context.stream:
            await call.__aenter__()
            context.options = _without(options, call, hosted)
            await _streamed(context, call, call_next)
            return
        async with call:
            context.options = _without(options, call, hosted)
            await call_next()
            if isinstance(context.result, ChatResponse):
                await _keep(call, context.result)


def _without(options: dict[str, Any], call: ModelCall, hosted: dict[str, list[Any]]) -> dict[str, Any]:
    """The options without the tools of the provider that may not be offered."""
    stripped = [tool for name in call.stripped for tool in hosted[name]]
    if not stripped:
        return options
    kept = [tool for tool in options["tools"] if all(tool is not each for each in stripped)]
    return {**options, "tools": kept}


async def _streamed(context: ChatContext, call: ModelCall, call_next: Next) -> None:
    """The call is over when the stream is read to its end, or breaks."""
    over = False

    async def end(error: BaseException | None = None) -> None:
        nonlocal over
        if not over:
            over = True
            await call.__aexit__(type(error) if error is not None else None, error, None)

    try:
        await call_next()
    except BaseException as error:
        await end(error)
        raise
    stream = context.result
    if not isinstance(stream, ResponseStream):
        await end()
        return

    def piece(update: ChatResponseUpdate) -> ChatResponseUpdate:
        call.piece(update.text)
        return update

    async def whole(response: ChatResponse[Any]) -> ChatResponse[Any]:
        await _keep(call, response)
        await end()
        return response

    def left(error: BaseException) -> None:
        nonlocal over
        if not over:
            over = True
            call.__exit__(type(error), error, None)  # nothing may break it off: the event loop may be ending

    stream.with_update_transform(piece)
    stream.with_result_transform(whole)
    stream._iterator = _watched(stream, left)  # noqa: SLF001  the one place that hears of a stream that is left unread


async def _watched(stream: Any, end: Callable[[BaseException], None]) -> AsyncGenerator[Any, None]:
    """The stream's own pieces. Whatever ends them early (an error, a reader who leaves) ends the call."""
    source = (await stream._get_stream()).__aiter__()  # noqa: SLF001  it may be a coroutine that gives one
    try:
        async for update in source:
            yield update
    except BaseException as error:
        end(error)
        close = getattr(source, "close", None) or getattr(source, "aclose", None)
        if close is not None:
            await close()
        raise


async def _keep(call: ModelCall, response: ChatResponse[Any]) -> None:
    call.usage(**usage(response))
    cut_off = str(response.finish_reason or "") in ("length", "content_filter")
    for text in written(response):
        await call.aoutput(text, cut_off=cut_off)


def _refusal(context: FunctionInvocationContext, told: Told[Any]) -> Any:
    """A call that waits for a person is the framework's own request for approval, where it can be answered: an agent
    that works as a tool cannot hand one up. Everything else is a text that the model reads."""
    if told.ended is not Ended.PENDING or running_permit() is not None or "call_id" not in context.metadata:
        return told.text
    call_id = context.metadata["call_id"]
    occurrence = context.metadata.get("function_call_occurrence_id") or call_id
    again = context.metadata.get("approval_response") is not None
    request = f"{occurrence}:replacement:{uuid.uuid4().hex}" if again else occurrence
    return Content.from_function_approval_request(
        id=request,
        function_call=Content.from_function_call(
            call_id=call_id,
            name=context.function.name,
            arguments=to_jsonable_python(dict(context.arguments)),
            id=occurrence,
        ),
        additional_properties={
            _REQUEST_ID: request,
            "_replacement_approval_request": again,
            "reason": told.text,
            "approval_id": told.approval_id,
        },
    )
