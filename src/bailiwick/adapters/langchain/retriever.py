"""LangChain retrievers: what a store finds is kept to what the session's people may read.

    retriever = guard.langchain_retriever(store.as_retriever(), source="handbook")
    with guard.session(user="alice", agent="support-bot", task="Answer ticket 4711"):
        documents = retriever.invoke("How long do we keep invoices?")

- The store's own filter is set for whoever asks (`filter`, or for the in-memory store by itself), so that what they may
  not read takes no place among the best; and each document is judged again by its metadata when it comes.
- Of a vector store more is asked for until `k` documents may be read, so that how many there are tells nothing of those
  that may not. A retriever without `k` cannot be asked for more.
- INVARIANT: nothing that is kept back leaves this module: the store is asked without callbacks, so no tracer is told.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from bailiwick.errors import MissingExtra, UsageError
from bailiwick.guard.retrieval import Reader
from bailiwick.guard.session import Session
from bailiwick.model.label import Label

try:
    from langchain_core.callbacks import AsyncCallbackManagerForRetrieverRun, CallbackManagerForRetrieverRun
    from langchain_core.documents import Document
    from langchain_core.retrievers import BaseRetriever
    from langchain_core.vectorstores import InMemoryVectorStore, VectorStoreRetriever
    from pydantic import ConfigDict
except ImportError as error:
    raise MissingExtra(feature="the LangChain adapter", extra="langchain") from error

__all__ = ["MAX_ASKED", "GuardRetriever", "StoreFilter"]

MAX_ASKED = 1_024
"""Documents that a store is asked for at most, to find `k` that may be read."""
_DEFAULT_K = 4
_DEFAULT_FETCH_K = 20
_SILENT: Any = {"callbacks": []}

StoreFilter = Callable[[Reader], Any]
"""What the store's own filter is for somebody, in the store's own form."""


class GuardRetriever(BaseRetriever):
    """A retriever that gives the current session what it may read. Made by `Guard.langchain_retriever`."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    inner: BaseRetriever
    source: str
    session: Callable[[str], Session]
    filter: StoreFilter | None = None
    tool: str = ""
    argument: str = "query"
    label: Label | None = None

    def model_post_init(self, _context: Any, /) -> None:
        """Raises UsageError where there is no filter to set, or one already."""
        held = self.inner.search_kwargs.get("filter") if isinstance(self.inner, VectorStoreRetriever) else None
        if self.filter is not None and not isinstance(self.inner, VectorStoreRetriever):
            raise UsageError(
                f"{type(self.inner).__name__} takes no filter",
                hint="wrap the retriever of a vector store, or give none",
            )
        if self.filter is not None and held is not None:
            raise UsageError(
                "the retriever has a filter already, and a store takes one",
                hint="put both conditions into filter=lambda reader: ...",
            )

    def _get_relevant_documents(
        self,
        query: str,
        *,
        run_manager: CallbackManagerForRetrieverRun,  # noqa: ARG002
        **more: Any,
    ) -> list[Document]:
        session = self.session(self.tool or f"the retriever of {self.source}")
        if not self.tool:
            return self._search(session, query, more)
        found: list[Document] = []

        def run(**given: Any) -> object:
            found.extend(self._search(session, given[self.argument], more))
            return _records(found)

        return _released(session.call(self.tool, {self.argument: query}, run), found)

    async def _aget_relevant_documents(
        self,
        query: str,
        *,
        run_manager: AsyncCallbackManagerForRetrieverRun,  # noqa: ARG002
        **more: Any,
    ) -> list[Document]:
        session = self.session(self.tool or f"the retriever of {self.source}")
        if not self.tool:
            return await self._asearch(session, query, more)
        found: list[Document] = []

        async def run(**given: Any) -> object:
            found.extend(await self._asearch(session, given[self.argument], more))
            return _records(found)

        return _released(await session.acall(self.tool, {self.argument: query}, run), found)

    def _search(self, session: Session, query: str, more: Mapping[str, Any]) -> list[Document]:
        reader, want = session.reader, self._want(more)
        ask = want
        while True:
            found = self._asking(reader, ask, more).invoke(query, _SILENT, **_others(more))
            chosen, enough = reader.first(found, want or len(found) + 1, self.label)
            if enough or not want or len(found) < ask or ask >= MAX_ASKED:
                return session.retrieved(self.source, chosen, label=self.label)
            ask = min(2 * ask, MAX_ASKED)

    async def _asearch(self, session: Session, query: str, more: Mapping[str, Any]) -> list[Document]:
        reader, want = session.reader, self._want(more)
        ask = want
        while True:
            found = await self._asking(reader, ask, more).ainvoke(query, _SILENT, **_others(more))
            chosen, enough = reader.first(found, want or len(found) + 1, self.label)
            if enough or not want or len(found) < ask or ask >= MAX_ASKED:
                return await session.aretrieved(self.source, chosen, label=self.label)
            ask = min(2 * ask, MAX_ASKED)

    def _want(self, more: Mapping[str, Any]) -> int:
        """How many documents the caller wants; 0 where the retriever does not say."""
        if not isinstance(self.inner, VectorStoreRetriever):
            return 0
        return int(more.get("k", self.inner.search_kwargs.get("k", _DEFAULT_K)))

    def _asking(self, reader: Reader, ask: int, more: Mapping[str, Any]) -> BaseRetriever:
        """The retriever as it is asked for `ask` documents that `reader` may read."""
        inner = self.inner
        if not isinstance(inner, VectorStoreRetriever):
            return inner
        given = {**inner.search_kwargs, "k": ask}
        if inner.search_type == "mmr":
            given["fetch_k"] = max(int(more.get("fetch_k", given.get("fetch_k", _DEFAULT_FETCH_K))), ask)
        if self.filter is not None:
            given["filter"] = self.filter(reader)
        elif isinstance(inner.vectorstore, InMemoryVectorStore):
            given["filter"] = _both(given.get("filter"), lambda document: reader.may_read(document, self.label))
        return inner.model_copy(update={"search_kwargs": given})


def _others(more: Mapping[str, Any]) -> dict[str, Any]:
    """What a caller gave beside what is set here; a filter of their own would take the place of ours."""
    if "filter" in more:
        raise UsageError(
            "a filter cannot be given with the query", hint="give it to guard.langchain_retriever(filter=)"
        )
    return {name: value for name, value in more.items() if name not in ("k", "fetch_k")}


def _both(one: Callable[[Document], bool] | None, other: Callable[[Document], bool]) -> Callable[[Document], bool]:
    return other if one is None else lambda document: one(document) and other(document)


def _records(found: list[Document]) -> list[dict[str, Any]]:
    return [{"text": document.page_content, "metadata": document.metadata} for document in found]


def _released(value: object, found: list[Document]) -> list[Document]:
    """The documents, as far as the call's own obligations left them as they were."""
    if value == _records(found):
        return found
    left = value if isinstance(value, list) else [value]
    return [
        Document(page_content=each["text"], metadata=dict(each.get("metadata") or {}))
        if isinstance(each, Mapping) and isinstance(each.get("text"), str)
        else Document(page_content=str(each))
        for each in left
    ]
