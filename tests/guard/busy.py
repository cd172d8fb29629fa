"""Processes that are killed while they work: `python -m tests.guard.busy`. Used by test_busy_kills.py.

Orders on stdin: `start PROJECT SEED` forks a child that works in several threads until somebody kills it; `reap PID`
waits for its end. On stdout, a line each: `pid PID`; `ack EVENT`, for each record whose writing a child was told of;
`gone PID STATUS`. A tool's every run leaves a file PROJECT/effects/DECISION.
"""

from __future__ import annotations

import os
import random
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from bailiwick import BailiwickError, Guard, Session
from bailiwick.guard.current import running, running_permit
from tests.worlds import AGENT

THREADS = 3


def effect(folder: Path) -> Callable[..., str]:
    def run(**_: object) -> str:
        permit = running_permit()
        assert permit is not None
        os.close(os.open(folder / "effects" / permit.event_id, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
        return "done"

    return run


def ack(event: str) -> None:
    os.write(1, f"ack {event}\n".encode())


def one_call(folder: Path, session: Session, luck: random.Random) -> None:
    tool, item = luck.choice((("put.safe", "1"), ("put.key", f"{luck.random()}"), ("fact.read", "1")))
    if luck.random() < 0.2:
        with session.model_call("a-model", inputs=[f"read {luck.randrange(9)}"]) as call:
            call.piece("an answer")
        ack(call.event_id)
        return
    permit = session.enter(tool, {"id": item})
    ack(permit.event_id)
    session.start(permit)
    if luck.random() < 0.1:
        session.cancelled(permit)
        return
    with running(permit):
        done = effect(folder)()
    session.leave(permit, done)


def work(folder: Path, seed: int) -> None:
    def busy(guard: Guard, number: int) -> None:
        luck = random.Random(seed * THREADS + number)
        with guard.session(user="alice", agent=AGENT, task="Work", conversation=f"c-{number % 2}") as session:
            while True:
                with suppress(BailiwickError):
                    one_call(folder, session, luck)

    with Guard.open(folder) as guard:
        threads = [threading.Thread(target=busy, args=(guard, number)) for number in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def main() -> None:
    for line in sys.stdin:
        order, *rest = line.split()
        if order == "reap":
            _, status = os.waitpid(int(rest[0]), 0)
            os.write(1, f"gone {rest[0]} {os.waitstatus_to_exitcode(status)}\n".encode())
            continue
        child = os.fork()
        if child == 0:
            work(Path(rest[0]), int(rest[1]))
            os._exit(0)
        os.write(1, f"pid {child}\n".encode())


if __name__ == "__main__":
    main()
