"""Retrievers of LangChain and LlamaIndex behind the guard: real in-memory stores, made-up embeddings, no network."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.retrievers import BaseRetriever
from langchain_core.vectorstores import InMemoryVectorStore, VectorStoreRetriever

from bailiwick import Denied, Guard, UsageError
from bailiwick.model.event import EventKind
from tests.guard.store_world import session_of
from tests.guard.test_retrieval import make_retrieval_world, withheld
from tests.worlds import events

pytest.importorskip("numpy", reason="LangChain's in-memory store computes with it; the extra llama-index brings it")
llama = pytest.importorskip("llama_index.core", reason="the extra llama-index is not installed")

from llama_index.core import MockEmbedding, VectorStoreIndex  # noqa: E402
from llama_index.core.retrievers import BaseRetriever as LlamaRetriever  # noqa: E402
from llama_index.core.retrievers import VectorIndexRetriever  # noqa: E402
from llama_index.core.schema import IndexNode, MetadataMode, NodeWithScore, QueryBundle, TextNode  # noqa: E402
from llama_index.core.vector_stores import FilterOperator, MetadataFilter, MetadataFilters  # noqa: E402

K = 3
SECRETS = 40
"""So many documents are nearer to every question than those that alice may read."""


class Hashed(Embeddings):
    """A point for each text; texts that begin with `secret` lie nearest to every question."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [self.embed_query(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        if text.startswith(("secret", "question")):
            return [1.0, 0.0, 0.0]
        digest = hashlib.sha256(text.encode()).digest()
        return [0.5, digest[0] / 512, digest[1] / 512]


TEXTS: list[tuple[str, dict[str, Any]]] = [
    (f"secret plan {number}", {"sensitivity": "restricted"}) for number in range(SECRETS)
]
TEXTS += [(f"open page {number}", {"sensitivity": "internal", "level": 1}) for number in range(K + 2)]


def store() -> InMemoryVectorStore:
    made = InMemoryVectorStore(Hashed())
    made.add_documents([Document(page_content=text, metadata=metadata, id=text) for text, metadata in TEXTS])
    return made


def texts(found: list[Document]) -> list[str]:
    return [document.page_content for document in found]


def only_open(found: list[str]) -> bool:
    return all(text.startswith("open page") for text in found)


class Stale(InMemoryVectorStore):
    """A store whose filter lets everything pass, as an index does that is older than the labels."""

    def similarity_search(self, query: str, k: int = 4, **kwargs: Any) -> list[Document]:
        return super().similarity_search(query, k=k)

    async def asimilarity_search(self, query: str, k: int = 4, **kwargs: Any) -> list[Document]:
        return self.similarity_search(query, k)


def stale() -> InMemoryVectorStore:
    made = Stale(Hashed())
    made.add_documents([Document(page_content=text, metadata=metadata, id=text) for text, metadata in TEXTS])
    return made


SEARCHES: dict[str, Callable[[], VectorStoreRetriever]] = {
    "filtered by the store": lambda: store().as_retriever(search_kwargs={"k": K}),
    "by largest difference": lambda: store().as_retriever(search_type="mmr", search_kwargs={"k": K, "fetch_k": K}),
    "with a filter of its own": lambda: store().as_retriever(
        search_kwargs={"k": K, "filter": lambda document: not document.page_content.endswith("0")}
    ),
    "checked and asked for more": lambda: stale().as_retriever(search_kwargs={"k": K}),
}


@pytest.mark.parametrize("made", SEARCHES.values(), ids=SEARCHES.keys())
@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
def test_langchain_gives_as_many_as_were_asked_for_and_none_that_may_not_be_read(
    tmp_path: Path, made: Callable[[], VectorStoreRetriever], asynchronous: bool
) -> None:
    folder = make_retrieval_world(tmp_path)
    with Guard.open(folder) as guard:
        retriever = guard.langchain_retriever(made(), source="kb")
        with session_of(guard, "alice") as session:
            found = asyncio.run(retriever.ainvoke("question")) if asynchronous else retriever.invoke("question")
            assert len(found) == K, "how many there are tells nothing of what was kept back"
            assert only_open(texts(found))
            assert session.label.sensitivity == 1
            assert session.model_input(texts(found)) == []
        with session_of(guard, "bob"):
            assert len(retriever.invoke("question")) == K


def test_langchain_a_filter_is_made_for_whoever_asks(tmp_path: Path) -> None:
    asked: list[tuple[int, frozenset[str]]] = []

    def filtered(reader: Any) -> Callable[[Document], bool]:
        asked.append((reader.clearance, reader.names))
        return lambda document: document.metadata.get("level", 9) <= reader.clearance

    with Guard.open(make_retrieval_world(tmp_path)) as guard:
        retriever = guard.langchain_retriever(
            store().as_retriever(search_kwargs={"k": K}), source="kb", filter=filtered
        )
        with session_of(guard, "alice"):
            assert only_open(texts(retriever.invoke("question")))
        assert asked == [(1, frozenset({"User::alice", "Group::support"}))]
        assert not withheld(tmp_path)


class Fixed(BaseRetriever):
    """A retriever that is no vector store's."""

    found: list[Document]

    def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
        return self.found


def test_langchain_any_retriever_is_checked(tmp_path: Path) -> None:
    folder = make_retrieval_world(tmp_path)
    documents = [Document(page_content=text, metadata=metadata, id=text) for text, metadata in TEXTS]
    with Guard.open(folder) as guard:
        retriever = guard.langchain_retriever(Fixed(found=documents), source="kb")
        with session_of(guard, "alice"):
            assert texts(retriever.invoke("question")) == [text for text, _ in TEXTS[SECRETS:]]
        with pytest.raises(Denied, match="outside of a session"):
            retriever.invoke("question")
        with pytest.raises(UsageError, match="takes no filter"):
            guard.langchain_retriever(Fixed(found=[]), source="kb", filter=lambda _: None)
        filtered = store().as_retriever(search_kwargs={"filter": lambda _: True})
        with pytest.raises(UsageError, match="has a filter already"):
            guard.langchain_retriever(filtered, source="kb", filter=lambda _: None)
        with session_of(guard, "alice"), pytest.raises(UsageError, match="with the query"):
            guard.langchain_retriever(store().as_retriever(), source="kb").invoke("q", filter=lambda _: True)
    (kept_back,) = withheld(folder)
    assert kept_back.body["withheld"] == SECRETS


def test_langchain_a_retrieval_with_an_entry_in_the_catalog_is_a_governed_call(tmp_path: Path) -> None:
    folder = make_retrieval_world(tmp_path)
    with Guard.open(folder) as guard:
        retriever = guard.langchain_retriever(
            store().as_retriever(search_kwargs={"k": K}), source="kb", tool="memory.search", argument="text"
        )
        with session_of(guard, "alice") as session:
            assert only_open(texts(retriever.invoke("question")))
            assert only_open(texts(asyncio.run(retriever.ainvoke("question"))))
            assert session.label.tainted, "documents are anybody's"
        with pytest.raises(UsageError, match="no argument 'query'"):
            guard.langchain_retriever(store().as_retriever(), source="kb", tool="memory.search")
    kinds = [event.kind for event in events(folder)]
    assert kinds.count(EventKind.DECISION) == 2
    assert kinds.count(EventKind.ACTION_COMPLETED) == 2


def index() -> VectorStoreIndex:
    nodes = [TextNode(text=text, metadata=metadata, id_=text) for text, metadata in TEXTS]
    for node in nodes:
        node.embedding = [0.5, 0.5] if node.text.startswith("secret") else [1.0, 0.0]
    return VectorStoreIndex(nodes, embed_model=MockEmbedding(embed_dim=2))


def levels(reader: Any) -> MetadataFilters:
    return MetadataFilters(filters=[MetadataFilter(key="level", value=reader.clearance, operator=FilterOperator.LTE)])


def node_texts(found: list[NodeWithScore]) -> list[str]:
    return [each.node.get_content() for each in found]


@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("own", [False, True], ids=["checked and asked for more", "filtered by the store"])
def test_llama_index_gives_as_many_as_were_asked_for_and_none_that_may_not_be_read(
    tmp_path: Path, asynchronous: bool, own: bool
) -> None:
    folder = make_retrieval_world(tmp_path)
    with Guard.open(folder) as guard:
        inner = index().as_retriever(similarity_top_k=K)
        assert isinstance(inner, VectorIndexRetriever)
        retriever = guard.llama_index_retriever(inner, source="kb", filter=levels if own else None)
        with session_of(guard, "alice") as session:
            found = asyncio.run(retriever.aretrieve("question")) if asynchronous else retriever.retrieve("question")
            assert len(found) == K
            assert only_open(node_texts(found))
            assert session.label.sensitivity == 1
            assert session.model_input([each.node.get_content(MetadataMode.LLM) for each in found]) == []
        assert inner.similarity_top_k == K, "the retriever itself stays as it is"
    assert bool(withheld(folder)) is not own


def test_llama_index_a_node_that_stands_for_another_retriever_leads_past_nothing(tmp_path: Path) -> None:
    class Inner(LlamaRetriever):
        def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
            node = IndexNode(text="open page", index_id="other")
            node.metadata = {"sensitivity": "internal"}
            node.obj = TextNode(text="secret plan", metadata={"sensitivity": "restricted"})
            return [NodeWithScore(node=node)]

    with Guard.open(make_retrieval_world(tmp_path)) as guard:
        retriever = guard.llama_index_retriever(Inner(), source="kb")
        with session_of(guard, "alice"):
            assert retriever.retrieve("question") == []
            assert asyncio.run(retriever.aretrieve("question")) == []


def test_llama_index_a_retrieval_with_an_entry_in_the_catalog_is_a_governed_call(tmp_path: Path) -> None:
    folder = make_retrieval_world(tmp_path)
    with Guard.open(folder) as guard:
        retriever = guard.llama_index_retriever(
            index().as_retriever(similarity_top_k=K), source="kb", tool="memory.search", argument="text"
        )
        with session_of(guard, "alice"):
            assert only_open(node_texts(retriever.retrieve("question")))
        with pytest.raises(UsageError, match="takes no filters"):
            guard.llama_index_retriever(_Plain(), source="kb", filter=levels)
    assert [event.kind for event in events(folder)].count(EventKind.ACTION_COMPLETED) == 1


class _Plain(LlamaRetriever):
    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return []
