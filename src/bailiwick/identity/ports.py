"""What the identity plane needs from the outside: a durable store of sessions. DESIGN §4, §5 *State and scale*."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

from bailiwick.identity.scope import ScopeChange
from bailiwick.model.principal import Chain, SessionKey
from bailiwick.model.suspensions import Suspension, Suspensions

__all__ = ["ReplayStore", "RevocationStore", "SessionStore", "StoredSession", "SuspensionStore"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSession:
    """A session as the store keeps it. Times are milliseconds since the epoch.

    `created_ms` is when its key was first opened. `task_started_ms` is when this session first had this task: going to
    another task and back does not start its time anew. `version` counts from 1 and grows with each change of task, or
    of the task's scope, which is `change` since then.
    """

    key: SessionKey
    chain: Chain
    task: str
    purpose: str
    created_ms: int
    task_started_ms: int
    version: int
    change: ScopeChange | None = None


class SessionStore(Protocol):
    """Sessions by their key, which carries tenant and environment. Durable (fsynced) when a method returns.

    Every method raises StoreError when it cannot do its work; the caller denies.
    """

    def open_session(self, key: SessionKey, *, chain: Chain, task: str, purpose: str, now_ms: int) -> StoredSession:
        """The session under `key`: made anew, or restored with its created time and version."""

    def get_session(self, key: SessionKey) -> StoredSession | None:
        """The session under `key`, None if it was never opened."""

    def sessions_of(self, tenant: str, env: str, conversation: str) -> tuple[SessionKey, ...]:
        """The keys of every session that had this conversation id, sub-agents' too, in order of their ids."""

    def version(self, key: SessionKey) -> int:
        """Its version; 0 if it was never opened. Cheap: asked before each decision."""

    def scope(self, key: SessionKey, task: str) -> ScopeChange | None:
        """What the scope of one of its tasks was changed to; None if it never was."""

    def change_scope(self, key: SessionKey, task: str, change: ScopeChange, *, version: int) -> bool:
        """Store what the scope of a task was changed to → whether the session still had `version`, which grows by
        one."""

    def delegated(self, key: SessionKey) -> tuple[StoredSession, ...]:
        """The sessions of the same root and conversation that were delegated from this one, directly or further."""


class SuspensionStore(Protocol):
    """What is suspended, for every process that shares the store. Durable (fsynced) when a method returns.

    Every method raises StoreError when it cannot do its work; the caller denies.
    """

    def revision(self, tenant: str, env: str) -> int:
        """A number that grows with each change: cheap, asked before each decision."""

    def suspensions(self, tenant: str, env: str) -> Suspensions:
        """Everything that is suspended, with the revision that says so."""

    def suspend(self, tenant: str, env: str, suspension: Suspension) -> bool:
        """Suspend a target → whether it was not suspended before (who suspended it first stays on record)."""

    def resume(self, tenant: str, env: str, suspension: Suspension) -> bool:
        """Lift exactly this suspension → whether it still held (not where its target was suspended anew since)."""


class ReplayStore(Protocol):
    """Nonces of proofs, each of which counts once. Durable (fsynced) when a method returns.

    Raises StoreError when it cannot do its work; the caller denies.
    """

    def seen(self, tenant: str, env: str, nonce: str, *, expires_ms: int, now_ms: int) -> bool:
        """Whether `nonce` was seen before; from now on it was. Of any number of askers at once, in any process, one is
        told False. It is kept until `expires_ms`; one that expired already counts as seen, also if the clock went
        back since."""


class RevocationStore(Protocol):
    """Delegations that were revoked, by the ids of their links. Durable (fsynced) when a method returns.

    Every method raises StoreError when it cannot do its work; the caller denies.
    """

    def revoke(self, tenant: str, env: str, id_: str, *, at_ms: int, event: str) -> bool:
        """Revoke a link and with it all that follow it → whether it was not revoked before."""

    def revoked(self, tenant: str, env: str, ids: Collection[str]) -> frozenset[str]:
        """Those of `ids` that are revoked."""
