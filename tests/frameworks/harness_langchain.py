"""LangChain in the conformance suite: its own `create_agent`, middleware and SQLite threads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from langchain.agents import create_agent
from langchain.agents.middleware import AgentMiddleware, ToolRetryMiddleware
from langchain_core.messages import HumanMessage
from langchain_core.tools import BaseTool, StructuredTool
from langgraph.graph import START, MessagesState, StateGraph

from bailiwick.adapters.coverage import Coverage
from tests.frameworks.harness import Agent, Ran
from tests.frameworks.langchain_parts import LangChainBase, Scripted, Told, handing, plain_tool


class _Rewrites(AgentMiddleware[Any, Any]):
    """A middleware of the user's that changes arguments."""

    def __init__(self, rewrite: Callable[[str, dict[str, Any]], dict[str, Any]]) -> None:
        super().__init__()
        self._rewrite = rewrite

    def wrap_tool_call(self, request: Any, handler: Any) -> Any:
        call = request.tool_call
        return handler(request.override(tool_call={**call, "args": self._rewrite(call["name"], call["args"])}))


class LangChainHarness(LangChainBase):
    """Agents of `create_agent`."""

    name = "langchain"

    def graph(self, agent: Agent, told: Told, *, checkpointer: Any = None, **how: Any) -> Any:
        if not agent.hands_to:
            return self._agent(agent, told, checkpointer=checkpointer, **how)
        parent: Any = StateGraph(MessagesState)
        for each in (agent, *agent.hands_to):
            parent.add_node(each.name, self._agent(each, told, outermost=each is agent))
        parent.add_edge(START, agent.name)
        return parent.compile(checkpointer=checkpointer)

    def _agent(
        self,
        agent: Agent,
        told: Told,
        *,
        checkpointer: Any = None,
        tools: tuple[BaseTool, ...] | None = None,
        before: tuple[Any, ...] = (),
        after: tuple[Any, ...] = (),
        outermost: bool = True,
    ) -> Any:
        own: list[Any] = list(tools) if tools is not None else [plain_tool(each) for each in agent.tools]
        own += [self._as_tool(each, told) for each in agent.as_tools]
        own += [handing(each.name) for each in agent.hands_to]
        own += [{"type": each.kind} for each in agent.hosted]
        guard = [self.guard.langchain(instructions=agent.instructions or ())] if agent.guarded else []
        return create_agent(
            Scripted(told=told, steps=list(agent.script), outermost=outermost),
            own,
            name=agent.name,
            system_prompt=agent.instructions or None,
            middleware=[*before, *guard, *after],
            checkpointer=checkpointer,
        )

    def _as_tool(self, agent: Agent, told: Told) -> BaseTool:
        inner = self._agent(agent, told, outermost=False)

        def ask(input: str) -> str:  # noqa: A002  as scenarios call it
            """Ask another agent."""
            done = inner.invoke({"messages": [HumanMessage(input)]})
            return str(done["messages"][-1].text)

        return StructuredTool.from_function(ask, name=agent.name)

    def with_retries(self, agent: Agent, prompt: str, tool: str) -> Ran:
        told = Told()
        retry = ToolRetryMiddleware(max_retries=2, initial_delay=0.0, jitter=False, on_failure="continue")
        return self.go(self.graph(agent, told, before=(retry,)), told, {"messages": [HumanMessage(prompt)]})

    def with_other_hook(
        self, agent: Agent, prompt: str, rewrite: Callable[[str, dict[str, Any]], dict[str, Any]]
    ) -> Ran:
        told = Told()
        graph = self.graph(agent, told, after=(_Rewrites(rewrite),))
        return self.go(graph, told, {"messages": [HumanMessage(prompt)]})

    def renamed(self, agent: Agent, prompt: str, tool: str, name: str) -> Ran:
        told = Told()
        tools = tuple(plain_tool(each, name if each.__name__ == tool else "") for each in agent.tools)
        return self.go(self.graph(agent, told, tools=tools), told, {"messages": [HumanMessage(prompt)]})

    def coverage(self, agent: Agent) -> Coverage:
        return self.guard.coverage(self.graph(agent, Told()))


HARNESS = LangChainHarness
