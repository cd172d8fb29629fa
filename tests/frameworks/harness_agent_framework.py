"""Microsoft Agent Framework in the conformance suite: its own Agent, function loop and sessions."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from agent_framework import Agent as FrameworkAgent
from agent_framework import (
    AgentSession,
    BaseChatClient,
    ChatMiddlewareLayer,
    ChatResponse,
    ChatResponseUpdate,
    Content,
    FunctionInvocationContext,
    FunctionInvocationLayer,
    FunctionMiddleware,
    FunctionTool,
    Message,
    ResponseStream,
)

from bailiwick.adapters.coverage import Coverage
from tests.frameworks.harness import Agent, Harness, Mode, NotSupported, Ran, Say


class Log:
    """What one run collects."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.told_of: set[str] = set()
        self.calls = 0
        self.seen: list[str] = []


class Scripted(FunctionInvocationLayer[Any], ChatMiddlewareLayer[Any], BaseChatClient[Any]):
    """A scripted model, and what it was given."""

    def __init__(self, agent: Agent, log: Log) -> None:
        super().__init__()
        self.model = "scripted"
        self._agent, self._log = agent, log
        self._script = list(agent.script)
        self._number = 0
        self.offered: tuple[str, ...] = ()

    def _contents(self, messages: Any, options: Mapping[str, Any]) -> list[Content]:
        for message in messages:
            for content in message.contents:
                if content.type == "function_result" and content.call_id not in self._log.told_of:
                    self._log.told_of.add(content.call_id)
                    self._log.told.append(str(content.result))
        self._log.calls += 1
        self.offered = tuple(
            tool.name if isinstance(tool, FunctionTool) else str(tool["type"]) for tool in options.get("tools") or ()
        )
        step = self._script.pop(0) if self._script else Say("done")
        if isinstance(step, Say):
            return [Content.from_text(step.text)]
        text = [Content.from_text(step.text)] if step.text else []
        return [*text, *(self._call(name, args) for name, args in step.calls)]

    def _call(self, name: str, args: Mapping[str, Any]) -> Content:
        self._number += 1
        if name in {each.name for each in self._agent.as_tools}:
            args = {"task": args["input"]}
        call_id = f"{self._agent.name}-{id(self._log)}-{self._number}"
        return Content.from_function_call(call_id=call_id, name=name, arguments=json.dumps(dict(args)))

    def _inner_get_response(self, *, messages: Any, stream: bool, options: Any, **_: Any) -> Any:
        if not stream:

            async def answer() -> ChatResponse[Any]:
                return ChatResponse(messages=[Message("assistant", self._contents(messages, options))])

            return answer()

        async def pieces() -> AsyncIterable[ChatResponseUpdate]:
            for content in self._contents(messages, options):
                words = [content]
                if content.type == "text":
                    *first, last = (content.text or "").split(" ")
                    words = [Content.from_text(word) for word in (*(f"{each} " for each in first), last)]
                for part in words:
                    yield ChatResponseUpdate(contents=[part], role="assistant")

        return ResponseStream(pieces(), finalizer=ChatResponse.from_updates)


class Watch(FunctionMiddleware):
    """A second middleware, which sees what middleware gets to see."""

    def __init__(self, seen: list[str]) -> None:
        self._seen = seen

    async def process(self, context: FunctionInvocationContext, call_next: Any) -> None:
        try:
            await call_next()
        except Exception as error:
            self._seen.append(repr(error))
            raise
        self._seen.append(str(context.result))
        for content in context.result if isinstance(context.result, list) else ():
            self._seen.append(str(content.text))


class Rewrites(FunctionMiddleware):
    """A middleware of the user's that changes arguments as late as one can."""

    def __init__(self, rewrite: Callable[[str, dict[str, Any]], dict[str, Any]]) -> None:
        self._rewrite = rewrite

    async def process(self, context: FunctionInvocationContext, call_next: Any) -> None:
        assert isinstance(context.arguments, Mapping)
        context.arguments = self._rewrite(context.function.name, dict(context.arguments))
        await call_next()


@dataclass(slots=True, kw_only=True)
class AgentFrameworkHarness(Harness):
    """Agents of Microsoft Agent Framework."""

    name: str = "agent-framework"

    def run(self, agent: Agent, prompt: str, *, mode: Mode = Mode.SYNC, thread: str = "", observed: bool = True) -> Ran:
        return self._go(agent, prompt, mode=mode, thread=thread)

    def _go(
        self,
        agent: Agent,
        message: Any,
        *,
        mode: Mode = Mode.SYNC,
        thread: str = "",
        state: str = "",
        **made: Any,
    ) -> Ran:
        log = Log()
        clients: list[Scripted] = []
        whole = self._made(agent, log, clients, **made)
        kept = self.folder / f"{thread}.json"
        if thread and not state and kept.exists():
            state = kept.read_text()
        loaded = json.loads(state) if state else {"session": AgentSession(session_id=thread or None).to_dict()}
        log.told_of.update(loaded.get("told_of", ()))
        session = AgentSession.from_dict(loaded["session"]) if thread else None
        error: Exception | None = None
        response: Any = None
        with _listening(log.seen):
            try:
                response = asyncio.run(_run(whole, message, session, log.seen, stream=mode is Mode.STREAM))
            except Exception as raised:
                error = raised
        requests = list(response.user_input_requests) if response is not None else []
        if session is not None:
            waits = [each.to_dict() for each in requests]
            loaded = {"session": session.to_dict(), "told_of": sorted(log.told_of), "waits": waits}
            kept.write_text(json.dumps(loaded))
        if response is not None:
            log.seen.append(json.dumps(response.to_dict(), default=str))
        return Ran(
            told=tuple(log.told),
            final=response.text if response is not None else "",
            offered=clients[0].offered,
            seen=tuple(log.seen),
            suspended=bool(requests),
            state=json.dumps(loaded) if requests else "",
            error=error,
            model_calls=log.calls,
        )

    def _made(
        self,
        agent: Agent,
        log: Log,
        clients: list[Scripted],
        *,
        tools: tuple[Any, ...] | None = None,
        beside: tuple[Any, ...] = (),
    ) -> FrameworkAgent:
        if agent.hands_to:
            raise NotSupported("its core has no hand-off: that is a package of its own (orchestrations)")
        client = Scripted(agent, log)
        clients.append(client)
        inner = [self._made(each, log, clients) for each in agent.as_tools]
        guard = self.guard.agent_framework(instructions=agent.instructions) if agent.guarded else []
        return FrameworkAgent(
            client,
            name=agent.name,
            instructions=agent.instructions or None,
            tools=[
                *(agent.tools if tools is None else tools),
                *(each.as_tool() for each in inner),
                *({"type": tool.kind} for tool in agent.hosted),
            ],
            middleware=[Watch(log.seen), *guard, *beside],
        )

    def call_directly(self, agent: Agent, tool: str, args: Mapping[str, Any]) -> Any:
        self._made(agent, Log(), [])
        (function,) = (each for each in agent.tools if each.__name__ == tool)
        return asyncio.run(FunctionTool(name=tool, func=function).invoke(arguments=dict(args), skip_parsing=True))

    # ── approvals ──────────────────────────────────────────────────────────────────────────────────────────────────

    def suspend(self, agent: Agent, prompt: str, *, thread: str) -> Ran:
        return self._go(agent, prompt, thread=thread)

    def resume(self, agent: Agent, state: str, *, thread: str, answer: object = True) -> Ran:
        requests = [Content.from_dict(each) for each in json.loads(state)["waits"]]
        answers = [request.to_function_approval_response(bool(answer)) for request in requests]
        return self._go(agent, Message("user", answers), thread=thread, state=state)

    def forge(self, state: str) -> str:
        # Whoever resumes says what was approved, as `resume` does; beside it, every record of the session says so too.
        return state.replace('"approved": false', '"approved": true')

    def edit(self, state: str, tool: str, args: Mapping[str, Any]) -> str:
        def edited(value: Any) -> Any:
            if isinstance(value, list):
                return [edited(each) for each in value]
            if not isinstance(value, dict):
                return value
            if value.get("type") == "function_call" and value.get("name") == tool:
                new = json.dumps(dict(args)) if isinstance(value.get("arguments"), str) else dict(args)
                return {**value, "arguments": new}
            return {name: edited(each) for name, each in value.items()}

        return json.dumps(edited(json.loads(state)))

    # ── what else it has ───────────────────────────────────────────────────────────────────────────────────────────

    def with_other_hook(
        self, agent: Agent, prompt: str, rewrite: Callable[[str, dict[str, Any]], dict[str, Any]]
    ) -> Ran:
        return self._go(agent, prompt, beside=(Rewrites(rewrite),))

    def renamed(self, agent: Agent, prompt: str, tool: str, name: str) -> Ran:
        tools = tuple(
            FunctionTool(name=name if each.__name__ == tool else each.__name__, description="", func=each)
            for each in agent.tools
        )
        return self._go(agent, prompt, tools=tools)

    def coverage(self, agent: Agent) -> Coverage:
        return self.guard.coverage(self._made(agent, Log(), []))


async def _run(
    agent: FrameworkAgent, message: Any, session: AgentSession | None, seen: list[str], *, stream: bool
) -> Any:
    if not stream:
        return await agent.run(message, session=session)
    streamed = agent.run(message, session=session, stream=True)
    seen.extend([json.dumps(update.to_dict(), default=str) async for update in streamed])
    return await streamed.get_final_response()


@contextmanager
def _listening(seen: list[str]) -> Iterator[None]:
    """The framework's log."""

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append(record.getMessage())

    keep, logger = Keep(), logging.getLogger("agent_framework")
    before = logger.level
    logger.addHandler(keep)
    logger.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        logger.removeHandler(keep)
        logger.setLevel(before)


HARNESS = AgentFrameworkHarness
