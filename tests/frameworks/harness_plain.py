"""No framework: an agent loop of a page over `govern`, so that scenarios can be seen to hold (and to fail) by
themselves, and as the shortest example of what an adapter has to do.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from bailiwick import Document, Session
from bailiwick.adapters.acting import AgentNames
from bailiwick.adapters.coverage import Coverage, CoveredTool, Reach
from bailiwick.adapters.governing import Ended, Told, govern
from bailiwick.errors import Refused
from bailiwick.guard.current import acting_in
from bailiwick.guard.finding import session_for
from tests.frameworks.harness import Agent, Ask, Harness, Mode, Ran, Say, ToolFn

__all__ = ["HARNESS"]


@dataclass(slots=True)
class _Loop:
    """What one run collects."""

    told: list[str] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    offered: tuple[str, ...] = ()
    model_calls: int = 0
    waits: tuple[str, dict[str, Any]] | None = None


@dataclass(slots=True, kw_only=True)
class PlainHarness(Harness):
    """The loop. With a thread it keeps the texts of the conversation; suspended, the call that waits."""

    name: str = "plain"

    def run(self, agent: Agent, prompt: str, *, mode: Mode = Mode.SYNC, thread: str = "", observed: bool = True) -> Ran:
        return self._run(agent, prompt, _Loop(), thread=thread)

    def call_directly(self, agent: Agent, tool: str, args: Mapping[str, Any]) -> Any:
        told = self._call(self._find(tool), {each.__name__: each for each in agent.tools}[tool], tool, args)
        if not told.open:
            raise RuntimeError(told.text)
        return told.value

    def suspend(self, agent: Agent, prompt: str, *, thread: str) -> Ran:
        self.extras["suspends"] = True
        return self._run(agent, prompt, _Loop(), thread=thread)

    def resume(self, agent: Agent, state: str, *, thread: str, answer: object = True) -> Ran:
        kept = json.loads(state)
        first = Ask(((kept["tool"], kept["args"]),))
        again = Agent(name=agent.name, script=(first, *agent.script), tools=agent.tools)
        return self._run(again, "", _Loop(), thread=thread, texts=kept["texts"])

    def forge(self, state: str) -> str:
        return json.dumps({**json.loads(state), "approved": True})

    def edit(self, state: str, tool: str, args: Mapping[str, Any]) -> str:
        return json.dumps({**json.loads(state), "args": dict(args)})

    def with_retries(self, agent: Agent, prompt: str, tool: str) -> Ran:
        self.extras["tries"] = 3
        return self._run(agent, prompt, _Loop())

    def with_other_hook(
        self, agent: Agent, prompt: str, rewrite: Callable[[str, dict[str, Any]], dict[str, Any]]
    ) -> Ran:
        self.extras["rewrite"] = rewrite
        return self._run(agent, prompt, _Loop())

    def renamed(self, agent: Agent, prompt: str, tool: str, name: str) -> Ran:
        self.extras["renamed"] = {name: tool}
        return self._run(agent, prompt, _Loop())

    def retrieve(self, documents: Sequence[tuple[str, Mapping[str, Any]]], query: str) -> Sequence[str]:
        session = session_for(self.guard._engine, "kb")
        return [each.text for each in session.retrieved("kb", [Document(text, dict(of)) for text, of in documents])]

    def coverage(self, agent: Agent) -> Coverage:
        found: list[CoveredTool] = []
        for each in (agent, *agent.as_tools, *agent.hands_to):
            for tool in each.tools:
                spec = self.guard._engine.core.planes.catalog.find(tool.__name__)
                found.append(
                    CoveredTool(
                        agent=each.name, tool=tool.__name__, reach=Reach.ENFORCED, catalog=spec.name if spec else ""
                    )
                )
            found += [CoveredTool(agent=each.name, tool=hosted.kind, reach=Reach.OBSERVED) for hosted in each.hosted]
        return Coverage(framework="plain", tools=tuple(found))

    # ── the loop ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _find(self, what: str) -> Callable[[], Session]:
        return partial(session_for, self.guard._engine, what)

    def _run(
        self, agent: Agent, prompt: str, loop: _Loop, *, thread: str = "", texts: Sequence[str] | None = None
    ) -> Ran:
        file = self.folder / f"{thread}.json"
        before = texts if texts is not None else json.loads(file.read_text()) if thread and file.exists() else []
        talk = [*before, *([prompt] if prompt else [])]
        try:
            if thread:
                session_for(self.guard._engine, "the thread").rebind(thread)
            final = self._talk(agent, talk, loop)
        except Exception as error:
            return Ran(told=tuple(loop.told), model_calls=loop.model_calls, error=error)
        state = ""
        if loop.waits is not None:
            state = json.dumps({"tool": loop.waits[0], "args": loop.waits[1], "texts": talk})
        elif thread:
            file.write_text(json.dumps([*talk, final]))
        return Ran(
            told=tuple(loop.told),
            final=final,
            offered=loop.offered,
            seen=tuple(loop.seen),
            suspended=loop.waits is not None,
            state=state,
            model_calls=loop.model_calls,
        )

    def _talk(self, agent: Agent, talk: list[str], loop: _Loop) -> str:
        """One agent, until it says something. `talk` grows by all that its model is shown."""
        for step in (*agent.script, Say("done")):
            self._model(agent, step, talk, loop)
            if isinstance(step, Say):
                return step.text
            name = step.calls[0][0]
            if name.startswith("transfer_to_"):
                taken = self._handed_on(agent, name.removeprefix("transfer_to_"), talk, loop)
                if taken is not None:
                    return taken
                continue
            with ThreadPoolExecutor() as pool:
                done = [
                    pool.submit(copy_context().run, partial(self._one, agent, name, args, loop))
                    for name, args in step.calls
                ]
                told = [each.result() for each in done]
            waits = [call for call, each in zip(step.calls, told, strict=True) if each.ended is Ended.PENDING]
            if waits and self.extras.get("suspends"):
                loop.waits = (waits[0][0], dict(waits[0][1]))
                return ""
            loop.told += [each.text for each in told]
            talk += [each.text for each in told]
        raise AssertionError("unreachable")

    def _model(self, agent: Agent, step: Ask | Say, talk: list[str], loop: _Loop) -> None:
        session = session_for(self.guard._engine, "the model call")
        if agent.instructions:
            session.instructions_once(agent.instructions)
        names = [tool.__name__ for tool in agent.tools]
        inputs = [agent.instructions, *talk] if agent.instructions else talk
        with session.model_call("scripted", inputs=inputs, tools=names) as call:
            loop.model_calls += 1
            loop.offered = tuple(names)
            said = step.text if isinstance(step, Say) else json.dumps(step.calls)
            call.output(said)
        talk.append(said)

    def _handed_on(self, agent: Agent, name: str, talk: list[str], loop: _Loop) -> str | None:
        """What the agent that takes over says in the end; None: it was denied, and this one goes on."""
        names = AgentNames(engine=self.guard._engine)
        try:
            session = names.session(session_for(self.guard._engine, name), name, message=talk[0])
        except Refused as refused:
            loop.told.append(f"DENIED {name}: {refused}")
            session_for(self.guard._engine, name).vouch(loop.told[-1])
            talk.append(loop.told[-1])
            return None
        other = next(each for each in agent.hands_to if each.name == name)
        with acting_in(session):
            return self._talk(other, [talk[0]], loop)

    def _one(self, agent: Agent, name: str, args: Mapping[str, Any], loop: _Loop) -> Told[Any]:
        """One call that a model asked for."""
        if "rewrite" in self.extras:
            args = self.extras["rewrite"](name, dict(args))
        nested = next((each for each in agent.as_tools if each.name == name), None)
        if nested is not None:
            return self._call(self._find(name), partial(self._nested, nested, loop), name, args)
        tools = {tool.__name__: tool for tool in agent.tools}
        tool = tools[self.extras.get("renamed", {}).get(name, name)]
        told = self._call(self._find(name), tool, name, args)
        for _ in range(self.extras.get("tries", 1) - 1):
            if told.ended is not Ended.FAILED:
                break
            told = self._call(self._find(name), tool, name, args)
        return told

    def _nested(self, agent: Agent, loop: _Loop, input: str) -> str:  # noqa: A002
        session = session_for(self.guard._engine, agent.name)
        if agent.guarded:
            session = AgentNames(engine=self.guard._engine).session(session, agent.name, message=input)
        with acting_in(session):
            return self._talk(agent, [input], loop)

    def _call(self, find: Callable[[], Session], tool: ToolFn, name: str, args: Mapping[str, Any]) -> Told[Any]:
        bound = dict(args)
        with contextlib.suppress(TypeError):
            whole = inspect.signature(tool).bind(**args)
            whole.apply_defaults()
            bound = dict(whole.arguments)
        return govern(find, name, bound, lambda given: _run_tool(tool, given))


def _run_tool(tool: ToolFn, given: dict[str, Any]) -> Any:
    came = tool(**given)
    return asyncio.run(came) if inspect.iscoroutine(came) else came


HARNESS = PlainHarness
