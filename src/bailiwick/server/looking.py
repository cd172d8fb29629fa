"""Who may look into the log from the console, and the record that they do.

The rules in `administration/` are asked at each request, so who loses the right sees nothing from then on. On record it
comes once for each login and thing: a page that renews itself, or is gone back to, would bury the log under its own
reading. INVARIANT: nothing of the log is shown before the rules allow it to this person now, and before an event says
that this login looked at it under these very rules; contents are shown only for a while after they were asked for.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass

from bailiwick.guard.administration.administering import authorise
from bailiwick.guard.administration.entitled import as_known, may
from bailiwick.guard.planes import Planes
from bailiwick.model.administration import AdminAction, admin_resource
from bailiwick.model.approver import Proven
from bailiwick.model.decision import Reason
from bailiwick.project import Guard

__all__ = ["REVEALED_MS", "Investigator", "Looks"]

REVEALED_MS = 15 * 60_000
"""So long contents stay shown after somebody asked for them."""
MAX_KEPT = 4096


class Looks:
    """What is on record already, by login and thing, and since when. Threads may share it. What falls out of it is put
    on record once more."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[object, ...], int] = OrderedDict()

    def since(self, look: tuple[object, ...]) -> int | None:
        """Since when it is on record (ms); None: it is not."""
        with self._lock:
            return self._kept.get(look)

    def note(self, look: tuple[object, ...], now_ms: int) -> None:
        with self._lock:
            self._kept[look] = now_ms
            self._kept.move_to_end(look)
            while len(self._kept) > MAX_KEPT:
                self._kept.popitem(last=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Investigator:
    """One signed-in person before the log of one project. `about` is what of it they look at: a session's id, an
    event's, or the name of a list."""

    guard: Guard
    by: Proven
    looks: Looks

    @property
    def planes(self) -> Planes:
        return self.guard.engine.ports.holding.now()

    @property
    def now_ms(self) -> int:
        return self.guard.engine.ports.clock() // 1000

    @property
    def reads(self) -> bool:
        """Whether there are pages on the log for this person. Nothing comes of it, so it is not on record."""
        return self._may(self.guard.engine.ports.holding.latest, AdminAction.READ_LOG)

    def look(self, about: str) -> Reason | None:
        """Why this person may not look at it; None if they may, and that they do is on record."""
        planes = self.planes
        if self.looks.since(self._look(planes, AdminAction.READ_LOG, about)) is not None and self._may(
            planes, AdminAction.READ_LOG
        ):
            return None
        return self._asked(AdminAction.READ_LOG, about)

    def reveal(self, about: str) -> Reason | None:
        """Ask for the contents, too. Why this person may not see them; None if they may."""
        return self.look(about) or self._asked(AdminAction.REVEAL, about)

    def revealed_until(self, about: str) -> int:
        """Until when (ms) the contents stay shown that this login asked for; 0 if it did not, or may no more."""
        planes = self.planes
        since = self.looks.since(self._look(planes, AdminAction.REVEAL, about))
        if since is None or not since <= self.now_ms < since + REVEALED_MS:
            return 0
        return since + REVEALED_MS if self._may(planes, AdminAction.REVEAL) else 0

    @property
    def may_reveal(self) -> bool:
        """Whether asking for contents would be of use. Not on record."""
        return self._may(self.planes, AdminAction.REVEAL)

    def _asked(self, action: AdminAction, about: str) -> Reason | None:
        now_ms, planes = self.now_ms, self.planes
        refused = self.guard.engine.administer(
            lambda core: authorise(
                core,
                self.by.user,
                action=action,
                resource=admin_resource("log"),
                os_user=self.by.os_user,
                evidence=as_known(self.by.method, self.by.at_ms),
                about=about,
            )
        )
        if refused is None:
            self.looks.note(self._look(planes, action, about), now_ms)
        return refused

    def _may(self, planes: Planes, action: AdminAction) -> bool:
        known = as_known(self.by.method, self.by.at_ms)
        return may(planes, self.by.user, action, admin_resource("log"), now_ms=self.now_ms, evidence=known)

    def _look(self, planes: Planes, action: AdminAction, about: str) -> tuple[object, ...]:
        login = (self.by.user, self.by.method, self.by.at_ms)
        return (*login, action, about, planes.administration.digest, planes.directory.digest)
