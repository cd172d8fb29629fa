"""A process that writes a log and tells what was acknowledged: `python -m tests.stores.log_process FOLDER HOW`.

`sync` and `buffered` append until they are killed; each acknowledged event is one line `seq id` on stdout. `hold` opens
the log, prints its id and waits for the end of its stdin.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from bailiwick.audit.events import new_id
from bailiwick.model.event import Content, Draft, EventKind
from bailiwick.model.tool import Durability
from bailiwick.stores.sqlite_log import SqliteLog
from tests.audit.samples import allowed


def clock() -> int:
    return time.time_ns() // 1000


def open_log(folder: Path) -> SqliteLog:
    return SqliteLog.open(folder, build="test", tenant="acme", env="prod", clock=clock, entropy=os.urandom)


def draft(session: str, body: Mapping[str, object] | None = None, kind: EventKind = EventKind.DECISION) -> Draft:
    now_us = clock()
    event_id = new_id(now_us, os.urandom(10))
    return Draft(
        id=event_id,
        kind=kind,
        ts_us=now_us,
        tenant="acme",
        env="prod",
        session=session,
        body=allowed(f"prm-{event_id}") if body is None else body,
        contents=(Content(role="args", data=b'{"id":"42"}'),),
    )


def _append(log: SqliteLog, durability: Durability, session: str) -> None:
    while True:
        (receipt,) = log.append([draft(session)], durability)
        os.write(1, f"{receipt.seq} {receipt.event_id}\n".encode())


def main() -> None:
    log = open_log(Path(sys.argv[1]))
    if sys.argv[2] == "hold":
        print(log.log_id, flush=True)
        sys.stdin.read()
        log.close()
        return
    for number in range(3):
        threading.Thread(target=_append, args=(log, Durability(sys.argv[2]), f"s{number}")).start()


if __name__ == "__main__":
    main()
