"""LlamaIndex for the conformance suite: FunctionAgents and AgentWorkflows with a scripted model."""

from __future__ import annotations

import asyncio
import json
import pickle
import warnings
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from llama_index.core.agent import AgentWorkflow, FunctionAgent
from llama_index.core.base.llms.types import ChatMessage, ChatResponse, LLMMetadata, MessageRole
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.core.llms.llm import ToolSelection
from llama_index.core.memory import ChatMemoryBuffer
from llama_index.core.tools import FunctionTool
from pydantic import PrivateAttr
from pydantic.warnings import PydanticDeprecationWarning

from bailiwick.adapters.coverage import Coverage
from tests.frameworks.harness import Agent, Ask, Harness, Mode, NotSupported, Ran, Say, Script, Step

__all__ = ["HARNESS", "LlamaIndexHarness", "ScriptedLLM"]


class ScriptedLLM(FunctionCallingLLM):
    """Does one step of the script after the other, and notes what it reads and is offered."""

    name: str = "scripted"
    _script: list[Step] = PrivateAttr(default_factory=list)
    _told: list[str] = PrivateAttr(default_factory=list)
    _offered: tuple[str, ...] = PrivateAttr(default=())
    _calls: int = PrivateAttr(default=0)

    @classmethod
    def of(cls, name: str, script: Script) -> ScriptedLLM:
        made = cls(name=name)
        made._script = list(script)
        return made

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata(is_function_calling_model=True, is_chat_model=True, model_name=f"scripted-{self.name}")

    def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        return self._respond(messages, kwargs)

    async def achat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        return self._respond(messages, kwargs)

    async def astream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> AsyncGenerator[ChatResponse, None]:
        whole = self._respond(messages, kwargs)

        async def pieces() -> AsyncGenerator[ChatResponse, None]:
            text = whole.message.content or ""
            for at in range(0, len(text), 5):
                message = ChatMessage(role=MessageRole.ASSISTANT, content=text[: at + 5])
                yield ChatResponse(message=message, delta=text[at : at + 5])
            yield ChatResponse(message=whole.message, delta="")

        return pieces()

    def stream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> Any:
        raise NotImplementedError

    complete = stream_complete = acomplete = astream_complete = stream_chat  # type: ignore[assignment]

    def _prepare_chat_with_tools(self, tools: Sequence[Any], **kwargs: Any) -> dict[str, Any]:  # type: ignore[override]
        return {
            "messages": kwargs.get("chat_history") or [],
            "tools": [tool.metadata.to_openai_tool(skip_length_check=True) for tool in tools],
        }

    def get_tool_calls_from_response(self, response: ChatResponse, *args: Any, **kwargs: Any) -> list[ToolSelection]:
        return [
            ToolSelection(tool_id=call["id"], tool_name=call["name"], tool_kwargs=json.loads(call["arguments"]))
            for call in response.message.additional_kwargs.get("tool_calls", ())
        ]

    def _respond(self, messages: Sequence[ChatMessage], kwargs: dict[str, Any]) -> ChatResponse:
        self._offered = tuple(tool["function"]["name"] for tool in kwargs.get("tools", ()))
        answers = [message.content or "" for message in messages if message.role == MessageRole.TOOL]
        self._told.extend(answers[len(self._told) :])
        step = self._script.pop(0) if self._script else Say("done")
        self._calls += 1
        calls = [
            {"id": f"{self.name}-{self._calls}-{at}", "name": name, "arguments": json.dumps(args)}
            for at, (name, args) in enumerate(step.calls if isinstance(step, Ask) else ())
        ]
        more = {"tool_calls": calls} if calls else {}
        message = ChatMessage(role=MessageRole.ASSISTANT, content=step.text, additional_kwargs=more)
        return ChatResponse(message=message)


@dataclass(slots=True, kw_only=True)
class LlamaIndexHarness(Harness):
    """LlamaIndex is asynchronous: every run is, whatever the mode."""

    name: str = "llama-index"
    no_thread_id: str = "a context has no id: the application keeps it, and knows whose it is"
    models: list[ScriptedLLM] = field(default_factory=list)

    def run(self, agent: Agent, prompt: str, *, mode: Mode = Mode.SYNC, thread: str = "", observed: bool = True) -> Ran:
        return asyncio.run(self._run(self.built(agent, streaming=mode is Mode.STREAM), prompt, thread))

    def call_directly(self, agent: Agent, tool: str, args: Mapping[str, Any]) -> Any:
        self.built(agent)
        return self._tool(agent, tool).call(**args)

    def renamed(self, agent: Agent, prompt: str, tool: str, name: str) -> Ran:
        built = self.built(agent)
        for each in built.tools:
            if each.metadata.name == tool:
                each.metadata.name = name
        return asyncio.run(self._run(built, prompt, ""))

    def retrieve(self, documents: Sequence[tuple[str, Mapping[str, Any]]], query: str) -> Sequence[str]:
        from llama_index.core.retrievers import BaseRetriever
        from llama_index.core.schema import NodeWithScore, TextNode

        class Fixed(BaseRetriever):
            def _retrieve(self, query_bundle: Any) -> list[NodeWithScore]:
                return [NodeWithScore(node=TextNode(text=text, metadata=dict(told))) for text, told in documents]

        guarded = self.guard.llama_index_retriever(Fixed(), source="kb")
        return [each.node.get_content() for each in guarded.retrieve(query)]

    def coverage(self, agent: Agent) -> Coverage:
        from bailiwick.adapters.llama_index import covered

        if agent.as_tools:
            raise NotSupported("an agent works as a tool through a function, and nobody can see which agent it runs")
        catalog = self.guard._engine.core.planes.catalog

        def entry(name: str) -> str:
            found = catalog.find(name)
            return found.name if found is not None else ""

        return Coverage(framework=self.name, tools=covered(self.built(agent), catalog=entry))

    def built(self, agent: Agent, *, streaming: bool = False) -> Any:
        top = self._made(agent, streaming=streaming)
        others = [self._made(each, streaming=streaming) for each in agent.hands_to]
        texts = tuple(each.instructions for each in _every(agent) if each.instructions)
        whole = AgentWorkflow(agents=[top, *others], root_agent=agent.name) if others else top
        return self.guard.llama_index(whole, instructions=texts)

    def _made(self, agent: Agent, *, streaming: bool) -> FunctionAgent:
        if agent.hosted:
            raise NotSupported("its agents offer no tools of providers: an integration's own model may")
        model = ScriptedLLM.of(agent.name, [_as_handoff(step) for step in agent.script])
        self.models.append(model)
        with _as_it_is():
            return FunctionAgent(
                name=agent.name,
                description=f"The agent {agent.name}",
                system_prompt=agent.instructions or None,
                tools=[
                    *(FunctionTool.from_defaults(each, name=each.__name__) for each in agent.tools),
                    *(self._asking(each, streaming=streaming) for each in agent.as_tools),
                ],
                llm=model,
                streaming=streaming,
            )

    def _asking(self, agent: Agent, *, streaming: bool) -> FunctionTool:
        """An agent as a tool is a function that runs it, as LlamaIndex's own documentation says."""
        inner = self._made(agent, streaming=streaming)
        if agent.guarded:
            self.guard.llama_index(inner, instructions=agent.instructions)

        async def ask(input: str) -> str:  # noqa: A002  as the scenarios call it
            """Ask the agent."""
            with _as_it_is():
                return str(await inner.run(input))

        return FunctionTool.from_defaults(async_fn=ask, name=agent.name)

    def _tool(self, agent: Agent, name: str) -> FunctionTool:
        found = next(each for each in agent.tools if each.__name__ == name)
        return FunctionTool.from_defaults(found, name=name)

    async def _run(self, built: Any, prompt: str, thread: str) -> Ran:
        seen: list[str] = []
        final, error = "", None
        kept = self.folder / f"{thread}.pickle"
        history = pickle.loads(kept.read_bytes()) if thread and kept.exists() else []
        memory = ChatMemoryBuffer.from_defaults(chat_history=history, token_limit=100_000)
        try:
            with _as_it_is():
                handler = built.run(prompt, memory=memory)
                seen.extend([f"{event!r} {event.model_dump()}" async for event in handler.stream_events()])
                final = str(await handler)
            if thread:
                kept.write_bytes(pickle.dumps(memory.get_all()))
        except Exception as raised:
            error = raised
        return Ran(
            told=tuple(text for model in self.models for text in model._told),
            final=final,
            offered=self.models[0]._offered,
            seen=tuple(seen),
            error=error,
            model_calls=sum(model._calls for model in self.models),
        )


@contextmanager
def _as_it_is() -> Iterator[None]:
    """LlamaIndex looks for steps among all attributes of an agent, and so at those that pydantic is to remove."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PydanticDeprecationWarning)
        yield


def _as_handoff(step: Step) -> Step:
    """A hand-off is a call of the one tool `handoff`."""
    if isinstance(step, Say):
        return step
    handing = "transfer_to_"
    calls = (
        ("handoff", {"to_agent": name.removeprefix(handing), "reason": "It is theirs."})
        if name.startswith(handing)
        else (name, args)
        for name, args in step.calls
    )
    return Ask(tuple(calls), step.text)


def _every(agent: Agent) -> list[Agent]:
    return [agent, *(below for each in (*agent.as_tools, *agent.hands_to) for below in _every(each))]


HARNESS = LlamaIndexHarness
