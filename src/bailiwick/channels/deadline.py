"""Ends a connection at a moment, however slowly the other side goes on: its own timeout is for each read alone."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

__all__ = ["SECONDS", "ended_after"]

SECONDS = 20.0
"""For one attempt, whole. INVARIANT: much shorter than `action.notices.LEASE_MS`. (What the system takes to look a name
up comes on top.)"""
_AGAIN_S = 0.2


@contextmanager
def ended_after(seconds: float, sock: Callable[[], socket.socket | None]) -> Iterator[Callable[[], bool]]:
    """Gives a function that says whether the time is over."""
    until = time.monotonic() + seconds

    def end() -> None:
        found = sock()
        if found is not None:
            with suppress(OSError):
                found.shutdown(socket.SHUT_RDWR)

    done = threading.Event()

    def watch() -> None:
        wait = seconds
        # Again and again: what is connected only after the time is over is ended too.
        while not done.wait(wait):
            end()
            wait = _AGAIN_S

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield lambda: time.monotonic() >= until
    finally:
        done.set()
        thread.join()
