"""A process of its own that calls from many threads: `python -m tests.guard.race PROJECT THREADS same|own`.

All make the same call, or each one of its own (a mail with another body).

Says "ready", waits for a line, lets all threads make the call, and prints how many ran the tool. Each run leaves a line
in PROJECT/ran.
"""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress
from pathlib import Path

from bailiwick import BailiwickError
from tests.worlds import MAIL, opened


def main(folder: Path, threads: int, *, own: bool) -> None:
    with opened(folder) as session:
        print("ready", flush=True)
        sys.stdin.readline()
        start = threading.Barrier(threads)
        runs: list[int] = []

        def run(**args: object) -> str:
            runs.append(1)
            with (folder / "ran").open("ab") as file:
                file.write(b"%d\n" % os.getpid())
            return "sent"

        def make_call(number: int) -> None:
            mail = {**MAIL, "body": f"Mail {os.getpid()} {number}"} if own else MAIL
            start.wait()
            with suppress(BailiwickError):
                session.call("mail.send", mail, run=run)

        racing = [threading.Thread(target=make_call, args=(number,)) for number in range(threads)]
        for thread in racing:
            thread.start()
        for thread in racing:
            thread.join()
    print(len(runs), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), own={"same": False, "own": True}[sys.argv[3]])
