"""AutoGen's teams, handoffs, agents that are tools, code executors and memories under the guard."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from autogen_agentchat.agents import ApprovalResponse, CodeExecutorAgent, SocietyOfMindAgent
from autogen_agentchat.base import TaskResult
from autogen_agentchat.conditions import MaxMessageTermination
from autogen_agentchat.teams import (
    DiGraphBuilder,
    GraphFlow,
    MagenticOneGroupChat,
    RoundRobinGroupChat,
    SelectorGroupChat,
    Swarm,
)
from autogen_agentchat.tools import AgentTool
from autogen_core import CancellationToken
from autogen_core.code_executor import CodeBlock, CodeExecutor, CodeResult
from autogen_core.memory import ListMemory, MemoryContent, MemoryMimeType

from bailiwick import UsageError
from bailiwick.adapters.autogen import covered
from bailiwick.adapters.coverage import Reach
from tests.adapters.autogen_desk import World, asks, client, made, results, soon
from tests.worlds import decisions, events

NAMES = {"desk": "desk-bot", "helper": "helper", "scout": "scout"}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with made(tmp_path) as one:
        yield one


def run(world: World, team: Any, text: str = "Put 1.", **more: Any) -> TaskResult:
    with world.session() as session:
        session.prompt(text)
        done: TaskResult = soon(world.guard.autogen(team, agents=NAMES, **more).run(task=text))
        return done


def through(event: Any) -> list[str]:
    """The links that a decision was made for, from the root."""
    return [link["link"].split('"')[1] for link in event.body.get("links", ())]


def acting(world: World) -> list[tuple[str, str]]:
    """(who acts, the tool) of each decision of the rules, in order."""
    return [(through(event)[-1], str(event.body["tool"])) for event in decisions(world.folder) if through(event)]


def test_each_participant_of_a_team_acts_under_its_own_name(world: World) -> None:
    team = RoundRobinGroupChat(
        [world.agent([asks("read_page", id="1")], name="desk"), world.agent([asks("put_safe", id="1")], name="scout")],
        max_turns=2,
    )
    page, put = results(run(world, team))
    assert page.content == "read_page done"
    assert "DENIED put_safe" in put.content, "scouts may read only"
    assert ("scout", "put.safe") in acting(world)
    assert ("desk-bot", "agent.delegate") in acting(world)


def test_a_handoff_is_a_delegation_and_narrows(world: World) -> None:
    team = Swarm(
        [
            world.agent([asks("transfer_to_scout")], name="desk", handoffs=["scout"]),
            world.agent([asks("read_page", id="1"), asks("put_safe", id="1")], "bye", name="scout"),
        ],
        termination_condition=MaxMessageTermination(4),
    )
    handed, page, put = results(run(world, team))
    assert "Transferred to scout" in handed.content
    assert page.content == "read_page done"
    assert "DENIED put_safe" in put.content
    assert ("desk-bot", "agent.delegate") in acting(world)
    (put_safe,) = [event for event in decisions(world.folder) if event.body["tool"] == "put.safe"]
    assert through(put_safe) == ["alice", "desk-bot", "scout"]


def test_an_agent_that_is_told_something_new_keeps_the_chain_that_it_acts_through(world: World) -> None:
    with world.session() as session:
        scout = session.acting("helper").acting("scout")
        told = session.acting("scout", message="Look at page 7, please.")
        assert told.chain == scout.chain
        assert [link.split('"')[1] for link in told.chain] == ["alice", "desk-bot", "helper", "scout"]


@pytest.mark.parametrize("target", ["rogue", "stranger"])
def test_a_refused_handoff_leaves_the_conversation_with_its_agent(world: World, target: str) -> None:
    other = world.agent([asks("put_safe", id="2")], name=target)
    desk = world.agent(
        [asks(f"transfer_to_{target}"), asks("read_page", id="1")],
        [asks("read_page", id="2")],
        "bye",
        name="desk",
        handoffs=[target],
    )
    team = Swarm([desk, other], termination_condition=MaxMessageTermination(2))
    done = run(world, team)
    refused, page, put = results(done)
    assert f"DENIED transfer_to_{target}" in refused.content
    assert refused.is_error
    assert (page.content, put.content) == ("read_page done", "read_page done")
    assert done.messages[-1].source == "desk"
    assert [args["id"] for _, args in world.shop.ran] == ["1", "2"]
    offered = desk._model_client.inner.offered  # type: ignore[attr-defined]
    assert not any("refused" in name for names in offered for name in names)


ASK = """
[tools."ask.scout"]
names     = ["scout"]
effects   = ["read"]
args.task = { type = "string", role = "content" }
output    = { untrusted = [] }
"""
MAY_ASK = '@id("ask")\npermit (principal, action == Action::"ask.scout", resource);'


def test_an_agent_that_is_a_tool_acts_under_its_own_name_and_is_decided(tmp_path: Path) -> None:
    with made(tmp_path, {"tools/ask.toml": ASK, "policies/ask.cedar": MAY_ASK}) as world:
        scout = world.agent(
            [asks("read_page", id="9"), asks("put_safe", id="1"), asks("read_page", id="1")], "I saw it", name="scout"
        )
        desk = world.agent([asks("scout", task="Look at page 9.")], "bye", tools=[AgentTool(scout)], name="desk")
        told = {each.call_id: each for each in results(run(world, desk))}
        assert ["DENIED" in each.content for each in told.values()][-1] is False
        assert world.shop.ran == [("read_page", {"id": "1", "limit": 7})]
        first, second, *at_once = acting(world)
        assert (first, second) == (("desk-bot", "ask.scout"), ("desk-bot", "agent.delegate"))
        assert sorted(at_once) == [("scout", "page.read"), ("scout", "page.read"), ("scout", "put.safe")]


def test_an_agent_that_may_not_be_asked_is_a_tools_error(tmp_path: Path) -> None:
    tool, rule = ASK.replace("scout", "rogue"), MAY_ASK.replace("scout", "rogue")
    with made(tmp_path, {"tools/ask.toml": tool, "policies/ask.cedar": rule}) as world:
        rogue = world.agent([asks("put_safe", id="1")], name="rogue")
        desk = world.agent([asks("rogue", task="Put it.")], "bye", tools=[AgentTool(rogue)], name="desk")
        (told,) = results(run(world, desk))
        assert told.is_error
        assert world.shop.ran == []


# ── every kind of team ─────────────────────────────────────────────────────────────────────────────────────────────

LEDGER = (
    '{"is_request_satisfied": {"reason": "", "answer": %s}, "is_in_loop": {"reason": "", "answer": false},'
    ' "is_progress_being_made": {"reason": "", "answer": true},'
    ' "next_speaker": {"reason": "", "answer": "desk"}, "instruction_or_question": {"reason": "", "answer": "go on"}}'
)


def team_of(world: World, kind: str) -> Any:
    desk, helper = world.agent([asks("read_page", id="9")], name="desk"), world.agent(name="helper")
    match kind:
        case "round robin":
            return RoundRobinGroupChat([desk, helper], max_turns=2)
        case "selector":
            return SelectorGroupChat([desk, helper], client("desk"), max_turns=1)
        case "swarm":
            return Swarm([desk, helper], max_turns=1)
        case "magentic":
            manager = client("facts", "plan", LEDGER % "false", LEDGER % "true", "final")
            return MagenticOneGroupChat([desk, helper], manager, max_turns=4)
        case "graph":
            graph = DiGraphBuilder().add_node(desk).add_node(helper).add_edge(desk, helper)
            return GraphFlow([desk, helper], graph.build())
        case "nested":
            return RoundRobinGroupChat([RoundRobinGroupChat([desk, helper], max_turns=2)], max_turns=1)
        case _:
            inner = RoundRobinGroupChat([desk, helper], max_turns=2)
            return SocietyOfMindAgent("mind", team=inner, model_client=client("in short"))


KINDS = ["round robin", "selector", "swarm", "magentic", "graph", "nested", "society of mind"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_team_is_governed(world: World, kind: str) -> None:
    run(world, team_of(world, kind))
    assert ("desk-bot", "page.read") in acting(world)
    assert world.shop.ran == []
    called = [event for event in events(world.folder) if event.kind.value == "model.called"]
    assert len(called) >= 2


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_that_nobody_answers_for_ends_and_calls_no_model(world: World, kind: str) -> None:
    team = world.guard.autogen(team_of(world, kind), agents=NAMES)
    with pytest.raises(Exception, match="outside of a session"):
        soon(team.run(task="Put 1."))
    assert world.shop.ran == []


def test_a_team_that_ran_with_its_own_client_is_refused(world: World) -> None:
    team = team_of(world, "selector")
    soon(team.run(task="Go"))
    with pytest.raises(UsageError, match="ran already"):
        world.guard.autogen(team, agents=NAMES)


# ── code, memory ───────────────────────────────────────────────────────────────────────────────────────────────────


class Runner(CodeExecutor):
    component_type = "code_executor"

    def __init__(self) -> None:
        self.ran: list[str] = []

    async def execute_code_blocks(
        self, code_blocks: list[CodeBlock], cancellation_token: CancellationToken
    ) -> CodeResult:
        self.ran.extend(block.code for block in code_blocks)
        return CodeResult(exit_code=0, output="ran")

    async def start(self) -> None: ...
    async def stop(self) -> None: ...
    async def restart(self) -> None: ...


CODE = """
[tools."code.run"]
names         = ["execute_code"]
effects       = ["execute"]
args.language = { type = "string", role = "selector" }
args.code     = { type = "string", role = "command" }
execute       = { programs = ["python"], network = false, writes = false }
"""
MESSAGE = "```python\nprint(1)\n```\nand\n```python\nimport os\n```"


@pytest.mark.parametrize("protected", [True, False])
def test_code_out_of_messages_is_a_call_of_its_own(world: World, protected: bool) -> None:
    executor = Runner()
    agent = CodeExecutorAgent("desk", executor, approval_func=lambda _: ApprovalResponse(approved=True, reason=""))
    world.guard.autogen(agent if protected else world.agent())
    with world.session() as session:
        session.prompt(MESSAGE)
        done = soon(agent.run(task=MESSAGE))
    assert "DENIED execute_code" in done.messages[-1].to_text()
    assert executor.ran == []


def test_what_a_memory_holds_is_retrieved_and_filtered(world: World) -> None:
    memory = ListMemory()
    readable = {"bailiwick": {"sensitivity": "public", "readers": ["everyone"]}}

    async def fill() -> None:
        await memory.add(MemoryContent(content="Ann likes tea.", mime_type=MemoryMimeType.TEXT, metadata=readable))
        await memory.add(MemoryContent(content="The vault opens with 4711.", mime_type=MemoryMimeType.TEXT))

    asyncio.run(fill())
    agent = world.agent("bye", name="desk", memory=[memory])
    run(world, agent)
    shown = str(agent._model_client.inner.read)  # type: ignore[attr-defined]
    assert "4711" not in shown
    assert [event.kind.value for event in events(world.folder)].count("content.withheld") >= 1


# ── coverage ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_coverage_names_every_tool_of_every_agent(world: World) -> None:
    scout = world.agent(name="scout", tools=world.shop.tools()[:1])
    desk = world.agent(name="desk", tools=[AgentTool(scout)], handoffs=["helper"])
    team = Swarm([desk, world.agent(name="helper", tools=[])], max_turns=1)
    known = {"read_page": "page.read"}.get

    def rows() -> dict[tuple[str, str], Reach]:
        return {(row.agent, row.tool): row.reach for row in covered(team, catalog=lambda name: known(name, ""))}

    assert set(rows().values()) == {Reach.UNREACHABLE}
    world.guard.autogen(team, agents=NAMES)
    assert rows() == {
        ("desk", "scout"): Reach.ENFORCED,
        ("desk", "transfer_to_helper"): Reach.ENFORCED,
        ("scout", "read_page"): Reach.ENFORCED,
    }
