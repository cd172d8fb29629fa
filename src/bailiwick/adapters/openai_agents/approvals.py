"""Calls that wait for a person: the run is interrupted as it is for the SDK's own approvals.

The SDK's state can be written by whoever can write to where it is kept. INVARIANT: an approval in it is a wake-up and
no more. The call that it lets through is decided as every other, when it is about to run.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from typing import Any

from bailiwick.adapters.openai_agents.arguments import bound
from bailiwick.adapters.openai_agents.registry import passes_by, protected_by, session_of
from bailiwick.errors import ApprovalPending, BailiwickError, MissingExtra
from bailiwick.model.decision import Outcome

try:
    from agents import FunctionTool
    from agents._function_tool_arguments import FunctionToolApproval
    from agents.items import ToolApprovalItem
except ImportError as error:
    raise MissingExtra(feature="the adapter for the OpenAI Agents SDK", extra="openai-agents") from error

__all__ = ["suspending"]


def suspending(original: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """In place of the step that asks the tool whether it needs approval: the guard is asked as well."""

    @functools.wraps(original)
    async def step(self: Any, *, func_tool: FunctionTool, tool_call: Any, tool_context: Any, **more: Any) -> Any:
        given = {"func_tool": func_tool, "tool_call": tool_call, "tool_context": tool_context, **more}
        answer = await original(self, **given)
        if answer is not None and not isinstance(getattr(answer, "run_item", None), ToolApprovalItem):
            return answer
        waits = await _waits(func_tool, tool_call.arguments, self.public_agent)
        if answer is not None or not waits:
            return answer
        asked = FunctionToolApproval("require_approval", func_tool, func_tool.on_invoke_tool, tool_call.arguments)
        # Of a call that was let through by the SDK's own approval this gives None: it is decided when it runs.
        return await original(self, **{**given, "approval_evaluation": asked})

    return step


async def _waits(tool: FunctionTool, text: str, agent: object) -> bool:
    """Whether a person has to be asked, who is asked now. Whatever else keeps the call from running says so then."""
    if passes_by(agent):
        return False
    try:
        session = await session_of(tool.qualified_name, agent)
        args = bound(tool, tool.on_invoke_tool, text)
        if not protected_by(session).suspends:
            return False
        decision = await session.acheck(tool.qualified_name, args)
        if decision.outcome is not Outcome.NEEDS_APPROVAL:
            return False
        # If somebody approved it just now, the permit is left to expire, and the call asks again.
        await session.aenter(tool.qualified_name, args)
    except ApprovalPending:
        return True
    except BailiwickError:
        return False
    return False
