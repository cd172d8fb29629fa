"""The frameworks that a Guard plugs into. Each is an optional dependency, imported when it is asked for."""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from bailiwick.adapters import sealing, versions
from bailiwick.adapters.coverage import Coverage, coverage_of
from bailiwick.adapters.wiring import Wiring
from bailiwick.errors import UsageError
from bailiwick.guard.engine import Engine
from bailiwick.guard.finding import session_for
from bailiwick.guard.retrieval import Reader
from bailiwick.model.label import Label
from bailiwick.model.nearest import did_you_mean
from bailiwick.model.tool import ToolSpec

if TYPE_CHECKING:
    from agents import AgentBase as OpenAIBase
    from autogen_agentchat.base import ChatAgent, Team
    from claude_agent_sdk import ClaudeAgentOptions
    from crewai import Crew, Flow
    from crewai.agents.agent_builder.base_agent import BaseAgent as CrewAIAgent
    from langchain_core.retrievers import BaseRetriever as LangChainBase
    from langgraph.pregel import Pregel
    from llama_index.core.retrievers import BaseRetriever as LlamaIndexBase
    from smolagents.agents import MultiStepAgent

    from bailiwick.adapters.agent_framework.middleware import Parts as AgentFrameworkMiddleware
    from bailiwick.adapters.google_adk import GuardPlugin as GoogleADKPlugin
    from bailiwick.adapters.langchain import GuardMiddleware
    from bailiwick.adapters.langchain.retriever import GuardRetriever as LangChainRetriever
    from bailiwick.adapters.llama_index.retriever import GuardRetriever as LlamaIndexRetriever
    from bailiwick.adapters.pydantic_ai import GuardCapability as PydanticAICapability
    from bailiwick.adapters.strands import GuardHooks as StrandsHooks

__all__ = ["Adapting"]

SmolAgent = TypeVar("SmolAgent", bound="MultiStepAgent")
LlamaIndexThing = TypeVar("LlamaIndexThing")
AutoGenPart = TypeVar("AutoGenPart", bound="ChatAgent | Team")
OpenAIAgent = TypeVar("OpenAIAgent", bound="OpenAIBase")
LangGraph = TypeVar("LangGraph", bound="Pregel[Any, Any, Any, Any]")
CrewAIThing = TypeVar("CrewAIThing", bound="Crew | CrewAIAgent | Flow[Any]")


NO_NAMES: Mapping[str, str] = MappingProxyType({})
"""Agents that are called as directory.toml calls them."""


class Adapting(ABC):
    """The part of a `Guard` that adapters are made by."""

    _engine: Engine

    @abstractmethod
    def _spec(self, name: str) -> ToolSpec:
        """The catalog's entry; raises UsageError if there is none."""

    def unseal(self) -> None:
        """From here on agents of frameworks that no other open Guard sealed run their tools **without a decision**, as
        if there were no Guard. Closing a Guard does not do this."""
        sealing.lift(self._engine)

    def coverage(self, agent: object) -> Coverage:
        """Every tool of a framework's agent (team, crew, graph) and of all that it works through: which the guard
        enforces, which it only observes, which it cannot reach, each with its entry in the catalog. Raises UsageError
        for what is no agent of a known framework."""
        return coverage_of(agent, self._engine.core.planes.catalog)

    def langchain(
        self,
        *,
        instructions: str | tuple[str, ...] = (),
        agents: Mapping[str, str] = NO_NAMES,
        agent: str = "",
        suspend: bool = True,
        seal: bool = True,
    ) -> GuardMiddleware:
        """The middleware for LangChain's `create_agent`; list it last. `instructions` are system prompts that you vouch
        for, `agents` says which agent of directory.toml each named agent is, `agent` which this one is. A call that
        waits for a person interrupts the run where there is a checkpointer; with `suspend=False` the model reads
        PENDING_APPROVAL everywhere. `seal=False` leaves the classes of LangChain as they are: then what runs a tool
        past the agent runs it past the guard. Raises MissingExtra, and UsageError for an untested version."""
        versions.require("langchain")
        from bailiwick.adapters import langchain  # an optional dependency

        self._know(agent, f"{agent=}")
        if seal:
            sealing.seal(langchain.FRAMEWORK, self._engine, langchain.sealed_methods)
        return langchain.GuardMiddleware(self._wiring(instructions, agents), agent=agent, suspend=suspend)

    def langgraph(
        self,
        graph: LangGraph,
        *,
        instructions: str | tuple[str, ...] = (),
        agents: Mapping[str, str] = NO_NAMES,
        agent: str = "",
        suspend: bool = True,
        seal: bool = True,
    ) -> LangGraph:
        """A compiled LangGraph graph with the guard in each of its tool nodes, those of graphs inside included; see
        `langchain`. Of nodes that are functions the seal decides what LangChain tools they call, and which chat models.
        → the same graph. Raises UsageError, MissingExtra."""
        versions.require("langchain")
        from bailiwick.adapters import langchain  # an optional dependency

        self._know(agent, f"{agent=}")
        if seal:
            sealing.seal(langchain.FRAMEWORK, self._engine, langchain.sealed_methods)
        return langchain.protect(graph, self._wiring(instructions, agents), agent=agent, suspend=suspend)

    def langchain_retriever(
        self,
        retriever: LangChainBase,
        *,
        source: str,
        filter: Callable[[Reader], Any] | None = None,  # noqa: A002  as every store calls it
        tool: str = "",
        argument: str = "query",
        label: Label | None = None,
    ) -> LangChainRetriever:
        """A LangChain retriever that gives the current session what its people may read, and takes it in under
        `source`.

        `filter` makes the store's own filter for whoever asks (`search_kwargs["filter"]`); the in-memory store needs
        none. `label` is what you vouch for of every document, beside what its metadata says. With `tool`, each
        retrieval is a governed call of this entry of the catalog, which gets the query as `argument`. Raises UsageError
        for a filter that could not be set, MissingExtra if LangChain is not installed."""
        from bailiwick.adapters.langchain.retriever import GuardRetriever  # an optional dependency

        return GuardRetriever(
            inner=retriever,
            source=source,
            session=functools.partial(session_for, self._engine),
            filter=filter,
            tool=self._reading(tool, argument),
            argument=argument,
            label=label,
        )

    def llama_index_retriever(
        self,
        retriever: LlamaIndexBase,
        *,
        source: str,
        filter: Callable[[Reader], Any] | None = None,  # noqa: A002  as every store calls it
        tool: str = "",
        argument: str = "query",
        label: Label | None = None,
    ) -> LlamaIndexRetriever:
        """`langchain_retriever` for LlamaIndex; `filter` makes `MetadataFilters`, which join those that the retriever
        has. Raises MissingExtra if LlamaIndex is not installed."""
        from bailiwick.adapters.llama_index.retriever import GuardRetriever  # an optional dependency

        return GuardRetriever(
            retriever,
            source=source,
            session=functools.partial(session_for, self._engine),
            filter=filter,
            tool=self._reading(tool, argument),
            argument=argument,
            label=label,
        )

    def pydantic_ai(
        self, *, instructions: str | tuple[str, ...] = (), agents: Mapping[str, str] = NO_NAMES, seal: bool = True
    ) -> PydanticAICapability:
        """The capability for a Pydantic AI agent. `instructions` are the system prompts that you vouch for; `agents`
        maps names of agents to ids of directory.toml. Raises UsageError without the seal, which is what decides, and
        for a version that was never tested; MissingExtra if Pydantic AI is not installed."""
        versions.require("pydantic-ai")
        from bailiwick.adapters import pydantic_ai  # an optional dependency

        if not seal:
            raise UsageError(
                "hooks of other capabilities may change arguments after this one: the seal is what decides",
                hint="leave seal= out",
            )
        sealing.seal(pydantic_ai.FRAMEWORK, self._engine, pydantic_ai.sealed_methods)
        return pydantic_ai.GuardCapability(self._wiring(instructions, agents))

    def autogen(
        self,
        team_or_agent: AutoGenPart,
        *,
        instructions: str | tuple[str, ...] = (),
        agents: Mapping[str, str] = NO_NAMES,
        seal: bool = True,
    ) -> AutoGenPart:
        """The same AutoGen agent or team, protected with every agent that can be reached from it. `instructions` are
        the system messages that you vouch for, `agents` maps names of agents to ids of directory.toml. Without `seal`,
        tools of agents that were not given run unguarded, and AutoGen's log of events has raw results. Raises
        UsageError for what is no agent, a team whose manager is at work already, or an untested version; MissingExtra
        if AutoGen is not installed."""
        versions.require("autogen")
        from bailiwick.adapters import autogen  # an optional dependency

        protected = autogen.protect(team_or_agent, self._wiring(instructions, agents))
        if seal:
            sealing.seal(autogen.FRAMEWORK, self._engine, autogen.sealed_methods)
        return protected

    def openai_agents(
        self,
        agent: OpenAIAgent,
        *,
        instructions: str | tuple[str, ...] = (),
        agents: Mapping[str, str] = NO_NAMES,
        seal: bool = True,
        suspend: bool = True,
    ) -> OpenAIAgent:
        """The same agent of the OpenAI Agents SDK, protected with every agent that can be reached from it; nothing in
        it is changed. `instructions` are the system prompts that you vouch for, `agents` maps names of agents to ids of
        directory.toml. Without `suspend`, a call that waits for a person does not interrupt the run: the model reads so
        and calls again. Without `seal`, agents that were not given run unguarded outside of sessions. Raises UsageError
        for what is no agent or an untested version, MissingExtra if the SDK is not installed."""
        versions.require("openai-agents")
        from bailiwick.adapters import openai_agents  # an optional dependency

        return openai_agents.protect(agent, self._wiring(instructions, agents), seal=seal, suspend=suspend)

    def google_adk(
        self, *, instructions: str | tuple[str, ...] = (), agents: Mapping[str, str] = NO_NAMES
    ) -> GoogleADKPlugin:
        """The plugin for a Google ADK `App`; `instructions` and `agents` as for `pydantic_ai`. It decides nothing by
        itself: the seal does, so it cannot be had without. Raises MissingExtra if Google ADK is not installed,
        UsageError for a version that was never tested."""
        versions.require("google-adk")
        from bailiwick.adapters import google_adk  # an optional dependency

        sealing.seal(google_adk.FRAMEWORK, self._engine, google_adk.sealed_methods)
        return google_adk.GuardPlugin(self._wiring(instructions, agents))

    def agent_framework(
        self, *, instructions: str | tuple[str, ...] = (), agents: Mapping[str, str] = NO_NAMES, seal: bool = True
    ) -> AgentFrameworkMiddleware:
        """The middleware for an agent of Microsoft Agent Framework: `Agent(middleware=guard.agent_framework())`, or the
        last of a longer list. `instructions` are the system prompts that you vouch for, `agents` maps names of agents
        to ids of directory.toml. Raises UsageError without the seal, which is what decides, and for a version that was
        never tested; MissingExtra if Agent Framework is not installed."""
        versions.require("agent-framework")
        from bailiwick.adapters import agent_framework  # an optional dependency

        if not seal:
            raise UsageError(
                "a middleware of Agent Framework alone shows traces what a tool returned: the seal is what decides",
                hint="leave seal= out",
            )
        sealing.seal(agent_framework.FRAMEWORK, self._engine, agent_framework.sealed_methods)
        return agent_framework.middleware(self._wiring(instructions, agents))

    def strands(
        self, *, instructions: str | tuple[str, ...] = (), agents: Mapping[str, str] = NO_NAMES
    ) -> StrandsHooks:
        """The hooks for a Strands agent; `instructions` and `agents` as for `pydantic_ai`. They decide nothing by
        themselves: the seal does, so it cannot be had without. Raises MissingExtra if Strands is not installed,
        UsageError for a version that was never tested."""
        versions.require("strands")
        from bailiwick.adapters import strands  # an optional dependency

        sealing.seal(strands.FRAMEWORK, self._engine, strands.sealed_methods)
        return strands.GuardHooks(self._wiring(instructions, agents))

    def _wiring(self, instructions: str | tuple[str, ...], agents: Mapping[str, str]) -> Wiring:
        for name, agent in agents.items():
            self._know(agent, f"agents={{{name!r}: {agent!r}}}")
        texts = (instructions,) if isinstance(instructions, str) else instructions
        return Wiring(engine=self._engine, agents=dict(agents), instructions=frozenset(texts))

    def _know(self, agent: str, said: str) -> None:
        known = self._engine.core.planes.directory.agents
        if agent and agent not in known:
            raise UsageError(f"{said}: directory.toml has no agent {agent!r}", hint=did_you_mean(agent, known))

    def claude_agent_sdk(
        self,
        options: ClaudeAgentOptions,
        *,
        instructions: str | tuple[str, ...] = (),
        agents: Mapping[str, str] = NO_NAMES,
        seal: bool = True,
    ) -> ClaudeAgentOptions:
        """Options for the Claude Agent SDK that ask the guard about every tool. `agents` maps types of sub-agents to
        ids of the directory. Raises UsageError for options that could get round the guard, or for an untested
        version, MissingExtra if the SDK is not installed."""
        versions.require("claude-agent-sdk")
        from bailiwick.adapters import claude_agent_sdk  # an optional dependency

        guarded = claude_agent_sdk.protect(options, self._wiring(instructions, agents))
        if not seal:
            raise UsageError("without the seal, tools in this process run unguarded", hint="leave seal= out")
        sealing.seal("claude-agent-sdk", self._engine, claude_agent_sdk.sealed_methods)
        return guarded

    def llama_index(
        self,
        what: LlamaIndexThing,
        *,
        instructions: str | tuple[str, ...] = (),
        agents: Mapping[str, str] = NO_NAMES,
        seal: bool = True,
    ) -> LlamaIndexThing:
        """The same LlamaIndex agent, AgentWorkflow or tools, protected. `instructions` are the system prompts that you
        vouch for, `agents` maps the names of agents to ids of the directory. Raises UsageError for what cannot be
        governed or an untested version, MissingExtra if LlamaIndex is not installed."""
        versions.require("llama-index")
        from bailiwick.adapters import llama_index  # an optional dependency

        if not seal:
            raise UsageError(
                "LlamaIndex has no hook that could stop a tool: the seal is what decides", hint="leave seal= out"
            )
        protected = llama_index.protect(what, self._wiring(instructions, agents))
        sealing.seal("llama-index", self._engine, llama_index.sealed_methods)
        return protected

    def smolagents(
        self,
        agent: SmolAgent,
        *,
        instructions: str | tuple[str, ...] = (),
        agents: Mapping[str, str] = NO_NAMES,
        seal: bool = True,
    ) -> SmolAgent:
        """The same smolagents agent, protected with every agent that it manages. `instructions` are the system prompts
        that you vouch for (`agent.system_prompt`), `agents` maps the names of agents to ids of the directory. Raises
        UsageError for an agent that cannot be governed or an untested version, MissingExtra if smolagents is not
        installed."""
        versions.require("smolagents")
        from bailiwick.adapters import smolagents  # an optional dependency

        if not seal:
            raise UsageError(
                "smolagents has no hook that could stop a tool: the seal is what decides",
                hint="leave seal= out",
            )
        wiring = self._wiring(instructions, agents)
        protected = smolagents.protect(agent, wiring)
        sealing.seal("smolagents", self._engine, smolagents.sealed_methods)
        return protected

    def crewai(
        self,
        crew: CrewAIThing,
        *,
        instructions: str | tuple[str, ...] = (),
        agents: Mapping[str, str] = NO_NAMES,
    ) -> CrewAIThing:
        """A Crew, an Agent or a Flow of CrewAI, protected; → the same object. `agents` says which agent of
        directory.toml acts under a role; `instructions` are texts that you vouch for beside those of the crew itself.
        There is no `seal=`: nothing else in CrewAI holds. Raises UsageError for a version that was not tested,
        MissingExtra if CrewAI is not installed."""
        versions.require("crewai")
        from bailiwick.adapters import crewai  # an optional dependency

        protected: CrewAIThing = crewai.protect(crew, self._wiring(instructions, agents))
        return protected

    def _reading(self, tool: str, argument: str) -> str:
        if tool and argument not in (spec := self._spec(tool)).args:
            raise UsageError(
                f"{spec.name} has no argument {argument!r} for the query",
                hint=f"name the one that takes it: argument={next(iter(spec.args), '...')!r}",
            )
        return tool
