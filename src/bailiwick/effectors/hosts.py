"""Asks the system's resolver for the addresses of hosts, with an end to how long it takes and how much it says.

Every address of both families is part of the answer, since whoever connects may take any of them. No answer: the name
has none, the resolver took too long, said too much, or said something that is no answer (`model.lookup.SUPPOSED`).
"""

from __future__ import annotations

import ipaddress
import queue
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from bailiwick.model.lookup import SUPPOSED

__all__ = ["MAX_ADDRESSES", "MAX_WAITING", "HostLookups", "Resolve", "system_addresses"]

MAX_ADDRESSES = 64
"""A host with more has no answer: what is not judged must not be connected to."""
MAX_WAITING = 32
"""Names that are asked for at one time; others wait for a place. A resolver that hangs keeps its place until it
answers: once all are taken nothing more is asked, and calls are denied."""

Resolve = Callable[[str], Sequence[str]]
"""A name → its addresses as text. Raises OSError where there are none."""


def system_addresses(name: str) -> Sequence[str]:
    """What getaddrinfo says, of both families."""
    answers = socket.getaddrinfo(name, None, family=socket.AF_UNSPEC, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in answers]


class HostLookups:
    """Names → addresses. Thread-safe; each name is asked for in a thread of its own, which nobody waits for when the
    program ends."""

    def __init__(self, *, resolve: Resolve = system_addresses, timeout: float = 3.0) -> None:
        """`timeout`: seconds until a name without an answer has none."""
        self._resolve = resolve
        self._timeout = timeout
        self._places = threading.BoundedSemaphore(MAX_WAITING)

    def addresses(self, names: Iterable[str]) -> Mapping[str, tuple[str, ...]]:
        """The addresses of each name that has some, in the resolver's order. Never raises."""
        answers: queue.SimpleQueue[tuple[str, tuple[str, ...]]] = queue.SimpleQueue()
        until = time.monotonic() + self._timeout
        waiting = {name for name in dict.fromkeys(names) if self._ask(name, answers, until)}
        found: dict[str, tuple[str, ...]] = {}
        while waiting:
            try:
                name, addresses = answers.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                break
            waiting.discard(name)
            if addresses:
                found[name] = addresses
        return found

    def _ask(self, name: str, answers: queue.SimpleQueue[tuple[str, tuple[str, ...]]], until: float) -> bool:
        if not self._places.acquire(timeout=max(0.0, until - time.monotonic())):
            return False

        def ask() -> None:
            said: Sequence[str] = ()
            try:
                said = self._resolve(name)
            except (OSError, UnicodeError):
                pass  # there is no such name, or nobody to ask
            finally:
                self._places.release()
                answers.put((name, _sound(said)))

        threading.Thread(target=ask, name="bailiwick-resolver", daemon=True).start()
        return True


def _sound(said: Sequence[str]) -> tuple[str, ...]:
    """The addresses in their one notation, each once; none at all if one of them cannot be judged."""
    found: dict[str, None] = {}
    for text in said[: MAX_ADDRESSES + 1]:
        try:
            found[str(ipaddress.ip_address(text.partition("%")[0]))] = None
        except ValueError:
            return ()
    return () if len(said) > MAX_ADDRESSES or SUPPOSED & found.keys() else tuple(found)
