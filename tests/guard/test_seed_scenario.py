"""The scenario that this project began with: a junior analyst and a VP of engineering through the same agent and model.

They get different tools, and the explanation says why. In examples/support they are jun and vera, both through
office-bot; the tool is hr.salaries.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from bailiwick import Denied, Guard
from bailiwick.guard.explaining.preview import Preview
from bailiwick.guard.explaining.whatif import Explanation, explain_call
from bailiwick.guard.opening import OpenRequest
from bailiwick.model.call import Call
from bailiwick.project.load import load_project

SUPPORT = Path(__file__).parents[2] / "examples/support"
NOW_US = 1_795_860_000_000_000
AGENT = "office-bot"
TASK = "Compare salaries"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("policies", "tools"):
        shutil.copytree(SUPPORT / name, tmp_path / name)
    for name in ("bailiwick.toml", "directory.toml"):
        shutil.copy(SUPPORT / name, tmp_path)
    return tmp_path


def explained(folder: Path, user: str, department: str) -> Explanation:
    request = OpenRequest(user=user, service=None, agent=AGENT, task=TASK, conversation="c")
    call = Call(tool="hr.salaries", args={"department": department})
    return explain_call(load_project(folder).planes, Preview(request=request, call=call), NOW_US)


def test_the_same_agent_gets_the_tool_for_one_and_not_for_the_other(folder: Path) -> None:
    ran: list[str] = []

    def salaries(department: str) -> str:
        ran.append(department)
        return "12 people"

    def ask(user: str, department: str) -> Any:
        with (
            Guard.open(folder) as guard,
            guard.session(user=user, agent=AGENT, task=TASK, conversation=f"c-{user}") as session,
        ):
            return session.call("hr_salaries", {"department": department}, run=salaries)

    assert ask("vera", "engineering") == "12 people"
    for department in ("engineering", "finance"):
        with pytest.raises(Denied, match="head of the department"):
            ask("jun", department)
    with pytest.raises(Denied, match="that department alone"):
        ask("vera", "finance")
    assert ran == ["engineering"]


def test_the_explanation_names_the_role_that_is_missing(folder: Path) -> None:
    told = explained(folder, "jun", "finance")
    person, agent = told.links
    assert (str(person.link), person.allowed) == ('User::"jun"', False)
    assert (str(agent.link), agent.allowed) == (f'Agent::"{AGENT}"', True)
    (forbid,) = person.rules
    role = next(each for each in forbid.conditions if each.text == 'principal in Role::"department-head"')
    assert (forbid.id, role.holds, role.decisive) == ("own-department-only", False, True)
    ((change,),) = told.found.alternatives
    assert change.text == "if user jun were in Role department-head"
    assert change.by.value == "administrator"


def test_the_explanation_says_what_else_would_have_to_be_otherwise(folder: Path) -> None:
    told = explained(folder, "jun", "engineering")
    assert [[each.text for each in changes] for changes in told.found.alternatives] == [
        ['with department = "finance" instead of "engineering"', "if user jun were in Role department-head"],
        [
            "if user jun were in Role department-head",
            'if department of user jun were "engineering" instead of "finance"',
        ],
    ]
    assert [[each.text for each in changes] for changes in told.found.others] == [
        ["if vera asked for it instead of jun"]
    ]


def test_the_vp_is_told_by_which_rules_she_may(folder: Path) -> None:
    told = explained(folder, "vera", "engineering")
    assert told.decision.allowed
    assert [[rule.id for rule in link.rules] for link in told.links] == [
        ["department-heads-read-salaries"],
        ["office-agents"],
    ]
