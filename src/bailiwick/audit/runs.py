"""Checks a run of records at once: the quick way through a log in which nothing is wrong.

INVARIANT: a record counts as plain only if its hash is the stored one, its bytes are the canonical encoding of what
they say, that fits the schema of this version, and it stands where it says and under the columns that it is found by.
The first that is not, or that opens the log, ends the run, and is looked at by itself: that says what it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import Any, NamedTuple

from msgspec import UNSET

from bailiwick.audit.envelope import read
from bailiwick.audit.quick import decoded
from bailiwick.audit.relations import ENDS, RELATED, Decided, Ended
from bailiwick.model.event import Event, EventKind

__all__ = ["RUN", "Row", "Told", "plain_run"]

RUN = 256
"""Records that are looked at together."""

Row = tuple[Any, ...]
"""The columns of a `StoredEvent`, of whatever types the file holds."""


class Told(NamedTuple):
    """What plain records say that is held against others: each one's commitments, and what relates to other events,
    each with its `seq`."""

    commitments: list[Mapping[str, str]]
    related: list[Decided | Ended | Event]


def plain_run(rows: Sequence[Row], log: str, first: int) -> Told:
    """What these rows say up to the first that is not plain; `first` is the seq that is due."""
    commitments: list[Mapping[str, str]] = []
    related: list[Decided | Ended | Event] = []
    for due, (seq, id_, session, ord_, kind, ts_us, data, leaf) in enumerate(rows, first):
        # Types first: a damaged file may hold a number that equals another one, or a text in the place of bytes.
        if type(data) is not bytes or not type(seq) is type(ord_) is type(ts_us) is int:
            break
        if seq != due or sha256(b"\x00" + data).digest() != leaf:
            break
        event = decoded(data, kind)
        if event is None:
            break
        says = (event.seq, event.log, event.id, event.session, event.ord, event.ts_us)
        if says != (seq, log, id_, session, ord_, ts_us):
            break
        tell = _TELLING.get(kind)
        if tell is not None:
            fact = tell(event, data)
            if fact is None:
                break
            related += fact
        commitments.append(event.commitments)
    return Told(commitments, related)


def _opening(_event: Any, _data: bytes) -> None:
    return None


def _decision(event: Any, _data: bytes) -> tuple[Decided, ...]:
    body = event.body
    if body.permit is UNSET:
        return ()
    approvals = frozenset([lifted.approval for lifted in body.approved])
    idempotency = "None" if body.idempotency is UNSET else body.idempotency
    return (Decided(event.seq, event.id, body.permit, body.outcome, body.tool, idempotency, approvals),)


def _ended(kind: EventKind) -> Callable[[Any, bytes], tuple[Ended, ...]]:
    return lambda event, _data: (Ended(event.seq, event.id, kind, event.body.decision, event.body.permit),)


def _whole(_event: Any, data: bytes) -> tuple[Event, ...]:
    return (read(data),)


_TELLING: Mapping[str, Callable[[Any, bytes], Sequence[Decided | Ended | Event] | None]] = {
    **{kind.value: _whole for kind in RELATED},
    **{kind.value: _ended(kind) for kind in ENDS},
    EventKind.DECISION.value: _decision,
    EventKind.LOG_OPENED.value: _opening,
}
"""How an event of a kind says what others are held against; kinds that relate to nothing have no entry."""
