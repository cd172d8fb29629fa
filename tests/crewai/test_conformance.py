"""The conformance suite with CrewAI, which needs an environment of its own."""

from __future__ import annotations

import pytest

from tests.frameworks.scenarios import SCENARIOS
from tests.frameworks.table import outcome, published


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_conformance(scenario: str) -> None:
    came = outcome("crewai", scenario)
    committed = published().get("crewai")
    if committed is not None:
        assert came == committed.get(scenario), "write the table anew: python -m tests.frameworks.table crewai"
