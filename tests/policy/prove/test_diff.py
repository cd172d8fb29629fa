"""What a change grants: every case of data/diff.toml, each finding confirmed by Cedar."""

from __future__ import annotations

import dataclasses
import tomllib
from pathlib import Path
from typing import Any

import pytest

from bailiwick.model.directory import Directory
from bailiwick.model.shape import LONG
from bailiwick.model.tool import Catalog, Effect, Role
from bailiwick.policy import PolicyEngine, PolicySource
from bailiwick.policy.prove.diff import Diff, Kind, compare
from bailiwick.policy.prove.witness import Side
from tests.policy.desk import CATALOG, CONTENT, DIRECTORY, EMAIL, NIGHTLY, VOCABULARY, arg, catalog, tool, user

DATA = tomllib.loads((Path(__file__).parent / "data/diff.toml").read_text(encoding="utf-8"))
TIMEOUT_MS = 20_000

PEOPLE: dict[str, Directory] = {
    "": DIRECTORY,
    "dana-joins-support": dataclasses.replace(
        DIRECTORY, users={**DIRECTORY.users, "dana": user("dana", "platform", "support")}
    ),
    "alice-leads": dataclasses.replace(
        DIRECTORY,
        users={
            **DIRECTORY.users,
            "alice": dataclasses.replace(DIRECTORY.users["alice"], groups=("support", "support-leads")),
        },
    ),
    "erin-is-new": dataclasses.replace(DIRECTORY, users={**DIRECTORY.users, "erin": user("erin", "support")}),
    "platform-in-support": dataclasses.replace(
        DIRECTORY, groups={**DIRECTORY.groups, "platform": ("staff", "support")}
    ),
}


def with_tool(name: str, *effects: Effect) -> Catalog:
    """The desk's catalog with one tool more, or another one in its place."""
    if name == "kb.search":
        args = (arg("query", role=Role.QUERY), arg("limit", LONG, Role.VALUE, optional=True))
        spec = tool(name, *effects, args=args, zones=("kb",))
    else:
        args = (arg("to", EMAIL), arg("body", CONTENT, Role.CONTENT))
        cc = (arg("cc", EMAIL, optional=True),) if name == "mail.send" else ()
        spec = tool(name, *effects, args=(args[0], *cc, args[1]))
    return catalog(*{**CATALOG.tools, name: spec}.values())


TOOLS: dict[str, Catalog] = {
    "": CATALOG,
    "mail.forward": with_tool("mail.forward", Effect.SEND),
    "mail.note": with_tool("mail.note", Effect.DRAFT),
    "mail.send only drafts": with_tool("mail.send", Effect.DRAFT),
    "kb.search takes a limit": with_tool("kb.search", Effect.READ),
}


def side(rules: str, *, people: str = "", tools: str = "") -> Side:
    sources = [PolicySource(path="policies/desk.cedar", text=rules)]
    engine = PolicyEngine.load(sources, catalog=TOOLS[tools], directory=PEOPLE[people], vocabulary=VOCABULARY)
    return Side(engine=engine, directory=PEOPLE[people])


def changed(case: dict[str, Any]) -> Side:
    rules = DATA["rules"] + case.get("both", "")
    if "before" in case:
        assert case["before"] in rules, f"{case['name']}: nothing to replace"
        for before, after in ((case["before"], case["after"]), case.get("also", ("", ""))):
            rules = rules.replace(before, after) if before else rules
    return side(rules + case.get("more", ""), people=case.get("people", ""), tools=case.get("tools", ""))


def lines(diff: Diff) -> list[str]:
    reach = {True: "whole", False: "link"}
    return sorted({f"{each.kind} {each.tool} {each.principal} {reach[each.whole]}" for each in diff.findings})


@pytest.mark.parametrize("case", DATA["case"], ids=lambda case: case["name"])
def test_what_a_change_grants(case: dict[str, Any]) -> None:
    diff = compare(side(DATA["rules"] + case.get("both", "")), changed(case), timeout_ms=TIMEOUT_MS)
    assert lines(diff) == sorted(case.get("finds", []))
    assert [change.what for change in diff.changes if change.review] == case.get("review", [])
    granted = [line for line in case.get("finds", []) if not line.startswith("newly-denied")]
    assert diff.grants_nothing is not bool(granted or case.get("review"))


@pytest.mark.parametrize("case", [case for case in DATA["case"] if "before" in case], ids=lambda case: case["name"])
def test_what_is_taken_back_takes_nothing_more(case: dict[str, Any]) -> None:
    """Backwards, whatever was granted is taken, and what was taken is granted."""
    back = compare(changed(case), side(DATA["rules"]), timeout_ms=TIMEOUT_MS)
    finds = case.get("finds", [])
    took = {tuple(line.split()[1:3]) for line in finds if line.split()[0] == "newly-denied"}
    gave = {tuple(line.split()[1:3]) for line in finds if line.split()[0] in ("newly-allowed", "newly-with-approval")}
    kinds = (Kind.ALLOWED, Kind.ASKED)
    assert {(each.tool, each.principal.value) for each in back.findings if each.kind in kinds} == took
    still_there = {(tool, principal) for tool, principal in gave if tool in CATALOG.tools or tool == "agent.delegate"}
    assert {(each.tool, each.principal.value) for each in back.findings if each.kind is Kind.TAKEN} >= still_there


def test_two_bundles_that_differ_in_every_file_can_still_grant_the_same() -> None:
    """Rules that look nothing alike are compared by what they do."""
    old = '@id("a") permit (principal in Group::"staff", action == Action::"kb.search", resource);'
    new = """
    @id("b") permit (principal, action in Action::"read", resource in Zone::"kb") when { principal in Group::"staff" };
    @id("c") forbid (principal is Agent, action == Action::"kb.search", resource) when { context.flow.tainted };
    """
    diff = compare(side(old), side(new), timeout_ms=TIMEOUT_MS)
    assert diff.grants_nothing
    assert lines(diff) == []


def test_the_first_service_of_a_project_is_new_and_what_it_may_is_too() -> None:
    """Before, `context.user` was always there; now it may be missing, and calls of services were none."""
    rule = '@id("x") permit (principal, action == Action::"kb.search", resource);'
    more = '@id("y") forbid (principal, action == Action::"kb.search", resource) when {{ {}context.user.level > 3 }};'
    old = PolicyEngine.load(
        [PolicySource(path="policies/desk.cedar", text=rule + more.format(""))],
        catalog=CATALOG,
        directory=DIRECTORY,
        vocabulary=VOCABULARY,
    )
    people = dataclasses.replace(DIRECTORY, services={NIGHTLY.id: NIGHTLY})
    new = PolicyEngine.load(
        [PolicySource(path="policies/desk.cedar", text=rule + more.format("context has user && "))],
        catalog=CATALOG,
        directory=people,
        vocabulary=VOCABULARY,
    )
    before, after = Side(engine=old, directory=DIRECTORY), Side(engine=new, directory=people)
    diff = compare(before, after, timeout_ms=TIMEOUT_MS)
    assert "newly-allowed kb.search Service whole" in lines(diff)


def test_time_that_runs_out_needs_review() -> None:
    """No answer is never "nothing new"."""
    cubes = " + ".join(f"context.{name} * context.{name} * context.{name}" for name in ("now", "depth"))
    hard = f"""
    @id("x") permit (principal is User, action == Action::"report.salary", resource)
    when {{ {cubes} == context.evidence.age_ms * context.evidence.age_ms * context.evidence.age_ms && context.depth > 2
            && context.now > 2 && context.now < 100000 && context.depth < 100000 }};
    """
    diff = compare(side(DATA["rules"]), side(DATA["rules"] + hard), timeout_ms=50)
    assert not diff.grants_nothing
    assert {(each.kind, each.tool) for each in diff.findings} == {(Kind.REVIEW, "report.salary")}
    assert "gave up" in diff.findings[0].why


def test_answers_do_not_change_from_run_to_run() -> None:
    case = next(case for case in DATA["case"] if case["name"] == "containsAll became containsAny")
    first, second = (compare(side(DATA["rules"]), changed(case), timeout_ms=TIMEOUT_MS) for _ in range(2))
    assert first == second
