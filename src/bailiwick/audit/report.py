"""What the verification of a log says, and the rows of a log that it is told about. Values only; see `audit.verify`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from bailiwick.audit.relations import Relations, Unknown

__all__ = ["FolderReport", "Head", "Problem", "Report", "State", "StoredContent", "StoredEvent", "StoredHead"]

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


class StoredHead(NamedTuple):
    """The tree after a commit: number of records, and the peaks of its frontier one after the other."""

    size: int
    peaks: bytes


class StoredContent(NamedTuple):
    """A content of record `seq`."""

    seq: int
    role: str
    salt: bytes
    data: bytes


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
    there."""

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

    @property
    def state(self) -> State:
        if self.problems:
            return State.TAMPERED
        return State.UNREADABLE if self.unreadable else State.SOUND


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderReport:
    """The logs of a folder, what is wrong between them, and the calls whose outcome none of them knows."""

    logs: tuple[Report, ...]
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]
    unknown: tuple[Unknown, ...]

    @property
    def state(self) -> State:
        states = {report.state for report in self.logs}
        if self.problems or State.TAMPERED in states:
            return State.TAMPERED
        return State.UNREADABLE if State.UNREADABLE in states else State.SOUND
