"""LangGraph in the conformance suite: a graph of one's own, with a node for the model and a `ToolNode`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from langchain_core.messages import HumanMessage, SystemMessage
from langchain_core.tools import BaseTool, StructuredTool
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition
from langgraph.types import RetryPolicy

from bailiwick.adapters.coverage import Coverage
from tests.frameworks.harness import Agent, Ran
from tests.frameworks.langchain_parts import LangChainBase, Scripted, Told, handing, plain_tool


class LangGraphHarness(LangChainBase):
    """Graphs that call a model and run its tools, without LangChain's agent."""

    name = "langgraph"

    def graph(self, agent: Agent, told: Told, *, checkpointer: Any = None, **how: Any) -> Any:
        if not agent.hands_to:
            return self._guarded(agent, self._loop(agent, told, checkpointer=checkpointer, **how))
        parent: Any = StateGraph(MessagesState)
        for each in (agent, *agent.hands_to):
            inner = self._loop(each, told, outermost=each is agent)
            parent.add_node(each.name, inner.with_config(metadata={"lc_agent_name": each.name}))
        parent.add_edge(START, agent.name)
        return self._guarded(agent, parent.compile(checkpointer=checkpointer))

    def _guarded(self, agent: Agent, graph: Any) -> Any:
        return self.guard.langgraph(graph, instructions=agent.instructions or ())

    def _loop(
        self,
        agent: Agent,
        told: Told,
        *,
        checkpointer: Any = None,
        tools: tuple[BaseTool, ...] | None = None,
        retry: RetryPolicy | None = None,
        wrap: Any = None,
        outermost: bool = True,
    ) -> Any:
        own: list[BaseTool] = list(tools) if tools is not None else [plain_tool(each) for each in agent.tools]
        own += [self._as_tool(each, told) for each in agent.as_tools]
        own += [handing(each.name) for each in agent.hands_to]
        scripted = Scripted(told=told, steps=list(agent.script), outermost=outermost)
        model = scripted.bind_tools([*own, *({"type": each.kind} for each in agent.hosted)])
        opening = [SystemMessage(agent.instructions)] if agent.instructions else []

        def answer(state: Any) -> Any:
            return {"messages": [model.invoke([*opening, *state["messages"]])]}

        builder: Any = StateGraph(MessagesState)
        builder.add_node("model", answer)
        builder.add_node("tools", ToolNode(own, wrap_tool_call=wrap), retry_policy=retry)
        builder.add_edge(START, "model")
        builder.add_conditional_edges("model", tools_condition)
        builder.add_edge("tools", "model")
        return builder.compile(checkpointer=checkpointer, name=agent.name)

    def _as_tool(self, agent: Agent, told: Told) -> BaseTool:
        inner = self._loop(agent, told, outermost=False)
        known = agent.name in self.guard.project.planes.directory.agents
        if agent.guarded and known:
            inner = self.guard.langgraph(inner, agent=agent.name, instructions=agent.instructions or ())
        elif agent.guarded:  # the one line takes no id that the directory does not know; a name may be anything
            inner = self.guard.langgraph(inner, instructions=agent.instructions or ()).with_config(
                metadata={"lc_agent_name": agent.name}
            )

        def ask(input: str) -> str:  # noqa: A002  as scenarios call it
            """Ask another agent."""
            done = inner.invoke({"messages": [HumanMessage(input)]})
            return str(done["messages"][-1].text)

        return StructuredTool.from_function(ask, name=agent.name)

    def with_retries(self, agent: Agent, prompt: str, tool: str) -> Ran:
        told = Told()
        retry = RetryPolicy(initial_interval=0.01, max_attempts=3, jitter=False, retry_on=ConnectionError)
        return self.go(self.graph(agent, told, retry=retry), told, {"messages": [HumanMessage(prompt)]})

    def with_other_hook(
        self, agent: Agent, prompt: str, rewrite: Callable[[str, dict[str, Any]], dict[str, Any]]
    ) -> Ran:
        def wrap(request: Any, execute: Any) -> Any:
            call = request.tool_call
            return execute(request.override(tool_call={**call, "args": rewrite(call["name"], call["args"])}))

        told = Told()
        return self.go(self.graph(agent, told, wrap=wrap), told, {"messages": [HumanMessage(prompt)]})

    def renamed(self, agent: Agent, prompt: str, tool: str, name: str) -> Ran:
        told = Told()
        tools = tuple(plain_tool(each, name if each.__name__ == tool else "") for each in agent.tools)
        return self.go(self.graph(agent, told, tools=tools), told, {"messages": [HumanMessage(prompt)]})

    def coverage(self, agent: Agent) -> Coverage:
        return self.guard.coverage(self.graph(agent, Told()))


HARNESS = LangGraphHarness
