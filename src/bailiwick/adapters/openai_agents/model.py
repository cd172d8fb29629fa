"""Model calls of agents: decided, with what the provider would run taken out unless it is permitted, and on record.

The SDK resolves an agent's model for each turn, wherever it comes from (the agent, the run, a provider), and in runs of
agents that work as tools too. What it finds is wrapped there.

INVARIANT: what a model wrote is content of the session before the SDK reads a tool call out of it. Pieces of a streamed
answer reach the application as they come.
"""

from __future__ import annotations

import functools
import json
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from typing import Any

from bailiwick.adapters.openai_agents.registry import passes_by, protected_by, session_of
from bailiwick.adapters.openai_agents.texts import is_hosted, texts_of_input, texts_of_item
from bailiwick.errors import MissingExtra, UsageError
from bailiwick.guard.model_calls import ModelCall
from bailiwick.guard.session import Session

try:
    from agents import CustomTool, FunctionTool, HostedMCPTool, Model
    from agents.items import ModelResponse
    from agents.tool import DEFAULT_APPROVAL_REJECTION_MESSAGE
    from openai.types.responses import ResponseCompletedEvent, ResponseOutputItemDoneEvent, ResponseTextDeltaEvent
except ImportError as error:
    raise MissingExtra(feature="the adapter for the OpenAI Agents SDK", extra="openai-agents") from error

__all__ = ["GuardedModel", "guarding", "hosted_name"]

_SDK_TEXTS = frozenset({DEFAULT_APPROVAL_REJECTION_MESSAGE, "Multiple handoffs detected, ignoring this one."})
"""What the SDK itself tells a model."""

_DECIDED = frozenset(
    {"conversation", "functions", "input", "instructions", "messages", "model", "models", "plugins"}
    | {"previous_response_id", "prompt", "tools", "web_search_options"}
)
"""Fields of a request to a provider that say which model reads what, and with which tools."""

STORED_PROMPT = "stored_prompt"
"""A prompt that the provider keeps: it may bring tools of its own that nobody here sees."""


def guarding(original: Callable[..., Model]) -> Callable[..., Model]:
    """In place of the function that finds an agent's model."""

    @functools.wraps(original)
    def find(agent: Any, run_config: Any) -> Model:
        model = original(agent, run_config)
        return model if isinstance(model, GuardedModel) else GuardedModel(model, agent)

    return find


class GuardedModel(Model):
    """A model as one agent calls it."""

    def __init__(self, inner: Model, agent: Any) -> None:
        self.inner, self.agent = inner, agent

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    async def _cleanup_on_run_end(self, owner: object) -> None:
        await self.inner._cleanup_on_run_end(owner)  # noqa: SLF001

    async def close(self) -> None:
        await self.inner.close()

    def get_retry_advice(self, request: Any) -> Any:
        return self.inner.get_retry_advice(request)

    async def get_response(
        self,
        system_instructions: str | None,
        input: Any,  # noqa: A002  as the SDK calls it
        model_settings: Any,
        tools: list[Any],
        *more: Any,
        **also: Any,
    ) -> ModelResponse:
        if passes_by(self.agent):
            return await self.inner.get_response(system_instructions, input, model_settings, tools, *more, **also)
        session = await self._session()
        asked = self._asked(session, system_instructions, input, model_settings, tools, also)
        async with asked as call:
            offered = self._offered(call, tools)
            response = await self.inner.get_response(system_instructions, input, model_settings, offered, *more, **also)
            _used(call, response.usage)
            await _wrote(session, call, response.output, response.response_id)
        return response

    async def stream_response(
        self,
        system_instructions: str | None,
        input: Any,  # noqa: A002
        model_settings: Any,
        tools: list[Any],
        *more: Any,
        **also: Any,
    ) -> AsyncIterator[Any]:
        if passes_by(self.agent):
            async for event in self.inner.stream_response(
                system_instructions, input, model_settings, tools, *more, **also
            ):
                yield event
            return
        session = await self._session()
        done: list[Any] = []
        async with self._asked(session, system_instructions, input, model_settings, tools, also) as call:
            offered = self._offered(call, tools)
            async for event in self.inner.stream_response(
                system_instructions, input, model_settings, offered, *more, **also
            ):
                if isinstance(event, ResponseTextDeltaEvent):
                    call.piece(event.delta)
                elif isinstance(event, ResponseOutputItemDoneEvent):
                    done.append(event.item)
                elif isinstance(event, ResponseCompletedEvent):
                    _used(call, event.response.usage)
                    await _wrote(session, call, event.response.output or done, event.response.id)
                yield event

    # ── what goes in ───────────────────────────────────────────────────────────────────────────────────────────────

    async def _session(self) -> Session:
        return await session_of("the model call", self.agent)

    def _asked(
        self,
        session: Session,
        system: str | None,
        given: Any,
        settings: Any,
        tools: Sequence[Any],
        also: Mapping[str, Any],
    ) -> ModelCall:
        _must_hide_nothing(settings)
        if system and system in protected_by(session).instructions:
            session.instructions_once(system)
        texts = [*([system] if system else []), *texts_of_input(given), *_elsewhere(also)]
        for text in texts:
            if text in _SDK_TEXTS and not session.knows(text):
                session.vouch(text)
        model, provider = _named(self.inner)
        hosted = [hosted_name(tool) for tool in tools if not _own(tool)]
        if also.get("prompt") is not None:
            hosted.append(STORED_PROMPT)
        return session.model_call(
            model, provider=provider, inputs=texts, tools=[tool.name for tool in tools if _own(tool)], hosted=hosted
        )

    def _offered(self, call: ModelCall, tools: Sequence[Any]) -> list[Any]:
        if STORED_PROMPT in call.stripped:
            raise UsageError(
                "a prompt that the provider keeps may bring tools that nobody here sees",
                hint=f'permit it (hosted = ["{STORED_PROMPT}"] of the model in the catalog), or give instructions',
            )
        return [tool for tool in tools if _own(tool) or hosted_name(tool) in call.hosted]


def hosted_name(tool: Any) -> str:
    """What the catalog calls a tool that the provider runs: `web_search`, `hosted_mcp:<label of the server>`."""
    if isinstance(tool, HostedMCPTool):
        return f"hosted_mcp:{tool.tool_config.get('server_label', '')}"
    return str(getattr(tool, "name", type(tool).__name__))


def _own(tool: object) -> bool:
    return isinstance(tool, FunctionTool | CustomTool)


def _must_hide_nothing(settings: Any) -> None:
    for extra in (getattr(settings, "extra_args", None), getattr(settings, "extra_body", None)):
        hidden = sorted(_DECIDED & extra.keys()) if isinstance(extra, Mapping) else ()
        if hidden:
            raise UsageError(
                f"the model settings bring {', '.join(hidden)} past the agent, where nobody decides on them",
                hint="say it to the agent or its run: Agent(tools=[...]), Agent(model=...), Runner.run(agent, input)",
            )


def _elsewhere(also: Mapping[str, Any]) -> list[str]:
    """What the model reads that only its provider has: nobody here knows what it says."""
    kept = {name: also.get(name) for name in ("previous_response_id", "conversation_id", "prompt")}
    return [_at_provider(name, value) for name, value in kept.items() if value is not None]


def _at_provider(name: str, value: object) -> str:
    return f"[kept by the provider] {name}: {json.dumps(value, sort_keys=True, default=str)}"


def _named(model: Any) -> tuple[str, str]:
    """(its name, whoever serves it): the SDK's own classes talk to any endpoint that speaks as OpenAI's does."""
    name = getattr(model, "model", None)
    client = getattr(model, "_client", None)
    host = str(getattr(getattr(client, "base_url", None), "host", "") or "")
    provider = "openai" if host == "api.openai.com" else host
    return (name if isinstance(name, str) and name else type(model).__name__), provider


# ── what comes out ───────────────────────────────────────────────────────────────────────────────────────────────────


async def _wrote(session: Session, call: ModelCall, items: Iterable[Any], response: str | None) -> None:
    for item in items:
        for text in texts_of_item(item):
            if is_hosted(item):
                # What a tool of the provider found is somebody else's text, and the model has read it.
                session.message("hosted", text)
            else:
                await call.aoutput(text, cut_off=getattr(item, "status", None) == "incomplete")
    if response:
        session.vouch(_at_provider("previous_response_id", response))


def _used(call: ModelCall, usage: Any) -> None:
    if usage is not None and usage.total_tokens:
        call.usage(input=usage.input_tokens, output=usage.output_tokens, total=usage.total_tokens)
