"""Erasing what a project keeps about somebody, holding it, and dropping what is older than the retention: in the keys,
in the logs of all processes and in the state. What each leaves is told in docs/erasure.md.

An erasure goes in this order, so that it can be interrupted anywhere and be done again:

1. the rules allow it, which is on record;
2. the subject's keys are destroyed, unless there is a hold: from here on nobody can read what was under them, in no
   process and from no copy of the logs;
3. `content.erased` is on record, with the ids of the keys;
4. the blobs are deleted, and what the state holds;
5. the keys are marked as done.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bailiwick.errors import StoreError
from bailiwick.guard.administration.erasing import (
    DropOrder,
    SubjectOrder,
    held_back,
    may_drop,
    may_erase,
    may_hold,
    no_such_hold,
    nothing_kept,
    record_drop,
    record_erasure,
    record_hold,
)
from bailiwick.model.decision import Reason
from bailiwick.project.clock import fresh_id, now_us
from bailiwick.project.guard import Guard
from bailiwick.project.status import LOG_FOLDER
from bailiwick.stores.content_erasing import Kept, drop_before, erase_blobs, kept_before, kept_under
from bailiwick.stores.state_erasing import StateEraser
from bailiwick.stores.subject_keys import EVERYTHING, Hold, SubjectKeys

__all__ = ["Dropped", "Eraser", "Found", "Told"]

Told = Callable[[str, int], None]
"""Is told what is being done, and how much of it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What an erasure takes: `kept` in the logs, `rows` of the state; `keys` that are there, `unfinished` of an erasure
    that was interrupted. `event` is its record, once it is done."""

    kept: Kept
    rows: int
    keys: tuple[str, ...]
    unfinished: tuple[str, ...]
    event: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """What the retention takes: contents of events before this moment. `event` is its record, once it is done."""

    before_ms: int
    contents: int
    everything_held: bool = False
    event: str = ""


class Eraser:
    """What a guard's project keeps, to be erased or held."""

    def __init__(self, guard: Guard) -> None:
        keys = guard.keys
        if not isinstance(keys, SubjectKeys):
            raise StoreError("this project's contents have no keys", hint="Open it as a project.")
        settings = guard.project.settings
        self._guard = guard
        self._keys = keys
        self._logs: Path = guard.project.state / LOG_FOLDER
        self._state = StateEraser(file=guard.state.file, tenant=settings.decisions.tenant, env=settings.decisions.env)
        self._owner = (settings.decisions.tenant, settings.decisions.env)
        self._retention_ms = settings.retention_ms

    # --- erasing

    def subjects(self) -> tuple[str, ...]:
        """Everybody about whom something is or was kept."""
        return self._keys.subjects()

    def unfinished(self) -> tuple[str, ...]:
        """Those whose erasure was interrupted."""
        return self._keys.unfinished()

    def count(self, order: SubjectOrder) -> Found | Reason:
        """What an erasure would take, once it is on record that it may be; or why not. Changes nothing."""
        refused = self._guard.engine.administer(lambda core: may_erase(core, order))
        if refused is not None:
            return refused
        held = self._keys.against(order.subject)
        if held is not None:
            return held_back(order.subject, held.subject, held.by, held.reason)
        keys = self._keys.keys_of(order.subject)
        if not keys.all:
            return nothing_kept(order.subject)
        kept = kept_under(self._logs, keys.all)
        rows = self._state.count(order.subject, kept.events, kept.sessions)
        return Found(kept=kept, rows=rows, keys=keys.live, unfinished=keys.unfinished)

    def erase(self, order: SubjectOrder, found: Found, told: Told) -> Found | Reason:
        """Erase what `count` found. Raises StoreError if something could not be reached; then do it again."""
        told("keys", 0)
        held = self._keys.destroy(order.subject)
        if held is not None:
            return held_back(order.subject, held.subject, held.by, held.reason)
        told("record", 0)
        keys = self._keys.keys_of(order.subject)
        gone = (*keys.unfinished, *keys.done)
        # Anew: other processes went on recording until their keys were gone.
        kept = kept_under(self._logs, gone)
        rows = self._state.count(order.subject, kept.events, kept.sessions)
        event = self._guard.engine.administer(
            lambda core: record_erasure(core, order, keys=gone, contents=kept.contents, rows=rows)
        )
        erase_blobs(self._logs, gone, lambda many: told("blobs", many))
        told("state", 0)
        # Rows that processes wrote meanwhile are looked for in the transaction that changes them.
        rows = self._state.erase(order.subject, kept.events, kept.sessions)
        told("done", 0)
        self._keys.finish(keys.unfinished)
        return Found(kept=kept, rows=rows, keys=found.keys, unfinished=keys.unfinished, event=event)

    # --- holds

    def holds(self) -> tuple[Hold, ...]:
        """Every hold that stands."""
        return self._keys.holds()

    def hold(self, order: SubjectOrder) -> Hold | Reason:
        """Set a hold: it stands when this returns."""
        refused = self._guard.engine.administer(lambda core: may_hold(core, order))
        if refused is not None:
            return refused
        made = Hold(
            id=f"hld-{fresh_id()[-12:]}",
            subject=order.subject or EVERYTHING,
            by=order.by,
            reason=order.reason,
            at_us=now_us(),
        )
        # First the hold: one that stands and is not on record keeps too much, the other way round too little.
        self._keys.hold(made)
        self._guard.engine.administer(lambda core: record_hold(core, order, hold=made.id, lifted=False))
        return made

    def lift(self, hold_id: str, *, by: str, reason: str, os_user: str) -> Hold | Reason:
        """Lift a hold."""
        found = next((hold for hold in self._keys.holds() if hold.id == hold_id), None)
        subject = "" if found is None or found.subject == EVERYTHING else found.subject
        order = SubjectOrder(subject=subject, by=by, reason=reason, os_user=os_user)
        refused = self._guard.engine.administer(lambda core: may_hold(core, order))
        if refused is not None:
            return refused
        if found is None:
            return no_such_hold(hold_id)
        self._guard.engine.administer(lambda core: record_hold(core, order, hold=hold_id, lifted=True))
        return self._keys.lift(hold_id) or no_such_hold(hold_id)

    # --- retention

    def expired(self, *, by: str, os_user: str) -> Dropped | Reason:
        """What the retention would drop, once it is on record that it may be; or why not. Changes nothing."""
        order = DropOrder(before_ms=now_us() // 1000 - self._retention_ms, by=by, os_user=os_user)
        refused = self._guard.engine.administer(lambda core: may_drop(core, order))
        if refused is not None:
            return refused
        held = self._keys.held_keys()
        if held is None:
            return Dropped(before_ms=order.before_ms, contents=0, everything_held=True)
        return Dropped(
            before_ms=order.before_ms, contents=kept_before(self._logs, self._owner, order.before_ms * 1000, held)
        )

    def drop(self, found: Dropped, told: Told, *, by: str, os_user: str) -> Dropped:
        """Drop what `expired` found. A hold that came in between is heeded."""
        held = self._keys.held_keys()
        if held is None or not found.contents:
            return Dropped(before_ms=found.before_ms, contents=0, everything_held=held is None)
        order = DropOrder(before_ms=found.before_ms, by=by, os_user=os_user)
        event = self._guard.engine.administer(lambda core: record_drop(core, order, contents=found.contents))
        done = drop_before(self._logs, self._owner, found.before_ms * 1000, held, lambda many: told("contents", many))
        return Dropped(before_ms=found.before_ms, contents=done, event=event)
