"""How much of the disk the logs of a folder may take: the setting `audit.disk_budget`.

Beyond it effects are denied and nothing is dropped, since nothing that is younger than the retention may be. What is
refused anyway, and what administrators do, is still recorded.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from threading import Lock

__all__ = ["LogRoom"]

LOOK_EVERY_S = 1.0
"""So long a look at the folder is good for: in between, processes may write over the budget."""


class LogRoom:
    """`audit.ports.Room` for the logs of one folder. Safe for many threads."""

    def __init__(self, folder: Path, budget: int) -> None:
        self._folder = folder
        self._budget = budget
        self._lock = Lock()
        self._looked = -LOOK_EVERY_S
        self._full = ""

    def __call__(self) -> str:
        with self._lock:
            now = time.monotonic()
            if now - self._looked >= LOOK_EVERY_S:
                self._full = self._look()
                self._looked = now
            return self._full

    def _look(self) -> str:
        try:
            used = sum(entry.stat().st_size for entry in os.scandir(self._folder))
        except FileNotFoundError:  # a file that went meanwhile: looked at again
            return self._full
        except OSError as error:
            return f"nobody can tell how large the audit logs are: {error}"
        if used < self._budget:
            return ""
        return f"the audit logs take {used:,} bytes, and audit.disk_budget is {self._budget:,}"
