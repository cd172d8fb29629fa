"""`bailiwick explain`: the rules with their facts, the smallest changes, and what may be said of the circumstances."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.terminal import Said
from tests.policy.explain_world import worlds
from tests.worlds import MAIL

Terminal = Callable[..., Said]
ALICE = ("--user", "alice", "--agent", "desk-bot", "--task", "Some work")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return worlds(tmp_path_factory.mktemp("worlds"))


def told(terminal: Terminal, folder: Path, tool: str, args: object, *more: str) -> Any:
    said = terminal("explain", folder, "--tool", tool, "--args", json.dumps(args), *more, "--json")
    assert (said.code, said.err) == (0, "")
    return said.json


def test_a_person_reads_the_rules_their_facts_and_what_would_help(terminal: Terminal, folders: dict[str, Path]) -> None:
    said = terminal(
        "explain", folders["support"], "--user", "jun", "--agent", "office-bot", "--task", "Compare salaries",
        "--tool", "hr_salaries", "--args", '{"department": "engineering"}',
    )  # fmt: skip
    assert (said.code, said.err) == (0, "")
    lines = said.out.splitlines()
    assert lines[0] == "hr.salaries: deny"
    at = lines.index('  User::"jun" on Resource::"hr/salaries/engineering" forbids: own-department-only')
    assert lines[at + 1].startswith("    own-department-only (policies/people.cedar:")
    assert lines[at + 3] == '      * principal in Role::"department-head" is false'
    assert 'principal.department = "finance", context.args.department = "engineering"' in lines[at + 4]
    start = lines.index("it would be permitted (each of these was tried):")
    head = "if user jun were in Role department-head"
    assert lines[start + 1 : start + 5] == [
        f'  - with department = "finance" instead of "engineering", and {head} [agent, administrator]',
        f'  - {head}, and if department of user jun were "engineering" instead of "finance" [administrator]',
        "or if somebody else did it:",
        "  - if vera asked for it instead of jun [user]",
    ]
    assert lines[-1] == ("the model reads: Salaries are for the head of the department, and for that department alone.")


def test_a_script_reads_all_of_it(terminal: Terminal, folders: dict[str, Path]) -> None:
    answer = told(terminal, folders["desk"], "mail.send", MAIL, *ALICE)
    assert answer["outcome"] == "needs_approval"
    assert answer["changes"] == [
        [
            {
                "kind": "argument",
                "what": "to",
                "from": '["ann@customer.example"]',
                "to": '["alice@acme.example"]',
                "by": "agent",
                "text": 'with to = ["alice@acme.example"] instead of ["ann@customer.example"]',
            }
        ],
        [
            {
                "kind": "approval",
                "what": "external-mail",
                "from": "",
                "to": "1 of Group leads",
                "by": "approver",
                "text": "after an approval by Group leads",
            }
        ],
    ]
    (rule,) = answer["links"][0]["rules"]
    assert (rule["id"], rule["effect"], rule["file"], rule["fired"]) == (
        "external-mail", "forbid", "policies/desk.cedar", True,
    )  # fmt: skip
    assert rule["line"] > 1
    assert rule["conditions"] == [
        {
            "text": "context.flow.recipients_external",
            "holds": True,
            "decisive": True,
            "facts": {"context.flow.recipients_external": True},
        }
    ]
    assert answer["by_others"] == []
    assert answer["searched"]["complete"] is True
    assert answer["sentence"] == "Mail to strangers needs a lead. It can run after an approval by group leads."


def test_a_misspelt_name_is_answered_with_the_one_that_was_meant(terminal: Terminal, folders: dict[str, Path]) -> None:
    for tool, more, meant in (
        ("page.raed", ALICE, "did you mean 'page.read'?"),
        ("page.read", ("--user", "alcie", *ALICE[2:]), "Did you mean 'alice'?"),
        ("page.read", (*ALICE[:2], "--agent", "desk-bto", *ALICE[4:]), "Did you mean 'desk-bot'?"),
    ):
        said = terminal("explain", folders["desk"], "--tool", tool, "--args", '{"id": "1"}', *more)
        assert said.code == 0
        (line,) = (line for line in said.out.splitlines() if line.startswith("what to do: "))
        assert meant in line
    answer = told(terminal, folders["desk"], "page.raed", {"id": "1"}, *ALICE)
    assert "page.read" in answer["did_you_mean"]


def test_an_allowed_call_asks_for_no_change(terminal: Terminal, folders: dict[str, Path]) -> None:
    said = terminal("explain", folders["desk"], "--tool", "page.read", "--args", '{"id": "1"}', *ALICE)
    assert said.out.startswith("page.read: allow")
    assert "would be permitted" not in said.out
    assert '      * principal in Group::"support" is true' in said.out.splitlines()


def test_nothing_helps_is_said_with_what_was_tried(terminal: Terminal, folders: dict[str, Path]) -> None:
    who = ("--user", "alice", "--agent", "support-bot", "--task", "Some work")
    args = '{"id": "42", "field": "name", "value": "Ann"}'
    said = terminal("explain", folders["support"], "--tool", "crm.update_customer", "--args", args, *who)
    assert "no one or two changes that were tried would permit it" in said.out


@pytest.mark.parametrize(
    ("tool", "args", "more", "outcome"),
    [
        ("put.none", {"id": "1"}, ("--now", "2026-11-20T10:00Z"), "allow"),
        ("put.none", {"id": "1"}, ("--now", "2026-11-20T10:00+09:00"), "deny"),
        ("put.none", {"id": "1"}, ("--now", "2026-11-21T10:00"), "deny"),
        ("put.key", {"id": "1"}, (), "deny"),
        ("put.key", {"id": "1"}, ("--evidence", "oidc"), "deny"),
        ("put.key", {"id": "1"}, ("--evidence", "oidc+strong@4m"), "allow"),
        ("put.key", {"id": "1"}, ("--evidence", "oidc+strong@6m"), "deny"),
        ("put.safe", {"id": "1"}, ("--evidence", "claimed"), "deny"),
        ("put.safe", {"id": "1"}, ("--evidence", "oidc@1m"), "allow"),
        ("db.query", {"sql": "SELECT 1"}, ("--environment", "network=office"), "allow"),
        ("db.query", {"sql": "SELECT 1"}, ("--environment", "network=home"), "deny"),
        ("page.read", {"id": "1"}, ("--fact", "on_call=true"), "allow"),
        ("page.read", {"id": "1"}, ("--fact", "on_call=false"), "deny"),
    ],
)
def test_the_circumstances_of_a_call(
    terminal: Terminal, folders: dict[str, Path], tool: str, args: object, more: tuple[str, ...], outcome: str
) -> None:
    answer = told(terminal, folders["office"], tool, args, *ALICE, *more)
    assert answer["outcome"] == outcome, answer["reasons"]


@pytest.mark.parametrize(
    ("more", "named"),
    [
        (("--now", "yesterday"), "--now"),
        (("--evidence", "password"), "--evidence"),
        (("--evidence", "oidc@soon"), "--evidence"),
        (("--environment", "network"), "--environment"),
        (("--environment", "netwerk=office"), "did you mean 'network'?"),
        (("--fact", "on_call=no"), "--fact on_call: say true or false (it is a bool); 'no' is not JSON"),
        (("--fact", "on_call=1"), "--fact on_call: say true or false (it is a bool); 1 is not"),
        (("--fact", "oncall=true"), "did you mean 'on_call'?"),
        ((), "--fact 'on_call=true'"),
    ],
)
def test_what_cannot_be_read_is_refused(
    terminal: Terminal, folders: dict[str, Path], more: tuple[str, ...], named: str
) -> None:
    given = more if "--fact" in more or not more else (*more, "--fact", "on_call=true")
    said = terminal("explain", folders["office"], "--tool", "page.read", "--args", '{"id": "1"}', *ALICE, *given)
    assert (said.code, said.out) == (2, "")
    assert named in " ".join(said.err.split())


def test_a_chain_of_agents(terminal: Terminal, folders: dict[str, Path]) -> None:
    who = ("--user", "alice", "--agent", "researcher", "--via", "support-bot", "--task", "Look it up")
    answer = told(terminal, folders["support"], "kb.search", {"query": "refund"}, *who)
    assert [link["link"] for link in answer["links"]] == [
        'User::"alice"', 'Agent::"support-bot"', 'Agent::"researcher"',
    ]  # fmt: skip
    assert answer["outcome"] == "allow"
    answer = told(terminal, folders["support"], "notes.save", {"name": "n", "text": "t"}, *who)
    assert [link["missing_permit"] for link in answer["links"]] == [False, True, False]
    assert [[each["what"] for each in changes] for changes in answer["changes"]] == [
        ["agent support-bot in AgentClass research"]
    ]
    who = ("--user", "alice", "--agent", "office-bot", "--via", "researcher", "--task", "Look it up")
    answer = told(terminal, folders["support"], "kb.search", {"query": "refund"}, *who)
    assert (answer["outcome"], answer["links"]) == ("deny", [])
    assert answer["reasons"][0]["plane"] == "identity"


def test_a_delegation_is_explained_as_the_call_that_it_is(terminal: Terminal, folders: dict[str, Path]) -> None:
    for user, outcome, missing in (("alice", "allow", [False, False]), ("carol", "deny", [True, False])):
        who = ("--user", user, "--agent", "support-bot", "--task", "Look it up")
        answer = told(terminal, folders["support"], "agent.delegate", {"agent": "researcher"}, *who)
        assert (answer["outcome"], answer["did_you_mean"]) == (outcome, "")
        assert [link["missing_permit"] for link in answer["links"]] == missing


def test_a_time_that_would_do_is_said_in_the_zone_of_the_hours_too(terminal: Terminal, tmp_path: Path) -> None:
    folder = worlds(tmp_path)["office"]
    settings = folder / "bailiwick.toml"
    text = settings.read_text(encoding="utf-8")
    for zone, said in (
        ("Asia/Tokyo", "at 2026-11-23 00:00Z (Mon 2026-11-23 09:00 Asia/Tokyo)"),
        ("UTC", "at 2026-11-23 09:00Z"),
    ):
        settings.write_text(text.replace("[hours]\n", f'[hours]\ntimezone = "{zone}"\n'), encoding="utf-8")
        answer = told(terminal, folder, "put.none", {"id": "1"}, *ALICE, "--now", "2026-11-21T10:00")
        assert [change["text"] for (change,) in answer["changes"]] == [said]
