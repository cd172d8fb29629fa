"""The conformance suite: every scenario with every framework, against the outcome that is published.

CrewAI needs an environment of its own: tests/crewai runs the same there."""

from __future__ import annotations

import pytest

from tests.frameworks.frameworks import FRAMEWORKS, lacks
from tests.frameworks.scenarios import SCENARIOS
from tests.frameworks.table import outcome, published

HERE = [framework for framework in FRAMEWORKS if not lacks(framework)]
CELLS = [pytest.param(framework, name, id=f"{framework}-{name}") for framework in HERE for name in SCENARIOS]


@pytest.mark.parametrize(("framework", "scenario"), CELLS)
def test_conformance(framework: str, scenario: str) -> None:
    came = outcome(framework, scenario)
    committed = published().get(framework)
    if committed is not None:
        assert came == committed.get(scenario), "write the table anew: python -m tests.frameworks.table"


def test_no_other_framework_is_left_out() -> None:
    assert set(FRAMEWORKS) - set(HERE) <= {"crewai"}
