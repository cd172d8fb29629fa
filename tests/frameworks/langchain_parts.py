"""What the harnesses of LangChain and LangGraph share: a scripted chat model, ears, and threads in a file."""

from __future__ import annotations

import asyncio
import json
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.documents import Document
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.retrievers import BaseRetriever
from langchain_core.tools import BaseTool, InjectedToolCallId, StructuredTool
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.prebuilt import InjectedState
from langgraph.types import Command

from tests.frameworks.harness import Agent, Harness, Mode, Ran, Say, Step, ToolFn

__all__ = ["LangChainBase", "Scripted", "Told", "handing", "plain_tool"]


@dataclass(slots=True)
class Told:
    """What the models of one run were given and offered."""

    results: list[str] = field(default_factory=list)
    heard: set[str] = field(default_factory=set)
    offered: tuple[str, ...] = ()
    calls: int = 0


class Scripted(BaseChatModel):
    """Follows its script, whatever it reads."""

    told: Any
    steps: list[Any]
    outermost: bool = True

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(self, tools: Sequence[Any], **_: Any) -> Any:
        offered = [tool if isinstance(tool, dict) else {"function": {"name": tool.name}} for tool in tools]
        return self.bind(tools=offered)

    def _generate(
        self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **how: Any
    ) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=_message(self._next(messages, how)))])

    def _stream(
        self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **how: Any
    ) -> Iterator[ChatGenerationChunk]:
        whole = _message(self._next(messages, how))
        for word in str(whole.content).split(" "):
            yield ChatGenerationChunk(
                message=AIMessageChunk(content=word if str(whole.content).endswith(word) else word + " ")
            )
        if whole.tool_calls:
            chunks: Any = [
                {"name": call["name"], "args": json.dumps(call["args"]), "id": call["id"], "index": at}
                for at, call in enumerate(whole.tool_calls)
            ]
            yield ChatGenerationChunk(message=AIMessageChunk(content="", tool_call_chunks=chunks))

    def _next(self, messages: Sequence[BaseMessage], how: Mapping[str, Any]) -> Step:
        told: Told = self.told
        for message in messages:
            if isinstance(message, ToolMessage) and message.tool_call_id not in told.heard:
                told.heard.add(message.tool_call_id)
                told.results.append(message.text)
        told.calls += 1
        if self.outermost:
            told.offered = tuple(
                str(tool.get("function", {}).get("name") or tool.get("type")) for tool in how.get("tools", ())
            )
        return self.steps.pop(0) if self.steps else Say("done")


class Ears(BaseCallbackHandler):
    """Writes down all that LangChain's callbacks say."""

    def __init__(self, seen: list[str]) -> None:
        self._seen = seen

    def on_tool_start(self, serialized: Any, input_str: str, **more: Any) -> None:
        self._seen.append(f"{input_str} {more}")

    def on_tool_end(self, output: Any, **more: Any) -> None:
        self._seen.append(f"{output!r}")

    def on_tool_error(self, error: BaseException, **more: Any) -> None:
        self._seen.append(f"{error!r} {error.__context__!r} {error.__cause__!r}")

    def on_chain_end(self, outputs: Any, **more: Any) -> None:
        self._seen.append(f"{outputs!r}")

    def on_chain_error(self, error: BaseException, **more: Any) -> None:
        self._seen.append(f"{error!r}")

    def on_llm_new_token(self, token: Any, **more: Any) -> None:
        self._seen.append(str(token))

    def on_llm_end(self, response: Any, **more: Any) -> None:
        self._seen.append(f"{response!r}")


class _Found(BaseRetriever):
    documents: list[Document]

    def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
        return list(self.documents)


def _message(step: Step) -> AIMessage:
    if isinstance(step, Say):
        return AIMessage(step.text)
    calls: Any = [
        {"name": name, "args": dict(args), "id": f"call-{uuid.uuid4().hex}", "type": "tool_call"}
        for name, args in step.calls
    ]
    return AIMessage(step.text, tool_calls=calls)


def plain_tool(function: ToolFn, name: str = "") -> BaseTool:
    """A tool as a user makes one of a function."""
    how: dict[str, Any] = {"name": name} if name else {}
    if asyncio.iscoroutinefunction(function):
        return StructuredTool.from_function(coroutine=function, **how)
    return StructuredTool.from_function(function, **how)


def handing(to: str) -> BaseTool:
    """A tool that hands the conversation to another agent, as LangGraph's own packages make them."""

    def hand(state: Annotated[Any, InjectedState], tool_call_id: Annotated[str, InjectedToolCallId]) -> Command[Any]:
        """Hand the conversation over."""
        told = ToolMessage(f"{to} takes over.", name=f"transfer_to_{to}", tool_call_id=tool_call_id)
        return Command(goto=to, graph=Command.PARENT, update={"messages": [*state["messages"], told]})

    return StructuredTool.from_function(hand, name=f"transfer_to_{to}", metadata={"__handoff_destination": to})


class LangChainBase(Harness):
    """What both have: runs, threads in SQLite, resuming."""

    def graph(self, agent: Agent, told: Told, *, checkpointer: Any = None, **how: Any) -> Any:
        """The framework's own object for the agent, under the guard."""
        raise NotImplementedError

    def run(self, agent: Agent, prompt: str, *, mode: Mode = Mode.SYNC, thread: str = "", observed: bool = True) -> Ran:
        with self._threads(thread) as saver:
            told = Told()
            graph = self.graph(agent, told, checkpointer=saver)
            return self.go(graph, told, {"messages": [HumanMessage(prompt)]}, mode=mode, thread=thread)

    def go(self, graph: Any, told: Told, given: Any, *, mode: Mode = Mode.SYNC, thread: str = "") -> Ran:
        seen: list[str] = []
        config: dict[str, Any] = {"callbacks": [Ears(seen)], "recursion_limit": 50}
        if thread:
            config["configurable"] = {"thread_id": thread}
            kept = graph.get_state(config).values.get("messages", [])
            told.heard.update(m.tool_call_id for m in kept if isinstance(m, ToolMessage) and given is not None)
        try:
            done = self._ran(graph, given, config, mode, seen)
        except Exception as error:
            return Ran(told=tuple(told.results), seen=tuple(seen), error=error, model_calls=told.calls)
        suspended = bool(done.get("__interrupt__"))
        seen.append(str(done.get("__interrupt__")))
        last = done["messages"][-1]
        return Ran(
            told=tuple(told.results),
            final="" if suspended else last.text,
            offered=told.offered,
            seen=tuple(seen),
            suspended=suspended,
            state=self._kept(thread) if suspended and thread else "",
            model_calls=told.calls,
        )

    def _ran(self, graph: Any, given: Any, config: Any, mode: Mode, seen: list[str]) -> dict[str, Any]:
        if mode is Mode.SYNC:
            done: dict[str, Any] = graph.invoke(given, config)
            return done
        if mode is Mode.ASYNC:
            ran: dict[str, Any] = asyncio.run(graph.ainvoke(given, config))
            return ran
        last: dict[str, Any] = {}
        modes = ["messages", "updates", "values", "custom", "debug"]
        for *_, kind, piece in graph.stream(given, config, stream_mode=modes, subgraphs=True):
            seen.append(str(piece))
            last = piece if kind == "values" and "messages" in piece else last
        return last

    @contextmanager
    def _threads(self, thread: str) -> Iterator[Any]:
        if not thread:
            yield None
            return
        with SqliteSaver.from_conn_string(str(self.folder / "threads.sqlite")) as saver:
            yield saver

    def _kept(self, thread: str) -> str:
        kept = self.folder / f"{uuid.uuid4().hex}.sqlite"
        with SqliteSaver.from_conn_string(str(self.folder / "threads.sqlite")) as saver:
            saver.setup()
            saver.conn.execute("VACUUM INTO ?", (str(kept),))
        return str(kept)

    def call_directly(self, agent: Agent, tool: str, args: Mapping[str, Any]) -> Any:
        (made,) = [plain_tool(each) for each in agent.tools if each.__name__ == tool]
        return made.invoke(dict(args))

    # ── approvals ──────────────────────────────────────────────────────────────────────────────────────────────────

    def suspend(self, agent: Agent, prompt: str, *, thread: str) -> Ran:
        return self.run(agent, prompt, thread=thread)

    def resume(self, agent: Agent, state: str, *, thread: str, answer: object = True) -> Ran:
        shutil.copyfile(state, self.folder / "threads.sqlite")
        with self._threads(thread) as saver:
            told = Told()
            graph = self.graph(agent, told, checkpointer=saver)
            return self.go(graph, told, Command(resume=answer), thread=thread)

    def forge(self, state: str) -> str:
        return self._changed(state, lambda saver, held: saver.put_writes(held.config, [("__resume__", True)], _NO_TASK))

    def edit(self, state: str, tool: str, args: Mapping[str, Any]) -> str:
        def change(saver: Any, held: Any) -> None:
            _edit(held.checkpoint, tool, dict(args))
            saver.put(held.parent_config or held.config, held.checkpoint, held.metadata, {})

        return self._changed(state, change)

    def _changed(self, state: str, change: Callable[[Any, Any], None]) -> str:
        changed = str(Path(state).with_suffix(".changed.sqlite"))
        shutil.copyfile(state, changed)
        with SqliteSaver.from_conn_string(changed) as saver:
            (held, *_) = saver.list(None)
            change(saver, held)
        return changed

    # ── retrieval ──────────────────────────────────────────────────────────────────────────────────────────────────

    def retrieve(self, documents: Sequence[tuple[str, Mapping[str, Any]]], query: str) -> Sequence[str]:
        made = [Document(page_content=text, metadata=dict(metadata)) for text, metadata in documents]
        retriever = self.guard.langchain_retriever(_Found(documents=made), source="kb")
        return [found.page_content for found in retriever.invoke(query)]


_NO_TASK = "00000000-0000-0000-0000-000000000000"


def _edit(held: Any, tool: str, args: dict[str, Any]) -> None:
    """Every call of the tool, wherever in a checkpoint it stands."""
    if isinstance(held, dict):
        if held.get("name") == tool and "args" in held:
            held["args"] = args
        for each in held.values():
            _edit(each, tool, args)
    elif isinstance(held, list | tuple):
        for each in held:
            _edit(each, tool, args)
    elif isinstance(held, AIMessage):
        _edit(held.tool_calls, tool, args)
    elif hasattr(held, "arg"):
        _edit(held.arg, tool, args)
