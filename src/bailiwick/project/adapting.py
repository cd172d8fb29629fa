"""The frameworks that a Guard plugs into. Each is an optional dependency, imported when it is asked for."""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bailiwick.errors import UsageError
from bailiwick.guard.engine import Engine
from bailiwick.guard.retrieval import Reader
from bailiwick.model.label import Label
from bailiwick.model.tool import ToolSpec
from bailiwick.project.tools import session_for

if TYPE_CHECKING:
    from langchain_core.retrievers import BaseRetriever as LangChainBase
    from llama_index.core.retrievers import BaseRetriever as LlamaIndexBase

    from bailiwick.adapters.langchain import GuardMiddleware
    from bailiwick.adapters.langchain_retriever import GuardRetriever as LangChainRetriever
    from bailiwick.adapters.llama_index import GuardRetriever as LlamaIndexRetriever

__all__ = ["Adapting"]


class Adapting(ABC):
    """The part of a `Guard` that adapters are made by."""

    _engine: Engine

    @abstractmethod
    def _spec(self, name: str) -> ToolSpec:
        """The catalog's entry; raises UsageError if there is none."""

    def langchain(self, *, instructions: str | tuple[str, ...] = ()) -> GuardMiddleware:
        """The middleware for LangChain's `create_agent`; list it last. `instructions` is the system prompt that you
        vouch for. Raises MissingExtra if LangChain is not installed."""
        from bailiwick.adapters.langchain import GuardMiddleware  # an optional dependency

        return GuardMiddleware(
            session=functools.partial(session_for, self._engine),
            instructions=(instructions,) if isinstance(instructions, str) else instructions,
        )

    def langchain_retriever(
        self,
        retriever: LangChainBase,
        *,
        source: str,
        filter: Callable[[Reader], Any] | None = None,  # noqa: A002  as every store calls it
        tool: str = "",
        argument: str = "query",
        label: Label | None = None,
    ) -> LangChainRetriever:
        """A LangChain retriever that gives the current session what its people may read, and takes it in under
        `source`.

        `filter` makes the store's own filter for whoever asks (`search_kwargs["filter"]`); the in-memory store needs
        none. `label` is what you vouch for of every document, beside what its metadata says. With `tool`, each
        retrieval is a governed call of this entry of the catalog, which gets the query as `argument`. Raises UsageError
        for a filter that could not be set, MissingExtra if LangChain is not installed."""
        from bailiwick.adapters.langchain_retriever import GuardRetriever  # an optional dependency

        return GuardRetriever(
            inner=retriever,
            source=source,
            session=functools.partial(session_for, self._engine),
            filter=filter,
            tool=self._reading(tool, argument),
            argument=argument,
            label=label,
        )

    def llama_index_retriever(
        self,
        retriever: LlamaIndexBase,
        *,
        source: str,
        filter: Callable[[Reader], Any] | None = None,  # noqa: A002  as every store calls it
        tool: str = "",
        argument: str = "query",
        label: Label | None = None,
    ) -> LlamaIndexRetriever:
        """`langchain_retriever` for LlamaIndex; `filter` makes `MetadataFilters`, which join those that the retriever
        has. Raises MissingExtra if LlamaIndex is not installed."""
        from bailiwick.adapters.llama_index import GuardRetriever  # an optional dependency

        return GuardRetriever(
            retriever,
            source=source,
            session=functools.partial(session_for, self._engine),
            filter=filter,
            tool=self._reading(tool, argument),
            argument=argument,
            label=label,
        )

    def _reading(self, tool: str, argument: str) -> str:
        if tool and argument not in (spec := self._spec(tool)).args:
            raise UsageError(
                f"{spec.name} has no argument {argument!r} for the query",
                hint=f"name the one that takes it: argument={next(iter(spec.args), '...')!r}",
            )
        return tool
