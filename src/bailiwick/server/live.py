"""Pages that renew themselves by asking again: cheap where nothing changed, and silent about what is not for the asker.

A page asks every few seconds with the mark of what it shows. INVARIANT: whether the answer is *nothing new* depends on
what this person may see alone. Requests that they may not see change only whether the rules are asked anew, which the
asker cannot tell: an answer that looks the same is never sent.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping

import orjson

__all__ = ["Live", "mark"]

MAX_KEPT = 1024
_CLOCK = frozenset({"now_ms", "seen"})


def mark(data: Mapping[str, object]) -> str:
    """The mark of what a page shows, the passing of time apart."""
    shown = {name: value for name, value in data.items() if name not in _CLOCK}
    return hashlib.sha256(orjson.dumps(shown, option=orjson.OPT_SORT_KEYS)).hexdigest()[:32]


class Live:
    """What each page of each person was last drawn from. Threads may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, ...], tuple[object, str]] = OrderedDict()

    def drawn(
        self,
        page: tuple[str, ...],
        seen: str,
        traces: Callable[[], object],
        draw: Callable[[], dict[str, object]],
    ) -> dict[str, object] | None:
        """What `draw` gives, with its mark as `seen`; None if that is what the asker has. `page` names the person and
        the page; `traces` is all that the page depends on."""
        now = traces()
        with self._lock:
            known = self._kept.get(page)
        if seen and known == (now, seen):
            return None
        data = draw()
        data["seen"] = mark(data)
        with self._lock:
            self._kept[page] = (now, str(data["seen"]))
            self._kept.move_to_end(page)
            while len(self._kept) > MAX_KEPT:
                self._kept.popitem(last=False)
        return None if seen == data["seen"] else data
