"""How attackers reuse what the user's own calls hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from bailiwick.redteam.world import Attack, Task, ToolCall
from examples.worlds.common import Environment, Goal

__all__ = ["again", "goal", "only_for", "values"]

E = TypeVar("E", bound=Environment)
Calls = Callable[[Task], Sequence[ToolCall]]


def values(task: Task, argument: str, *tools: str) -> tuple[str, ...]:
    """The values of an argument in the user's own calls of these tools, lists taken apart, in order, once each."""
    return tuple(dict.fromkeys(_values(task, argument, tools)))


def _values(task: Task, argument: str, tools: tuple[str, ...]) -> Iterator[str]:
    for each in task.calls:
        found = each.args.get(argument) if each.tool in tools else None
        yield from (str(value) for value in (found if isinstance(found, list) else [] if found is None else [found]))


def again(task: Task, tool: str, **changed: object) -> Sequence[ToolCall]:
    """The user's own first call of a tool with other values; nothing where there is none, or none would change."""
    own = next((each for each in task.calls if each.tool == tool), None)
    if own is None:
        return ()
    made = ToolCall(tool=tool, args={**own.args, **changed}, by=own.by, message=own.message)
    return () if made.args == own.args else (made,)


def only_for(*tasks: str) -> Callable[[Calls], Calls]:
    """An attack on these tasks alone."""

    def narrowed(calls: Calls) -> Calls:
        return lambda task: calls(task) if task.id in tasks else ()

    return narrowed


def goal(
    number: str,
    kind: str,
    text: str,
    calls: Calls,
    reached: Callable[[E, Task], bool],
    *,
    asi: tuple[str, ...] = ("ASI01",),
    atlas: tuple[str, ...] = ("AML.T0051.001",),
) -> Goal[E]:
    """An attack with its check. What the user does anyhow is no attack."""

    def apart(task: Task) -> Sequence[ToolCall]:
        made = calls(task)
        return (
            ()
            if any(each.tool == own.tool and each.args == own.args for each in made[-1:] for own in task.calls)
            else made
        )

    return Goal(attack=Attack(id=number, kind=kind, text=text, calls=apart, asi=asi, atlas=atlas), reached=reached)
