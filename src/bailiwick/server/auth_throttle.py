"""How many failed logins an address may make, and how many of them fill the log.

Kept in memory: who restarts the console forgives, and codes, cookies and challenges are too long to be guessed anyway.
What it saves is the log and the disk. Behind a proxy that hides addresses all people share one.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Throttle"]


@dataclass(slots=True)
class _Window:
    begun_ms: int
    failures: int = 0
    asked: int = 0
    untold: int = 0


class Throttle:
    """`most_failures` and `most_asked` an address and `window_ms`; `most_recorded` of all addresses together."""

    def __init__(
        self,
        clock_ms: Callable[[], int],
        *,
        most_failures: int = 10,
        most_asked: int = 60,
        most_recorded: int = 100,
        window_ms: int = 60_000,
        remembered: int = 10_000,
    ) -> None:
        """`clock_ms` must not go back (`time.monotonic`)."""
        self._clock_ms = clock_ms
        self._most_failures, self._most_asked, self._most_recorded = most_failures, most_asked, most_recorded
        self._window_ms, self._remembered = window_ms, remembered
        self._by_address: OrderedDict[str, _Window] = OrderedDict()
        self._recorded = _Window(begun_ms=clock_ms())
        self._lock = threading.Lock()

    def admits(self, address: str) -> bool:
        """Whether this address may try (again); counts that it asked."""
        with self._lock:
            window = self._of(address)
            window.asked += 1
            if window.failures < self._most_failures and window.asked <= self._most_asked:
                return True
            window.untold += 1
            return False

    def failed(self, address: str) -> int | None:
        """An attempt failed → how many before it were not recorded; None: nor is this one to be."""
        with self._lock:
            window, now_ms = self._of(address), self._clock_ms()
            window.failures += 1
            if now_ms - self._recorded.begun_ms >= self._window_ms:
                self._recorded = _Window(begun_ms=now_ms, untold=self._recorded.untold)
            if self._recorded.failures >= self._most_recorded:
                self._recorded.untold += 1
                return None
            self._recorded.failures += 1
            more = window.untold + self._recorded.untold
            window.untold = self._recorded.untold = 0
            return more

    def _of(self, address: str) -> _Window:
        now_ms = self._clock_ms()
        found = self._by_address.pop(address, None)
        if found is None or now_ms - found.begun_ms >= self._window_ms:
            found = _Window(begun_ms=now_ms, untold=found.untold if found else 0)
        self._by_address[address] = found
        while len(self._by_address) > self._remembered:
            _address, gone = self._by_address.popitem(last=False)
            self._recorded.untold += gone.untold
        return found
