"""The core with its ports, and what happens when it cannot do its work: the call is denied, or the result withheld."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeVar

from bailiwick.errors import BailiwickError, LogUnavailable, OutcomeUnrecorded, StoreError, Unwitnessed, UsageError
from bailiwick.guard.core import Core, Refusal
from bailiwick.guard.decide import deny
from bailiwick.guard.drivers import drive, drive_async, uncancelled
from bailiwick.guard.effects import Append, Flow, Now, WhatHolds
from bailiwick.guard.planes import Planes
from bailiwick.guard.ports import Ports
from bailiwick.guard.record import refusal_draft
from bailiwick.guard.state import Permit
from bailiwick.guard.together import Together
from bailiwick.model.decision import Decision, Plane, Reason
from bailiwick.model.event import Receipt
from bailiwick.model.tool import Durability

__all__ = ["Engine"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, weakref_slot=True)
class Engine:
    """What all sessions of a Guard share. `executor` runs the stores for the async driver, `together` gathers what its
    tasks append."""

    ports: Ports
    executor: Executor
    together: Together = field(default_factory=Together)

    @property
    def core(self) -> Core:
        """The core with the planes that held last: enough to record what became of a call, never to decide one."""
        return Core(planes=self.ports.holding.latest, new_id=self.ports.new_id)

    def run(self, flow: Flow[T]) -> T:
        """Run a flow; what a store raises reaches the caller."""
        return drive(flow, self.ports)

    async def arun(self, flow: Flow[T]) -> T:
        """`run` for the async driver, to the flow's end even if this task is cancelled meanwhile."""
        return await uncancelled(asyncio.ensure_future(drive_async(flow, self.ports, self.executor, self.together)))

    def decide(self, make: Callable[[Core], Flow[T]], what: str) -> T | Refusal:
        """Run a flow that decides, with what holds now. INVARIANT: whatever goes wrong in it denies (promise 1)."""
        try:
            return drive(self.now(make), self.ports)
        except Exception as error:  # noqa: BLE001  whatever it is, the call is denied
            return self._refusal(error, what)

    def administer(self, make: Callable[[Core], Flow[T]]) -> T:
        """Run a flow of administration with what holds now. What a store raises reaches the caller: nothing was done
        then, or it is on record that it was begun."""
        return drive(self.now(make), self.ports)

    async def aadminister(self, make: Callable[[Core], Flow[T]]) -> T:
        """`administer` for the async driver."""
        return await drive_async(self.now(make), self.ports, self.executor, self.together)

    async def adecide(self, make: Callable[[Core], Flow[T]], what: str) -> T | Refusal:
        """`decide` for the async driver."""
        try:
            return await drive_async(self.now(make), self.ports, self.executor, self.together)
        except Exception as error:  # noqa: BLE001  whatever it is, the call is denied
            return self._refusal(error, what)

    def now(self, make: Callable[[Core], Flow[T]]) -> Flow[T]:
        """The flow that `make` gives for a core with the planes that hold now, from its beginning to its end."""
        planes: Planes = yield WhatHolds()
        return (yield from make(Core(planes=planes, new_id=self.ports.new_id)))

    def recorded(self, flow: Flow[T], permit: Permit) -> T:
        """Run a flow that records an outcome. Raises OutcomeUnrecorded if it cannot: the result is withheld, and the
        call counts as one that may have run."""
        try:
            return drive(flow, self.ports)
        except UsageError:
            raise
        except Exception as error:
            self.lose(permit)
            raise _unrecorded(error, permit) from error

    async def arecorded(self, flow: Flow[T], permit: Permit) -> T:
        """`recorded` for the async driver. It is recorded to the end even if this task is cancelled meanwhile."""
        return await uncancelled(asyncio.ensure_future(self._arecorded(flow, permit)))

    async def _arecorded(self, flow: Flow[T], permit: Permit) -> T:
        try:
            return await drive_async(flow, self.ports, self.executor, self.together)
        except UsageError:
            raise
        except Exception as error:
            self.lose(permit)
            raise _unrecorded(error, permit) from error

    def lose(self, *permits: Permit) -> None:
        """Nobody will report the outcome of these calls: they may have run (promise 5). Known here at once, to other
        processes as soon as the store, or the end of this process, tells them."""
        self.ports.lost.update(permit.id for permit in permits)
        for permit in permits:
            permit.handles.close()
            with suppress(StoreError):
                self.ports.in_flight.mark_unknown(permit.id)
            if permit.counted:
                with suppress(StoreError):
                    self.ports.budgets.settle(permit.id, {}, now_ms=0)  # it may have run, so all of it stays counted

    def _refusal(self, error: Exception, what: str) -> Refusal:
        failed = "log-unavailable" if isinstance(error, LogUnavailable) else "guard-failure"
        decision = deny(
            what,
            Reason(
                plane=Plane.GUARD,
                code="unwitnessed" if isinstance(error, Unwitnessed) else failed,
                message=f"The call could not be decided, so it is denied: {_told(error)}.",
                hint=getattr(error, "hint", "") or "Tell the operator; the call may be made again later.",
            ),
        )
        return self.record_refusal(decision)

    def record_refusal(self, decision: Decision) -> Refusal:
        """Record a denial that was taken outside of any session. It stands even where it cannot be recorded."""
        event_id = self.ports.new_id()
        try:
            receipt = drive(self._record(decision, event_id), self.ports)
        except Exception:  # noqa: BLE001  the denial stands
            return Refusal(decision=decision, event_id="")
        return Refusal(decision=decision, event_id=event_id, receipt=receipt)

    def _record(self, decision: Decision, event_id: str) -> Flow[Receipt]:
        now_us: int = yield Now()
        draft = refusal_draft(self.core.planes, decision, event_id=event_id, now_us=now_us)
        receipts: Sequence[Receipt] = yield Append((draft,), Durability.BUFFERED)
        return receipts[0]


def _told(error: Exception) -> str:
    """What may be said of an error: our own texts hold no secrets, those of others may."""
    return str(error) if isinstance(error, BailiwickError) else type(error).__name__


def _unrecorded(error: Exception, permit: Permit) -> OutcomeUnrecorded:
    return OutcomeUnrecorded(
        f"{permit.action.tool.name} ran, but its outcome could not be recorded: {_told(error)}; the result is withheld",
        decision=permit.decision,
        event_id=permit.event_id,
        receipt=permit.receipt,
        hint=error.hint if isinstance(error, BailiwickError) else "",
    )
