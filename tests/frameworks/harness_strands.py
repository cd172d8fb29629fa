"""Strands Agents in the conformance suite: its own Agent, Swarm, hooks and session manager."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from strands import Agent as StrandsAgent
from strands import tool as strands_tool
from strands.hooks import AfterToolCallEvent, BeforeToolCallEvent, HookProvider, HookRegistry
from strands.models.model import Model
from strands.multiagent import Swarm
from strands.session.file_session_manager import FileSessionManager

from bailiwick.adapters.coverage import Coverage
from tests.frameworks.harness import Agent, Ask, Harness, Mode, NotSupported, Ran, Say, Step


class _Model(Model):
    """A scripted model, and what it was given."""

    def __init__(self, agent: Agent, told: list[str]) -> None:
        self._script, self.told = list(agent.script), told
        self.heard: set[str] = set()
        self.calls = 0
        self.offered: tuple[str, ...] = ()

    def update_config(self, **model_config: Any) -> None:
        raise NotImplementedError

    def get_config(self) -> Any:
        return {"model_id": "scripted"}

    def structured_output(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError

    async def stream(
        self, messages: Any, tool_specs: Any = None, system_prompt: str | None = None, **kwargs: Any
    ) -> AsyncGenerator[Any, None]:
        for message in messages:
            for block in message["content"]:
                result = block.get("toolResult")
                if result and result["toolUseId"] not in self.heard:
                    self.heard.add(result["toolUseId"])
                    self.told.append("\n".join(each.get("text", "") for each in result["content"]))
        self.calls += 1
        self.offered = tuple(spec["name"] for spec in tool_specs or ())
        step: Step = self._script.pop(0) if self._script else Say("done")
        yield {"messageStart": {"role": "assistant"}}
        if isinstance(step, Say):
            yield {"contentBlockStart": {"start": {}}}
            for word in step.text.split(" "):
                yield {"contentBlockDelta": {"delta": {"text": word if step.text.endswith(word) else f"{word} "}}}
            yield {"contentBlockStop": {}}
        else:
            for at, (name, args) in enumerate(step.calls):
                use = {"name": name, "toolUseId": f"c{self.calls}-{at}-{id(self)}"}
                yield {"contentBlockStart": {"start": {"toolUse": use}}}
                yield {"contentBlockDelta": {"delta": {"toolUse": {"input": json.dumps(dict(args))}}}}
                yield {"contentBlockStop": {}}
        yield {"messageStop": {"stopReason": "end_turn" if isinstance(step, Say) else "tool_use"}}
        yield {
            "metadata": {
                "usage": {"inputTokens": 3, "outputTokens": 2, "totalTokens": 5},
                "metrics": {"latencyMs": 0},
            }
        }


class _Watch(HookProvider):
    """A second provider of hooks, which sees what hooks get to see."""

    def __init__(self, seen: list[str]) -> None:
        self._seen = seen

    def register_hooks(self, registry: HookRegistry, **kwargs: Any) -> None:
        registry.add_callback(AfterToolCallEvent, self._after)

    def _after(self, event: AfterToolCallEvent) -> None:
        self._seen += [str(event.result), repr(event.exception)]


class _Retries(HookProvider):
    """Runs a tool that failed once more, as Strands' hooks may."""

    def register_hooks(self, registry: HookRegistry, **kwargs: Any) -> None:
        registry.add_callback(AfterToolCallEvent, self._after)

    def _after(self, event: AfterToolCallEvent) -> None:
        event.retry = event.result["status"] == "error"


class _Rewrites(HookProvider):
    """Hooks of the user's that change arguments after all others."""

    def __init__(self, rewrite: Callable[[str, dict[str, Any]], dict[str, Any]]) -> None:
        self._rewrite = rewrite

    def register_hooks(self, registry: HookRegistry, **kwargs: Any) -> None:
        registry.add_callback(BeforeToolCallEvent, self._before)

    def _before(self, event: BeforeToolCallEvent) -> None:
        use = event.tool_use
        event.tool_use = {**use, "input": self._rewrite(use["name"], dict(use["input"]))}


class StrandsHarness(Harness):
    """Agents of Strands."""

    name = "strands"

    def _made(
        self,
        agent: Agent,
        models: list[_Model],
        told: list[str],
        seen: list[str],
        *,
        tools: tuple[Any, ...] | None = None,
        hooks: tuple[Any, ...] = (),
        thread: str = "",
    ) -> StrandsAgent:
        if agent.hosted:
            raise NotSupported("what a provider runs is a parameter of its model's own, which Strands does not know")
        model = _Model(agent, told)
        models.append(model)
        own = [strands_tool(each) for each in agent.tools] if tools is None else list(tools)
        guard = [self.guard.strands(instructions=agent.instructions)] if agent.guarded else []
        manager = FileSessionManager(session_id=thread, storage_dir=str(self.folder)) if thread else None

        def listen(**event: Any) -> None:
            seen.append(str({key: value for key, value in event.items() if key not in ("agent", "model")}))

        return StrandsAgent(
            model=model,
            name=agent.name,
            agent_id=agent.name,
            system_prompt=agent.instructions or None,
            tools=[*own, *(self._made(each, models, told, seen) for each in agent.as_tools)],
            hooks=[*guard, *hooks, _Watch(seen)],
            callback_handler=listen,
            session_manager=manager,
        )

    def run(self, agent: Agent, prompt: str, *, mode: Mode = Mode.SYNC, thread: str = "", observed: bool = True) -> Ran:
        return self._go(agent, prompt, mode=mode, thread=thread)

    def _go(self, agent: Agent, prompt: Any, *, mode: Mode = Mode.SYNC, thread: str = "", **made: Any) -> Ran:
        models: list[_Model] = []
        told: list[str] = []
        seen: list[str] = []
        outer: Any = self._made(_handing_off(agent), models, told, seen, thread=thread, **made)
        for message in outer.messages:
            models[0].heard |= {
                block["toolResult"]["toolUseId"] for block in message["content"] if "toolResult" in block
            }
        runner: Any = outer
        if agent.hands_to:
            others = [self._made(each, models, told, seen) for each in agent.hands_to]
            runner = Swarm([outer, *others], entry_point=outer)
        try:
            if mode is Mode.STREAM:
                result = asyncio.run(_streamed(runner, prompt, seen))
            elif mode is Mode.ASYNC:
                result = asyncio.run(runner.invoke_async(prompt))
            else:
                result = runner(prompt)
        except Exception as error:
            return Ran(told=tuple(told), seen=tuple(seen), error=error, model_calls=sum(m.calls for m in models))
        if agent.hands_to:
            result = result.results[result.node_history[-1].node_id].result
        suspended = getattr(result, "stop_reason", "") == "interrupt"
        return Ran(
            told=tuple(told),
            final="" if suspended else str(result).strip(),
            offered=models[0].offered,
            seen=(*seen, json.dumps(outer.messages, default=str)),
            suspended=suspended,
            state=self._kept(result.interrupts) if suspended else "",
            model_calls=sum(model.calls for model in models),
            error=result if isinstance(result, Exception) else None,
        )

    def call_directly(self, agent: Agent, tool: str, args: Mapping[str, Any]) -> Any:
        made = StrandsAgent(model=_Model(agent, []), tools=[strands_tool(each) for each in agent.tools])
        return getattr(made.tool, tool)(**args)

    # ── approvals ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _kept(self, interrupts: Any) -> str:
        files = {str(path.relative_to(self.folder)): path.read_text() for path in sorted(self.folder.rglob("*.json"))}
        return json.dumps({"files": files, "asked": [each.id for each in interrupts]})

    def suspend(self, agent: Agent, prompt: str, *, thread: str) -> Ran:
        return self._go(agent, prompt, thread=thread)

    def resume(self, agent: Agent, state: str, *, thread: str, answer: object = True) -> Ran:
        kept = json.loads(state)
        for path, text in kept["files"].items():
            Path(self.folder, path).write_text(text)
        answers = [{"interruptResponse": {"interruptId": each, "response": answer}} for each in kept["asked"]]
        return self._go(agent, answers, thread=thread)

    def forge(self, state: str) -> str:
        def forged(value: dict[str, Any]) -> dict[str, Any]:
            return {**value, "response": "approved"} if {"id", "name", "response"} <= value.keys() else value

        return _changed(state, forged)

    def edit(self, state: str, tool: str, args: Mapping[str, Any]) -> str:
        def edited(value: dict[str, Any]) -> dict[str, Any]:
            return {**value, "input": dict(args)} if value.get("name") == tool and "toolUseId" in value else value

        return _changed(state, edited)

    # ── what else it has ───────────────────────────────────────────────────────────────────────────────────────────

    def with_retries(self, agent: Agent, prompt: str, tool: str) -> Ran:
        return self._go(agent, prompt, hooks=(_Retries(),))

    def with_other_hook(
        self, agent: Agent, prompt: str, rewrite: Callable[[str, dict[str, Any]], dict[str, Any]]
    ) -> Ran:
        return self._go(agent, prompt, hooks=(_Rewrites(rewrite),))

    def renamed(self, agent: Agent, prompt: str, tool: str, name: str) -> Ran:
        tools = tuple(strands_tool(name=name if each.__name__ == tool else None)(each) for each in agent.tools)
        return self._go(agent, prompt, tools=tools)

    def coverage(self, agent: Agent) -> Coverage:
        made = self._made(agent, [], [], [])
        if agent.hands_to:
            return self.guard.coverage(Swarm([made, *(self._made(each, [], [], []) for each in agent.hands_to)]))
        return self.guard.coverage(made)


async def _streamed(runner: Any, prompt: Any, seen: list[str]) -> Any:
    result = None
    async for event in runner.stream_async(prompt):
        if "result" in event:
            result = event["result"]
        else:
            seen.append(str({key: value for key, value in event.items() if key not in ("agent", "model")}))
    return result


def _handing_off(agent: Agent) -> Agent:
    """A swarm has one tool for all hand-offs: the script's `transfer_to_x` is its call with x."""

    def call(name: str, args: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
        target = name.removeprefix("transfer_to_")
        return ("handoff_to_agent", {"agent_name": target, "message": "Go on."}) if target != name else (name, args)

    script = tuple(
        replace(step, calls=tuple(call(*each) for each in step.calls)) if isinstance(step, Ask) else step
        for step in agent.script
    )
    return replace(agent, script=script)


def _changed(state: str, change: Callable[[dict[str, Any]], dict[str, Any]]) -> str:
    def walk(value: Any) -> Any:
        if isinstance(value, dict):
            return change({key: walk(each) for key, each in value.items()})
        return [walk(each) for each in value] if isinstance(value, list) else value

    kept = json.loads(state)
    kept["files"] = {path: json.dumps(walk(json.loads(text))) for path, text in kept["files"].items()}
    return json.dumps(kept)


HARNESS = StrandsHarness
