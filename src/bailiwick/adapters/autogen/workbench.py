"""A workbench of AutoGen under the guard. It stands in the place of the agent's own.

AutoGen streams from a `StaticStreamWorkbench` alone, so this is one, whatever it holds.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from typing import Any

from bailiwick.adapters.autogen.calling import Events, called, refusal
from bailiwick.adapters.autogen.seat import Seat
from bailiwick.adapters.autogen.tools import own_name
from bailiwick.errors import MissingExtra

try:
    from autogen_core import CancellationToken, ComponentModel
    from autogen_core.tools import (
        StaticStreamWorkbench,
        TextResultContent,
        ToolResult,
        ToolSchema,
        Workbench,
    )
except ImportError as error:
    raise MissingExtra(feature="the AutoGen adapter", extra="autogen") from error

__all__ = ["GuardWorkbench"]


class GuardWorkbench(StaticStreamWorkbench):
    """Decides each call of an agent's tools. Made by `Guard.autogen`."""

    def __init__(self, inner: Workbench, seat: Seat) -> None:
        super().__init__([])
        self.inner = inner
        self.seat = seat

    async def list_tools(self) -> list[ToolSchema]:
        """The tools of the workbench. While calls wait here that were refused before they ran (handoffs), those too:
        AutoGen asks for the list to find who answers a call. The model is not offered them."""
        listed = await self.inner.list_tools()
        names = dict.fromkeys(name for name, _ in self.seat.refusals.values())
        return [*listed, *(ToolSchema(name=name, description="") for name in names)]

    async def call_tool(
        self,
        name: str,
        arguments: Mapping[str, Any] | None = None,
        cancellation_token: CancellationToken | None = None,
        call_id: str | None = None,
    ) -> ToolResult:
        """Decide, run, record."""
        _, result = await self._called(name, arguments, cancellation_token, call_id)
        return result

    async def call_tool_stream(
        self,
        name: str,
        arguments: Mapping[str, Any] | None = None,
        cancellation_token: CancellationToken | None = None,
        call_id: str | None = None,
    ) -> AsyncGenerator[Any | ToolResult, None]:
        """`call_tool`; what the tool streams comes when it is known that it may be seen."""
        events, result = await self._called(name, arguments, cancellation_token, call_id)
        for event in events:
            yield event
        yield result

    async def _called(
        self,
        name: str,
        arguments: Mapping[str, Any] | None,
        token: CancellationToken | None,
        call_id: str | None,
    ) -> tuple[Events, ToolResult]:
        if call_id is not None and call_id in self.seat.refusals:
            return [], refusal(*self.seat.refusals.pop(call_id))
        if not isinstance(arguments or {}, dict):
            return [], refusal(name, f"DENIED {name}: its arguments are no object")
        what = own_name(self.inner, name)

        async def run(given: dict[str, Any], events: Events) -> ToolResult:
            return await _run(self.inner, name, given, token, call_id, events)

        return await called(lambda: self.seat.session(what), self.inner, name, arguments, run)

    # ── the rest is the workbench's own ────────────────────────────────────────────────────────────────────────────

    async def start(self) -> None:
        await self.inner.start()

    async def stop(self) -> None:
        await self.inner.stop()

    async def reset(self) -> None:
        await self.inner.reset()

    async def save_state(self) -> Mapping[str, Any]:
        return await self.inner.save_state()

    async def load_state(self, state: Mapping[str, Any]) -> None:
        await self.inner.load_state(state)

    def dump_component(self) -> ComponentModel:
        """The workbench without the guard: protect what you make of it."""
        return self.inner.dump_component()


async def _run(
    inner: Workbench,
    name: str,
    given: dict[str, Any],
    token: CancellationToken | None,
    call_id: str | None,
    events: Events,
) -> ToolResult:
    if not isinstance(inner, StaticStreamWorkbench):
        return await inner.call_tool(name, given, token, call_id)
    result: ToolResult | None = None
    async for each in inner.call_tool_stream(name, given, token, call_id):
        if isinstance(each, ToolResult):
            result = each
        else:
            events.append(each)
    if result is None:
        return ToolResult(name=name, result=[TextResultContent(content=f"{name} gave no result")], is_error=True)
    return result
