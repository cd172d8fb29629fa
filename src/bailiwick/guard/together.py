"""Records that tasks of one event loop write at the same time reach the log in one go: one hand-over to another thread
for all of them, instead of a thread's turn for each. DESIGN §5 *Audit*, group commit.

INVARIANT: each is written, refused and acknowledged by itself, as if it had come alone.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from concurrent.futures import Executor, Future
from contextlib import suppress
from typing import Any
from weakref import WeakKeyDictionary

from bailiwick.audit.log import EventLog
from bailiwick.errors import LogUnavailable
from bailiwick.model.event import Draft, Receipt
from bailiwick.model.tool import Durability

__all__ = ["Together"]

AT_ONCE = 2
"""So many lots of one loop are on their way at a time: one is committed while the other is synced."""

_Answer = tuple[Receipt, ...] | LogUnavailable
_Asked = tuple[EventLog, Sequence[Draft], Durability, asyncio.Future[Any]]


class _Waiting:
    """What tasks of one loop have asked for and nobody has begun to write, in order; `due`: that it is about to be
    looked at. Touched in its loop alone."""

    def __init__(self) -> None:
        self.asked: list[_Asked] = []
        self.under_way = 0
        self.due = False


class Together:
    """Gathers what the tasks of a loop append. One for all sessions of a Guard, whichever loops they run in."""

    def __init__(self) -> None:
        self._loops: WeakKeyDictionary[asyncio.AbstractEventLoop, tuple[_Waiting, _Waiting]] = WeakKeyDictionary()
        self._lock = threading.Lock()

    def append(
        self, log: EventLog, drafts: Sequence[Draft], durability: Durability, executor: Executor
    ) -> asyncio.Future[tuple[Receipt, ...]]:
        """The receipts, once the records are as durable as asked. Called in a running loop."""
        loop = asyncio.get_running_loop()
        with self._lock:
            lots = self._loops.get(loop)
            if lots is None:
                # What waits for witnesses goes by itself: nothing else is to wait for them.
                lots = self._loops[loop] = (_Waiting(), _Waiting())
        ordinary, witnessed = lots
        waiting = witnessed if durability is Durability.WITNESSED else ordinary
        future: asyncio.Future[tuple[Receipt, ...]] = loop.create_future()
        waiting.asked.append((log, drafts, durability, future))
        if not waiting.due:  # once all have asked that were ready to: they go as one lot
            waiting.due = True
            loop.call_soon(_begin, loop, waiting, executor)
        return future


def _begin(loop: asyncio.AbstractEventLoop, waiting: _Waiting, executor: Executor) -> None:
    """Hand over what is asked, a lot for each log, unless enough is under way: then it is done when that has ended."""
    waiting.due = False
    while waiting.asked and waiting.under_way < AT_ONCE:
        log = waiting.asked[0][0]
        lot = [each for each in waiting.asked if each[0] is log]
        waiting.asked = [each for each in waiting.asked if each[0] is not log]
        _hand_over(loop, waiting, executor, log, lot)


def _hand_over(
    loop: asyncio.AbstractEventLoop, waiting: _Waiting, executor: Executor, log: EventLog, lot: Sequence[_Asked]
) -> None:
    def answer(answers: Sequence[object]) -> None:
        for (*_, future), found in zip(lot, answers, strict=True):
            if future.done():
                continue
            if isinstance(found, BaseException):
                future.set_exception(found)
            else:
                future.set_result(found)

    def ended(done: Future[Sequence[_Answer]]) -> None:
        waiting.under_way -= 1
        error = done.exception()
        answer([error] * len(lot) if error is not None else done.result())
        _begin(loop, waiting, executor)

    def tell(done: Future[Sequence[_Answer]]) -> None:
        with suppress(RuntimeError):  # the loop was closed: nobody waits any more
            loop.call_soon_threadsafe(ended, done)

    wanted = [(drafts, durability) for _, drafts, durability, _ in lot]
    try:
        written = executor.submit(_write, log, wanted)
    except RuntimeError as error:  # it was shut down
        answer([error] * len(lot))
        return
    waiting.under_way += 1
    written.add_done_callback(tell)


def _write(log: EventLog, wanted: Sequence[tuple[Sequence[Draft], Durability]]) -> Sequence[_Answer]:
    if len(wanted) == 1:
        return (log.append(*wanted[0]),)
    return log.append_all(wanted)
