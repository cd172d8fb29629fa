"""Kill switches: who and what is suspended just now, in every process that shares the store. DESIGN §5 *Identity*."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

__all__ = ["NOBODY", "Suspension", "Suspensions", "Target", "TargetKind"]


class TargetKind(StrEnum):
    """What can be suspended. The value is the first part of the resource that administrators' rules see."""

    AGENT = "agents"
    TOOL = "tools"
    USER = "users"
    SERVICE = "services"
    SESSION = "sessions"
    EVERYTHING = "everything"


@dataclass(frozen=True, slots=True, order=True)
class Target:
    """One thing that can be suspended. `name` is empty for everything; a session's is its key's id."""

    kind: TargetKind
    name: str = ""

    def __str__(self) -> str:
        return f"{self.kind.value}/{self.name}" if self.name else self.kind.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspension:
    """`by` is the user who ordered it (somebody else may lift it), `event` the record of it."""

    target: Target
    by: str
    at_ms: int
    reason: str
    event: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspensions:
    """Everything that is suspended at one revision of the store, which grows with each change."""

    revision: int = 0
    by_target: Mapping[Target, Suspension] = field(default_factory=lambda: MappingProxyType({}))

    def hit(self, targets: Iterable[Target]) -> Suspension | None:
        """The first of these that is suspended; None if none is."""
        return next((self.by_target[target] for target in targets if target in self.by_target), None)


NOBODY = Suspensions()
