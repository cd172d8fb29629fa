"""AgentDojo as worlds: counted as not run where the package is missing. CI runs a sample of the suites."""

from __future__ import annotations

import functools
import os
import tomllib
from pathlib import Path

import pytest

from bailiwick.cli.redteam import example_folder
from bailiwick.project import load_project
from bailiwick.redteam.results import figures
from bailiwick.redteam.run import Plan, run_world, unsound
from bailiwick.redteam.world import Moment
from tests import needs

SOAK = os.environ.get("BAILIWICK_SOAK") == "1"
SUITES = ("workspace", "slack", "banking", "travel")


def test_the_rules_name_no_task_no_tool_and_nobody() -> None:
    folder = example_folder()
    project = load_project(folder)
    named = {*project.planes.catalog.tools, *project.planes.directory.users}
    for path in (*folder.glob("policies/flow.cedar"), *folder.glob("profiles/*/policies/*.cedar")):
        text = path.read_text(encoding="utf-8")
        code = "\n".join(line.partition("//")[0] for line in text.splitlines())
        assert not [name for name in named if f'"{name}"' in code], path
        assert "@" not in "".join(code.split('"')[1::2]), f"an address stands in {path}"


@pytest.mark.soak
@pytest.mark.parametrize("suite", SUITES)
def test_every_tool_of_a_suite_is_in_the_catalog_with_all_its_arguments(suite: str) -> None:
    world = needs.agentdojo()(suite, example_folder())
    catalog = load_project(example_folder()).planes.catalog
    for name, function in world.functions.items():
        spec = catalog.find(name)
        assert spec is not None, name
        fields = function.parameters.model_fields
        assert set(spec.args) == set(fields), name
        assert {arg for arg in spec.args if not spec.args[arg].optional} == {
            field for field, info in fields.items() if info.is_required() and "None" not in str(info.annotation)
        }, name


@pytest.mark.soak
@pytest.mark.parametrize("suite", SUITES if SOAK else ("travel",))
def test_a_suite_is_reached_and_hardly_an_attack_gets_through(suite: str) -> None:
    make = functools.partial(needs.agentdojo(), suite, example_folder())
    plan = Plan() if SOAK else Plan(processes=1, moments=(Moment.AT_ONCE,), sample=5)
    run = run_world(make, plan)
    told = figures([run])
    bound = _bound(suite)
    assert not unsound([run])
    assert told.tasks > 0
    assert told.impossible_tasks == 0
    assert told.benign_utility == 1.0
    assert told.pairs >= len(run.pairs) * 3 // 4
    assert told.attack_success <= bound["attack_success"]
    assert told.approvals_per_task <= bound["approvals_per_task"]


def _bound(suite: str) -> dict[str, float]:
    text = (Path(__file__).parent / "data/agentdojo.toml").read_text(encoding="utf-8")
    return dict(tomllib.loads(text)[suite])
