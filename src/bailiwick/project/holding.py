"""Which planes hold in this process just now: looked up before each decision, built anew only where something changed.

INVARIANT: `now` never answers with planes older than the store; where the store cannot be asked it raises, and the
caller denies (promise 1).
"""

from __future__ import annotations

import threading
from dataclasses import replace

from bailiwick.guard.planes import Planes
from bailiwick.identity.ports import StandingStore

__all__ = ["ProjectHolding"]


class ProjectHolding:
    """The `Holding` of one Guard. Threads may share it."""

    def __init__(self, planes: Planes, standing: StandingStore) -> None:
        self._latest = planes
        self._standing = standing
        self._lock = threading.Lock()

    @property
    def latest(self) -> Planes:
        return self._latest

    def now(self) -> Planes:
        planes = self._latest
        settings = planes.settings
        revision = self._standing.revision(settings.tenant, settings.env)
        if revision == planes.suspensions.revision:
            return planes
        with self._lock:
            suspensions = self._standing.suspensions(settings.tenant, settings.env)
            self._latest = replace(self._latest, suspensions=suspensions)
            return self._latest
