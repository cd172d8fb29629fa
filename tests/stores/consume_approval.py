"""A process of its own that races for an approval: `python consume_approval.py STATE.db THREADS SESSION`.

Says "ready", waits for a line, lets all its threads try to consume the session's one granted approval, and prints how
many tried and how many won. With THREADS = 0 it begins a call, appends to a ledger, consumes, and is killed on the
spot.
"""

from __future__ import annotations

import os
import signal
import sys
import threading

from bailiwick.action.approvals import consume
from bailiwick.flow.records import LedgerRow, RowKind
from bailiwick.model.tool import Idempotency
from bailiwick.stores.sqlite_state import SqliteState


def main(path: str, threads: int) -> None:
    with SqliteState.open(path) as store:
        (approval,) = store.by_session(sys.argv[3])
        print("ready", flush=True)
        sys.stdin.readline()
        if not threads:
            store.begin(
                "effect",
                permit_id="p-1",
                decision_event="e-1",
                log_id="log-1",
                tool="mail.send",
                idempotency=Idempotency.NONE,
                now_ms=1,
            )
            store.append("s", [LedgerRow(ord=-1, kind=RowKind.CONTENT, payload=b"seen")])
            store.compare_and_set(approval, consume(approval))
            os.kill(os.getpid(), signal.SIGKILL)
        start = threading.Barrier(threads)
        won: list[bool] = []

        def use() -> None:
            start.wait()
            won.append(store.compare_and_set(approval, consume(approval)))

        racing = [threading.Thread(target=use) for _ in range(threads)]
        for thread in racing:
            thread.start()
        for thread in racing:
            thread.join()
        print(len(won), sum(won), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
