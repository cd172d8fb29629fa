"""Work that one agent of a crew hands to another: a decision, and a session below the caller's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bailiwick.adapters.crewai.desk import acting_as, session_here
from bailiwick.adapters.crewai.refusing import GuardRefusal
from bailiwick.adapters.governing import Ended, Told, handed
from bailiwick.errors import MissingExtra
from bailiwick.guard.current import acting_in
from bailiwick.guard.session import Session

try:
    from crewai.tools.agent_tools.base_agent_tools import BaseAgentTool
    from crewai.utilities.string_utils import sanitize_tool_name
except ImportError as error:
    raise MissingExtra(feature="the CrewAI adapter", extra="crewai") from error

__all__ = ["delegated"]


def delegated(tool: BaseAgentTool, args: dict[str, Any], run: Callable[[dict[str, Any]], Any]) -> Any:
    """Let a coworker answer, in its own session. → its answer, or the refusal that the caller's model reads."""
    name = sanitize_tool_name(tool.name)
    session = handed(lambda: session_here(name), name, lambda caller: _session_of_coworker(tool, args, caller))
    if isinstance(session, Told):
        return GuardRefusal(message=session.text, retryable=session.ended is Ended.PENDING)
    if session is None:
        return run(args)  # there is no such coworker: CrewAI says which there are, and runs none
    with acting_in(session):
        answer = run(args)
        session.vouch(str(answer))  # it holds nothing but what that session has seen
    return answer


def _session_of_coworker(tool: BaseAgentTool, args: dict[str, Any], caller: Session) -> Session | None:
    coworker = tool._get_coworker(**{"coworker": None, **args})  # noqa: SLF001  CrewAI's own reading of the name
    wanted = tool.sanitize_agent_name(coworker or "")
    agent = next((each for each in tool.agents if tool.sanitize_agent_name(each.role) == wanted), None)
    if agent is None:
        return None
    asked = [str(args[name]) for name in ("task", "question", "context") if args.get(name)]
    for text in asked:
        caller.vouch(text)  # the caller's model wrote it, so the label of its output is on it
    return acting_as(agent, message=asked[0] if asked else "")
