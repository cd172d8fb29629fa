"""What the conformance suite needs of a framework: one harness each, so that every scenario is written once.

A harness builds the framework's own agents out of what a scenario gives (a script for the model, plain functions as
tools), runs them with the framework's own runner under the guard, and reports what the model, the callbacks and the
streams of that framework got to see. It decides nothing and checks nothing: scenarios do.

Where a framework has no such thing at all, the harness raises `NotSupported` with the reason: that is the cell's text.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from bailiwick import Guard
from bailiwick.adapters.coverage import Coverage

__all__ = ["Agent", "Ask", "Harness", "HostedTool", "Mode", "NotSupported", "Ran", "Say", "Script", "Step", "ToolFn"]


class NotSupported(Exception):
    """The framework has no such thing. The message says why, in a sentence that stands in the published table."""


@dataclass(frozen=True, slots=True)
class Say:
    """The model answers with this text and ends the run."""

    text: str


@dataclass(frozen=True, slots=True)
class Ask:
    """The model asks for these calls at once: (name as the framework knows the tool, arguments)."""

    calls: tuple[tuple[str, Mapping[str, Any]], ...]
    text: str = ""

    @classmethod
    def one(cls, name: str, **args: Any) -> Ask:
        return cls(((name, args),))


Step = Say | Ask
Script = Sequence[Step]
"""What the model does, call by call. A model that is called more often than its script is long says "done"."""

ToolFn = Callable[..., Any]
"""A plain typed function with a docstring; its name is what the framework calls the tool. May be a coroutine
function where `Mode.ASYNC` is used."""


class Mode(StrEnum):
    """How the agent is run. A framework with one way alone uses it for every mode, if that still tests the scenario,
    and raises NotSupported otherwise (streaming that does not exist)."""

    SYNC = "sync"
    ASYNC = "async"
    STREAM = "stream"


@dataclass(frozen=True, slots=True, kw_only=True)
class HostedTool:
    """A tool that the provider runs; `kind` is the framework's own way to say web search."""

    kind: str = "web_search"


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """One agent of a scenario. `name` is the framework's name of it. `as_tools` are agents that it may call as tools,
    each under its name; `hands_to` those that it may hand the conversation to. `guarded`: the user's one line is there
    for this agent (the outermost always has it); else only the seal covers it. `instructions` is its system prompt.

    A script calls an agent that works as a tool by its name, `Ask.one("helper", input=...)`, and hands on by
    `Ask.one("transfer_to_helper")`: the harness says it in the framework's words. Where such a tool is a plain tool to
    the framework, the desk's catalog has it as `ask.helper`, with one text that it may call `input`, `task`, `request`,
    `prompt`, `query` or `message`."""

    script: Script
    name: str = "desk-bot"
    tools: tuple[ToolFn, ...] = ()
    as_tools: tuple[Agent, ...] = ()
    hands_to: tuple[Agent, ...] = ()
    hosted: tuple[HostedTool, ...] = ()
    instructions: str = ""
    guarded: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What came of one run. `told` are the texts that the model was given for its tool calls, in order (for nested
    agents too); `final` what the outermost agent said last. `offered` are the tools, hosted ones included, that the
    model was offered at its last call. `seen` is everything else that the framework let out while it ran: texts of
    callbacks, hooks, tracers, events and streamed pieces. `suspended`: the run waits for a person, natively, and
    `state` is what the framework keeps of it (a path or a text that another process can go on from). `error` is what
    the framework's runner raised, if it did."""

    told: tuple[str, ...] = ()
    final: str = ""
    offered: tuple[str, ...] = ()
    seen: tuple[str, ...] = ()
    suspended: bool = False
    state: str = ""
    error: BaseException | None = None
    model_calls: int = 0


@dataclass(slots=True, kw_only=True)
class Harness(ABC):
    """One framework. Made anew for each scenario; `folder` is an empty folder for whatever it keeps."""

    guard: Guard
    folder: Path
    extras: dict[str, Any] = field(default_factory=dict)

    name: str = ""
    """As in `bailiwick.adapters.versions.TESTED`."""

    no_thread_id: str = ""
    """Why the framework has no id of a thread or run that an adapter could bind the session to. Empty: it has one."""

    no_model_calls: str = ""
    """Why the framework lets nobody see its calls of models. Empty: it does."""

    # ── one run ────────────────────────────────────────────────────────────────────────────────────────────────────

    @abstractmethod
    def run(self, agent: Agent, prompt: str, *, mode: Mode = Mode.SYNC, thread: str = "", observed: bool = True) -> Ran:
        """Run the agent on the prompt with the framework's own runner, within the session that the scenario has
        entered. `thread` is the framework's own conversation id, where it has one: the run keeps its history under it
        in `folder`, and goes on with what is there. `observed`: callbacks, tracers and streams that the framework
        offers are listened to, for `Ran.seen`.

        The harness uses the public one line of the framework (`guard.langchain()` ...), as the docs tell users to. The
        system prompt is vouched for in the way that the docs tell; the prompt by the scenario (`session.prompt`)."""

    def call_directly(self, agent: Agent, tool: str, args: Mapping[str, Any]) -> Any:
        """Run one tool of the agent past the agent, with the framework's own object: `tool.invoke`, `tool.run` ...
        → what it gave, or raises."""
        raise NotSupported("its tools are plain functions: there is no object to call")

    # ── approvals ──────────────────────────────────────────────────────────────────────────────────────────────────

    def suspend(self, agent: Agent, prompt: str, *, thread: str) -> Ran:
        """Run until a call waits for a person, with the framework's native means. → `suspended` and `state`."""
        raise NotSupported("it cannot suspend a run at a tool call: the model is told PENDING_APPROVAL and calls again")

    def resume(self, agent: Agent, state: str, *, thread: str, answer: object = True) -> Ran:
        """Go on from `state`, perhaps in another process, as a user of the framework does: `answer` is what the
        framework's own resume is given (approve). The agent's script is what the model does from there on."""
        raise NotSupported("it cannot suspend a run at a tool call")

    def forge(self, state: str) -> str:
        """`state` with an approval written into it that nobody gave, as whoever can write to the framework's store
        could. → the forged state."""
        raise NotSupported("it keeps no approvals in its state")

    def edit(self, state: str, tool: str, args: Mapping[str, Any]) -> str:
        """`state` in which the call that waits has other arguments."""
        raise NotSupported("it keeps no calls that wait in its state")

    # ── what else frameworks have ──────────────────────────────────────────────────────────────────────────────────

    def with_retries(self, agent: Agent, prompt: str, tool: str) -> Ran:
        """Run with the framework's own means to run a tool again that failed."""
        raise NotSupported("it has no retries of its own: a tool that failed is called again by the model alone")

    def with_other_hook(
        self, agent: Agent, prompt: str, rewrite: Callable[[str, dict[str, Any]], dict[str, Any]]
    ) -> Ran:
        """Run with a second hook of the framework's own kind, placed by the user where it could change the arguments
        after the guard has decided them. It either does not get to (it runs before), or the call is refused."""
        raise NotSupported("nothing else can be put between the guard and the tool")

    def renamed(self, agent: Agent, prompt: str, tool: str, name: str) -> Ran:
        """Run with the agent's `tool` under another name, as a developer (or an MCP server) may name it."""
        raise NotSupported("a tool's name is its function's")

    def retrieve(self, documents: Sequence[tuple[str, Mapping[str, Any]]], query: str) -> Sequence[str]:
        """Ask the framework's own retriever, under the guard, over these (text, metadata) → the texts that came."""
        raise NotSupported("it has no retriever: retrieval is a tool like others")

    def coverage(self, agent: Agent) -> Coverage:
        """`guard.coverage` of the framework's own object for this agent."""
        raise NotSupported("not built")
