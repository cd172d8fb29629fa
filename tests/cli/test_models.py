"""Models on the command line: wherever a tool's calls can be asked about, those of models can be, too."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bailiwick import Denied
from tests.cli.terminal import Said
from tests.guard.model_world import PERMITS, make_model_world
from tests.worlds import FILES, Tool, decisions, edit, make_world, opened

Terminal = Callable[..., Said]
ALICE = ("--user", "alice", "--agent", "desk-bot", "--task", "Some work")
NO_SEARCH = """
@id("no-search") @reason("No searching.")
forbid (principal, action == Action::"model.call", resource)
when { context.model.hosted.contains("web_search") };
"""


def explained(terminal: Terminal, folder: Path, args: object, *more: str) -> Any:
    said = terminal("explain", folder, *ALICE, "--tool", "model.call", "--args", json.dumps(args), *more, "--json")
    assert (said.code, said.err) == (0, "")
    return said.json


def test_check_says_whether_model_calls_are_decided(terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "with").mkdir()
    without, declared = make_world(tmp_path), make_model_world(tmp_path / "with")
    said = terminal("check", without)
    assert said.code == 0
    assert "any model may read what its session has seen" in said.out
    assert terminal("check", without, "--json").json["models"] == 0
    said = terminal("check", declared)
    assert (said.code, "any model" in said.out) == (0, False)
    assert terminal("check", declared, "--json").json["models"] == 3


def test_check_finds_rules_on_models_that_do_not_exist(terminal: Terminal, tmp_path: Path) -> None:
    for number, (condition, rule) in enumerate(
        {
            'resource == Resource::"models/gpt-9")': "unknown-resource",
            'resource in Zone::"mars")': "unknown-zone",
            'resource) when { context.model.name == "gpt-9" }': "unknown-model",
            'resource) when { context.model.hosted.contains("websearch") }': "unknown-value",
            'resource) when { context.model.place == "eu" }': "unknown-attribute",
        }.items()
    ):
        (tmp_path / str(number)).mkdir()
        forbid = f'@id("no") forbid (principal, action == Action::"model.call", {condition};'
        folder = make_model_world(tmp_path / str(number), rules=PERMITS + forbid)
        said = terminal("check", folder, "--json")
        assert rule in {finding["rule"] for finding in said.json["findings"]}, condition
        assert said.code == 1


def test_a_model_call_is_explained_with_what_would_help(terminal: Terminal, tmp_path: Path) -> None:
    folder = make_model_world(tmp_path, rules=PERMITS + NO_SEARCH)
    assert explained(terminal, folder, {"model": "gpt-5"})["outcome"] == "allow"
    denied = explained(terminal, folder, {"model": "gpt-5", "hosted": ["web_search"]})
    assert denied["outcome"] == "deny"
    facts = [fact for link in denied["links"] for rule in link["rules"] for each in rule["conditions"]
             for fact in each["facts"].items()]  # fmt: skip
    assert ("context.model.hosted", ["web_search"]) in facts
    seen = explained(terminal, folder, {"model": "gpt-5"}, "--unknown", "text from nowhere")
    assert [reason["code"] for reason in seen["reasons"]] == ["model-clearance"]
    for args, code in (
        ({"model": "gpt-9"}, "unknown-model"),
        ({"model": "in-house", "hosted": ["web_search"]}, "hosted-not-listed"),
        ({"modell": "gpt-5"}, "model-arguments"),
        ({"model": "gpt-5", "hosted": [1]}, "model-arguments"),
        ({}, "model-arguments"),
    ):
        assert [reason["code"] for reason in explained(terminal, folder, args)["reasons"]] == [code]


def test_without_models_there_is_nothing_to_explain(terminal: Terminal, tmp_path: Path) -> None:
    said = terminal("explain", make_world(tmp_path), *ALICE, "--tool", "model.call", "--args", '{"model": "m"}')
    assert said.code == 2
    assert "recorded and not decided" in said.err


TESTS = """
now = "2026-03-02T10:15:00Z"

[principals.alice]
user  = "alice"
agent = "desk-bot"
task  = "Answer the desk's mail"
[principals.eve]
user  = "eve"
agent = "desk-bot"
task  = "Answer the desk's mail"

[calls.think]
tool = "model.call"
args = { model = "gpt-5" }
[calls.search]
tool = "model.call"
args = { model = "gpt-5", hosted = ["web_search"] }
[calls.elsewhere]
tool    = "model.call"
args    = { model = "gpt-9" }
refused = "unknown-model"

[contexts.read]
unknown = ["text from nowhere"]

[[case]]
principal = "alice"
call      = "think"
outcome   = "allow"
[[case]]
principal = "eve"
call      = "think"
outcome   = "deny"
[[case]]
principal = "alice"
call      = "search"
outcome   = "deny"
policies  = ["no-search"]
[[case]]
principal = "alice"
call      = "think"
context   = "read"
outcome   = "deny"
[[case]]
principal = "alice"
call      = "elsewhere"
outcome   = "deny"
"""


def test_policy_tests_hold_model_calls_to_what_is_expected(terminal: Terminal, tmp_path: Path) -> None:
    folder = make_model_world(tmp_path, rules=PERMITS + NO_SEARCH)
    (folder / "tests").mkdir()
    (folder / "tests/models.toml").write_text(TESTS, encoding="utf-8")
    said = terminal("policy", "test", folder)
    assert said.code == 0, said.out
    edit(folder, "policies/desk.cedar", 'contains("web_search")', 'contains("code_interpreter")')
    assert terminal("policy", "test", folder).code == 1
    edit(folder, "tests/models.toml", 'model = "gpt-5" }', 'modell = "gpt-5" }')
    assert "model-arguments" in terminal("policy", "test", folder).err


def test_what_was_decided_is_decided_again_from_the_record(terminal: Terminal, tmp_path: Path) -> None:
    folder = make_model_world(tmp_path, rules=PERMITS)
    with opened(folder) as session:
        session.prompt("Hello")
        with session.model_call("gpt-5", provider="openai", inputs=["Hello"], hosted=["web_search"]) as call:
            call.output("Hi")
        with pytest.raises(Denied):
            session.model_call("gpt-9", inputs=["Hello"]).__enter__()
        session.call("page.read", {"id": "1"}, run=Tool("a page").run)
    said = terminal("policy", "backtest", "--recorded", "--dir", folder, "--as", "bob")
    assert (said.code, "reproduced: every one of them" in said.out) == (0, True), said.out
    (tmp_path / "new").mkdir()
    new = make_model_world(tmp_path / "new", rules=PERMITS + NO_SEARCH)
    flips = terminal("policy", "backtest", "--bundle", new, "--dir", folder, "--as", "bob", "--json").json["new"][
        "flips"
    ]
    assert [(flip["tool"], flip["was"], flip["now"]) for flip in flips] == [("model.call", "allow", "deny")]
    assert terminal("audit", "verify", folder).code == 0
    allowed, denied = decisions(folder, "model.call")
    for event, words in ((allowed, "desk-models"), (denied, "unknown-model")):
        said = terminal("audit", "why", event.id, "--dir", folder, "--as", "bob")
        assert (said.code, words in said.out) == (0, True), said.out


def test_a_suspended_action_calls_no_model_until_it_is_resumed(terminal: Terminal, tmp_path: Path) -> None:
    folder = make_model_world(tmp_path)
    said = terminal("agents", "suspend", "--tool", "model.call", "--as", "bob", "--reason", "odd", "--dir", folder)
    assert said.code == 0, said.err
    with opened(folder) as session, pytest.raises(Denied, match="suspended"):
        session.model_call("gpt-5", inputs=[]).__enter__()
    assert terminal("agents", "resume", "--tool", "model.call", "--as", "dora", "--dir", folder).code == 0
    with opened(folder) as session, session.model_call("gpt-5", inputs=[]):
        pass


def test_a_comparison_says_what_changed_of_models(terminal: Terminal, tmp_path: Path) -> None:
    for name in ("old", "new", "none"):
        (tmp_path / name).mkdir()
    old, new = make_model_world(tmp_path / "old"), make_model_world(tmp_path / "new")
    edit(new, "tools/desk.toml", 'clearance  = "internal"', 'clearance  = "restricted"')
    edit(new, "tools/desk.toml", '[models."small"]', '[models."large"]\nclearance = "restricted"\n[models."small"]')
    none = make_model_world(tmp_path / "none", models="", rules="")
    said = terminal("policy", "diff", old, new).out
    assert "model gpt-5 is declared otherwise" in said
    assert "model large is new" in said
    assert "no model is declared any more" in terminal("policy", "diff", old, none).out
    assert FILES["tools/desk.toml"].count("models.") == 0
