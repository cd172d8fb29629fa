"""A process of its own whose children use a budget up: `python -m tests.guard.spender`. Used by test_budget_race.py.

It reads orders from stdin and forks a child for each (so that nothing has to be imported again); children go off when
`go` comes, all at once. It says `gone STATUS` for each once all are over.

    race PROJECT THREADS   so many threads make one call each at the same moment
    step PROJECT N         make one call and die by SIGKILL at touch N // 2 of a store: before it (even N), after (odd)
    mail PROJECT N         the same with a mail, which somebody has approved
    run PROJECT SEED       two threads make calls until somebody kills them; a `.` for each that is over

What the tools do is kept in PROJECT/effects, one line a run: the id of the decision.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from bailiwick import BailiwickError, Guard
from bailiwick.guard.current import running_permit
from tests.guard.worker import Deadly
from tests.worlds import AGENT, MAIL, with_ports

PORTS = ("log", "approvals", "in_flight", "ledger", "budgets")


def effect(folder: Path) -> Callable[..., str]:
    """A tool whose every run can be counted, also after a kill."""

    def run(**_: object) -> str:
        permit = running_permit()
        assert permit is not None
        file = os.open(folder / "effects", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(file, f"{permit.event_id}\n".encode())
        os.close(file)
        return "done"

    return run


def race(folder: Path, threads: int, go: int) -> None:
    with Guard.open(folder) as guard:
        start = threading.Barrier(threads + 1)

        def call(number: int) -> None:
            name = f"c-{os.getpid()}-{number}"
            with guard.session(user="alice", agent=AGENT, task="Work", conversation=name) as session:
                start.wait()
                with suppress(BailiwickError):
                    session.call("put.safe", {"id": name}, run=effect(folder))

        racing = [threading.Thread(target=call, args=(number,)) for number in range(threads)]
        for thread in racing:
            thread.start()
        os.write(1, b"ready\n")
        os.read(go, 1)
        start.wait()
        for thread in racing:
            thread.join()


def step(folder: Path, at: int, _go: int) -> None:
    die_in(folder, at, "put.safe", {"id": "item-1"})


def mail(folder: Path, at: int, _go: int) -> None:
    die_in(folder, at, "mail.send", MAIL)


def die_in(folder: Path, at: int, tool: str, args: Mapping[str, object]) -> None:
    with (
        Guard.open(folder) as guard,
        guard.session(user="alice", agent=AGENT, task="Work", conversation="c-1") as session,
    ):
        deadly, ports = Deadly(at), session._engine.ports
        with_ports(session, **{name: deadly.wrap(getattr(ports, name)) for name in PORTS})
        session.call(tool, args, run=effect(folder))
        with_ports(session, **{name: getattr(ports, name) for name in PORTS})


def run(folder: Path, seed: int, _go: int) -> None:
    guard = Guard.open(folder)

    def work(number: int) -> None:
        name = f"c-{seed}-{number}"
        session = guard.session(user="alice", agent=AGENT, task="Work", conversation=name).__enter__()
        for count in range(1000):
            with suppress(BailiwickError):
                session.call("put.safe", {"id": f"item-{count}"}, run=effect(folder))
            os.write(1, b".")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def main() -> None:
    go, going = os.pipe()
    children: list[int] = []
    for line in sys.stdin:
        order, *rest = line.split()
        if order == "go":
            os.write(going, b"x" * len(children))
            for child in children:
                _, status = os.waitpid(child, 0)
                os.write(1, f"\ngone {os.waitstatus_to_exitcode(status)}\n".encode())
            children.clear()
            continue
        child = os.fork()
        if child == 0:
            os.write(1, f"pid {os.getpid()}\n".encode())
            {"race": race, "step": step, "mail": mail, "run": run}[order](Path(rest[0]), int(rest[1]), go)
            os._exit(0)
        children.append(child)


if __name__ == "__main__":
    main()
