"""Hands on the kill switches, and a process of its own: `python -m tests.guard.switches`, used by test_suspension.py.

It reads orders from stdin, forks a child for each, and says `gone STATUS` of each when it is over.

    race PROJECT N       be the Nth of those who suspend and resume two agents at random, in a guard of one's own
    step PROJECT N       suspend desk-bot (even N) or resume it (odd N) and die by SIGKILL at touch N // 4 of the log or
                         the store: before it (N // 2 even), or after
"""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path

from bailiwick import Guard
from bailiwick.guard.administration.suspending import Order, resume, suspend
from bailiwick.model.decision import Reason
from bailiwick.model.suspensions import Suspension, Target, TargetKind
from tests.guard.worker import Deadly
from tests.worlds import with_ports

__all__ = ["BOT", "EVERYTHING", "ordered", "resumed", "suspended"]

BOT = Target(TargetKind.AGENT, "desk-bot")
EVERYTHING = Target(TargetKind.EVERYTHING)
ROUNDS = 6


def ordered(target: Target, by: str, reason: str = "odd mails") -> Order:
    return Order(target=target, by=by, reason=reason, os_user="0:test")


def suspended(guard: Guard, target: Target, *, by: str = "carol", reason: str = "odd mails") -> Suspension | Reason:
    order = ordered(target, by, reason)
    return guard.engine.administer(lambda core: suspend(core, order))


def resumed(guard: Guard, target: Target, *, by: str = "bob") -> Suspension | Reason:
    order = ordered(target, by)
    return guard.engine.administer(lambda core: resume(core, order))


def race(folder: Path, number: int) -> None:
    luck = random.Random(number)
    with Guard.open(folder) as guard:
        for _ in range(ROUNDS):
            target = Target(TargetKind.AGENT, luck.choice(("desk-bot", "scout")))
            order = luck.choice((suspended, resumed))
            order(guard, target, by=luck.choice(("bob", "carol", "dora")))


def step(folder: Path, number: int) -> None:
    with Guard.open(folder) as guard:
        if number % 2:
            suspended(guard, BOT, by="carol")
        deadly, ports = Deadly(2 * (number // 4) + number // 2 % 2), guard.engine.ports
        with_ports(guard, log=deadly.wrap(ports.log), suspensions=deadly.wrap(ports.suspensions))
        if number % 2:
            resumed(guard, BOT, by="bob")
        else:
            suspended(guard, BOT, by="carol")
        with_ports(guard, log=ports.log, suspensions=ports.suspensions)


def main() -> None:
    """All children at once; their statuses in the order of the orders."""
    children: list[int] = []
    for line in sys.stdin:
        order, folder, number = line.split()
        child = os.fork()
        if child == 0:
            {"race": race, "step": step}[order](Path(folder), int(number))
            os._exit(0)
        children.append(child)
    for child in children:
        _, status = os.waitpid(child, 0)
        print("gone", os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()
