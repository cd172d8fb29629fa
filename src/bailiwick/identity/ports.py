"""What the identity plane needs from the outside: a durable store of sessions. DESIGN §4, §5 *State and scale*."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from bailiwick.model.principal import Chain, SessionKey
from bailiwick.model.standing import Suspension, Suspensions, Target

__all__ = ["SessionStore", "StandingStore", "StoredSession"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSession:
    """A session as the store keeps it. Times are milliseconds since the epoch.

    `created_ms` is when its key was first opened. `task_started_ms` is when this session first had this task: going to
    another task and back does not start its time anew. `version` counts from 1 and grows with each change of task.
    """

    key: SessionKey
    chain: Chain
    task: str
    purpose: str
    created_ms: int
    task_started_ms: int
    version: int


class SessionStore(Protocol):
    """Sessions by their key, which carries tenant and environment. Durable (fsynced) when a method returns.

    Every method raises StoreError when it cannot do its work; the caller denies.
    """

    def open_session(self, key: SessionKey, *, chain: Chain, task: str, purpose: str, now_ms: int) -> StoredSession:
        """The session under `key`: made anew, or restored with its created time and version."""

    def get_session(self, key: SessionKey) -> StoredSession | None:
        """The session under `key`, None if it was never opened."""


class StandingStore(Protocol):
    """What is suspended, for every process that shares the store. Durable (fsynced) when a method returns.

    Every method raises StoreError when it cannot do its work; the caller denies.
    """

    def revision(self, tenant: str, env: str) -> int:
        """A number that grows with each change: cheap, asked before each decision."""

    def suspensions(self, tenant: str, env: str) -> Suspensions:
        """Everything that is suspended, with the revision that says so."""

    def suspend(self, tenant: str, env: str, suspension: Suspension) -> bool:
        """Suspend a target → whether it was not suspended before (who suspended it first stays on record)."""

    def resume(self, tenant: str, env: str, target: Target) -> bool:
        """Lift a suspension → whether there was one."""
