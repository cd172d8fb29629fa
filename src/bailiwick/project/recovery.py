"""What processes that are gone left under way, sorted out when a Guard is opened: calls, what they took of budgets, and
the activation of bundles.

The log is what counts: the state store notes a thing before it is recorded, so a note without a record means that it
did not happen, and a record that the store forgot means that it did. DESIGN §3 promise 5, §5 *Audit*.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bailiwick.action.budgets import Hold
from bailiwick.action.ports import InDoubt
from bailiwick.audit.relations import ENDS, settles
from bailiwick.errors import StoreError
from bailiwick.guard.administration.bundles import Activation
from bailiwick.model.event import Event, EventKind
from bailiwick.model.tool import Idempotency
from bailiwick.stores.log_file import is_held, list_logs, log_path
from bailiwick.stores.log_reader import LogReader
from bailiwick.stores.sqlite_budgets import SqliteBudgets
from bailiwick.stores.sqlite_bundles import SqliteBundles
from bailiwick.stores.sqlite_log import SqliteLog
from bailiwick.stores.sqlite_state import SqliteState

__all__ = ["Recovery"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """`logs` is the folder of all logs of the project, `log` the one that this process holds."""

    logs: Path
    log: SqliteLog
    state: SqliteState
    bundles: SqliteBundles
    budgets: SqliteBudgets
    tenant: str
    env: str

    # ── bundles ────────────────────────────────────────────────────────────────────────────────────────────────────

    def active_bundle(self) -> Activation | None:
        """The bundle that holds, once an activation that a process left half done is settled.

        Raises StoreError if a log says that a newer one was activated: the state store was set back."""
        self._settle_activation()
        # The logs first: a note in the store comes before the event, so the store is never behind what they say.
        newest = max((self._newest(path) for path in list_logs(self.logs)), default=0)
        pending = self.bundles.pending(self.tenant, self.env)
        active = self.bundles.active(self.tenant, self.env)
        known = max(active.sequence if active else 0, pending.sequence if pending else 0)
        if newest > known:
            raise StoreError(
                f"the logs in {self.logs} say that bundle {newest} was activated, and the state store knows "
                f"{f'bundle {known} at most' if known else 'of none'}",
                hint="the store was set back, and with it what was suspended, approved and in doubt: restore its newest"
                " copy. If there is none, move the logs and the store away together, keep them, and activate a bundle "
                "with a higher sequence",
            )
        return active

    def _settle_activation(self) -> None:
        pending = self.bundles.pending(self.tenant, self.env)
        if pending is None:
            return
        path = log_path(self.logs, pending.log_id)
        if pending.log_id != self.log.log_id and is_held(path):
            return  # under way just now
        recorded = False
        if path.exists():
            with LogReader.open(path) as reader:
                recorded = reader.event(pending.event) is not None
        if recorded:
            self.bundles.switch(self.tenant, self.env, pending.sequence)
        else:
            self.bundles.drop(self.tenant, self.env, pending.sequence)

    def _newest(self, path: Path) -> int:
        """The sequence of the bundle that this log last said holds; 0 if it names none, or is of another tenant. (What
        a log says of it only grows, so its last word is enough.)"""
        with LogReader.open(path) as reader:
            event = reader.latest(EventKind.POLICY_ACTIVATED)
        if event is None or (event.tenant, event.env) != (self.tenant, self.env):
            return 0
        found = event.body.get("sequence", 0)
        return found if isinstance(found, int) else 0

    # ── calls ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def settle_calls(self) -> None:
        """A permitted call without a known outcome may have run: it stays in doubt, also where the state store forgot
        it (a loss of power can take its last commits). A call that was noted but whose decision never reached the log
        did not run, because no permit was handed out."""
        lost = {str(event.body["permit"]): event for event in self.log.unresolved}
        noted = {row.permit_id: row for row in self.state.all_in_doubt(self.tenant, self.env)}
        for permit_id, row in noted.items():
            if not row.unknown and permit_id not in lost and (row.log_id == self.log.log_id or self._settled(row)):
                self.state.finish(permit_id)
        for permit_id, event in lost.items():
            idempotency = Idempotency(str(event.body["idempotency"]))
            if idempotency is Idempotency.SAFE:
                continue
            if permit_id not in noted:
                self._note(event, permit_id, idempotency)
            self.state.mark_unknown(permit_id)

    # ── budgets ────────────────────────────────────────────────────────────────────────────────────────────────────

    def settle_budgets(self) -> None:
        """What permits of processes that are gone had taken: given back where no decision followed, or the permit ran
        out unstarted; else it stays counted. Nobody is left to say how much was really used."""
        for hold in self.budgets.holds(self.tenant, self.env):
            path = log_path(self.logs, hold.log_id)
            own = hold.log_id == self.log.log_id
            if not own and is_held(path):
                continue
            if self._ran(path, hold):
                self.budgets.settle(hold.permit_id, {}, now_ms=0)
            else:
                self.budgets.release(hold.permit_id)

    def _ran(self, path: Path, hold: Hold) -> bool:
        """Whether the call may have run: where its log cannot be read, it may. A log that is gone may have held it."""
        try:
            with LogReader.open(path) as reader:
                return reader.event(hold.decision_event) is not None and not any(
                    event.body["decision"] == hold.decision_event
                    for event in reader.events(kinds=frozenset({EventKind.ACTION_EXPIRED}))
                )
        except StoreError:
            return True

    def _note(self, decision: Event, permit_id: str, idempotency: Idempotency) -> None:
        effect_key = str(decision.body["effect_key"])
        try:
            self.state.begin(
                effect_key,
                permit_id=permit_id,
                decision_event=decision.id,
                log_id=decision.log,
                tool=str(decision.body["tool"]),
                idempotency=idempotency,
                now_ms=decision.ts_us // 1000,
            )
        except StoreError:
            # Another process that starts just now may have been faster.
            if permit_id not in {row.permit_id for row in self.state.in_doubt(effect_key)}:
                raise

    def _settled(self, row: InDoubt) -> bool:
        """Whether the log of a process that is gone says that the call was never permitted, or what became of it."""
        path = log_path(self.logs, row.log_id)
        if is_held(path):
            return False
        try:
            with LogReader.open(path) as reader:
                return reader.event(row.decision_event) is None or any(
                    event.body["decision"] == row.decision_event and settles(event.kind, row.idempotency.value)
                    for event in reader.events(kinds=ENDS)
                )
        except StoreError:
            return False
