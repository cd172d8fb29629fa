"""What a project gives its logs: keys, witnesses, a parent."""

from __future__ import annotations

from pathlib import Path

from bailiwick.audit.ports import LogParts
from bailiwick.project.settings import ProjectSettings

__all__ = ["log_parts"]


def log_parts(state: Path, settings: ProjectSettings) -> LogParts:
    """The parts of the logs in this state folder. Raises StoreError, UsageError."""
    return LogParts()
