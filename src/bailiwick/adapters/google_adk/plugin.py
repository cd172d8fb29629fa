"""The plugin that a user lists in the app: whose app it is, and a refusal where the seal does not hold."""

from __future__ import annotations

from typing import Any

from bailiwick.adapters.google_adk.calls import FRAMEWORK
from bailiwick.adapters.sealing import is_sealed
from bailiwick.adapters.wiring import Wiring
from bailiwick.errors import MissingExtra
from bailiwick.guard.current import running_permit

try:
    from google.adk.models.llm_response import LlmResponse
    from google.adk.plugins.base_plugin import BasePlugin
except ImportError as error:
    raise MissingExtra(feature="the adapter for Google ADK", extra="google-adk") from error

__all__ = ["GuardPlugin"]

_CLOSED = "DENIED: the guard of this app is closed, so nothing is decided"


class GuardPlugin(BasePlugin):
    """Puts an app under the guard. Made by `Guard.google_adk`."""

    def __init__(self, wiring: Wiring) -> None:
        super().__init__(name="bailiwick")
        self.wiring = wiring

    async def before_run_callback(self, *, invocation_context: Any) -> None:
        """The framework's session is the conversation. Raises Denied outside of one, UsageError in another one's."""
        session = self.wiring.session("the app")
        if running_permit() is None:
            session.root.rebind(invocation_context.session.id)

    async def before_model_callback(self, *, callback_context: Any, llm_request: Any) -> LlmResponse | None:  # noqa: ARG002
        """Without the seal nothing is decided, so nothing is called."""
        if is_sealed(FRAMEWORK):
            return None
        return LlmResponse(error_code="DENIED", error_message=_CLOSED)

    async def before_tool_callback(self, *, tool: Any, tool_args: Any, tool_context: Any) -> dict[str, Any] | None:  # noqa: ARG002
        """Without the seal nothing is decided, so nothing runs."""
        return None if is_sealed(FRAMEWORK) else {"error": _CLOSED}
