"""Graphs of one's own under `guard.langgraph`, and runs that wait for a person the way LangGraph does."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import BaseTool, tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition
from langgraph.types import Command, interrupt

from bailiwick import Denied, UsageError
from desk.model import ObedientModel
from tests.adapters.test_langchain import MODES, World, answers
from tests.worlds import MAIL, approve, asked, decisions, edit, events, kinds, make_world

SEND = f"Call send_mail with {json.dumps(MAIL)}"
SENT = ("send_mail", MAIL)
THREAD: Any = {"configurable": {"thread_id": "t-1"}}
PROMPT = "You are careful."


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    folder = make_world(tmp_path)
    # What they tell raises no label, so that no approval is outdated by a call of the same step.
    edit(folder, "tools/desk.toml", "untrusted = [] }", 'untrusted = [], sensitivity = "public" }')
    made = World(folder)
    yield made
    made.guard.close()


def loop(world: World, *, saver: Any = None, tools: list[BaseTool] | None = None, wrap: Any = None, **how: Any) -> Any:
    """A graph with a node for the model and one for all the tools."""
    made: Any = StateGraph(MessagesState)
    model = ObedientModel()

    def answer(state: Any) -> Any:
        return {"messages": [model.invoke([SystemMessage(PROMPT), *state["messages"]])]}

    made.add_node("model", answer)
    made.add_node("tools", ToolNode(tools or world.shop.tools(), wrap_tool_call=wrap))
    made.add_edge(START, "model")
    made.add_conditional_edges("model", tools_condition)
    made.add_edge("tools", "model")
    return world.guard.langgraph(made.compile(checkpointer=saver), instructions=PROMPT, **how)


def agent(world: World, *, saver: Any = None, **how: Any) -> Any:
    return world.agent(checkpointer=saver, **how)


KINDS = pytest.mark.parametrize("made", [loop, agent])


def go(graph: Any, given: Any, *, use_async: bool = False, config: Any = THREAD) -> Any:
    return asyncio.run(graph.ainvoke(given, config)) if use_async else graph.invoke(given, config)


def said(session: Any, text: str) -> Any:
    session.prompt(text)
    return {"messages": [HumanMessage(text)]}


# ── waiting for a person ───────────────────────────────────────────────────────────────────────────────────────────


@KINDS
@MODES
def test_a_call_that_waits_suspends_the_run_until_a_person_has_answered(
    world: World, made: Any, use_async: bool
) -> None:
    graph = made(world, saver=InMemorySaver())
    with world.session("t-1") as session:
        (waiting,) = go(graph, said(session, SEND), use_async=use_async)["__interrupt__"]
        (request,) = asked(session)
        assert waiting.value["approval_id"] == request
        assert (waiting.value["bailiwick"], waiting.value["tool"]) == ("approval", "mail.send")
        assert "ann@customer.example" not in str(waiting.value), "arguments are on the card"
        (again,) = go(graph, Command(resume="approved!"), use_async=use_async)["__interrupt__"]
        assert again.value["approval_id"] == request
        assert world.shop.ran == []
        assert approve(session, request).code == ""
        (told,) = answers(go(graph, Command(resume=False), use_async=use_async)["messages"])
    assert told.status == "success"
    assert world.shop.ran == [SENT]


@KINDS
def test_who_resumes_a_run_whose_call_was_refused_does_not_run_it(world: World, made: Any) -> None:
    graph = made(world, saver=InMemorySaver())
    with world.session("t-1") as session:
        go(graph, said(session, SEND))
        approve(session, asked(session)[0], grant=False)
        done = go(graph, Command(resume=True))
    assert world.shop.ran == []
    assert "__interrupt__" in done or "DENIED" in answers(done["messages"])[0].content


@KINDS
@pytest.mark.parametrize("how", [{"suspend": False}, {}], ids=["not wanted", "no checkpointer"])
def test_where_a_run_cannot_wait_the_model_reads_that_the_call_does(
    world: World, made: Any, how: dict[str, Any]
) -> None:
    graph = made(world, saver=InMemorySaver() if how else None, **how)
    with world.session("t-1") as session:
        (told,) = answers(go(graph, said(session, SEND))["messages"])
    assert str(told.content).startswith("PENDING_APPROVAL send_mail")


@KINDS
@MODES
def test_calls_of_the_same_step_run_once_although_one_of_them_waits(world: World, made: Any, use_async: bool) -> None:
    graph = made(world, saver=InMemorySaver())
    with world.session("t-1") as session:
        given = said(session, f"Call put_safe with id=77\nand c{SEND[1:]}")
        done = go(graph, given, use_async=use_async)
        while "__interrupt__" in done:  # what the other call brought in may ask for another look at the card
            (waiting,) = done["__interrupt__"]
            assert approve(session, waiting.value["approval_id"]).code == ""
            done = go(graph, Command(resume=True), use_async=use_async)
        told = answers(done["messages"])
    assert [message.status for message in told] == ["success", "success"]
    assert sorted(name for name, _ in world.shop.ran) == ["put_safe", "send_mail"], "each once"


@KINDS
def test_two_calls_of_one_step_that_wait_are_both_asked_for(world: World, made: Any) -> None:
    other = {**MAIL, "subject": "Again"}
    graph = made(world, saver=InMemorySaver())
    with world.session("t-1") as session:
        given = said(session, f"{SEND}\nand call send_mail with {json.dumps(other)}")
        waiting = go(graph, given)["__interrupt__"]
        assert len(asked(session)) == 2
        for request in asked(session):
            approve(session, request)
        answer = {each.id: True for each in waiting} if len(waiting) > 1 else True
        go(graph, Command(resume=answer))
        sent = sorted(args["subject"] for _, args in world.shop.ran)
        assert sent in (["Again", "Hello"], ["Again"], ["Hello"])
        # One may be over before the other is decided: what it gave was not on the other's card, so that is asked anew.
        assert len(asked(session)) == 4 - len(sent)


def test_what_a_run_was_resumed_with_is_no_answer_to_a_question_of_the_tool(world: World) -> None:
    """It interrupts the run itself, after its call was approved."""
    world.shop.answers["send_mail"] = lambda: f"told {interrupt('really?')}"
    graph = agent(world, saver=InMemorySaver())
    with world.session("t-1") as session:
        go(graph, said(session, SEND))
        approve(session, asked(session)[0])
        (question,) = go(graph, Command(resume="woken up"))["__interrupt__"]
    assert question.value == "really?", "nobody has answered this"


# ── graphs of one's own ────────────────────────────────────────────────────────────────────────────────────────────


@MODES
def test_tool_nodes_of_graphs_inside_are_guarded_too(world: World, use_async: bool) -> None:
    outer: Any = StateGraph(MessagesState)
    inner: Any = StateGraph(MessagesState)
    inner.add_node("tools", ToolNode(world.shop.tools()))
    inner.add_edge(START, "tools")
    outer.add_node("inside", inner.compile())
    outer.add_edge(START, "inside")
    graph = world.guard.langgraph(outer.compile(), seal=False)
    call: Any = {"name": "read_page", "args": {"id": "9"}, "id": "1", "type": "tool_call"}
    with world.session():
        (told,) = answers(go(graph, {"messages": [AIMessage("", tool_calls=[call])]}, use_async=use_async)["messages"])
    assert "Page 9 is closed." in told.content
    assert world.shop.ran == []


@MODES
def test_a_wrapper_that_a_tool_node_has_already_runs_before_the_guard(world: World, use_async: bool) -> None:
    def wrap(request: Any, execute: Any) -> Any:
        return execute(request.override(tool_call={**request.tool_call, "args": {"id": "9"}}))

    with world.session() as session:
        (told,) = answers(go(loop(world, wrap=wrap), said(session, "Call read_page with id=1"))["messages"])
    assert "Page 9 is closed." in told.content
    assert world.shop.ran == []


def test_models_of_its_nodes_are_on_record_and_its_system_prompt_is_vouched_for(world: World) -> None:
    with world.session() as session:
        go(loop(world), said(session, "Call put_safe with id=77"))
        assert not session.label.tainted
    assert kinds(world.folder).count("model.called") == 2


def test_a_function_that_runs_tools_in_a_node_of_its_own_meets_the_seal(world: World) -> None:
    (page, *_) = world.shop.tools()
    made: Any = StateGraph(MessagesState)
    made.add_node("work", lambda _state: {"messages": [AIMessage(str(page.invoke({"id": "9"})))]})
    made.add_edge(START, "work")
    graph = world.guard.langgraph(made.compile())
    with world.session(), pytest.raises(Denied, match="Page 9 is closed"):
        go(graph, {"messages": []})
    assert [each.tool for each in world.guard.coverage(graph).tools] == ["read_page"]
    assert world.shop.ran == []


def test_a_node_is_guarded_once_however_often_it_is_asked_for(world: World) -> None:
    graph = world.guard.langgraph(world.guard.langgraph(loop(world)))
    with world.session() as session:
        go(graph, said(session, "Call put_safe with id=77"))
    assert len(decisions(world.folder, "put.safe")) == 1
    assert world.shop.ran == [("put_safe", {"id": "77"})]


def test_what_is_no_compiled_graph_is_not_taken(world: World) -> None:
    with pytest.raises(UsageError, match="no compiled graph"):
        world.guard.langgraph(ToolNode(world.shop.tools()))  # type: ignore[type-var]


# ── names ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("named", [{"agent": "scout"}, {"agents": {"researcher": "scout"}}])
def test_an_agent_says_who_it_is_by_argument_or_by_the_name_of_its_graph(world: World, named: dict[str, Any]) -> None:
    guard = world.guard.langchain(**named)
    made = create_agent(ObedientModel(), world.shop.tools(), middleware=[guard], name="researcher")
    with world.session() as session:
        session.prompt("Call read_page with id=1")
        go(made, {"messages": [HumanMessage("Call read_page with id=1")]})
    (decision,) = decisions(world.folder, "page.read")
    assert decision.actor[-1] == 'Agent::"scout"'


def test_a_tool_that_sends_the_conversation_to_an_agent_hands_it_over(world: World) -> None:
    """Whatever it is called, and though the catalog knows it: the destination is asked about."""

    @tool
    def read_fact(id: str) -> Command[Any]:  # noqa: A002
        """Look it up at somebody else's."""
        return Command(goto=id, graph=Command.PARENT, update={"messages": [ToolMessage("gone", tool_call_id="1")]})

    parent: Any = StateGraph(MessagesState)
    desk = create_agent(ObedientModel(), [read_fact], middleware=[world.guard.langchain()], name="desk-bot")
    parent.add_node("desk-bot", desk)
    parent.add_node("off-bot", lambda _state: {"messages": [AIMessage("I should not be here")]})
    parent.add_edge(START, "desk-bot")
    with world.session() as session:
        text = "Call read_fact with id=off-bot"
        done = go(parent.compile(), said(session, text))
    (told,) = answers(done["messages"])
    assert "DENIED read_fact" in told.content
    assert "should not be here" not in str(done["messages"])
    assert [event.body["outcome"] for event in decisions(world.folder, "agent.delegate")] == ["deny"]


# ── what LangGraph keeps ───────────────────────────────────────────────────────────────────────────────────────────


def test_nothing_of_the_wiring_is_kept_in_a_thread(world: World, tmp_path: Path) -> None:
    from langgraph.checkpoint.sqlite import SqliteSaver

    with SqliteSaver.from_conn_string(str(tmp_path / "threads.sqlite")) as saver, world.session("t-1") as session:
        go(loop(world, saver=saver), said(session, "Call put_safe with id=77"))
    with sqlite3.connect(tmp_path / "threads.sqlite") as held:
        rows = str(held.execute("select metadata from checkpoints").fetchall())
    held.close()
    assert "t-1" in str(events(world.folder)) or rows
    assert "wiring" not in rows.lower()
