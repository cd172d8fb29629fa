"""What holds around a call, beside the call itself: how the user is known, where and when it is made, facts kept
elsewhere. In Cedar these are `context.evidence`, `context.hours`, `context.environment` and `context.facts`. DESIGN §4.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time, tzinfo
from enum import StrEnum
from types import MappingProxyType

from bailiwick.model.call import Fact
from bailiwick.model.shape import Shape

__all__ = [
    "CLAIMED",
    "NOTHING_GATHERED",
    "NO_FACTS",
    "NO_USE",
    "Circumstances",
    "Evidence",
    "FactDecl",
    "FactReading",
    "FactScope",
    "Gathered",
    "Method",
    "Usage",
    "WorkingHours",
]


class Method(StrEnum):
    """How the root of a chain is known."""

    CLAIMED = "claimed"
    """The program that opened the session said so."""
    OIDC = "oidc"
    """A token of an identity provider said so, and was verified."""
    PASSKEY = "passkey"
    """A passkey of theirs answered. People who answer in the console are known so; the root of a session never is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Who the user is, and how that is known. `at_ms` is when the user last proved it (None: never); `strong` whether
    by more than one factor. `actors` is what an `act` claim said (RFC 8693), outermost first: evidence of who, never
    authority. `groups` are groups of the directory that the provider puts the user into, beside those of their
    entry."""

    method: Method = Method.CLAIMED
    at_ms: int | None = None
    strong: bool = False
    issuer: str = ""
    subject: str = ""
    actors: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()


CLAIMED = Evidence()


class FactScope(StrEnum):
    """What a fact is about, and so what it is cached by."""

    USER = "user"
    AGENT = "agent"
    RESOURCE = "resource"
    GLOBAL = "global"


@dataclass(frozen=True, slots=True, kw_only=True)
class FactDecl:
    """A fact that a provider knows. It is asked for at most `timeout_ms`, and a value may be used again until it is
    `max_age_ms` old. For calls on several resources a fact per resource must have the same value for each."""

    name: str
    shape: Shape
    scope: FactScope
    timeout_ms: int
    max_age_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FactReading:
    """A value that a provider gave at `read_ms`."""

    value: Fact
    read_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkingHours:
    """Days (1 Monday … 7 Sunday) and times of day, from `begin` to just before `end`, in a time zone. Where `begin` is
    later than `end` the hours go over midnight, and belong to the day on which they began."""

    zone: tzinfo
    days: frozenset[int]
    begin: time
    end: time

    def facts(self, now_ms: int) -> Mapping[str, Fact]:
        """`context.hours`."""
        now = datetime.fromtimestamp(now_ms / 1000, UTC).astimezone(self.zone)
        today, of_day = now.isoweekday(), now.time()
        if self.begin <= self.end:
            working = today in self.days and self.begin <= of_day < self.end
        else:
            yesterday = (today - 2) % 7 + 1
            working = (today in self.days and of_day >= self.begin) or (yesterday in self.days and of_day < self.end)
        return {"weekday": today, "minute": of_day.hour * 60 + of_day.minute, "working": working}


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """How much of a budget was used within its window before this call, and how much will have been with it."""

    used: int
    after: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """What was asked outside for one call: `facts` that its rules read, `usage` of each budget that they read, and
    which arguments an effector keeps to (`enforced`)."""

    facts: Mapping[str, FactReading] = field(default_factory=lambda: MappingProxyType({}))
    usage: Mapping[str, Usage] = field(default_factory=lambda: MappingProxyType({}))
    enforced: frozenset[str] = frozenset()


NO_FACTS: Mapping[str, FactReading] = MappingProxyType({})
NO_USE: Mapping[str, Usage] = MappingProxyType({})
NOTHING_GATHERED = Gathered()


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """`environment` are the values that were given for the attributes of [environment]; the rest as in `Gathered`."""

    evidence: Evidence = CLAIMED
    environment: Mapping[str, Fact] = field(default_factory=lambda: MappingProxyType({}))
    facts: Mapping[str, FactReading] = field(default_factory=lambda: MappingProxyType({}))
    usage: Mapping[str, Usage] = field(default_factory=lambda: MappingProxyType({}))
    enforced: frozenset[str] = frozenset()

    def beside(self, gathered: Gathered) -> Circumstances:
        """The same around a call for which this was gathered."""
        return replace(self, facts=gathered.facts, usage=gathered.usage, enforced=gathered.enforced)
