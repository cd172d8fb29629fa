"""A process of its own that records in a project, or erases in it and is killed on the way."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from bailiwick import Guard
from bailiwick.guard.administration.erasing import SubjectOrder
from bailiwick.model.decision import Reason
from bailiwick.project.erasing import Eraser


def record(folder: Path, *texts: str) -> None:
    """One prompt for each line of standard input."""
    with (
        Guard.open(folder) as guard,
        guard.session(user="alice", agent="desk-bot", task="Work", conversation="other") as session,
    ):
        for text in texts:
            session.prompt(text)
            print("recorded", flush=True)
            sys.stdin.readline()


def die(folder: Path, at: str) -> None:
    """Erase alice, and be gone without a word when that step begins."""

    def told(doing: str, _many: int) -> None:
        if doing == at:
            os.kill(os.getpid(), signal.SIGKILL)

    order = SubjectOrder(subject="user:alice", by="dora", reason="she asked", os_user="")
    with Guard.open(folder) as guard:
        eraser = Eraser(guard)
        found = eraser.count(order)
        assert not isinstance(found, Reason)
        eraser.erase(order, found, told)


if __name__ == "__main__":
    what, project, *rest = sys.argv[1:]
    if what == "record":
        record(Path(project), *rest)
    else:
        die(Path(project), rest[0])
