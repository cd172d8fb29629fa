"""Accounts payable and procurement of a manufacturer, as a world for the red team."""

from __future__ import annotations

from pathlib import Path

from examples.worlds.common import SmallWorld
from examples.worlds.payables.erp import Erp
from examples.worlds.payables.goals import GOALS
from examples.worlds.payables.jobs import JOBS

__all__ = ["payables"]


def payables() -> SmallWorld[Erp]:
    """The world."""
    return SmallWorld(name="payables", folder=Path(__file__).parent, jobs=JOBS, goals=GOALS, environment=Erp)
