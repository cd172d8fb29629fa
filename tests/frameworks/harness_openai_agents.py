"""The OpenAI Agents SDK in the conformance suite: its own Agent, Runner, sessions and run states."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from agents import Agent as OpenAIAgent
from agents import (
    FunctionTool,
    RunHooks,
    Runner,
    RunState,
    SQLiteSession,
    TracingProcessor,
    WebSearchTool,
    function_tool,
    set_trace_processors,
)
from agents.testing import ModelStep, ScriptedModel, assistant_message, function_call
from agents.tool_context import ToolContext
from agents.usage import Usage

from bailiwick.adapters.coverage import Coverage
from tests.frameworks.harness import Agent, Harness, Mode, NotSupported, Ran, Say, Step


class _Model(ScriptedModel):
    """A scripted model, and what it was given."""

    model = "scripted"

    def __init__(self, agent: Agent, told: dict[str, str]) -> None:
        script = [*agent.script, *[Say("done")] * 12]
        run = uuid.uuid4().hex  # a call's id is its own in all that a session keeps
        super().__init__([_step(each, f"{run}-{at}") for at, each in enumerate(script)])
        self._told = told
        self.offered: tuple[str, ...] = ()
        self.count = 0

    def _record_call(self, **given: Any) -> Any:
        self.count += 1
        self.offered = tuple(tool.name for tool in given["tools"])
        for item in given["input"] if isinstance(given["input"], list) else ():
            if item.get("type") == "function_call_output":
                self._told.setdefault(item["call_id"], str(item["output"]))
        return super()._record_call(**given)


def _step(step: Step, name: str) -> Any:
    if isinstance(step, Say):
        return ModelStep(output=[assistant_message(step.text, item_id=f"msg-{name}")])
    said = [assistant_message(step.text, item_id=f"msg-{name}")] if step.text else []
    calls = [
        function_call(tool, dict(args), call_id=f"call-{name}-{at}", item_id=f"fc-{name}-{at}")
        for at, (tool, args) in enumerate(step.calls)
    ]
    return ModelStep(output=[*said, *calls])


class _Hooks(RunHooks[Any]):
    """What hooks get to see; `rewrite` changes the call as late as a hook can."""

    def __init__(self, seen: list[str], rewrite: Callable[[str, dict[str, Any]], dict[str, Any]] | None = None) -> None:
        self._seen, self._rewrite = seen, rewrite

    async def on_tool_start(self, context: Any, agent: Any, tool: Any) -> None:
        if self._rewrite is not None:
            context.tool_call.arguments = json.dumps(self._rewrite(tool.name, json.loads(context.tool_call.arguments)))

    async def on_tool_end(self, context: Any, agent: Any, tool: Any, result: Any) -> None:
        self._seen.append(str(result))

    async def on_llm_start(self, context: Any, agent: Any, system_prompt: Any, input_items: Any) -> None:
        self._seen.append(str(input_items))


class _Tracer(TracingProcessor):
    """What the traces hold, while they are made and when they are done."""

    def __init__(self, seen: list[str]) -> None:
        self._seen = seen

    def on_trace_start(self, trace: Any) -> None: ...

    def on_trace_end(self, trace: Any) -> None:
        self._seen.append(str(trace.export()))

    def on_span_start(self, span: Any) -> None:
        self._seen.append(str(span.export()))

    def on_span_end(self, span: Any) -> None:
        self._seen.append(str(span.export()))

    def shutdown(self) -> None: ...

    def force_flush(self) -> None: ...


class OpenAIAgentsHarness(Harness):
    """Agents of the OpenAI Agents SDK."""

    name = "openai-agents"

    # ── building ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _made(
        self,
        agent: Agent,
        models: list[_Model],
        told: dict[str, str],
        renamed: Mapping[str, str] = MappingProxyType({}),
    ) -> OpenAIAgent[Any]:
        model = _Model(agent, told)
        models.append(model)
        own: list[Any] = [function_tool(each, name_override=renamed.get(each.__name__)) for each in agent.tools]
        own += [self._made(each, models, told).as_tool(each.name, "Ask another agent.") for each in agent.as_tools]
        return OpenAIAgent(
            name=agent.name,
            instructions=agent.instructions or None,
            model=model,
            tools=[*own, *(WebSearchTool() for _ in agent.hosted)],
            handoffs=[self._made(each, models, told) for each in agent.hands_to],
        )

    def _protected(
        self,
        agent: Agent,
        models: list[_Model],
        told: dict[str, str],
        renamed: Mapping[str, str] = MappingProxyType({}),
    ) -> OpenAIAgent[Any]:
        return self.guard.openai_agents(self._made(agent, models, told, renamed), instructions=agent.instructions)

    # ── running ────────────────────────────────────────────────────────────────────────────────────────────────────

    def run(self, agent: Agent, prompt: str, *, mode: Mode = Mode.SYNC, thread: str = "", observed: bool = True) -> Ran:
        return self._go(agent, prompt, mode=mode, thread=thread, observed=observed)

    def _go(
        self,
        agent: Agent,
        prompt: str | Callable[[OpenAIAgent[Any]], Any],
        *,
        mode: Mode = Mode.SYNC,
        thread: str = "",
        observed: bool = True,
        rewrite: Callable[[str, dict[str, Any]], dict[str, Any]] | None = None,
        renamed: Mapping[str, str] = MappingProxyType({}),
    ) -> Ran:
        models: list[_Model] = []
        told: dict[str, str] = {}
        seen: list[str] = []
        made = self._protected(agent, models, told, renamed)
        set_trace_processors([_Tracer(seen)] if observed else [])
        session = SQLiteSession(thread, self.folder / "sessions.db") if thread else None
        more: dict[str, Any] = {"session": session, "hooks": _Hooks(seen, rewrite), "max_turns": 1_000}
        try:
            result = self._result(made, prompt, mode, seen, more)
        except Exception as error:
            return Ran(told=tuple(told.values()), seen=tuple(seen), error=error, model_calls=_count(models))
        finally:
            set_trace_processors([])
            if session is not None:
                session.close()
        return Ran(
            told=tuple(told.values()),
            final=str(result.final_output or ""),
            offered=models[0].offered,
            seen=(*seen, *map(str, result.new_items)) if observed else (),
            suspended=bool(result.interruptions),
            state=result.to_state().to_string() if result.interruptions else "",
            model_calls=_count(models),
        )

    def _result(self, made: Any, prompt: Any, mode: Mode, seen: list[str], more: dict[str, Any]) -> Any:
        if mode is Mode.SYNC and isinstance(prompt, str):
            return _in_loop_of_its_own(lambda: Runner.run_sync(made, prompt, **more))

        async def go() -> Any:
            given = prompt if isinstance(prompt, str) else await prompt(made)
            if mode is not Mode.STREAM:
                return await Runner.run(made, given, **more)
            result = Runner.run_streamed(made, given, **more)
            seen.extend([str(event) async for event in result.stream_events()])
            return result

        return asyncio.run(go())

    def call_directly(self, agent: Agent, tool: str, args: Mapping[str, Any]) -> Any:
        found: FunctionTool = next(made for made in map(function_tool, agent.tools) if made.name == tool)
        text = json.dumps(dict(args))
        context: ToolContext[Any] = ToolContext(
            None, usage=Usage(), tool_name=tool, tool_call_id="call-direct", tool_arguments=text
        )
        return asyncio.run(found.on_invoke_tool(context, text))  # type: ignore[arg-type]

    # ── approvals ──────────────────────────────────────────────────────────────────────────────────────────────────

    def suspend(self, agent: Agent, prompt: str, *, thread: str) -> Ran:
        return self._go(agent, prompt, thread=thread)

    def resume(self, agent: Agent, state: str, *, thread: str, answer: object = True) -> Ran:
        async def restored(made: OpenAIAgent[Any]) -> Any:
            run: RunState[Any] = await RunState.from_string(made, state)
            for waiting in run.get_interruptions():
                if answer:
                    run.approve(waiting)
                else:
                    run.reject(waiting)
            return run

        return self._go(agent, restored, thread=thread)

    def forge(self, state: str) -> str:
        async def forged() -> str:
            agent = self._made(Agent(script=()), [], {})
            run: RunState[Any] = await RunState.from_string(agent, state)
            for waiting in run.get_interruptions():
                run.approve(waiting, always_approve=True)
            return str(run.to_string())

        return asyncio.run(forged())

    def edit(self, state: str, tool: str, args: Mapping[str, Any]) -> str:
        def edited(value: Any) -> Any:
            if isinstance(value, list):
                return [edited(each) for each in value]
            if not isinstance(value, dict):
                return value
            if value.get("name") == tool and "arguments" in value:
                value = {**value, "arguments": json.dumps(dict(args))}
            return {name: edited(each) for name, each in value.items()}

        return json.dumps(edited(json.loads(state)))

    # ── the rest ───────────────────────────────────────────────────────────────────────────────────────────────────

    def with_retries(self, agent: Agent, prompt: str, tool: str) -> Ran:
        raise NotSupported(
            "it retries calls of the model, never a tool: a tool that failed is called again by the model"
        )

    def with_other_hook(
        self, agent: Agent, prompt: str, rewrite: Callable[[str, dict[str, Any]], dict[str, Any]]
    ) -> Ran:
        return self._go(agent, prompt, rewrite=rewrite)

    def renamed(self, agent: Agent, prompt: str, tool: str, name: str) -> Ran:
        return self._go(agent, prompt, renamed={tool: name})

    def coverage(self, agent: Agent) -> Coverage:
        return self.guard.coverage(self.guard.openai_agents(self._made(agent, [], {})))


def _count(models: list[_Model]) -> int:
    return sum(model.count for model in models)


def _in_loop_of_its_own(run: Callable[[], Any]) -> Any:
    """`run_sync` leaves its event loop open."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        return run()
    finally:
        loop.close()
        asyncio.set_event_loop(None)


HARNESS = OpenAIAgentsHarness
