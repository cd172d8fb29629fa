"""What is suggested from history permits just that history, with the project's own forbids, and its tests pass."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from bailiwick import Outcome
from bailiwick.guard.explaining.redeciding import Redecider
from bailiwick.policy.replay import Unfit
from bailiwick.project import load_project
from bailiwick.project.history import PastReader, parts_of
from bailiwick.project.using import Usage, used
from bailiwick.testing import load_tests, run
from bailiwick.testing.suggesting import Suggestion, suggest
from tests.project.past_world import past, tried
from tests.worlds import AGENT, LOGS, decisions, edit, make_world, opened


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return past(tmp_path_factory.mktemp("past"))


@pytest.fixture(scope="module")
def usage(history: Path) -> Usage:
    return used(history)


@pytest.fixture(scope="module")
def made(history: Path, usage: Usage) -> Suggestion:
    return suggest(load_project(history), usage, clock=time.perf_counter)


def outcomes(history: Path, made: Suggestion) -> dict[str, tuple[Outcome, Outcome]]:
    """Per decision: what the rules answered then, and what the permits that are proposed answer."""
    decider = Redecider(planes=made.planes)
    found: dict[str, tuple[Outcome, Outcome]] = {}
    with PastReader(tenant="acme", env="test") as reader:
        for part in parts_of(history / LOGS):
            for each in reader.decisions(part):
                if each.question is not None and each.taken is not None:
                    ruling = decider.rule(each.taken, each.question)
                    assert not isinstance(ruling, Unfit)
                    found[each.event.id] = each.question.answer, ruling.outcome
    return found


def test_every_call_that_was_let_through_still_is_and_nothing_is_widened(history: Path, made: Suggestion) -> None:
    found = outcomes(history, made)
    ran = [found[each.id][1] for each in decisions(history) if each.body["outcome"] == "allow"]
    assert len(ran) > 15
    # What passed only because a rule is observed was permitted by nobody.
    assert sum(now is not Outcome.ALLOW for now in ran) == 2
    rank = {Outcome.DENY: 0, Outcome.NEEDS_APPROVAL: 1, Outcome.ALLOW: 2}
    assert all(rank[now] <= rank[was] for was, now in found.values())


def test_the_tests_pass_when_they_are_run(made: Suggestion) -> None:
    (file,) = load_tests([("tests/suggested.toml", made.tests)], planes=made.planes)
    ran = run(made.planes, file.cases, clock=time.perf_counter)
    assert [each.case.title for each in ran if not each.passed] == []
    assert len(ran) == made.passed > 10
    assert {each.case.expected.outcome for each in ran} == {Outcome.ALLOW, Outcome.DENY, Outcome.NEEDS_APPROVAL}


def test_what_was_granted_in_vain_is_listed(made: Suggestion) -> None:
    unused = {str(link): tools for link, tools in made.unused.items()}
    assert "db.query" in unused['Agent::"helper"']
    assert "put.safe" in unused['User::"bob"']  # he was never on call, nor within the budget
    assert {"scout", "off-bot"} <= set(made.unused_agents)


def test_permits_name_links_and_tools_and_the_resources_that_were_used(made: Suggestion) -> None:
    assert 'Group::"' not in made.rules
    assert "AgentClass" not in made.rules
    assert 'Action::"read"' not in made.rules
    assert 'resource == Resource::"pages/2"' in made.rules  # the helper's only page
    assert 'resource == Agent::"helper"' in made.rules


def test_of_many_resources_the_zone_is_named(tmp_path: Path) -> None:
    with opened(make_world(tmp_path)) as session:
        for page in ("1", "2", "3", "4", "5", "6", "7"):
            tried(session, "page.read", {"id": page})
    found = suggest(load_project(tmp_path), used(tmp_path), clock=time.perf_counter)
    assert 'resource in Zone::"pages"' in found.rules
    assert "7 calls on 7 resources" in found.rules


NARROW = "\n".join(
    f"""@id("careful-{number}")
permit (principal in {who}, action == Action::"put.none", resource)
when {{ context.depth < 5 }} unless {{ context.flow.tainted }};

@id("five-{number}")
permit (principal in {who}, action == Action::"page.read", resource == Resource::"pages/5");
"""
    for number, who in enumerate(('AgentClass::"desk"', 'Group::"support"'))
)


def test_no_condition_of_the_permits_that_gave_it_is_lost(tmp_path: Path) -> None:
    folder = make_world(tmp_path)
    edit(folder, "policies/desk.cedar", 'Action::"page.read", Action::"fact.read"', 'Action::"fact.read"')
    edit(folder, "policies/desk.cedar", 'Action::"mail.send", Action::"put.none",', 'Action::"mail.send",')
    edit(folder, "policies/desk.cedar", '@id("scouts-read")\n', f'{NARROW}\n@id("scouts-read")\n')
    with opened(folder) as session:
        tried(session, "put.none", {"id": "n"})
        for page in ("5", "6"):
            tried(session, "page.read", {"id": page})  # which taints the session
        tried(session, "put.none", {"id": "m"})
    told = [each.body["outcome"] for each in decisions(folder)]
    assert told == ["allow", "allow", "deny", "deny"]
    found = suggest(load_project(folder), used(folder), clock=time.perf_counter)
    assert "when { (context.depth < 5) && !(context.flow.tainted) };" in found.rules
    now = outcomes(folder, found)
    assert [now[each.id][1] for each in decisions(folder)] == [Outcome.ALLOW, Outcome.ALLOW, Outcome.DENY, Outcome.DENY]


def test_what_was_taken_away_since_is_not_proposed_again(tmp_path: Path) -> None:
    folder = make_world(tmp_path)
    with opened(folder) as session:
        tried(session, "put.none", {"id": "n"})
        tried(session, "page.read", {"id": "1"})
    edit(folder, "policies/desk.cedar", 'Action::"mail.send", Action::"put.none",', 'Action::"mail.send",')
    found = suggest(load_project(folder), used(folder), clock=time.perf_counter)
    assert f'// put.none: no permit gives it to Agent::\\"{AGENT}\\" any more; left out' in found.rules
    agent = found.rules.partition("@id")[2].partition("permit (principal == User")[0]
    assert "page.read" in agent
    assert 'Action::"put.none"' not in agent


def test_tasks_bound_tools_zones_and_time(history: Path) -> None:
    found = suggest(load_project(history), used(history, agent="helper"), clock=time.perf_counter)
    assert "[tasks.suggested-helper]" in found.tasks
    assert 'tools   = ["page.read"]' in found.tasks
    assert 'zones   = ["pages"]' in found.tasks
    assert 'ttl     = "15m"' in found.tasks


def test_what_a_model_chose_stays_a_comment(tmp_path: Path) -> None:
    evil = 'x\n@id("mine") permit (principal, action, resource); //'
    with opened(make_world(tmp_path)) as session:
        tried(session, "put.safe", {"id": evil})
    found = suggest(load_project(tmp_path), used(tmp_path), clock=time.perf_counter)
    assert not any(line.startswith("@id(") and "mine" in line for line in found.rules.splitlines())
    assert not {"mine"} & set(found.planes.policy.policies)
