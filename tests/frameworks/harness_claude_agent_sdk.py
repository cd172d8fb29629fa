"""The Claude Agent SDK for the conformance suite: the Claude Code program that it brings, and a scripted model."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from claude_agent_sdk import (
    AgentDefinition,
    ClaudeAgentOptions,
    ResultMessage,
    SdkMcpTool,
    create_sdk_mcp_server,
    query,
    tool,
)

from bailiwick.adapters.coverage import Coverage
from tests.frameworks.claude_api import ScriptedApi
from tests.frameworks.harness import Agent, Ask, Harness, Mode, NotSupported, Ran, Step, ToolFn

__all__ = ["HARNESS", "ClaudeAgentHarness", "as_tool"]

SERVER = "desk"
_TYPES = {str: "string", int: "integer", float: "number", bool: "boolean"}


def as_tool(function: ToolFn, name: str = "") -> SdkMcpTool[Any]:
    """A function as a tool of a server in this process."""
    signature = inspect.signature(function, eval_str=True)
    fields: dict[str, Any] = {}
    for each in signature.parameters.values():
        fields[each.name] = _schema(each.annotation)
        if each.default is not each.empty:
            fields[each.name]["default"] = each.default
    required = [each.name for each in signature.parameters.values() if each.default is each.empty]
    schema = {"type": "object", "properties": fields, "required": required}

    async def run(args: dict[str, Any]) -> dict[str, Any]:
        came = function(**args)
        value = await came if inspect.isawaitable(came) else came
        return {"content": [{"type": "text", "text": value if isinstance(value, str) else str(value)}]}

    told = inspect.getdoc(function) or function.__name__
    return tool(name or function.__name__, told, schema)(run)


def _schema(annotation: Any) -> dict[str, Any]:
    if getattr(annotation, "__origin__", None) is list:
        return {"type": "array", "items": {"type": "string"}}
    return {"type": _TYPES.get(annotation, "string")}


@dataclass(slots=True, kw_only=True)
class ClaudeAgentHarness(Harness):
    """Claude Code is a program that the SDK talks to: every run is asynchronous."""

    name: str = "claude-agent-sdk"
    no_thread_id: str = "its sessions have UUIDs that Claude Code makes; a session that has no conversation takes it"
    no_model_calls: str = "Claude Code calls the model itself; what it is given to read is decided text by text"
    names: dict[str, str] = field(default_factory=dict)

    def run(self, agent: Agent, prompt: str, *, mode: Mode = Mode.SYNC, thread: str = "", observed: bool = True) -> Ran:
        if thread:
            before = self.folder / f"{thread}.began"
            if before.exists():
                raise NotSupported("Claude Code goes on under a UUID alone, which must be the conversation's")
            before.touch()
        return self._run(agent, prompt, partial=mode is Mode.STREAM)

    def call_directly(self, agent: Agent, tool: str, args: Mapping[str, Any]) -> Any:
        self._options(agent, ScriptedApi(), partial=False)
        found = next(each for each in agent.tools if each.__name__ == tool)
        return as_tool(found).handler(dict(args))

    def renamed(self, agent: Agent, prompt: str, tool: str, name: str) -> Ran:
        self.names[tool] = name
        return self._run(agent, prompt, partial=False)

    def coverage(self, agent: Agent) -> Coverage:
        from bailiwick.adapters.claude_agent_sdk import covered

        catalog = self.guard._engine.core.planes.catalog

        def entry(name: str) -> str:
            found = catalog.find(name)
            return found.name if found is not None else ""

        options = self._options(agent, ScriptedApi(), partial=False)
        return Coverage(framework=self.name, tools=covered(options, catalog=entry))

    def _options(self, agent: Agent, api: ScriptedApi, *, partial: bool) -> ClaudeAgentOptions:
        if agent.hands_to:
            raise NotSupported("it has no handoffs: an agent starts others and goes on itself")
        if agent.hosted:
            raise NotSupported("Claude Code offers its model no tools of the provider beside its own")
        below = {each.name: each for each in agent.as_tools}
        every = [agent, *below.values()]
        for each in every:
            api.scripts[each.name] = [_named(step, frozenset(below), self.names) for step in each.script]
        functions = {function.__name__: function for each in every for function in each.tools}
        tools = [as_tool(function, self.names.get(name, name)) for name, function in functions.items()]
        home = str(self.folder)
        options = ClaudeAgentOptions(
            system_prompt=f"{agent.instructions} {ScriptedApi.marker(agent.name)}",
            mcp_servers={SERVER: create_sdk_mcp_server(SERVER, tools=tools)},
            tools=["Task"] if below else [],
            allowed_tools=[f"mcp__{SERVER}__{each.name}" for each in tools],
            agents={
                name: AgentDefinition(
                    description=f"The agent {name}", prompt=f"{each.instructions} {ScriptedApi.marker(name)}"
                )
                for name, each in below.items()
            },
            cwd=home,
            include_partial_messages=partial,
            env={
                "HOME": home,
                "CLAUDE_CONFIG_DIR": f"{home}/claude",
                "ANTHROPIC_BASE_URL": api.address,
                "ANTHROPIC_API_KEY": "none",
                "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
                "CLAUDE_CODE_DISABLE_BACKGROUND_TASKS": "1",
            },
        )
        return self.guard.claude_agent_sdk(options)

    def _run(self, agent: Agent, prompt: str, *, partial: bool) -> Ran:
        with ScriptedApi().serving() as api:
            return asyncio.run(self._asked(self._options(agent, api, partial=partial), agent, prompt, api))

    async def _asked(self, options: ClaudeAgentOptions, agent: Agent, prompt: str, api: ScriptedApi) -> Ran:
        seen: list[str] = []
        final, error = "", None
        try:
            async for message in query(prompt=prompt, options=options):
                seen.append(repr(message))
                if isinstance(message, ResultMessage):
                    final = message.result or ""
        except Exception as raised:
            error = raised
        if error is None and not api.calls and "blocked by hook" in final:
            # It raises nothing for a prompt that a hook blocked: what the run came to says so.
            error = RuntimeError(final)
        kept = [each.read_text(errors="replace") for each in self.folder.rglob("*.jsonl")]
        prefix = f"mcp__{SERVER}__"
        return Ran(
            told=tuple(api.told),
            final=final,
            offered=tuple(name.removeprefix(prefix) for name in api.offered.get(agent.name, ())),
            seen=(*seen, *kept),
            error=error,
            model_calls=api.calls,
        )


def _named(step: Step, below: frozenset[str], names: Mapping[str, str]) -> Step:
    """Calls as Claude Code has them: agents are started by `Task`, tools have their server's name before them."""
    if not isinstance(step, Ask):
        return step
    calls = (
        ("Task", {"description": "work", "subagent_type": name, "prompt": "\n".join(args.values())})
        if name in below
        else (f"mcp__{SERVER}__{name}", args)
        for name, args in step.calls
    )
    return Ask(tuple(calls), step.text)


HARNESS = ClaudeAgentHarness
