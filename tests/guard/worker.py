"""A process of its own whose children are killed: `python -m tests.guard.worker`. Used by test_kill.py.

It reads orders from stdin, forks a child for each (so that nothing has to be imported again), and says `gone STATUS`
when that child is over. A child says `pid PID` first.

    run PROJECT SEED    two threads make random governed calls until somebody kills them; a `.` for each that is over
    step PROJECT N      make one approved call and die by SIGKILL at touch N // 2 of a store: before it (even N), after
    remembered PROJECT N    the same of a call that a standing grant covers
    grant, deny, edit, withdraw PROJECT N    the same of what a person says to the last request of letter 0

What the tools do is kept in PROJECT/effects, one line a run: id of the decision, tool, argument.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from bailiwick import BailiwickError, Guard, Session
from bailiwick.guard.approvals.approving import Answer, answer, withdrawn
from bailiwick.guard.current import running_permit
from tests.worlds import AGENT, MAIL, claimed, opened, with_ports

PUTS = ("put.none", "put.key", "put.safe")
POOL = 6
MAILS = 4
PORTS = ("log", "approvals", "in_flight", "ledger")
WORDS = ("grant", "deny", "edit", "withdraw")
EDITED = {**MAIL, "body": "another letter"}


def mail(number: int) -> dict[str, Any]:
    return {**MAIL, "body": f"letter {number}"}


def effect(folder: Path, tool: str, what: str) -> Callable[..., str]:
    """A tool whose every run can be counted, also after a kill."""

    def run(**args: object) -> str:
        permit = running_permit()
        assert permit is not None
        file = os.open(folder / "effects", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(file, f"{permit.event_id} {tool} {what}\n".encode())
        os.fsync(file)
        os.close(file)
        return "done"

    return run


def random_call(folder: Path, guard: Guard, session: Session, luck: random.Random) -> None:
    match luck.choice(("put", "put", "put", "send", "send", "read", "denied", "other session")):
        case "put":
            tool, item = luck.choice(PUTS), f"item-{luck.randrange(POOL)}"
            session.call(tool, {"id": item}, run=effect(folder, tool, item))
        case "send":
            number = luck.randrange(MAILS)
            session.call("mail.send", mail(number), run=effect(folder, "mail.send", f"letter-{number}"))
        case "read":
            session.call("fact.read", {"id": "1"}, run=lambda **_: {"name": "Ann"})
        case "denied":
            session.call("page.read", {"id": "9"}, run=effect(folder, "page.read", "9"))
        case "other session":
            with guard.session(user="alice", agent=AGENT, task="Work", conversation=f"c-{luck.random()}") as other:
                other.call("put.safe", {"id": "item-0"}, run=effect(folder, "put.safe", "item-0"))
                other.call("put.safe", {"id": "item-1"}, run=lambda **_: 1 / 0)


def run(folder: Path, seed: int) -> None:
    with opened(folder) as session:
        guard = Guard.open(folder)

        def work(number: int) -> None:
            luck = random.Random(seed * 2 + number)
            # The second thread works in a guard of its own, as another process would.
            ways = (session, guard.session(user="alice", agent=AGENT, task="Work", conversation="c-1").__enter__())
            while True:
                with suppress(BailiwickError, ZeroDivisionError):
                    random_call(folder, guard, ways[number], luck)
                os.write(1, b".")

        threads = [threading.Thread(target=work, args=(number,)) for number in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


class Deadly:
    """Ports that count how often they are touched, all together, and kill the process at one of these times."""

    def __init__(self, at: int) -> None:
        self.left = at // 2
        self.after = at % 2 == 1

    def wrap(self, port: object) -> Any:
        deadly = self

        class Port:
            def __getattr__(self, name: str) -> Any:
                work = getattr(port, name)
                return (lambda *args, **kwargs: deadly.touch(work, *args, **kwargs)) if callable(work) else work

        return Port()

    def touch(self, work: Callable[..., object], *args: object, **kwargs: object) -> object:
        mine, self.left = self.left == 0, self.left - 1
        if mine and not self.after:
            os.kill(os.getpid(), signal.SIGKILL)
        done = work(*args, **kwargs)
        if mine:
            os.kill(os.getpid(), signal.SIGKILL)
        return done


def step(folder: Path, at: int, touched: tuple[str, ...] = PORTS) -> None:
    with opened(folder) as session:
        deadly, ports = Deadly(at), session._engine.ports
        with_ports(session, **{name: deadly.wrap(getattr(ports, name)) for name in touched})
        session.call("mail.send", mail(0), run=effect(folder, "mail.send", "letter-0"))
        with_ports(session, **{name: getattr(ports, name) for name in touched})


def remembered(folder: Path, at: int) -> None:
    step(folder, at, (*PORTS, "remembered"))


def says(folder: Path, at: int, word: str) -> None:
    """A person's answer, in a process of its own."""
    with Guard.open(folder) as guard:
        engine, ports = guard.engine, guard.engine.ports
        session = next(item.session for item in guard.state.history("acme", "test", 100))
        request = guard.state.by_session(session)[-1].id
        deadly = Deadly(at)
        object.__setattr__(
            engine, "ports", replace(ports, **{name: deadly.wrap(getattr(ports, name)) for name in PORTS})
        )
        edited = EDITED if word == "edit" else None
        given = Answer(approval_id=request, by=claimed("bob"), grant=word != "deny", edited=edited)
        if word == "withdraw":
            engine.administer(lambda core: withdrawn(core, request, claimed("alice")))
        else:
            engine.administer(lambda core: answer(core, given))
        object.__setattr__(engine, "ports", ports)


ORDERS: dict[str, Callable[[Path, int], None]] = {"run": run, "step": step, "remembered": remembered}


def main() -> None:
    for line in sys.stdin:
        order, folder, number = line.split()
        child = os.fork()
        if child == 0:
            os.write(1, f"pid {os.getpid()}\n".encode())
            if order in WORDS:
                says(Path(folder), int(number), order)
            else:
                ORDERS[order](Path(folder), int(number))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        os.write(1, f"\ngone {os.waitstatus_to_exitcode(status)}\n".encode())


if __name__ == "__main__":
    main()
