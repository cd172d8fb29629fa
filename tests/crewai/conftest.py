"""Tests in the environment that has CrewAI (.venv-crewai). `make test` runs them first; tests/conftest.py leaves this
folder out where CrewAI is not installed."""

from __future__ import annotations

import os

import pytest

# Nothing is told to anybody while tests run.
os.environ["CREWAI_DISABLE_TELEMETRY"] = "true"
os.environ["CREWAI_DISABLE_TRACKING"] = "true"
os.environ["CREWAI_TRACING_ENABLED"] = "false"
os.environ["OTEL_SDK_DISABLED"] = "true"

_FRAMEWORKS_OWN = (
    # Its lazy `rag` refuses the attribute that importing a part of it sets.
    "ignore:Cannot set an attribute on 'crewai.rag':ImportWarning",
    # The tests' callbacks are no functions of a module.
    "ignore:.*callbacks cannot be serialized:UserWarning",
    # Its agents and crews read settings of their own that it has deprecated (the reader is pydantic's descriptor).
    r"ignore:deprecated$:DeprecationWarning:(crewai|pydantic)\..*",
    r"ignore:function_calling_llm is deprecated:DeprecationWarning:(crewai|pydantic)\..*",
)


def pytest_configure(config: pytest.Config) -> None:
    for each in _FRAMEWORKS_OWN:
        config.addinivalue_line("filterwarnings", each)
