"""What the verification of a log says, and the rows of a log that it is told about. Values only; see `audit.verify`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

from bailiwick.audit.parent import Family
from bailiwick.audit.relations import Relations, Unknown

__all__ = ["FolderReport", "Head", "Left", "Problem", "Report", "State", "StoredContent", "StoredEvent", "StoredHead"]

Head = tuple[int, str]
"""Number of records, and the root over them as `sha256:<hex>`."""


class StoredEvent(NamedTuple):
    """A record as the store holds it: the bytes, and beside them the columns that it is found by."""

    seq: int
    id: str
    session: str
    ord: int
    kind: str
    ts_us: int
    data: bytes
    leaf: bytes

    @classmethod
    def of(cls, row: tuple[Any, ...]) -> StoredEvent:
        """A row as it was read. Where a damaged file holds another type, it becomes a value that cannot be right."""
        seq, id_, session, ord_, kind, ts_us, data, leaf = row
        return cls(_int(seq), str(id_), str(session), _int(ord_), str(kind), _int(ts_us), _bytes(data), _bytes(leaf))


class StoredHead(NamedTuple):
    """The tree after a commit: number of records, and the peaks of its frontier one after the other."""

    size: int
    peaks: bytes


class StoredContent(NamedTuple):
    """A content of record `seq`, opened; `data` is None where it cannot be: it is gone, or sealed under a key (`key`)
    that is not here."""

    seq: int
    role: str
    salt: bytes
    data: bytes | None
    key: str = ""
    gone: bool = False


@dataclass(frozen=True, slots=True)
class Left:
    """What was kept once and is not any more: how many contents under each key, and of how many nothing is left but the
    commitment (`newest_us`: the latest of their events); and what the log says was erased (the ids of keys) and dropped
    for its age (all before `dropped_us`). `sealed`: how many are there, under each key that is not."""

    under: Mapping[str, int] = field(default_factory=dict)
    sealed: Mapping[str, int] = field(default_factory=dict)
    bare: int = 0
    newest_us: int = 0
    erased: frozenset[str] = frozenset()
    dropped_us: int = 0


class State(StrEnum):
    """What `bailiwick audit verify` says (exit 0, 1, 2)."""

    SOUND = "sound"
    TAMPERED = "tampered"
    """Tampered with or incomplete: at least one problem."""
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong. `code` is stable; `seq` and `event` name the record where that is known."""

    code: str
    message: str
    seq: int | None = None
    event: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What was found in one log. `more` counts problems beyond the first hundred; `unknown` are permitted calls of
    which no outcome is recorded (they may be running, or may have run); `erased` counts contents that are no longer
    there, and `left` says of those what they were kept under; `sealed` counts those that were not looked at, since
    their keys are not here. `owner` is the tenant and env of its opening, `parents` are the parent logs that its
    openings name, `family` is what a parent log says; `checkpoints` counts those that lie with it, `signed` those
    with a known key's word."""

    log: str
    head: Head
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]
    more: int
    unreadable: str
    unknown: tuple[Unknown, ...]
    kinds: Mapping[str, int]
    sessions: int
    contents: int
    erased: int
    relations: Relations = field(repr=False)
    sealed: int = 0
    left: Left = field(default=Left(), repr=False)
    owner: tuple[str, str] = ("", "")
    parents: frozenset[str] = frozenset()
    family: Family | None = field(default=None, repr=False)
    checkpoints: int = 0
    signed: int = 0
    covered: int = 0
    """So many records its newest checkpoint covers."""
    checked: tuple[str, ...] = ()
    """By whose word its records were checked beyond its own file: sources of kept heads that fit."""

    @property
    def state(self) -> State:
        if self.problems:
            return State.TAMPERED
        return State.UNREADABLE if self.unreadable else State.SOUND


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderReport:
    """The logs of a folder, its parent logs, what is wrong between them, and the calls whose outcome none of them
    knows."""

    logs: tuple[Report, ...]
    parents: tuple[Report, ...] = ()
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]
    unknown: tuple[Unknown, ...]

    @property
    def state(self) -> State:
        states = {report.state for report in (*self.logs, *self.parents)}
        if self.problems or State.TAMPERED in states:
            return State.TAMPERED
        return State.UNREADABLE if State.UNREADABLE in states else State.SOUND


def _int(value: object) -> int:
    return value if isinstance(value, int) else -1


def _bytes(value: object) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")
