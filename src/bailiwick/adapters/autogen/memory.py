"""A memory of AutoGen under the guard: what it would put before the model is a retrieval."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from typing import Any

from bailiwick.adapters.autogen.seat import Seat
from bailiwick.errors import BailiwickError, MissingExtra
from bailiwick.model.document import Document

try:
    from autogen_core import CancellationToken, ComponentModel
    from autogen_core.memory import Memory, MemoryContent, MemoryQueryResult, UpdateContextResult
    from autogen_core.model_context import ChatCompletionContext, UnboundedChatCompletionContext
    from autogen_core.models import SystemMessage
except ImportError as error:
    raise MissingExtra(feature="the AutoGen adapter", extra="autogen") from error

__all__ = ["GuardMemory"]

_LOG = logging.getLogger("bailiwick")


class GuardMemory(Memory):
    """Gives the model what the session's people may read, labelled by its metadata. Made by `Guard.autogen`."""

    component_type = "memory"

    def __init__(self, inner: Memory, seat: Seat) -> None:
        self.inner = inner
        self.seat = seat

    @property
    def source(self) -> str:
        return f"memory:{getattr(self.inner, 'name', '') or type(self.inner).__name__}"

    async def update_context(self, model_context: ChatCompletionContext) -> UpdateContextResult:
        """What may be read of what the memory found, and nothing if that cannot be decided."""
        aside = UnboundedChatCompletionContext(initial_messages=await model_context.get_messages())
        found = (await self.inner.update_context(aside)).memories.results
        try:
            kept = await self._kept(found)
        except BailiwickError as refused:
            _LOG.error("nothing of %s is shown: %s", self.source, refused)
            kept = []
        if kept:
            shown = "\n".join(f"{number}. {_text(each)}" for number, each in enumerate(kept, 1))
            text = f"\nRelevant memory content (in chronological order):\n{shown}\n"
            await self._vouch(text)
            await model_context.add_message(SystemMessage(content=text))
        return UpdateContextResult(memories=MemoryQueryResult(results=kept))

    async def _kept(self, found: Sequence[MemoryContent]) -> list[MemoryContent]:
        session = await self.seat.session(self.source)
        documents = [Document(_text(each), dict(each.metadata or {})) for each in found]
        kept = await session.aretrieved(self.source, documents)
        return [each for each, document in zip(found, documents, strict=True) if any(document is one for one in kept)]

    async def _vouch(self, text: str) -> None:
        session = await self.seat.session(self.source)
        session.vouch(text)

    async def query(
        self, query: str | MemoryContent, cancellation_token: CancellationToken | None = None, **more: Any
    ) -> MemoryQueryResult:
        return await self.inner.query(query, cancellation_token, **more)

    async def add(self, content: MemoryContent, cancellation_token: CancellationToken | None = None) -> None:
        await self.inner.add(content, cancellation_token)

    async def clear(self) -> None:
        await self.inner.clear()

    async def close(self) -> None:
        await self.inner.close()

    def dump_component(self) -> ComponentModel:
        """The memory without the guard: protect what you make of it."""
        return self.inner.dump_component()


def _text(memory: MemoryContent) -> str:
    content = memory.content
    if isinstance(content, str):
        return content
    if isinstance(content, dict):
        return json.dumps(content, sort_keys=True, default=str)
    return f"[{memory.mime_type}]"
