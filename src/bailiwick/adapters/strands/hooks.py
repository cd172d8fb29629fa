"""The hooks that a user lists: whose agent it is, the conversation, and a refusal where the seal does not hold."""

from __future__ import annotations

from typing import Any

from bailiwick.adapters.sealing import is_sealed
from bailiwick.adapters.strands.calls import FRAMEWORK
from bailiwick.adapters.wiring import Wiring
from bailiwick.errors import MissingExtra
from bailiwick.guard.current import running_permit

try:
    from strands.hooks import (
        AgentInitializedEvent,
        BeforeInvocationEvent,
        BeforeModelCallEvent,
        BeforeToolCallEvent,
        HookProvider,
        HookRegistry,
    )
except ImportError as error:
    raise MissingExtra(feature="the adapter for Strands Agents", extra="strands") from error

__all__ = ["GuardHooks"]

_CLOSED = "DENIED: the guard of this agent is closed, so nothing is decided"


class GuardHooks(HookProvider):
    """Puts an agent under the guard. Made by `Guard.strands`."""

    def __init__(self, wiring: Wiring) -> None:
        self.wiring = wiring

    def register_hooks(self, registry: HookRegistry, **kwargs: Any) -> None:  # noqa: ARG002  the framework's signature
        """What the framework asks of a provider of hooks."""
        registry.add_callback(AgentInitializedEvent, self._begun)
        registry.add_callback(BeforeInvocationEvent, self._invoked)
        registry.add_callback(BeforeModelCallEvent, self._asked)
        registry.add_callback(BeforeToolCallEvent, self._called)

    def _begun(self, event: AgentInitializedEvent) -> None:
        self.wiring.keep_in(event.agent)

    def _invoked(self, event: BeforeInvocationEvent) -> None:
        """A session manager's session is the conversation. Raises Denied outside of a session, UsageError in another
        one's."""
        session = self.wiring.session("the agent")
        manager = getattr(event.agent, "_session_manager", None)
        known = getattr(manager, "session_id", None)
        if known and running_permit() is None:
            session.root.rebind(str(known))

    def _asked(self, event: BeforeModelCallEvent) -> None:
        if not is_sealed(FRAMEWORK):
            event.cancel = _CLOSED

    def _called(self, event: BeforeToolCallEvent) -> None:
        if not is_sealed(FRAMEWORK):
            event.cancel_tool = _CLOSED
