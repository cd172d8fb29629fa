"""A process that works until its disk is full: `python -m tests.guard.filling PROJECT BYTES`, for test_full_disk.py.

BYTES is how large its files may become (0: as large as they can). On stdout, a line each: `ack EVENT` for each decision
that permits a call, `ran DECISION` for each run of a tool, `refused CODE`, and `later CODE` for the calls that it makes
after the first refusal.
"""

from __future__ import annotations

import os
import resource
import sys
from contextlib import suppress
from pathlib import Path

from bailiwick import BailiwickError, Guard
from bailiwick.errors import Refused
from bailiwick.guard.current import running_permit
from tests.worlds import AGENT


def main() -> None:
    folder, limit = Path(sys.argv[1]), int(sys.argv[2])
    if limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    def run(**_: object) -> str:
        permit = running_permit()
        assert permit is not None
        print("ran", permit.event_id, flush=True)
        return "done"

    guard = Guard.open(folder)
    with suppress(BailiwickError), guard.session(user="alice", agent=AGENT, task="Work", conversation="c-1") as session:
        for number in range(20_000):
            try:
                permit = session.enter("put.key", {"id": f"item-{number}"})
                print("ack", permit.event_id, flush=True)
                session.call("put.safe", {"id": "1"}, run=run)
            except Refused as refused:
                print("refused", refused.decision.reasons[0].code, flush=True)
                break
            except BailiwickError as error:
                print("refused", type(error).__name__, flush=True)
                break
        for _ in range(5):
            try:
                session.call("put.safe", {"id": "2"}, run=run)
            except Refused as refused:
                print("later", refused.decision.reasons[0].code, flush=True)
    with suppress(BailiwickError):
        guard.close()
    os._exit(0)


if __name__ == "__main__":
    main()
