"""What the seal puts in place of Google ADK's own methods."""

from __future__ import annotations

import copy
from collections.abc import AsyncGenerator, Callable
from typing import Any

from bailiwick.adapters.families import family
from bailiwick.adapters.google_adk.calls import decided_code, decided_tool, outside_of_tool
from bailiwick.adapters.google_adk.models import guarded_llm
from bailiwick.adapters.sealing import Method
from bailiwick.errors import MissingExtra
from bailiwick.guard.current import acting_in, current_session

try:
    import google.adk.code_executors.unsafe_local_code_executor  # noqa: F401  it is found by its base class
    from google.adk.code_executors import BaseCodeExecutor
    from google.adk.flows.llm_flows.base_llm_flow import BaseLlmFlow
    from google.adk.runners import Runner
    from google.adk.tools.base_tool import BaseTool
    from google.adk.tools.function_tool import FunctionTool
except ImportError as error:
    raise MissingExtra(feature="the adapter for Google ADK", extra="google-adk") from error

__all__ = ["sealed_methods"]


def sealed_methods() -> tuple[Method, ...]:
    """Every class of tools and of code executors that says how it runs, and what surrounds them."""
    return (
        *family(BaseTool, {"run_async": decided_tool}),
        *family(BaseCodeExecutor, {"execute_code": decided_code}),
        Method(owner=FunctionTool, name="_invoke_callable", make=outside_of_tool),
        Method(owner=BaseLlmFlow, name="_get_llm", make=guarded_llm),
        Method(owner=Runner, name="run", make=_in_the_callers_session),
    )


def _in_the_callers_session(original: Callable[..., Any]) -> Callable[..., Any]:
    """`Runner.run` works in a thread that knows nothing of its caller's session."""

    def run(runner: Runner, **kwargs: Any) -> Any:
        session = current_session()
        if session is None:
            return original(runner, **kwargs)
        twin: Any = copy.copy(runner)

        async def run_async(**given: Any) -> AsyncGenerator[Any, None]:
            with acting_in(session):
                async for event in runner.run_async(**given):
                    yield event

        twin.run_async = run_async
        return original(twin, **kwargs)

    return run
