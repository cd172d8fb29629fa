"""Full disks (DESIGN §3 promises 1 and 5): where a decision cannot be recorded nothing runs, what was acknowledged
stays, and once there is room again the next process goes on. On real small file systems where this process may mount
one, and with a limit on the size of files everywhere. More sizes under BAILIWICK_SOAK=1."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bailiwick.audit.report import State
from bailiwick.stores.log_verification import verify_folder
from tests.stores.raw_log import read_raw_folder
from tests.worlds import LOGS, Tool, make_world, opened

ROOT = Path(__file__).parents[2]
STATE = LOGS.parent
LONG = bool(os.environ.get("BAILIWICK_SOAK"))
LIMITS = range(800_000, 3_000_000, 150_000) if LONG else (1_000_000,)
DISKS = (*((LOGS, size) for size in range(1_000, 4_000, 500)), *((STATE, size) for size in range(2_000, 5_000, 500)))


def fill(folder: Path, limit: int = 0) -> dict[str, list[str]]:
    """What a process told that worked until its disk was full, by the first word of the line."""
    command = [sys.executable, "-m", "tests.guard.filling", str(folder), str(limit)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    told: dict[str, list[str]] = {"ack": [], "ran": [], "refused": [], "later": []}
    for line in done.stdout.splitlines():
        word, _, rest = line.partition(" ")
        told[word].append(rest)
    return told


def check(folder: Path, told: dict[str, list[str]]) -> None:
    events = {event["id"]: event for log in read_raw_folder(folder / LOGS) for event in log.events}
    permitted = {event_id for event_id, event in events.items() if event["body"].get("permit")}
    assert set(told["ack"]) <= permitted, "nothing that was acknowledged is lost"
    assert set(told["ran"]) <= permitted, "nothing ran without its decision"
    assert told["ran"]
    assert told["refused"], "the disk was full"
    assert len(told["later"]) == 5, "and nothing runs from there on"


def goes_on(folder: Path) -> None:
    """There is room again."""
    tool = Tool("done")
    with opened(folder, conversation="after") as session:
        session.call("put.safe", {"id": "after"}, run=tool.run)
    assert len(tool.runs) == 1
    report = verify_folder(folder / LOGS)
    assert report.state is State.SOUND, report


@pytest.mark.soak
@pytest.mark.parametrize("limit", LIMITS)
def test_promise_5_files_that_may_not_grow_deny_and_lose_nothing(tmp_path: Path, limit: int) -> None:
    folder = make_world(tmp_path)
    with opened(folder):
        pass
    check(folder, fill(folder, limit))
    goes_on(folder)


@contextmanager
def small_disk(at: Path, size: str) -> Iterator[None]:
    """A file system of this size."""
    at.mkdir(parents=True, exist_ok=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(at)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("this process may not mount a file system")
    try:
        yield
    finally:
        subprocess.run(["umount", str(at)], check=True)


@pytest.mark.soak
@pytest.mark.parametrize(("which", "size"), DISKS if LONG else [(LOGS, 1_000), (STATE, 2_000)])
def test_promise_5_a_full_disk_denies_and_loses_nothing(tmp_path: Path, which: Path, size: int) -> None:
    folder = make_world(tmp_path)
    with small_disk(folder / which, f"{size}k"):
        check(folder, fill(folder))
        subprocess.run(["mount", "-o", "remount,size=64m", str(folder / which)], check=True)
        goes_on(folder)
