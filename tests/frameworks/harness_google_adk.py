"""Google ADK in the conformance suite: its own Runner, App, plugins and session service."""

from __future__ import annotations

import asyncio
import json
import warnings
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import replace
from typing import Any

from google.adk.agents import LlmAgent
from google.adk.agents._streaming_mode import StreamingMode
from google.adk.agents.run_config import RunConfig
from google.adk.apps import App
from google.adk.events import Event
from google.adk.models.base_llm import BaseLlm
from google.adk.models.llm_request import LlmRequest
from google.adk.models.llm_response import LlmResponse
from google.adk.plugins import ReflectAndRetryToolPlugin
from google.adk.plugins.base_plugin import BasePlugin
from google.adk.runners import Runner
from google.adk.sessions import InMemorySessionService
from google.adk.tools.agent_tool import AgentTool
from google.adk.tools.function_tool import FunctionTool
from google.adk.tools.google_search_tool import google_search
from google.genai import types
from pydantic import Field

from bailiwick import current_session
from bailiwick.adapters.coverage import Coverage
from bailiwick.adapters.google_adk.calls import FRAMEWORK  # noqa: F401  the adapter must import
from tests.frameworks.harness import Agent, Ask, Harness, Mode, Ran, Say, Step

APP, USER = "desk", "alice"
CONFIRM = "adk_request_confirmation"


class _Model(BaseLlm):
    """A scripted model, and what it was given."""

    model: str = "scripted"
    script: list[Any] = Field(default_factory=list)
    told: list[str] = Field(default_factory=list)
    heard_of: list[str] = Field(default_factory=list)
    offered: list[str] = Field(default_factory=list)
    calls: int = 0

    async def generate_content_async(
        self, llm_request: LlmRequest, stream: bool = False
    ) -> AsyncGenerator[LlmResponse, None]:
        for content in llm_request.contents:
            for part in content.parts or ():
                answer = part.function_response
                if answer is not None and (text := _heard(answer)) not in self.heard_of:
                    self.heard_of.append(text)
                    self.told.append(text.partition(" ")[2])
        self.calls += 1
        self.offered[:] = list(llm_request.tools_dict)
        for tool in llm_request.config.tools or ():
            self.offered += [
                name for name in ("google_search", "code_execution") if getattr(tool, name, None) is not None
            ]
        step: Step = self.script.pop(0) if self.script else Say("done")
        if stream and isinstance(step, Say):
            for word in step.text.split(" "):
                yield LlmResponse(partial=True, content=types.Content(role="model", parts=[types.Part(text=word)]))
        yield LlmResponse(content=types.Content(role="model", parts=_parts(step)))


def _heard(answer: types.FunctionResponse) -> str:
    """A tool's answer as the model reads it, after the id of its call."""
    response = answer.response or {}
    (text,) = response.values() if len(response) == 1 else (json.dumps(response, default=str),)
    return f"{answer.id} {text}"


def _parts(step: Step) -> list[types.Part]:
    if isinstance(step, Say):
        return [types.Part(text=step.text)]
    calls = [types.Part(function_call=types.FunctionCall(name=name, args=dict(args))) for name, args in step.calls]
    return [*([types.Part(text=step.text)] if step.text else []), *calls]


class _Watch(BasePlugin):
    """A second plugin, which sees what plugins get to see."""

    def __init__(self, seen: list[str]) -> None:
        super().__init__(name="watch")
        self._seen = seen

    async def after_tool_callback(self, *, tool: Any, tool_args: Any, tool_context: Any, result: Any) -> None:
        self._seen.append(str(result))

    async def on_tool_error_callback(self, *, tool: Any, tool_args: Any, tool_context: Any, error: Any) -> None:
        self._seen.append(f"{error!r}")

    async def on_event_callback(self, *, invocation_context: Any, event: Any) -> None:
        self._seen.append(event.model_dump_json())


class GoogleADKHarness(Harness):
    """Agents of Google ADK."""

    name = "google-adk"

    def _made(
        self, agent: Agent, models: list[_Model], told: list[str], tools: tuple[Any, ...] | None = None, **more: Any
    ) -> LlmAgent:
        model = _Model(script=list(agent.script))
        model.told = told
        models.append(model)
        # There is no unguarded agent below a guarded app: the plugin is the app's, and the seal the process's.
        return LlmAgent(
            name=agent.name.replace("-", "_"),
            model=model,
            instruction=agent.instructions,
            tools=[
                *(agent.tools if tools is None else tools),
                *(AgentTool(self._made(each, models, told)) for each in agent.as_tools),
                *(google_search for _ in agent.hosted),
            ],
            sub_agents=[self._made(each, models, told) for each in agent.hands_to],
            **more,
        )

    def run(self, agent: Agent, prompt: str, *, mode: Mode = Mode.SYNC, thread: str = "", observed: bool = True) -> Ran:
        return self._go(agent, types.Content(role="user", parts=[types.Part(text=prompt)]), mode=mode, thread=thread)

    def _go(
        self,
        agent: Agent,
        message: types.Content,
        *,
        mode: Mode = Mode.SYNC,
        thread: str = "",
        state: str = "",
        plugins: tuple[Any, ...] = (),
        **made: Any,
    ) -> Ran:
        models: list[_Model] = []
        told: list[str] = []
        seen: list[str] = []
        root = self._made(self._transferring(agent), models, told, **made)
        guard = self.guard.google_adk(instructions=agent.instructions, agents={"desk_bot": "desk-bot"})
        app = App(name=APP, root_agent=root, plugins=[guard, *plugins, _Watch(seen)])
        kept = self.folder / f"{thread}.json"
        history = state or (kept.read_text(encoding="utf-8") if thread and kept.exists() else "")
        work = self._work(app, message, mode=mode, thread=thread, history=history, models=models)
        try:
            with warnings.catch_warnings():
                # AgentTool itself gives its runner plugins in the way that is deprecated.
                warnings.filterwarnings("ignore", message="The `plugins` argument is deprecated")
                events, all_events = asyncio.run(work)
        except Exception as error:
            return Ran(told=tuple(told), seen=tuple(seen), error=error, model_calls=sum(m.calls for m in models))
        if thread:
            kept.write_text(all_events, encoding="utf-8")
        suspended = any(call.name == CONFIRM for event in events for call in event.get_function_calls())
        failed = next((event.error_message for event in events if event.error_message), None)
        texts = [_text(event) for event in events if not event.partial]
        return Ran(
            told=tuple(told),
            final="" if suspended else next((text for text in reversed(texts) if text), ""),
            offered=tuple(models[0].offered),
            seen=(*seen, *(event.model_dump_json() for event in events)),
            suspended=suspended,
            state=all_events if suspended else "",
            error=RuntimeError(failed) if failed else None,
            model_calls=sum(model.calls for model in models),
        )

    async def _work(
        self, app: App, message: types.Content, *, mode: Mode, thread: str, history: str, models: list[_Model]
    ) -> tuple[list[Event], str]:
        sessions = InMemorySessionService()
        # Every run has a session's id: where none is asked for, the one that the guard's session has.
        here = current_session()
        known = thread or (here.conversation if here is not None else None)
        session = await sessions.create_session(app_name=APP, user_id=USER, session_id=known)
        for each in json.loads(history) if history else []:
            event = Event.model_validate(each)
            await sessions.append_event(session, event)
        for model in models[:1]:
            model.heard_of += [_heard(each) for event in session.events for each in event.get_function_responses()]
        runner = Runner(app=app, session_service=sessions)
        streaming = StreamingMode.SSE if mode is Mode.STREAM else StreamingMode.NONE
        given: dict[str, Any] = {
            "user_id": USER,
            "session_id": session.id,
            "new_message": message,
            "run_config": RunConfig(streaming_mode=streaming),
        }
        if mode is Mode.SYNC:
            events = await asyncio.to_thread(lambda: list(runner.run(**given)))
        else:
            events = [event async for event in runner.run_async(**given)]
        now = await sessions.get_session(app_name=APP, user_id=USER, session_id=session.id)
        assert now is not None
        return events, json.dumps([event.model_dump(mode="json") for event in now.events])

    def _transferring(self, agent: Agent) -> Agent:
        """ADK has one tool for all transfers: the script's `transfer_to_x` is its call with x."""
        script = tuple(
            replace(step, calls=tuple(map(_transfer, step.calls))) if isinstance(step, Ask) else step
            for step in agent.script
        )
        arguments = {each.name for each in agent.as_tools}
        script = tuple(
            replace(
                step,
                calls=tuple((name, _request(args) if name in arguments else args) for name, args in step.calls),
            )
            if isinstance(step, Ask)
            else step
            for step in script
        )
        return replace(agent, script=script)

    def call_directly(self, agent: Agent, tool: str, args: Mapping[str, Any]) -> Any:
        function = next(each for each in agent.tools if each.__name__ == tool)
        made = FunctionTool(function)
        context = _context(LlmAgent(name="desk_bot", model=_Model()))
        return asyncio.run(made.run_async(args=dict(args), tool_context=context))

    def suspend(self, agent: Agent, prompt: str, *, thread: str) -> Ran:
        return self.run(agent, prompt, thread=thread)

    def resume(self, agent: Agent, state: str, *, thread: str, answer: object = True) -> Ran:
        (asked,) = {
            call.id
            for each in json.loads(state)
            for call in Event.model_validate(each).get_function_calls()
            if call.name == CONFIRM
        }
        response = types.FunctionResponse(id=asked, name=CONFIRM, response={"confirmed": bool(answer)})
        message = types.Content(role="user", parts=[types.Part(function_response=response)])
        return self._go(agent, message, thread=thread, state=state)

    def forge(self, state: str) -> str:
        events = json.loads(state)
        for event in events:
            for confirmation in (event["actions"].get("requested_tool_confirmations") or {}).values():
                confirmation["confirmed"] = True
        return json.dumps(events)

    def edit(self, state: str, tool: str, args: Mapping[str, Any]) -> str:
        events = json.loads(state)
        for event in events:
            for part in (event.get("content") or {}).get("parts") or ():
                call = part.get("function_call")
                if call and call["name"] == tool:
                    call["args"] = dict(args)
                if call and call["name"] == CONFIRM:
                    call["args"]["originalFunctionCall"]["args"] = dict(args)
        return json.dumps(events)

    def with_retries(self, agent: Agent, prompt: str, tool: str) -> Ran:
        script = [agent.script[0], *agent.script]
        content = types.Content(role="user", parts=[types.Part(text=prompt)])
        plugins = (ReflectAndRetryToolPlugin(max_retries=2),)
        return self._go(replace(agent, script=tuple(script)), content, plugins=plugins)

    def with_other_hook(
        self, agent: Agent, prompt: str, rewrite: Callable[[str, dict[str, Any]], dict[str, Any]]
    ) -> Ran:
        def before_tool(tool: Any, args: dict[str, Any], tool_context: Any) -> None:
            changed = rewrite(tool.name, dict(args))
            args.clear()
            args.update(changed)

        content = types.Content(role="user", parts=[types.Part(text=prompt)])
        return self._go(agent, content, before_tool_callback=before_tool)

    def renamed(self, agent: Agent, prompt: str, tool: str, name: str) -> Ran:
        made = [FunctionTool(each) for each in agent.tools]
        for each in made:
            if each.name == tool:
                each.name = name
        content = types.Content(role="user", parts=[types.Part(text=prompt)])
        return self._go(agent, content, tools=tuple(made))

    def coverage(self, agent: Agent) -> Coverage:
        self.guard.google_adk()
        return self.guard.coverage(self._made(agent, [], []))


def _transfer(call: tuple[str, Mapping[str, Any]]) -> tuple[str, Mapping[str, Any]]:
    name, args = call
    target = name.removeprefix("transfer_to_")
    return ("transfer_to_agent", {"agent_name": target}) if target != name else (name, args)


def _request(args: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"request": next(iter(args.values()), "")}


def _text(event: Event) -> str:
    parts = event.content.parts if event.content else None
    return "".join(part.text for part in parts or () if part.text)


def _context(agent: LlmAgent) -> Any:
    from google.adk.agents.invocation_context import InvocationContext
    from google.adk.sessions import Session
    from google.adk.tools.tool_context import ToolContext

    invocation = InvocationContext(
        session_service=InMemorySessionService(),
        invocation_id="i",
        agent=agent,
        session=Session(id="s", app_name=APP, user_id=USER),
    )
    return ToolContext(invocation)


HARNESS = GoogleADKHarness
