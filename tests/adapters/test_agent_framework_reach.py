"""Ways past the guard of Agent Framework that somebody tried: each is decided, on record, or nobody else's."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import pytest
from agent_framework import FunctionTool
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pydantic import BaseModel, BeforeValidator

from bailiwick import Denied, Session
from tests.adapters.test_agent_framework import HIDDEN, SECRET, World, _run, made, say
from tests.worlds import FILES, decisions, events


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with made(tmp_path) as one:
        yield one


def models_called(world: World) -> list[str]:
    return [str(event.body["outcome"]) for event in events(world.folder) if event.kind.value == "model.called"]


# ── one permit, one run ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("way", ["invoke", "call"])
@pytest.mark.parametrize("first", ["invoke", "call"])
def test_a_tool_that_runs_itself_again_is_decided_again(world: World, first: str, way: str) -> None:
    ran: list[str] = []

    async def read_page(id: str) -> str:  # noqa: A002
        """Read a page."""
        ran.append(id)
        if id == "9":
            return "page 9"
        try:
            await (tool.invoke(arguments={"id": "9"}) if way == "invoke" else tool(id="9"))
            return "it ran"
        except Denied as denied:
            return str(denied)

    tool = FunctionTool(name="read_page", func=read_page)
    world.guard.agent_framework()
    with world.session():
        outer = asyncio.run(_either(tool, first))
    assert "Page 9 is closed." in str(outer)
    assert ran == ["1"]
    assert [event.body["outcome"] for event in decisions(world.folder)] == ["allow", "deny"]


async def _either(tool: FunctionTool, way: str) -> Any:
    if way == "call":
        return await tool(id="1")
    return [content.text for content in await tool.invoke(arguments={"id": "1"})]


@pytest.mark.parametrize("way", ["invoke", "call"])
def test_a_permit_of_the_session_is_good_for_its_own_arguments_alone(world: World, way: str) -> None:
    """A governed function in which an agent works that has a tool of the same name."""
    (read_page, *_) = world.tools()
    tool = FunctionTool(name="read_page", func=read_page)
    world.guard.agent_framework()

    def run(*, id: str) -> Any:  # noqa: A002
        other = {"id": "9"} if id == "1" else {"id": id}
        return tool(**other) if way == "call" else asyncio.run(tool.invoke(arguments=other))

    with world.session() as session:
        with pytest.raises(Denied, match="Page 9 is closed"):
            session.call("read_page", {"id": "1"}, run=run)
        session.call("read_page", {"id": "2"}, run=run)
    assert [args["id"] for _, args in world.ran] == ["2"]


def test_a_schema_that_makes_something_else_each_time_cannot_slip_past_a_rule(world: World) -> None:
    """What is decided is what the function gets, or nothing runs."""

    def peel(given: str) -> str:
        return given.removeprefix("x")

    ran: list[str] = []

    def read_page(id: str) -> str:  # noqa: A002
        """Read a page."""
        ran.append(id)
        return "a page"

    class Args(BaseModel):
        id: Annotated[str, BeforeValidator(peel)]

    tool = FunctionTool(name="read_page", func=read_page, input_model=Args)
    say(world, world.agent(*([("read_page", {"id": "x" * n + "9"})] for n in range(5)), tools=[tool]))
    assert say(world, world.agent([("read_page", {"id": "1"})], tools=[tool])) == ["a page"]
    assert "9" not in ran


# ── streams ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("how", ["dropped", "closed", "cancelled"])
def test_a_stream_that_is_not_read_to_its_end_is_on_record_as_far_as_it_came(world: World, how: str) -> None:
    agent = world.agent("one two three four")

    async def read() -> None:
        stream: Any = agent.run("Say.", stream=True)
        async for _ in stream:
            if how == "cancelled":
                raise asyncio.CancelledError
            break
        if how == "closed":
            await stream.close()

    async def whole() -> None:
        task = asyncio.ensure_future(read())
        await asyncio.wait([task])
        del task
        while not models_called(world):  # its end is written in a thread; the time limit is around all of it
            gc.collect()
            await asyncio.sleep(0.01)

    with world.session() as session:
        session.prompt("Say.")
        asyncio.run(asyncio.wait_for(whole(), 20))
        assert session.knows("one")
        assert models_called(world) == ["failed"]


# ── who works beside whom ──────────────────────────────────────────────────────────────────────────────────────────


def test_sessions_that_run_beside_each_other_share_nothing(world: World) -> None:
    """One agent object, two conversations at once: what one read taints the other in nothing."""
    own = world.guard.agent_framework()

    async def work(session: Session, *steps: Sequence[tuple[str, dict[str, Any]]]) -> bool:
        with session:
            session.prompt("Work.")
            await world.agent(*steps, middleware=own).run("Work.")
            return session.label.tainted

    async def both() -> list[bool]:
        page = [("read_page", {"id": "1"})]
        return list(
            await asyncio.gather(
                work(world.session("a"), page, [("put_safe", {"id": "7"})]),
                work(world.session("b"), [("put_safe", {"id": "8"})], [("put_safe", {"id": "9"})]),
            )
        )

    assert asyncio.run(asyncio.wait_for(both(), 20)) == [True, False]
    assert [args["id"] for name, args in world.ran if name == "put_safe"] == ["8", "9"]


def test_in_a_closed_session_no_tool_runs(world: World) -> None:
    agent = world.agent([("put_safe", {"id": "1"})])
    with world.session() as session:
        session.close()
        (told,) = [str(each.result) for each in _results(asyncio.run(_run(agent, "Put 1.", None, stream=False)))]
    assert "This session is closed" in told
    assert world.ran == []


def _results(response: Any) -> list[Any]:
    contents = [content for message in response.messages for content in message.contents]
    return [content for content in contents if content.type == "function_result"]


# ── traces ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("fails", [False, True])
def test_no_span_has_what_is_hidden(tmp_path: Path, fails: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    from agent_framework import observability

    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(observability, "get_tracer", lambda *_, **__: provider.get_tracer("tests"))
    monkeypatch.setattr(observability.OBSERVABILITY_SETTINGS, "enable_instrumentation", True)
    monkeypatch.setattr(observability.OBSERVABILITY_SETTINGS, "enable_sensitive_data", True)

    def read_letter(id: str) -> str:  # noqa: A002
        """Read a letter."""
        if fails:
            raise ValueError(f"{SECRET} {id}")
        return f"{SECRET} {id}"

    cleared = FILES["directory.toml"]
    for who in ('email  = "alice@acme.example"\n', "[agents.desk-bot]\n"):
        cleared = cleared.replace(who, who + 'clearance = "confidential"\n', 1)
    rule = '@id("letters")\npermit (principal, action == Action::"letter.read", resource);'
    with made(
        tmp_path, {"tools/letters.toml": HIDDEN, "policies/letters.cedar": rule, "directory.toml": cleared}
    ) as world:
        say(world, world.agent([("read_letter", {"id": "1"})], tools=[read_letter]))
    spans = exporter.get_finished_spans()
    assert any("read_letter" in span.name for span in spans), [span.name for span in spans]
    assert not [span.name for span in spans if SECRET in span.to_json()]
