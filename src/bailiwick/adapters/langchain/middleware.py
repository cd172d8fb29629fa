"""LangChain `create_agent`: the guard as its innermost middleware.

    agent = create_agent(model, tools, middleware=[..., guard.langchain()])
    with guard.session(user="alice", agent="support-bot", task="Answer ticket 4711") as session:
        session.prompt(text)
        agent.invoke({"messages": [("user", text)]})

- A tool call is decided as the tool will get it: with the tool's own defaults filled in, and with what its schema makes
  of each argument. It runs with arguments rebuilt from the decided bytes.
- A denial is a tool error that the model reads; the run goes on. A call that waits for a person suspends the run where
  the graph has a checkpointer, else the model reads that it waits.
- Everything that the model is about to read is compared with what the session knows; the unknown taints it. So pass the
  user's words to `session.prompt` and the system prompt to `guard.langchain(instructions=...)`.
- INVARIANT: nothing stands between the guard and the tool, nor between it and the model. A middleware listed after it
  could change what was decided, run it again, or show the model what the session does not know of; so the guard
  refuses to work anywhere but last (it sees what its handler is).
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

from bailiwick.adapters.governing import Told
from bailiwick.adapters.langchain.calls import Asked, Call, abegin_call, begin_call, refusal
from bailiwick.adapters.langchain.finding import afind_session, find_session
from bailiwick.adapters.langchain.messages import Result, ToolResult, last_said, text_of
from bailiwick.adapters.langchain.model import arecord_output, governed, hosted_name, model_name, record_output, texts
from bailiwick.adapters.langchain.seal import reaches
from bailiwick.adapters.langchain.suspending import current_config
from bailiwick.adapters.wiring import Wiring
from bailiwick.errors import MissingExtra, UsageError
from bailiwick.guard.model_calls import ModelCall
from bailiwick.guard.session import Session

try:
    from langchain.agents.middleware import AgentMiddleware, ModelRequest, ModelResponse
    from langchain_core.messages import AIMessage
    from langgraph.errors import GraphBubbleUp
    from langgraph.prebuilt.tool_node import ToolCallRequest
except ImportError as error:
    raise MissingExtra(feature="the LangChain adapter", extra="langchain") from error

__all__ = ["GuardMiddleware"]

_TOOL_HANDLERS = frozenset({"ToolNode._run_one.<locals>.execute", "ToolNode._arun_one.<locals>.execute"})
_MODEL_HANDLERS = frozenset({"create_agent.<locals>._execute_model_sync", "create_agent.<locals>._execute_model_async"})


class GuardMiddleware(AgentMiddleware[Any, Any, Any]):
    """Puts each tool call and each model call of an agent through the planes of the current session. Made by
    `Guard.langchain`. `agent` is the agent's id in the directory, if `create_agent` does not say a name that is;
    `suspend`: a call that waits for a person interrupts a run that has a checkpointer."""

    def __init__(self, wiring: Wiring, *, agent: str = "", suspend: bool = True) -> None:
        super().__init__()
        self.wiring = wiring
        self.agent = agent
        self.suspends = suspend

    # ── tool calls ─────────────────────────────────────────────────────────────────────────────────────────────────

    def wrap_tool_call(self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], ToolResult]) -> ToolResult:
        """Decide, run, record."""
        _must_be_innermost(handler, _TOOL_HANDLERS)
        _must_be_its_tool(request)
        asked = self._asked(request)
        with self.wiring.current():
            call = begin_call(self.wiring, functools.partial(self._bound_session, asked.name), asked)
            if isinstance(call, Told):
                return refusal(asked, call)
            try:
                with call.running():
                    result: Result = handler(_as_decided(request, call))
            except GraphBubbleUp:
                call.broken_off()
                raise
            except Exception as error:
                told = call.raised(error)
                if told.open:
                    raise
                return refusal(asked, told)
            except BaseException:
                call.broken_off()
                raise
            return call.result(result)  # type: ignore[return-value]  # a tool that gives back a list may

    async def awrap_tool_call(
        self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], Awaitable[ToolResult]]
    ) -> ToolResult:
        """`wrap_tool_call` for `ainvoke` and `astream`."""
        _must_be_innermost(handler, _TOOL_HANDLERS)
        _must_be_its_tool(request)
        asked = self._asked(request)
        with self.wiring.current():
            call = await abegin_call(self.wiring, functools.partial(self._abound_session, asked.name), asked)
            if isinstance(call, Told):
                return refusal(asked, call)
            try:
                with call.running():
                    result: Result = await handler(_as_decided(request, call))
            except GraphBubbleUp:
                await call.abroken_off()
                raise
            except Exception as error:
                told = await call.araised(error)
                if told.open:
                    raise
                return refusal(asked, told)
            except BaseException:
                await call.abroken_off()
                raise
            return await call.aresult(result)  # type: ignore[return-value]  # a tool that gives back a list may

    def _asked(self, request: ToolCallRequest) -> Asked:
        call, state = request.tool_call, request.state
        messages = state.get("messages") if isinstance(state, Mapping) else getattr(state, "messages", state)
        return Asked(
            name=call["name"],
            tool=request.tool,
            given=call["args"],
            call_id=call["id"],
            told=last_said(messages if isinstance(messages, list) else ()),
            config=current_config(),
            suspend=self.suspends,
        )

    # ── model calls ────────────────────────────────────────────────────────────────────────────────────────────────

    def wrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], ModelResponse[Any]]
    ) -> ModelResponse[Any]:
        """Label what the model reads and what it writes."""
        _must_be_innermost(handler, _MODEL_HANDLERS)
        session = self._bound_session("the model call", last_said(request.messages))
        with self.wiring.current(), self._model_call(session, request) as call, _governed(request):
            response = handler(_as_offered(request, call))
            for message in response.result:
                if isinstance(message, AIMessage):
                    record_output(call, message, text_of(message))
            return response

    async def awrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]]
    ) -> ModelResponse[Any]:
        """`wrap_model_call` for `ainvoke` and `astream`."""
        _must_be_innermost(handler, _MODEL_HANDLERS)
        session = await self._abound_session("the model call", last_said(request.messages))
        with self.wiring.current(), _governed(request):
            async with self._model_call(session, request) as call:
                response = await handler(_as_offered(request, call))
                for message in response.result:
                    if isinstance(message, AIMessage):
                        await arecord_output(call, message, text_of(message))
                return response

    def _model_call(self, session: Session, request: ModelRequest[Any]) -> ModelCall:
        inputs = texts(request.messages)
        if request.system_message is not None:
            inputs.insert(0, text_of(request.system_message))
            self.wiring.vouch(session, inputs[0])
        model, provider = model_name(request.model, request.model_settings)
        return session.model_call(
            model,
            provider=provider,
            inputs=inputs,
            tools=[_tool_name(tool) for tool in request.tools if not hosted_name(tool)],
            hosted=[name for tool in request.tools if (name := hosted_name(tool))],
        )

    def _bound_session(self, what: str, told: str = "") -> Session:
        return find_session(self.wiring, what, agent=self.agent, message=told)

    async def _abound_session(self, what: str, told: str = "") -> Session:
        return await afind_session(self.wiring, what, agent=self.agent, message=told)


def _governed(request: ModelRequest[Any]) -> AbstractContextManager[None]:
    return governed(request.model, request.model_settings)


def _tool_name(tool: object) -> str:
    if isinstance(tool, Mapping):
        return str(tool.get("name") or dict(tool.get("function") or {}).get("name") or "unnamed")
    return str(getattr(tool, "name", tool))


def _as_offered(request: ModelRequest[Any], call: ModelCall) -> ModelRequest[Any]:
    """Without the tools of the provider that the model may not be offered."""
    if not call.stripped:
        return request
    return request.override(
        tools=[tool for tool in request.tools if not (name := hosted_name(tool)) or name in call.hosted]
    )


def _as_decided(request: ToolCallRequest, call: Call) -> ToolCallRequest:
    """The call with arguments that nobody else holds. INVARIANT: where the seal does not put the decided ones in their
    place, they are the decided ones."""
    if call.begun is None:
        return request
    args = copy.deepcopy(call.asked.args) if reaches(request.tool) else call.begun.args
    return request.override(tool_call={**request.tool_call, "args": args})


def _must_be_innermost(handler: object, handlers: frozenset[str]) -> None:
    if getattr(handler, "__qualname__", "") not in handlers:
        what = "tools" if handlers is _TOOL_HANDLERS else "model"
        raise UsageError(
            f"the guard is not the innermost middleware: another one stands between it and the {what}",
            hint="list guard.langchain() last in middleware=[...]; an untested LangGraph version looks the same",
        )


def _must_be_its_tool(request: ToolCallRequest) -> None:
    if request.tool is not None and request.tool.name != request.tool_call["name"]:
        raise UsageError(
            f"the call names {request.tool_call['name']}, but another middleware gave it the tool {request.tool.name}",
            hint="let a middleware change the name of a call together with its tool",
        )
