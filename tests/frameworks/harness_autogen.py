"""AutoGen in the conformance suite: its own AssistantAgent, Swarm, AgentTool and memory."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.base import ChatAgent, TaskResult, Team
from autogen_agentchat.conditions import TextMessageTermination
from autogen_agentchat.messages import BaseChatMessage
from autogen_agentchat.teams import Swarm
from autogen_agentchat.tools import AgentTool
from autogen_core import CancellationToken, FunctionCall
from autogen_core.memory import ListMemory, MemoryContent, MemoryMimeType
from autogen_core.models import (
    ChatCompletionClient,
    CreateResult,
    FunctionExecutionResultMessage,
    LLMMessage,
    ModelFamily,
    ModelInfo,
    RequestUsage,
    SystemMessage,
)
from autogen_core.tools import FunctionTool, StaticWorkbench, ToolResult

from bailiwick.adapters.coverage import Coverage
from tests.frameworks.harness import Agent, Ask, Harness, Mode, NotSupported, Ran, Say

ROUNDS = 200


class Log:
    """What one run collects."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.told_of: set[str] = set()
        self.calls = 0
        self.seen: list[str] = []


class Scripted(ChatCompletionClient):
    """A scripted model, and what it was given."""

    component_type = "model"
    model = "scripted"

    def __init__(self, agent: Agent, log: Log) -> None:
        self._agent, self._log = agent, log
        self._script = list(agent.script)
        self._number = 0
        self.offered: tuple[str, ...] = ()
        self.read: list[LLMMessage] = []

    async def create(self, messages: Sequence[LLMMessage], *, tools: Sequence[Any] = (), **_: Any) -> CreateResult:
        self.read = list(messages)
        for message in messages:
            if isinstance(message, FunctionExecutionResultMessage):
                for result in message.content:
                    if result.call_id not in self._log.told_of:
                        self._log.told_of.add(result.call_id)
                        self._log.told.append(result.content)
        self._log.calls += 1
        self.offered = tuple(tool["name"] if isinstance(tool, dict) else tool.name for tool in tools)
        step = self._script.pop(0) if self._script else Say("done")
        return CreateResult(
            finish_reason="stop" if isinstance(step, Say) else "function_calls",
            content=step.text if isinstance(step, Say) else [self._call(name, args) for name, args in step.calls],
            usage=RequestUsage(prompt_tokens=9, completion_tokens=4),
            cached=False,
            thought=step.text or None if isinstance(step, Ask) else None,
        )

    def _call(self, name: str, args: Mapping[str, Any]) -> FunctionCall:
        self._number += 1
        if name in {each.name for each in self._agent.as_tools}:
            args = {"task": args["input"]}
        return FunctionCall(
            id=f"{self._agent.name}-{id(self._log)}-{self._number}", name=name, arguments=json.dumps(dict(args))
        )

    async def create_stream(
        self, messages: Sequence[LLMMessage], **more: Any
    ) -> AsyncGenerator[str | CreateResult, None]:
        result = await self.create(messages, **more)
        if isinstance(result.content, str):
            for word in result.content.split(" "):
                yield word + " "
        yield result

    async def close(self) -> None: ...

    def actual_usage(self) -> RequestUsage:
        return RequestUsage(prompt_tokens=0, completion_tokens=0)

    def total_usage(self) -> RequestUsage:
        return self.actual_usage()

    def count_tokens(self, messages: Sequence[LLMMessage], **_: Any) -> int:
        return len(messages)

    def remaining_tokens(self, messages: Sequence[LLMMessage], **_: Any) -> int:
        return 1000

    @property
    def capabilities(self) -> Any:
        return self.model_info

    @property
    def model_info(self) -> ModelInfo:
        return ModelInfo(
            vision=False, function_calling=True, json_output=True, family=ModelFamily.UNKNOWN, structured_output=True
        )


class Rewriting(StaticWorkbench):
    """A user's own workbench, which changes the arguments of what it runs."""

    def __init__(self, tools: list[Any], rewrite: Callable[[str, dict[str, Any]], dict[str, Any]]) -> None:
        super().__init__(tools)
        self._rewrite = rewrite

    async def call_tool(
        self, name: str, arguments: Mapping[str, Any] | None = None, *more: Any, **named: Any
    ) -> ToolResult:
        return await super().call_tool(name, self._rewrite(name, dict(arguments or {})), *more, **named)


@dataclass(slots=True, kw_only=True)
class AutoGenHarness(Harness):
    """Agents and teams of AutoGen."""

    name: str = "autogen"
    no_thread_id: str = "its agents and teams have no id that outlives a process: the session's own conversation counts"

    def run(self, agent: Agent, prompt: str, *, mode: Mode = Mode.SYNC, thread: str = "", observed: bool = True) -> Ran:
        return self._go(agent, prompt, mode=mode, thread=thread, observed=observed)

    def _go(
        self, agent: Agent, prompt: str, *, mode: Mode = Mode.SYNC, thread: str = "", observed: bool = True, **made: Any
    ) -> Ran:
        log = Log()
        clients: list[Scripted] = []
        whole = self._guarded(agent, log, clients, mode=mode, **made)
        kept = self.folder / f"{thread}.json"

        async def all_of_it() -> TaskResult:
            if thread and kept.exists():
                state = json.loads(kept.read_text())
                log.told_of.update(state["told_of"])
                await whole.load_state(state["agent"])
            result: TaskResult | None = None
            async for each in whole.run_stream(task=prompt):
                if isinstance(each, TaskResult):
                    result = each
                else:
                    log.seen.append(str(each))
            if thread:
                state = {"agent": await whole.save_state(), "told_of": sorted(log.told_of)}
                kept.write_text(json.dumps(state))
                log.seen.append(kept.read_text())
            assert result is not None
            return result

        final, error = "", None
        with _listening(log.seen):
            try:
                last = asyncio.run(all_of_it()).messages[-1]
                final = last.to_text() if isinstance(last, BaseChatMessage) else ""
            except Exception as raised:
                error = raised
        return Ran(
            told=tuple(log.told),
            final=final,
            offered=clients[0].offered,
            seen=tuple(log.seen) if observed else (),
            error=error,
            model_calls=log.calls,
        )

    def _guarded(self, agent: Agent, log: Log, clients: list[Scripted], *, mode: Mode, **made: Any) -> Any:
        whole = self._made(agent, log, clients, mode=mode, **made)
        names = {_name(each): each.name for each in (agent, *agent.hands_to)}
        instructions = tuple(filter(None, (each.instructions for each in (agent, *agent.as_tools, *agent.hands_to))))
        return self.guard.autogen(whole, instructions=instructions, agents=names)

    def _made(
        self, agent: Agent, log: Log, clients: list[Scripted], *, mode: Mode, top: bool = True, **made: Any
    ) -> ChatAgent | Team:
        if agent.hosted:
            raise NotSupported(
                "an agent offers tools of its own process alone; a client whose provider searches the web is refused"
            )
        client = Scripted(agent, log)
        clients.append(client)
        if "workbench" not in made:
            tools: list[Any] = made.pop("tools", list(agent.tools))
            inner = [self._made(each, log, clients, mode=mode, top=False) for each in agent.as_tools]
            made["tools"] = [*tools, *(AgentTool(each, return_value_as_last_message=True) for each in inner)]  # type: ignore[arg-type]
        own = AssistantAgent(
            _name(agent),
            client,
            system_message=agent.instructions or None,
            handoffs=[_name(each) for each in agent.hands_to] or None,
            model_client_stream=mode is Mode.STREAM,
            max_tool_iterations=ROUNDS,
            **made,
        )
        if not agent.hands_to or not top:
            return own
        others = [self._made(each, log, clients, mode=mode, top=False) for each in agent.hands_to]
        every = [own, *others]
        stop = TextMessageTermination(_name(agent))
        for each in others:
            stop = stop | TextMessageTermination(each.name)  # type: ignore[assignment]
        return Swarm(every, termination_condition=stop, max_turns=ROUNDS)  # type: ignore[arg-type]

    def call_directly(self, agent: Agent, tool: str, args: Mapping[str, Any]) -> Any:
        self._guarded(agent, Log(), [], mode=Mode.SYNC)
        (function,) = (each for each in agent.tools if each.__name__ == tool)
        return asyncio.run(FunctionTool(function, "").run_json(args, CancellationToken()))

    def with_other_hook(
        self, agent: Agent, prompt: str, rewrite: Callable[[str, dict[str, Any]], dict[str, Any]]
    ) -> Ran:
        own = Rewriting([FunctionTool(each, each.__doc__ or "") for each in agent.tools], rewrite)
        return self._go(agent, prompt, workbench=own)

    def renamed(self, agent: Agent, prompt: str, tool: str, name: str) -> Ran:
        tools = [
            FunctionTool(each, each.__doc__ or "", name=name if each.__name__ == tool else None) for each in agent.tools
        ]
        return self._go(agent, prompt, tools=tools)

    def retrieve(self, documents: Sequence[tuple[str, Mapping[str, Any]]], query: str) -> Sequence[str]:
        memory = ListMemory()
        clients: list[Scripted] = []
        agent = self._guarded(Agent(script=(Say("done"),)), Log(), clients, mode=Mode.ASYNC, memory=[memory])

        async def ask() -> None:
            for text, metadata in documents:
                await memory.add(MemoryContent(content=text, mime_type=MemoryMimeType.TEXT, metadata=dict(metadata)))
            await agent.run(task=query)

        asyncio.run(ask())
        shown = "\n".join(message.content for message in clients[0].read if isinstance(message, SystemMessage))
        return [text for text, _ in documents if text in shown]

    def coverage(self, agent: Agent) -> Coverage:
        return self.guard.coverage(self._guarded(agent, Log(), [], mode=Mode.SYNC))


def _name(agent: Agent) -> str:
    """AutoGen takes Python's identifiers alone."""
    return agent.name.replace("-", "_")


@contextmanager
def _listening(seen: list[str]) -> Iterator[None]:
    """AutoGen's logs, of which one has every call of a tool."""

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append(record.getMessage())

    keep = Keep()
    loggers = [logging.getLogger(name) for name in ("autogen_core", "autogen_agentchat")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.addHandler(keep)
        logger.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.removeHandler(keep)
            logger.setLevel(level)


HARNESS = AutoGenHarness
