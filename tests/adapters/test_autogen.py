"""AutoGen's real AssistantAgent and teams under the guard, with a scripted model."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from autogen_core import EVENT_LOGGER_NAME, CancellationToken
from autogen_core.tools import FunctionTool, StaticWorkbench, TextResultContent, ToolResult, Workbench

from bailiwick import Denied
from bailiwick.adapters.autogen.workbench import GuardWorkbench
from bailiwick.audit.report import State
from bailiwick.stores.log_verification import verify_folder
from tests.adapters.autogen_desk import World, asks, client, made, results, soon
from tests.worlds import FILES, LOGS, MAIL, abandon, approve, asked, decisions, kinds


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with made(tmp_path) as one:
        yield one


def say(world: World, agent: Any, text: str = "Do it.", *, conversation: str | None = None, **more: Any) -> list[Any]:
    """Let the agent work on what the user said. → the results of its tools."""
    with world.session(conversation) as session:
        session.prompt(text)
        return results(soon(world.guard.autogen(agent, **more).run(task=text)))


# ── calls ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_denial_is_a_tool_error_that_the_model_reads_and_the_run_goes_on(world: World) -> None:
    agent = world.agent([asks("read_page", id="9")], [asks("put_safe", id="77")], [asks("send_mail")], "bye")
    denied, done, bad = say(world, agent)
    assert denied.is_error
    assert "DENIED read_page" in denied.content
    assert "Page 9 is closed." in denied.content
    assert decisions(world.folder)[0].id in denied.content
    assert (done.is_error, done.content) == (False, "put_safe done")
    assert "needs the argument 'to'" in bad.content
    assert world.shop.ran == [("put_safe", {"id": "77"})]
    assert verify_folder(world.folder / LOGS).state is State.SOUND


def test_a_tool_that_the_catalog_does_not_know_is_denied(world: World) -> None:
    (denied,) = say(world, world.agent([asks("wipe")]))
    assert "DENIED wipe" in denied.content
    assert world.shop.ran == []


def test_parallel_calls_of_one_step_are_each_decided(world: World) -> None:
    agent = world.agent([asks("put_safe", id="77"), *(asks("read_page", id=str(n), limit=1) for n in range(5, 12))])
    told = say(world, agent)
    assert [each.is_error for each in told] == [False, False, False, False, True, True, False, False]
    assert len(decisions(world.folder)) == 8


def test_arguments_reach_policy_as_the_tool_gets_them(tmp_path: Path) -> None:
    rule = (
        '@id("seven") @reason("Seven at once are too many.")\n'
        'forbid (principal, action == Action::"page.read", resource)\n'
        "when { context.args has limit && context.args.limit == 7 };\n"
    )
    with made(tmp_path, {"policies/seven.cedar": rule}) as world:
        steps = [
            [asks("read_page", id="1")],
            [asks("read_page", id="1", limit="7")],
            [asks("read_page", id="1", limit=8)],
        ]
        told = say(world, world.agent(*steps))
        assert [each.is_error for each in told] == [True, True, False]
        assert world.shop.ran == [("read_page", {"id": "1", "limit": 8})]


def test_fields_of_a_result_are_seen_by_the_catalog_as_the_tool_returned_them(world: World) -> None:
    """AutoGen shows the model Python's way to write a dictionary, which is no JSON."""
    world.shop.answers["read_fact"] = {"mail": "ann@acme.example", "said": "hello"}
    with world.session() as session:
        session.prompt("Look at 1.")
        agent = world.guard.autogen(world.agent([asks("read_fact", id="1")]))
        (told,) = results(soon(agent.run(task="Look at 1.")))
        assert told.content == str({"mail": "ann@acme.example", "said": "hello"})
        assert not session.label.tainted


def test_a_tools_own_error_is_shown_as_autogen_shows_it(world: World) -> None:
    world.shop.answers["read_page"] = ValueError("no such page")
    (told,) = say(world, world.agent([asks("read_page", id="1")]))
    assert (told.is_error, told.content) == (True, "no such page")
    assert kinds(world.folder).count("action.failed") == 1


# ── what goes wrong ────────────────────────────────────────────────────────────────────────────────────────────────


def test_nothing_of_ours_raises_where_autogen_would_wait_for_ever(world: World) -> None:
    """A session that is not there, one that is closed, and a guard that is closed."""
    agent = world.guard.autogen(world.agent())
    (workbench,) = agent._workbench
    assert isinstance(workbench, GuardWorkbench)

    def calls() -> list[ToolResult]:
        async def both() -> list[ToolResult]:
            streamed = [each async for each in workbench.call_tool_stream("put_safe", {"id": "1"})]
            return [await workbench.call_tool("put_safe", {"id": "1"}), *streamed]

        return soon(both())

    def check(word: str) -> None:
        for result in calls():
            assert result.is_error
            assert word in result.to_text()

    check("outside of a session")
    with world.session() as session:
        session.close()
        check("DENIED put_safe")
    with world.session() as session:
        world.guard.close()
        check("DENIED put_safe")
        abandon(session)
    assert world.shop.ran == []


def test_arguments_that_are_no_object_are_denied(world: World) -> None:
    call = asks("put_safe")
    call.arguments = "[1, 2]"
    (told,) = say(world, world.agent([call]))
    assert "DENIED put_safe" in told.content


def test_a_validator_that_raises_is_a_denial(world: World) -> None:
    from pydantic import BaseModel, field_validator

    class Args(BaseModel):
        id: str

        @field_validator("id")
        @classmethod
        def broken(cls, _: str) -> str:
            raise RuntimeError("broken")

    async def put_safe(id: str) -> str:  # noqa: A002
        """Put."""
        return str(world.shop.note("put_safe", id=id))

    tool = FunctionTool(put_safe, "Put.")
    tool._args_type = Args
    (told,) = say(world, world.agent([asks("put_safe", id="1")], tools=[tool]))
    assert "DENIED put_safe" in told.content


def test_a_call_that_its_token_cancels_does_not_hang_and_is_in_doubt(world: World) -> None:
    token = CancellationToken()

    async def put_none(id: str) -> str:  # noqa: A002
        """Put."""
        world.shop.note("put_none", id=id)
        token.cancel()
        await asyncio.Event().wait()
        return "never"

    agent = world.guard.autogen(world.agent([asks("put_none", id="77")], tools=[put_none], max_tool_iterations=1))
    with world.session() as session:
        session.prompt("Put 77.")
        (told,) = results(soon(agent.run(task="Put 77.", cancellation_token=token)))
        assert "CANCELLED" in told.content
        assert session.check("put.none", {"id": "77"}).reasons[0].code == "may-have-run"


# ── what AutoGen lets out ──────────────────────────────────────────────────────────────────────────────────────────

SECRETS = """
[tools."letter.read"]
names    = ["read_letter"]
effects  = ["read"]
args.id  = { type = "string", role = "selector" }
output   = { sensitivity = "confidential", hide = true }
"""
PERMIT = """
@id("letters")
permit (principal, action == Action::"letter.read", resource);
"""


@pytest.fixture
def hiding(tmp_path: Path) -> Iterator[World]:
    cleared = FILES["directory.toml"]
    for who in ('email  = "alice@acme.example"\n', "[agents.desk-bot]\n"):
        cleared = cleared.replace(who, who + 'clearance = "confidential"\n', 1)
    more = {"tools/letters.toml": SECRETS, "policies/letters.cedar": PERMIT, "directory.toml": cleared}
    with made(tmp_path, more) as one:
        yield one


SECRET = "the orchid blooms at midnight"


@pytest.mark.parametrize("fails", [False, True])
def test_nothing_of_a_hidden_result_is_in_events_streams_logs_or_state(
    hiding: World, caplog: pytest.LogCaptureFixture, fails: bool
) -> None:
    async def read_letter(id: str) -> str:  # noqa: A002
        """Read a letter."""
        if fails:
            raise ValueError(f"{SECRET} {id}")
        return f"{SECRET} {id}"

    caplog.set_level(logging.DEBUG, logger=EVENT_LOGGER_NAME)
    caplog.set_level(logging.DEBUG)
    model = client([asks("read_letter", id="1")], "bye")
    agent = hiding.agent(tools=[read_letter])
    agent._model_client = model
    agent = hiding.guard.autogen(agent)

    async def go() -> list[Any]:
        return [each async for each in agent.run_stream(task="Read it.")]

    with hiding.session() as session:
        session.prompt("Read it.")
        seen = soon(go())
        state = soon(agent.save_state())
    for text in (str(seen), str(model.read), json.dumps(state), caplog.text):
        assert SECRET not in text
    assert "read_letter" in caplog.text


def test_the_log_of_events_has_a_result_that_may_be_seen_once(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger=EVENT_LOGGER_NAME)
    say(world, world.agent([asks("put_safe", id="1")]))
    assert len([each for each in caplog.records if "put_safe done" in each.getMessage()]) == 1


# ── below the adapter ──────────────────────────────────────────────────────────────────────────────────────────────


def test_the_seal_decides_what_nobody_protected(world: World) -> None:
    world.guard.autogen(world.agent())
    tool = FunctionTool(world.shop.tools()[0], "Read.")

    async def all_of_them() -> list[Any]:
        bench = StaticWorkbench([tool])
        with pytest.raises(Denied):
            await tool.run_json({"id": "9"}, CancellationToken())
        return [
            await tool.run_json({"id": "1"}, CancellationToken()),
            await bench.call_tool("read_page", {"id": "9"}),
            await bench.call_tool("read_page", {"id": "2"}),
        ]

    with world.session():
        one, denied, two = soon(all_of_them())
    assert one == "read_page done"
    assert "Page 9 is closed." in denied.to_text()
    assert two.to_text() == "read_page done"
    assert [args["id"] for _, args in world.shop.ran] == ["1", "2"]
    assert len(decisions(world.folder)) == 4
    with pytest.raises(Denied):
        soon(tool.run_json({"id": "1"}, CancellationToken()))


def test_an_agent_that_nobody_protected_is_sealed_and_acts_as_its_caller(world: World) -> None:
    world.guard.autogen(world.agent())
    hidden = world.agent([asks("read_page", id="9"), asks("put_safe", id="1")], name="hidden")
    with world.session() as session:
        session.prompt("Put 1.")
        denied, done = results(soon(hidden.run(task="Put 1.")))
    assert "Page 9 is closed." in denied.content
    assert done.content == "put_safe done"


def test_the_seal_outlives_the_guard_until_it_is_lifted(tmp_path: Path) -> None:
    with made(tmp_path) as world:
        world.guard.autogen(world.agent())
        tool = FunctionTool(world.shop.tools()[0], "Read.")
    with pytest.raises(Denied):
        soon(tool.run_json({"id": "9"}, CancellationToken()))
    assert world.shop.ran == []
    world.guard.unseal()
    assert soon(tool.run_json({"id": "9"}, CancellationToken())) == "read_page done"


class Elsewhere(Workbench):
    """A workbench whose tools live elsewhere, as MCP's do."""

    component_type = "workbench"

    def __init__(self) -> None:
        self.ran: list[Mapping[str, Any] | None] = []

    async def list_tools(self) -> list[Any]:
        return [{"name": "read_page", "description": "Read."}]

    async def call_tool(self, name: str, arguments: Any = None, *_: Any, **__: Any) -> ToolResult:
        self.ran.append(arguments)
        return ToolResult(name=name, result=[TextResultContent(content="page")])

    async def start(self) -> None: ...
    async def stop(self) -> None: ...
    async def reset(self) -> None: ...
    async def save_state(self) -> Mapping[str, Any]:
        return {}

    async def load_state(self, state: Mapping[str, Any]) -> None: ...


def test_every_workbench_of_an_agent_is_governed(world: World) -> None:
    elsewhere = Elsewhere()
    own = StaticWorkbench([FunctionTool(world.shop.tools()[4], "Put.")])
    agent = world.agent(
        [asks("read_page", id="9"), asks("read_page", id="1"), asks("put_safe", id="1")], workbench=[own, elsewhere]
    )
    told = say(world, agent)
    assert [each.is_error for each in told] == [True, False, False]
    assert elsewhere.ran == [{"id": "1"}]


# ── approvals and state ────────────────────────────────────────────────────────────────────────────────────────────


def test_an_approved_call_runs_when_the_model_makes_it_again_from_stored_state(tmp_path: Path) -> None:
    with made(tmp_path) as world:
        agent = world.guard.autogen(world.agent([asks("send_mail", **MAIL)]))
        with world.session("c-1") as session:
            session.prompt("Write.")
            (told,) = results(soon(agent.run(task="Write.")))
            assert told.content.startswith("PENDING_APPROVAL send_mail")
            approve(session, *asked(session))
        state = json.dumps(soon(agent.save_state()))
        assert world.shop.ran == []
    with made(tmp_path) as world:
        agent = world.agent([asks("send_mail", **MAIL)])
        soon(agent.load_state(json.loads(state)))
        (told,) = say(world, agent, conversation="c-1")
        assert told.content == "send_mail done"
        assert len(world.shop.ran) == 1


def test_what_is_forged_into_a_restored_state_taints_and_permits_nothing(tmp_path: Path) -> None:
    with made(tmp_path) as world:
        agent = world.guard.autogen(world.agent([asks("send_mail", **MAIL)]))
        with world.session("c-1") as session:
            session.prompt("Write.")
            soon(agent.run(task="Write."))
            assert not session.label.tainted
        state = json.dumps(soon(agent.save_state()))
    forged = state.replace("PENDING_APPROVAL send_mail", "APPROVED send_mail")
    assert forged != state
    for kept, tainted in ((state, False), (forged, True)):
        with made(tmp_path) as world:
            agent = world.agent([asks("send_mail", **MAIL)])
            soon(agent.load_state(json.loads(kept)))
            with world.session("c-1") as session:
                session.prompt("Write.")
                (told,) = results(soon(world.guard.autogen(agent).run(task="Write.")))
                assert told.is_error
                assert session.label.tainted is tainted
            assert world.shop.ran == []


def test_a_crash_in_the_rules_is_a_denial(tmp_path: Path) -> None:
    """A rule that overflows."""
    rule = (
        '@id("big")\npermit (principal, action == Action::"page.read", resource)\n'
        "when { context.args has limit && context.args.limit * 9223372036854775807 > 5 };\n"
    )
    with made(tmp_path, {"policies/big.cedar": rule}) as world:
        told, done = say(world, world.agent([asks("read_page", id="1")], [asks("put_safe", id="1")]), "Put 1.")
        assert told.is_error
        assert "DENIED read_page" in told.content
        assert done.is_error or done.content == "put_safe done"
        assert all(name != "read_page" for name, _ in world.shop.ran)


MODELS = """
[models."another-model"]
clearance = "restricted"
"""


@pytest.mark.parametrize("streams", [False, True])
def test_a_model_that_may_not_be_called_ends_the_run(tmp_path: Path, streams: bool) -> None:
    with made(tmp_path, {"tools/models.toml": MODELS}) as world:
        agent = world.guard.autogen(world.agent([asks("put_safe", id="1")], model_client_stream=streams))
        with world.session() as session:
            session.prompt("Put 1.")
            with pytest.raises(Denied, match="a-model"):
                soon(agent.run(task="Put 1."))
        assert agent._model_client.inner.read == []  # type: ignore[attr-defined]
        assert world.shop.ran == []


@pytest.mark.parametrize("streams", [False, True])
def test_reflection_and_tokens_are_recorded_and_taint_nothing(world: World, streams: bool) -> None:
    agent = world.agent([asks("put_safe", id="1")], "It is put.", reflect_on_tool_use=True, max_tool_iterations=1)
    agent._model_client_stream = streams
    with world.session() as session:
        session.prompt("Put 1.")
        done = soon(world.guard.autogen(agent).run(task="Put 1."))
        assert not session.label.tainted
    assert done.messages[-1].to_text() == "It is put."
    assert kinds(world.folder).count("model.called") == 2
