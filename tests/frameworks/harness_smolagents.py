"""smolagents for the conformance suite: ToolCallingAgents with a scripted model."""

from __future__ import annotations

import inspect
import io
import json
import pickle
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from smolagents import AgentLogger, LogLevel, Tool, ToolCallingAgent
from smolagents.agents import ToolOutput
from smolagents.models import (
    ChatMessage,
    ChatMessageStreamDelta,
    ChatMessageToolCall,
    ChatMessageToolCallFunction,
    ChatMessageToolCallStreamDelta,
    MessageRole,
    Model,
    TokenUsage,
)

from bailiwick.adapters.coverage import Coverage
from tests.frameworks.harness import Agent, Ask, Harness, Mode, NotSupported, Ran, Say, Step, ToolFn

__all__ = ["HARNESS", "ScriptedModel", "SmolagentsHarness", "as_tool"]


class ScriptedModel(Model):  # type: ignore[misc]  # smolagents has no types
    """Does one step of the script after the other, and notes what it reads and is offered."""

    def __init__(self, name: str, script: tuple[Step, ...]) -> None:
        super().__init__(model_id=f"scripted-{name}")
        self.script, self.calls = script, 0
        self.told: list[str] = []
        self.offered: tuple[str, ...] = ()

    def generate(
        self,
        messages: list[ChatMessage],
        stop_sequences: list[str] | None = None,
        response_format: dict[str, str] | None = None,
        tools_to_call_from: list[Tool] | None = None,
        **kwargs: Any,
    ) -> ChatMessage:
        self._reads(messages, tools_to_call_from)
        said = self._next()
        return ChatMessage(
            role=MessageRole.ASSISTANT,
            content=said.text,
            tool_calls=_calls(said, self.calls),
            token_usage=TokenUsage(input_tokens=10, output_tokens=5),
        )

    def generate_stream(
        self,
        messages: list[ChatMessage],
        stop_sequences: list[str] | None = None,
        response_format: dict[str, str] | None = None,
        tools_to_call_from: list[Tool] | None = None,
        **kwargs: Any,
    ) -> Any:
        self._reads(messages, tools_to_call_from)
        said = self._next()
        for at in range(0, len(said.text), 5):
            yield ChatMessageStreamDelta(content=said.text[at : at + 5])
        for index, call in enumerate(_calls(said, self.calls)):
            yield ChatMessageStreamDelta(
                tool_calls=[
                    ChatMessageToolCallStreamDelta(
                        index=index,
                        id=call.id,
                        type="function",
                        function=ChatMessageToolCallFunction(
                            name=call.function.name, arguments=json.dumps(call.function.arguments)
                        ),
                    )
                ]
            )

    def _reads(self, messages: list[ChatMessage], tools: list[Tool] | None) -> None:
        self.offered = tuple(tool.name for tool in tools or ())
        answers = [
            str(block["text"])
            for message in messages
            if message.role == MessageRole.TOOL_RESPONSE
            for block in message.content or ()
            if isinstance(block, dict)
        ]
        self.told.extend(answers[len(self.told) :])

    def _next(self) -> Step:
        step = self.script[self.calls] if self.calls < len(self.script) else Say("done")
        self.calls += 1
        return step


def _calls(step: Step, number: int) -> list[ChatMessageToolCall]:
    """A run of smolagents ends by a call of `final_answer`, never by a text."""
    asked = step.calls if isinstance(step, Ask) else (("final_answer", {"answer": step.text}),)
    return [
        ChatMessageToolCall(
            id=f"call-{number}-{at}",
            type="function",
            function=ChatMessageToolCallFunction(name=name, arguments=dict(args)),
        )
        for at, (name, args) in enumerate(asked)
    ]


_TYPES = {"str": "string", "int": "integer", "float": "number", "bool": "boolean"}


def as_tool(function: ToolFn, name: str = "") -> Tool:
    """A function as a Tool. (`smolagents.tool` wants a docstring that names every argument.)"""
    if inspect.iscoroutinefunction(function):
        raise NotSupported("it is synchronous: a coroutine function can be no tool")
    signature = inspect.signature(function, eval_str=True)
    inputs: dict[str, dict[str, Any]] = {}
    for parameter in signature.parameters.values():
        kind = getattr(parameter.annotation, "__name__", "str")
        inputs[parameter.name] = {"type": _TYPES.get(kind, "any"), "description": parameter.name}
        if parameter.default is not parameter.empty:
            inputs[parameter.name]["nullable"] = True
    body = {
        "name": name or function.__name__,
        "description": inspect.getdoc(function) or function.__name__,
        "inputs": inputs,
        "output_type": "any",
        "skip_forward_signature_validation": True,
        "forward": staticmethod(function),
    }
    return type("FunctionTool", (Tool,), body)()


@dataclass(slots=True, kw_only=True)
class SmolagentsHarness(Harness):
    """smolagents is synchronous: every run is, and a coroutine function can be no tool."""

    name: str = "smolagents"
    no_thread_id: str = "a run has no id: an agent remembers its steps, and the application keeps them or not"
    models: list[ScriptedModel] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    console: io.StringIO = field(default_factory=io.StringIO)

    def run(self, agent: Agent, prompt: str, *, mode: Mode = Mode.SYNC, thread: str = "", observed: bool = True) -> Ran:
        built = self.built(agent, stream=mode is Mode.STREAM)
        kept = self.folder / f"{thread}.pickle"
        if thread and kept.exists():
            built.memory.steps = pickle.loads(kept.read_bytes())
        ran = self._ran(built, prompt, stream=mode is Mode.STREAM, reset=not thread)
        if thread:
            kept.write_bytes(pickle.dumps(built.memory.steps))
        return ran

    def call_directly(self, agent: Agent, tool: str, args: Mapping[str, Any]) -> Any:
        return self.built(agent).tools[tool](**args)

    def renamed(self, agent: Agent, prompt: str, tool: str, name: str) -> Ran:
        built = self.built(agent)
        held = built.tools.pop(tool)
        held.name = name
        built.tools[name] = held
        return self._ran(built, prompt)

    def coverage(self, agent: Agent) -> Coverage:
        from bailiwick.adapters.smolagents import covered

        catalog = self.guard._engine.core.planes.catalog

        def entry(name: str) -> str:
            found = catalog.find(name)
            return found.name if found is not None else ""

        return Coverage(framework=self.name, tools=covered(self.built(agent), catalog=entry))

    def built(self, agent: Agent, *, stream: bool = False) -> Any:
        made = self._made(agent, stream=stream)
        every = _every(made)
        known = self.guard._engine.core.planes.directory.agents
        named = {_named(each.name): each.name for each in _scripted(agent) if each.name in known}
        return self.guard.smolagents(made, instructions=tuple(each.system_prompt for each in every), agents=named)

    def _made(self, agent: Agent, *, stream: bool = False) -> ToolCallingAgent:
        if agent.hands_to:
            raise NotSupported("it has no handoffs: an agent calls others as tools and goes on itself")
        if agent.hosted:
            raise NotSupported("it offers models no tools of their providers")
        model = ScriptedModel(agent.name, tuple(_as_tasks(step, agent) for step in agent.script))
        self.models.append(model)
        return ToolCallingAgent(
            tools=[as_tool(each) for each in agent.tools],
            model=model,
            name=_named(agent.name),
            description=f"The agent {agent.name}",
            instructions=agent.instructions or None,
            managed_agents=[self._made(each) for each in agent.as_tools],
            stream_outputs=stream,
            step_callbacks=[lambda step, agent=None: self.seen.append(json.dumps(step.dict(), default=str))],
            logger=AgentLogger(level=LogLevel.DEBUG, console=Console(file=self.console, width=400)),
            max_steps=8,
        )

    def _ran(self, built: ToolCallingAgent, prompt: str, *, stream: bool = False, reset: bool = True) -> Ran:
        final, error = "", None
        try:
            if stream:
                for step in built.run(prompt, stream=True, reset=reset):
                    self.seen.append(step.observation if isinstance(step, ToolOutput) else str(step))
                    final = str(getattr(step, "output", final))
            else:
                final = str(built.run(prompt, reset=reset))
        except Exception as raised:
            error = raised
        self.seen.append(self.console.getvalue())
        outer, *nested = sorted(self.models, key=lambda model: model.model_id != f"scripted-{_plain(built.name)}")
        return Ran(
            told=tuple(text for model in (*nested, outer) for text in model.told),
            final=final,
            offered=outer.offered,
            seen=tuple(self.seen),
            error=error,
            model_calls=sum(model.calls for model in self.models),
        )


def _as_tasks(step: Step, agent: Agent) -> Step:
    """What an agent is called with is a `task` here."""
    if isinstance(step, Say):
        return step
    below = {each.name for each in agent.as_tools}
    return Ask(
        tuple(
            (_named(name), {"task": "\n".join(args.values())}) if name in below else (name, args)
            for name, args in step.calls
        ),
        step.text,
    )


def _named(name: str) -> str:
    """Names of agents are Python identifiers."""
    return name.replace("-", "_")


def _plain(name: str | None) -> str:
    return (name or "").replace("_", "-")


def _scripted(agent: Agent) -> list[Agent]:
    return [agent, *(below for each in agent.as_tools for below in _scripted(each))]


def _every(agent: Any) -> list[Any]:
    return [agent, *(below for each in agent.managed_agents.values() for below in _every(each))]


HARNESS = SmolagentsHarness
