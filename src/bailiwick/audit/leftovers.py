"""Contents that were kept once and are not any more: whether the logs say that they were erased or dropped for their
age. Who deletes contents and can record nothing leaves some that no log accounts for.

An erasure is on record in one log of the folder, and takes contents out of all of them: so this is asked of the folder.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from bailiwick.audit.report import Left, Problem, Report
from bailiwick.audit.sealing import key_ids
from bailiwick.model.event import Event, EventKind

__all__ = ["Leftovers", "keyless", "unaccounted"]


class Leftovers:
    """Counts, in one pass over a log, what is left of its contents."""

    def __init__(self) -> None:
        self._under: Counter[str] = Counter()
        self._sealed: Counter[str] = Counter()
        self._bare = 0
        self._newest_us = 0
        self._erased: set[str] = set()
        self._dropped_us = 0

    def event(self, event: Event) -> None:
        """An event of the log."""
        match event.kind:
            case EventKind.CONTENT_ERASED:
                keys = event.body["keys"]
                assert isinstance(keys, list)
                self._erased.update(map(str, keys))
            case EventKind.CONTENT_DROPPED:
                before_ms = event.body["before_ms"]
                assert isinstance(before_ms, int)
                self._dropped_us = max(self._dropped_us, before_ms * 1000)
            case _:
                pass

    def gone(self, key: str) -> None:
        """Of a content nothing is left but the key that it was sealed under."""
        self._under[key] += 1

    def sealed(self, key: str) -> None:
        """A content is there, and the key that it was sealed under is not."""
        self._sealed[key] += 1

    def bare(self, count: int, ts_us: int) -> None:
        """Of so many contents of an event nothing is left but their commitments."""
        if count:
            self._bare += count
            self._newest_us = max(self._newest_us, ts_us)

    @property
    def erased(self) -> int:
        return self._bare + self._under.total()

    def left(self) -> Left:
        return Left(
            under=dict(self._under),
            sealed=dict(self._sealed),
            bare=self._bare,
            newest_us=self._newest_us,
            erased=frozenset(self._erased),
            dropped_us=self._dropped_us,
        )


def unaccounted(logs: Sequence[Report]) -> Iterator[Problem]:
    """What is missing from these logs and was neither erased nor dropped, as far as any of them says."""
    erased = frozenset[str]().union(*(report.left.erased for report in logs))
    dropped_us = max((report.left.dropped_us for report in logs), default=0)
    for report in logs:
        left = report.left
        missing = sum(left.under[key] for key in _not_in(left.under, erased))
        if missing:
            text = f"{missing} contents of {report.log} are gone, and no log records that they were erased"
            yield Problem(code="content-gone", message=text)
        if left.bare and left.newest_us >= dropped_us:
            text = f"{left.bare} contents of {report.log} are gone without a trace, and no log records that they were"
            yield Problem(code="content-gone", message=text)


def keyless(logs: Sequence[Report]) -> Iterator[Problem]:
    """Contents whose key is gone and that were not erased, as far as any of these logs says. For whoever has the keys
    beside the logs: an erasure that is not done yet leaves some, and so does a key file that was lost or replaced."""
    erased = frozenset[str]().union(*(report.left.erased for report in logs))
    for report in logs:
        sealed = report.left.sealed
        lost = sum(sealed[key] for key in _not_in(sealed, erased))
        if lost:
            text = f"nobody can open {lost} contents of {report.log}: their keys are gone, and no log says by whom"
            yield Problem(code="keys-gone", message=text)


def _not_in(keys: Iterable[str], erased: frozenset[str]) -> Iterator[str]:
    return (key for key in keys if erased.isdisjoint(key_ids(key)))
