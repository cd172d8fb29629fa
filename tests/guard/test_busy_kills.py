"""Promise 5 (DESIGN §3): two processes of three threads each work on one project folder and are killed by `kill -9` at
random instants, over and over. What the tools did lies on the disk; the logs are read without bailiwick.

4 rounds of 2 kills; 500 under BAILIWICK_SOAK=1.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from bailiwick.audit.report import State
from bailiwick.stores.log_verification import verify_folder
from tests.stores.raw_log import RawLog, read_raw_folder
from tests.worlds import LOGS, Tool, make_world, opened

ROOT = Path(__file__).parents[2]
ROUNDS = int(os.environ.get("BAILIWICK_KILL_ROUNDS", "500")) if os.environ.get("BAILIWICK_SOAK") else 4
IN_ONE_WORLD = 6
PROCESSES = 2
ENDS = ("action.completed", "action.failed", "action.cancelled", "action.expired")


class Busy:
    """The process whose children are killed, and what they were told is on record."""

    def __init__(self) -> None:
        self.acknowledged: set[str] = set()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.guard.busy"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def order(self, text: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(text + "\n")
        self._process.stdin.flush()

    def until(self, word: str) -> str:
        """Read on to the line that begins so. → the rest of it."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            told, _, rest = line.rstrip("\n").partition(" ")
            if told == "ack":
                self.acknowledged.add(rest)
            if told == word:
                return rest
        raise AssertionError("the process that forks the others died")

    def close(self) -> None:
        self._process.communicate()


@pytest.fixture(scope="module")
def busy() -> Iterator[Busy]:
    made = Busy()
    yield made
    made.close()


def check(folder: Path, acknowledged: set[str]) -> list[RawLog]:
    """What must hold of the files, by a reader of its own."""
    logs = read_raw_folder(folder / LOGS)
    events = {event["id"]: event for log in logs for event in log.events}
    assert len(events) == sum(len(log.events) for log in logs), "an event lies in one log, once"
    assert acknowledged <= events.keys(), "nothing that was acknowledged is lost"
    ran = {path.name for path in (folder / "effects").iterdir()}
    permitted = {
        event["id"] for event in events.values() if event["kind"] == "decision" and event["body"].get("permit")
    }
    assert ran <= permitted, "what ran was decided before, and the decision is on record"
    ends = Counter(event["body"]["decision"] for event in events.values() if event["kind"] in ENDS)
    assert not ends or max(ends.values()) == 1
    return logs


@pytest.mark.soak
@pytest.mark.parametrize("world", range(-(-ROUNDS // IN_ONE_WORLD)))
def test_promise_5_whatever_is_killed_nothing_acknowledged_is_lost_and_nothing_ran_undecided(
    tmp_path: Path, busy: Busy, world: int
) -> None:
    folder, luck = make_world(tmp_path), random.Random(world)
    (folder / "effects").mkdir()
    busy.acknowledged.clear()
    for _ in range(min(IN_ONE_WORLD, ROUNDS)):
        pids = []
        for _ in range(PROCESSES):
            busy.order(f"start {folder} {luck.randrange(2**31)}")
            pids.append(int(busy.until("pid")))
        for _ in range(luck.choice((1, 3, 10, 40))):
            busy.until("ack")
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
            busy.order(f"reap {pid}")
            assert busy.until("gone") == f"{pid} -9"
        logs = check(folder, busy.acknowledged)
        ran = {path.name for path in (folder / "effects").iterdir()}
        ended = {event["body"]["decision"] for log in logs for kind in ENDS for event in log.of_kind(kind)}
        with opened(folder, conversation="after") as session:
            session.call("fact.read", {"id": "1"}, run=Tool({"name": "Ann"}).run)
        report = verify_folder(folder / LOGS)
        assert report.state is State.SOUND, report
        assert ran - ended <= {call.decision for call in report.unknown}, "it ran, and nobody knows what became of it"
        assert len(logs) <= PROCESSES, "a log that nobody holds any more is continued"
    assert busy.acknowledged
