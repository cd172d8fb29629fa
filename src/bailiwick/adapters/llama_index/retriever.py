"""LlamaIndex retrievers: what an index finds is kept to what the session's people may read.

    retriever = guard.llama_index_retriever(index.as_retriever(similarity_top_k=4), source="handbook")
    with guard.session(user="alice", agent="support-bot", task="Answer ticket 4711"):
        nodes = retriever.retrieve("How long do we keep invoices?")

- `filter` gives the store's own `MetadataFilters` for whoever asks, beside those that the retriever has; and each node
  is judged again by its metadata when it comes.
- A retriever with `similarity_top_k` is asked for more until so many nodes may be read, so that their number tells
  nothing of those that may not.
- INVARIANT: a node that stands for another retriever is resolved before nodes are judged, never after.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

from bailiwick.errors import MissingExtra, UsageError
from bailiwick.guard.retrieval import Reader
from bailiwick.guard.session import Session
from bailiwick.model.label import Label

try:
    from llama_index.core.retrievers import BaseRetriever
    from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode
    from llama_index.core.vector_stores import FilterCondition, MetadataFilters
except ImportError as error:
    raise MissingExtra(feature="the LlamaIndex adapter", extra="llama-index") from error

__all__ = ["MAX_ASKED", "GuardRetriever", "StoreFilter"]

MAX_ASKED = 1_024
"""Nodes that a store is asked for at most, to find so many that may be read."""

StoreFilter = Callable[[Reader], MetadataFilters]
"""What the store's own filter is for somebody."""


class GuardRetriever(BaseRetriever):
    """A retriever that gives the current session what it may read. Made by `Guard.llama_index_retriever`."""

    def __init__(
        self,
        inner: BaseRetriever,
        *,
        source: str,
        session: Callable[[str], Session],
        filter: StoreFilter | None = None,  # noqa: A002  as every store calls it
        tool: str = "",
        argument: str = "query",
        label: Label | None = None,
    ) -> None:
        """Raises UsageError where there is nothing that a filter could be set on."""
        if filter is not None and not hasattr(inner, "_filters"):
            raise UsageError(
                f"{type(inner).__name__} takes no filters", hint="wrap the retriever of a vector index, or give none"
            )
        super().__init__(callback_manager=inner.callback_manager)
        self._inner, self._source, self._session = inner, source, session
        self._filter, self._tool, self._argument, self._label = filter, tool, argument, label

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        session = self._session(self._tool or f"the retriever of {self._source}")
        if not self._tool:
            return self._search(session, query_bundle)
        found: list[NodeWithScore] = []

        def run(**given: Any) -> object:
            found.extend(self._search(session, QueryBundle(str(given[self._argument]))))
            return _records(found)

        return _released(session.call(self._tool, {self._argument: query_bundle.query_str}, run), found)

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        session = self._session(self._tool or f"the retriever of {self._source}")
        if not self._tool:
            return await self._asearch(session, query_bundle)
        found: list[NodeWithScore] = []

        async def run(**given: Any) -> object:
            found.extend(await self._asearch(session, QueryBundle(str(given[self._argument]))))
            return _records(found)

        return _released(await session.acall(self._tool, {self._argument: query_bundle.query_str}, run), found)

    def _handle_recursive_retrieval(
        self,
        query_bundle: QueryBundle,  # noqa: ARG002
        nodes: list[NodeWithScore],
    ) -> list[NodeWithScore]:
        return nodes

    async def _ahandle_recursive_retrieval(
        self,
        query_bundle: QueryBundle,  # noqa: ARG002
        nodes: list[NodeWithScore],
    ) -> list[NodeWithScore]:
        return nodes

    def _search(self, session: Session, query: QueryBundle) -> list[NodeWithScore]:
        reader, want = session.reader, self._want
        ask = want
        while True:
            found = self._asking(reader, ask).retrieve(query)
            chosen, enough = reader.first(found, want or len(found) + 1, self._label)
            if enough or not want or len(found) < ask or ask >= MAX_ASKED:
                return session.retrieved(self._source, chosen, label=self._label)
            ask = min(2 * ask, MAX_ASKED)

    async def _asearch(self, session: Session, query: QueryBundle) -> list[NodeWithScore]:
        reader, want = session.reader, self._want
        ask = want
        while True:
            found = await self._asking(reader, ask).aretrieve(query)
            chosen, enough = reader.first(found, want or len(found) + 1, self._label)
            if enough or not want or len(found) < ask or ask >= MAX_ASKED:
                return await session.aretrieved(self._source, chosen, label=self._label)
            ask = min(2 * ask, MAX_ASKED)

    @property
    def _want(self) -> int:
        """How many nodes the caller wants; 0 where the retriever does not say."""
        most = getattr(self._inner, "similarity_top_k", 0)
        return most if isinstance(most, int) else 0

    def _asking(self, reader: Reader, ask: int) -> BaseRetriever:
        """The retriever as it is asked for `ask` nodes that `reader` may read."""
        inner: Any = copy.copy(self._inner)
        if ask:
            inner.similarity_top_k = ask
        if self._filter is not None:
            ours, theirs = self._filter(reader), inner._filters  # noqa: SLF001
            both = ours if theirs is None else MetadataFilters(filters=[theirs, ours], condition=FilterCondition.AND)
            inner._filters = both  # noqa: SLF001
        asked: BaseRetriever = inner
        return asked


def _records(found: list[NodeWithScore]) -> list[dict[str, Any]]:
    return [{"text": each.node.get_content(), "metadata": dict(each.node.metadata)} for each in found]


def _released(value: object, found: list[NodeWithScore]) -> list[NodeWithScore]:
    """The nodes, as far as the call's own obligations left them as they were."""
    if value == _records(found):
        return found
    left = value if isinstance(value, list) else [value]
    return [
        NodeWithScore(node=TextNode(text=each["text"], metadata=dict(each.get("metadata") or {})))
        if isinstance(each, Mapping) and isinstance(each.get("text"), str)
        else NodeWithScore(node=TextNode(text=str(each)))
        for each in left
    ]
