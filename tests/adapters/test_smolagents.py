"""smolagents under the guard: what the suite of all frameworks does not ask."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("smolagents", reason="the extra smolagents is not installed")

from smolagents import CodeAgent, PythonInterpreterTool, Tool, ToolCallingAgent
from smolagents.models import ChatMessage, MessageRole, Model

from bailiwick import Guard
from bailiwick.adapters.coverage import Reach
from bailiwick.adapters.smolagents import covered
from bailiwick.errors import UsageError
from tests.frameworks.harness import Agent, Ask, Mode, Say
from tests.frameworks.harness_smolagents import ScriptedModel, SmolagentsHarness, as_tool
from tests.worlds import FILES, decisions, make_world

CODE = (
    FILES["tools/desk.toml"]
    + """
[tools."code.run"]
names       = ["python_interpreter"]
effects     = ["execute"]
args.code   = { type = "string", role = "content" }
execute     = { programs = ["python"], network = false, writes = false }
idempotency = "safe"
output      = { sensitivity = "internal", untrusted = [] }
"""
)
ALLOWED = (
    FILES["policies/desk.cedar"]
    + """
@id("code")
permit (principal, action == Action::"code.run", resource);
"""
)


def read_fact(id: str) -> dict[str, str]:  # noqa: A002
    """Read a fact."""
    RUNS.append(id)
    return {"id": id, "mail": "ann@customer.example"}


def read_page(id: str, limit: int = 3) -> str:  # noqa: A002
    """Read a page."""
    RUNS.append(id)
    return f"page {id}"


RUNS: list[str] = []


@pytest.fixture(autouse=True)
def _no_runs() -> None:
    RUNS.clear()


class Writes(Model):  # type: ignore[misc]  # smolagents has no types
    """Writes one piece of code after the other."""

    def __init__(self, *pieces: str) -> None:
        super().__init__(model_id="writes")
        self.pieces, self.read = list(pieces), ""

    def generate(self, messages: list[ChatMessage], *args: Any, **kwargs: Any) -> ChatMessage:
        self.read = str(messages[-1].content)
        piece = self.pieces.pop(0) if self.pieces else 'final_answer("done")'
        return ChatMessage(role=MessageRole.ASSISTANT, content=f"<code>\n{piece}\n</code>")


def coder(*pieces: str, tools: tuple[Tool, ...] = ()) -> CodeAgent:
    return CodeAgent(
        tools=[*(as_tool(each) for each in (read_fact, read_page)), *tools], model=Writes(*pieces), verbosity_level=0
    )


def test_tools_run_as_decided_and_nothing_that_the_agent_remembers_is_unknown(tmp_path: Path) -> None:
    with Guard.open(make_world(tmp_path / "world")) as guard:
        harness = SmolagentsHarness(guard=guard, folder=tmp_path)
        agent = Agent(
            script=(Ask.one("read_fact", id="1"), Ask.one("read_page", id="9"), Say("so")), tools=(read_fact, read_page)
        )
        with guard.session(user="alice", agent="desk-bot", task="Work") as session:
            session.prompt("Read fact 1")
            ran = harness.run(agent, "Read fact 1")
            assert ran.error is None, ran.error
            assert ran.final == "so"
            assert RUNS == ["1"]
            assert "DENIED read_page: Page 9 is closed." in ran.told[1]
            assert not session.label.tainted


@pytest.mark.parametrize("way", ["call", "dict", "forward", "own"])
def test_a_tool_that_is_called_past_its_agent_is_decided(tmp_path: Path, way: str) -> None:
    class Own(Tool):  # type: ignore[misc]
        name, description, output_type = "read_page", "Read a page.", "string"
        inputs = {"id": {"type": "string", "description": "which"}}  # noqa: RUF012

        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            return self.forward(*args, **kwargs)

        def forward(self, id: str) -> str:  # noqa: A002
            return read_page(id)

    tool = Own() if way == "own" else as_tool(read_page)
    with Guard.open(make_world(tmp_path / "world")) as guard:
        guard.smolagents(ToolCallingAgent(tools=[tool], model=ScriptedModel("x", ()), verbosity_level=0))
        calls: dict[str, Any] = {
            "call": lambda which: tool(which),
            "dict": lambda which: tool({"id": which}),
            "forward": lambda which: tool.forward(id=which),
            "own": lambda which: tool(id=which),
        }
        with pytest.raises(PermissionError, match="outside of a session"):
            calls[way]("1")
        with guard.session(user="alice", agent="desk-bot", task="Work"):
            assert calls[way]("1") == "page 1"
            with pytest.raises(PermissionError, match="Page 9 is closed"):
                calls[way]("9")
        assert RUNS == ["1"]
    with pytest.raises(PermissionError, match="is closed"):
        tool("9")
    guard.unseal()
    assert tool("9") == "page 9"


def test_code_is_a_call_and_what_it_calls_are_calls_of_their_own(tmp_path: Path) -> None:
    world = make_world(tmp_path / "world", tools_desk_toml=CODE, policies_desk_cedar=ALLOWED)
    with Guard.open(world) as guard:
        pieces = ('x = read_fact(id="1")', 'read_page(id="9")\nread_fact(id="2")', 'read_fact.forward(id="3")')
        agent = coder(*pieces)
        guard.smolagents(agent, instructions=agent.system_prompt)
        with guard.session(user="alice", agent="desk-bot", task="Work") as session:
            session.prompt("Go")
            assert agent.run("Go") == "done"
            assert "unknown" not in session.label.sources
    steps = agent.memory.steps
    assert RUNS == ["1"]
    assert "DENIED read_page: Page 9 is closed." in str(steps[2].error)
    assert steps[3].error is not None


def test_what_code_keeps_of_a_tool_acts_in_the_session_of_the_code_that_calls_it(tmp_path: Path) -> None:
    world = make_world(tmp_path / "world", tools_desk_toml=CODE, policies_desk_cedar=ALLOWED)
    with Guard.open(world) as guard:
        agent = coder("f = read_fact\nf(id='1')", "final_answer(1)", "f(id='2')")
        guard.smolagents(agent, instructions=agent.system_prompt)
        with guard.session(user="alice", agent="desk-bot", task="Work") as alice:
            alice.prompt("Go")
            agent.run("Go")
            with guard.session(user="bob", agent="desk-bot", task="Work") as session:
                session.prompt("Go")
                agent.run("Go", reset=False)
    users: list[Any] = [event.body["links"] for event in decisions(tmp_path / "world", "fact.read")]
    assert [each[0]["link"] for each in users] == ['User::"alice"', 'User::"bob"']
    assert RUNS == ["1", "2"]


def test_code_that_may_not_run_does_not(tmp_path: Path) -> None:
    forbids = (
        ALLOWED
        + '@id("no-imports") @reason("No imports.")\nforbid (principal, action == Action::"code.run", resource);'
    )
    world = make_world(tmp_path / "world", tools_desk_toml=CODE, policies_desk_cedar=forbids)
    with Guard.open(world) as guard:
        agent = coder('read_fact(id="1")')
        agent.max_steps = 2
        guard.smolagents(agent)
        with guard.session(user="alice", agent="desk-bot", task="Work") as session:
            session.prompt("Go")
            agent.run("Go")
    assert RUNS == []
    assert "DENIED python_interpreter: No imports." in str(agent.memory.steps[1].error)


def test_what_cannot_be_governed_is_refused_before_it_runs(tmp_path: Path) -> None:
    with Guard.open(make_world(tmp_path / "world")) as guard:
        with pytest.raises(UsageError, match="catalog has no entry"):
            guard.smolagents(coder())
        with pytest.raises(UsageError, match="no hook"):
            guard.smolagents(coder(), seal=False)
        with pytest.raises(UsageError, match="no smolagents Model"):
            guard.smolagents(ToolCallingAgent(tools=[], model=lambda messages: None))


def test_coverage_says_that_code_itself_is_out_of_reach(tmp_path: Path) -> None:
    def named(name: str) -> str:
        return {"read_fact": "fact.read", "python_interpreter": "code.run"}.get(name, "")

    world = make_world(tmp_path / "world", tools_desk_toml=CODE, policies_desk_cedar=ALLOWED)
    with Guard.open(world) as guard:
        agent = coder(tools=(PythonInterpreterTool(),))
        assert {row.reach for row in covered(agent, catalog=named)} == {Reach.UNREACHABLE}
        guard.smolagents(agent)
        rows = [(row.tool, row.reach, row.gap) for row in covered(agent, catalog=named)]
    assert rows == [
        ("read_fact", Reach.ENFORCED, False),
        ("read_page", Reach.ENFORCED, True),
        ("python_interpreter", Reach.ENFORCED, False),
        ("python_interpreter", Reach.UNREACHABLE, True),
    ]


def test_a_managed_agent_acts_under_its_own_name_and_its_answer_is_known(tmp_path: Path) -> None:
    with Guard.open(make_world(tmp_path / "world")) as guard:
        harness = SmolagentsHarness(guard=guard, folder=tmp_path)
        inner = Agent(name="helper", script=(Ask.one("read_fact", id="7"), Say("seven")), tools=(read_fact,))
        outer = Agent(script=(Ask.one("helper", task="Read 7"), Say("so")), as_tools=(inner,))
        with guard.session(user="alice", agent="desk-bot", task="Work") as session:
            session.prompt("Go")
            ran = harness.run(outer, "Go")
            assert ran.error is None, ran.error
            assert ran.final == "so"
            assert RUNS == ["7"]
            (below,) = session.below
            assert below.agent == "helper"
            assert not below.label.tainted
            assert session.label.sensitivity == below.label.sensitivity
            assert session.label.sensitivity < 3


def test_a_managed_agent_that_nobody_knows_does_not_run(tmp_path: Path) -> None:
    with Guard.open(make_world(tmp_path / "world")) as guard:
        harness = SmolagentsHarness(guard=guard, folder=tmp_path)
        inner = Agent(name="stranger", script=(Ask.one("read_fact", id="7"),), tools=(read_fact,))
        outer = Agent(script=(Ask.one("stranger", task="Read 7"), Say("so")), as_tools=(inner,))
        with guard.session(user="alice", agent="desk-bot", task="Work") as session:
            session.prompt("Go")
            ran = harness.run(outer, "Go")
    assert (ran.final, RUNS) == ("so", [])
    assert "DENIED stranger" in ran.told[0]


def test_streamed_parallel_calls_are_each_decided(tmp_path: Path) -> None:
    with Guard.open(make_world(tmp_path / "world")) as guard:
        harness = SmolagentsHarness(guard=guard, folder=tmp_path)
        both = Ask((("read_page", {"id": "1"}), ("read_page", {"id": "9"}), ("read_page", {"id": "2"})))
        with guard.session(user="alice", agent="desk-bot", task="Work") as session:
            session.prompt("Go")
            ran = harness.run(Agent(script=(both, Say("so")), tools=(read_page,)), "Go", mode=Mode.STREAM)
    assert (ran.final, sorted(RUNS)) == ("so", ["1", "2"])
    assert all(text in ran.told[0] for text in ("page 1", "DENIED read_page", "page 2"))


@pytest.mark.parametrize("how", ["__call__", "forward"])
def test_a_tool_that_calls_itself_is_decided_again(tmp_path: Path, how: str) -> None:
    ran: list[str] = []

    class Restless(Tool):  # type: ignore[misc]
        name = "read_page"
        description = "Read a page."
        inputs = {"id": {"type": "string", "description": "which page"}}  # noqa: RUF012
        output_type = "string"

        def forward(self, id: str) -> str:  # noqa: A002
            ran.append(id)
            return str(getattr(self, how)(id="9")) if id == "1" else f"page {id}"

    with Guard.open(make_world(tmp_path / "world")) as guard:
        guard.smolagents(ToolCallingAgent([], ScriptedModel("desk-bot", ())))
        for outer in ("__call__", "forward"):
            with guard.session(user="alice", agent="desk-bot", task="Work") as session:
                session.prompt("Go")
                with pytest.raises(PermissionError, match="Page 9 is closed"):
                    getattr(Restless(), outer)(id="1")
    assert ran == ["1", "1"]
