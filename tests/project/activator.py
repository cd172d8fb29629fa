"""A process of its own that activates a bundle: `python -m tests.project.activator PROJECT BUNDLE [STEP]`.

Says "ready", waits for a line, activates it as bob, and prints the code of the refusal, or "activated". With STEP it
dies by SIGKILL at touch STEP // 2 of a store: before it (even), after it (odd). Touches: admin decision, note, event,
switch.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bailiwick import Guard
from bailiwick.model.bundle import read
from tests.project.bundles import activate, code_of
from tests.worlds import with_ports

TOUCHED = {"log": ("append",), "bundles": ("note", "switch")}


class Deadly:
    def __init__(self, at: int) -> None:
        self.left, self.after = divmod(at, 2)

    def wrap(self, port: object, names: tuple[str, ...]) -> Any:
        deadly = self

        class Port:
            def __getattr__(self, name: str) -> Any:
                work = getattr(port, name)
                return (lambda *args, **kwargs: deadly.touch(work, *args, **kwargs)) if name in names else work

        return Port()

    def touch(self, work: Callable[..., object], *args: object, **kwargs: object) -> object:
        mine, self.left = self.left == 0, self.left - 1
        if mine and not self.after:
            os.kill(os.getpid(), signal.SIGKILL)
        done = work(*args, **kwargs)
        if mine:
            os.kill(os.getpid(), signal.SIGKILL)
        return done


def main(folder: Path, file: Path, step: str = "") -> None:
    with Guard.for_activation(folder) as guard:
        if step:
            deadly, ports = Deadly(int(step)), guard.engine.ports
            with_ports(guard, **{name: deadly.wrap(getattr(ports, name), names) for name, names in TOUCHED.items()})
        print("ready", flush=True)
        sys.stdin.readline()
        print(code_of(activate(guard, read(file.read_bytes()))) or "activated", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
