"""LangChain and LangGraph: a middleware, compiled graphs, and the seal below both.

- `middleware`: `guard.langchain()`, the innermost middleware of `create_agent`. `graph`: `guard.langgraph(graph)`.
- `calls`: one tool call, decided, run, and told as LangChain tells it; `suspending`: how a run waits for a person.
- `seal`, `model_seal`, `text_seal`: in the classes of tools and models themselves.
- `covering`: what the guard reaches. `retriever`: `guard.langchain_retriever()`.
"""

from bailiwick.adapters.langchain.covering import covered
from bailiwick.adapters.langchain.graph import protect
from bailiwick.adapters.langchain.middleware import GuardMiddleware
from bailiwick.adapters.langchain.seal import FRAMEWORK, sealed_methods

__all__ = ["FRAMEWORK", "GuardMiddleware", "covered", "protect", "sealed_methods"]
