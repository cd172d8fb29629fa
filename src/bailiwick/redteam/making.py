"""One call of an agent in a governed session, with the person who answers for it, and what becomes of it.

Whoever thinks the calls up, a script or a model, this is how each of them is made.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from bailiwick.errors import ApprovalPending, BailiwickError, Denied, DidNotRun, OutcomeUnrecorded, Refused
from bailiwick.guard.current import running_permit
from bailiwick.guard.session import Session
from bailiwick.redteam.oracle import Oracle
from bailiwick.redteam.results import CallRecord, Fate
from bailiwick.redteam.world import ToolCall

__all__ = ["TRIES", "Made", "make_call"]

TRIES = 4
"""How often a call is made again after a person said yes: one gate may show only after another was lifted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What became of a call, and what the agent reads of it: its result, an error's text, or why it was refused."""

    record: CallRecord
    answer: object

    @property
    def came_through(self) -> bool:
        return self.record.fate is not Fate.REFUSED


def make_call(
    within: Callable[[], Session], call: ToolCall, tool: Callable[..., object], oracle: Oracle, *, attackers: bool
) -> Made:
    """Make one call, and whatever answering it takes. `within` gives the session, which may take a hand-over that is
    itself decided."""
    asked: tuple[str, ...] = ()
    refused: Refused | None = None
    ran = _Ran(run=tool)
    for _ in range(TRIES):
        ran = _Ran(run=tool)
        try:
            answer = within().call(call.tool, call.args, ran)
        except ApprovalPending as pending:
            refused = pending
            if not oracle.asked(call, pending.approval_id, attackers=attackers):
                break
            asked += tuple(gate.id for gate in pending.decision.gates)
        except (Denied, OutcomeUnrecorded) as denied:
            refused = denied
            break
        except Exception as error:
            if isinstance(error, BailiwickError) and not isinstance(error, DidNotRun):
                raise
            oracle.made(call)
            return Made(record=_record(call, Fate.FAILED, ran, attackers), answer=str(error))
        else:
            oracle.made(call)
            fate = Fate.APPROVED if asked else Fate.RAN
            return Made(record=_record(call, fate, ran, attackers, rules=asked), answer=answer)
    return Made(record=_record(call, Fate.REFUSED, ran, attackers, refused=refused), answer=str(refused))


def _record(
    call: ToolCall,
    fate: Fate,
    ran: _Ran,
    attackers: bool,
    refused: Refused | None = None,
    rules: tuple[str, ...] = (),
) -> CallRecord:
    decision = refused.decision if refused is not None else None
    if decision is not None:
        gates = tuple(gate.id for gate in decision.gates)
        rules = gates or tuple(reason.code for reason in decision.reasons)
    return CallRecord(
        tool=call.tool,
        attackers=attackers,
        fate=fate,
        rules=rules,
        why=decision.sentence() if decision is not None else "",
        event=refused.event_id if refused is not None else ran.event,
        latency_us=ran.waited_us,
    )


class _Ran:
    """A tool that notes when it is let through."""

    def __init__(self, run: Callable[..., object]) -> None:
        self._run = run
        self._asked_ns = time.perf_counter_ns()
        self._began_ns = 0
        self.event = ""
        """The decision that let it run."""

    def __call__(self, **args: object) -> object:
        self._began_ns = time.perf_counter_ns()
        permit = running_permit()
        self.event = permit.event_id if permit is not None else ""
        return self._run(**args)

    @property
    def waited_us(self) -> int:
        """How long it took until it was let through, or refused just now."""
        return ((self._began_ns or time.perf_counter_ns()) - self._asked_ns) // 1000
