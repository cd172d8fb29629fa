"""Fixtures of all tests."""

import importlib.util
from collections.abc import Iterator

import pytest

from bailiwick.adapters import sealing
from tests.needs import postgres, postgres_server, pytest_terminal_summary

__all__ = ["collect_ignore", "frameworks_as_they_were", "postgres", "postgres_server", "pytest_terminal_summary"]


@pytest.fixture(autouse=True)
def frameworks_as_they_were() -> Iterator[None]:
    """What a test's Guards sealed does not outlive the test."""
    yield
    sealing.lift()


collect_ignore = [] if importlib.util.find_spec("crewai") else ["crewai"]
"""What needs CrewAI runs in the environment that has it, and nowhere else: see tests/test_scaffold.py."""
