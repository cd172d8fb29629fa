"""Changes to who calls and to what the directory says of them. Each is a changed directory, or another principal, with
which the same call is decided again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import TypeVar

from bailiwick.guard.explaining.preview import Preview
from bailiwick.guard.planes import Planes
from bailiwick.model.directory import AgentEntry, Directory, ServiceEntry, TaskEntry, UserEntry
from bailiwick.model.principal import EntityKind, EntityRef
from bailiwick.policy.alternatives import Change, ChangeKind, Maker, Option
from bailiwick.policy.counterfactual import In

__all__ = ["Situation", "attribute", "granted", "membership", "other_task", "principal"]

MAX_PEOPLE = 3
"""Other users, and other agents, that are tried for each group or class that a rule asks for."""

Entry = UserEntry | ServiceEntry | AgentEntry
E = TypeVar("E", UserEntry, ServiceEntry, AgentEntry, TaskEntry)


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """A call and everything that it is decided with."""

    planes: Planes
    what: Preview
    now_us: int

    @property
    def directory(self) -> Directory:
        return self.planes.directory

    def with_directory(self, directory: Directory) -> Situation:
        """The same call, where the directory said something else."""
        policy = self.planes.policy.with_directory(directory)
        return replace(self, planes=replace(self.planes, directory=directory, policy=policy))

    def with_what(self, what: Preview) -> Situation:
        """Another call, or the same one by somebody else, with everything else unchanged."""
        return replace(self, what=what)


def membership(situation: Situation, who: EntityRef, wanted: In) -> Iterator[Option[Situation]]:
    """`who` in a group, role or class, or out of one that it is in directly; and others who are in it."""
    entry = _entry(situation.directory, who)
    field = {EntityKind.GROUP: "groups", EntityKind.ROLE: "roles", EntityKind.AGENT_CLASS: "classes"}.get(
        wanted.above.kind
    )
    if entry is None or field is None or field not in {each.name for each in fields(entry)}:
        return
    group = wanted.above.id
    direct: tuple[str, ...] = getattr(entry, field)
    if wanted.inside:
        after = (*direct, group)
    elif group in direct:
        after = tuple(each for each in direct if each != group)
    else:
        return
    where = f"{wanted.above.kind.value} {group}"
    yield Option(
        change=Change(
            kind=ChangeKind.MEMBERSHIP,
            what=f"{_name(who)} in {where}",
            before=str(not wanted.inside).lower(),
            after=str(wanted.inside).lower(),
            by=Maker.ADMINISTRATOR,
            text=f"if {_name(who)} were {'in' if wanted.inside else 'not in'} {where}",
        ),
        apply=lambda before: before.with_directory(
            _edited(before.directory, who, {field: after}),
        ),
    )
    if wanted.inside:
        yield from _others(situation, who, wanted.above)


def attribute(situation: Situation, who: EntityRef, name: str, value: object) -> Iterator[Option[Situation]]:
    """Another value of an attribute in the directory."""
    entry = _entry(situation.directory, who)
    if entry is None or not isinstance(value, str | int):
        return
    own = name in {each.name for each in fields(entry)}
    before = getattr(entry, name) if own else entry.attributes.get(name)
    if type(before) is not type(value) or (name == "owner" and value not in situation.directory.users):
        return
    edit = {name: value} if own else {"attributes": {**entry.attributes, name: value}}
    yield Option(
        change=Change(
            kind=ChangeKind.ATTRIBUTE,
            what=f"{name} of {_name(who)}",
            before=_shown(before),
            after=_shown(value),
            by=Maker.ADMINISTRATOR,
            text=f"if {name} of {_name(who)} were {_shown(value)} instead of {_shown(before)}",
        ),
        apply=lambda situation: situation.with_directory(_edited(situation.directory, who, edit)),
    )


def principal(situation: Situation, who: EntityRef, other: str) -> Iterator[Option[Situation]]:
    """Another user in the place of the user who asks, or another agent in the place of the one that calls."""
    request = situation.what.request
    match who.kind:
        case EntityKind.USER if who.id == request.user and other in situation.directory.users:
            changed, text = replace(request, user=other), f"if {other} asked for it instead of {who.id}"
        case EntityKind.AGENT if who.id == request.agent and other in situation.directory.agents:
            changed, text = replace(request, agent=other), f"through agent {other} instead of {who.id}"
        case _:
            return
    yield Option(
        change=Change(
            kind=ChangeKind.PRINCIPAL,
            what=who.kind.value.lower(),
            before=who.id,
            after=other,
            by=Maker.USER,
            text=text,
        ),
        apply=lambda before: before.with_what(replace(before.what, request=changed)),
        instead=True,
    )


def other_task(situation: Situation, task: str) -> Option[Situation]:
    """The same call in another task of the directory."""
    request = situation.what.request
    return Option(
        change=Change(
            kind=ChangeKind.TASK,
            what="task",
            before=request.task,
            after=task,
            by=Maker.USER,
            text=f"with the task {task!r} instead of {request.task!r}",
        ),
        apply=lambda before: before.with_what(replace(before.what, request=replace(request, task=task))),
    )


def granted(situation: Situation, *, tool: str = "", zones: tuple[str, ...] = ()) -> Iterator[Option[Situation]]:
    """The task with one more tool, or with the tool's zones."""
    task = situation.what.request.task
    entry = situation.directory.tasks.get(task)
    if entry is None:
        return
    if tool:
        edited = replace(entry, tools=(entry.tools or frozenset()) | {tool})
    else:
        edited = replace(entry, zones=entry.zones | frozenset(zones))
    what = tool or f"zone {', '.join(zones)}"
    yield Option(
        change=Change(
            kind=ChangeKind.GRANT,
            what=f"{what} in task {task}",
            before="false",
            after="true",
            by=Maker.ADMINISTRATOR,
            text=f"if task {task} included {what}",
        ),
        apply=lambda before: before.with_directory(
            replace(before.directory, tasks={**before.directory.tasks, task: edited})
        ),
    )


def _others(situation: Situation, who: EntityRef, above: EntityRef) -> Iterator[Option[Situation]]:
    directory = situation.directory
    if above.kind is EntityKind.AGENT_CLASS:
        names = [name for name, agent in directory.agents.items() if agent.active and above.id in agent.classes]
    else:
        names = [name for name, user in directory.users.items() if user.active and above in directory.groups_of(name)]
    for name in sorted(names)[:MAX_PEOPLE]:
        yield from principal(situation, who, name)


def _edited(directory: Directory, who: EntityRef, edit: Mapping[str, object]) -> Directory:
    match who.kind:
        case EntityKind.USER:
            return replace(directory, users=_with(directory.users, who.id, edit))
        case EntityKind.SERVICE:
            return replace(directory, services=_with(directory.services, who.id, edit))
        case _:
            return replace(directory, agents=_with(directory.agents, who.id, edit))


def _with(entries: Mapping[str, E], name: str, edit: Mapping[str, object]) -> Mapping[str, E]:
    changed: E = replace(entries[name], **edit)  # type: ignore[arg-type]
    return {**entries, name: changed}


def _entry(directory: Directory, who: EntityRef) -> Entry | None:
    match who.kind:
        case EntityKind.USER:
            return directory.users.get(who.id)
        case EntityKind.SERVICE:
            return directory.services.get(who.id)
        case EntityKind.AGENT:
            return directory.agents.get(who.id)
        case _:
            return None


def _name(who: EntityRef) -> str:
    return f"{who.kind.value.lower()} {who.id}"


def _shown(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else f'"{value}"' if isinstance(value, str) else str(value)
