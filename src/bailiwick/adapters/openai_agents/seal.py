"""Where the guard stands in the SDK's classes. Names of version 0.24; another one is refused (`versions.require`)."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from typing import Any

from bailiwick.adapters.openai_agents.approvals import suspending
from bailiwick.adapters.openai_agents.handoffs import deciding
from bailiwick.adapters.openai_agents.model import guarding
from bailiwick.adapters.openai_agents.registry import one_run, passes_by
from bailiwick.adapters.openai_agents.tools import Governed, GovernedCustom, is_shadowed
from bailiwick.adapters.sealing import Method
from bailiwick.errors import MissingExtra
from bailiwick.guard.current import current_session, running_permit

try:
    from agents import AgentBase, ApplyPatchTool, ComputerTool, CustomTool, FunctionTool, LocalShellTool, ShellTool
    from agents.exceptions import UserError
    from agents.run import AgentRunner
    from agents.run_internal import run_loop, turn_resolution
    from agents.run_internal.tool_actions import ApplyPatchAction, ComputerAction, LocalShellAction, ShellAction
    from agents.run_internal.tool_execution import _FunctionToolBatchExecutor
except ImportError as error:
    raise MissingExtra(feature="the adapter for the OpenAI Agents SDK", extra="openai-agents") from error

__all__ = ["has_own_executor", "methods"]

_ACTIONS = (ComputerAction, LocalShellAction, ShellAction, ApplyPatchAction)


def methods() -> tuple[Method, ...]:
    """All that is replaced while the seal holds."""
    return (
        Method(owner=FunctionTool, name="on_invoke_tool", make=lambda _none: _descriptor(Governed())),
        Method(owner=CustomTool, name="on_invoke_tool", make=lambda _none: _descriptor(GovernedCustom())),
        Method(owner=_FunctionToolBatchExecutor, name="_maybe_execute_tool_approval", make=suspending),
        Method(owner=turn_resolution, name="execute_handoffs", make=deciding),
        Method(owner=run_loop, name="get_model", make=guarding),
        Method(owner=AgentBase, name="get_all_tools", make=_without_executors),
        *(Method(owner=action, name="execute", make=_refusing) for action in _ACTIONS),
        Method(owner=AgentRunner, name="run", make=_binding_run),
        Method(owner=AgentRunner, name="run_streamed", make=_binding_stream),
    )


def has_own_executor(tool: object) -> bool:
    """Whether the SDK runs this tool by other means than the function that the guard stands before. No agent is given
    one."""
    if isinstance(tool, ShellTool):
        return tool.executor is not None
    return isinstance(tool, ComputerTool | LocalShellTool | ApplyPatchTool) or is_shadowed(tool)


def _descriptor(made: Any) -> Callable[..., Any]:
    """It stands in the class, and is called by nobody."""
    return made  # type: ignore[no-any-return]


def _without_executors(original: Callable[..., Awaitable[list[Any]]]) -> Callable[..., Awaitable[list[Any]]]:
    @functools.wraps(original)
    async def get_all_tools(self: Any, run_context: Any) -> list[Any]:
        tools = await original(self, run_context)
        return tools if passes_by(self) else [tool for tool in tools if not has_own_executor(tool)]

    return get_all_tools


def _refusing(original: Callable[..., Awaitable[Any]]) -> Any:
    """INVARIANT: what was taken from an agent does not run either, wherever the call comes from."""

    async def execute(_cls: type, /, *, agent: Any, **more: Any) -> Any:
        if not passes_by(agent):
            raise UserError("DENIED: this tool runs by an executor of its own, which the guard cannot decide on")
        return await original(agent=agent, **more)

    return classmethod(execute)


def _binding_run(original: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    @functools.wraps(original)
    async def run(self: Any, starting_agent: Any, input: Any, **kwargs: Any) -> Any:  # noqa: A002
        _bind(kwargs)
        with one_run():
            return await original(self, starting_agent, input, **kwargs)

    return run


def _binding_stream(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def run_streamed(self: Any, starting_agent: Any, input: Any, **kwargs: Any) -> Any:  # noqa: A002
        _bind(kwargs)
        with one_run():  # the task that is made in here keeps it
            return original(self, starting_agent, input, **kwargs)

    return run_streamed


def _bind(kwargs: dict[str, Any]) -> None:
    """The id of the SDK's own session is the conversation's. A run inside of another belongs to that one."""
    session = current_session()
    kept = kwargs.get("session")
    conversation = getattr(kept, "session_id", None) or kwargs.get("conversation_id")
    if (
        conversation
        and session is not None
        and not session.closed
        and session.above is None
        and running_permit() is None
    ):
        session.rebind(str(conversation))
