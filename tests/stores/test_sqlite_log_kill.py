"""kill -9 of a process that writes: nothing that was acknowledged is lost, and the log goes on. DESIGN §3 promise 5."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bailiwick.audit.report import State
from bailiwick.model.event import EventKind
from bailiwick.stores.log_file import is_held, list_logs
from bailiwick.stores.log_verification import verify_folder
from tests.stores.log_process import open_log

ROOT = Path(__file__).parents[2]
LONG = bool(os.environ.get("BAILIWICK_SOAK"))
RUNS = [(how, lines) for how in ("sync", "buffered") for lines in ((1, 7, 60, 400) if not LONG else range(1, 400, 8))]


@pytest.mark.soak
@pytest.mark.parametrize(("how", "lines"), RUNS)
def test_promise_5_nothing_acknowledged_is_lost_when_the_process_is_killed(
    tmp_path: Path, how: str, lines: int
) -> None:
    command = [sys.executable, "-m", "tests.stores.log_process", str(tmp_path), how]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        acknowledged = [writer.stdout.readline() for _ in range(lines)]
        writer.send_signal(signal.SIGKILL)
        acknowledged += writer.stdout.readlines()
    seqs = {int(seq): event_id for seq, event_id in (line.split() for line in acknowledged if line.endswith("\n"))}
    assert len(seqs) >= lines

    report = verify_folder(tmp_path)
    assert report.state is State.SOUND, report
    permitted = {call.decision for call in report.unknown}
    assert set(seqs.values()) <= permitted
    (path,) = list_logs(tmp_path)
    assert not is_held(path)

    with open_log(tmp_path) as again:
        assert again.path == path
        assert not again.skipped
        events = {event.seq: event.id for event in again.events()}
        assert seqs.items() <= events.items()
        assert {event.id for event in again.unresolved} == permitted
        assert next(iter(again.events(kinds=[EventKind.LOG_RECOVERED]))).body["to_seq"] == report.logs[0].head[0] - 1
    assert verify_folder(tmp_path).state is State.SOUND
