"""Waiting for a person the way LangGraph does: the run is interrupted, its checkpoint keeps it, somebody resumes it.

INVARIANT: what a run is resumed with says nothing. It only lets the call be decided again; the approval is looked up in
our store, so whoever writes into the framework's state, or resumes without asking anybody, has gained nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bailiwick.adapters.governing import Told
from bailiwick.errors import ApprovalPending, MissingExtra

try:
    from langchain_core.runnables import RunnableConfig
    from langgraph.config import get_config
    from langgraph.types import interrupt
except ImportError as error:
    raise MissingExtra(feature="the LangChain adapter", extra="langchain") from error

__all__ = ["agent_name", "can_suspend", "current_config", "suspend", "thread_of", "use_up"]

_CHECKPOINTER = "__pregel_checkpointer"
_SCRATCHPAD = "__pregel_scratchpad"


def current_config() -> RunnableConfig:
    """The configuration of the run that this thread or task is in; empty outside of one."""
    try:
        return get_config()
    except RuntimeError:
        return {}


def agent_name(config: RunnableConfig) -> str:
    """What `create_agent(name=...)` calls the agent that runs; empty for one without a name."""
    name = (config.get("metadata") or {}).get("lc_agent_name")
    return name if isinstance(name, str) else ""


def thread_of(config: RunnableConfig) -> str | None:
    """The id of the conversation, as LangGraph keeps it."""
    thread = (config.get("configurable") or {}).get("thread_id")
    return None if thread is None else str(thread)


def can_suspend(config: RunnableConfig) -> bool:
    """Whether an interrupted run can be resumed: there is a checkpointer, and a node that runs."""
    told: Mapping[str, object] = config.get("configurable") or {}
    checkpointer = told.get(_CHECKPOINTER)
    return checkpointer is not None and checkpointer is not False and _SCRATCHPAD in told


def suspend(*pending: Told[object]) -> None:
    """Interrupts the run of the current node, or returns if it was resumed since: then decide again. Raises
    GraphInterrupt."""
    calls = [_waiting(told) for told in pending]
    interrupt({"bailiwick": "approval", **calls[0], **({"calls": calls} if len(calls) > 1 else {})})


def use_up(config: RunnableConfig) -> None:
    """The call was approved meanwhile: what the run was resumed with is used up, so that a tool that interrupts the run
    itself does not take it for the answer to a question that nobody was asked."""
    pad: Any = (config.get("configurable") or {}).get(_SCRATCHPAD)
    waiting = len(pad.resume) + (pad.get_null_resume() is not None)
    for _ in range(waiting):
        interrupt({"bailiwick": "approved"})


def _waiting(told: Told[object]) -> dict[str, object]:
    """What a person, or a program that shows it, learns of a call that waits: no arguments, which are on the card for
    those who may read them."""
    refusal = told.refusal
    return {
        "approval_id": told.approval_id,
        "tool": refusal.decision.tool if isinstance(refusal, ApprovalPending) else "",
        "why": str(refusal) if refusal is not None else told.text,
        "event_id": told.event_id,
    }
