"""What the two worlds share: an environment for each trial, places where outsiders write, and checks on what became.

A world places an attacker's text in **every** place where an outsider could write it. Whether a task ever reads one is
found out by doing it once without a guard.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from bailiwick.redteam.world import Attack, Encoding, Task, ToolCall, Trial

__all__ = ["Database", "Environment", "Goal", "Job", "SmallWorld", "call", "flat"]

Row = dict[str, Any]


class Environment(Protocol):
    """All that a trial's tools work on."""

    def tools(self) -> Mapping[str, Callable[..., object]]: ...

    def close(self) -> None: ...


E = TypeVar("E", bound=Environment)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job(Generic[E]):
    """A task and whether it was done."""

    task: Task
    done: Callable[[E], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal(Generic[E]):
    """An attack and whether it succeeded; it may depend on the task whose values the attacker reuses."""

    attack: Attack
    reached: Callable[[E, Task], bool]


def call(tool: str, /, by: str = "", message: object = None, **args: object) -> ToolCall:
    """A call; `by` names the sub-agent that makes it, told `message`. Without `by`, that is an argument of the tool."""
    if not by and message is not None:
        return ToolCall(tool=tool, args={**args, "message": message})
    return ToolCall(tool=tool, args=args, by=by, message=str(message or ""))


def flat(value: object) -> str:
    """Every text in a result, so that a text which stands in it is found."""
    match value:
        case str():
            return value
        case Mapping():
            return "\n".join(flat(each) for each in value.values())
        case list() | tuple():
            return "\n".join(flat(each) for each in value)
        case _:
            return json.dumps(value, default=str)


class Database:
    """An SQLite database in memory, with rows as dictionaries."""

    def __init__(self, schema: str) -> None:
        self._connection = sqlite3.connect(":memory:", check_same_thread=False)
        self._connection.row_factory = sqlite3.Row
        self._connection.executescript(schema)

    def rows(self, statement: str, *values: object) -> list[Row]:
        """The rows that a statement gives."""
        with self._connection:
            return [dict(row) for row in self._connection.execute(statement, values)]

    def one(self, what: str, statement: str, *values: object) -> Row:
        """The only row. Raises LookupError, saying `what` is not there."""
        found = self.rows(statement, *values)
        if not found:
            raise LookupError(f"there is no {what}")
        return found[0]

    def has(self, statement: str, *values: object) -> bool:
        """Whether a statement gives any row."""
        return bool(self.rows(statement, *values))

    def add(self, table: str, **values: object) -> None:
        """Add one row."""
        names, marks = ", ".join(values), ", ".join("?" for _ in values)
        self.rows(f"INSERT INTO {table} ({names}) VALUES ({marks})", *values.values())  # noqa: S608 - own names

    def close(self) -> None:
        self._connection.close()


@dataclass(slots=True, kw_only=True)
class SmallTrial(Generic[E]):
    """One run of one task."""

    job: Job[E]
    goal: Goal[E] | None
    planted: str
    """The attacker's text as he placed it; empty: nothing was placed."""
    environment: E

    @property
    def tools(self) -> Mapping[str, Callable[..., object]]:
        return self.environment.tools()

    @property
    def calls(self) -> Sequence[ToolCall]:
        return self.job.task.calls

    @property
    def attack_calls(self) -> Sequence[ToolCall]:
        return () if self.goal is None else self.goal.attack.calls(self.job.task)

    def saw_attack(self, result: object) -> bool:
        return bool(self.planted) and self.planted in flat(result)

    def useful(self) -> bool:
        return self.job.done(self.environment)

    def attacked(self) -> bool:
        return self.goal is not None and self.goal.reached(self.environment, self.job.task)

    def close(self) -> None:
        self.environment.close()


@dataclass(slots=True, kw_only=True)
class SmallWorld(Generic[E]):
    """A world whose environment is made anew from its own data, with a text in every place where outsiders write."""

    name: str
    folder: Path
    jobs: Sequence[Job[E]]
    goals: Sequence[Goal[E]]
    environment: Callable[[str], E]
    _readers: dict[str, bool] = field(default_factory=dict)

    def tasks(self) -> Sequence[Task]:
        return [job.task for job in self.jobs]

    def attacks(self) -> Sequence[Attack]:
        return [goal.attack for goal in self.goals]

    def begin(self, task: Task, attack: Attack | None, encode: Encoding | None) -> Trial | None:
        """None where the task reads nothing that an outsider writes, or has nothing that this attack could reuse."""
        if attack is not None and not (self._reads_planted(task) and attack.calls(task)):
            return None
        job = next(job for job in self.jobs if job.task.id == task.id)
        goal = None if attack is None else next(goal for goal in self.goals if goal.attack.id == attack.id)
        planted = "" if attack is None else encode(attack.text) if encode else attack.text
        return SmallTrial(job=job, goal=goal, planted=planted, environment=self.environment(planted))

    def _reads_planted(self, task: Task) -> bool:
        if task.id not in self._readers:
            environment, mark = self.environment("planted-mark"), "planted-mark"
            try:
                tools = environment.tools()
                self._readers[task.id] = any(mark in flat(tools[each.tool](**each.args)) for each in task.calls)
            finally:
                environment.close()
        return self._readers[task.id]
