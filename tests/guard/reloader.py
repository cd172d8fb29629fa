"""A process of its own that makes calls while bundles are activated: `python -m tests.guard.reloader PROJECT`.

Two threads and one event loop make calls until a line comes on stdin. Says "ready" once all of them made one; at the
end prints, as JSON, what went wrong and when the call of each decision began.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from bailiwick import BailiwickError, Guard, Session
from bailiwick.guard.current import running_permit
from tests.worlds import AGENT, Tool

THREADS = 2


class Callers:
    """Calls from threads and tasks that go on until `stop`."""

    def __init__(self, guard: Guard) -> None:
        self.guard = guard
        self.made = 0
        self.wrong: list[str] = []
        self.began: dict[str, int] = {}
        """When a call began, in microseconds, by the event of its decision."""
        self.stop = threading.Event()
        self.under_way = threading.Barrier(THREADS + 2)
        self._changed = threading.Condition()
        self._threads = [threading.Thread(target=self._sync, args=(n,)) for n in range(THREADS)]
        self._threads.append(threading.Thread(target=lambda: asyncio.run(self._async())))

    def start(self) -> None:
        for thread in self._threads:
            thread.start()
        self.under_way.wait(30)

    def end(self) -> None:
        self.stop.set()
        for thread in self._threads:
            thread.join()

    def _session(self, name: str) -> Session:
        return self.guard.session(user="alice", agent=AGENT, task="Work", conversation=name)

    def _count(self, wrong: BaseException | None = None) -> None:
        with self._changed:
            self.made += 1
            if wrong is not None:
                self.wrong.append(f"{type(wrong).__name__}: {wrong}")
            self._changed.notify_all()

    def wait_for(self, calls: int) -> None:
        """Return once so many calls are over, or one went wrong."""
        with self._changed:
            assert self._changed.wait_for(lambda: self.wrong or self.made >= calls, 60)

    def _tool(self) -> Tool:
        """One for each call, made when it begins."""
        began = time.time_ns() // 1000

        def note() -> None:
            permit = running_permit()
            assert permit is not None
            self.began[permit.event_id] = began

        return Tool({}, before=note)

    def _sync(self, number: int) -> None:
        # Both threads share a conversation, as two requests of one chat do.
        with self._session("shared") as session:
            self._until_stopped(lambda: session.call("fact.read", {"id": str(number)}, run=self._tool().run))

    def _until_stopped(self, make: Callable[[], object]) -> None:
        first = True
        while not self.stop.is_set():
            try:
                make()
            except BailiwickError as error:
                self._count(error)
            else:
                self._count()
            if first:
                self.under_way.wait(30)
                first = False

    async def _async(self) -> None:
        with self._session("async") as session:
            first = True
            while not self.stop.is_set():
                some = [session.acall("fact.read", {"id": str(n)}, run=self._tool().arun) for n in range(2)]
                for told in await asyncio.gather(*some, return_exceptions=True):
                    self._count(told if isinstance(told, BaseException) else None)
                if first:
                    await asyncio.to_thread(self.under_way.wait, 30)
                    first = False


def main(folder: Path) -> None:
    with Guard.open(folder) as guard:
        callers = Callers(guard)
        callers.start()
        print("ready", flush=True)
        sys.stdin.readline()
        callers.end()
        print(json.dumps({"wrong": callers.wrong[:5], "began": callers.began}), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
