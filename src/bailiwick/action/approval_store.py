"""The port behind which approvals are kept. DESIGN §5 *Action*, *State and scale*."""

from __future__ import annotations

from typing import Protocol

from bailiwick.action.approvals import Approval
from bailiwick.model.principal import Chain

__all__ = ["ApprovalStore"]


class ApprovalStore(Protocol):
    """Approvals of all tenants. Every method raises StoreError when it cannot do its work; the caller denies.

    `save` and `compare_and_set` are durable (fsynced) when they return: a crash may lose an approval, never use one
    twice. Lists are ordered from the oldest request to the newest."""

    def save(self, approval: Approval, *, most_open: int | None = None) -> bool:
        """Store a new request, unless `most_open` requests of its session (of a planted one: planted ones) wait by
        then → whether it is stored. Of all who try at once no more are. Raises StoreError if its id is taken."""

    def get(self, tenant: str, env: str, approval_id: str) -> Approval | None:
        """The approval with this id, None if this tenant's environment has none."""

    def by_digest(self, tenant: str, env: str, digest: str) -> tuple[Approval, ...]:
        """Approvals of exactly this action."""

    def by_session(self, session: str) -> tuple[Approval, ...]:
        """Approvals that the session with this SessionKey id asked for."""

    def pending(self, tenant: str, env: str) -> tuple[Approval, ...]:
        """Requests that wait for votes; some may have expired (`status_at`)."""

    def last_used(self, tenant: str, env: str, *, tool: str, chain: Chain) -> Approval | None:
        """The approval that this chain used last for this tool, None if it used none."""

    def history(self, tenant: str, env: str, most: int) -> tuple[Approval, ...]:
        """The newest `most` approvals, whatever became of them."""

    def compare_and_set(self, old: Approval, new: Approval) -> bool:
        """Replace `old` by `new` iff the store still holds exactly `old`: of all who try, one gets True.

        Raises StoreError if `new` is no step from `old` (`is_step`)."""
