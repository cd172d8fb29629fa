"""Model calls of LangChain's real `create_agent` on record: what was given, what came back, and how it ended."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.tools import BaseTool, tool

from bailiwick import Guard
from tests.guard.test_model_calls import given, held, model_calls
from tests.worlds import AGENT, decisions, make_world

MODES = pytest.mark.parametrize("use_async", [False, True], ids=["invoke", "ainvoke"])


class Scripted(GenericFakeChatModel):
    """Says what it is told to, and may be given tools."""

    def bind_tools(self, tools: Any, **_: Any) -> Any:
        return self


def calling(name: str, **args: Any) -> AIMessage:
    return AIMessage("", tool_calls=[{"name": name, "args": args, "id": f"call-{name}", "type": "tool_call"}])


def tools() -> list[BaseTool]:
    @tool
    def read_page(id: str, limit: int = 7) -> str:  # noqa: A002
        """Read a page."""
        return f"page {id}"

    @tool
    def no_tool(id: str) -> str:  # noqa: A002
        """Not in the catalog."""
        return id

    return [read_page, no_tool]


def work(folder: Path, says: list[AIMessage | Exception], *, use_async: bool = False, stream: bool = False) -> None:
    """Let an agent work whose model says this, one after the other."""

    def script() -> Iterator[AIMessage]:
        for said in says:
            if isinstance(said, Exception):
                raise said
            yield said

    with Guard.open(folder) as guard:
        middleware = [guard.langchain(instructions="You are a desk bot.")]
        agent: Any = create_agent(
            Scripted(messages=script()), tools(), middleware=middleware, system_prompt="You are a desk bot."
        )
        asked = {"messages": [HumanMessage("Read page 1")]}
        with guard.session(user="alice", agent=AGENT, task="Work", conversation="c-1") as session:
            session.prompt("Read page 1")
            if stream:
                list(agent.stream(asked, stream_mode="messages"))
            elif use_async:
                asyncio.run(agent.ainvoke(asked))
            else:
                agent.invoke(asked)


@MODES
def test_each_model_call_of_a_run_is_recorded_with_what_it_was_given_and_wrote(
    tmp_path: Path, *, use_async: bool
) -> None:
    folder = make_world(tmp_path)
    last = AIMessage(
        "done",
        usage_metadata={"input_tokens": 7, "output_tokens": 2, "total_tokens": 9},
        response_metadata={"finish_reason": "stop"},
    )
    work(folder, [calling("read_page", id="1"), calling("no_tool", id="1"), last], use_async=use_async)
    first, second, third = model_calls(folder)
    with Guard.open(folder) as guard, guard.session(user="alice", agent=AGENT, task="Look") as session:
        thread = ["You are a desk bot.", "Read page 1"]
        assert given(folder, session, first) == thread
        thread.append('[{"args": {"id": "1"}, "name": "read_page"}]')
        assert [held(session, event) for event in first.body["outputs"]] == thread[-1:]  # type: ignore[attr-defined]
        thread.append("page 1")
        assert given(folder, session, second)[:4] == thread
        assert [held(session, event) for event in third.body["outputs"]] == ["done"]  # type: ignore[attr-defined]
    (denied,) = decisions(folder, "no_tool")
    assert third.body["inputs"][-1:] == [denied.id], "the model read the denial"  # type: ignore[index]
    assert first.body["tools"] == ["read_page", "no_tool"]
    assert {call.body["outcome"] for call in (first, second, third)} == {"completed"}
    assert third.body["usage"] == [
        {"of": "input", "tokens": 7},
        {"of": "output", "tokens": 2},
        {"of": "total", "tokens": 9},
    ]


def test_an_output_that_the_provider_cut_off_says_so(tmp_path: Path) -> None:
    folder = make_world(tmp_path)
    work(folder, [AIMessage("I was about to", response_metadata={"finish_reason": "length"})])
    assert [call.body["outcome"] for call in model_calls(folder)] == ["cut-off"]


def test_a_streamed_output_is_recorded_whole(tmp_path: Path) -> None:
    folder = make_world(tmp_path)
    work(folder, [AIMessage("word after word")], stream=True)
    (call,) = model_calls(folder)
    with Guard.open(folder) as guard, guard.session(user="alice", agent=AGENT, task="Look") as session:
        assert [held(session, event) for event in call.body["outputs"]] == ["word after word"]  # type: ignore[attr-defined]


def test_a_model_that_fails_leaves_a_record_of_what_it_was_given(tmp_path: Path) -> None:
    folder = make_world(tmp_path)
    with pytest.raises(TimeoutError):
        work(folder, [TimeoutError("the provider's secret words")])
    (call,) = model_calls(folder)
    assert (call.body["outcome"], call.body["error"], call.body["outputs"]) == ("failed", "TimeoutError", [])
