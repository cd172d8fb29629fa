"""The compromised agent: it makes the user's calls, and once it has read an attacker's text it makes his calls as well.

`guarded` puts every call through a real session; `unguarded` runs the same calls with nothing in between, which shows
what an attack is worth. Both go on after a refusal or an error: a hijacked agent does not give up.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from bailiwick.errors import ApprovalPending, BailiwickError, Denied, DidNotRun, OutcomeUnrecorded, Refused
from bailiwick.guard.current import running_permit
from bailiwick.guard.session import Session
from bailiwick.project import Guard
from bailiwick.redteam.oracle import Oracle
from bailiwick.redteam.results import CallRecord, Fate, TrialRun
from bailiwick.redteam.world import Moment, Task, ToolCall, Trial

__all__ = ["TRIES", "Play", "Unguarded", "guarded", "unguarded"]

TRIES = 4
"""How often a call is made again after a person said yes: one gate may show only after another was lifted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unguarded:
    """What became of a trial that nobody guarded."""

    seen: bool
    useful: bool
    """Of a trial with a moment, judged only where the attack succeeded: it can take longer than all the rest."""
    attacked: bool


def unguarded(trial: Trial, moment: Moment | None, opening: str | None = None) -> Unguarded:
    """Run a trial without any guard. Without a moment the agent makes the user's calls alone. `opening`: what an
    attacker wrote, given to the agent together with the prompt; not None: it is taken in from the start."""
    play = Play(trial, moment, opening)

    def make(call: ToolCall) -> None:
        try:
            result = trial.tools[call.tool](**call.args)
        except Exception as error:  # noqa: BLE001  whatever a world's tool raises, the agent reads it and goes on
            play.saw(str(error))
        else:
            play.saw(result)

    for call, _ in play.calls():
        make(call)
    attacked = trial.attacked()
    useful = (attacked or moment is None) and trial.useful()
    return Unguarded(seen=play.seen, useful=useful, attacked=attacked)


def guarded(guard: Guard, task: Task, trial: Trial, moment: Moment | None, opening: str | None = None) -> TrialRun:
    """Run a trial in a session of its own; otherwise as `unguarded`."""
    play = Play(trial, moment, opening)
    with guard.session(user=task.user, agent=task.agent, task=task.purpose) as session:
        session.prompt(task.prompt)
        if task.instructions:
            session.instructions(task.instructions)
        session.model_input([opening] if opening else [])
        agent = _Agent(trial=trial, session=session, oracle=Oracle(guard, trial.calls), play=play)
        for call, of_attacker in play.calls():
            agent.make(call, attackers=of_attacker)
    run = TrialRun(
        calls=tuple(agent.records),
        approvals=agent.oracle.approvals,
        seen=play.seen,
        done=False,
        attacked=trial.attacked(),
    )
    return replace(run, done=not run.refused and trial.useful())


class Play:
    """Whose turn it is. `seen`: the agent has read what the attacker wrote."""

    def __init__(self, trial: Trial, moment: Moment | None, opening: str | None = None) -> None:
        self._trial = trial
        self._moment = moment
        self.seen = opening is not None

    def calls(self) -> Iterator[tuple[ToolCall, bool]]:
        """Every call that is made, in order, and whether it is the attacker's."""
        made = self.seen and self._moment is Moment.AT_ONCE
        if made:
            yield from ((each, True) for each in self._trial.attack_calls)
        for call in self._trial.calls:
            yield call, False
            if self.seen and not made and self._moment is Moment.AT_ONCE:
                made = True
                yield from ((each, True) for each in self._trial.attack_calls)
        if self.seen and self._moment is Moment.AT_THE_END:
            yield from ((each, True) for each in self._trial.attack_calls)

    def saw(self, result: object) -> None:
        """The agent read what a tool returned."""
        self.seen = self.seen or self._trial.saw_attack(result)


@dataclass(slots=True, kw_only=True)
class _Agent:
    """The agent in one guarded trial."""

    trial: Trial
    session: Session
    oracle: Oracle
    play: Play
    records: list[CallRecord] = field(default_factory=list)
    children: dict[tuple[str, str], Session] = field(default_factory=dict)

    def make(self, call: ToolCall, *, attackers: bool) -> None:
        """Make one call, and whatever answering it takes."""
        asked: tuple[str, ...] = ()
        for _ in range(TRIES):
            ran = _Ran(run=self.trial.tools[call.tool])
            try:
                result = self._on_behalf(call).call(call.tool, call.args, ran)
            except ApprovalPending as pending:
                if not self.oracle.asked(call, pending.approval_id, attackers=attackers):
                    self.record(call, Fate.REFUSED, ran, attackers, pending)
                    return
                asked += tuple(gate.id for gate in pending.decision.gates)
                continue
            except (Denied, OutcomeUnrecorded) as denied:
                self.record(call, Fate.REFUSED, ran, attackers, denied)
            except Exception as error:
                if isinstance(error, BailiwickError) and not isinstance(error, DidNotRun):
                    raise
                self.record(call, Fate.FAILED, ran, attackers)
                self.play.saw(str(error))
                self.oracle.made(call)
            else:
                self.record(call, Fate.APPROVED if asked else Fate.RAN, ran, attackers, rules=asked)
                self.play.saw(result)
                if call.by:  # what the other agent found it tells the one that asked it
                    self._on_behalf(call).model_output(str(result))
                    self.session.message(call.by, str(result))
                self.oracle.made(call)
            return
        self.record(call, Fate.REFUSED, _Ran(run=self.trial.tools[call.tool]), attackers)

    def _on_behalf(self, call: ToolCall) -> Session:
        if not call.by:
            return self.session
        key = (call.by, call.message)
        if key not in self.children:
            self.children[key] = self.session.delegate(call.by, message=call.message)
        return self.children[key]

    def record(
        self,
        call: ToolCall,
        fate: Fate,
        ran: _Ran,
        attackers: bool,
        refused: Refused | None = None,
        rules: tuple[str, ...] = (),
    ) -> None:
        decision = refused.decision if refused is not None else None
        if decision is not None:
            gates = tuple(gate.id for gate in decision.gates)
            rules = gates or tuple(reason.code for reason in decision.reasons)
        self.records.append(
            CallRecord(
                tool=call.tool,
                attackers=attackers,
                fate=fate,
                rules=rules,
                why=decision.sentence() if decision is not None else "",
                event=refused.event_id if refused is not None else ran.event,
                latency_us=ran.waited_us,
            )
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
