"""The compromised agent: it makes the user's calls, and once it has read an attacker's text it makes his calls as well.

`guarded` puts every call through a real session; `unguarded` runs the same calls with nothing in between, which shows
what an attack is worth. Both go on after a refusal or an error: a hijacked agent does not give up.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from bailiwick.guard.session import Session
from bailiwick.project import Guard
from bailiwick.redteam.making import make_call
from bailiwick.redteam.oracle import Oracle
from bailiwick.redteam.results import CallRecord, Fate, TrialRun
from bailiwick.redteam.world import Moment, Task, ToolCall, Trial

__all__ = ["Play", "Unguarded", "guarded", "unguarded"]


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
        """Make one call. What another agent found it tells the one that asked it."""
        tool = self.trial.tools[call.tool]
        made = make_call(lambda: self._on_behalf(call), call, tool, self.oracle, attackers=attackers)
        self.records.append(made.record)
        if not made.came_through:
            return
        self.play.saw(made.answer)
        if call.by and made.record.fate is not Fate.FAILED:
            self._on_behalf(call).model_output(str(made.answer))
            self.session.message(call.by, str(made.answer))

    def _on_behalf(self, call: ToolCall) -> Session:
        if not call.by:
            return self.session
        key = (call.by, call.message)
        if key not in self.children:
            self.children[key] = self.session.delegate(call.by, message=call.message)
        return self.children[key]
