"""The operations desk of a company that hosts software for practices, as a world for the red team."""

from __future__ import annotations

from pathlib import Path

from examples.worlds.common import SmallWorld
from examples.worlds.opsdesk.desk import Desk
from examples.worlds.opsdesk.goals import GOALS
from examples.worlds.opsdesk.jobs import JOBS

__all__ = ["opsdesk"]


def opsdesk() -> SmallWorld[Desk]:
    """The world."""
    return SmallWorld(name="opsdesk", folder=Path(__file__).parent, jobs=JOBS, goals=GOALS, environment=Desk)
