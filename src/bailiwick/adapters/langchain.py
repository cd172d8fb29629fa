"""LangChain `create_agent`: the guard as its innermost middleware.

    agent = create_agent(model, tools, middleware=[..., guard.langchain()])
    with guard.session(user="alice", agent="support-bot", task="Answer ticket 4711") as session:
        session.prompt(text)
        agent.invoke({"messages": [("user", text)]})

- A tool call is decided as the tool will get it: with the tool's own defaults filled in, and with what its schema makes
  of each argument. It runs with arguments rebuilt from the decided bytes.
- A denial is a tool error that the model reads; the run goes on.
- Of a result that is hidden, or that the rules redact, the framework gets what may be seen of it and nothing else: no
  artifact, no update of the state.
- Everything that the model is about to read is compared with what the session knows; the unknown taints it. So pass the
  user's words to `session.prompt` and the system prompt to `guard.langchain(instructions=...)`.
- INVARIANT: nothing stands between the guard and the tool, nor between it and the model. A middleware listed after it
  could change what was decided, run it again, or show the model what the session does not know of; so the guard
  refuses to work anywhere but last (it sees what its handler is).
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Literal

from bailiwick.adapters.langchain_model import model_name, record_output
from bailiwick.errors import ApprovalPending, MissingExtra, Refused, UsageError
from bailiwick.guard.current import running
from bailiwick.guard.leave import Left
from bailiwick.guard.model_calls import ModelCall
from bailiwick.guard.session import Session
from bailiwick.guard.state import Permit

try:
    from langchain.agents.middleware import AgentMiddleware, ModelRequest, ModelResponse
    from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
    from langgraph.config import get_config
    from langgraph.errors import GraphBubbleUp
    from langgraph.prebuilt.tool_node import ToolCallRequest
    from langgraph.types import Command
    from pydantic import BaseModel, ValidationError
    from pydantic_core import PydanticSerializationError
except ImportError as error:
    raise MissingExtra(feature="the LangChain adapter", extra="langchain") from error

__all__ = ["GuardMiddleware"]

ToolResult = ToolMessage | Command[Any]
"""What a tool call gives back in LangChain; a tool may also return a list of them."""

_TOOL_HANDLERS = frozenset({"ToolNode._run_one.<locals>.execute", "ToolNode._arun_one.<locals>.execute"})
_MODEL_HANDLERS = frozenset({"create_agent.<locals>._execute_model_sync", "create_agent.<locals>._execute_model_async"})


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
        _must_be_innermost(handler, _TOOL_HANDLERS)
        _must_be_its_tool(request)
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
            left = session.failed(permit, error)
            if left.sealed:
                return _sealed(session, request, left, status="error")
            raise
        except BaseException:
            session.cancelled(permit)
            raise
        try:
            return _shown(session, request, result, _record(session, permit, result))
        except Refused as refused:
            return _refusal(session, request, refused)

    async def awrap_tool_call(
        self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], Awaitable[ToolResult]]
    ) -> ToolResult:
        """`wrap_tool_call` for `ainvoke` and `astream`."""
        _must_be_innermost(handler, _TOOL_HANDLERS)
        _must_be_its_tool(request)
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
            left = await session.afailed(permit, error)
            if left.sealed:
                return _sealed(session, request, left, status="error")
            raise
        except BaseException:
            await session.acancelled(permit)
            raise
        try:
            return _shown(session, request, result, await _arecord(session, permit, result))
        except Refused as refused:
            return _refusal(session, request, refused)

    # ── model calls ────────────────────────────────────────────────────────────────────────────────────────────────

    def wrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], ModelResponse[Any]]
    ) -> ModelResponse[Any]:
        """Label what the model reads and what it writes."""
        _must_be_innermost(handler, _MODEL_HANDLERS)
        with self._model_call(request) as call:
            return _said_by(call, handler(request))

    async def awrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]]
    ) -> ModelResponse[Any]:
        """`wrap_model_call` for `ainvoke` and `astream`."""
        _must_be_innermost(handler, _MODEL_HANDLERS)
        with self._model_call(request) as call:
            return _said_by(call, await handler(request))

    def _model_call(self, request: ModelRequest[Any]) -> ModelCall:
        session = self._bound_session("the model call")
        hosted = [tool for tool in request.tools if isinstance(tool, Mapping)]
        if hosted:
            names = ", ".join(str(tool.get("name") or tool.get("type")) for tool in hosted)
            raise UsageError(
                f"tools that the provider runs cannot be governed: {names}",
                hint="remove them from the agent, or offer them as tools of your own",
            )
        texts = [text for message in request.messages for text in _read(message)]
        if request.system_message is not None:
            texts.insert(0, _text(request.system_message))
            if texts[0] in self._instructions:
                session.instructions_once(texts[0])
        model, provider = model_name(request.model)
        return session.model_call(
            model,
            provider=provider,
            inputs=texts,
            tools=[tool.name for tool in request.tools if not isinstance(tool, Mapping)],
        )

    def _bound_session(self, what: str) -> Session:
        session = self._session(what)
        thread = get_config().get("configurable", {}).get("thread_id")
        if thread is not None:
            session.rebind(str(thread))
        return session


def _said_by(call: ModelCall, response: ModelResponse[Any]) -> ModelResponse[Any]:
    """What the model wrote, label and record: before the framework reads a tool call out of it."""
    for message in response.result:
        if isinstance(message, AIMessage):
            record_output(call, message, _text(message))
    return response


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


def _bound_arguments(request: ToolCallRequest) -> dict[str, object]:
    """The arguments as the tool will see them: what the model gave, and the tool's own defaults for the rest."""
    args: dict[str, object] = dict(request.tool_call["args"])
    if request.tool is None:
        return args
    schema = request.tool.tool_call_schema
    if isinstance(schema, type) and issubclass(schema, BaseModel):
        for name, field in schema.model_fields.items():
            if name not in args and not field.is_required():
                args[name] = field.get_default(call_default_factory=True, validated_data={})
    # The whole schema holds the tool's own validators, but takes nothing where LangChain adds arguments itself.
    args.update(_coerced((request.tool.args_schema, schema), args))
    return args


def _coerced(schemas: Iterable[object], args: Mapping[str, object]) -> dict[str, object]:
    """Those of `args` of which the tool's schema makes something else: for a tool that takes a number, "9 ", "09" and
    "9.0" are all 9, and a rule on 9 must see it. Nothing if the tool will refuse them, or takes what is no JSON."""
    for schema in schemas:
        if isinstance(schema, type) and issubclass(schema, BaseModel):
            try:
                taken = schema.model_validate(dict(args)).model_dump(mode="json", by_alias=True)
            except (ValidationError, PydanticSerializationError):
                continue
            return {name: taken[name] for name in args.keys() & taken.keys() if not _same(args[name], taken[name])}
    return {}


def _same(given: object, taken: object) -> bool:
    """Whether both are the same JSON value; 1 and 1.0 are, 1 and true are not."""
    if isinstance(given, Mapping) and isinstance(taken, Mapping):
        return given.keys() == taken.keys() and all(_same(given[name], taken[name]) for name in given)
    if isinstance(given, list | tuple) and isinstance(taken, list | tuple):
        return len(given) == len(taken) and all(map(_same, given, taken))
    return isinstance(given, bool) is isinstance(taken, bool) and given == taken


def _with_arguments(request: ToolCallRequest, args: dict[str, Any]) -> ToolCallRequest:
    return request.override(tool_call={**request.tool_call, "args": args})


def _messages(result: ToolResult | list[ToolResult]) -> list[BaseMessage]:
    """The messages of a result that reach the model."""
    if isinstance(result, list):
        return [message for each in result for message in _messages(each)]
    if isinstance(result, ToolMessage):
        return [result]
    update = result.update
    messages = update.get("messages", []) if isinstance(update, Mapping) else []
    return [message for message in messages if isinstance(message, BaseMessage)]


def _said(message: BaseMessage) -> str:
    """What a tool's message says, without the blocks it is wrapped in: the catalog speaks of the fields of a result.
    What is no text (an image, a file) is written so that it is no field of anything."""
    if isinstance(message.content, str):
        return message.content
    return "\n".join(map(_block, message.content))


def _block(block: str | dict[str, Any]) -> str:
    if isinstance(block, str):
        return block
    if block.get("type") == "text" and isinstance(block.get("text"), str):
        return str(block["text"])
    return f"[{block.get('type')}] {json.dumps(block, sort_keys=True, default=str)}"


def _failed(result: ToolResult | list[ToolResult]) -> bool:
    return any(isinstance(message, ToolMessage) and message.status == "error" for message in _messages(result))


def _record(session: Session, permit: Permit, result: ToolResult | list[ToolResult]) -> Left:
    text = "\n".join(map(_said, _messages(result)))
    return session.failed(permit, text) if _failed(result) else session.leave(permit, text)


async def _arecord(session: Session, permit: Permit, result: ToolResult | list[ToolResult]) -> Left:
    text = "\n".join(map(_said, _messages(result)))
    return await (session.afailed(permit, text) if _failed(result) else session.aleave(permit, text))


def _shown(session: Session, request: ToolCallRequest, result: ToolResult | list[ToolResult], left: Left) -> ToolResult:
    """What the framework gets of a result: all of it, or what may be seen of one that is hidden or was redacted."""
    if left.sealed:
        return _sealed(session, request, left, status="error" if _failed(result) else "success")
    _vouch(session, result, left.event_id)
    return result  # type: ignore[return-value]  # a tool that gives back a list may


def _sealed(
    session: Session, request: ToolCallRequest, left: Left, *, status: Literal["success", "error"]
) -> ToolMessage:
    """INVARIANT: nothing of what the tool gave back is in here: no artifact, no update of the state, no exception."""
    call = request.tool_call
    told = ToolMessage(content=left.text, name=call["name"], tool_call_id=call["id"], status=status)
    _vouch(session, told, left.event_id)
    return told


def _vouch(session: Session, result: ToolResult | list[ToolResult], event: str) -> None:
    for message in _messages(result):
        for text in _read(message):
            session.vouch(text, event=event)


def _refusal(session: Session, request: ToolCallRequest, refused: Refused) -> ToolMessage:
    word = "PENDING_APPROVAL" if isinstance(refused, ApprovalPending) else "DENIED"
    name = request.tool_call["name"]
    content = f"{word} {name}: {refused} [{refused.event_id or 'not recorded'}]"
    told = ToolMessage(content=content, name=name, tool_call_id=request.tool_call["id"], status="error")
    for text in _read(told):
        session.vouch(text, event=refused.event_id or "")
    return told


def _read(message: BaseMessage) -> list[str]:
    """What a model reads of a message: its text, and the name of whoever is said to speak (a person may choose hers).
    The agent's own name is the developer's."""
    named = message.name if message.name and not isinstance(message, AIMessage) else None
    return [_text(message)] if named is None else [_text(message), named]


def _text(message: BaseMessage) -> str:
    """What is compared with what the session knows: the content, and for the model's own messages the calls it
    makes."""
    content = message.content if isinstance(message.content, str) else json.dumps(message.content, sort_keys=True)
    if isinstance(message, AIMessage) and message.tool_calls:
        calls = [{"name": call["name"], "args": call["args"]} for call in message.tool_calls]
        return content + json.dumps(calls, sort_keys=True, default=str)
    return content
