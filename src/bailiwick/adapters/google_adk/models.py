"""Model calls of ADK agents: decided, recorded, and offered those tools of the provider alone that may be."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

from bailiwick.adapters.google_adk.calls import FRAMEWORK, acting, wiring_of
from bailiwick.adapters.google_adk.texts import contents_of, instructions_of, said
from bailiwick.adapters.sealing import is_sealed, sealed_engine
from bailiwick.errors import MissingExtra, UsageError
from bailiwick.guard.current import acting_in
from bailiwick.guard.model_calls import ModelCall
from bailiwick.guard.session import Session

try:
    from google.adk.agents.invocation_context import InvocationContext
    from google.adk.models.llm_request import LlmRequest
    from google.adk.models.llm_response import LlmResponse
    from google.genai import types
except ImportError as error:
    raise MissingExtra(feature="the adapter for Google ADK", extra="google-adk") from error

__all__ = ["guarded_llm", "hosted_of"]

_CUT_OFF = frozenset({types.FinishReason.MAX_TOKENS, types.FinishReason.SAFETY})


def guarded_llm(original: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """The flow's way to find its model: what it finds is governed."""

    async def _get_llm(flow: Any, invocation_context: InvocationContext) -> Any:
        llm = await original(flow, invocation_context)
        return _GuardedLlm(llm, invocation_context) if is_sealed(FRAMEWORK) else llm

    return _get_llm


def hosted_of(config: types.GenerateContentConfig | None) -> list[str]:
    """The tools of the provider in a request, as its interface calls them."""
    return [name for tool in (config.tools if config else None) or () for name in _hosted(tool)]


class _GuardedLlm:
    """Stands for the model of one invocation."""

    def __init__(self, llm: Any, invocation: InvocationContext) -> None:
        self._llm, self._invocation = llm, invocation

    def __getattr__(self, name: str) -> Any:
        return getattr(self._llm, name)

    def connect(self, llm_request: LlmRequest) -> Any:
        """A live session reads and writes without end, so there is no call to decide."""
        raise UsageError(
            f"live sessions of {llm_request.model or 'a model'} are not governed",
            hint="use run_async, with SSE or without",
        )

    async def generate_content_async(
        self, llm_request: LlmRequest, stream: bool = False
    ) -> AsyncGenerator[LlmResponse, None]:
        """The model's answers. Raises Denied or ApprovalPending where it may not be called."""
        session = await acting(self._invocation, "the model call")
        async with self._call(session, llm_request) as call:
            _strip(llm_request, call)
            with acting_in(session):
                answers = self._llm.generate_content_async(llm_request, stream=stream)
            async for response in answers:
                await _over(session, call, response)
                yield response

    def _call(self, session: Session, request: LlmRequest) -> ModelCall:
        wiring = wiring_of(sealed_engine(FRAMEWORK), self._invocation)
        vouched, rest = instructions_of(request, self._invocation.agent, wiring.instructions)
        for text in vouched:
            wiring.vouch(session, text)
        return session.model_call(
            str(request.model or self._llm.model),
            provider="google" if type(self._llm).__name__ == "Gemini" else type(self._llm).__name__.lower(),
            inputs=[*vouched, *([rest] if rest else []), *contents_of(request)],
            tools=list(request.tools_dict),
            hosted=hosted_of(request.config),
        )


async def _over(session: Session, call: ModelCall, response: LlmResponse) -> None:
    """INVARIANT: what the model wrote is content of the session before a tool call is read out of it."""
    if response.partial:
        call.piece(said(response.content))
        return
    used = response.usage_metadata
    if used is not None:
        call.usage(
            input=used.prompt_token_count or 0,
            output=used.candidates_token_count or 0,
            total=used.total_token_count or 0,
        )
    if response.grounding_metadata is not None:
        session.model_input([response.grounding_metadata.model_dump_json(exclude_none=True)])
    await call.aoutput(said(response.content), cut_off=response.finish_reason in _CUT_OFF)


def _hosted(tool: Any) -> list[str]:
    if not isinstance(tool, types.Tool):
        return [] if callable(tool) else [type(tool).__name__]
    return [
        name for name in type(tool).model_fields if name != "function_declarations" and getattr(tool, name) is not None
    ]


def _strip(request: LlmRequest, call: ModelCall) -> None:
    kept: list[Any] = []
    for tool in request.config.tools or ():
        taken = {name: None for name in _hosted(tool) if name not in call.hosted}
        if not isinstance(tool, types.Tool):
            kept += [] if taken else [tool]
            continue
        left = tool.model_copy(update=taken)
        if left.function_declarations or _hosted(left):
            kept.append(left)
    request.config.tools = kept
