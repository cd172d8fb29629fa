"""The capability that a user lists: model calls, whose session an agent works in, and the conversation."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

from bailiwick.adapters import sealing
from bailiwick.adapters.pydantic_ai.calls import FRAMEWORK, acting
from bailiwick.adapters.pydantic_ai.texts import said, texts_of, unvouched
from bailiwick.adapters.wiring import Wiring
from bailiwick.errors import MissingExtra, UsageError
from bailiwick.guard.current import acting_in, running_permit
from bailiwick.guard.model_calls import ModelCall
from bailiwick.guard.session import Session

try:
    from pydantic_ai import ModelRequestContext, RunContext, ToolFailed
    from pydantic_ai.capabilities import AbstractCapability, CapabilityOrdering
    from pydantic_ai.messages import ModelMessage, ModelResponse, ToolCallPart
    from pydantic_ai.models import Model, ModelRequestParameters, StreamedResponse
    from pydantic_ai.models.wrapper import WrapperModel
    from pydantic_ai.settings import ModelSettings
    from pydantic_ai.tools import ToolDefinition
except ImportError as error:
    raise MissingExtra(feature="the adapter for Pydantic AI", extra="pydantic-ai") from error

__all__ = ["GuardCapability"]


class GuardCapability(AbstractCapability[Any]):
    """Puts an agent under the guard. Made by `Guard.pydantic_ai`."""

    def __init__(self, wiring: Wiring) -> None:
        self.wiring = wiring

    def get_ordering(self) -> CapabilityOrdering:
        """Nothing comes between the guard and the model."""
        return CapabilityOrdering(position="innermost")

    async def wrap_model_request(
        self, ctx: RunContext[Any], *, request_context: ModelRequestContext, handler: Callable[..., Any]
    ) -> ModelResponse:
        """The model is called in the session of its agent. Raises Denied where that may not be."""
        session = await acting(self.wiring, ctx, "the model call")
        if running_permit() is None:
            _bind(session, ctx)
        with acting_in(session), self.wiring.current():
            response: ModelResponse = await handler(request_context)
            return response

    def get_wrapper_model(self, model: Model) -> Model:
        """The guard stands next to the model: what it reads is what all hooks left of it."""
        return _GuardedModel(model, self.wiring)

    async def wrap_tool_execute(
        self,
        ctx: RunContext[Any],  # noqa: ARG002  the framework's signature
        *,
        call: ToolCallPart,  # noqa: ARG002
        tool_def: ToolDefinition,  # noqa: ARG002
        args: dict[str, Any],
        handler: Callable[[dict[str, Any]], Any],
    ) -> Any:
        """Without the seal nothing is decided, so nothing runs."""
        if sealing.is_sealed(FRAMEWORK):
            return await handler(args)
        raise ToolFailed("DENIED: the guard of this agent is closed, so nothing is decided")


class _GuardedModel(WrapperModel):
    """The model, decided and on record. INVARIANT: it is offered those tools of its provider alone that may be."""

    def __init__(self, wrapped: Model, wiring: Wiring) -> None:
        super().__init__(wrapped)
        self._wiring = wiring

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        async with self._call(messages, model_request_parameters) as call:
            response = await super().request(messages, model_settings, _offered(call, model_request_parameters))
            await self._over(call, response)
        return response

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
        run_context: RunContext[Any] | None = None,
    ) -> AsyncGenerator[StreamedResponse]:
        async with (
            self._call(messages, model_request_parameters) as call,
            super().request_stream(
                messages, model_settings, _offered(call, model_request_parameters), run_context
            ) as stream,
        ):
            try:
                yield stream
            finally:
                await self._over(call, stream.get())

    def _call(self, messages: list[ModelMessage], parameters: ModelRequestParameters) -> ModelCall:
        session = self._wiring.session("the model call")
        own, others = texts_of(messages, parameters)
        for text in own:
            self._wiring.vouch(session, text)
        return session.model_call(
            self.wrapped.model_name,
            provider=self.wrapped.system,
            inputs=[*own, *others],
            tools=[tool.name for tool in (*parameters.function_tools, *parameters.output_tools)],
            hosted=[tool.kind for tool in parameters.native_tools],
        )

    async def _over(self, call: ModelCall, response: ModelResponse) -> None:
        used = response.usage
        call.usage(input=used.input_tokens, output=used.output_tokens, total=used.total_tokens)
        fetched = unvouched(response)
        if fetched:
            self._wiring.session("the model call").model_input(fetched)
        cut_off = response.finish_reason in ("length", "content_filter") or response.state == "interrupted"
        await call.aoutput(said(response), cut_off=cut_off)


def _offered(call: ModelCall, parameters: ModelRequestParameters) -> ModelRequestParameters:
    if not parameters.native_tools:
        return parameters
    return replace(parameters, native_tools=[tool for tool in parameters.native_tools if tool.kind in call.hosted])


def _bind(session: Session, ctx: RunContext[Any]) -> None:
    """A history that is taken up again belongs to one conversation, a run without one to that of the session."""
    if ctx.conversation_id is None:
        return
    if any(message.conversation_id == ctx.conversation_id and message.run_id != ctx.run_id for message in ctx.messages):
        session.root.rebind(ctx.conversation_id)
    else:
        with suppress(UsageError):
            session.root.rebind(ctx.conversation_id)
