"""What a parent log says of the logs of its folder, and whether they are what it says. DESIGN §5 *Audit*.

A folder has one parent log for a tenant's environment. Each log is in it: `log.born` once it holds its opening and
before it takes a second record, `log.committed` whenever a process continues it or gives it up in order. In a parent
log an event's `session` is the log that it is about, so that what is said of one log is counted and found.

The order is what lets a crash be told from a deletion. A log's file is durable before its birth is recorded, so:

| the parent says | the folder holds | it is |
|---|---|---|
| nothing | a log with its opening alone | a process that ended while it made it; it holds nothing |
| nothing | a log with more | a log that was put there, or a parent that was rolled back |
| born | no such log | a log that was removed, always |
| committed at n | fewer than n records | a log that was rolled back, always |

What it cannot show: records that were dropped behind the last commit (a running log has none since it was continued),
and a folder that was set back as a whole, parent and all. Those need a head or a checkpoint that is kept elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from bailiwick.audit.kept import Kept, KeptHead
from bailiwick.model.event import Event, EventKind

__all__ = ["PARENT", "Child", "Family"]

PARENT = "parent-"
"""How the id of a parent log begins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """A log as its parent knows it: the leaf hash of its opening, and so far as it had come when somebody last said."""

    log: str
    first: str
    size: int
    root: str
    closed: bool


@dataclass(slots=True)
class Family:
    """Collects while a parent log is read in order. `heads` are all that was ever committed, by log."""

    children: dict[str, Child] = field(default_factory=dict)
    heads: dict[str, list[KeptHead]] = field(default_factory=dict)

    def add(self, event: Event) -> Iterator[tuple[str, str]]:
        """Take the next event in. Yields (code, message) of what does not fit."""
        if event.kind is EventKind.LOG_BORN:
            yield from self._born(event)
        elif event.kind is EventKind.LOG_COMMITTED:
            yield from self._committed(event)
        elif event.kind is not EventKind.LOG_OPENED:
            yield "not-a-parent", f"{event.kind.value} does not belong into a parent log"

    def _born(self, event: Event) -> Iterator[tuple[str, str]]:
        log, first = str(event.body["log"]), str(event.body["first"])
        if log in self.children:
            yield "born-twice", f"{log} was born before"
            return
        if event.session != log:
            yield "misfiled", f"the birth of {log} is filed under {event.session!r}"
        self.children[log] = Child(log=log, first=first, size=1, root=first, closed=False)
        self._keep(event, log, 1, first)

    def _committed(self, event: Event) -> Iterator[tuple[str, str]]:
        body = event.body
        log, size, root = str(body["log"]), body["size"], str(body["root"])
        assert isinstance(size, int)
        known = self.children.get(log)
        if known is None:
            yield "commit-without-birth", f"{log} was never born"
            return
        if event.session != log:
            yield "misfiled", f"what is said of {log} is filed under {event.session!r}"
        if size < known.size or (size == known.size and root != known.root):
            yield "commit-backwards", f"{log} had come to {known.size} records before, and here to {size} others"
            return
        self.children[log] = replace(known, size=size, root=root, closed=body["closed"] is True)
        self._keep(event, log, size, root)

    def _keep(self, event: Event, log: str, size: int, root: str) -> None:
        self.heads.setdefault(log, []).append(
            KeptHead(size, root, f"record {event.seq} of {event.log}", Kept.IN_THE_PARENT)
        )
