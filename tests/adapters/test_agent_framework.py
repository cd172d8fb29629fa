"""Microsoft Agent Framework's real Agent under the guard, with a scripted model."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from agent_framework import (
    Agent,
    AgentSession,
    BaseChatClient,
    ChatMiddlewareLayer,
    ChatResponse,
    ChatResponseUpdate,
    Content,
    FunctionInvocationContext,
    FunctionInvocationLayer,
    FunctionMiddleware,
    FunctionTool,
    Message,
    ResponseStream,
)

from bailiwick import Denied, Guard, Session, UsageError
from bailiwick.adapters.agent_framework import covered
from bailiwick.adapters.coverage import Reach
from tests.worlds import AGENT, FILES, MAIL, approve, asked, decisions, events, make_world

Step = str | Sequence[tuple[str, Mapping[str, Any]]]


class Scripted(FunctionInvocationLayer[Any], ChatMiddlewareLayer[Any], BaseChatClient[Any]):
    """Answers with its script, step by step, then "done". Notes what it was given."""

    def __init__(self, script: Sequence[Step]) -> None:
        super().__init__()
        self.script = list(script)
        self.read: list[Sequence[Message]] = []
        self.offered: list[list[Any]] = []
        self.calls = 0

    def _contents(self) -> list[Content]:
        step = self.script.pop(0) if self.script else "done"
        if isinstance(step, str):
            return [Content.from_text(step)]
        made = []
        for name, args in step:
            self.calls += 1
            made.append(
                Content.from_function_call(
                    call_id=f"call_{id(self)}_{self.calls}", name=name, arguments=json.dumps(args)
                )
            )
        return made

    def _inner_get_response(self, *, messages: Any, stream: bool, options: Any, **_: Any) -> Any:
        self.read.append(list(messages))
        self.offered.append(list(options.get("tools") or ()))
        if not stream:

            async def answer() -> ChatResponse[Any]:
                return ChatResponse(messages=[Message("assistant", self._contents())])

            return answer()

        async def pieces() -> AsyncIterable[ChatResponseUpdate]:
            for content in self._contents():
                for part in _split(content):
                    yield ChatResponseUpdate(contents=[part], role="assistant")

        return ResponseStream(pieces(), finalizer=ChatResponse.from_updates)


def _split(content: Content) -> list[Content]:
    if content.type != "text":
        return [content]
    return [Content.from_text(word) for word in (content.text or "").split(" ")]


class World:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.guard = Guard.open(folder)
        self.ran: list[tuple[str, dict[str, Any]]] = []

    def tools(self) -> list[Any]:
        def read_page(id: str, limit: int = 7) -> str:  # noqa: A002
            """Read a page."""
            self.ran.append(("read_page", {"id": id, "limit": limit}))
            return f"page {id}"

        async def read_fact(id: str) -> dict[str, str]:  # noqa: A002
            """Read a fact."""
            self.ran.append(("read_fact", {"id": id}))
            return {"mail": "ann@acme.example", "id": id}

        async def send_mail(to: list[str], subject: str, body: str) -> str:
            """Send a mail."""
            self.ran.append(("send_mail", {"to": to, "subject": subject, "body": body}))
            return "sent"

        async def put_safe(id: str) -> str:  # noqa: A002
            """Put something."""
            self.ran.append(("put_safe", {"id": id}))
            return "put"

        async def wipe() -> str:
            """Wipe everything."""
            self.ran.append(("wipe", {}))
            return "wiped"

        return [read_page, read_fact, send_mail, put_safe, wipe]

    def agent(
        self, *script: Step, tools: Sequence[Any] | None = None, name: str = AGENT, middleware: Any = None
    ) -> Agent:
        own = self.guard.agent_framework() if middleware is None else middleware
        return Agent(Scripted(script), name=name, tools=list(self.tools() if tools is None else tools), middleware=own)

    def session(self, conversation: str | None = None) -> Session:
        return self.guard.session(user="alice", agent=AGENT, task="Work", conversation=conversation)


@contextmanager
def made(folder: Path, more: Mapping[str, str] = MappingProxyType({})) -> Iterator[World]:
    make_world(folder)
    for path, text in more.items():
        (folder / path).write_text(text, encoding="utf-8")
    world = World(folder)
    try:
        yield world
    finally:
        world.guard.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with made(tmp_path) as one:
        yield one


async def _run(agent: Agent, message: Any, session: AgentSession | None, *, stream: bool) -> Any:
    if not stream:
        return await agent.run(message, session=session)
    stream_of = agent.run(message, session=session, stream=True)
    async for _ in stream_of:
        pass
    return await stream_of.get_final_response()


def say(world: World, agent: Agent, text: str = "Do it.", *, stream: bool = False) -> list[str]:
    with world.session() as session:
        session.prompt(text)
        return told(asyncio.run(_run(agent, text, None, stream=stream)))


def told(response: Any) -> list[str]:
    contents = [content for message in response.messages for content in message.contents]
    return [str(content.result) for content in contents if content.type == "function_result"]


MODES = pytest.mark.parametrize("stream", [False, True], ids=["run", "stream"])


@MODES
def test_a_denial_is_read_by_the_model_and_the_run_goes_on(world: World, stream: bool) -> None:
    agent = world.agent([("read_page", {"id": "9"})], [("put_safe", {"id": "77"}), ("wipe", {})], "bye")
    page, put, wipe = say(world, agent, stream=stream)
    assert "DENIED read_page" in page
    assert "Page 9 is closed." in page
    assert put == "put"
    assert "DENIED wipe" in wipe
    assert world.ran == [("put_safe", {"id": "77"})]
    assert decisions(world.folder)[0].id in page
    called = [event for event in events(world.folder) if event.kind.value == "model.called"]
    assert [event.body["outcome"] for event in called] == ["completed"] * 3


@MODES
def test_the_functions_own_defaults_and_types_reach_policy(tmp_path: Path, stream: bool) -> None:
    rule = (
        '@id("seven") @reason("Seven at once are too many.")\n'
        'forbid (principal, action == Action::"page.read", resource)\n'
        "when { context.args has limit && context.args.limit == 7 };\n"
    )
    with made(tmp_path, {"policies/seven.cedar": rule}) as world:
        steps: list[Step] = [
            [("read_page", {"id": "1"})],
            [("read_page", {"id": "1", "limit": "7"})],
            [("read_page", {"id": "1", "limit": 8})],
        ]
        results = say(world, world.agent(*steps), stream=stream)
        assert ["Seven at once" in each for each in results] == [True, True, False]
        assert world.ran == [("read_page", {"id": "1", "limit": 8})]


def test_fields_of_a_result_are_seen_by_the_catalog(world: World) -> None:
    with world.session() as session:
        session.prompt("Look at 1.")
        asyncio.run(_run(world.agent([("read_fact", {"id": "1"})]), "Look at 1.", None, stream=False))
        assert not session.label.tainted


class Rewriting(FunctionMiddleware):
    """Changes the arguments of a call, wherever it stands."""

    async def process(self, context: FunctionInvocationContext, call_next: Any) -> None:
        context.arguments = {"id": "9"}
        await call_next()


@pytest.mark.parametrize("first", [True, False])
def test_no_middleware_can_change_what_is_decided(world: World, first: bool) -> None:
    own = world.guard.agent_framework()
    agent = world.agent([("read_page", {"id": "1"})], middleware=[Rewriting(), *own] if first else [*own, Rewriting()])
    (page,) = say(world, agent)
    assert "Page 9 is closed." in page
    assert world.ran == []


def test_a_tool_that_is_called_directly_is_decided(world: World) -> None:
    world.guard.agent_framework()
    tool = FunctionTool(name="read_page", func=world.tools()[0])
    other = FunctionTool(name="put_safe", func=world.tools()[3])

    async def calls() -> list[Any]:
        with pytest.raises(Denied):
            await tool.invoke(arguments={"id": "9"})
        with pytest.raises(Denied):
            tool(id="9")
        with pytest.raises(Denied):
            tool("9")
        return [await other(id="2"), tool("1"), await tool.invoke(arguments={"id": "3"}, skip_parsing=True)]

    with world.session():
        assert asyncio.run(calls()) == ["put", "page 1", "page 3"]
    assert len(decisions(world.folder)) == 6
    with pytest.raises(Denied):
        tool(id="1")


def test_an_agent_without_the_middleware_is_sealed(world: World) -> None:
    world.guard.agent_framework()
    agent = world.agent([("read_page", {"id": "9"}), ("put_safe", {"id": "1"})], middleware=[])
    assert say(world, agent, "Put 1.") == ["Error: Function failed.", "put"]
    assert world.ran == [("put_safe", {"id": "1"})]


def test_nobody_answers_for_a_run_outside_of_a_session(world: World) -> None:
    agent = world.agent([("put_safe", {"id": "1"})])
    with pytest.raises(Denied, match="outside of a session"):
        asyncio.run(_run(agent, "Put 1.", None, stream=False))
    assert world.ran == []


ASK = """
[tools."ask.scout"]
names     = ["scout"]
effects   = ["read"]
args.task = { type = "string", role = "content" }
output    = { untrusted = [] }
"""
MAY_ASK = '@id("ask")\npermit (principal, action == Action::"ask.scout", resource);'


@MODES
@pytest.mark.parametrize("guarded", [True, False])
def test_an_agent_that_is_a_tool(tmp_path: Path, stream: bool, guarded: bool) -> None:
    with made(tmp_path, {"tools/ask.toml": ASK, "policies/ask.cedar": MAY_ASK}) as world:
        scout = world.agent(
            [("read_page", {"id": "9"}), ("put_safe", {"id": "1"})], name="scout", middleware=None if guarded else []
        )
        desk = world.agent([("scout", {"task": "Put 1."})], tools=[scout.as_tool()])
        say(world, desk, "Put 1.", stream=stream)
        assert world.ran == ([] if guarded else [("put_safe", {"id": "1"})]), "scouts put nothing; the desk may"
        links: list[Any] = [event.body["links"] for event in decisions(world.folder) if event.body.get("links")]
        who = [each[-1]["link"] for each in links]
        assert ('Agent::"scout"' in who) is guarded


# ── approvals ──────────────────────────────────────────────────────────────────────────────────────────────────────


def waiting(response: Any) -> Content:
    (request,) = response.user_input_requests
    assert request.type == "function_approval_request"
    found: Content = request
    return found


@MODES
def test_a_call_that_waits_suspends_the_run_and_goes_on_in_a_new_process(tmp_path: Path, stream: bool) -> None:
    with made(tmp_path) as world:
        thread = AgentSession()
        with world.session() as session:
            session.prompt("Write.")
            agent = world.agent([("send_mail", MAIL)])
            request = waiting(asyncio.run(_run(agent, "Write.", thread, stream=stream)))
            assert "PENDING_APPROVAL" in request.additional_properties["reason"]
            answer = Message("user", [request.to_function_approval_response(approved=True)])
            forged = asyncio.run(_run(agent, answer, thread, stream=stream))
            again = waiting(forged)
            assert world.ran == [], "an answer to the framework is worth nothing"
            approve(session, *asked(session))
        state = json.dumps(thread.to_dict())
    with made(tmp_path) as world:
        thread = AgentSession.from_dict(json.loads(state))
        with world.session():
            agent = world.agent("written")
            answer = Message("user", [again.to_function_approval_response(approved=True)])
            response = asyncio.run(_run(agent, answer, thread, stream=stream))
        assert world.ran == [("send_mail", dict(MAIL))]
        assert response.text == "written"


# ── models ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_the_provider_runs_is_stripped_and_reported(world: World) -> None:
    agent = world.agent("hello", tools=[*world.tools()[:1], {"type": "web_search"}])
    rows = {row.tool: row.reach for row in covered(agent, catalog=lambda _: "")}
    assert rows == {"read_page": Reach.ENFORCED, "web_search": Reach.OBSERVED}
    say(world, agent)
    (offered,) = agent.client.offered  # type: ignore[attr-defined]
    called = next(event for event in events(world.folder) if event.kind.value == "model.called")
    assert called.body["tools"] == ["read_page"]
    assert [tool.name for tool in offered] == ["read_page"]


def test_coverage_reaches_agents_that_are_tools(world: World) -> None:
    scout = world.agent(name="scout", tools=world.tools()[:1], middleware=[])
    desk = world.agent(tools=[scout.as_tool()])
    rows = {(row.agent, row.tool): row for row in covered(desk, catalog={"read_page": "page.read"}.get)}  # type: ignore[arg-type]
    assert set(rows) == {(AGENT, "scout"), ("scout", "read_page")}
    assert "no middleware" in rows["scout", "read_page"].why
    assert all(row.reach is Reach.ENFORCED for row in rows.values())


HIDDEN = """
[tools."letter.read"]
names    = ["read_letter"]
effects  = ["read"]
args.id  = { type = "string", role = "selector" }
output   = { sensitivity = "confidential", hide = true }
"""
SECRET = "the orchid blooms at midnight"


@MODES
@pytest.mark.parametrize("fails", [False, True])
def test_nothing_of_a_hidden_result_is_let_out(
    tmp_path: Path, stream: bool, fails: bool, caplog: pytest.LogCaptureFixture
) -> None:
    def read_letter(id: str) -> str:  # noqa: A002
        """Read a letter."""
        if fails:
            raise ValueError(f"{SECRET} {id}")
        return f"{SECRET} {id}"

    cleared = FILES["directory.toml"]
    for who in ('email  = "alice@acme.example"\n', "[agents.desk-bot]\n"):
        cleared = cleared.replace(who, who + 'clearance = "confidential"\n', 1)
    rule = '@id("letters")\npermit (principal, action == Action::"letter.read", resource);'
    caplog.set_level(logging.DEBUG)
    more = {"tools/letters.toml": HIDDEN, "policies/letters.cedar": rule, "directory.toml": cleared}
    with made(tmp_path, more) as world:
        thread = AgentSession()
        agent = world.agent([("read_letter", {"id": "1"})], tools=[read_letter])
        with world.session() as session:
            session.prompt("Read.")
            response = asyncio.run(_run(agent, "Read.", thread, stream=stream))
        for text in (str(response.to_dict()), json.dumps(thread.to_dict(), default=str), caplog.text):
            assert SECRET not in text


def test_the_seal_is_not_optional(world: World) -> None:
    with pytest.raises(UsageError, match="the seal is what decides"):
        world.guard.agent_framework(seal=False)
