"""The Claude Agent SDK and its program under the guard: what the suite of all frameworks does not ask."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("claude_agent_sdk", reason="the extra claude-agent-sdk is not installed")

from claude_agent_sdk import (
    AgentDefinition,
    ClaudeAgentOptions,
    ClaudeSDKClient,
    HookMatcher,
    ProcessError,
    create_sdk_mcp_server,
    query,
)

from bailiwick import Guard
from bailiwick.adapters.claude_agent_sdk import covered
from bailiwick.adapters.coverage import Reach
from bailiwick.errors import UsageError
from tests.frameworks.claude_api import ScriptedApi
from tests.frameworks.harness import Ask, Say, Step
from tests.frameworks.harness_claude_agent_sdk import as_tool
from tests.worlds import FILES, decisions, make_world

SHELL = (
    FILES["tools/desk.toml"]
    + """
[tools."shell.run"]
names            = ["Bash"]
effects          = ["execute"]
args.command     = { type = "shell", role = "command" }
args.description = { type = "string", role = "content", optional = true }
idempotency      = "safe"
output           = { sensitivity = "confidential", categories = ["pci"], untrusted = [] }
[tools."file.read"]
names            = ["Read"]
effects          = ["read"]
args.file_path   = { type = "string", role = "selector" }
output           = { sensitivity = "confidential", categories = ["pci"], untrusted = [] }
[tools."file.find"]
names            = ["Grep", "Glob"]
effects          = ["read"]
args.pattern     = { type = "string", role = "selector" }
args.path        = { type = "string", role = "value" }
args.output_mode = { type = "string", role = "value", optional = true }
args.glob        = { type = "string", role = "value", optional = true }
output           = { sensitivity = "confidential", categories = ["pci"], untrusted = [] }
"""
)
ALLOWED = (
    FILES["policies/desk.cedar"]
    + """
@id("shell") @redact("pci")
permit (principal, action == Action::"shell.run", resource)
when { !context.args.command.programs.contains("rm") };

@id("files") @redact("pci")
permit (principal, action in [Action::"file.read", Action::"file.find"], resource);
"""
)
NOTEBOOK = {
    "cells": [{"cell_type": "code", "source": ["'4111 1111 1111 1111'"], "metadata": {}, "outputs": []}],
    "metadata": {},
    "nbformat": 4,
    "nbformat_minor": 5,
}
CARD = "4111 1111 1111 1111"
RUNS: list[str] = []


async def _hook(*_: Any) -> Any:
    return {}


def _hook_of(options: ClaudeAgentOptions, event: Any) -> Any:
    assert options.hooks is not None
    return options.hooks[event][0].hooks[0]


async def _come(what: Any) -> Any:
    return await what


def read_page(id: str) -> str:  # noqa: A002  as the catalog calls it
    """Read a page."""
    RUNS.append(id)
    return f"page {id}"


@pytest.mark.parametrize(
    "more",
    [
        {"hooks": {"PreToolUse": [HookMatcher(hooks=[_hook])]}},
        {"hooks": {"PostToolUse": [HookMatcher(hooks=[_hook])]}},
        {"setting_sources": ["user"]},
        {"settings": "{}"},
        {"plugins": [{"type": "local", "path": "x"}]},
        {"extra_args": {"settings": "x"}},
        {"cli_path": "/usr/bin/claude"},
        {"mcp_servers": "servers.json"},
    ],
    ids=lambda more: next(iter(more)),
)
def test_options_that_could_get_round_the_guard_are_refused(tmp_path: Path, more: dict[str, Any]) -> None:
    with Guard.open(make_world(tmp_path)) as guard, pytest.raises(UsageError):
        guard.claude_agent_sdk(ClaudeAgentOptions(**more))


def test_coverage_says_whether_the_options_ask(tmp_path: Path) -> None:
    with Guard.open(make_world(tmp_path)) as guard:
        options = ClaudeAgentOptions(tools=["Bash"])
        assert [row.reach for row in covered(options, catalog=lambda _: "shell.run")] == [Reach.UNREACHABLE]
        guarded = guard.claude_agent_sdk(options)
        assert [row.reach for row in covered(guarded, catalog=lambda _: "shell.run")] == [Reach.ENFORCED]


def test_a_handler_that_is_called_past_claude_code_is_decided(tmp_path: Path) -> None:
    RUNS.clear()
    tool = as_tool(read_page)
    with Guard.open(make_world(tmp_path)) as guard:
        guard.claude_agent_sdk(ClaudeAgentOptions(mcp_servers={"desk": create_sdk_mcp_server("desk", tools=[tool])}))
        said = asyncio.run(_come(tool.handler({"id": "1"})))
        assert said["is_error"]
        with guard.session(user="alice", agent="desk-bot", task="Work"):
            assert asyncio.run(_come(tool.handler({"id": "9"})))["is_error"]
            assert asyncio.run(_come(tool.handler({"id": "1"})))["content"][0]["text"] == "page 1"
    assert RUNS == ["1"]


def _options(home: Path, api: ScriptedApi, **more: Any) -> ClaudeAgentOptions:
    home.mkdir(exist_ok=True)
    env = {
        "HOME": str(home),
        "CLAUDE_CONFIG_DIR": str(home / "claude"),
        "ANTHROPIC_BASE_URL": api.address,
        "ANTHROPIC_API_KEY": "none",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "IS_SANDBOX": "1",
        "CLAUDE_CODE_DISABLE_BACKGROUND_TASKS": "1",
    }
    return ClaudeAgentOptions(**{"system_prompt": ScriptedApi.marker("x"), "cwd": home, "env": env, **more})


def _run(options: ClaudeAgentOptions) -> list[str]:
    async def run() -> list[str]:
        seen: list[str] = []
        with suppress(ProcessError):
            seen.extend([repr(message) async for message in query(prompt="Go", options=options)])
        return seen

    return asyncio.run(run())


def _kept(home: Path) -> list[str]:
    return [path.read_text(errors="replace") for path in (home / "claude").rglob("*.jsonl")]


def test_its_own_tools_are_decided_and_their_results_redacted_everywhere(tmp_path: Path) -> None:
    world = make_world(tmp_path / "world", tools_desk_toml=SHELL, policies_desk_cedar=ALLOWED)
    home = tmp_path / "home"
    home.mkdir()
    (home / "card.txt").write_text(f"card {CARD}")
    (home / f"{CARD}.md").write_text("")
    (home / "card.ipynb").write_text(json.dumps(NOTEBOOK))
    (home / "many.txt").write_text(f"card {CARD}\n" * 5_000)
    script: list[Step] = [
        Ask.one("Bash", command="cat card.txt"),
        Ask.one("Bash", command="cat many.txt"),
        Ask.one("Read", file_path=str(home / "card.txt")),
        Ask.one("Read", file_path=str(home / "card.ipynb")),
        Ask.one("Grep", pattern="card", path=str(home), output_mode="content", glob="card.txt"),
        Ask.one("Grep", pattern="^$", path=str(home), glob="*.md"),
        Ask.one("Glob", pattern="*.md", path=str(home)),
        Ask.one("Bash", command="rm card.txt"),
        Say("so"),
    ]
    with ScriptedApi(scripts={"x": script}).serving() as api, Guard.open(world) as guard:
        options = guard.claude_agent_sdk(_options(home, api, tools=["Bash", "Read", "Grep", "Glob"]))
        assert options.setting_sources == []
        with guard.session(user="alice", agent="desk-bot", task="Work") as session:
            session.prompt("Go")
            seen = _run(options)
            assert session.label.sensitivity == 2
            assert len(session.conversation) == 36, "Claude Code's session id"
    assert (home / "card.txt").exists()
    assert len(api.told) == len(script) - 1 or not script, api.told
    assert "DENIED Bash" in api.told[-1], api.told
    kept = _kept(home)
    assert kept
    for text in (*seen, *api.read, *kept):
        assert CARD not in text


def _with_a_card(tmp_path: Path) -> tuple[Path, Path]:
    home = tmp_path / "home"
    home.mkdir()
    (home / "card.txt").write_text(f"card {CARD}")
    directory = FILES["directory.toml"].replace('effects = ["read", "write", "send"]', 'effects = ["read", "execute"]')
    world = make_world(tmp_path / "world", tools_desk_toml=SHELL, policies_desk_cedar=ALLOWED, directory_toml=directory)
    return world, home


def test_an_error_that_must_not_be_shown_ends_the_conversation_before_the_model_reads_it(tmp_path: Path) -> None:
    world, home = _with_a_card(tmp_path)
    script: list[Step] = [Ask.one("Bash", command="cat card.txt && false"), Say("so")]

    async def talk(options: ClaudeAgentOptions) -> None:
        async with ClaudeSDKClient(options) as client:
            for _ in range(2):
                await client.query("Go")
                async for _message in client.receive_response():
                    pass

    with ScriptedApi(scripts={"x": script}).serving() as api, Guard.open(world) as guard:
        options = guard.claude_agent_sdk(_options(home, api, tools=["Bash"]))
        with guard.session(user="alice", agent="desk-bot", task="Work") as session:
            session.prompt("Go")
            asyncio.run(talk(options))
    assert api.calls == 1
    assert not any(CARD in text for text in api.read)


@pytest.mark.parametrize("command", ["cat card.txt && false", "cat card.txt"])
def test_what_a_sub_agent_gets_is_held_back_as_well_and_it_starts_no_other(tmp_path: Path, command: str) -> None:
    world, home = _with_a_card(tmp_path)
    task = Ask.one("Task", description="work", subagent_type="helper", prompt="Look")
    scripts: dict[str, list[Step]] = {
        "x": [task, Say("so")],
        "h": [task, Ask.one("Bash", command=command), Say("inner")],
    }
    with ScriptedApi(scripts=scripts).serving() as api, Guard.open(world) as guard:
        helper = AgentDefinition(description="It helps", prompt=ScriptedApi.marker("h"))
        options = guard.claude_agent_sdk(_options(home, api, tools=["Bash", "Task"], agents={"helper": helper}))
        with guard.session(user="alice", agent="desk-bot", task="Work") as session:
            session.prompt("Go")
            _run(options)
            assert [below.agent for below in session.below] == ["helper"]
    assert "A sub-agent may start no other" in str(api.told)
    assert api.calls == (3 if "false" in command else 5)
    assert not any(CARD in text for text in api.read)


@pytest.mark.parametrize(
    "event", ["PreToolUse", "PostToolUse", "PostToolUseFailure", "PostToolBatch", "UserPromptSubmit"]
)
def test_a_hook_that_raises_shows_the_model_nothing(tmp_path: Path, event: Any) -> None:
    world, home = _with_a_card(tmp_path)
    failing = event == "PostToolUseFailure"
    command = f"echo from-the-tool {'&& false' if failing else ''}"
    script: list[Step] = [Ask.one("Bash", command=command), Say("so")]

    async def breaks(*_: Any) -> Any:
        raise ZeroDivisionError

    with ScriptedApi(scripts={"x": script}).serving() as api, Guard.open(world) as guard:
        options = guard.claude_agent_sdk(
            _options(home, api, tools=["Bash"], stderr=lambda _line: None, permission_mode="bypassPermissions")
        )
        assert options.hooks is not None
        options.hooks[event][0].hooks[:] = [breaks]
        with guard.session(user="alice", agent="desk-bot", task="Work") as session:
            session.prompt("Go")
            _run(options)
    assert not any("\\nfrom-the-tool" in text or '"from-the-tool' in text for text in api.read)


@pytest.mark.parametrize(
    ("declared", "calls"),
    [
        ('[models."claude-opus-5-5"]\nprovider = "anthropic"\nclearance = "confidential"\ncategories = ["pci"]', 2),
        ('[models."claude-opus-5-5"]\nprovider = "anthropic"\nclearance = "internal"', 1),
        ('[models."another"]\nclearance = "restricted"', 0),
    ],
    ids=["cleared", "not for this", "unknown"],
)
def test_a_model_reads_what_it_is_cleared_for_alone(tmp_path: Path, declared: str, calls: int) -> None:
    world, home = _with_a_card(tmp_path)
    (world / "tools/models.toml").write_text(declared)
    asked = '@id("ask")\npermit (principal, action == Action::"model.call", resource);'
    (world / "policies/models.cedar").write_text(asked)
    (home / "plain.txt").write_text("no card")
    script: list[Step] = [Ask.one("Bash", command="cat plain.txt"), Say("so")]
    with ScriptedApi(scripts={"x": script}).serving() as api, Guard.open(world) as guard:
        options = guard.claude_agent_sdk(_options(home, api, tools=["Bash"], model="claude-opus-5-5"))
        with guard.session(user="alice", agent="desk-bot", task="Work") as session:
            session.prompt("Go")
            seen = _run(options)
    assert api.calls == calls
    assert any("no card" in text for text in api.read) == (calls == 2)
    assert any("DENIED" in text for text in seen) == (calls < 2)
    assert {event.body["outcome"] for event in decisions(tmp_path / "world", "model.call")} == {
        *(["allow"] if calls else []),
        *(["deny"] if calls < 2 else []),
    }


def test_models_beside_the_one_that_is_decided_are_refused(tmp_path: Path) -> None:
    world, _ = _with_a_card(tmp_path)
    (world / "tools/models.toml").write_text('[models."claude-opus-5-5"]\nclearance = "internal"')
    other = AgentDefinition(description="It helps", prompt="Help.", model="haiku")
    with Guard.open(world) as guard:
        beside: list[dict[str, Any]] = [{"fallback_model": "haiku"}, {"agents": {"helper": other}}, {"model": None}]
        for more in beside:
            with pytest.raises(UsageError, match="model"):
                guard.claude_agent_sdk(ClaudeAgentOptions(**{"model": "claude-opus-5-5", **more}))
        inherits = dataclasses.replace(other, model="inherit")
        guard.claude_agent_sdk(ClaudeAgentOptions(model="claude-opus-5-5", agents={"helper": inherits}))


def test_the_same_call_of_two_users_at_once_is_decided_for_each(tmp_path: Path) -> None:
    tool = as_tool(read_page)
    with Guard.open(make_world(tmp_path)) as guard:
        server = create_sdk_mcp_server("desk", tools=[tool])
        options = guard.claude_agent_sdk(ClaudeAgentOptions(mcp_servers={"desk": server}))
        before = _hook_of(options, "PreToolUse")

        async def call(user: str, noted: asyncio.Event, others: asyncio.Event) -> None:
            with guard.session(user=user, agent="desk-bot", task="Work"):
                told: Any = {"tool_name": "mcp__desk__read_page", "tool_input": {"id": "1"}, "session_id": user}
                await before(told, f"call of {user}", {"signal": None})
                noted.set()
                await others.wait()
                await _come(tool.handler({"id": "1"}))

        async def both() -> None:
            alice, bob = asyncio.Event(), asyncio.Event()
            await asyncio.gather(call("alice", alice, bob), call("bob", bob, alice))

        asyncio.run(both())
    links: list[Any] = [event.body["links"] for event in decisions(tmp_path, "page.read")]
    assert sorted(each[0]["link"] for each in links) == ['User::"alice"', 'User::"bob"']


def test_two_agents_whose_call_is_the_same_get_nothing_of_each_other(tmp_path: Path) -> None:
    tool = as_tool(read_page)
    RUNS.clear()
    with Guard.open(make_world(tmp_path)) as guard:
        server = create_sdk_mcp_server("desk", tools=[tool])
        options = guard.claude_agent_sdk(ClaudeAgentOptions(mcp_servers={"desk": server}))
        told: Any = {"tool_name": "mcp__desk__read_page", "tool_input": {"id": "1"}, "session_id": "s"}

        async def hooked(event: str, kind: str) -> Any:
            more = {"agent_id": kind, "agent_type": kind, "tool_response": [{"type": "text", "text": "page 1"}]}
            return await _hook_of(options, event)({**told, **more}, f"call of {kind}", {"signal": None})

        async def run() -> list[Any]:
            said = []
            for kind in ("helper", "scout"):
                await hooked("PreToolUse", kind)
            said += [await _come(tool.handler({"id": "1"})) for _ in range(2)]
            await hooked("PostToolUse", "helper")
            said.append(await _come(tool.handler({"id": "1"})))
            return said

        with guard.session(user="alice", agent="desk-bot", task="Work"):
            *both, alone = asyncio.run(run())
    assert all(said["is_error"] and "Two agents make the same call at once" in str(said) for said in both)
    assert "page 1" in str(alone)
    (event,) = decisions(tmp_path, "page.read")
    assert "scout" in str(event.body["links"])


def test_a_hook_that_breaks_blocks_the_tool(tmp_path: Path) -> None:
    with Guard.open(make_world(tmp_path)) as guard:
        options = guard.claude_agent_sdk(ClaudeAgentOptions())
        assert options.hooks is not None
        assert all(matcher.on_failure == "block" for matchers in options.hooks.values() for matcher in matchers)
        before = options.hooks["PreToolUse"][0].hooks[0]
        told: Any = {"tool_name": "Bash", "tool_input": {"command": "ls"}, "session_id": "s"}
        said: Any = asyncio.run(_come(before(told, "t1", {"signal": None})))
        assert said["hookSpecificOutput"]["permissionDecision"] == "deny"
        assert dataclasses.is_dataclass(options)
