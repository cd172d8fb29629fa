"""A model client of AutoGen under the guard: calls of the model are decided and recorded, and so are handoffs.

A tool that hands the conversation on never reaches a workbench, and nothing that it returns could stop it. So it is
decided where the model asks for it: a handoff that is refused becomes a call of a tool that says so.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Any

from bailiwick.adapters.autogen.seat import Seat
from bailiwick.adapters.autogen.texts import hosted_by, model_name, offered, read, said, was_cut_off, written
from bailiwick.adapters.governing import known, refusal_text
from bailiwick.errors import BailiwickError, MissingExtra, Refused, UsageError
from bailiwick.guard.model_calls import ModelCall
from bailiwick.guard.session import Session

try:
    from autogen_core import ComponentModel, FunctionCall
    from autogen_core.models import (
        ChatCompletionClient,
        CreateResult,
        LLMMessage,
        ModelInfo,
        RequestUsage,
    )
except ImportError as error:
    raise MissingExtra(feature="the AutoGen adapter", extra="autogen") from error

__all__ = ["GuardClient"]

_LONGEST = 64
"""What providers take as the name of a tool."""


class GuardClient(ChatCompletionClient):
    """Decides each call of an agent's model. Made by `Guard.autogen`. A call that is denied raises Denied: AutoGen ends
    the run with it."""

    component_type = "model"

    def __init__(self, inner: ChatCompletionClient, seat: Seat) -> None:
        self.inner = inner
        self.seat = seat

    async def create(self, messages: Sequence[LLMMessage], **more: Any) -> CreateResult:
        session, call, more = await self._asked(messages, more)
        async with call:
            self._must_not_offer(call)
            result = await self.inner.create(messages, **more)
            await _keep(call, result)
        return await self._handed_on(session, result)

    async def create_stream(
        self, messages: Sequence[LLMMessage], **more: Any
    ) -> AsyncGenerator[str | CreateResult, None]:
        session, call, more = await self._asked(messages, more)
        last: CreateResult | None = None
        async with call:
            self._must_not_offer(call)
            async for each in self.inner.create_stream(messages, **more):
                if isinstance(each, CreateResult):
                    last = each
                else:
                    call.piece(each)
                    yield each
            if last is not None:
                await _keep(call, last)
        if last is not None:
            yield await self._handed_on(session, last)

    async def _asked(
        self, messages: Sequence[LLMMessage], more: dict[str, Any]
    ) -> tuple[Session, ModelCall, dict[str, Any]]:
        house = self.seat.house
        refused = {name for name, _ in self.seat.refusals.values()}
        if more.get("tools"):
            more = {**more, "tools": [tool for tool in more["tools"] if not refused.intersection(offered([tool]))]}
        # Whoever asks its model has had its answers: what is left here is of a run that was broken off.
        self.seat.refusals.clear()
        session = await self.seat.session("the model call", said(messages))
        inputs = read(messages, house.agents)
        for text in inputs:
            if text in house.known:
                session.instructions_once(text)
        model, provider = model_name(self.inner)
        call = session.model_call(
            model,
            provider=provider,
            inputs=inputs,
            tools=offered(more.get("tools") or ()),
            hosted=hosted_by(self.inner, more.get("extra_create_args")),
        )
        return session, call, more

    def _must_not_offer(self, call: ModelCall) -> None:
        if call.stripped:
            names = ", ".join(call.stripped)
            raise UsageError(
                f"the model must not be called with tools that its provider runs: {names}",
                hint="take the option from the model client, or permit it in the catalog's models",
            )

    async def _handed_on(self, session: Session, result: CreateResult) -> CreateResult:
        """Decide the handoffs that the model asks for, until one is permitted: AutoGen follows the first."""
        if isinstance(result.content, str):
            return result
        calls: list[FunctionCall] = []
        handed = False
        for call in result.content:
            target = self.seat.handoffs.get(call.name)
            refusal = "" if target is None or handed else await self._refusal(session, call.name, target)
            handed = handed or (target is not None and not refusal)
            calls.append(self._refused(session, call, refusal) if refusal else call)
        if calls == result.content:
            return result
        known(session, written(calls))
        return result.model_copy(update={"content": calls})

    async def _refusal(self, session: Session, name: str, target: str) -> str:
        """Why the conversation is not handed on; empty: it is, or there is no agent here to hand it to."""
        house = self.seat.house
        if target not in house.agents and target not in house.names.names:
            return ""
        try:
            await house.names.asession(session, target)
        except Refused as refused:
            return refusal_text(name, refused)
        except BailiwickError as wrong:
            return f"DENIED {name}: the handoff could not be decided, so it is denied [{wrong}]"
        return ""

    def _refused(self, session: Session, call: FunctionCall, text: str) -> FunctionCall:
        name = f"refused_{call.name}"[:_LONGEST]
        self.seat.refusals[call.id] = (name, text)
        known(session, text)
        return FunctionCall(id=call.id, name=name, arguments="{}")

    # ── the rest is the client's own ───────────────────────────────────────────────────────────────────────────────

    async def close(self) -> None:
        await self.inner.close()

    def actual_usage(self) -> RequestUsage:
        return self.inner.actual_usage()

    def total_usage(self) -> RequestUsage:
        return self.inner.total_usage()

    def count_tokens(self, messages: Sequence[LLMMessage], **more: Any) -> int:
        return self.inner.count_tokens(messages, **more)

    def remaining_tokens(self, messages: Sequence[LLMMessage], **more: Any) -> int:
        return self.inner.remaining_tokens(messages, **more)

    @property
    def capabilities(self) -> Any:
        return self.inner.capabilities

    @property
    def model_info(self) -> ModelInfo:
        return self.inner.model_info

    def dump_component(self) -> ComponentModel:
        """The client without the guard: protect what you make of it."""
        return self.inner.dump_component()


async def _keep(call: ModelCall, result: CreateResult) -> None:
    used = result.usage
    call.usage(
        input=used.prompt_tokens, output=used.completion_tokens, total=used.prompt_tokens + used.completion_tokens
    )
    if result.thought:
        await call.aoutput(result.thought)
    await call.aoutput(written(result.content), cut_off=was_cut_off(result))
