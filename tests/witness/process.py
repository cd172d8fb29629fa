"""A witness in a process of its own: `python -m tests.witness.process FOLDER PORT [die]`.

Prints its port once it listens. With `die` it kills itself when the first head is on disk, before it answers.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE, Popen

from bailiwick.audit.witness_settings import WitnessDecl
from bailiwick.audit.witnessing import TreeHead, TrustedLog
from bailiwick.errors import Where
from bailiwick.witness.http import WitnessServer
from bailiwick.witness.keys import make_keys, read_keys
from bailiwick.witness.service import Witness
from bailiwick.witness.store import Seen, WitnessStore
from tests.witness.logs import PROJECT, signer

ROOT = Path(__file__).parents[2]


class _Dying(WitnessStore):
    def advance(self, seen: Seen, held: TreeHead) -> bool:
        advanced = super().advance(seen, held)
        os.kill(os.getpid(), signal.SIGKILL)
        return advanced


@dataclass
class Running:
    """A witness process that listens."""

    folder: Path
    port: int
    process: Popen[str]

    @property
    def declared(self) -> WitnessDecl:
        keys = tuple(each.key for each in read_keys(self.folder))
        url = f"http://127.0.0.1:{self.port}"
        return WitnessDecl(name=self.folder.name, url=url, keys=keys, where=Where(file="bailiwick.toml"))

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


def made(folder: Path) -> Path:
    """A new witness that trusts the logs of the project that the tests submit."""
    folder.mkdir()
    store = WitnessStore.create(folder)
    store.trust(TrustedLog(key=signer(PROJECT).key, children=True))
    store.close()
    make_keys(folder, f"witness.test/{folder.name}")
    return folder


@contextmanager
def running(folder: Path, port: int = 0, *, die: bool = False) -> Iterator[Running]:
    """A process for this witness, until the end or until it is killed."""
    with running_all([folder], port, die=die) as (one,):
        yield one


@contextmanager
def running_all(folders: Sequence[Path], port: int = 0, *, die: bool = False) -> Iterator[list[Running]]:
    """As `running`, for several at once."""
    with ExitStack() as ending:
        processes = []
        for folder in folders:
            command = [sys.executable, "-m", "tests.witness.process", str(folder), str(port), *(["die"] if die else [])]
            process = ending.enter_context(Popen(command, cwd=ROOT, stdout=PIPE, text=True))
            ending.callback(process.kill)
            processes.append(process)
        started = []
        for folder, process in zip(folders, processes, strict=True):
            assert process.stdout is not None
            started.append(Running(folder, int(process.stdout.readline()), process))
        yield started


def main() -> None:
    folder, port, *die = sys.argv[1:]
    listener = socket.create_server(("127.0.0.1", int(port)))
    store = (_Dying if die else WitnessStore).open(Path(folder))
    witness = Witness(store, read_keys(Path(folder)), lambda: time.time_ns() // 1_000_000)
    server = WitnessServer(listener, witness, lambda line: print(line, file=sys.stderr), request_seconds=2.0)
    print(listener.getsockname()[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
