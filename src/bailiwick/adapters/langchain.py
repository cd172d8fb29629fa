"""LangChain `create_agent`: the guard as its innermost middleware.

    agent = create_agent(model, tools, middleware=[..., guard.langchain()])
    with guard.session(user="alice", agent="support-bot", task="Answer ticket 4711") as session:
        session.prompt(text)
        agent.invoke({"messages": [("user", text)]})

- A tool call is decided with the tool's own defaults filled in, and runs with arguments rebuilt from the decided bytes.
- A denial is a tool error that the model reads; the run goes on.
- Everything that the model is about to read is compared with what the session knows; the unknown taints it. So pass the
  user's words to `session.prompt` and the system prompt to `guard.langchain(instructions=...)`.
- INVARIANT: nothing stands between the guard and the tool. A middleware listed after it could change what was decided
  or
  run it again, so the guard refuses to work anywhere but last (it sees what its handler is).
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from bailiwick.errors import ApprovalPending, MissingExtra, Refused, UsageError
from bailiwick.guard.session import Session, running
from bailiwick.guard.state import Permit

try:
    from langchain.agents.middleware import AgentMiddleware, ModelRequest, ModelResponse
    from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
    from langgraph.config import get_config
    from langgraph.errors import GraphBubbleUp
    from langgraph.prebuilt.tool_node import ToolCallRequest
    from langgraph.types import Command
    from pydantic import BaseModel
except ImportError as error:
    raise MissingExtra(feature="the LangChain adapter", extra="langchain") from error

__all__ = ["GuardMiddleware"]

ToolResult = ToolMessage | Command[Any]
"""What a tool call gives back in LangChain."""

_TOOL_HANDLERS = frozenset({"ToolNode._run_one.<locals>.execute", "ToolNode._arun_one.<locals>.execute"})


class GuardMiddleware(AgentMiddleware[Any, Any, Any]):
    """Puts each tool call of an agent through the planes of the current session. Made by `Guard.langchain`.

    `session` finds the session and raises Denied where there is none; `instructions` are the texts that the developer
    vouches for (the system prompt)."""

    def __init__(
        self,
        *,
        session: Callable[[str], Session],
        instructions: tuple[str, ...] = (),
    ) -> None:
        super().__init__()
        self._session = session
        self._instructions = frozenset(instructions)

    # ── tool calls ─────────────────────────────────────────────────────────────────────────────────────────────────

    def wrap_tool_call(self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], ToolResult]) -> ToolResult:
        """Decide, run, record."""
        _must_be_innermost(handler)
        session = self._bound_session(request.tool_call["name"])
        try:
            permit = session.enter(request.tool_call["name"], _bound_arguments(request))
            decided = _with_arguments(request, session.start(permit))
        except Refused as refused:
            return _refusal(session, request, refused)
        try:
            with running(permit):
                result = handler(decided)
        except GraphBubbleUp:
            session.cancelled(permit)
            raise
        except Exception as error:
            session.failed(permit, error)
            raise
        except BaseException:
            session.cancelled(permit)
            raise
        try:
            _record(session, permit, result)
        except Refused as refused:
            return _refusal(session, request, refused)
        return result

    async def awrap_tool_call(
        self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], Awaitable[ToolResult]]
    ) -> ToolResult:
        """`wrap_tool_call` for `ainvoke` and `astream`."""
        _must_be_innermost(handler)
        session = self._bound_session(request.tool_call["name"])
        try:
            permit = await session.aenter(request.tool_call["name"], _bound_arguments(request))
            decided = _with_arguments(request, await session.astart(permit))
        except Refused as refused:
            return _refusal(session, request, refused)
        try:
            with running(permit):
                result = await handler(decided)
        except GraphBubbleUp:
            await session.acancelled(permit)
            raise
        except Exception as error:
            await session.afailed(permit, error)
            raise
        except BaseException:
            await session.acancelled(permit)
            raise
        try:
            await _arecord(session, permit, result)
        except Refused as refused:
            return _refusal(session, request, refused)
        return result

    # ── model calls ────────────────────────────────────────────────────────────────────────────────────────────────

    def wrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], ModelResponse[Any]]
    ) -> ModelResponse[Any]:
        """Label what the model reads and what it writes."""
        session = self._before_model(request)
        return self._after_model(session, handler(request))

    async def awrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]]
    ) -> ModelResponse[Any]:
        """`wrap_model_call` for `ainvoke` and `astream`."""
        session = self._before_model(request)
        return self._after_model(session, await handler(request))

    def _before_model(self, request: ModelRequest[Any]) -> Session:
        session = self._bound_session("the model call")
        hosted = [tool for tool in request.tools if isinstance(tool, Mapping)]
        if hosted:
            names = ", ".join(str(tool.get("name") or tool.get("type")) for tool in hosted)
            raise UsageError(
                f"tools that the provider runs cannot be governed: {names}",
                hint="remove them from the agent, or offer them as tools of your own",
            )
        if request.system_message is not None:
            text = _text(request.system_message)
            if text in self._instructions:
                session.instructions_once(text)
            else:
                session.model_input([text])
        session.model_input([_text(message) for message in request.messages])
        return session

    def _after_model(self, session: Session, response: ModelResponse[Any]) -> ModelResponse[Any]:
        for message in response.result:
            if isinstance(message, AIMessage):
                session.model_output(_text(message))
        return response

    def _bound_session(self, what: str) -> Session:
        session = self._session(what)
        thread = get_config().get("configurable", {}).get("thread_id")
        if thread is not None:
            session.rebind(str(thread))
        return session


def _must_be_innermost(handler: object) -> None:
    if getattr(handler, "__qualname__", "") not in _TOOL_HANDLERS:
        raise UsageError(
            "the guard is not the innermost middleware: another one stands between it and the tools",
            hint="list guard.langchain() last in middleware=[...]; an untested LangGraph version looks the same",
        )


def _bound_arguments(request: ToolCallRequest) -> dict[str, object]:
    """The arguments as the tool will see them: what the model gave, and the tool's own defaults for the rest."""
    args: dict[str, object] = dict(request.tool_call["args"])
    schema = request.tool.tool_call_schema if request.tool is not None else None
    if isinstance(schema, type) and issubclass(schema, BaseModel):
        for name, field in schema.model_fields.items():
            if name not in args and not field.is_required():
                args[name] = field.get_default(call_default_factory=True, validated_data={})
    return args


def _with_arguments(request: ToolCallRequest, args: dict[str, Any]) -> ToolCallRequest:
    return request.override(tool_call={**request.tool_call, "args": args})


def _texts(result: ToolResult) -> list[str]:
    if isinstance(result, ToolMessage):
        return [_text(result)]
    update = result.update
    messages = update.get("messages", []) if isinstance(update, Mapping) else []
    return [_text(message) for message in messages if isinstance(message, BaseMessage)]


def _failed(result: ToolResult) -> bool:
    return isinstance(result, ToolMessage) and result.status == "error"


def _record(session: Session, permit: Permit, result: ToolResult) -> None:
    text = "\n".join(_texts(result))
    if _failed(result):
        session.failed(permit, text)
    else:
        session.leave(permit, text)
    _vouch(session, result)


async def _arecord(session: Session, permit: Permit, result: ToolResult) -> None:
    text = "\n".join(_texts(result))
    if _failed(result):
        await session.afailed(permit, text)
    else:
        await session.aleave(permit, text)
    _vouch(session, result)


def _vouch(session: Session, result: ToolResult) -> None:
    for text in _texts(result):
        session.vouch(text)


def _refusal(session: Session, request: ToolCallRequest, refused: Refused) -> ToolMessage:
    word = "PENDING_APPROVAL" if isinstance(refused, ApprovalPending) else "DENIED"
    name = request.tool_call["name"]
    content = f"{word} {name}: {refused} [{refused.event_id or 'not recorded'}]"
    session.vouch(content)
    return ToolMessage(content=content, name=name, tool_call_id=request.tool_call["id"], status="error")


def _text(message: BaseMessage) -> str:
    """What is compared with what the session knows: the content, and for the model's own messages the calls it
    makes."""
    content = message.content if isinstance(message.content, str) else json.dumps(message.content, sort_keys=True)
    if isinstance(message, AIMessage) and message.tool_calls:
        calls = [{"name": call["name"], "args": call["args"]} for call in message.tool_calls]
        return content + json.dumps(calls, sort_keys=True, default=str)
    return content
