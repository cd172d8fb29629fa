"""CrewAI for the conformance suite: crews with a scripted model that calls tools natively, or in texts."""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import typing
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

os.environ["CREWAI_DISABLE_TELEMETRY"] = "true"
os.environ["CREWAI_DISABLE_TRACKING"] = "true"
os.environ["CREWAI_TRACING_ENABLED"] = "false"
os.environ["OTEL_SDK_DISABLED"] = "true"

import crewai.agent
import crewai.events.types.llm_events as llm_events
import crewai.events.types.tool_usage_events as tool_events
from crewai import Crew, Process, Task
from crewai.events.event_bus import crewai_event_bus
from crewai.events.types.agent_events import AgentExecutionCompletedEvent
from crewai.events.types.crew_events import CrewKickoffCompletedEvent
from crewai.events.types.task_events import TaskCompletedEvent
from crewai.hooks import (
    clear_all_hooks,
    register_after_tool_call_hook,
    register_before_tool_call_hook,
)
from crewai.llms.base_llm import BaseLLM
from crewai.tools import tool as as_tool
from pydantic import PrivateAttr

from bailiwick.adapters.coverage import Coverage
from tests.frameworks.harness import Agent, Harness, Mode, NotSupported, Ran, Say, Step, ToolFn

__all__ = ["HARNESS", "CrewAIHarness", "ScriptedLLM"]

_EVENTS = (
    tool_events.ToolUsageStartedEvent,
    tool_events.ToolUsageFinishedEvent,
    tool_events.ToolUsageErrorEvent,
    tool_events.ToolFailureDetectedEvent,
    llm_events.LLMCallStartedEvent,
    llm_events.LLMCallCompletedEvent,
    llm_events.LLMStreamChunkEvent,
    AgentExecutionCompletedEvent,
    TaskCompletedEvent,
    CrewKickoffCompletedEvent,
)
_DELEGATE = "delegate_work_to_coworker"


class ScriptedLLM(BaseLLM):
    """Does one step of the script after the other, and notes what it reads and is offered."""

    native: bool = True
    coworkers: tuple[str, ...] = ()
    builtin_tools: list[str] | None = None
    """As CrewAI's client of OpenAI has them."""
    _script: tuple[Step, ...] = PrivateAttr(default=())
    calls: int = 0
    told: tuple[str, ...] = ()
    offered: tuple[str, ...] = ()

    def call(
        self,
        messages: Any,
        tools: Any = None,
        callbacks: Any = None,
        available_functions: Any = None,
        from_task: Any = None,
        from_agent: Any = None,
        response_model: Any = None,
    ) -> Any:
        self.offered = tuple(str(each.get("function", each).get("name") or each.get("type")) for each in tools or ())
        self.offered += tuple(self.builtin_tools or ())
        answers = [text for message in messages for text in _answers(message)]
        self.told += tuple(answers[len(self.told) :])
        step = self._script[self.calls] if self.calls < len(self._script) else Say("done")
        self.calls += 1
        if isinstance(step, Say):
            if self.stream:
                for at in range(0, len(step.text), 5):
                    self._emit_stream_chunk_event(step.text[at : at + 5], from_task=from_task, from_agent=from_agent)
            return step.text if self.native else f"Thought: I know it.\nFinal Answer: {step.text}"
        asked = [self._asked(name, dict(args)) for name, args in step.calls]
        if not self.native:
            name, args = asked[0]
            return f"Thought: I need it.\nAction: {name}\nAction Input: {json.dumps(args)}"
        return [
            {
                "id": f"call-{self.calls}-{at}",
                "type": "function",
                "function": {"name": name, "arguments": json.dumps(args)},
            }
            for at, (name, args) in enumerate(asked)
        ]

    async def acall(self, *args: Any, **kwargs: Any) -> Any:
        return self.call(*args, **kwargs)

    def supports_function_calling(self) -> bool:
        return self.native

    def supports_stop_words(self) -> bool:
        return False

    def get_context_window_size(self) -> int:
        return 100_000

    def _asked(self, name: str, args: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        """A call of another agent is work for a coworker."""
        if name not in self.coworkers:
            return name, args
        return _DELEGATE, {"coworker": name, "task": str(args.get("input", "")), "context": "That is all."}


def _answers(message: Mapping[str, Any]) -> Iterator[str]:
    content = str(message.get("content") or "")
    if message.get("role") == "tool":
        yield content
    elif message.get("role") == "assistant" and "\nObservation:" in content:
        yield content.partition("\nObservation:")[2].strip()


@dataclass(slots=True, kw_only=True)
class CrewAIHarness(Harness):
    """One framework."""

    name: str = "crewai"
    models: list[ScriptedLLM] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)

    def run(self, agent: Agent, prompt: str, *, mode: Mode = Mode.SYNC, thread: str = "", observed: bool = True) -> Ran:
        if thread:
            raise NotSupported("a crew keeps no conversation under an id: the session's `conversation=` names it")
        return self._ran(self.built(agent, stream=mode is Mode.STREAM), prompt, mode=mode)

    def call_directly(self, agent: Agent, tool: str, args: Mapping[str, Any]) -> Any:
        held = next(each for each in self.built(agent).agents[0].tools or () if each.name == tool)
        return held.run(**args)

    def with_retries(self, agent: Agent, prompt: str, tool: str) -> Ran:
        return self._ran(self.built(agent, native=False), prompt)

    def with_other_hook(
        self, agent: Agent, prompt: str, rewrite: Callable[[str, dict[str, Any]], dict[str, Any]]
    ) -> Ran:
        def before(context: Any) -> None:
            context.tool_input.update(rewrite(context.tool_name, dict(context.tool_input)))

        built = self.built(agent)
        register_before_tool_call_hook(before)
        try:
            return self._ran(built, prompt)
        finally:
            clear_all_hooks()

    def renamed(self, agent: Agent, prompt: str, tool: str, name: str) -> Ran:
        built = self.built(agent)
        next(each for each in built.agents[0].tools or () if each.name == tool).name = name
        return self._ran(built, prompt)

    def coverage(self, agent: Agent) -> Coverage:
        from bailiwick.adapters.crewai import covered

        catalog = self.guard._engine.core.planes.catalog

        def entry(name: str) -> str:
            found = catalog.find(name)
            return found.name if found is not None else ""

        return Coverage(framework=self.name, tools=covered(self.built(agent), catalog=entry))

    def built(self, agent: Agent, *, stream: bool = False, native: bool = True) -> Crew:
        if agent.hands_to:
            raise NotSupported("it has no handoffs: an agent delegates work, and goes on itself")
        agents: list[Any] = [self._made(each, stream=stream, native=native) for each in (agent, *agent.as_tools)]
        task = Task(description="Somebody asks: {request}", expected_output="An answer.", agent=agents[0])
        crew = Crew(agents=agents, tasks=[task], process=Process.sequential, stream=stream, verbose=False)
        if all(each.guarded for each in agent.as_tools):
            return self.guard.crewai(crew)
        self.guard.crewai(agents[0])
        return crew

    def _made(self, agent: Agent, *, stream: bool, native: bool) -> crewai.agent.Agent:
        if any(each.as_tools for each in agent.as_tools):
            raise NotSupported("coworkers are those of one crew: they have none below them")
        model = ScriptedLLM(
            model=f"scripted-{agent.name}",
            native=native,
            stream=stream,
            coworkers=tuple(each.name for each in agent.as_tools),
            builtin_tools=[each.kind for each in agent.hosted] or None,
        )
        model._script = tuple(agent.script)
        self.models.append(model)
        return crewai.agent.Agent(
            role=agent.name,
            goal="See to what is asked.",
            backstory=agent.instructions or "You work at the desk.",
            tools=[as_tool(each.__name__)(_resolved(each)) for each in agent.tools],
            llm=model,
            allow_delegation=bool(agent.as_tools),
            step_callback=lambda step: self.seen.append(repr(step)),
            max_iter=8,
            max_retry_limit=0,
        )

    def _ran(self, built: Crew, prompt: str, *, mode: Mode = Mode.SYNC) -> Ran:
        final, error = "", None
        with self._listening():
            try:
                final = self._kicked_off(built, {"request": prompt}, mode)
            except Exception as raised:
                error = raised
            crewai_event_bus.flush()
        outer, *nested = self.models[-len(built.agents) :]
        return Ran(
            told=tuple(text for model in (*nested, outer) for text in model.told),
            final=final,
            offered=outer.offered,
            seen=tuple(self.seen),
            error=error,
            model_calls=sum(model.calls for model in (outer, *nested)),
        )

    def _kicked_off(self, built: Crew, inputs: dict[str, Any], mode: Mode) -> str:
        if mode is Mode.ASYNC:
            return str(asyncio.run(_awaited(built.akickoff(inputs=inputs))))
        came: Any = built.kickoff(inputs=inputs)
        if mode is Mode.STREAM:
            for piece in came:
                self.seen.append(str(getattr(piece, "content", piece)))
            return str(came.result)
        return str(came)

    @contextmanager
    def _listening(self) -> Iterator[None]:
        def after(context: Any) -> None:
            self.seen.append(f"{context.tool_result} {getattr(context, 'raw_tool_result', '')}")

        register_after_tool_call_hook(after)
        with crewai_event_bus.scoped_handlers():
            for kind in _EVENTS:
                crewai_event_bus.on(kind)(lambda source, event: self.seen.append(repr(event)))
            try:
                yield
            finally:
                clear_all_hooks()


async def _awaited(what: Any) -> Any:
    return await what if inspect.isawaitable(what) else what


HARNESS = CrewAIHarness


def _resolved(function: ToolFn) -> ToolFn:
    """CrewAI makes a schema of annotations as they stand, and cannot resolve those that are written as texts."""
    function.__annotations__ = typing.get_type_hints(function, include_extras=True)
    return function
