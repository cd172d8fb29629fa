"""What CrewAI is told of a call that did not run."""

from __future__ import annotations

from bailiwick.errors import MissingExtra

try:
    from crewai.tools.tool_failure import ToolFailure
except ImportError as error:
    raise MissingExtra(feature="the CrewAI adapter", extra="crewai") from error

__all__ = ["GuardRefusal"]


class GuardRefusal(ToolFailure):
    """A call that the guard refused, or whose result it withholds: a failure that the tool reports, which CrewAI shows
    to the model, and takes for no answer of a task."""
