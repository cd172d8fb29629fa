"""Google ADK's tool calls, decided where a tool runs: after every callback, before any of them sees the result.

INVARIANT: of a result that is hidden or redacted nothing is left in the state that the tool was given.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any

from bailiwick.adapters.acting import AgentNames
from bailiwick.adapters.governing import Ended, Told, agovern, govern, refusal_text
from bailiwick.adapters.sealing import is_sealed, sealed_engine
from bailiwick.adapters.wiring import Wiring
from bailiwick.errors import MissingExtra, Refused
from bailiwick.guard.current import running_permit
from bailiwick.guard.engine import Engine
from bailiwick.guard.session import Session

try:
    from google.adk.agents.base_agent import BaseAgent
    from google.adk.agents.invocation_context import InvocationContext
    from google.adk.agents.llm.task._finish_task_tool import FinishTaskTool
    from google.adk.code_executors.code_execution_utils import CodeExecutionInput, CodeExecutionResult
    from google.adk.tools.base_tool import BaseTool
    from google.adk.tools.function_tool import FunctionTool
    from google.adk.tools.set_model_response_tool import SetModelResponseTool
    from google.adk.tools.tool_context import ToolContext
    from google.adk.tools.transfer_to_agent_tool import TransferToAgentTool, transfer_to_agent
    from pydantic_core import to_jsonable_python

    from bailiwick.adapters.google_adk.texts import message_of, response_text
except ImportError as error:
    raise MissingExtra(feature="the adapter for Google ADK", extra="google-adk") from error

__all__ = ["CODE_TOOL", "FRAMEWORK", "acting", "decided_code", "decided_tool", "outside_of_tool", "wiring_of"]

FRAMEWORK = "google-adk"

CODE_TOOL = "execute_code"
"""What the catalog calls code that a code executor runs."""

_OUTPUTS = (SetModelResponseTool, FinishTaskTool)
"""How ADK has a model give its answer: nobody's code runs."""

Result = Callable[..., Awaitable[Any]]

_inside: ContextVar[tuple[object, object]] = ContextVar("bailiwick_adk_tool", default=(None, None))
"""The tool that runs under the live permit, and its context: what it calls of its own base class is no other call."""


def wiring_of(engine: Engine, invocation: InvocationContext) -> Wiring:
    """What was said of the app that runs."""
    return Wiring.around(engine, *(getattr(each, "wiring", None) for each in invocation.plugin_manager.plugins))


async def acting(invocation: InvocationContext, what: str) -> Session:
    """The session of the agent that runs. Raises Denied or ApprovalPending."""
    wiring = wiring_of(sealed_engine(FRAMEWORK), invocation)
    name = invocation.agent.name if invocation.agent is not None else None
    return await wiring.asession(
        what, name, outermost=_outermost(invocation), message=message_of(invocation.user_content)
    )


def decided_tool(original: Result) -> Result:
    """A tool's `run_async`, decided before it runs."""

    async def run_async(tool: BaseTool, *, args: dict[str, Any], tool_context: ToolContext) -> Any:
        within = _inside.get()
        own = (within[0] is tool and within[1] is tool_context) or type(tool) in _OUTPUTS
        if own or not is_sealed(FRAMEWORK):
            return await original(tool, args=args, tool_context=tool_context)
        if isinstance(tool, TransferToAgentTool) or getattr(tool, "func", None) is transfer_to_agent:
            return await _transferred(original, tool, args, tool_context)
        return await _decided(original, tool, args, tool_context)

    return run_async


def outside_of_tool(original: Result) -> Result:
    """A tool's function is no part of its class: what it runs is another call."""

    async def _invoke_callable(tool: FunctionTool, *args: Any, **kwargs: Any) -> Any:
        token = _inside.set((None, None))
        try:
            return await original(tool, *args, **kwargs)
        finally:
            _inside.reset(token)

    return _invoke_callable


def decided_code(original: Callable[..., Any]) -> Callable[..., Any]:
    """A code executor's `execute_code`: code that the model wrote is a tool call of `execute_code`."""

    def execute_code(
        executor: Any, invocation_context: InvocationContext, code_execution_input: CodeExecutionInput
    ) -> CodeExecutionResult:
        if not is_sealed(FRAMEWORK):
            return original(executor, invocation_context, code_execution_input)  # type: ignore[no-any-return]

        def find() -> Session:
            wiring = wiring_of(sealed_engine(FRAMEWORK), invocation_context)
            name = invocation_context.agent.name if invocation_context.agent is not None else None
            return wiring.session(CODE_TOOL, name, outermost=_outermost(invocation_context))

        def run(decided: dict[str, Any]) -> CodeExecutionResult:
            code_execution_input.code = decided["code"]
            return original(executor, invocation_context, code_execution_input)  # type: ignore[no-any-return]

        told = govern(find, CODE_TOOL, {"code": code_execution_input.code}, run, plain=_code_said, failed=_code_failed)
        if told.open and told.value is not None:
            return told.value
        if told.ended is Ended.COMPLETED:
            return CodeExecutionResult(stdout=told.text)
        return CodeExecutionResult(stderr=told.text)

    return execute_code


# ── inside ───────────────────────────────────────────────────────────────────────────────────────────────────────────


async def _decided(original: Result, tool: BaseTool, args: dict[str, Any], context: ToolContext) -> Any:
    invocation = context.get_invocation_context()
    confirmed = context.tool_confirmation
    if confirmed is not None and not confirmed.confirmed:
        return {"error": "This tool call is rejected."}
    nested = running_permit() is not None
    before = dict(context.actions.state_delta), dict(invocation.session.state)

    async def run(decided: dict[str, Any]) -> Any:
        token = _inside.set((tool, context))
        try:
            with wiring_of(sealed_engine(FRAMEWORK), invocation).current():
                return await original(tool, args=decided, tool_context=context)
        finally:
            _inside.reset(token)

    told = await agovern(
        lambda: acting(invocation, tool.name), tool.name, _bound(tool, args), run, plain=_plain, failed=_failed
    )
    if not told.open:
        _forget(context, *before)
    return _given_back(told, context, args, nested=nested)


def _given_back(told: Told[Any], context: ToolContext, args: dict[str, Any], *, nested: bool) -> Any:
    # Another agent is shown the call in these words.
    told.shown_as(str(dict(sorted(args.items()))))
    if told.open and told.error is not None and not isinstance(told.error, Refused):
        raise told.error
    if told.open and told.error is None:
        response = told.value if isinstance(told.value, dict) else {"result": told.value}
    elif told.ended is Ended.COMPLETED:
        response = {"result": told.text}
    else:
        response = {"error": told.text}
    # ADK asks once for a call: whoever wakes it up too early has the model read that it still waits.
    if told.ended is Ended.PENDING and context.function_call_id and not nested and context.tool_confirmation is None:
        context.request_confirmation(hint=told.text)
        context.actions.skip_summarization = True
    told.shown_as(response_text(response), str(response))
    return told.value if told.open and told.error is None else response


async def _transferred(original: Result, tool: BaseTool, args: dict[str, Any], context: ToolContext) -> Any:
    """Handing the conversation on is `agent.delegate`: refused, it stays where it is."""
    invocation = context.get_invocation_context()
    target = str(args.get("agent_name", ""))
    try:
        session = await acting(invocation, tool.name)
        message = message_of(invocation.user_content)
        wiring = wiring_of(sealed_engine(FRAMEWORK), invocation)
        root = _root(invocation)
        names = AgentNames(engine=wiring.engine, names=wiring.agents, own=frozenset({root}))
        if target != root:
            await names.asession(session, target, message=message)
    except Refused as refused:
        return {"error": refusal_text(tool.name, refused)}
    for text in (str(dict(sorted(args.items()))), str({"result": None}), "null"):
        session.vouch(text)
    token = _inside.set((tool, context))
    try:
        return await original(tool, args=args, tool_context=context)
    finally:
        _inside.reset(token)


def _outermost(invocation: InvocationContext) -> bool:
    """Whether the agent is the one that the user talks to: the app's own, not run by a tool."""
    agent = invocation.agent
    return running_permit() is None and (agent is None or agent.name == _root(invocation))


def _root(invocation: InvocationContext) -> str:
    """The name of the agent at the top; a node of a workflow is at its own."""
    agent = invocation.agent
    if isinstance(agent, BaseAgent):
        return agent.root_agent.name
    return agent.name if agent is not None else ""


def _bound(tool: BaseTool, args: dict[str, Any]) -> dict[str, Any]:
    """The arguments with the function's own defaults for those that the model left out."""
    bound = dict(args)
    if isinstance(tool, FunctionTool):
        own = getattr(tool, "_context_param_name", "tool_context")
        for name, parameter in inspect.signature(tool.func).parameters.items():
            if name not in bound and name != own and parameter.default is not inspect.Parameter.empty:
                bound[name] = parameter.default
    plain: dict[str, Any] = to_jsonable_python(bound)
    return plain


def _plain(value: Any) -> object:
    return to_jsonable_python(value, serialize_unknown=True, bytes_mode="base64")


def _failed(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() == {"error"}


def _code_said(result: CodeExecutionResult) -> str:
    return "\n".join(filter(None, (result.stdout, result.stderr)))


def _code_failed(result: CodeExecutionResult) -> bool:
    return bool(result.stderr) and not result.stdout


def _forget(context: ToolContext, delta_before: dict[str, Any], state_before: dict[str, Any]) -> None:
    """What the tool wrote into the state while it ran is part of what it gave."""
    delta = context.actions.state_delta
    state = context.get_invocation_context().session.state
    for held, before in ((delta, delta_before), (state, state_before)):
        for key in [key for key in held if key not in before or held[key] is not before[key]]:
            del held[key]
            if key in before:
                held[key] = before[key]
