"""Model calls of Strands agents: decided and recorded, wherever one is made."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from typing import Any

from bailiwick.adapters.sealing import is_sealed
from bailiwick.adapters.strands.calls import FRAMEWORK, acting, wiring_of
from bailiwick.adapters.strands.texts import Writing, contents_of
from bailiwick.guard.current import acting_in

__all__ = ["decided_model"]

_CUT_OFF = frozenset({"max_tokens", "content_filtered", "guardrail_intervened", "cancelled"})


def decided_model(original: Callable[..., Any]) -> Callable[..., Any]:
    """A model's `stream`, decided before it is called."""

    async def stream(
        model: Any, messages: Any, tool_specs: Any = None, system_prompt: str | None = None, **more: Any
    ) -> AsyncGenerator[Any, None]:
        if not is_sealed(FRAMEWORK):
            async for event in original(model, messages, tool_specs, system_prompt, **more):
                yield event
            return
        agent = (more.get("invocation_state") or {}).get("agent")
        session = await acting(agent, "the model call")
        if system_prompt:
            wiring_of(agent).vouch(session, system_prompt)
        call = session.model_call(
            _name(model),
            provider=type(model).__module__.rpartition(".")[2],
            inputs=[*([system_prompt] if system_prompt else []), *contents_of(messages)],
            tools=[spec["name"] for spec in tool_specs or ()],
        )
        writing = Writing()
        async with call:
            with acting_in(session):
                events = original(model, messages, tool_specs, system_prompt, **more)
            async for event in events:
                piece = writing.take(event)
                if piece:
                    call.piece(piece)
                # INVARIANT: what the model wrote is content of the session before anybody acts on it.
                if "messageStop" in event:
                    await call.aoutput(writing.text, cut_off=writing.stop in _CUT_OFF)
                if "metadata" in event:
                    used = writing.usage
                    call.usage(
                        input=used.get("inputTokens", 0),
                        output=used.get("outputTokens", 0),
                        total=used.get("totalTokens", 0),
                    )
                yield event

    return stream


def _name(model: Any) -> str:
    config = model.get_config()
    named = config.get("model_id") if isinstance(config, dict) else getattr(config, "model_id", None)
    return str(named or type(model).__name__)
