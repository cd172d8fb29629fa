"""What differs between two projects outside of what rules can see, and may still let more happen: settings and labels.

`policy diff` compares what rules say of the same facts. What is said here changes the facts themselves: who counts as a
stranger, what a level is called, what a tool's result carries. No rule shows that, so somebody has to look at it.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from bailiwick.errors import Where
from bailiwick.guard.planes import PolicyMode
from bailiwick.model.circumstances import FactDecl, WorkingHours
from bailiwick.model.directory import Attribute
from bailiwick.model.models import ModelSpec
from bailiwick.model.tool import ArgSpec, ToolSpec
from bailiwick.project.load import Project

__all__ = ["declared_changes", "unseen_changes"]

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_NOWHERE = Where(file="bailiwick.toml")


def declared_changes(old: Project, new: Project) -> Iterator[str]:
    """What rules read of the time and of the surroundings, where it is declared otherwise: findings show what that
    grants."""
    was, now = old.settings.decisions, new.settings.decisions
    before, after = (project.planes.policy.enforced.world.hours for project in (old, new))
    if before != after:
        yield f"[hours] were {_hours(before)} and are {_hours(after)}"
    yield from _named("environment", was.environment, now.environment)
    yield from _named("facts", was.facts, now.facts)


def _hours(hours: WorkingHours | None) -> str:
    if hours is None:
        return "never"
    days = " ".join(_DAYS[day - 1] for day in sorted(hours.days))
    return f"{days} {hours.begin:%H:%M} to {hours.end:%H:%M} {hours.zone}"


def _named(section: str, was: Sequence[Attribute | FactDecl], now: Sequence[Attribute | FactDecl]) -> Iterator[str]:
    before, after = ({each.name: each for each in side} for side in (was, now))
    for name in sorted(before.keys() | after.keys()):
        if name not in before:
            yield f"[{section}] declares {name} too"
        elif name not in after:
            yield f"[{section}] no longer declares {name}"
        elif before[name] != after[name]:
            yield f"[{section}] declares {name} otherwise"


def unseen_changes(old: Project, new: Project) -> Iterator[str]:
    """A sentence for each, in a fixed order."""
    was, now = old.settings.decisions, new.settings.decisions
    if now.mode is PolicyMode.OBSERVE and was.mode is not now.mode:
        yield "policies.mode is observe: what the rules deny is recorded, and happens"
    if more := sorted(new.settings.domains - old.settings.domains):
        yield f"org.domains has {', '.join(more)} too: nobody there is a stranger any more"
    if was.levels != now.levels:
        yield f"labels.levels were {', '.join(was.levels)} and are {', '.join(now.levels)}: rules go by their numbers"
    facts = ({each.name: (each.scope, each.max_age_ms) for each in side.facts} for side in (was, now))
    first, second = facts
    if about := sorted(name for name in first.keys() & second.keys() if first[name] != second[name]):
        yield f"facts {', '.join(about)}: whom they are about or how old they may be changed"
    signed = ([replace(issuer, where=_NOWHERE) for issuer in each.oidc] for each in (was, now))
    if operator.ne(*signed):
        yield "oidc changed: who may sign in as whom, or which groups that gives them"
    before, after = (project.planes.catalog.tools for project in (old, new))
    for name in sorted(before.keys() & after.keys()):
        differ = [what for what, one, other in _declared(before[name], after[name]) if one != other]
        if differ:
            yield f"{name}: its {', '.join(differ)} changed, so calls may carry other facts and labels"
    yield from _of_models(old.planes.catalog.models, new.planes.catalog.models)


def _of_models(was: Mapping[str, ModelSpec], now: Mapping[str, ModelSpec]) -> Iterator[str]:
    """What models may be given is said before any rule."""
    if was and not now:
        yield "no model is declared any more: calls of models are recorded, and not decided"
    for name in sorted(now.keys() - was.keys()) if was else ():
        yield f"model {name} is new: sessions may call it that are cleared for it"
    for name in sorted(was.keys() & now.keys()):
        if replace(was[name], where=_NOWHERE) != replace(now[name], where=_NOWHERE):
            yield f"model {name} is declared otherwise: what it may read, where, or with which tools of its provider"


def _declared(was: ToolSpec, now: ToolSpec) -> Iterator[tuple[str, object, object]]:
    """What the flow plane goes by, of both."""
    yield "output", was.output, now.output
    yield "sink", was.sink, now.sink
    yield "interface", was.interface, now.interface
    for name in sorted(was.args.keys() & now.args.keys()):
        one, other = was.args[name], now.args[name]
        yield f"argument {name}", _read_as(one), _read_as(other)


def _read_as(arg: ArgSpec) -> object:
    return arg.role, arg.recipients, arg.type, arg.options
