"""Every scenario of the conformance suite, by name: each is one function, and a row of the published table."""

from __future__ import annotations

from collections.abc import Callable

from tests.frameworks import (
    scenarios_agents,
    scenarios_approvals,
    scenarios_calls,
    scenarios_content,
    scenarios_threads,
)
from tests.frameworks.asking import Make
from tests.frameworks.desk import Desk

__all__ = ["SCENARIOS", "THEMES", "Scenario", "title"]

Scenario = Callable[[Make, Desk], None]

THEMES: dict[str, tuple[Scenario, ...]] = {
    "Calls": scenarios_calls.SCENARIOS,
    "Results, labels and models": scenarios_content.SCENARIOS,
    "Several agents": scenarios_agents.SCENARIOS,
    "Approvals": scenarios_approvals.SCENARIOS,
    "Conversations": scenarios_threads.SCENARIOS,
}

SCENARIOS: dict[str, Scenario] = {scenario.__name__: scenario for theme in THEMES.values() for scenario in theme}


def title(scenario: Scenario) -> str:
    """What the scenario shows, in a sentence."""
    assert scenario.__doc__ is not None, scenario.__name__
    return scenario.__doc__.strip()
