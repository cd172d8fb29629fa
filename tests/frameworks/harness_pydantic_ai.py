"""Pydantic AI in the conformance suite: its own Agent, FunctionModel and toolsets."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from typing import Any

from pydantic_ai import Agent as PydanticAgent
from pydantic_ai import DeferredToolRequests, DeferredToolResults, ModelRetry, RunContext, Tool
from pydantic_ai.capabilities import AbstractCapability, NativeTool
from pydantic_ai.messages import (
    ModelMessage,
    ModelMessagesTypeAdapter,
    ModelRequest,
    ModelResponse,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
)
from pydantic_ai.models.function import AgentInfo, DeltaToolCall, FunctionModel
from pydantic_ai.native_tools import WebSearchTool
from pydantic_ai.profiles import ModelProfile
from pydantic_ai.toolsets import FunctionToolset
from pydantic_ai.usage import RunUsage

from bailiwick.adapters.coverage import Coverage
from tests.frameworks.harness import Agent, Ask, Harness, Mode, NotSupported, Ran, Say, Step


class _Model:
    """A scripted model, and what it was given."""

    def __init__(self, agent: Agent, told: list[str]) -> None:
        self._script, self.told = list(agent.script), told
        self._told_of: set[str] = set()
        self.calls = 0
        self.offered: tuple[str, ...] = ()

    def made(self) -> FunctionModel:
        profile = ModelProfile(supported_native_tools=frozenset({WebSearchTool}))
        return FunctionModel(self.answer, stream_function=self.stream, model_name="scripted", profile=profile)

    def next(self, messages: list[ModelMessage], info: AgentInfo) -> Step:
        for message in messages:
            if isinstance(message, ModelRequest):
                for part in message.parts:
                    if isinstance(part, ToolReturnPart) and part.tool_call_id not in self._told_of:
                        self._told_of.add(part.tool_call_id)
                        self.told.append(part.model_response_str())
        self.calls += 1
        parameters = info.model_request_parameters
        self.offered = tuple(
            [tool.name for tool in info.function_tools] + [tool.kind for tool in parameters.native_tools]
        )
        return self._script.pop(0) if self._script else Say("done")

    async def answer(self, messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        step = self.next(messages, info)
        if isinstance(step, Say):
            return ModelResponse(parts=[TextPart(step.text)])
        text = [TextPart(step.text)] if step.text else []
        return ModelResponse(parts=[*text, *(ToolCallPart(name, dict(args)) for name, args in step.calls)])

    async def stream(self, messages: list[ModelMessage], info: AgentInfo) -> AsyncIterator[Any]:
        step = self.next(messages, info)
        if isinstance(step, Say):
            for word in step.text.split(" "):
                yield word + " " if word != step.text.split(" ")[-1] else word
            return
        for at, (name, args) in enumerate(step.calls):
            yield {at: DeltaToolCall(name=name, json_args=json.dumps(dict(args)), tool_call_id=f"c{self.calls}-{at}")}


class _Watch(AbstractCapability[Any]):
    """A second capability, which sees what capabilities get to see."""

    def __init__(self, seen: list[str]) -> None:
        self._seen = seen

    async def wrap_tool_execute(self, ctx: Any, *, call: Any, tool_def: Any, args: Any, handler: Any) -> Any:
        try:
            result = await handler(args)
        except Exception as error:
            self._seen.append(f"{error!r}")
            raise
        self._seen.append(str(result))
        return result

    async def after_tool_execute(self, ctx: Any, *, call: Any, tool_def: Any, args: Any, result: Any) -> Any:
        self._seen.append(str(result))
        return result


class _Rewrites(AbstractCapability[Any]):
    """A capability of the user's that changes arguments as late as one can."""

    def __init__(self, rewrite: Callable[[str, dict[str, Any]], dict[str, Any]]) -> None:
        self._rewrite = rewrite

    async def before_tool_execute(self, ctx: Any, *, call: Any, tool_def: Any, args: Any) -> Any:
        return self._rewrite(call.tool_name, args)


class PydanticAIHarness(Harness):
    """Agents of Pydantic AI."""

    name = "pydantic-ai"

    def _made(
        self,
        agent: Agent,
        models: list[_Model],
        told: list[str],
        *,
        tools: tuple[Any, ...] | None = None,
        beside: tuple[Any, ...] = (),
        suspends: bool = False,
    ) -> PydanticAgent[Any, Any]:
        if agent.hands_to:
            raise NotSupported("it has no hand-off: an agent calls another from a tool, or your code runs the next one")
        model = _Model(agent, told)
        models.append(model)
        own = [Tool(tool) for tool in agent.tools] if tools is None else list(tools)
        own += [self._as_tool(each, models, told) for each in agent.as_tools]
        guard = [self.guard.pydantic_ai(instructions=agent.instructions)] if agent.guarded else []
        hosted = [NativeTool(WebSearchTool()) for _ in agent.hosted]
        return PydanticAgent(
            model.made(),
            name=agent.name,
            tools=own,
            instructions=agent.instructions or None,
            capabilities=[*guard, *beside, *hosted],
            output_type=[str, DeferredToolRequests] if suspends else str,
        )

    def _as_tool(self, agent: Agent, models: list[_Model], told: list[str]) -> Tool[Any]:
        inner = self._made(agent, models, told)

        async def ask(input: str) -> str:  # noqa: A002  as scenarios call it
            """Ask another agent."""
            return str((await inner.run(input)).output)

        return Tool(ask, name=agent.name, takes_ctx=False)

    def run(self, agent: Agent, prompt: str, *, mode: Mode = Mode.SYNC, thread: str = "", observed: bool = True) -> Ran:
        return self._go(agent, prompt, mode=mode, thread=thread, observed=observed)

    def _go(
        self,
        agent: Agent,
        prompt: str | None,
        *,
        mode: Mode = Mode.SYNC,
        thread: str = "",
        observed: bool = True,
        results: DeferredToolResults | None = None,
        history: list[ModelMessage] | None = None,
        **made: Any,
    ) -> Ran:
        models: list[_Model] = []
        told: list[str] = []
        seen: list[str] = []
        outer = self._made(agent, models, told, beside=(*made.pop("beside", ()), _Watch(seen)), **made)
        kept = self.folder / f"{thread}.json"
        if history is None and thread and kept.exists():
            history = ModelMessagesTypeAdapter.validate_json(kept.read_bytes())
        if history:
            models[0]._told_of.update(
                part.tool_call_id
                for message in history
                if isinstance(message, ModelRequest)
                for part in message.parts
                if isinstance(part, ToolReturnPart)
            )
        more: dict[str, Any] = {
            "message_history": history,
            "deferred_tool_results": results,
            "conversation_id": thread or None,
        }
        try:
            if mode is Mode.SYNC:
                result: Any = self._in_loop_of_its_own(lambda: outer.run_sync(prompt, **more))
            elif mode is Mode.ASYNC:
                result = asyncio.run(outer.run(prompt, **more))
            else:
                result = asyncio.run(self._streamed(outer, prompt, seen, more))
        except Exception as error:
            return Ran(told=tuple(told), seen=tuple(seen), error=error, model_calls=sum(m.calls for m in models))
        if thread:
            kept.write_bytes(result.all_messages_json())
        suspended = isinstance(result.output, DeferredToolRequests)
        if observed:
            seen.append(result.all_messages_json().decode())
        return Ran(
            told=tuple(told),
            final="" if suspended else str(result.output),
            offered=models[0].offered,
            seen=tuple(seen),
            suspended=suspended,
            state=result.all_messages_json().decode() if suspended else "",
            model_calls=sum(model.calls for model in models),
        )

    def _in_loop_of_its_own(self, run: Callable[[], Any]) -> Any:
        """`run_sync` leaves its event loop open."""
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        try:
            return run()
        finally:
            loop.close()
            asyncio.set_event_loop(None)

    async def _streamed(self, outer: Any, prompt: str | None, seen: list[str], more: dict[str, Any]) -> Any:
        async with outer.run_stream_events(prompt, **more) as events:
            async for event in events:
                if hasattr(event, "result") and hasattr(event.result, "all_messages_json"):
                    return event.result
                seen.append(str(event))
        raise AssertionError("no result")

    def call_directly(self, agent: Agent, tool: str, args: Mapping[str, Any]) -> Any:
        toolset: FunctionToolset[Any] = FunctionToolset([Tool(each) for each in agent.tools])
        model = _Model(agent, [])
        ctx: RunContext[Any] = RunContext(deps=None, model=model.made(), usage=RunUsage())

        async def call() -> Any:
            tools = await toolset.get_tools(ctx)
            made = tools[tool].args_validator.validate_python(dict(args))
            return await toolset.call_tool(tool, made, ctx, tools[tool])

        return asyncio.run(call())

    def suspend(self, agent: Agent, prompt: str, *, thread: str) -> Ran:
        return self._go(agent, prompt, thread=thread, suspends=True)

    def resume(self, agent: Agent, state: str, *, thread: str, answer: object = True) -> Ran:
        history = ModelMessagesTypeAdapter.validate_json(state)
        last = history[-1]
        assert isinstance(last, ModelResponse)
        results = DeferredToolResults()
        for part in last.parts:
            if isinstance(part, ToolCallPart):
                results.approvals[part.tool_call_id] = bool(answer)
        return self._go(agent, None, thread=thread, suspends=True, results=results, history=history)

    def forge(self, state: str) -> str:
        # The framework keeps no approval in its messages: whoever resumes says what was approved, as `resume` does.
        return state

    def edit(self, state: str, tool: str, args: Mapping[str, Any]) -> str:
        history = ModelMessagesTypeAdapter.validate_json(state)
        last = history[-1]
        assert isinstance(last, ModelResponse)
        last.parts = [
            replace(part, args=json.dumps(dict(args)))
            if isinstance(part, ToolCallPart) and part.tool_name == tool
            else part
            for part in last.parts
        ]
        return ModelMessagesTypeAdapter.dump_json(history).decode()

    def with_retries(self, agent: Agent, prompt: str, tool: str) -> Ran:
        def retried(function: Callable[..., Any]) -> Callable[..., Any]:
            def run(*args: Any, **kwargs: Any) -> Any:
                try:
                    return function(*args, **kwargs)
                except ConnectionError as error:
                    raise ModelRetry(str(error)) from error

            run.__name__, run.__doc__ = function.__name__, function.__doc__
            run.__signature__ = inspect.signature(function, eval_str=True)  # type: ignore[attr-defined]
            run.__annotations__ = dict(inspect.get_annotations(function, eval_str=True))
            return run

        tools = tuple(Tool(retried(each), takes_ctx=False) for each in agent.tools)
        script = [agent.script[0], *agent.script] if isinstance(agent.script[0], Ask) else agent.script
        return self._go(replace(agent, script=tuple(script)), prompt, tools=tools)

    def with_other_hook(
        self, agent: Agent, prompt: str, rewrite: Callable[[str, dict[str, Any]], dict[str, Any]]
    ) -> Ran:
        return self._go(agent, prompt, beside=(_Rewrites(rewrite),))

    def renamed(self, agent: Agent, prompt: str, tool: str, name: str) -> Ran:
        tools = tuple(Tool(each, name=name if each.__name__ == tool else None) for each in agent.tools)
        return self._go(agent, prompt, tools=tools)

    def coverage(self, agent: Agent) -> Coverage:
        return self.guard.coverage(self._made(agent, [], []))


HARNESS = PydanticAIHarness
