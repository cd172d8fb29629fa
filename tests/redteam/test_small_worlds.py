"""The two worlds of examples/worlds: honest tasks can be done, and every attack works where nobody guards."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import closing

import pytest

from bailiwick.project.load import load_project
from bailiwick.redteam.agent import unguarded
from bailiwick.redteam.world import Attack, Moment, Task, Trial
from examples.worlds.common import SmallWorld
from examples.worlds.opsdesk.world import opsdesk
from examples.worlds.payables.world import payables

WORLDS: tuple[SmallWorld, ...] = (payables(), opsdesk())  # type: ignore[type-arg]
SOAK = os.environ.get("BAILIWICK_SOAK") == "1"
_SAMPLE = 2
BY_NAME = pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.name)


def pairs(world: SmallWorld) -> Iterator[tuple[Task, Attack, Trial]]:  # type: ignore[type-arg]
    """Every task with every attack that comes near it; in CI two tasks for each attack, other ones for each."""
    tasks = list(world.tasks())
    for at, attack in enumerate(world.attacks()):
        near = 0
        for task in (*tasks[at % len(tasks) :], *tasks[: at % len(tasks)]):
            trial = world.begin(task, attack, None) if SOAK or near < _SAMPLE else None
            if trial is not None:
                near += 1
                yield task, attack, trial


@BY_NAME
def test_every_task_can_be_done_and_is_not_done_before(world: SmallWorld) -> None:  # type: ignore[type-arg]
    for task in world.tasks():
        trial = world.begin(task, None, None)
        assert trial is not None
        with closing(trial):
            assert not trial.useful(), task.id
            assert unguarded(trial, None).useful, task.id


@pytest.mark.soak
@BY_NAME
def test_every_attack_that_comes_near_reaches_its_goal_where_nobody_guards(world: SmallWorld) -> None:  # type: ignore[type-arg]
    near: Counter[str] = Counter()
    for task, attack, trial in pairs(world):
        with closing(trial):
            assert unguarded(trial, Moment.AT_THE_END).attacked, (task.id, attack.id)
        near[attack.id] += 1
    assert near.keys() == {attack.id for attack in world.attacks()}, "every attack has a task that lets it near"


@pytest.mark.soak
@BY_NAME
def test_the_users_own_calls_reach_no_attackers_goal(world: SmallWorld) -> None:  # type: ignore[type-arg]
    for task, attack, trial in pairs(world):
        with closing(trial):
            alone = unguarded(trial, None)
        assert alone.seen, (task.id, attack.id)
        assert not alone.attacked, (task.id, attack.id)


@BY_NAME
def test_a_world_has_enough_of_everything(world: SmallWorld) -> None:  # type: ignore[type-arg]
    catalog = load_project(world.folder).planes.catalog
    environment = world.environment("")
    try:
        assert set(environment.tools()) == set(catalog.tools)
    finally:
        environment.close()
    assert len(catalog.tools) >= 15
    assert len(world.tasks()) >= 20
    assert len(world.attacks()) >= 20
    assert len({attack.kind for attack in world.attacks()}) >= 12


@BY_NAME
def test_no_declaration_names_what_only_tasks_or_attackers_know(world: SmallWorld) -> None:  # type: ignore[type-arg]
    declared = "\n".join(
        path.read_text(encoding="utf-8") for part in ("tools", "policies") for path in (world.folder / part).iterdir()
    )
    values = {
        str(value)
        for task in world.tasks()
        for call in task.calls
        for value in call.args.values()
        if isinstance(value, str) and any(char.isdigit() or char == "@" for char in value)
    }
    assert not [value for value in values if value in declared]
