"""What the action plane needs from the outside: lookups, and a note of every call that is under way.

DESIGN §3 promise 5.

A call is noted before its permit is handed out and struck off when its outcome is known. What is still noted when its
process is gone may have run. Approvals, budgets and standing grants have ports of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from bailiwick.model.lookup import Found, Lookup
from bailiwick.model.tool import Idempotency

__all__ = ["InDoubt", "InFlightStore", "LookupSource", "Resolution", "effect_key", "effect_scope"]


class Resolution(StrEnum):
    """What somebody who looked found out about a call in doubt."""

    RAN = "ran"
    DID_NOT_RUN = "did_not_run"


@dataclass(frozen=True, slots=True, kw_only=True)
class InDoubt:
    """A call that is under way or may have run. `unknown` is False while nobody has said that its outcome is lost: the
    process that holds `log_id` may still be running it. `begun_ms` is milliseconds since the epoch."""

    effect_key: str
    permit_id: str
    decision_event: str
    log_id: str
    tool: str
    idempotency: Idempotency
    begun_ms: int
    unknown: bool


def effect_scope(tenant: str, env: str) -> str:
    """What every effect key of a tenant's environment starts with. No scope is the beginning of another one."""
    return f"{len(tenant)}:{tenant}|{len(env)}:{env}|"


def effect_key(tenant: str, env: str, digest: str) -> str:
    """The key under which the same effect is recognised: tenant, environment and the digest of the effect."""
    return effect_scope(tenant, env) + digest


class InFlightStore(Protocol):
    """Calls under way. A write survives `kill -9` when its method returns; after a loss of power the log fills the gap.

    `permit_id` is unique over all tenants; effect keys come from `effect_key`. Every method raises StoreError when it
    cannot do its work; the caller denies.
    """

    def begin(
        self,
        effect_key: str,
        *,
        permit_id: str,
        decision_event: str,
        log_id: str,
        tool: str,
        idempotency: Idempotency,
        now_ms: int,
        exclusive: bool = False,
    ) -> bool:
        """Note a call → whether it was noted. `exclusive`: only if no call with this effect is under way or unknown, of
        all who try at once one is. Raises StoreError if the permit id is noted already."""

    def finish(self, permit_id: str) -> None:
        """Strike a call off: its outcome is recorded. Nothing happens if it is not noted."""

    def in_doubt(self, effect_key: str) -> tuple[InDoubt, ...]:
        """Calls with this effect that are under way or unknown, oldest first."""

    def mark_unknown(self, permit_id: str) -> bool:
        """Say that nobody will report this call's outcome. False if it is not under way."""

    def resolve(self, permit_id: str, as_: Resolution) -> bool:
        """Reconcile a call: it is in doubt no longer. False if it was not in doubt (somebody else was faster)."""

    def all_in_doubt(self, tenant: str, env: str) -> tuple[InDoubt, ...]:
        """Every call of this tenant's environment that is under way or unknown, oldest first."""


class LookupSource(Protocol):
    """The world that arguments name: hosts and paths."""

    def look_up(self, asked: Sequence[Lookup]) -> Found:
        """The answers. What cannot be looked up, or not in time, has none. Never raises. INVARIANT: no answer is an
        address of `model.lookup.SUPPOSED`."""
