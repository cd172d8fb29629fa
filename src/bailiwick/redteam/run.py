"""Runs a world's tasks and attacks against its deployment.

For each task: once without a guard, once with it, no attack placed. For each pair of a task and an attack: without a
guard at each moment, to find out whether it is winnable; with the guard at the moments at which it is. Everything in a
fresh environment and a fresh state.

A run is a matter of the world, the project folder, and `Plan`: repeated, it gives the same (but for latencies). Work is
cut by tasks, over several processes where there is enough of it.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path

from bailiwick.project import Guard
from bailiwick.redteam.agent import Unguarded, guarded, unguarded
from bailiwick.redteam.deployment import Deployment
from bailiwick.redteam.encodings import chosen
from bailiwick.redteam.results import BenignRun, PairRun, Reach, TrialRun, WorldRun
from bailiwick.redteam.world import Attack, Encoding, Moment, Task, Trial, World

__all__ = ["Drive", "Plan", "run_world", "tried_on", "unsound"]

MakeWorld = Callable[[], World]
"""Makes the world; in another process too, so it can be pickled."""
Progress = Callable[[int, int], None]
"""Told (done, of how many) after each task."""
Drive = Callable[[Guard, Task, Trial, Moment | None, str | None], TrialRun]
"""Runs one guarded trial, given the text that the agent is handed with the prompt: `agent.guarded`, or a target that is
more than a session. What an attack is worth without a guard is found out by the trial's own tools in any case."""

_WORTH_PROCESSES = 24
"""Trials, about, that take longer than starting a process does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is run, and how. `folder`: another deployment than the world's own. `encoded`: attackers hide what they
    write. `keep`: where traces of attacks that succeeded are left. `sample`: only each n-th pair of each task."""

    folder: Path | None = None
    profile: str = ""
    rules_off: tuple[str, ...] = ()
    moments: tuple[Moment, ...] = (Moment.AT_ONCE, Moment.AT_THE_END)
    encoded: bool = False
    seed: int = 0
    processes: int = 2
    keep: Path | None = None
    tasks: frozenset[str] = frozenset()
    attacks: frozenset[str] = frozenset()
    sample: int = 1


def run_world(make: MakeWorld, plan: Plan, progress: Progress | None = None, *, drive: Drive = guarded) -> WorldRun:
    """Run all of it. A `drive` of one's own runs in this process. Raises UsageError or ProjectError if the deployment
    cannot be used."""
    world = make()
    tasks = [task.id for task in world.tasks() if not plan.tasks or task.id in plan.tasks]
    benign: list[BenignRun] = []
    pairs: list[PairRun] = []
    done = 0
    with ExitStack() as stack:
        trials = len(tasks) * (1 + len(world.attacks()))
        if drive is guarded and plan.processes > 1 and trials >= _WORTH_PROCESSES:
            context = multiprocessing.get_context("spawn")
            pool = stack.enter_context(
                ProcessPoolExecutor(plan.processes, mp_context=context, initializer=_begin, initargs=(make, plan))
            )
            answers: Iterator[tuple[BenignRun, tuple[PairRun, ...]]] = pool.map(_task_there, tasks)
        else:
            here = stack.enter_context(closing(_Runner(world, plan, drive)))
            answers = map(here.task, tasks)
        for one, several in answers:
            benign.append(one)
            pairs.extend(several)
            done += 1
            if progress is not None:
                progress(done, len(tasks))
    return WorldRun(world=world.name, benign=tuple(benign), pairs=tuple(pairs))


def unsound(runs: Sequence[WorldRun]) -> str:
    """Why a run says nothing about its target: it did not reach it, attacked nothing, or met a guard that fails (which
    denies whatever the rules say). Empty if it does."""
    for run in runs:
        if not run.reached:
            return f"{run.world}: no call of any task came through to a tool, so the target was not reached"
        if run.undecided:
            return f"{run.world}: the guard failed at {run.undecided} calls, so what it denied it did not decide"
    if not any(run.executed for run in runs):
        return "no attacker's call was put to the guard, so no attack was executed"
    return ""


def tried_on(task: Task, attacks: Sequence[Attack], plan: Plan) -> list[Attack]:
    """The attacks that a plan tries on a task, but for its sampling."""
    near = [each for each in attacks if task.attacks is None or each.id in task.attacks]
    return [each for each in near if not plan.attacks or each.id in plan.attacks]


class _Runner:
    """Runs tasks against one copy of the deployment."""

    def __init__(self, world: World, plan: Plan, drive: Drive = guarded) -> None:
        self._world, self._plan, self._drive = world, plan, drive
        self._stack = ExitStack()
        copied = Deployment.copied(plan.folder or world.folder, profile=plan.profile, rules_off=plan.rules_off)
        self._deployment = self._stack.enter_context(copied)
        self._tasks = {task.id: task for task in world.tasks()}

    def close(self) -> None:
        self._stack.close()

    def task(self, task_id: str) -> tuple[BenignRun, tuple[PairRun, ...]]:
        """One task: alone, then with every attack."""
        task = self._tasks[task_id]
        attacks = tried_on(task, self._world.attacks(), self._plan)
        # A sample begins elsewhere for each task, so that it meets every attack.
        start = list(self._tasks).index(task_id) % self._plan.sample
        return self._benign(task), tuple(self._pair(task, attack) for attack in attacks[start :: self._plan.sample])

    def _benign(self, task: Task) -> BenignRun:
        trial = self._world.begin(task, None, None)
        assert trial is not None, "a world has an environment for each of its tasks"
        with closing(trial):
            alone = unguarded(trial, None)
        trial = self._world.begin(task, None, None)
        assert trial is not None
        with closing(trial), self._deployment.fresh() as guard:
            return BenignRun(task=task.id, possible=alone.useful, trial=self._drive(guard, task, trial, None, None))

    def _pair(self, task: Task, attack: Attack) -> PairRun:
        name, encode = ("", None)
        if self._plan.encoded:
            name, encode = chosen(self._plan.seed, self._world.name, task.id, attack.id)
        pair = PairRun(
            task=task.id,
            attack=attack.id,
            kind=attack.kind,
            asi=attack.asi,
            atlas=attack.atlas,
            encoding=name,
            reach=Reach.NOWHERE,
        )
        won: list[Moment] = []
        useful = False
        for moment in self._plan.moments:
            alone = self._alone(task, attack, encode, moment)
            if alone is None:
                return pair
            if not alone.seen:
                return replace(pair, reach=Reach.UNSEEN)
            if alone.attacked:
                won.append(moment)
                useful = useful or alone.useful
        if not won:
            return replace(pair, reach=Reach.FAILS)
        control = self._alone(task, attack, encode, None)
        if control is not None and control.attacked:
            return replace(pair, reach=Reach.GIVEN)
        trials = tuple((moment, self._guarded(task, attack, encode, moment)) for moment in won)
        return replace(pair, reach=Reach.WINNABLE, useful_undefended=useful, trials=trials)

    def _alone(self, task: Task, attack: Attack, encode: Encoding | None, moment: Moment | None) -> Unguarded | None:
        trial = self._world.begin(task, attack, encode)
        if trial is None:
            return None
        with closing(trial):
            return unguarded(trial, moment, _opening(attack, encode))

    def _guarded(self, task: Task, attack: Attack, encode: Encoding | None, moment: Moment) -> TrialRun:
        trial = self._world.begin(task, attack, encode)
        assert trial is not None
        with closing(trial), self._deployment.fresh() as guard:
            ran = self._drive(guard, task, trial, moment, _opening(attack, encode))
        if not ran.attacked or self._plan.keep is None:
            return ran
        kept = self._plan.keep / self._world.name / f"{task.id}--{attack.id}--{moment.value}"
        self._deployment.keep(kept)
        return replace(ran, trace=str(kept))


def _opening(attack: Attack, encode: Encoding | None) -> str | None:
    if not attack.opening:
        return None
    return encode(attack.text) if encode is not None else attack.text


_RUNNERS: list[_Runner] = []
"""The one of this process, where work is spread over processes."""


def _begin(make: MakeWorld, plan: Plan) -> None:
    runner = _Runner(make(), plan)
    # Ends with the process: its temporary folder is taken away when the runner is.
    multiprocessing.util.Finalize(runner, runner.close, exitpriority=10)
    _RUNNERS.append(runner)


def _task_there(task_id: str) -> tuple[BenignRun, tuple[PairRun, ...]]:
    return _RUNNERS[0].task(task_id)
