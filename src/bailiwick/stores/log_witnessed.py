"""What witnesses mean for taking records: a `witnessed` record waits for their quorum, and effects are denied while
older records have been without it for too long. DESIGN §5 *Audit*, docs/witness.md.

INVARIANT: where there are witnesses, no decision that permits an effect is written while the window is exceeded.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

from bailiwick.audit.ports import Witnesses
from bailiwick.errors import Unwitnessed
from bailiwick.model.event import Draft, EventKind
from bailiwick.model.tool import Durability
from bailiwick.stores.log_checkpoints import Checkpoints

__all__ = ["WitnessGate", "permits_effect"]

_HINT = "Effects are denied until enough witnesses cosign; they are asked again by themselves. Reads go on."


class WitnessGate:
    """Of one log. Without witnesses it lets everything pass, but for what is to be witnessed."""

    def __init__(self, log: str, checkpoints: Checkpoints | None = None, witnesses: Witnesses | None = None) -> None:
        self._log, self._checkpoints = log, checkpoints
        self._witnesses = witnesses if checkpoints is not None else None

    def check(self, drafts: Iterable[Draft], durability: Durability) -> None:
        """Raises Unwitnessed if these must not be written now."""
        if self._witnesses is None or self._checkpoints is None or not permits_effect(drafts, durability):
            return
        window_s = self._witnesses.window_s
        if self._checkpoints.overdue(window_s, self._witnesses.timeout_s):
            raise self._refused(f"records have been without the quorum of witnesses for more than {window_s:g} s")

    def deadline(self) -> float:
        """Until when records that are committed now are waited for, by the monotonic clock."""
        return time.monotonic() + (self._witnesses.timeout_s if self._witnesses else 0.0)

    def wait(self, size: int, until: float) -> None:
        """Return once enough witnesses cosigned the first `size` records. Raises Unwitnessed."""
        if self._witnesses is None or self._checkpoints is None:
            raise self._refused("no witness is named that could cosign this record")
        if not self._checkpoints.wait_witnessed(size, max(0.0, until - time.monotonic())):
            raise self._refused(f"the quorum of witnesses was not reached within {self._witnesses.timeout_s:g} s")

    def _refused(self, why: str) -> Unwitnessed:
        said = "; ".join(self._checkpoints.refused) if self._checkpoints is not None else ""
        return Unwitnessed(
            f"the audit log {self._log} is not witnessed: {why}{f' ({said})' if said else ''}", hint=_HINT
        )


def permits_effect(drafts: Iterable[Draft], durability: Durability) -> bool:
    """Whether a tool would run for this that does more than read: those alone are never buffered."""
    if durability is Durability.BUFFERED:
        return False
    return any(draft.kind is EventKind.DECISION and "permit" in draft.body for draft in drafts)
