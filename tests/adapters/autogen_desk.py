"""Hands for the tests of AutoGen: a scripted model, tools that write down their runs, and a way to run them that shows
when AutoGen waits for ever."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.base import TaskResult
from autogen_agentchat.messages import ToolCallExecutionEvent
from autogen_core import FunctionCall
from autogen_core.models import (
    ChatCompletionClient,
    CreateResult,
    LLMMessage,
    ModelFamily,
    ModelInfo,
    RequestUsage,
)

from bailiwick import Guard, Session
from tests.worlds import AGENT, make_world

__all__ = ["Shop", "World", "asks", "client", "made", "results", "soon"]

T = TypeVar("T")
Step = str | Sequence[FunctionCall]


class Scripted(ChatCompletionClient):
    """Answers with its script, step by step, and with "done" when it is through. Notes what it was given."""

    component_type = "model"

    def __init__(self, script: Sequence[Step], model: str = "a-model") -> None:
        self.script = list(script)
        self.model = model
        self.read: list[Sequence[LLMMessage]] = []
        self.offered: list[list[str]] = []

    async def create(self, messages: Sequence[LLMMessage], *, tools: Sequence[Any] = (), **_: Any) -> CreateResult:
        self.read.append(list(messages))
        self.offered.append([tool["name"] if isinstance(tool, dict) else tool.name for tool in tools])
        step = self.script.pop(0) if self.script else "done"
        return CreateResult(
            finish_reason="stop" if isinstance(step, str) else "function_calls",
            content=step if isinstance(step, str) else list(step),
            usage=RequestUsage(prompt_tokens=7, completion_tokens=3),
            cached=False,
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
            vision=False,
            function_calling=True,
            json_output=True,
            family=ModelFamily.UNKNOWN,
            structured_output=True,
            multiple_system_messages=True,
        )


def client(*script: Step) -> Scripted:
    return Scripted(script)


_numbers = iter(range(1, 1_000_000))


def asks(name: str, **args: Any) -> FunctionCall:
    return FunctionCall(id=f"call_{next(_numbers)}", name=name, arguments=json.dumps(args))


class Shop:
    """Tools: what ran, with which arguments, and what each answers."""

    def __init__(self) -> None:
        self.ran: list[tuple[str, dict[str, Any]]] = []
        self.answers: dict[str, Any] = {}

    def note(self, name: str, **args: Any) -> Any:
        self.ran.append((name, args))
        answer = self.answers.get(name, f"{name} done")
        if isinstance(answer, Exception):
            raise answer
        return answer

    def tools(self) -> list[Any]:
        async def read_page(id: str, limit: int = 7) -> str:  # noqa: A002
            """Read a page."""
            return str(self.note("read_page", id=id, limit=limit))

        def read_fact(id: str) -> Any:  # noqa: A002
            """Read a fact."""
            return self.note("read_fact", id=id)

        async def send_mail(to: list[str], subject: str, body: str) -> str:
            """Send a mail."""
            return str(self.note("send_mail", to=to, subject=subject, body=body))

        async def put_none(id: str) -> str:  # noqa: A002
            """Put something, once."""
            return str(self.note("put_none", id=id))

        async def put_safe(id: str) -> str:  # noqa: A002
            """Put something."""
            return str(self.note("put_safe", id=id))

        async def wipe() -> str:
            """Wipe everything."""
            return str(self.note("wipe"))

        return [read_page, read_fact, send_mail, put_none, put_safe, wipe]


class World:
    """A guard, and the shop that its agents work in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.guard = Guard.open(folder)
        self.shop = Shop()

    def agent(
        self, *script: Step, name: str = "desk", tools: Sequence[Any] | None = None, **more: Any
    ) -> AssistantAgent:
        more.setdefault("max_tool_iterations", 20)
        return AssistantAgent(
            name,
            Scripted(script),
            tools=list(self.shop.tools() if tools is None else tools) if "workbench" not in more else None,
            **more,
        )

    def session(self, conversation: str | None = None) -> Session:
        return self.guard.session(user="alice", agent=AGENT, task="Work", conversation=conversation)


@contextmanager
def made(folder: Path, more: Mapping[str, str] = MappingProxyType({})) -> Iterator[World]:
    """A world; `more` are further files of its project."""
    make_world(folder)
    for path, text in more.items():
        (folder / path).write_text(text, encoding="utf-8")
    world = World(folder)
    try:
        yield world
    finally:
        world.guard.close()


def soon(waiting: Awaitable[T]) -> T:
    """Run it; fails if it waits for ever."""

    async def within() -> T:
        return await asyncio.wait_for(waiting, 20)

    return asyncio.run(within())


def results(done: TaskResult) -> list[Any]:
    """The results of tools in a run, in order."""
    events = [message for message in done.messages if isinstance(message, ToolCallExecutionEvent)]
    return [result for event in events for result in event.content]


def told(done: TaskResult) -> Mapping[str, str]:
    return {result.name: result.content for result in results(done)}
