"""Activated bundles as the guard knows them, and the port of the store that keeps them. DESIGN §5 *State and scale*."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

__all__ = ["Activation", "BundleStore"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Activation:
    """That a bundle was activated, `by` whom, signed by whom. `event` is the record of it, in the log `log_id`; `mode`
    is that of its policies, `tests` what became of its tests. `pending`: noted, and it is not known yet whether the
    event was written."""

    sequence: int
    digest: str
    author: str
    signers: tuple[str, ...]
    by: str
    at_ms: int
    mode: str
    tests: str
    note: str
    event: str
    log_id: str
    pending: bool = False


class BundleStore(Protocol):
    """The bundles of a tenant and environment, for every process that shares the store. Durable when a method returns.

    INVARIANT: sequences only grow, also over those that are pending; at most one is pending; and a switch changes the
    revision that `SuspensionStore.revision` tells, in the same transaction.

    Every method raises StoreError when it cannot do its work; the caller denies.
    """

    def active(self, tenant: str, env: str) -> Activation | None:
        """The bundle that holds, None if none was ever activated."""

    def pending(self, tenant: str, env: str) -> Activation | None:
        """The activation that is under way, or was when its process ended."""

    def history(self, tenant: str, env: str) -> tuple[Activation, ...]:
        """Every bundle that was activated, oldest first."""

    def data(self, tenant: str, env: str, sequence: int) -> bytes:
        """The file of a bundle that is active, or was."""

    def note(self, tenant: str, env: str, activation: Activation, data: bytes, *, after: int) -> bool:
        """Note that a bundle is about to be activated → whether it may be: its sequence is higher than `after`, that is
        still the sequence of the active one (0: there is none), and no other activation is under way."""

    def switch(self, tenant: str, env: str, sequence: int) -> bool:
        """The pending bundle holds from now on → whether it was pending."""

    def drop(self, tenant: str, env: str, sequence: int) -> None:
        """The pending bundle was not activated."""
