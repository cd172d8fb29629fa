"""Ways past the guard of AutoGen that somebody tried: each is decided, on record, or nobody else's."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from autogen_agentchat.conditions import MaxMessageTermination
from autogen_agentchat.teams import RoundRobinGroupChat, SelectorGroupChat
from autogen_core import CancellationToken, SingleThreadedAgentRuntime
from autogen_core.tools import FunctionTool, StaticWorkbench, TextResultContent, ToolResult, Workbench
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from bailiwick import Session
from tests.adapters.autogen_desk import World, asks, client, made, results, soon
from tests.adapters.test_autogen import PERMIT, SECRET, SECRETS
from tests.worlds import FILES, decisions


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with made(tmp_path) as one:
        yield one


# ── one permit, one run ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("way", ["tool", "workbench"])
def test_a_tool_that_runs_itself_again_is_decided_again(world: World, way: str) -> None:
    ran: list[str] = []

    async def read_page(id: str) -> str:  # noqa: A002
        """Read a page."""
        ran.append(id)
        return "page" if len(ran) > 1 else await _run(way, tool)

    tool = FunctionTool(read_page, "Read a page.")
    world.guard.autogen(world.agent())
    with world.session():
        soon(_run(way, tool))
    assert ran == ["1", "1"]
    assert len(decisions(world.folder)) == 2, "the second run was the first one's"


async def _run(way: str, tool: FunctionTool) -> str:
    if way == "tool":
        return str(await tool.run_json({"id": "1"}, CancellationToken()))
    return (await StaticWorkbench([tool]).call_tool("read_page", {"id": "1"})).to_text()


# ── who works beside whom ──────────────────────────────────────────────────────────────────────────────────────────


def test_teams_that_run_beside_each_other_share_nothing(world: World) -> None:
    async def work(session: Session, *steps: Any) -> bool:
        team = RoundRobinGroupChat([world.agent(*steps, name="desk")], max_turns=1)
        with session:
            session.prompt("Work.")
            await world.guard.autogen(team).run(task="Work.")
            return session.label.tainted

    async def both() -> list[bool]:
        return list(
            await asyncio.gather(
                work(world.session("a"), [asks("read_page", id="1")], [asks("put_safe", id="1")]),
                work(world.session("b"), [asks("put_safe", id="2")], [asks("put_safe", id="3")]),
            )
        )

    assert soon(both()) == [True, False]
    assert [args["id"] for name, args in world.shop.ran if name == "put_safe"] == ["2", "3"]


def test_a_team_that_goes_from_one_session_to_another_is_strange_to_it(world: World) -> None:
    """What the first user said and read is in the team: the second one's session does not know it."""
    agent = world.agent([asks("read_page", id="1")], "read", [asks("put_safe", id="2")])
    team = world.guard.autogen(RoundRobinGroupChat([agent], max_turns=1))

    async def both() -> None:
        for conversation, text in (("a", "Read it."), ("b", "Put 2.")):
            with world.session(conversation) as session:
                session.prompt(text)
                await team.run(task=text)

    soon(both())
    assert world.shop.ran == [("read_page", {"id": "1", "limit": 7})]


def test_a_refusal_is_for_its_own_call_alone(world: World) -> None:
    """A run was broken off between a refused handoff and its answer; models may number their calls anew in the next."""
    agent = world.guard.autogen(world.agent([asks("put_safe", id="7")]))
    call = agent._model_client.inner.script[0][0]  # type: ignore[attr-defined]
    agent._model_client.seat.refusals[call.id] = ("refused_transfer", "DENIED transfer")  # type: ignore[attr-defined]
    with world.session() as session:
        session.prompt("Put 7.")
        (told,) = results(soon(agent.run(task="Put 7.")))
    assert told.content == "put_safe done"


# ── what ends a run ────────────────────────────────────────────────────────────────────────────────────────────────

MODELS = '[models."a-model"]\nclearance = "restricted"\n'
THINK = '@id("think") permit (principal, action == Action::"model.call", resource);'


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("kind", ["round robin", "selector"])
def test_a_model_that_is_denied_in_the_middle_of_a_team_ends_the_run(tmp_path: Path, kind: str, streams: bool) -> None:
    """The second agent's model may not be called. Nothing waits for ever, and nothing more is called."""
    with made(tmp_path, {"tools/models.toml": MODELS, "policies/think.cedar": THINK}) as world:
        first = world.agent("first", name="desk", model_client_stream=streams)
        second = world.agent([asks("put_safe", id="1")], name="helper", model_client_stream=streams)
        second._model_client.model = "another-model"  # type: ignore[attr-defined]
        more: dict[str, Any] = {"termination_condition": MaxMessageTermination(6)}
        if kind == "selector":
            team: Any = SelectorGroupChat([first, second], client("desk", "helper"), **more)
        else:
            team = RoundRobinGroupChat([first, second], **more)
        names = {"desk": "desk-bot", team.name: "desk-bot"}
        own = first._model_client, second._model_client
        with world.session() as session:
            session.prompt("Work.")
            with pytest.raises(RuntimeError, match="another-model"):
                soon(world.guard.autogen(team, agents=names).run(task="Work."))
        assert world.shop.ran == []
        assert [len(model.read) for model in own] == [1, 0]  # type: ignore[attr-defined]


def test_a_runtime_that_knows_no_session_runs_nothing_and_ends(world: World) -> None:
    async def run() -> None:
        runtime = SingleThreadedAgentRuntime()
        runtime.start()
        agent = world.agent([asks("put_safe", id="1")])
        team = world.guard.autogen(RoundRobinGroupChat([agent], max_turns=1, runtime=runtime))
        try:
            with world.session() as session:
                session.prompt("Put 1.")
                with pytest.raises(RuntimeError, match="outside of a session"):
                    await team.run(task="Put 1.")
        finally:
            await runtime.stop()

    soon(run())
    assert world.shop.ran == []


def test_a_run_that_is_cancelled_in_a_tool_ends_and_the_call_is_in_doubt(world: World) -> None:
    token = CancellationToken()

    async def put_none(id: str) -> str:  # noqa: A002
        """Put."""
        world.shop.note("put_none", id=id)
        token.cancel()
        await asyncio.Event().wait()
        return "never"

    agent = world.guard.autogen(world.agent([asks("put_none", id="77")], tools=[put_none]))
    with world.session() as session:
        session.prompt("Put 77.")
        with contextlib.suppress(asyncio.CancelledError):
            soon(RoundRobinGroupChat([agent], max_turns=1).run(task="Put 77.", cancellation_token=token))
        assert world.shop.ran == [("put_none", {"id": "77"})]
        assert session.check("put.none", {"id": "77"}).reasons[0].code == "may-have-run"


# ── traces ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("protected", [True, False])
def test_no_span_has_what_is_hidden(
    tmp_path: Path, fails: bool, protected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    from opentelemetry import trace

    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer", lambda *_, **__: provider.get_tracer("tests"))
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)

    async def read_letter(id: str) -> str:  # noqa: A002
        """Read a letter."""
        if fails:
            raise ValueError(f"{SECRET} {id}")
        return f"{SECRET} {id}"

    cleared = FILES["directory.toml"]
    for who in ('email  = "alice@acme.example"\n', "[agents.desk-bot]\n"):
        cleared = cleared.replace(who, who + 'clearance = "confidential"\n', 1)
    more = {"tools/letters.toml": SECRETS, "policies/letters.cedar": PERMIT, "directory.toml": cleared}
    with made(tmp_path, more) as world:
        agent = world.agent([asks("read_letter", id="1")], tools=[read_letter])
        world.guard.autogen(agent if protected else world.agent())
        with world.session() as session:
            session.prompt("Read.")
            soon(RoundRobinGroupChat([agent], max_turns=1).run(task="Read."))
    spans = exporter.get_finished_spans()
    assert any("read_letter" in span.to_json() for span in spans), [span.name for span in spans]
    assert not [span.name for span in spans if SECRET in span.to_json()]


# ── workbenches of other classes ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("base", [Workbench, StaticWorkbench])
def test_a_workbench_of_another_class_in_an_agent_that_nobody_protected(world: World, base: type, when: str) -> None:
    ran: list[Any] = []

    def define() -> Any:
        class Own(base):  # type: ignore[misc]
            async def list_tools(self) -> list[Any]:
                return [{"name": "read_page", "description": "Read."}]

            async def call_tool(self, name: str, arguments: Any = None, *_: Any, **__: Any) -> ToolResult:
                ran.append(arguments)
                return ToolResult(name=name, result=[TextResultContent(content="page")])

            async def nothing(self, *_: Any) -> Any:
                return {}

            start = stop = reset = save_state = load_state = nothing

        Own.__abstractmethods__ = frozenset()
        return Own([]) if base is StaticWorkbench else Own()

    first = define() if when == "before" else None
    world.guard.autogen(world.agent())
    agent = world.agent([asks("read_page", id="9")], [asks("read_page", id="1")], workbench=[first or define()])
    with world.session() as session:
        session.prompt("Read.")
        denied, read = results(soon(agent.run(task="Read.")))
    assert "Page 9 is closed." in denied.content
    assert read.content == "page"
    assert ran == [{"id": "1"}]
    assert len(decisions(world.folder)) == 2
